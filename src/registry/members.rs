//! The members of a family with dynamic labels: who they are, when one may join, when one must go.
//!
//! A member's way out: *idle* for the family's time, held by no handle → *leaving* (the tenancy is revoked, so that every
//! thread must ask again, and asking brings it back) → if a complete cut that began afterwards finds its value unchanged
//! and nobody asked, it is removed and its slots retire. See [`crate::shard::tenancy`] for why nothing is lost on the way.
//!
//! A member that belongs to its handles ([`Members::own`]), or was forgotten ([`Members::forget`]), need not be idle for
//! any time: it is on the same way as soon as a generation finds no handle of it and no new record.
//!
//! Once a family is full its keys are frozen into a map that every thread can read without a lock, so that a flood of
//! label values finds its way to the overflow series at the cost of a look-up.

use super::layout::{Labels, Source};
use super::slots::{Slots, is_sink};
use super::{
    Bound, Definition, Inner, Kind, Life, Precision, Registry, Series, State, check_label_name,
    locks,
};
use super::{checked_labels, class_of};
use crate::Error;
use crate::limits::{DEFAULT_FAMILY_LIMIT, MAX_LABEL_VALUE_BYTES};
use crate::record::family::cache::{SEPARATOR, key_of};
use crate::record::family::dynamic::Options;
use crate::shard::DOMAIN;
use crate::shard::layout::{Class, OVERFLOW_SERIES, Shape};
use crate::shard::tenancy::Tenancy;
use crate::sync::Ordering;
use arc_swap::ArcSwapOption;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// See the module.
#[derive(Debug)]
pub(crate) struct Members {
    /// Index of the family among all of the process: what threads key their tables by.
    pub(crate) id: usize,
    pub(crate) tenancy: Tenancy,
    definition: Definition,
    keys: Vec<String>,
    scope: Labels,
    /// That of the definition, where every record finds it.
    shape: Shape,
    limit: usize,
    expire_after: Option<Duration>,
    registry: Weak<Inner>,
    frozen: ArcSwapOption<Frozen>,
    /// Whether a member may have to go though the family has no expiry.
    departures: AtomicBool,
    table: Mutex<Table>,
    /// Where records go that find no room; the whole family's, if it was refused.
    overflow: Bound,
    /// Set for a family that the registry refused: its records are counted apart.
    refused: bool,
}

#[derive(Debug, Default)]
struct Table {
    members: HashMap<Box<[u8]>, Member>,
    overflow_shown: bool,
}

#[derive(Debug)]
struct Member {
    labels: Labels,
    bound: Bound,
    /// The value (or count, or number of touches) at the last generation, and when it last changed.
    value: u64,
    active: Duration,
    leaving: bool,
    /// It goes with its last handle.
    owned: bool,
    /// It goes as soon as nobody has or uses it; asking for it again ends that.
    forgotten: bool,
}

impl Member {
    fn new(labels: Labels, bound: Bound) -> Member {
        Member {
            labels,
            bound,
            value: 0,
            active: Duration::ZERO,
            leaving: false,
            owned: false,
            forgotten: false,
        }
    }
}

/// The keys of a full family.
#[derive(Debug)]
struct Frozen {
    version: u64,
    slots: HashMap<Box<[u8]>, usize>,
}

/// What a look-up found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resolved {
    pub(crate) slot: usize,
    pub(crate) version: u64,
    /// The slot is that of the overflow series, which never expires.
    pub(crate) overflow: bool,
}

impl Members {
    /// Registers a family, or finds it registered alike.
    pub(crate) fn register(
        registry: &Registry,
        definition: &Definition,
        keys: &[&str],
        options: Options,
    ) -> Result<Arc<Members>, Error> {
        match Self::try_register(registry, definition, keys, options) {
            Err(Error::TooMany { .. }) if crate::aggregate::reclaim() => {
                Self::try_register(registry, definition, keys, options)
            }
            result => result,
        }
    }

    fn try_register(
        registry: &Registry,
        definition: &Definition,
        keys: &[&str],
        mut options: Options,
    ) -> Result<Arc<Members>, Error> {
        definition.check()?;
        keys.iter().try_for_each(|key| check_label_name(key, definition.kind))?;
        // The names and their number, once for all members; "overflow" is the family's own.
        let sample = keys.iter().chain([&"overflow"]).map(|k| (k.to_string(), String::new()));
        checked_labels(registry.scope.iter().cloned().chain(sample).collect(), definition.kind)?;
        let mut slots = locks::setup();
        let mut state = registry.inner.lock();
        state.check(definition)?;
        let same_place =
            |m: &&Arc<Members>| m.definition.name == definition.name && m.scope == registry.scope;
        if let Some(found) = state.dynamic.iter().find(same_place) {
            if found.keys.iter().map(String::as_str).eq(keys.iter().copied()) {
                return Ok(found.clone());
            }
            let existing = format!("{definition} with labels {:?}", found.keys);
            let refused = format!("{definition} with labels {keys:?}");
            return Err(Error::Conflict { existing, refused });
        }
        let shared = DOMAIN.open_shared().ok_or(Error::OutOfAddressSpace)?;
        let range = slots.allot(class_of(definition), width(definition.kind), shared.bytes)?;
        state.family(definition)?;
        options.limit.get_or_insert_with(|| state.settings.family_limit(&definition.name));
        let overflow = Bound { slot: range.slot, life: Arc::new(Life(Some(range))) };
        let members = Arc::new(Members::new(registry, definition, keys, options, overflow));
        state.dynamic.push(members.clone());
        Ok(members)
    }

    /// Registers a `static` family, which cannot report an error.
    #[cold]
    pub(crate) fn register_static(
        definition: &Definition,
        keys: &[&str],
        options: Options,
    ) -> Arc<Members> {
        let registry = Registry::global();
        let error = match Self::register(registry, definition, keys, options) {
            Ok(members) => return members,
            Err(error) => error,
        };
        // Refused: all its records go to one place, shown beside the reason.
        let bound = registry.reject(definition, width(definition.kind), error);
        let mut members = Members::new(registry, definition, keys, options, bound);
        members.refused = true;
        Arc::new(members)
    }

    fn new(
        registry: &Registry,
        definition: &Definition,
        keys: &[&str],
        options: Options,
        overflow: Bound,
    ) -> Members {
        static IDS: AtomicUsize = AtomicUsize::new(0);
        Members {
            // Relaxed: only unique.
            id: IDS.fetch_add(1, Ordering::Relaxed),
            tenancy: Tenancy::new(),
            definition: definition.clone(),
            keys: keys.iter().map(|key| key.to_string()).collect(),
            scope: registry.scope.clone(),
            shape: definition.precision.shape(),
            limit: options.limit.unwrap_or(DEFAULT_FAMILY_LIMIT),
            expire_after: options.expire_after,
            registry: Arc::downgrade(&registry.inner),
            frozen: ArcSwapOption::empty(),
            departures: AtomicBool::new(false),
            table: Mutex::default(),
            overflow,
            refused: false,
        }
    }

    pub(crate) fn precision(&self) -> Precision {
        self.definition.precision
    }

    #[inline(always)]
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// The slot of `values`, joining the family if there is room.
    #[cold]
    pub(crate) fn resolve(&self, values: &[&str]) -> Resolved {
        let too_long = values.iter().any(|value| value.len() > MAX_LABEL_VALUE_BYTES);
        if too_long || self.refused {
            return self.to_overflow();
        }
        if let Some(frozen) = &*self.frozen.load() {
            return match frozen.slots.get(&key_of(values)) {
                Some(&slot) => Resolved { slot, version: frozen.version, overflow: false },
                None => self.to_overflow(),
            };
        }
        match self.join(values, false) {
            Some((bound, version)) => Resolved { slot: bound.slot, version, overflow: false },
            None => self.to_overflow(),
        }
    }

    /// A place in the series of `values` that keeps it from expiring; the overflow series if the family is full.
    pub(crate) fn handle(&self, values: &[&str]) -> Bound {
        self.keep(values, false)
    }

    /// As [`Members::handle`]; the series goes when nobody has such a place any more.
    pub(crate) fn own(&self, values: &[&str]) -> Bound {
        self.keep(values, true)
    }

    fn keep(&self, values: &[&str], owned: bool) -> Bound {
        let too_long = values.iter().any(|value| value.len() > MAX_LABEL_VALUE_BYTES);
        let joined = (!too_long && !self.refused).then(|| self.join(values, owned)).flatten();
        joined.map_or_else(
            || {
                self.to_overflow();
                self.overflow.clone()
            },
            |(bound, _)| bound,
        )
    }

    fn to_overflow(&self) -> Resolved {
        if let Some(shared) = DOMAIN.shared() {
            // Relaxed: a statistic.
            shared.cells.cell(OVERFLOW_SERIES).fetch_add(1, Ordering::Relaxed);
        }
        self.show_overflow();
        Resolved { slot: self.overflow.slot, version: 0, overflow: true }
    }

    /// Puts the overflow series on the page, when it is first needed.
    fn show_overflow(&self) {
        if self.refused || self.frozen.load().is_some() {
            return;
        }
        let Some(registry) = self.registry.upgrade() else { return };
        let _setup = locks::setup();
        let mut state = registry.lock();
        let mut table = self.lock();
        if !table.overflow_shown {
            table.overflow_shown = true;
            let label = [("overflow".to_owned(), "true".to_owned())];
            self.show(&mut state, &label, self.overflow.clone());
        }
    }

    /// All labels of the member whose own are `own`.
    fn labels(&self, own: &[(String, String)]) -> Labels {
        let mut labels = [&self.scope[..], own].concat();
        labels.sort_by(|a, b| a.0.cmp(&b.0));
        labels.into()
    }

    /// The series that somebody registered by itself with the labels of a member.
    fn registered<'a>(&self, state: &'a State, own: &[(String, String)]) -> Option<&'a Series> {
        state.families.get(&self.definition.name)?.series.get(&self.labels(own))
    }

    /// A series that exists becomes a member, counts and all. A gauge lacks the slot that tells whether it is in use:
    /// what the family would record there goes to the overflow series.
    fn adopt(&self, series: &Series) -> Option<Bound> {
        let slot = series.source.slot().filter(|_| width(self.definition.kind) == 1)?;
        Some(Bound { slot, life: series.life.clone() })
    }

    fn allot(&self, slots: &mut Slots) -> Option<Bound> {
        let (class, width) = (class_of(&self.definition), width(self.definition.kind));
        let range = slots.allot(class, width, DOMAIN.shared()?.bytes).ok()?;
        Some(Bound { slot: range.slot, life: Arc::new(Life(Some(range))) })
    }

    fn show(&self, state: &mut State, own: &[(String, String)], bound: Bound) -> Labels {
        let labels = self.labels(own);
        let source = Source::of(self.definition.kind, bound.slot);
        state.insert(&self.definition, labels.clone(), Series { source, life: bound.life });
        labels
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the members go whose label `key` is `value`, as soon as nobody has a handle of them or records in them.
    pub(crate) fn forget(&self, key: &str, value: &str) {
        let Some(nth) = self.keys.iter().position(|own| own == key) else { return };
        let _setup = locks::setup();
        let mut table = self.lock();
        for (own, member) in &mut table.members {
            member.forgotten |= nth_value(own, nth) == Some(value.as_bytes());
        }
        // Relaxed: read under the same locks; see `expire` for who reads it before.
        self.departures.store(true, Ordering::Relaxed);
    }

    /// The member of `values`, which joins now if there is room and comes back if it was leaving.
    fn join(&self, values: &[&str], owned: bool) -> Option<(Bound, u64)> {
        let registry = self.registry.upgrade()?;
        let mut slots = locks::setup();
        let mut state = registry.lock();
        let mut table = self.lock();
        if owned {
            // Relaxed: as in `forget`.
            self.departures.store(true, Ordering::Relaxed);
        }
        let version = self.tenancy.version();
        let key = key_of(values);
        if let Some(member) = table.members.get_mut(&key) {
            (member.leaving, member.forgotten) = (false, false);
            member.owned |= owned;
            return Some((member.bound.clone(), version));
        }
        let own: Vec<_> =
            self.keys.iter().zip(values).map(|(k, v)| (k.clone(), v.to_string())).collect();
        let room = table.members.len() < self.limit;
        let bound = match self.registered(&state, &own) {
            _ if !room => None,
            Some(series) => self.adopt(series),
            None => self.allot(&mut slots),
        };
        let Some(bound) = bound else {
            self.freeze(&mut state, &mut table, version);
            return None;
        };
        let labels = self.show(&mut state, &own, bound.clone());
        table.members.insert(key, Member { owned, ..Member::new(labels, bound.clone()) });
        Some((bound, version))
    }

    /// No more may join: from now on a stranger is told so without a lock.
    fn freeze(&self, state: &mut State, table: &mut Table, version: u64) {
        if !table.overflow_shown {
            table.overflow_shown = true;
            let label = [("overflow".to_owned(), "true".to_owned())];
            self.show(state, &label, self.overflow.clone());
        }
        // A member that is leaving may come back, which needs the lock: leave the map open while there is one.
        if table.members.values().all(|member| !member.leaving) {
            let slots = table.members.iter().map(|(k, m)| (k.clone(), m.bound.slot)).collect();
            self.frozen.store(Some(Arc::new(Frozen { version, slots })));
        }
    }

    /// Lets idle members go: called after each generation. `value` reads what a slot has counted, `complete` says whether
    /// the cut was complete.
    ///
    /// Two steps, a generation apart: see the module.
    pub(crate) fn expire(&self, now: Duration, complete: bool, value: impl Fn(usize, Kind) -> u64) {
        // Relaxed: whoever sets it later is served by the next generation.
        if self.expire_after.is_none() && !self.departures.load(Ordering::Relaxed) {
            return;
        }
        let Some(registry) = self.registry.upgrade() else { return };
        let _setup = locks::setup();
        let mut state = registry.lock();
        let mut table = self.lock();
        let (mut gone, mut revoke) = (Vec::new(), false);
        for (key, member) in &mut table.members {
            let current =
                value(touched_slot(self.definition.kind, member.bound.slot), self.definition.kind);
            let held = Arc::strong_count(&member.bound.life) > 2;
            if current != member.value || held || member.active == Duration::ZERO {
                member.value = current;
                // Never zero, which means "not seen yet".
                member.active = now.max(Duration::from_nanos(1));
                member.leaving = false;
            } else if member.leaving && complete {
                gone.push(key.clone());
            } else if !member.leaving && self.is_due(member, now) {
                member.leaving = true;
                revoke = true;
            }
        }
        if revoke || !gone.is_empty() {
            self.frozen.store(None);
        }
        if revoke {
            self.tenancy.revoke();
        }
        for key in gone {
            let member = table.members.remove(&key).expect("listed above");
            let family = state.families.get_mut(&self.definition.name).expect("it has members");
            family.series.remove(&member.labels);
            state.version += 1;
            // Dropping the member's and the series' hold on the slots retires them.
        }
    }

    /// Whether a member that nobody has a handle of, or has recorded in since the last generation, has to go.
    fn is_due(&self, member: &Member, now: Duration) -> bool {
        let idle = now.saturating_sub(member.active);
        member.owned || member.forgotten || self.expire_after.is_some_and(|limit| idle >= limit)
    }
}

/// The value of the label at `nth`, out of a member's key.
fn nth_value(key: &[u8], nth: usize) -> Option<&[u8]> {
    // Each value ends with a byte that no text has.
    key.split(|&byte| byte == SEPARATOR).nth(nth)
}

/// Slots of a member: a gauge has a second one, which counts how often it was touched.
fn width(kind: Kind) -> usize {
    if kind == Kind::Gauge { 2 } else { 1 }
}

/// The slot that tells whether a member is in use.
pub(crate) fn touched_slot(kind: Kind, slot: usize) -> usize {
    let second = kind == Kind::Gauge && !is_sink(slot);
    if second { slot + Class::Scalar.stride() } else { slot }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_found_in_a_members_key() {
        let key = key_of(&["a", "", "bc"]);
        let values: Vec<_> = (0..3).map(|nth| nth_value(&key, nth).unwrap()).collect();
        assert_eq!(values, [&b"a"[..], b"", b"bc"]);
    }

    #[test]
    fn only_gauges_need_a_second_slot() {
        assert_eq!((width(Kind::Counter), width(Kind::Gauge), width(Kind::Histogram)), (1, 2, 1));
        assert_eq!(touched_slot(Kind::Gauge, 512), 520);
        assert_eq!(touched_slot(Kind::Counter, 512), 512);
    }
}
