//! Lines over UDP, in datagrams of whole lines.

use super::attempt::Outcome;
use super::own::Failure;
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
    let fits = lines[..most].iter().rposition(|&byte| byte == b'\n');
    let end = fits.or_else(|| lines.iter().position(|&byte| byte == b'\n'));
    end.map_or(lines.len(), |end| end + 1)
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
    }
}
