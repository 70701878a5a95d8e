//! `Histogram`: a distribution, in HDR buckets.

use super::handle::{Place, SharedShape, Text};
use super::timer::{SampledTimer, Timer};
use crate::registry::{Bound, Buckets, Definition, Kind, Precision, Registry};
use crate::shard::exemplar::Traced;
use crate::shard::layout::Shape;
use crate::shard::local::{Record, fast, finish, perform, perform_traced};
use crate::shard::{DOMAIN, entry, octave};
use crate::{Error, Unit};
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::time::Duration;

/// A distribution of values: latencies, sizes, counts.
///
/// Records integers of a base unit over the whole 64-bit range, without clamping, in the bucket layout of the
/// `hdrhistogram` crate at 1 to 3 significant figures ([`Precision`]; by default buckets at most 0.8 % wide). Count, sum,
/// minimum and maximum are exact, and belong together in every snapshot.
///
/// Cost: about two nanoseconds; a thread's first value in each octave (factor of two) allots that octave's buckets from
/// memory that the thread's shard already reserved. Visible: in every snapshot whose cut comes after the call.
///
/// ```
/// use tachometer::{Histogram, Unit};
/// static LATENCY: Histogram =
///     Histogram::new("commit_latency_seconds", "From proposal to commit.").unit(Unit::Nanoseconds);
/// LATENCY.record(48_211);
/// let sum: u64 = LATENCY.time(|| (0..100).sum());
/// # assert_eq!(sum, 4950);
/// ```
// The slot and the shape, which every record loads, stand side by side in one cache line.
#[repr(C, align(64))]
pub struct Histogram {
    place: Place,
    shape: SharedShape,
    text: Text,
    /// What the program says; the registry has the last word.
    precision: Option<Precision>,
    buckets: Buckets,
}

/// A histogram's place: what a family's look-up gives, and what a [`Group`](crate::Group) takes.
#[derive(Clone, Copy, Debug)]
pub struct HistogramRef<'a> {
    pub(crate) slot: usize,
    pub(crate) shape: Shape,
    pub(crate) handle: PhantomData<&'a ()>,
}

impl Histogram {
    /// A handle for a `static`: registered in [`Registry::global`] on its first use.
    ///
    /// A name or definition that the registry refuses is reported by [`Registry::rejected`]; call
    /// [`Histogram::register`] early to get the error itself.
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        let shape = SharedShape::new(Precision::Two.shape());
        let (text, buckets) = (Text::new(name, help), Buckets::Auto);
        Histogram { place: Place::unbound(), shape, text, precision: None, buckets }
    }

    /// Sets the unit; see [`Unit`] for the suffix that the name must have.
    pub const fn unit(mut self, unit: Unit) -> Self {
        self.text.unit = unit;
        self
    }

    /// Sets how finely values are told apart; else the [registry's default](crate::RegistrySettings) holds.
    pub const fn precision(mut self, precision: Precision) -> Self {
        self.precision = Some(precision);
        self.shape = SharedShape::new(precision.shape());
        self
    }

    /// Sets the bounds that a page shows.
    pub const fn buckets(mut self, buckets: Buckets) -> Self {
        self.buckets = buckets;
        self
    }

    /// Registers a `static` handle now, so that its series is on the page before its first use.
    ///
    /// # Errors
    /// The name is invalid, or registered with another definition.
    pub fn register(&self) -> Result<(), Error> {
        if !self.text.name.is_empty() {
            Registry::global().bind(&self.definition(), &[vec![]])?;
            self.as_ref();
        }
        Ok(())
    }

    pub(crate) fn from_bound(bound: Bound, precision: Precision) -> Self {
        Histogram {
            place: Place::bound(bound),
            shape: SharedShape::new(precision.shape()),
            text: Text::new("", ""),
            precision: Some(precision),
            buckets: Buckets::Auto,
        }
    }

    /// The definition of a `static`, whose shape is set to what the registry says.
    fn definition(&self) -> Definition {
        let name = self.text.name;
        let precision = Registry::global().precision_of(Kind::Histogram, name, self.precision);
        self.shape.set(precision.shape());
        Definition {
            name: name.to_owned(),
            help: self.text.help.to_owned(),
            kind: Kind::Histogram,
            unit: self.text.unit,
            precision,
            buckets: self.buckets,
        }
    }

    #[inline(always)]
    pub(crate) fn as_ref(&self) -> HistogramRef<'_> {
        let slot = self.place.slot_with_shape(|| (self.definition(), vec![vec![]]));
        HistogramRef { slot, shape: self.shape.get(), handle: PhantomData }
    }

    /// Records `value`, in the histogram's recorded unit.
    #[inline(always)]
    pub fn record(&self, value: u64) {
        self.record_n(value, 1);
    }

    /// Records `value` `n` times.
    #[inline(always)]
    pub fn record_n(&self, value: u64, n: u64) {
        match self.place.known_with_shape() {
            0 => self.record_unbound(value, n),
            slot => {
                let shape = self.shape.get();
                HistogramRef { slot, shape, handle: PhantomData }.record_n(value, n)
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn record_unbound(&self, value: u64, n: u64) {
        self.as_ref().record_n(value, n);
    }

    /// Records `value` once, and keeps the trace and span it came from as an [exemplar](crate::Exemplar).
    ///
    /// Of each thread's values the last one in each factor of two is kept for the next snapshot. A trace of all zeros is
    /// none: only the value is recorded. Cost: some nanoseconds more than [`Histogram::record`], no lock and no allocation;
    /// a thread's first exemplar of a histogram takes 2 KiB in each bank of memory that its shard already reserved. Where
    /// there is no room, or the thread has no shard of its own, the value is recorded and the exemplar dropped, which
    /// `tachometer_dropped_exemplars_total` counts.
    ///
    /// ```
    /// # let registry = tachometer::Registry::new();
    /// let latency = registry.histogram("request_size", "Size of requests.")?;
    /// latency.record_with_exemplar(1_500, *b"a trace, 16 byte", *b"8 a span");
    /// # Ok::<(), tachometer::Error>(())
    /// ```
    pub fn record_with_exemplar(&self, value: u64, trace_id: [u8; 16], span_id: [u8; 8]) {
        self.as_ref().record_with_exemplar(value, trace_id, span_id);
    }

    /// Records a duration in nanoseconds.
    #[inline(always)]
    pub fn record_duration(&self, duration: Duration) {
        self.as_ref().record_duration(duration);
    }

    /// Starts a timer that records nanoseconds when it is stopped or dropped.
    #[inline(always)]
    pub fn start(&self) -> Timer<'_> {
        self.as_ref().start()
    }

    /// Runs `f` and records how many nanoseconds it took.
    #[inline(always)]
    pub fn time<T>(&self, f: impl FnOnce() -> T) -> T {
        self.as_ref().time(f)
    }

    /// Starts a timer on one call in `one_in` on average, which then records with that weight; see [`SampledTimer`].
    #[inline(always)]
    pub fn start_sampled(&self, one_in: NonZeroU32) -> SampledTimer<'_> {
        self.as_ref().start_sampled(one_in)
    }
}

impl<'a> HistogramRef<'a> {
    /// Records `value`, in the histogram's recorded unit.
    #[inline(always)]
    pub fn record(self, value: u64) {
        self.record_n(value, 1);
    }

    /// Records `value` `n` times.
    #[inline(always)]
    pub fn record_n(self, value: u64, n: u64) {
        let Some(cells) = fast() else {
            return record_slow(self.slot, self.shape, value, n);
        };
        let bank = entry::enter(cells, &DOMAIN.epoch);
        // Cold calls stand at the end of a path, so that the hot one saves no registers for them.
        if !octave::record_own(cells, self.slot + bank, self.shape, value, n) {
            return finish(cells, bank, self.slot, self.shape, value, n);
        }
        entry::leave(cells, bank);
    }

    /// Records `value` once, with where it came from; see [`Histogram::record_with_exemplar`].
    pub fn record_with_exemplar(self, value: u64, trace_id: [u8; 16], span_id: [u8; 8]) {
        perform_traced(self.slot, self.shape, Traced::new(value, trace_id, span_id));
    }

    /// Records a duration in nanoseconds.
    #[inline(always)]
    pub fn record_duration(self, duration: Duration) {
        self.record(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Starts a timer that records nanoseconds when it is stopped or dropped.
    #[inline(always)]
    pub fn start(self) -> Timer<'a> {
        Timer::start(self)
    }

    /// Runs `f` and records how many nanoseconds it took.
    #[inline(always)]
    pub fn time<T>(self, f: impl FnOnce() -> T) -> T {
        let timer = self.start();
        let result = f();
        timer.stop();
        result
    }

    /// Starts a timer on one call in `one_in` on average; see [`SampledTimer`].
    #[inline(always)]
    pub fn start_sampled(self, one_in: NonZeroU32) -> SampledTimer<'a> {
        SampledTimer::start(self, one_in)
    }
}

#[cold]
#[inline(never)]
fn record_slow(slot: usize, shape: Shape, value: u64, n: u64) {
    perform(Record::Histogram { slot, shape, value, n });
}

impl Clone for Histogram {
    /// The same series; a `static` is registered if it was not.
    fn clone(&self) -> Self {
        let HistogramRef { slot, shape, .. } = self.as_ref();
        Histogram {
            place: self.place.clone_at(slot),
            shape: SharedShape::new(shape),
            text: self.text,
            precision: self.precision,
            buckets: self.buckets,
        }
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram").field("place", &self.place).field("shape", &self.shape).finish()
    }
}

impl<'a> From<&'a Histogram> for HistogramRef<'a> {
    #[inline(always)]
    fn from(handle: &'a Histogram) -> Self {
        handle.as_ref()
    }
}
