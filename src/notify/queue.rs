//! What waits for one endpoint: bounded, in order, filled by the thread that evaluates and emptied by the endpoint's
//! own.
//!
//! Entries stay in the queue while they are on their way, so that what failed has its old place. What is on its way are
//! always the first ones, up to `flying`. At the bound, the oldest entry that says only that alerts resolved goes, or
//! else the oldest; never one that is on its way. An alert that is sent again takes the place of what waits of it.

use super::notice::{Change, Notice, Posting};
use super::own::{Failure, Loss, OwnMetrics};
use super::status::HandlerStatus;
use crate::query::Labels;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// What an endpoint is told.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    Alert(Arc<Posting>),
    Group(Arc<Message>),
    Notice(Arc<Notice>),
}

/// A part of a change that fits one message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) change: Arc<Change>,
    /// Which of the changed ones.
    pub(super) changed: std::ops::Range<usize>,
    /// How many of the others.
    pub(super) others: usize,
}

impl Message {
    /// How many alerts it has.
    pub(super) fn len(&self) -> usize {
        self.changed.len() + self.others
    }

    /// Whether an alert of the group fires, in this message or not.
    pub(super) fn fires(&self) -> bool {
        let fires = |told: &super::notice::Told| told.alert.resolved_at_ms.is_none();
        !self.change.others.is_empty() || self.change.changed.iter().any(fires)
    }
}

/// What makes two postings say the same: the labels, the start, and whether it resolved.
type Key = (Labels, i64, bool);

impl Entry {
    fn key(&self) -> Option<Key> {
        match self {
            Entry::Alert(alert) => Some((alert.labels.clone(), alert.starts_ms, alert.is_resolved)),
            _ => None,
        }
    }

    /// How many alerts it counts for.
    fn weight(&self) -> usize {
        match self {
            Entry::Group(message) => message.len(),
            _ => 1,
        }
    }

    /// Whether it says no more than that alerts no longer fire.
    fn is_resolved(&self) -> bool {
        match self {
            Entry::Alert(alert) => alert.is_resolved,
            Entry::Group(message) => !message.fires(),
            Entry::Notice(notice) => notice.to != crate::rules::AlertState::Firing,
        }
    }
}

#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Something was added, taken away, or the end is near.
    changed: Condvar,
    own: OwnMetrics,
    bound: usize,
}

#[derive(Debug)]
struct State {
    entries: BTreeMap<u64, Entry>,
    resolved: BTreeSet<u64>,
    by_key: HashMap<Key, u64>,
    weight: usize,
    next: u64,
    /// The last one that is on its way.
    flying: Option<u64>,
    /// Up to here, each goes alone: together they were refused.
    alone_until: Option<u64>,
    /// When the last flush ends.
    ending: Option<Instant>,
    /// Nothing is taken any more.
    is_closed: bool,
    has_ended: bool,
    status: HandlerStatus,
}

impl Queue {
    pub(super) fn new(handler: &str, endpoint: &str, bound: usize, own: OwnMetrics) -> Queue {
        let state = State {
            entries: BTreeMap::new(),
            resolved: BTreeSet::new(),
            by_key: HashMap::new(),
            weight: 0,
            next: 0,
            flying: None,
            alone_until: None,
            ending: None,
            is_closed: false,
            has_ended: false,
            status: HandlerStatus::new(handler, endpoint),
        };
        Queue { state: Mutex::new(state), changed: Condvar::new(), own, bound }
    }

    pub(super) fn bound(&self) -> usize {
        self.bound
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        until: Option<Instant>,
    ) -> MutexGuard<'a, State> {
        match until {
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(until) => {
                let pause = until.saturating_duration_since(Instant::now());
                let waited = self.changed.wait_timeout(state, pause);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    /// Adds entries, in order, if there are some.
    pub(super) fn push_some(&self, entries: impl Iterator<Item = Entry>) {
        let mut entries = entries.peekable();
        if entries.peek().is_none() {
            return;
        }
        let mut state = self.lock();
        for entry in entries {
            if state.is_closed {
                self.lost(&mut state, Loss::Shutdown, 1);
                continue;
            }
            state.insert(entry);
            while state.weight > self.bound && state.drop_one() {
                self.lost(&mut state, Loss::Full, 1);
            }
        }
        self.own.waiting(state.entries.len());
        drop(state);
        self.changed.notify_all();
    }

    /// The first entries, at most `most`, and how long an attempt at them may take: `limit`, or what is left of the
    /// last flush. Waits until there are some; `None` at the end.
    pub(super) fn next(&self, most: usize, limit: Duration) -> Option<(Vec<Entry>, Duration)> {
        let mut state = self.lock();
        while state.entries.is_empty() && state.ending.is_none() && !state.is_closed {
            state = self.wait(state, None);
        }
        let left = match state.ending {
            None => limit,
            Some(end) => limit.min(end.saturating_duration_since(Instant::now())),
        };
        if state.is_closed || state.entries.is_empty() || left.is_zero() {
            return None;
        }
        Some((state.take(most), left))
    }

    /// What was on its way arrived.
    pub(super) fn arrived(&self) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut state = self.lock();
        let count = state.land(|_| false);
        state.status.sent += count;
        state.status.last_success = Some(now);
        state.status.last_error = None;
        self.own.sent(count, now);
        self.own.waiting(state.entries.len());
    }

    /// What was on its way did not arrive: it waits for the next attempt, but what was said anew meanwhile does not.
    pub(super) fn failed(&self, why: Failure, said: String) {
        let mut state = self.lock();
        state.land(|is_last_word| is_last_word);
        state.status.last_error = Some(said);
        self.own.failed(why);
        self.own.waiting(state.entries.len());
    }

    /// What was on its way is not wanted: it is given up, or, if it was several and `apart`, tried one by one.
    pub(super) fn refused(&self, why: Failure, said: String, apart: bool) {
        let mut state = self.lock();
        self.own.failed(why);
        state.status.last_error = Some(said);
        let flying = state.flying;
        let is_alone = flying.is_none_or(|last| state.entries.range(..=last).nth(1).is_none());
        if apart && !is_alone {
            state.land(|is_last_word| is_last_word);
            state.alone_until = flying;
            return;
        }
        let loss = if why == Failure::Panic { Loss::Panic } else { Loss::Refused };
        let count = state.land(|_| false);
        self.lost(&mut state, loss, count);
        self.own.waiting(state.entries.len());
    }

    /// Waits before the next attempt. When the last flush begins, the pause is over, unless the server `asked` for it.
    pub(super) fn pause(&self, pause: Duration, asked: bool) {
        let mut state = self.lock();
        let end = Instant::now() + pause;
        let was_ending = state.ending.is_some();
        loop {
            let until = state.ending.map_or(end, |ending| end.min(ending));
            let is_cut_short = !asked && !was_ending && state.ending.is_some();
            if is_cut_short || state.is_closed || Instant::now() >= until {
                return;
            }
            state = self.wait(state, Some(until));
        }
    }

    /// The last flush begins, and ends at `end`.
    pub(super) fn end(&self, end: Instant) {
        let mut state = self.lock();
        state.ending = Some(state.ending.map_or(end, |before| before.min(end)));
        drop(state);
        self.changed.notify_all();
    }

    /// Waits until the endpoint's thread has ended, or the time is over.
    pub(super) fn wait_for_end(&self, end: Instant) {
        let mut state = self.lock();
        while !state.has_ended && Instant::now() < end {
            state = self.wait(state, Some(end));
        }
    }

    /// Gives up what waits, and all that comes.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        if state.is_closed {
            return;
        }
        state.is_closed = true;
        let left = state.entries.len();
        state.status.waiting = left;
        self.lost(&mut state, Loss::Shutdown, left as u64);
        state.entries.clear();
        state.resolved.clear();
        state.by_key.clear();
        state.weight = 0;
        self.own.waiting(0);
        drop(state);
        self.changed.notify_all();
    }

    /// The endpoint's thread ends.
    pub(super) fn ended(&self) {
        self.close();
        self.lock().has_ended = true;
        self.changed.notify_all();
    }

    pub(super) fn status(&self) -> HandlerStatus {
        let state = self.lock();
        let mut status = state.status.clone();
        if !state.is_closed {
            status.waiting = state.entries.len();
        }
        status
    }

    fn lost(&self, state: &mut State, why: Loss, count: u64) {
        state.status.dropped += count;
        self.own.dropped(why, count);
    }
}

impl State {
    fn insert(&mut self, entry: Entry) {
        let key = entry.key();
        let before = key.as_ref().and_then(|key| self.by_key.get(key)).copied();
        let place = match before {
            // What is on its way may fail or not: it stays as it is.
            Some(before) if self.flying.is_none_or(|flying| before > flying) => {
                self.remove(before);
                before
            }
            _ => {
                self.next += 1;
                self.next
            }
        };
        if let Some(key) = key {
            self.by_key.insert(key, place);
        }
        if entry.is_resolved() {
            self.resolved.insert(place);
        }
        self.weight += entry.weight();
        self.entries.insert(place, entry);
    }

    fn remove(&mut self, place: u64) -> Option<Entry> {
        let entry = self.entries.remove(&place)?;
        self.weight -= entry.weight();
        self.resolved.remove(&place);
        if let Some(key) = entry.key()
            && self.by_key.get(&key) == Some(&place)
        {
            self.by_key.remove(&key);
        }
        Some(entry)
    }

    /// Drops the least important entry; whether there was one.
    fn drop_one(&mut self) -> bool {
        let from = self.flying.map_or(0, |flying| flying + 1);
        let oldest = || self.entries.range(from..).next().map(|(place, _)| *place);
        match self.resolved.range(from..).next().copied().or_else(oldest) {
            Some(place) => self.remove(place).is_some(),
            None => false,
        }
    }

    /// The first entries, which now are on their way. No alert is among them twice: what comes later must be told
    /// later.
    fn take(&mut self, most: usize) -> Vec<Entry> {
        let mut alerts = HashSet::new();
        let mut taken = Vec::new();
        for (place, entry) in &self.entries {
            let goes_alone = self.alone_until.is_some_and(|until| *place <= until);
            if taken.len() >= if goes_alone { 1 } else { most } {
                break;
            }
            if let Entry::Alert(alert) = entry
                && !alerts.insert(&alert.labels)
            {
                break;
            }
            taken.push(entry.clone());
            self.flying = Some(*place);
            if goes_alone {
                break;
            }
        }
        taken
    }

    /// Nothing is on its way any more. `keep` says which of what was stays: it is told whether nothing newer says the
    /// same. Gives how many went.
    fn land(&mut self, keep: impl Fn(bool) -> bool) -> u64 {
        let Some(flying) = self.flying.take() else { return 0 };
        let places: Vec<u64> = self.entries.range(..=flying).map(|(place, _)| *place).collect();
        let mut gone = 0;
        for place in places {
            let key = self.entries.get(&place).and_then(Entry::key);
            let is_last_word = key.is_none_or(|key| self.by_key.get(&key) == Some(&place));
            if !keep(is_last_word) {
                self.remove(place);
                gone += 1;
            }
        }
        gone
    }
}
