//! Lines over UDP, in datagrams of whole lines.

use super::attempt::Outcome;
use super::own::Failure;
use crate::export::statsd::end_of_lines;
use mio::net::UdpSocket;
use std::io::ErrorKind;

/// Sends what the system takes.
pub(super) fn send(
    socket: &UdpSocket,
    body: &[u8],
    sent: &mut usize,
    most: usize,
) -> Option<Outcome> {
    while *sent < body.len() {
        let rest = &body[*sent..];
        let len = datagram(rest, most);
        match socket.send(&rest[..len]) {
            Ok(_) => *sent += len,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) => {
                let why = if *sent == 0 { Failure::Closed } else { Failure::Partial };
                return Some(Outcome::Failed(why, error.to_string()));
            }
        }
    }
    Some(Outcome::Taken)
}

/// Bytes of the next datagram: as many whole lines as fit; a line that does not fit, alone.
fn datagram(lines: &[u8], most: usize) -> usize {
    if lines.len() <= most {
        return lines.len();
    }
    // With the last line's end.
    (end_of_lines(lines, most - 1) + 1).min(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_end_where_lines_do() {
        assert_eq!(datagram(b"a:1\nb:2\nc:3\n", 100), 12);
        assert_eq!(datagram(b"a:1\nb:2\nc:3\n", 11), 8);
        assert_eq!(datagram(b"a:1\nb:2\nc:3\n", 4), 4);
        assert_eq!(datagram(b"a:1\nb:2\nc:3\n", 3), 4);
        assert_eq!(datagram(b"abcdef", 3), 6);
        // A negative gauge of StatsD stays with the zero before it.
        assert_eq!(datagram(b"a:1|c\nb:0|g\nb:-5|g\n", 13), 6);
    }
}
