//! Families whose label values are strings known at run time only.

use super::cache::{self, Hit, hash_of, key_of};
use super::{At, Metric};
use crate::record::counter::Counter;
use crate::record::gauge::{Gauge, GaugeRef};
use crate::record::histogram::Histogram;
use crate::record::updown::UpDownCounter;
use crate::registry::members::{Members, Resolved, touched_slot};
use crate::registry::{Buckets, Definition, Kind, Precision, Registry};
use crate::shard::exemplar::Traced;
use crate::shard::local::{Access, Record, enter_slow, fast, finish};
use crate::shard::{DOMAIN, entry, octave};
use crate::sync::bump;
use crate::{Error, Unit};
use once_cell::race::OnceBox;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// A family with `N` labels whose values are only known at run time: peers, topics, tenants.
///
/// [`Family::at`] looks the values up in a table of the calling thread: no lock and no allocation on a hit, about ten
/// nanoseconds. A caller that can keep the handle of one series ([`Family::handle`]) pays nothing.
///
/// A family has a limit of series ([`DEFAULT_FAMILY_LIMIT`](crate::limits::DEFAULT_FAMILY_LIMIT) unless set). Values past
/// it, and values longer than [`MAX_LABEL_VALUE_BYTES`](crate::limits::MAX_LABEL_VALUE_BYTES), go to one series labelled
/// `overflow="true"`, whose records `tachometer_overflow_series_records_total` counts. With [`Family::expire_after`], series
/// that nobody records in and nobody holds a handle of disappear; they start from zero when they come back. Series of what
/// has a membership, as peers do, go with it: see [`Family::member`] and [`Family::forget`].
///
/// ```
/// use tachometer::{Counter, Family};
/// static SENT: Family<Counter, 2> =
///     Family::new("messages_sent_total", "Messages by peer and kind.", ["peer", "kind"]);
/// SENT.at(["node-2", "append"]).inc();
/// let kept: Counter = SENT.handle(["node-2", "vote"]);
/// kept.inc();
/// ```
pub struct Family<M: Metric, const N: usize> {
    members: OnceBox<Arc<Members>>,
    name: &'static str,
    help: &'static str,
    keys: [&'static str; N],
    options: Options,
    /// Keeps the registry in which new members register; `None` in a `static`, which uses the global one.
    registry: Option<Registry>,
    metric: PhantomData<fn() -> M>,
}

/// What a family can be told beside its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) unit: Unit,
    pub(crate) precision: Option<Precision>,
    pub(crate) buckets: Buckets,
    pub(crate) limit: Option<usize>,
    pub(crate) expire_after: Option<Duration>,
}

impl Options {
    pub(crate) const DEFAULT: Options = Options {
        unit: Unit::None,
        precision: None,
        buckets: Buckets::Auto,
        limit: None,
        expire_after: None,
    };
}

impl<M: Metric, const N: usize> Family<M, N> {
    /// A family for a `static`: registered in [`Registry::global`] on its first use; see
    /// [`Counter::new`](crate::Counter::new).
    pub const fn new(name: &'static str, help: &'static str, keys: [&'static str; N]) -> Self {
        let members = OnceBox::new();
        Family {
            members,
            name,
            help,
            keys,
            options: Options::DEFAULT,
            registry: None,
            metric: PhantomData,
        }
    }

    /// Sets the unit; see [`Unit`] for the suffix that the name must have.
    pub const fn unit(mut self, unit: Unit) -> Self {
        self.options.unit = unit;
        self
    }

    /// Sets how finely a histogram's values are told apart; else the [registry's default](crate::RegistrySettings) holds.
    pub const fn precision(mut self, precision: Precision) -> Self {
        self.options.precision = Some(precision);
        self
    }

    /// Sets the bounds that a histogram's page shows.
    pub const fn buckets(mut self, buckets: Buckets) -> Self {
        self.options.buckets = buckets;
        self
    }

    /// Sets how many series the family may have; else the [registry's default](crate::RegistrySettings) holds.
    pub const fn limit(mut self, series: usize) -> Self {
        self.options.limit = Some(series);
        self
    }

    /// Lets series go that nobody has recorded in for this long, and nobody holds a handle of.
    pub const fn expire_after(mut self, idle: Duration) -> Self {
        self.options.expire_after = Some(idle);
        self
    }

    /// Registers a `static` family now.
    ///
    /// # Errors
    /// The name is invalid, or registered with another definition.
    pub fn register(&self) -> Result<(), Error> {
        Members::register(Registry::global(), &self.definition(), &self.keys, self.options)?;
        self.members();
        Ok(())
    }

    pub(crate) fn from_members(members: Arc<Members>, registry: Option<Registry>) -> Self {
        let mut family = Self::new("", "", [""; N]);
        family.registry = registry;
        // Nobody else has the fresh cell yet.
        let _ = family.members.set(Box::new(members));
        family
    }

    fn definition(&self) -> Definition {
        Definition {
            name: self.name.to_owned(),
            help: self.help.to_owned(),
            kind: M::KIND,
            unit: self.options.unit,
            precision: Registry::global().precision_of(M::KIND, self.name, self.options.precision),
            buckets: self.options.buckets,
        }
    }

    #[inline(always)]
    fn members(&self) -> &Arc<Members> {
        match self.members.get() {
            Some(members) => members,
            None => self.bind(),
        }
    }

    #[cold]
    #[inline(never)]
    fn bind(&self) -> &Arc<Members> {
        self.members.get_or_init(|| {
            let (definition, options) = (self.definition(), self.options);
            Box::new(Members::register_static(&definition, &self.keys, options))
        })
    }

    /// The series of `values`, in the order of the family's labels: record through it at once.
    #[inline(always)]
    pub fn at<'a>(&'a self, values: [&'a str; N]) -> Lookup<'a, M, N> {
        Lookup { family: self, values }
    }

    /// A handle of the series of `values`, to keep. The series does not expire while a handle exists.
    pub fn handle(&self, values: [&str; N]) -> M {
        let members = self.members();
        M::handle(At(members.handle(&values)), members.precision())
    }

    /// A handle that the series of `values` belongs to: when the last one is dropped, the series goes, whatever
    /// [`Family::expire_after`] says. For what has a membership: keep the handle where the member is kept.
    ///
    /// What was recorded last is in at least one complete snapshot; two generations later the series is in none, and push
    /// targets are told its end. With a new handle it comes back: from zero, or from where it was if it had not gone yet.
    /// A record by [`Family::at`] keeps it, too, but only to the next generation without one.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tachometer::{Counter, Engine, Family, ManualClock, Registry};
    /// let registry = Registry::new();
    /// let sent: Family<Counter, 1> = registry.metric("sent_total", "Messages by peer.").family(["peer"])?;
    /// let engine = Engine::builder().registry(&registry).manual(&ManualClock::at(Duration::ZERO)).start()?;
    /// let peer = sent.member(["node-2"]);
    /// peer.add(5);
    /// assert_eq!(engine.refresh().counter_with("sent_total", &[("peer", "node-2")])?, 5);
    /// drop(peer);
    /// (0..3).for_each(|_| drop(engine.refresh()));
    /// assert!(engine.refresh().is_empty());
    /// # Ok::<(), tachometer::Error>(())
    /// ```
    pub fn member(&self, values: [&str; N]) -> M {
        let members = self.members();
        M::handle(At(members.own(&values)), members.precision())
    }

    /// Lets all series go whose label `label` is `value`: of a member that has gone. A series of which somebody has a
    /// handle goes once that is dropped, one that is recorded in when a generation has no record of it.
    ///
    /// Whoever asks for such a series later brings it back, as told at [`Family::member`]. A label that the family does not
    /// have is none of its series'.
    pub fn forget(&self, label: &str, value: &str) {
        self.members().forget(label, value);
    }
}

impl<M: Metric, const N: usize> Clone for Family<M, N> {
    /// The same family; a `static` is registered if it was not.
    fn clone(&self) -> Self {
        Self::from_members(self.members().clone(), self.registry.clone())
    }
}

impl<M: Metric, const N: usize> fmt::Debug for Family<M, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Family").field("name", &self.name).field("keys", &self.keys).finish()
    }
}

/// A series of a [`Family`] by its label values, looked up when something is recorded.
#[derive(Clone, Copy, Debug)]
#[must_use = "looks nothing up until something is recorded through it"]
pub struct Lookup<'a, M: Metric, const N: usize> {
    family: &'a Family<M, N>,
    values: [&'a str; N],
}

impl<M: Metric, const N: usize> Lookup<'_, M, N> {
    #[inline(always)]
    fn apply(self, record: impl Fn(usize) -> Record) {
        let members = self.family.members();
        let hash = hash_of(&self.values);
        if let Some(cells) = fast()
            && let Some(hit) = cache::find(members.id, hash, &self.values)
        {
            let bank = entry::enter(cells, &DOMAIN.epoch);
            if members.tenancy.valid(hit.version) {
                match record(hit.slot) {
                    Record::Add { slot, n } => bump(cells.cell(slot + bank), n),
                    Record::Histogram { slot, shape, value, n } => {
                        if !octave::record_own(cells, slot + bank, shape, value, n) {
                            return finish(cells, bank, slot, shape, value, n);
                        }
                    }
                }
                entry::leave(cells, bank);
                return;
            }
            entry::leave(cells, bank);
        }
        self.record_slow(members, hash, record);
    }

    #[cold]
    #[inline(never)]
    fn record_slow(self, members: &Members, hash: u64, record: impl Fn(usize) -> Record) {
        self.within(members, hash, |access, slot| access.apply(record(slot)));
    }

    /// Looks the slot up and writes there, in an entry by the slow path.
    #[inline(always)]
    fn within(self, members: &Members, hash: u64, write: impl Fn(Access, usize)) {
        // What the thread remembers is as good inside a group, in a process of fences, for a thread without a shard.
        if let Some(hit) = cache::find(members.id, hash, &self.values) {
            let access = enter_slow();
            let valid = members.tenancy.valid(hit.version);
            if valid {
                write(access, hit.slot);
            }
            access.leave();
            if valid {
                return;
            }
        }
        loop {
            let Resolved { slot, version, overflow } = members.resolve(&self.values);
            let access = enter_slow();
            if members.tenancy.valid(version) || overflow {
                write(access, slot);
                access.leave();
                if !overflow {
                    let hit = Hit { slot, version };
                    cache::remember(members.id, hash, &key_of(&self.values), hit, members.limit());
                }
                return;
            }
            access.leave();
        }
    }
}

impl<const N: usize> Lookup<'_, Counter, N> {
    /// Adds one.
    #[inline(always)]
    pub fn inc(self) {
        self.add(1);
    }

    /// Adds `n`.
    #[inline(always)]
    pub fn add(self, n: u64) {
        self.apply(|slot| Record::Add { slot, n });
    }
}

impl<const N: usize> Lookup<'_, UpDownCounter, N> {
    /// Adds one.
    #[inline(always)]
    pub fn inc(self) {
        self.add(1);
    }

    /// Subtracts one.
    #[inline(always)]
    pub fn dec(self) {
        self.add(-1);
    }

    /// Adds `n`, which may be negative.
    #[inline(always)]
    pub fn add(self, n: i64) {
        self.apply(|slot| Record::Add { slot, n: n as u64 });
    }
}

impl<const N: usize> Lookup<'_, Histogram, N> {
    /// Records `value`, in the histogram's recorded unit.
    #[inline(always)]
    pub fn record(self, value: u64) {
        self.record_n(value, 1);
    }

    /// Records `value` `n` times.
    #[inline(always)]
    pub fn record_n(self, value: u64, n: u64) {
        let shape = self.family.members().shape();
        self.apply(|slot| Record::Histogram { slot, shape, value, n });
    }

    /// Records `value` once, with where it came from; see [`Histogram::record_with_exemplar`].
    pub fn record_with_exemplar(self, value: u64, trace_id: [u8; 16], span_id: [u8; 8]) {
        let shape = self.family.members().shape();
        let traced = Traced::new(value, trace_id, span_id);
        let (members, hash) = (self.family.members(), hash_of(&self.values));
        self.within(members, hash, |access, slot| {
            access.apply(Record::Histogram { slot, shape, value, n: 1 });
            access.keep(slot, traced);
        });
    }

    /// Records a duration in nanoseconds.
    #[inline(always)]
    pub fn record_duration(self, duration: Duration) {
        self.record_n(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX), 1);
    }
}

impl<const N: usize> Lookup<'_, Gauge, N> {
    /// Sets the value.
    pub fn set(self, value: f64) {
        self.with(|gauge| gauge.set(value));
    }

    /// Adds `value`, which may be negative.
    pub fn add(self, value: f64) {
        self.with(|gauge| gauge.add(value));
    }

    /// Writes the gauge's cell inside an entry, and counts the touch beside it: a gauge that is set to the same value
    /// again and again is not idle.
    fn with(self, write: impl Fn(GaugeRef<'_>)) {
        self.apply(|slot| {
            write(GaugeRef { slot, handle: PhantomData });
            Record::Add { slot: touched_slot(Kind::Gauge, slot), n: 1 }
        });
    }
}
