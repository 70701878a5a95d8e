//! The listener's thread: waits for events, and in each turn accepts, reads, answers, and ends what
//! is overdue.
//!
//! The order within a turn is the protocol. Reading comes before answering, so that the one
//! snapshot of a turn was asked for after all requests it answers had arrived. Reading also comes
//! before expiry, so that a client is not blamed for the time that the thread itself took. A
//! connection takes one step a turn.

#[cfg(feature = "promql")]
use super::api::{self, pool::Pool};
use super::connection::{Connection, Progress};
#[cfg(all(feature = "history", feature = "rules"))]
use super::events::Sleeper;
use super::line::{Line, Socket, Wire};
use super::network::Network;
use super::own::Limit;
use super::page::{Key, Page, Pages};
use super::settings::Limits;
use super::site::Site;
#[cfg(feature = "tls")]
use super::tls::Tls;
use crate::limits::{HTTP_ACCEPT_PAUSE, MAX_HTTP_PAGES, MAX_HTTP_REFUSALS};
#[cfg(feature = "promql")]
use crate::limits::{HTTP_IDLE_TIMEOUT, HTTP_QUERY_GRACE, MAX_HTTP_QUERIES};
#[cfg(feature = "page")]
use crate::limits::{HTTP_LIVE_TIME_LIMIT, MAX_HTTP_LIVE_STREAMS};
use mio::{Events, Poll, Token, Waker};
use std::collections::{BTreeSet, HashMap};
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Somebody else wants the thread to look: to stop, for answers, or for events.
const WAKE: Token = Token(0);
const ACCEPT: Token = Token(1);
const FIRST_CONNECTION: usize = 2;

/// Where clients come in, and which of them.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) socket: Socket,
    /// Empty: everybody.
    pub(super) allowed: Vec<Network>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Tls>,
}

impl Door {
    /// Whether a client from there is let in. Who has no address came through a file that he may open.
    fn lets_in(&self, from: Option<IpAddr>) -> bool {
        self.allowed.is_empty()
            || from.is_none_or(|from| self.allowed.iter().any(|network| network.contains(from)))
    }

    fn is_encrypted(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    fn line(&self, wire: Wire) -> io::Result<Line> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return Line::encrypted(wire, tls);
        }
        Ok(Line::plain(wire))
    }
}

#[derive(Debug)]
pub(super) struct Worker {
    poll: Poll,
    door: Door,
    /// Connections that may wait to be accepted; asked for without an event not before then.
    accept_at: Option<Instant>,
    /// By token; a token is not used twice.
    connections: HashMap<usize, Connection<Line>>,
    next: usize,
    /// Connections to step in the next turn, event or not.
    again: Vec<usize>,
    pages: Pages,
    site: Site,
    limits: Limits,
    stopping: Arc<AtomicBool>,
    /// What answers queries.
    #[cfg(feature = "promql")]
    pool: Option<Pool>,
}

#[cfg(all(feature = "history", feature = "rules"))]
impl Sleeper for Waker {
    fn wake(&self) {
        // Fails only if the listener is gone.
        let _ = Waker::wake(self);
    }
}

impl Worker {
    /// A worker for a door, and what stops it.
    pub(super) fn new(
        mut door: Door,
        site: Site,
        limits: Limits,
    ) -> io::Result<(Worker, Arc<Waker>, Arc<AtomicBool>)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let stopping = Arc::<AtomicBool>::default();
        door.socket.register(poll.registry(), ACCEPT)?;
        #[cfg(feature = "promql")]
        let pool = match &site.api {
            Some(api) => Some(Pool::start(api.clone(), api.threads(), waker.clone())?),
            None => None,
        };
        #[cfg(all(feature = "history", feature = "rules"))]
        if let Some(rules) = site.api.as_ref().and_then(|api| api.rules.as_ref()) {
            let sleeper: Arc<dyn Sleeper> = waker.clone();
            rules.events.wake(Arc::downgrade(&sleeper));
        }
        let worker = Worker {
            poll,
            door,
            accept_at: None,
            connections: HashMap::new(),
            next: FIRST_CONNECTION,
            again: Vec::new(),
            pages: Pages::new(site.rules.formats.clone()),
            site,
            limits,
            stopping: stopping.clone(),
            #[cfg(feature = "promql")]
            pool,
        };
        Ok((worker, waker, stopping))
    }

    /// The thread. Returns, and closes everything, when it is woken to stop.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(1024);
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
                    // Acquire, with the release in `Listener::stop`.
                    WAKE if self.stopping.load(Ordering::Acquire) => return,
                    #[cfg(all(feature = "history", feature = "rules"))]
                    WAKE => {
                        let streams = self.connections.iter().filter(|(_, one)| one.streams());
                        ready.extend(streams.map(|(id, _)| *id));
                    }
                    #[cfg(not(all(feature = "history", feature = "rules")))]
                    WAKE => {}
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
            match connection.step(now, &self.site) {
                Progress::Asked => asked.push(id),
                progress => self.settle(id, progress),
            }
        }
        #[cfg(feature = "promql")]
        self.evaluate(&mut asked, now);
        self.answer(asked);
        #[cfg(feature = "page")]
        self.tick(now);
        self.expire(now);
        // Relaxed: for whoever is curious.
        self.site.own.tally.open.store(self.connections.len() as u64, Ordering::Relaxed);
    }

    /// Accepts what waits, up to a turn's worth.
    fn accept(&mut self, ready: &mut Vec<usize>, now: Instant) {
        let refused = self.connections.values().filter(|c| c.is_refused()).count();
        let mut free_refusals = MAX_HTTP_REFUSALS - refused;
        let mut free = self.limits.connections - (self.connections.len() - refused);
        for _ in 0..self.limits.connections {
            let (wire, from) = match self.door.socket.accept() {
                Ok(accepted) => accepted,
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
            if !self.door.lets_in(from) {
                self.site.own.closed(Limit::Network);
                continue;
            }
            let connection = if free > 0 {
                // Without memory for a session it could not be served.
                let Ok(line) = self.door.line(wire) else { continue };
                free -= 1;
                Connection::new(line, self.limits, now)
            } else {
                self.site.own.refused();
                // To tell an encrypted client anything takes all the greetings first.
                if free_refusals == 0 || self.door.is_encrypted() {
                    continue;
                }
                free_refusals -= 1;
                Connection::refused(Line::plain(wire), self.limits, now)
            };
            ready.extend(self.admit(connection));
        }
    }

    fn admit(&mut self, mut connection: Connection<Line>) -> Option<usize> {
        let id = self.next;
        // Without events it could not be served; dropping it tells the client.
        connection.stream().register(self.poll.registry(), Token(id)).ok()?;
        self.next += 1;
        self.connections.insert(id, connection);
        Some(id)
    }

    /// Has others answer the calls of the query API, and sends what they have answered.
    #[cfg(feature = "promql")]
    fn evaluate(&mut self, asked: &mut Vec<usize>, now: Instant) {
        let Some(pool) = &self.pool else { return };
        let mut settled = Vec::new();
        for (id, reply) in pool.done() {
            if let Some(connection) = self.connections.get_mut(&id) {
                settled.push((id, connection.deliver(reply, now, &self.site)));
            }
        }
        let limit = pool.api().time_limit().saturating_add(HTTP_QUERY_GRACE);
        let deadline = now.checked_add(limit).unwrap_or(now + HTTP_IDLE_TIMEOUT);
        let mut calls =
            self.connections.values().filter(|connection| connection.has_call()).count();
        #[cfg(feature = "page")]
        let mut live = self.connections.values().filter(|connection| connection.is_live()).count();
        asked.retain(|id| {
            let Some(connection) = self.connections.get_mut(id) else { return false };
            if !connection.asks_call() {
                return true;
            }
            #[cfg(feature = "page")]
            let is_one_more = connection.asks_live() && live >= MAX_HTTP_LIVE_STREAMS;
            let Some(call) = connection.call(deadline) else { return false };
            #[cfg(feature = "page")]
            if is_one_more {
                let told = connection.deliver(api::too_many_viewers(), now, &self.site);
                settled.push((*id, told));
                return false;
            }
            #[cfg(feature = "page")]
            {
                live += usize::from(connection.is_live());
            }
            if calls < MAX_HTTP_QUERIES {
                calls += 1;
                pool.submit(*id, call);
            } else {
                settled.push((*id, connection.deliver(api::too_many(), now, &self.site)));
            }
            false
        });
        settled.into_iter().for_each(|(id, progress)| self.settle(id, progress));
    }

    /// Has others evaluate the ticks of the live page that are due.
    #[cfg(feature = "page")]
    fn tick(&mut self, now: Instant) {
        let Some(pool) = &self.pool else { return };
        if !self.connections.values().any(Connection::is_live) {
            return;
        }
        let (generation, pace) = (self.site.generation(), self.site.pace());
        let deadline = now + HTTP_LIVE_TIME_LIMIT + HTTP_QUERY_GRACE;
        let mut calls = self.connections.values().filter(|one| one.has_call()).count();
        for (id, connection) in &mut self.connections {
            let has_room = calls < MAX_HTTP_QUERIES;
            if let Some(call) = connection.tick((now, deadline), generation, pace, has_room) {
                calls += 1;
                pool.submit(*id, call);
            }
        }
    }

    /// Answers those who asked, all from one snapshot: a page for each format, coding and filter, up to a turn's worth.
    /// Who asked for one more waits for the next turn.
    fn answer(&mut self, asked: Vec<usize>) {
        let mut keys: Vec<Key> = Vec::new();
        let mut due = Vec::with_capacity(asked.len());
        for id in asked {
            let wanted = self.connections.get(&id).and_then(Connection::wants_page);
            let page = match wanted {
                None => None,
                Some(key) => match keys.iter().position(|known| known.is_same_page(key)) {
                    Some(at) => {
                        keys[at].query.latest &= key.query.latest;
                        Some(at)
                    }
                    None if keys.len() == self.limits.renders => {
                        self.again.push(id);
                        continue;
                    }
                    None => {
                        keys.push(key.clone());
                        Some(keys.len() - 1)
                    }
                },
            };
            due.push((id, page));
        }
        let pages = self.make(&keys);
        // Making the pages took its time.
        let now = Instant::now();
        let mut settled = Vec::with_capacity(due.len());
        for (id, at) in due {
            if let Some(connection) = self.connections.get_mut(&id) {
                let page = at.and_then(|at| pages.get(at)).cloned();
                settled.push((id, connection.answer(page, now, &self.site)));
            }
        }
        settled.into_iter().for_each(|(id, progress)| self.settle(id, progress));
    }

    /// The pages of one snapshot for `keys`; none once the engine has ended.
    fn make(&mut self, keys: &[Key]) -> Vec<Page> {
        if keys.is_empty() {
            return Vec::new();
        }
        self.make_room(keys.len());
        let latest_will_do = keys.iter().all(|key| key.query.latest);
        let Some((snapshot, cut_at)) = self.site.snapshot(latest_will_do) else {
            return Vec::new();
        };
        keys.iter().map(|key| self.pages.page(&snapshot, cut_at, key)).collect()
    }

    /// Makes sure that further pages keep within the limit: whoever still reads the oldest one loses it.
    fn make_room(&mut self, further: usize) {
        let mut sent: BTreeSet<u64> =
            self.connections.values().filter_map(Connection::sends_page).collect();
        while sent.len() + further > MAX_HTTP_PAGES {
            let Some(oldest) = sent.pop_first() else { return };
            self.connections.retain(|_, connection| {
                let keep = connection.sends_page() != Some(oldest);
                if !keep {
                    self.site.own.closed(Limit::Pages);
                }
                keep
            });
        }
    }

    fn expire(&mut self, now: Instant) {
        let overdue = self.connections.iter().filter(|(_, c)| c.deadline() <= now);
        let overdue: Vec<usize> = overdue.map(|(id, _)| *id).collect();
        for id in overdue {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            let progress = connection.expire(now, &self.site);
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
