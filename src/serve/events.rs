//! `/api/v1/events`: what alerts do, as server-sent events, while they do it.
//!
//! Evaluations write, on their own thread: each change of an alert becomes a text once, and is kept in a ring. Streams read: each
//! has a place in the ring, and takes what comes after it whenever its client has taken all that it was given. Of
//! generations only the latest is kept, since each says all that the one before did. The lock is held for pushing and copying texts;
//! nobody waits for a client under it.
//!
//! A stream whose place has left the ring is behind. If that is so because one evaluation alone had more changes than the ring
//! has places, the client is told how many it missed. If it is so because the client did not read, its connection is closed, and
//! when it comes back with `Last-Event-ID` it is told the same.

use super::api::rules::write_alert_fields;
use super::json::quote;
use crate::limits::{
    HTTP_EVENT_BATCH_BYTES, MAX_HTTP_EVENT_STREAMS, MAX_RULE_EVENT_BYTES, MAX_RULE_EVENTS,
};
use crate::rules::{Follower, Round, Shared, Transition, rfc3339};
use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

/// How a stream begins: browsers come back after a second.
pub(super) const OPENING: &[u8] = b"retry: 1000\n\n";
/// A comment, which clients leave aside.
pub(super) const HEARTBEAT: &[u8] = b":\n\n";

/// Who is woken when there are new events: he looks by himself who of his clients wants them.
pub(super) trait Sleeper: Send + Sync {
    fn wake(&self);
}

/// The events of one listener. See the module.
pub(super) struct Events {
    /// Before each number, so that those of another run are not taken for these.
    run: String,
    inner: Mutex<Inner>,
    streams: AtomicUsize,
    /// How many others want to be woken.
    #[cfg(feature = "page")]
    watches: AtomicUsize,
}

#[derive(Default)]
struct Inner {
    ring: VecDeque<Arc<str>>,
    /// Bytes of all texts in the ring.
    bytes: usize,
    /// The number of the next event; those in the ring are right before it.
    next: u64,
    /// `next` before the last evaluation.
    round: u64,
    /// How many generations there were, and what is to be said of the last.
    generation: (u64, Arc<str>),
    sleepers: Vec<Weak<dyn Sleeper>>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("run", &self.run).finish_non_exhaustive()
    }
}

impl Inner {
    fn first(&self) -> u64 {
        self.next - self.ring.len() as u64
    }

    fn push(&mut self, text: String) {
        self.bytes += text.len();
        self.ring.push_back(text.into());
        self.next += 1;
        while self.ring.len() > MAX_RULE_EVENTS
            || (self.bytes > MAX_RULE_EVENT_BYTES && self.ring.len() > 1)
        {
            self.bytes -= self.ring.pop_front().map_or(0, |text| text.len());
        }
    }
}

impl Follower for Events {
    fn followed(&self, round: &Round<'_>) {
        let changes = &round.evaluation.transitions;
        let texts: Vec<String> = changes.iter().map(event).collect();
        let generation = round.generation.map(|number| {
            let at = rfc3339(round.now_ms);
            format!("event: generation\ndata: {{\"generation\":{number},\"at\":\"{at}\"}}\n\n")
        });
        let mut inner = self.lock();
        inner.round = inner.next;
        for text in texts {
            let number = inner.next;
            inner.push(format!("id: {}-{number}\n{text}", self.run));
        }
        if let Some(text) = generation {
            inner.generation = (inner.generation.0 + 1, text.into());
        }
        let mut sleepers: Vec<Arc<dyn Sleeper>> = Vec::new();
        inner.sleepers.retain(|sleeper| {
            let sleeper = sleeper.upgrade();
            let kept = sleeper.is_some();
            sleepers.extend(sleeper);
            kept
        });
        drop(inner);
        // Relaxed: whoever came before the lock was taken is counted, by the lock; who comes later sees the events by himself.
        #[cfg(feature = "page")]
        let watches = self.watches.load(Ordering::Relaxed);
        #[cfg(not(feature = "page"))]
        let watches = 0;
        if self.streams.load(Ordering::Relaxed) + watches > 0 {
            sleepers.iter().for_each(|sleeper| sleeper.wake());
        }
    }
}

/// A change of an alert, but for its number.
fn event(change: &Transition) -> String {
    let mut out = String::from("event: alert\ndata: {\"at\":\"");
    out.push_str(&rfc3339(change.time_ms));
    out.push_str("\",\"group\":");
    quote(&change.group, &mut out);
    out.push_str(",\"rule\":");
    quote(&change.rule, &mut out);
    let (from, to) = (change.from.as_str(), change.to.as_str());
    // Writing to a string does not fail.
    let _ =
        write!(out, ",\"from\":\"{from}\",\"to\":\"{to}\",\"silenced\":{},", change.is_silenced);
    write_alert_fields(&mut out, &change.alert);
    out.push_str("}\n\n");
    out
}

impl Events {
    /// Those of rules, from the next evaluation on.
    pub(super) fn of(rules: &Shared) -> Arc<Events> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let events = Arc::new(Events {
            run: format!("{:x}", now.as_millis()),
            inner: Mutex::new(Inner { generation: (0, "".into()), ..Inner::default() }),
            streams: AtomicUsize::new(0),
            #[cfg(feature = "page")]
            watches: AtomicUsize::new(0),
        });
        let weak: Weak<Events> = Arc::downgrade(&events);
        let follower: Weak<dyn Follower> = weak;
        rules.follow(follower);
        events
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has somebody woken when there are events, as long as he is alive.
    pub(super) fn wake(&self, sleeper: Weak<dyn Sleeper>) {
        self.lock().sleepers.push(sleeper);
    }

    /// Has the sleepers woken by each evaluation, even if there is no stream, for as long as somebody has the value.
    #[cfg(feature = "page")]
    pub(super) fn watch(self: &Arc<Self>) -> Watch {
        // Relaxed: see `followed`; who comes too late for an evaluation is woken by the next.
        self.watches.fetch_add(1, Ordering::Relaxed);
        Watch(self.clone())
    }

    /// A stream of what comes after the event with the id `last`, or from now on; `None` if there are as many as there can be.
    pub(super) fn stream(self: &Arc<Self>, last: Option<&str>) -> Option<EventStream> {
        // Relaxed: see `followed`.
        let others = self.streams.fetch_add(1, Ordering::Relaxed);
        let mut stream = EventStream { events: self.clone(), next: 0, generation: 0, missed: None };
        if others >= MAX_HTTP_EVENT_STREAMS {
            return None;
        }
        let inner = self.lock();
        let number = |id: &str| id.strip_prefix(&*self.run)?.strip_prefix('-')?.parse::<u64>().ok();
        stream.next = match last {
            None => inner.next,
            Some(id) => match number(id).and_then(|last| last.checked_add(1)) {
                Some(next) if next <= inner.next => {
                    let missed = inner.first().saturating_sub(next);
                    stream.missed = (missed > 0).then(|| missed.to_string());
                    next.max(inner.first())
                }
                // Of another run, or of nobody: all that there is, and nobody knows what there was.
                _ => {
                    stream.missed = Some("null".to_owned());
                    inner.first()
                }
            },
        };
        drop(inner);
        Some(stream)
    }
}

/// See [`Events::watch`].
#[cfg(feature = "page")]
#[derive(Debug)]
pub(super) struct Watch(Arc<Events>);

#[cfg(feature = "page")]
impl Drop for Watch {
    fn drop(&mut self) {
        self.0.watches.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What there was for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Something.
    Events,
    Nothing,
    /// Less than there should be: the client was too slow.
    Behind,
}

/// One client's place in the events.
#[derive(Debug)]
pub(super) struct EventStream {
    events: Arc<Events>,
    /// The number of the event that it takes next.
    next: u64,
    /// How many generations there were when it last took one.
    generation: u64,
    /// What it is to be told of events that it will not get: how many, in JSON.
    missed: Option<String>,
}

impl EventStream {
    /// See [`Events::wake`].
    #[cfg(feature = "axum")]
    pub(super) fn wake(&self, sleeper: Weak<dyn Sleeper>) {
        self.events.wake(sleeper);
    }

    /// Whether it is too late for what it should take next, because its client did not take what it was given.
    pub(super) fn is_behind(&self) -> bool {
        let inner = self.events.lock();
        self.next < inner.first() && self.next < inner.round
    }

    /// Takes what came, up to a batch.
    pub(super) fn take(&mut self, out: &mut Vec<u8>) -> Taken {
        let inner = self.events.lock();
        let first = inner.first();
        if self.next < first {
            if self.next < inner.round {
                return Taken::Behind;
            }
            self.missed = Some((first - self.next).to_string());
            self.next = first;
        }
        if let Some(missed) = self.missed.take() {
            out.extend_from_slice(
                format!("event: missed\ndata: {{\"missed\":{missed}}}\n\n").as_bytes(),
            );
        }
        while self.next < inner.next && out.len() < HTTP_EVENT_BATCH_BYTES {
            let text = &inner.ring[(self.next - first) as usize];
            out.extend_from_slice(text.as_bytes());
            self.next += 1;
        }
        // After all changes that belong to it, or came before.
        if self.next == inner.next && self.generation < inner.generation.0 {
            self.generation = inner.generation.0;
            out.extend_from_slice(inner.generation.1.as_bytes());
        }
        if out.is_empty() { Taken::Nothing } else { Taken::Events }
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        // Relaxed: see `Events::followed`.
        self.events.streams.fetch_sub(1, Ordering::Relaxed);
    }
}
