//! One attempt to deliver one payload: connect, write, read, on sockets that do not block.
//!
//! ```text
//!  Connecting ──► Exchanging ──► outcome
//!      │ refused: the next address; none left: failed
//! ```
//!
//! An attempt is stepped whenever its socket may have something for it, and never waits. Whoever steps it keeps the time
//! limit. What counts as delivered: an HTTP status of 2xx; lines, when the peer closed its side after all of ours was
//! written; datagrams, when the system took them.

use super::http::response::{Reader, Response};
use super::own::Failure;
use super::protocol::Payload;
use crate::export::statsd::end_of_lines;
use crate::limits::MAX_PUSH_RESPONSE_BYTES;
use mio::net::{TcpStream, UdpSocket};
use mio::{Interest, Registry, Token};
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

/// How a payload goes over the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Http,
    Lines,
    /// In datagrams of at most so many bytes.
    Datagrams(usize),
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// An answer with a status.
    Answered(Response),
    /// The peer took everything, and has no way to say more.
    Taken,
    Failed(Failure, String),
}

pub(super) struct Attempt {
    pub(super) began: Instant,
    transport: Transport,
    head: Vec<u8>,
    payload: Arc<Payload>,
    /// Addresses not tried yet.
    addresses: VecDeque<SocketAddr>,
    stage: Stage,
    token: Token,
}

#[derive(Debug)]
enum Stage {
    /// Waits for addresses, or has none left.
    Idle,
    Connecting(TcpStream, SocketAddr),
    Exchanging(Exchange),
    Datagrams {
        socket: UdpSocket,
        sent: usize,
    },
}

#[derive(Debug)]
struct Exchange {
    stream: TcpStream,
    written: usize,
    /// Bytes read, for lines.
    read: usize,
    reader: Reader,
}

impl Attempt {
    /// An attempt whose addresses are not known yet.
    pub(super) fn new(
        transport: Transport,
        head: Vec<u8>,
        payload: Arc<Payload>,
        token: Token,
        now: Instant,
    ) -> Attempt {
        let addresses = VecDeque::new();
        Attempt { began: now, transport, head, payload, addresses, stage: Stage::Idle, token }
    }

    /// Begins to connect.
    pub(super) fn connect(
        &mut self,
        addresses: &[SocketAddr],
        events: &Registry,
    ) -> Option<Outcome> {
        self.addresses = addresses.iter().copied().collect();
        self.next_address(events, "there is none".to_owned())
    }

    /// Goes as far as it can without waiting.
    pub(super) fn step(&mut self, events: &Registry) -> Option<Outcome> {
        if let Stage::Connecting(stream, address) = &self.stage {
            let address = *address;
            let failed = |error: io::Error| format!("{address}: {error}");
            match (stream.take_error(), stream.peer_addr()) {
                (Ok(Some(error)) | Err(error), _) => {
                    return self.next_address(events, failed(error));
                }
                (Ok(None), Ok(_)) => self.connected(),
                (Ok(None), Err(error)) if error.kind() == ErrorKind::NotConnected => return None,
                (Ok(None), Err(error)) => return self.next_address(events, failed(error)),
            }
        }
        match &mut self.stage {
            Stage::Exchanging(exchange) => match self.transport {
                Transport::Http => exchange.http(&self.head, &self.payload.body),
                _ => exchange.lines(&self.payload.body),
            },
            Stage::Datagrams { socket, sent } => {
                let Transport::Datagrams(most) = self.transport else { return None };
                datagrams(socket, &self.payload.body, sent, most)
            }
            Stage::Idle | Stage::Connecting(..) => None,
        }
    }

    /// Bytes of the body that the system has taken as datagrams.
    pub(super) fn sent(&self) -> usize {
        match self.stage {
            Stage::Datagrams { sent, .. } => sent,
            _ => 0,
        }
    }

    /// What came of it although its time is over.
    pub(super) fn time_out(&mut self) -> Outcome {
        let during = match &mut self.stage {
            // The status decides; the rest of the answer would have been a courtesy.
            Stage::Exchanging(exchange) => match exchange.reader.finish() {
                Some(response) => return Outcome::Answered(response),
                None if exchange.written < self.head.len() + self.payload.body.len() => {
                    "while writing"
                }
                None => "while waiting for its answer",
            },
            Stage::Idle => {
                let why = "its name was not resolved in time".to_owned();
                return Outcome::Failed(Failure::Resolve, why);
            }
            Stage::Connecting(..) => "while connecting",
            Stage::Datagrams { .. } => "while sending datagrams",
        };
        Outcome::Failed(Failure::Timeout, format!("the time limit was over {during}"))
    }

    fn next_address(&mut self, events: &Registry, mut why: String) -> Option<Outcome> {
        self.stage = Stage::Idle;
        while let Some(address) = self.addresses.pop_front() {
            match self.open(address, events) {
                Ok(()) => return self.step(events),
                Err(error) => why = format!("{address}: {error}"),
            }
        }
        Some(Outcome::Failed(Failure::Connect, format!("no address took the connection; {why}")))
    }

    fn open(&mut self, address: SocketAddr, events: &Registry) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Transport::Datagrams(_) = self.transport {
            let any = match address {
                SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
                SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
            };
            let mut socket = UdpSocket::bind(any)?;
            socket.connect(address)?;
            events.register(&mut socket, self.token, interest)?;
            self.stage = Stage::Datagrams { socket, sent: 0 };
        } else {
            let mut stream = TcpStream::connect(address)?;
            events.register(&mut stream, self.token, interest)?;
            self.stage = Stage::Connecting(stream, address);
        }
        Ok(())
    }

    fn connected(&mut self) {
        match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Connecting(stream, _) => {
                // Costs at most a delay if it is refused.
                let _ = stream.set_nodelay(true);
                let reader = Reader::default();
                self.stage = Stage::Exchanging(Exchange { stream, written: 0, read: 0, reader });
            }
            other => self.stage = other,
        }
    }
}

/// Without the head, which may hold secrets.
impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("began", &self.began)
            .field("transport", &self.transport)
            .field("payload", &self.payload)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

impl Exchange {
    fn http(&mut self, head: &[u8], body: &[u8]) -> Option<Outcome> {
        // A server may answer, and stop reading, before it has everything; so both ways are looked at every time.
        let wrote = self.write(head, body);
        let mut chunk = [0; 16 << 10];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Some(self.ended("it closed the connection without an answer")),
                Ok(len) => match self.reader.feed(&chunk[..len]) {
                    Ok(false) => {}
                    Ok(true) => return Some(self.ended("")),
                    Err(why) => {
                        return Some(Outcome::Failed(Failure::Malformed, why.to_owned()));
                    }
                },
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Some(self.ended(&error.to_string())),
            }
        }
        // If nothing can be written, and no answer is there to say why, none will come.
        wrote.err().map(|error| self.ended(&error.to_string()))
    }

    /// The answer, if its head is there.
    fn ended(&mut self, otherwise: &str) -> Outcome {
        match self.reader.finish() {
            Some(response) => Outcome::Answered(response),
            None => Outcome::Failed(Failure::Closed, otherwise.to_owned()),
        }
    }

    /// Writes what the system takes.
    fn write(&mut self, head: &[u8], body: &[u8]) -> io::Result<()> {
        while self.written < head.len() + body.len() {
            let written = match head.get(self.written..) {
                Some(head) => self.stream.write_vectored(&[IoSlice::new(head), IoSlice::new(body)]),
                None => self.stream.write(&body[self.written - head.len()..]),
            };
            match written {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => self.written += len,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes the lines, ends our side, and waits for the peer to end its own: it does so when it has read everything. A
    /// peer that goes away with lines unread breaks the connection instead.
    fn lines(&mut self, body: &[u8]) -> Option<Outcome> {
        let failed = |error: io::Error| Some(Outcome::Failed(Failure::Closed, error.to_string()));
        let before = self.written;
        if let Err(error) = self.write(&[], body) {
            return failed(error);
        }
        let all_written = self.written == body.len() && (before < body.len() || body.is_empty());
        if all_written && let Err(error) = self.stream.shutdown(Shutdown::Write) {
            return failed(error);
        }
        let mut waste = [0; 4096];
        loop {
            match self.stream.read(&mut waste) {
                Ok(0) if self.written == body.len() => return Some(Outcome::Taken),
                Ok(0) => {
                    let why = "it closed the connection before it had all lines".to_owned();
                    return Some(Outcome::Failed(Failure::Closed, why));
                }
                Ok(len) => {
                    self.read += len;
                    if self.read > MAX_PUSH_RESPONSE_BYTES {
                        let why = "it answers, and does not stop, where no answer is due";
                        return Some(Outcome::Failed(Failure::Malformed, why.to_owned()));
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) => return failed(error),
            }
        }
    }
}

/// Sends what the system takes, in datagrams of whole lines.
fn datagrams(socket: &UdpSocket, body: &[u8], sent: &mut usize, most: usize) -> Option<Outcome> {
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
