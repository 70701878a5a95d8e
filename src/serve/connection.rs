//! One client: what it sent, what it is being sent, and until when it may take.
//!
//! States, and what leads from one to the next:
//!
//! ```text
//!     Reading ──a whole request──► Asked ──answer()──► Sending ──all sent, keep──► Reading
//!        │ └──a head, and a form to come──► Form ──all of it──► Asked ──call()──► Evaluating ──deliver()──► Sending
//!        │                                                │
//!        └──not a request, too large, too late──► Sending └──all sent, close──► Closing ──► gone
//! ```
//!
//! From `Asked` a stream of events leads to `Streaming`, which only the end of the connection ends; so does, from `Evaluating`, the
//! first tick of a stream of the live page to `Live`, from where calls are made again and again.
//!
//! Each state has a deadline, so a connection that nobody moves ends: `Reading` at the time limit
//! for a request (a 408 if it was begun), or between requests at the idle limit; `Sending` at the
//! write limit; `Closing`, where the client has been told and its leftovers are read away so that a
//! reset does not overtake the response, at the linger limit. `Form` has the deadline of `Reading`. `Evaluating` (a call of
//! the query API, which other threads answer) has the query's own time limit and some grace; who meets it is told, and closed.
//! `Streaming` has the write limit while there is something to send, and the time of a heartbeat, which it then sends, while there is
//! nothing.
//!
//! The stream does not block, and sockets report readiness once: after `Progress::Waiting` the
//! stream has said `WouldBlock`, and after `Progress::Again` it has not, so the worker must come
//! back by itself. One step handles one request, so that a client who pipelines takes turns with
//! the others.
//!
//! Time is an argument, and the stream a trait: tests run this without sockets and without waiting.

#[cfg(feature = "promql")]
use super::api::{Call, too_late};
#[cfg(all(feature = "history", feature = "rules"))]
use super::events::EventStream;
#[cfg(feature = "page")]
use super::live::LiveStream;
use super::own::{Code, Limit, OwnMetrics};
use super::page::{Key, Page};
#[cfg(feature = "promql")]
use super::request::Asks;
use super::request::{Parsed, Request, parse};
#[cfg(all(feature = "history", feature = "rules"))]
use super::response::open_head;
use super::response::{FINAL, Manner, Response};
use super::settings::Limits;
use super::site::{Body, Reply, Site};
#[cfg(all(feature = "history", feature = "rules"))]
use super::streaming::{Streaming, Went};
#[cfg(all(feature = "history", feature = "rules"))]
use crate::limits::HTTP_EVENT_HEARTBEAT;
use crate::limits::{HTTP_IDLE_TIMEOUT, HTTP_LINGER, HTTP_WRITE_TIMEOUT, MAX_HTTP_REQUESTS};
use std::io::{ErrorKind, Read, Write};
use std::time::Instant;

#[cfg(feature = "page")]
mod live;

/// A client's end of the line.
pub(super) trait Stream: Read + Write {
    /// Tells the client that nothing more will be sent.
    fn end(&mut self);
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
    limits: Limits,
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
    Asked {
        request: Request,
        since: Instant,
    },
    /// A head, and how many bytes of its form are missing.
    #[cfg(feature = "promql")]
    Form {
        request: Request,
        missing: usize,
    },
    /// Somebody else answers.
    #[cfg(feature = "promql")]
    Evaluating {
        request: Request,
    },
    Sending {
        response: Response,
        keep: bool,
        scrape: Option<Instant>,
        #[cfg_attr(
            not(feature = "promql"),
            allow(dead_code, reason = "only queries need some of it")
        )]
        call: bool,
    },
    #[cfg(all(feature = "history", feature = "rules"))]
    Streaming(Streaming),
    #[cfg(feature = "page")]
    Live(LiveStream),
    Closing,
}

impl<S: Stream> Connection<S> {
    pub(super) fn new(stream: S, limits: Limits, now: Instant) -> Self {
        Connection {
            stream,
            limits,
            buffer: Box::default(),
            filled: 0,
            all_read: false,
            answered: 0,
            refused: false,
            state: State::Reading,
            deadline: now + limits.request_time,
        }
    }

    /// A connection that is only told that there are too many.
    pub(super) fn refused(stream: S, limits: Limits, now: Instant) -> Self {
        let new = Connection::new(stream, limits, now);
        let mut connection = Connection { refused: true, ..new };
        let why = "as many connections are open as are served at once";
        let reply = Reply::error(Code::Unavailable, why).with("Retry-After", "1");
        let response = Response::new(reply, FINAL);
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
    pub(super) fn step(&mut self, now: Instant, site: &Site) -> Progress {
        match self.state {
            State::Reading => self.read(now, site),
            State::Asked { .. } => Progress::Asked,
            #[cfg(feature = "promql")]
            State::Form { .. } => self.read_form(now, site),
            #[cfg(feature = "promql")]
            State::Evaluating { .. } => Progress::Waiting,
            State::Sending { .. } => self.send(now, &site.own),
            #[cfg(all(feature = "history", feature = "rules"))]
            State::Streaming(_) => self.stream_on(now, &site.own),
            #[cfg(feature = "page")]
            State::Live(_) => self.live_on(),
            State::Closing => self.read_away(),
        }
    }

    /// The number of the page that is being sent.
    pub(super) fn sends_page(&self) -> Option<u64> {
        let State::Sending { response, .. } = &self.state else { return None };
        response.page()
    }

    /// The page that the request that waits is for, if it is for one.
    pub(super) fn wants_page(&self) -> Option<&Key> {
        let State::Asked { request, .. } = &self.state else { return None };
        Site::wants(request)
    }

    /// Answers the request that waits, if one does. There is no page once the engine has ended.
    pub(super) fn answer(&mut self, page: Option<Page>, now: Instant, site: &Site) -> Progress {
        let State::Asked { request, since } = &self.state else { return Progress::Waiting };
        let (request, since) = (request.clone(), *since);
        #[cfg(all(feature = "history", feature = "rules"))]
        if let Asks::Events(last) = &request.asks
            && !request.bare
        {
            return match site.events(last.as_deref()) {
                Ok((events, reply)) => self.open(events, &reply, now, &site.own),
                Err(reply) => self.respond(&request, reply, since, now, site),
            };
        }
        let reply = site.reply(&request, page, now);
        self.respond(&request, reply, since, now, site)
    }

    /// Begins a stream.
    #[cfg(all(feature = "history", feature = "rules"))]
    fn open(
        &mut self,
        events: EventStream,
        reply: &Reply,
        now: Instant,
        own: &OwnMetrics,
    ) -> Progress {
        self.state = State::Streaming(Streaming::new(events, open_head(reply)));
        self.deadline = now + HTTP_WRITE_TIMEOUT;
        self.stream_on(now, own)
    }

    /// Sends the events that there are.
    #[cfg(all(feature = "history", feature = "rules"))]
    fn stream_on(&mut self, now: Instant, own: &OwnMetrics) -> Progress {
        let State::Streaming(streaming) = &mut self.state else { return Progress::Again };
        match streaming.send(&mut self.stream) {
            Went::Idle => self.deadline = now + HTTP_EVENT_HEARTBEAT,
            Went::Blocked { anew: true } => self.deadline = now + HTTP_WRITE_TIMEOUT,
            Went::Blocked { anew: false } => {}
            Went::Behind => {
                own.closed(Limit::Slow);
                return Progress::Ended;
            }
            Went::Gone => return Progress::Ended,
        }
        Progress::Waiting
    }

    /// Whether events are sent to it.
    #[cfg(all(feature = "history", feature = "rules"))]
    pub(super) fn streams(&self) -> bool {
        matches!(self.state, State::Streaming(_))
    }

    /// The call that waits, if one does, for somebody else to answer, who has until `deadline`.
    #[cfg(feature = "promql")]
    pub(super) fn call(&mut self, deadline: Instant) -> Option<Call> {
        let State::Asked { request, .. } = &mut self.state else { return None };
        let Asks::Api(call) = &mut request.asks else { return None };
        let taken = call.clone();
        // A stream makes the same call again.
        if !taken.is_repeated() {
            call.body = Vec::new();
        }
        self.state = State::Evaluating { request: request.clone() };
        self.deadline = deadline;
        Some(taken)
    }

    /// Whether a call of this connection is waiting for its answer, or is being sent it.
    #[cfg(feature = "promql")]
    pub(super) fn has_call(&self) -> bool {
        #[cfg(feature = "page")]
        if let State::Live(live) = &self.state {
            return live.asked;
        }
        matches!(self.state, State::Evaluating { .. } | State::Sending { call: true, .. })
    }

    /// Whether a call waits to be answered.
    #[cfg(feature = "promql")]
    pub(super) fn asks_call(&self) -> bool {
        matches!(&self.state, State::Asked { request, .. } if matches!(request.asks, Asks::Api(_)))
    }

    /// Sends the answer of a call, if one is waited for.
    #[cfg(feature = "promql")]
    pub(super) fn deliver(&mut self, reply: Reply, now: Instant, site: &Site) -> Progress {
        #[cfg(feature = "page")]
        if let State::Live(live) = &mut self.state {
            live.push(&reply);
            self.deadline = now + HTTP_WRITE_TIMEOUT;
            return self.live_on();
        }
        let State::Evaluating { request } = &self.state else { return Progress::Waiting };
        let request = request.clone();
        site.own.answered(request.path, reply.code);
        #[cfg(feature = "page")]
        if request.asks_live() && reply.code == Code::Ok {
            return self.open_live(&request, &reply, now, site);
        }
        self.respond(&request, reply, now, now, site)
    }

    fn respond(
        &mut self,
        request: &Request,
        reply: Reply,
        since: Instant,
        now: Instant,
        site: &Site,
    ) -> Progress {
        self.answered += 1;
        let spent = request.keep_alive && self.answered == MAX_HTTP_REQUESTS;
        if spent {
            site.own.closed(Limit::Requests);
        }
        let keep = request.keep_alive && !spent;
        let manner = Manner { bare: request.bare, keep };
        let scrape = matches!(reply.body, Body::Page(_)).then_some(since);
        self.begin(Response::new(reply, manner), keep, scrape, now);
        #[cfg(feature = "promql")]
        if let (State::Sending { call, .. }, Asks::Api(_)) = (&mut self.state, &request.asks) {
            *call = true;
        }
        self.send(now, &site.own)
    }

    /// The deadline may have passed.
    pub(super) fn expire(&mut self, now: Instant, site: &Site) -> Progress {
        if now < self.deadline {
            return Progress::Waiting;
        }
        match self.state {
            State::Reading if self.filled > 0 => {
                let why = "the request was not complete in time";
                self.refuse(Code::RequestTimeout, why, now, site);
                self.send(now, &site.own)
            }
            #[cfg(feature = "promql")]
            State::Form { .. } => {
                let why = "the request was not complete in time";
                self.refuse(Code::RequestTimeout, why, now, site);
                self.send(now, &site.own)
            }
            #[cfg(feature = "promql")]
            State::Evaluating { ref mut request } => {
                // The answer may still come, and must not meet another call.
                request.keep_alive = false;
                self.deliver(too_late(), now, site)
            }
            State::Reading => {
                site.own.closed(Limit::Idle);
                Progress::Ended
            }
            State::Sending { .. } => {
                site.own.closed(Limit::Write);
                Progress::Ended
            }
            #[cfg(all(feature = "history", feature = "rules"))]
            State::Streaming(ref mut streaming) if streaming.is_idle() => {
                streaming.beat();
                self.deadline = now + HTTP_WRITE_TIMEOUT;
                self.stream_on(now, &site.own)
            }
            #[cfg(all(feature = "history", feature = "rules"))]
            State::Streaming(_) => {
                site.own.closed(Limit::Write);
                Progress::Ended
            }
            // The source does not return, or the client does not read; between ticks, `tick` sees to it.
            #[cfg(feature = "page")]
            State::Live(ref live) if live.is_idle() && !live.asked => Progress::Waiting,
            #[cfg(feature = "page")]
            State::Live(_) => {
                site.own.closed(Limit::Write);
                Progress::Ended
            }
            State::Asked { .. } => Progress::Asked,
            State::Closing => Progress::Ended,
        }
    }

    fn begin(&mut self, response: Response, keep: bool, scrape: Option<Instant>, now: Instant) {
        self.state = State::Sending { response, keep, scrape, call: false };
        self.deadline = now + HTTP_WRITE_TIMEOUT;
    }

    /// Answers something that is not a request. What follows it cannot be understood either.
    fn refuse(&mut self, code: Code, why: &str, now: Instant, site: &Site) {
        self.begin(Response::new(site.refuse(code, why), FINAL), false, None, now);
    }

    fn send(&mut self, now: Instant, own: &OwnMetrics) -> Progress {
        let State::Sending { response, keep, scrape, .. } = &mut self.state else {
            return Progress::Again;
        };
        // What a stream that encrypts holds back must have gone before the connection goes on, or ends.
        let sent = response.send(&mut self.stream).and_then(|()| self.stream.flush());
        match sent {
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
            self.deadline = now + if begun { self.limits.request_time } else { HTTP_IDLE_TIMEOUT };
        } else {
            self.stream.end();
            self.state = State::Closing;
            self.deadline = now + HTTP_LINGER;
        }
        Progress::Again
    }

    fn read(&mut self, now: Instant, site: &Site) -> Progress {
        if self.buffer.is_empty() {
            self.buffer = vec![0; self.limits.header_bytes].into();
        }
        loop {
            match parse(&self.buffer[..self.filled], &site.rules) {
                Parsed::Whole(request, len) => {
                    self.buffer.copy_within(len..self.filled, 0);
                    self.filled -= len;
                    self.state = State::Asked { request, since: now };
                    return Progress::Asked;
                }
                #[cfg(feature = "promql")]
                Parsed::Head(mut request, len, form) => {
                    let here = form.min(self.filled - len);
                    let Asks::Api(call) = &mut request.asks else { return Progress::Ended };
                    call.body.extend_from_slice(&self.buffer[len..len + here]);
                    self.buffer.copy_within(len + here..self.filled, 0);
                    self.filled -= len + here;
                    self.state = State::Form { request, missing: form - here };
                    return self.read_form(now, site);
                }
                Parsed::Refused(code, why) => {
                    self.refuse(code, why, now, site);
                    return self.send(now, &site.own);
                }
                Parsed::Partial if self.filled == self.buffer.len() => {
                    self.refuse(Code::HeaderTooLarge, "the request's head is too long", now, site);
                    return self.send(now, &site.own);
                }
                Parsed::Partial if self.all_read => return Progress::Ended,
                Parsed::Partial => {}
            }
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => self.all_read = true,
                Ok(len) => {
                    if self.filled == 0 && self.answered > 0 {
                        self.deadline = now + self.limits.request_time;
                    }
                    self.filled += len;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Waiting,
                Err(_) => return Progress::Ended,
            }
        }
    }

    #[cfg(feature = "promql")]
    fn read_form(&mut self, now: Instant, site: &Site) -> Progress {
        loop {
            let State::Form { request, missing } = &mut self.state else {
                return Progress::Waiting;
            };
            if *missing == 0 {
                self.state = State::Asked { request: request.clone(), since: now };
                return Progress::Asked;
            }
            // While some is missing, the buffer is empty: all that had come belongs to the form.
            let most = self.buffer.len().min(*missing);
            let Asks::Api(call) = &mut request.asks else { return Progress::Ended };
            match self.stream.read(&mut self.buffer[..most]) {
                Ok(0) => {
                    self.refuse(
                        Code::BadRequest,
                        "the form ends before its Content-Length",
                        now,
                        site,
                    );
                    return self.send(now, &site.own);
                }
                Ok(len) => {
                    call.body.extend_from_slice(&self.buffer[..len]);
                    *missing -= len;
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
