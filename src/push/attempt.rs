//! One attempt to deliver one payload: connect, encrypt, write, read, on sockets that do not block.
//!
//! ```text
//!  Connecting ──► Handshaking ──► Exchanging (HTTP/1.1, lines) or Calling (gRPC) ──► outcome
//!      │ refused: the next address; none left: failed
//! ```
//!
//! An attempt is stepped whenever its socket may have something for it, and never waits. Whoever steps it keeps the time
//! limit. What counts as delivered: an HTTP status of 2xx; a gRPC status of 0; lines, when the peer closed its side after
//! all of ours was written; datagrams, when the system took them.

use super::datagrams;
use super::exchange::{Exchange, broken};
#[cfg(feature = "grpc")]
use super::grpc::{Call, Order};
use super::http::response::Response;
use super::own::Failure;
use super::protocol::Payload;
use super::stream::{Stream, Tls};
use mio::net::{TcpStream, UdpSocket};
use mio::{Interest, Registry, Token};
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

/// How a payload goes over the connection, and what goes before it, which may hold secrets.
pub(super) enum Transport {
    /// Behind this head, in a TLS session if there is what one needs.
    Http(Vec<u8>, Option<Tls>),
    /// As the message of a call.
    #[cfg(feature = "grpc")]
    Grpc(Order, Option<Tls>),
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
    /// An answer of another kind, in words: that it may take the payload later, and if it says so, when.
    #[cfg(feature = "grpc")]
    Later(String, Option<std::time::Duration>),
    /// An answer of another kind, in words: that it will not take the payload.
    #[cfg(feature = "grpc")]
    Refused(String),
    Failed(Failure, String),
}

pub(super) struct Attempt {
    pub(super) began: Instant,
    transport: Transport,
    payload: Arc<Payload>,
    /// Addresses not tried yet.
    addresses: VecDeque<SocketAddr>,
    stage: Stage,
    token: Token,
    /// Whether it is to be stepped again although no event will come.
    goes_on: bool,
}

#[derive(Debug)]
enum Stage {
    /// Waits for addresses, or has none left.
    Idle,
    Connecting(TcpStream, SocketAddr),
    Handshaking(Stream),
    Exchanging(Exchange),
    #[cfg(feature = "grpc")]
    Calling(Call),
    Datagrams {
        socket: UdpSocket,
        sent: usize,
    },
}

impl Attempt {
    /// An attempt whose addresses are not known yet.
    pub(super) fn new(
        transport: Transport,
        payload: Arc<Payload>,
        token: Token,
        now: Instant,
    ) -> Attempt {
        let (addresses, stage) = (VecDeque::new(), Stage::Idle);
        Attempt { began: now, transport, payload, addresses, stage, token, goes_on: false }
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

    /// Whether it is to be stepped again although no event will come: there was more to do than one turn has time for.
    pub(super) fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// Goes as far as it can without waiting.
    pub(super) fn step(&mut self, events: &Registry) -> Option<Outcome> {
        self.goes_on = false;
        if let Stage::Connecting(stream, address) = &self.stage {
            let address = *address;
            let failed = |error: io::Error| format!("{address}: {error}");
            match (stream.take_error(), stream.peer_addr()) {
                (Ok(Some(error)) | Err(error), _) => {
                    return self.next_address(events, failed(error));
                }
                (Ok(None), Ok(_)) => {
                    if let Err(error) = self.connected() {
                        return Some(broken(&error));
                    }
                }
                (Ok(None), Err(error)) if error.kind() == ErrorKind::NotConnected => return None,
                (Ok(None), Err(error)) => return self.next_address(events, failed(error)),
            }
        }
        if let Stage::Handshaking(stream) = &mut self.stage {
            match stream.handshake() {
                Ok(()) => self.agreed(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.goes_on = stream.take_paused();
                    return None;
                }
                Err(error) => return Some(failed_handshake(&error)),
            }
        }
        match &mut self.stage {
            Stage::Exchanging(exchange) => {
                let outcome = match &self.transport {
                    Transport::Http(head, _) => exchange.http(head, &self.payload.body),
                    _ => exchange.lines(&self.payload.body),
                };
                self.goes_on = exchange.take_paused();
                outcome
            }
            #[cfg(feature = "grpc")]
            Stage::Calling(call) => {
                let outcome = call.step();
                self.goes_on = call.goes_on();
                outcome
            }
            Stage::Datagrams { socket, sent } => {
                let Transport::Datagrams(most) = self.transport else { return None };
                datagrams::send(socket, &self.payload.body, sent, most)
            }
            Stage::Idle | Stage::Connecting(..) | Stage::Handshaking(_) => None,
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
        let head = if let Transport::Http(head, _) = &self.transport { head.len() } else { 0 };
        let during = match &mut self.stage {
            Stage::Exchanging(exchange) => {
                match exchange.time_out(head + self.payload.body.len()) {
                    Ok(response) => return Outcome::Answered(response),
                    Err(during) => during,
                }
            }
            Stage::Idle => {
                let why = "its name was not resolved in time".to_owned();
                return Outcome::Failed(Failure::Resolve, why);
            }
            Stage::Connecting(..) => "while connecting",
            Stage::Handshaking(_) => "in the TLS handshake",
            #[cfg(feature = "grpc")]
            Stage::Calling(_) => "while waiting for its answer",
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

    fn connected(&mut self) -> io::Result<()> {
        if let Stage::Connecting(socket, _) = std::mem::replace(&mut self.stage, Stage::Idle) {
            // Costs at most a delay if it is refused.
            let _ = socket.set_nodelay(true);
            let tls = match &self.transport {
                Transport::Http(_, tls) => tls.as_ref(),
                #[cfg(feature = "grpc")]
                Transport::Grpc(_, tls) => tls.as_ref(),
                Transport::Lines | Transport::Datagrams(_) => None,
            };
            self.stage = Stage::Handshaking(Stream::new(socket, tls)?);
        }
        Ok(())
    }

    /// The handshake is over, if there was one.
    fn agreed(&mut self) {
        if let Stage::Handshaking(stream) = std::mem::replace(&mut self.stage, Stage::Idle) {
            self.stage = match &self.transport {
                #[cfg(feature = "grpc")]
                Transport::Grpc(order, _) => {
                    Stage::Calling(Call::new(stream, order, self.payload.clone()))
                }
                _ => Stage::Exchanging(Exchange::new(stream)),
            };
        }
    }
}

fn failed_handshake(error: &io::Error) -> Outcome {
    let why = match error.kind() {
        ErrorKind::InvalidData => error.to_string(),
        ErrorKind::UnexpectedEof => {
            "it closed the connection in the TLS handshake; does it speak TLS on this port?".into()
        }
        _ => format!("the connection broke in the TLS handshake: {error}"),
    };
    Outcome::Failed(Failure::Tls, why)
}

/// Without what goes before the payload, which may hold secrets.
impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("began", &self.began)
            .field("payload", &self.payload)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}
