//! Timers: a span of time into a histogram of nanoseconds, each one or one in N.

use super::clock;
use super::histogram::HistogramRef;
use crate::shard::arena::Cells;
use crate::shard::layout::{RANDOM, SKIP};
use crate::shard::local::fast;
use crate::sync::Ordering;
use std::mem;
use std::num::NonZeroU32;
use std::time::Duration;

/// A running timer. Records nanoseconds when it is stopped or dropped.
///
/// Cost: two reads of the time-stamp counter and a record, about 20 ns.
///
/// ```
/// use tachometer::{Histogram, Unit};
/// static APPLY: Histogram =
///     Histogram::new("apply_duration_seconds", "Applying a batch.").unit(Unit::Nanoseconds);
/// let timer = APPLY.start();
/// // … the work …
/// let took = timer.stop();
/// ```
#[derive(Debug)]
#[must_use = "a timer that is dropped at once measures nothing"]
pub struct Timer<'a> {
    histogram: HistogramRef<'a>,
    start: u64,
}

impl<'a> Timer<'a> {
    #[inline(always)]
    pub(crate) fn start(histogram: HistogramRef<'a>) -> Self {
        Timer { histogram, start: clock::ticks() }
    }

    /// The time since the start; records nothing.
    #[inline(always)]
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(clock::elapsed_ns(self.start))
    }

    /// Stops, records, and returns what was recorded.
    #[inline(always)]
    pub fn stop(self) -> Duration {
        let ns = clock::elapsed_ns(self.start);
        self.histogram.record(ns);
        mem::forget(self);
        Duration::from_nanos(ns)
    }

    /// As [`Timer::stop`], and keeps the trace and span that were timed as an [exemplar](crate::Exemplar), as
    /// [`Histogram::record_with_exemplar`](crate::Histogram::record_with_exemplar) does; for some nanoseconds more.
    ///
    /// ```
    /// # let registry = tachometer::Registry::new();
    /// # let metric = registry.metric("apply_duration_seconds", "Applying a batch.");
    /// let apply = metric.unit(tachometer::Unit::Nanoseconds).histogram()?;
    /// let timer = apply.start();
    /// // … the work …
    /// let took = timer.stop_with_exemplar(*b"a trace, 16 byte", *b"8 a span");
    /// # Ok::<(), tachometer::Error>(())
    /// ```
    pub fn stop_with_exemplar(self, trace_id: [u8; 16], span_id: [u8; 8]) -> Duration {
        let ns = clock::elapsed_ns(self.start);
        self.histogram.record_with_exemplar(ns, trace_id, span_id);
        mem::forget(self);
        Duration::from_nanos(ns)
    }

    /// Ends the timer without recording: the operation failed, or is not to be counted.
    pub fn discard(self) {
        mem::forget(self);
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.histogram.record(clock::elapsed_ns(self.start));
    }
}

/// A timer on one call in N on average, recorded with weight N. For paths too hot to time each call.
///
/// Which calls are timed is drawn at random (gaps uniform from 1 to 2N − 1, the first one as if many calls had gone
/// before), separately for each histogram and thread, so that a workload with a period of its own is not sampled in step
/// with it. Count and sum are unbiased estimates of what timing every call would give, for a timer that is rarely started
/// too; the draw costs about a nanosecond a call. A thread without a shard of its own times every call.
#[derive(Debug)]
#[must_use = "a timer that is dropped at once measures nothing"]
pub struct SampledTimer<'a> {
    histogram: HistogramRef<'a>,
    start: u64,
    /// How many calls this one stands for; zero if it is not timed.
    weight: u32,
}

impl<'a> SampledTimer<'a> {
    #[inline(always)]
    pub(crate) fn start(histogram: HistogramRef<'a>, one_in: NonZeroU32) -> Self {
        let weight = draw(histogram.slot, one_in.get());
        let start = if weight == 0 { 0 } else { clock::ticks() };
        SampledTimer { histogram, start, weight }
    }

    /// Stops, and records if this call is one of the sample.
    #[inline(always)]
    pub fn stop(self) {
        self.finish();
        mem::forget(self);
    }

    /// Ends the timer without recording.
    pub fn discard(self) {
        mem::forget(self);
    }

    #[inline(always)]
    fn finish(&self) {
        if self.weight != 0 {
            self.histogram.record_n(clock::elapsed_ns(self.start), self.weight.into());
        }
    }
}

impl Drop for SampledTimer<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.finish();
    }
}

/// Whether this call is sampled: its weight, or zero.
///
/// The cell holds the calls left until the next sample, and (above 32 bits) the weight under which they were drawn, so
/// that call sites with different N on one histogram stay unbiased.
#[inline(always)]
fn draw(slot: usize, one_in: u32) -> u32 {
    let Some(cells) = fast() else { return 1 };
    let skip = cells.cell(slot + SKIP);
    // Relaxed, here and below: words of the thread's own, not part of any cut.
    let left = skip.load(Ordering::Relaxed);
    if left as u32 > 1 {
        skip.store(left - 1, Ordering::Relaxed);
        return 0;
    }
    next_gap(slot, one_in, left)
}

#[cold]
#[inline(never)]
fn next_gap(slot: usize, one_in: u32, left: u64) -> u32 {
    let Some(cells) = fast() else { return 1 };
    let skip = cells.cell(slot + SKIP);
    let n = u64::from(one_in);
    let sampled = match left as u32 {
        // The first call of this thread on this histogram: it is sampled only if the first gap says so.
        0 => match first_gap(random(cells), n) {
            1 => one_in,
            gap => {
                skip.store(n << 32 | (gap - 1), Ordering::Relaxed);
                return 0;
            }
        },
        _ => (left >> 32) as u32,
    };
    let gap = 1 + (random(cells) >> 32) % (2 * n - 1);
    skip.store(n << 32 | gap, Ordering::Relaxed);
    sampled
}

/// The first gap, so that the first call is as likely to be sampled as any later one: in the midst of gaps that are
/// uniform from 1 to 2N - 1, one is k calls from the next sample with probability (2N - k) / N(2N - 1). That is how the
/// smaller of two different numbers from 1 to 2N is distributed.
pub(super) fn first_gap(random: u64, n: u64) -> u64 {
    let one = (random >> 32) % (2 * n);
    let other = u64::from(random as u32) % (2 * n - 1);
    1 + one.min(if other < one { other } else { other + 1 })
}

/// The next number of the thread's own generator: xorshift64 (Marsaglia 2003).
fn random(cells: Cells) -> u64 {
    let random = cells.cell(RANDOM);
    // Zero in a fresh shard: start the generator from the shard's address and the clock.
    let mut x = match random.load(Ordering::Relaxed) {
        0 => (cells.as_ptr() as u64 ^ clock::ticks().rotate_left(32)) | 1,
        seeded => seeded,
    };
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    random.store(x, Ordering::Relaxed);
    x
}
