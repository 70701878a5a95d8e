//! The listener's thread: waits for events, and in each turn accepts, reads, answers, and ends what
//! is overdue.
//!
//! The order within a turn is the protocol. Reading comes before answering, so that the one
//! snapshot of a turn was asked for after all requests it answers had arrived. Reading also comes
//! before expiry, so that a client is not blamed for the time that the thread itself took. A
//! connection takes one step a turn.

use super::connection::{Connection, Progress};
use super::own::{Limit, OwnMetrics};
use super::page::Pages;
use crate::limits::{HTTP_ACCEPT_PAUSE, MAX_HTTP_CONNECTIONS, MAX_HTTP_PAGES, MAX_HTTP_REFUSALS};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use std::collections::{BTreeSet, HashMap};
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

const STOP: Token = Token(0);
const ACCEPT: Token = Token(1);
const FIRST_CONNECTION: usize = 2;

#[derive(Debug)]
pub(super) struct Worker {
    poll: Poll,
    socket: TcpListener,
    /// Connections that may wait to be accepted; asked for without an event not before then.
    accept_at: Option<Instant>,
    /// By token; a token is not used twice.
    connections: HashMap<usize, Connection<TcpStream>>,
    next: usize,
    /// Connections to step in the next turn, event or not.
    again: Vec<usize>,
    pages: Pages,
    own: OwnMetrics,
}

impl Worker {
    /// A worker for `socket`, which does not block, and what stops it.
    pub(super) fn new(
        socket: std::net::TcpListener,
        pages: Pages,
        own: OwnMetrics,
    ) -> io::Result<(Worker, Waker)> {
        let mut socket = TcpListener::from_std(socket);
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), STOP)?;
        poll.registry().register(&mut socket, ACCEPT, Interest::READABLE)?;
        let worker = Worker {
            poll,
            socket,
            accept_at: None,
            connections: HashMap::new(),
            next: FIRST_CONNECTION,
            again: Vec::new(),
            pages,
            own,
        };
        Ok((worker, waker))
    }

    /// The thread. Returns, and closes everything, when it is woken.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(MAX_HTTP_CONNECTIONS);
        loop {
            match self.poll.poll(&mut events, self.patience()) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // The descriptor is not one any more: somebody closed what is not theirs. Nothing
                // can be served.
                Err(_) => return,
            }
            let now = Instant::now();
            let mut ready = std::mem::take(&mut self.again);
            for event in &events {
                match event.token() {
                    STOP => return,
                    ACCEPT => self.accept_at = Some(now),
                    Token(id) => ready.push(id),
                }
            }
            self.turn(ready, now);
        }
    }

    /// How long to wait for events: not at all if there is work, else until the next deadline.
    fn patience(&self) -> Option<Duration> {
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let deadlines = self.connections.values().map(Connection::deadline);
        let next = deadlines.chain(self.accept_at).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    fn turn(&mut self, mut ready: Vec<usize>, now: Instant) {
        if self.accept_at.is_some_and(|at| at <= now) {
            self.accept(&mut ready, now);
        }
        ready.sort_unstable();
        ready.dedup();
        let mut asked = Vec::new();
        for id in ready {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            match connection.step(now, &self.own) {
                Progress::Asked => asked.push(id),
                progress => self.settle(id, progress),
            }
        }
        self.answer(asked);
        self.expire(now);
    }

    /// Accepts what waits, up to a turn's worth.
    fn accept(&mut self, ready: &mut Vec<usize>, now: Instant) {
        let refused = self.connections.values().filter(|c| c.is_refused()).count();
        let mut free_refusals = MAX_HTTP_REFUSALS - refused;
        let mut free = MAX_HTTP_CONNECTIONS - (self.connections.len() - refused);
        for _ in 0..MAX_HTTP_CONNECTIONS {
            let stream = match self.socket.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.accept_at = None;
                    return;
                }
                // The client was gone before it was accepted.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // No descriptor, no memory: the connection keeps waiting.
                Err(_) => {
                    self.accept_at = Some(now + HTTP_ACCEPT_PAUSE);
                    return;
                }
            };
            let connection = if free > 0 {
                free -= 1;
                Connection::new(stream, now)
            } else {
                self.own.refused();
                if free_refusals == 0 {
                    continue;
                }
                free_refusals -= 1;
                Connection::refused(stream, now)
            };
            ready.extend(self.admit(connection));
        }
    }

    fn admit(&mut self, mut connection: Connection<TcpStream>) -> Option<usize> {
        let id = self.next;
        let stream = connection.stream();
        // Head and page go out as they are written; waiting to fill a packet would cost a scrape a
        // delayed acknowledgement. If the option is refused, that is what it costs.
        let _ = stream.set_nodelay(true);
        let interest = Interest::READABLE | Interest::WRITABLE;
        // Without events it could not be served; dropping it tells the client.
        self.poll.registry().register(stream, Token(id), interest).ok()?;
        self.next += 1;
        self.connections.insert(id, connection);
        Some(id)
    }

    /// Answers those who asked, all with the same page.
    fn answer(&mut self, asked: Vec<usize>) {
        let wants_page = |id| self.connections.get(id).is_some_and(Connection::wants_page);
        let page = if asked.iter().any(wants_page) {
            self.make_room();
            self.pages.fresh()
        } else {
            None
        };
        // Making the page took its time.
        let now = Instant::now();
        let mut settled = Vec::with_capacity(asked.len());
        for id in asked {
            if let Some(connection) = self.connections.get_mut(&id) {
                settled.push((id, connection.answer(page, now, &self.own)));
            }
        }
        settled.into_iter().for_each(|(id, progress)| self.settle(id, progress));
    }

    /// Makes sure that a further page keeps within the limit: whoever still reads the oldest one
    /// loses it.
    fn make_room(&mut self) {
        let sent: BTreeSet<u64> =
            self.connections.values().filter_map(Connection::sends_page).collect();
        let Some(oldest) = sent.first().filter(|_| sent.len() >= MAX_HTTP_PAGES) else { return };
        self.connections.retain(|_, connection| {
            let keep = connection.sends_page() != Some(*oldest);
            if !keep {
                self.own.closed(Limit::Pages);
            }
            keep
        });
    }

    fn expire(&mut self, now: Instant) {
        let overdue = self.connections.iter().filter(|(_, c)| c.deadline() <= now);
        let overdue: Vec<usize> = overdue.map(|(id, _)| *id).collect();
        for id in overdue {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            let progress = connection.expire(now, &self.own);
            self.settle(id, progress);
        }
    }

    fn settle(&mut self, id: usize, progress: Progress) {
        match progress {
            Progress::Waiting => {}
            Progress::Again | Progress::Asked => self.again.push(id),
            Progress::Ended => drop(self.connections.remove(&id)),
        }
    }
}
