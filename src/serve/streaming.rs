//! One client's events on their way: taken from the stream when the client has all that was taken before.

use super::connection::Stream;
use super::events::{EventStream, HEARTBEAT, OPENING, Taken};
use std::io::{self, ErrorKind};

/// See the module.
#[derive(Debug)]
pub(super) struct Streaming {
    events: EventStream,
    /// What was taken; empty once the client has all of it.
    taken: Vec<u8>,
    sent: usize,
}

/// How far it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Went {
    /// The client has everything.
    Idle,
    /// The client has to read first; whether it was given something new, which it may take its time for.
    Blocked { anew: bool },
    /// The client is too slow for what there is.
    Behind,
    /// The client is gone.
    Gone,
}

impl Streaming {
    pub(super) fn new(events: EventStream, mut head: Vec<u8>) -> Streaming {
        head.extend_from_slice(OPENING);
        Streaming { events, taken: head, sent: 0 }
    }

    /// Whether the client has all that it was given.
    pub(super) fn is_idle(&self) -> bool {
        self.taken.is_empty()
    }

    /// Has something to send, where there is nothing to say.
    pub(super) fn beat(&mut self) {
        self.taken.extend_from_slice(HEARTBEAT);
    }

    /// Sends for as long as there is something and the client takes it. What the client says meanwhile is not read: one that is
    /// gone shows at the next thing that is sent.
    pub(super) fn send(&mut self, stream: &mut impl Stream) -> Went {
        let mut anew = false;
        loop {
            match send_all(stream, &self.taken, &mut self.sent) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return if self.events.is_behind() {
                        Went::Behind
                    } else {
                        Went::Blocked { anew }
                    };
                }
                Err(_) => return Went::Gone,
            }
            self.taken.clear();
            self.sent = 0;
            match self.events.take(&mut self.taken) {
                Taken::Events => anew = true,
                Taken::Nothing => return Went::Idle,
                Taken::Behind => return Went::Behind,
            }
        }
    }
}

/// Sends what is left of `bytes` behind `sent`.
pub(super) fn send_all(stream: &mut impl Stream, bytes: &[u8], sent: &mut usize) -> io::Result<()> {
    while *sent < bytes.len() {
        match stream.write(&bytes[*sent..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(len) => *sent += len,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // What a stream that encrypts holds back must have gone as well.
    stream.flush()
}
