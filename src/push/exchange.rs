//! One payload over a connection, and the answer to it: a request of HTTP/1.1, or lines.

use super::attempt::Outcome;
use super::http::response::{Reader, Response};
use super::own::Failure;
use super::stream::Stream;
use crate::limits::MAX_PUSH_RESPONSE_BYTES;
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};

#[derive(Debug)]
pub(super) struct Exchange {
    stream: Stream,
    written: usize,
    /// Bytes read, for lines.
    read: usize,
    reader: Reader,
}

impl Exchange {
    pub(super) fn new(stream: Stream) -> Exchange {
        Exchange { stream, written: 0, read: 0, reader: Reader::default() }
    }

    /// Whether it has to go on although no event will come.
    pub(super) fn take_paused(&mut self) -> bool {
        self.stream.take_paused()
    }

    /// The answer, if its head is there, or which of `len` bytes are on their way.
    pub(super) fn time_out(&mut self, len: usize) -> Result<Response, &'static str> {
        // The status decides; the rest of the answer would have been a courtesy.
        self.reader.finish().ok_or(match self.written < len {
            true => "while writing",
            false => "while waiting for its answer",
        })
    }

    pub(super) fn http(&mut self, head: &[u8], body: &[u8]) -> Option<Outcome> {
        // A server may answer, and stop reading, before it has everything; so both ways are looked at every time.
        let wrote = self.write(head, body);
        let mut chunk = [0; 16 << 10];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => {
                    let why = "it closed the connection without an answer";
                    return Some(self.ended(io::Error::other(why)));
                }
                Ok(len) => match self.reader.feed(&chunk[..len]) {
                    Ok(false) => {}
                    Ok(true) => return self.reader.finish().map(Outcome::Answered),
                    Err(why) => {
                        return Some(Outcome::Failed(Failure::Malformed, why.to_owned()));
                    }
                },
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Some(self.ended(error)),
            }
        }
        // If nothing can be written, and no answer is there to say why, none will come.
        wrote.err().map(|error| self.ended(error))
    }

    /// The answer, if its head is there.
    fn ended(&mut self, otherwise: io::Error) -> Outcome {
        match self.reader.finish() {
            Some(response) => Outcome::Answered(response),
            None => broken(&otherwise),
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
    pub(super) fn lines(&mut self, body: &[u8]) -> Option<Outcome> {
        let failed = |error: io::Error| Some(broken(&error));
        let before = self.written;
        if let Err(error) = self.write(&[], body) {
            return failed(error);
        }
        let all_written = self.written == body.len() && (before < body.len() || body.is_empty());
        if all_written && let Err(error) = self.stream.shutdown() {
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

/// A connection that broke: by its end, or by what was said in its TLS session.
pub(super) fn broken(error: &io::Error) -> Outcome {
    let failure = match error.kind() {
        ErrorKind::InvalidData => Failure::Tls,
        _ => Failure::Closed,
    };
    Outcome::Failed(failure, error.to_string())
}
