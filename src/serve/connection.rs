//! One client: what it sent, what it is being sent, and until when it may take.
//!
//! States, and what leads from one to the next:
//!
//! ```text
//!     Reading ──a whole request──► Asked ──answer()──► Sending ──all sent, keep──► Reading
//!        │                                                │
//!        └──not a request, too large, too late──► Sending └──all sent, close──► Closing ──► gone
//! ```
//!
//! Each state has a deadline, so a connection that nobody moves ends: `Reading` at the time limit
//! for a request (a 408 if it was begun), or between requests at the idle limit; `Sending` at the
//! write limit; `Closing`, where the client has been told and its leftovers are read away so that a
//! reset does not overtake the response, at the linger limit.
//!
//! The stream does not block, and sockets report readiness once: after `Progress::Waiting` the
//! stream has said `WouldBlock`, and after `Progress::Again` it has not, so the worker must come
//! back by itself. One step handles one request, so that a client who pipelines takes turns with
//! the others.
//!
//! Time is an argument, and the stream a trait: tests run this without sockets and without waiting.

use super::own::{Code, Limit, OwnMetrics, Path};
use super::page::Page;
use super::request::{Method, Parsed, Request, parse};
use super::response::{FINAL, Manner, Response};
use crate::limits::{
    HTTP_HEADER_TIMEOUT, HTTP_IDLE_TIMEOUT, HTTP_LINGER, HTTP_WRITE_TIMEOUT, MAX_HTTP_HEADER_BYTES,
    MAX_HTTP_REQUESTS,
};
use std::io::{ErrorKind, Read, Write};
use std::time::Instant;

/// A client's end of the line.
pub(super) trait Stream: Read + Write {
    /// Tells the client that nothing more will be sent.
    fn end(&self);
}

impl Stream for mio::net::TcpStream {
    fn end(&self) {
        // Fails only if the connection is gone, which the next read will tell.
        let _ = self.shutdown(std::net::Shutdown::Write);
    }
}

/// What a step led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing to do until the stream is ready, or the deadline passes.
    Waiting,
    /// There may be more to do at once, after everybody else.
    Again,
    /// A request waits for [`Connection::answer`].
    Asked,
    /// The connection has ended; drop it.
    Ended,
}

#[derive(Debug)]
pub(super) struct Connection<S> {
    stream: S,
    /// Bytes of the next request, and perhaps of those after it.
    buffer: Box<[u8]>,
    filled: usize,
    /// The client sends no more.
    all_read: bool,
    /// Requests answered so far.
    answered: u32,
    /// Over the limit on connections: it is only told so.
    refused: bool,
    state: State,
    deadline: Instant,
}

#[derive(Debug)]
enum State {
    Reading,
    Asked { request: Request, since: Instant },
    Sending { response: Response, keep: bool, scrape: Option<Instant> },
    Closing,
}

impl<S: Stream> Connection<S> {
    pub(super) fn new(stream: S, now: Instant) -> Self {
        Connection {
            stream,
            buffer: Box::default(),
            filled: 0,
            all_read: false,
            answered: 0,
            refused: false,
            state: State::Reading,
            deadline: now + HTTP_HEADER_TIMEOUT,
        }
    }

    /// A connection that is only told that there are too many.
    pub(super) fn refused(stream: S, now: Instant) -> Self {
        let mut connection = Connection { refused: true, ..Connection::new(stream, now) };
        let why = "as many connections are open as are served at once";
        let response = Response::error(Code::Unavailable, FINAL, "Retry-After: 1\r\n", why);
        connection.begin(response, false, None, now);
        connection
    }

    pub(super) fn is_refused(&self) -> bool {
        self.refused
    }

    pub(super) fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Goes as far as the stream and one request allow.
    pub(super) fn step(&mut self, now: Instant, own: &OwnMetrics) -> Progress {
        match self.state {
            State::Reading => self.read(now, own),
            State::Asked { .. } => Progress::Asked,
            State::Sending { .. } => self.send(now, own),
            State::Closing => self.read_away(),
        }
    }

    /// The generation of the page that is being sent.
    pub(super) fn sends_page(&self) -> Option<u64> {
        let State::Sending { response, .. } = &self.state else { return None };
        response.generation()
    }

    /// Whether the request that waits is for the metrics.
    pub(super) fn wants_page(&self) -> bool {
        let State::Asked { request, .. } = &self.state else { return false };
        request.path == Path::Metrics && request.method != Method::Other
    }

    /// Answers the request that waits, if one does. There is no page once the engine has ended.
    pub(super) fn answer(
        &mut self,
        page: Option<&Page>,
        now: Instant,
        own: &OwnMetrics,
    ) -> Progress {
        let State::Asked { request, since } = self.state else { return Progress::Waiting };
        self.answered += 1;
        let spent = request.keep_alive && self.answered == MAX_HTTP_REQUESTS;
        if spent {
            own.closed(Limit::Requests);
        }
        let keep = request.keep_alive && !spent;
        let manner = Manner { bare: request.method == Method::Head, keep };
        let (code, response) = match (request.path, request.method) {
            (Path::Other, _) => {
                let why = "there are / and /metrics here";
                (Code::NotFound, Response::error(Code::NotFound, manner, "", why))
            }
            (_, Method::Other) => {
                let code = Code::MethodNotAllowed;
                let why = "only GET and HEAD are understood";
                (code, Response::error(code, manner, "Allow: GET, HEAD\r\n", why))
            }
            (Path::Root, _) => (Code::Ok, Response::index(manner)),
            (Path::Metrics, _) => match page {
                Some(page) => (Code::Ok, Response::page(page, manner, now)),
                None => {
                    let why = "the metrics engine of this process was stopped";
                    (Code::Unavailable, Response::error(Code::Unavailable, manner, "", why))
                }
            },
        };
        own.answered(request.path, code);
        let scrape = (request.path == Path::Metrics && code == Code::Ok).then_some(since);
        self.begin(response, keep, scrape, now);
        self.send(now, own)
    }

    /// The deadline may have passed.
    pub(super) fn expire(&mut self, now: Instant, own: &OwnMetrics) -> Progress {
        if now < self.deadline {
            return Progress::Waiting;
        }
        match self.state {
            State::Reading if self.filled > 0 => {
                let why = "the request was not complete in time";
                self.refuse(Code::RequestTimeout, why, now, own);
                self.send(now, own)
            }
            State::Reading => {
                own.closed(Limit::Idle);
                Progress::Ended
            }
            State::Sending { .. } => {
                own.closed(Limit::Write);
                Progress::Ended
            }
            State::Asked { .. } => Progress::Asked,
            State::Closing => Progress::Ended,
        }
    }

    fn begin(&mut self, response: Response, keep: bool, scrape: Option<Instant>, now: Instant) {
        self.state = State::Sending { response, keep, scrape };
        self.deadline = now + HTTP_WRITE_TIMEOUT;
    }

    /// Answers something that is not a request. What follows it cannot be understood either.
    fn refuse(&mut self, code: Code, why: &str, now: Instant, own: &OwnMetrics) {
        own.answered(Path::Other, code);
        self.begin(Response::error(code, FINAL, "", why), false, None, now);
    }

    fn send(&mut self, now: Instant, own: &OwnMetrics) -> Progress {
        let State::Sending { response, keep, scrape } = &mut self.state else {
            return Progress::Again;
        };
        match response.send(&mut self.stream) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Waiting,
            Err(_) => return Progress::Ended,
        }
        if let Some(since) = scrape {
            own.scraped(since.elapsed());
        }
        if *keep {
            self.state = State::Reading;
            let begun = self.filled > 0;
            self.deadline = now + if begun { HTTP_HEADER_TIMEOUT } else { HTTP_IDLE_TIMEOUT };
        } else {
            self.stream.end();
            self.state = State::Closing;
            self.deadline = now + HTTP_LINGER;
        }
        Progress::Again
    }

    fn read(&mut self, now: Instant, own: &OwnMetrics) -> Progress {
        if self.buffer.is_empty() {
            self.buffer = vec![0; MAX_HTTP_HEADER_BYTES].into();
        }
        loop {
            match parse(&self.buffer[..self.filled]) {
                Parsed::Whole(request, len) => {
                    self.buffer.copy_within(len..self.filled, 0);
                    self.filled -= len;
                    self.state = State::Asked { request, since: now };
                    return Progress::Asked;
                }
                Parsed::Refused(code, why) => {
                    self.refuse(code, why, now, own);
                    return self.send(now, own);
                }
                Parsed::Partial if self.filled == self.buffer.len() => {
                    self.refuse(Code::HeaderTooLarge, "the request's head is too long", now, own);
                    return self.send(now, own);
                }
                Parsed::Partial if self.all_read => return Progress::Ended,
                Parsed::Partial => {}
            }
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => self.all_read = true,
                Ok(len) => {
                    if self.filled == 0 && self.answered > 0 {
                        self.deadline = now + HTTP_HEADER_TIMEOUT;
                    }
                    self.filled += len;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Waiting,
                Err(_) => return Progress::Ended,
            }
        }
    }

    fn read_away(&mut self) -> Progress {
        let mut waste = [0; 4096];
        match self.stream.read(&mut waste) {
            Ok(0) => Progress::Ended,
            Ok(_) => Progress::Again,
            Err(error) if error.kind() == ErrorKind::Interrupted => Progress::Again,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Progress::Waiting,
            Err(_) => Progress::Ended,
        }
    }
}
