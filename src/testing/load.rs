//! Load with a seed: when operations come, and what each of them carries.
//!
//! Pure: nothing here reads a clock or sleeps. Whoever drives something asks what is due at a time that he names, so a test runs
//! an hour of load in a millisecond, and a soak runs the same load in an hour.

use super::random::{Random, exp};
use crate::Error;
use crate::limits::{MAX_LOAD_RATE, MIN_LOAD_RATE};
use std::sync::Arc;
use std::time::Duration;

/// How values are distributed: durations in nanoseconds, sizes in bytes, numbers of items.
///
/// ```
/// use tachometer::testing::{Random, Values};
/// let latency_ns = Values::log_normal(1_000_000.0, 0.5)?; // half of all take more than a millisecond
/// let mut random = Random::new(7);
/// let drawn: Vec<u64> = (0..3).map(|number| latency_ns.draw(&mut random, number)).collect();
/// assert!(drawn.iter().all(|ns| (10_000..100_000_000).contains(ns)));
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Values(Shape);

#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Fixed(u64),
    Uniform { low: u64, count: u64 },
    Exponential { mean: f64 },
    LogNormal { log_median: f64, sigma: f64 },
    Known(Arc<[u64]>),
}

fn positive(setting: &'static str, what: &str, value: f64) -> Result<f64, Error> {
    // Not `value <= 0.0`: that would let NaN pass.
    if value.is_normal() && value > 0.0 {
        return Ok(value);
    }
    let reason = format!("{what} is {value}; a number above zero was expected");
    Err(Error::InvalidSetting { setting, reason })
}

impl Values {
    /// Always the same.
    pub const fn fixed(value: u64) -> Values {
        Values(Shape::Fixed(value))
    }

    /// From `low` to `high`, both included, each as likely as any other.
    ///
    /// # Errors
    /// `low` is above `high`, or there are 2⁶⁴ of them.
    pub fn uniform(low: u64, high: u64) -> Result<Values, Error> {
        match high.checked_sub(low).and_then(|span| span.checked_add(1)) {
            Some(count) => Ok(Values(Shape::Uniform { low, count })),
            None => Err(Error::InvalidSetting {
                setting: "values",
                reason: format!("{low} to {high} is no span of 1 to 2^64-1 integers"),
            }),
        }
    }

    /// As the gaps between events that know nothing of each other. The share of values above n times the mean is e⁻ⁿ.
    ///
    /// # Errors
    /// The mean is not above zero.
    pub fn exponential(mean: f64) -> Result<Values, Error> {
        Ok(Values(Shape::Exponential { mean: positive("values", "the mean", mean)? }))
    }

    /// As latencies mostly are: half of them above `median`, 0.13 % above `median` times e³ˢⁱᵍᵐᵃ.
    ///
    /// # Errors
    /// One of both is not above zero.
    pub fn log_normal(median: f64, sigma: f64) -> Result<Values, Error> {
        let log_median = super::random::ln(positive("values", "the median", median)?);
        let sigma = positive("values", "sigma", sigma)?;
        Ok(Values(Shape::LogNormal { log_median, sigma }))
    }

    /// Those of a workload that was recorded elsewhere, in its order, again from its first after its last.
    ///
    /// # Errors
    /// There are none.
    pub fn known(values: impl Into<Arc<[u64]>>) -> Result<Values, Error> {
        let values = values.into();
        if values.is_empty() {
            let reason = "a known workload has at least one value".to_owned();
            return Err(Error::InvalidSetting { setting: "values", reason });
        }
        Ok(Values(Shape::Known(values)))
    }

    /// The next of `random`; of a known workload the one with `number`, counted from 0. A value that does not fit 64 bits is the
    /// largest that does.
    pub fn draw(&self, random: &mut Random, number: u64) -> u64 {
        match &self.0 {
            Shape::Fixed(value) => *value,
            Shape::Uniform { low, count } => low + random.below(*count),
            // `as` stops at the largest integer.
            Shape::Exponential { mean } => (mean * random.exponential()).round() as u64,
            Shape::LogNormal { log_median, sigma } => {
                exp(log_median + sigma * random.normal()).round() as u64
            }
            Shape::Known(values) => values[(number % values.len() as u64) as usize],
        }
    }
}

/// When the operations of an [`OpenLoop`] come.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrivals(Pattern);

#[derive(Clone, Debug, PartialEq)]
enum Pattern {
    Constant { gap_ns: f64 },
    Poisson { gap_ns: f64 },
    Bursts { size: u64, every_ns: u64 },
    Ramp { from: f64, to: f64, over_ns: f64 },
}

const SECOND_NS: f64 = 1e9;

fn checked_rate(per_second: f64) -> Result<f64, Error> {
    if (MIN_LOAD_RATE..=MAX_LOAD_RATE).contains(&per_second) {
        return Ok(per_second);
    }
    let reason = format!("{per_second} a second is not from {MIN_LOAD_RATE} to {MAX_LOAD_RATE}");
    Err(Error::InvalidSetting { setting: "rate", reason })
}

fn checked_span(what: &str, span: Duration) -> Result<u64, Error> {
    u64::try_from(span.as_nanos()).ok().filter(|ns| *ns > 0).ok_or_else(|| Error::InvalidSetting {
        setting: "arrivals",
        reason: format!("{what} is {span:?}; from 1 ns to 584 years was expected"),
    })
}

impl Arrivals {
    /// At equal distances, the first after one of them.
    ///
    /// # Errors
    /// The rate is not from [`MIN_LOAD_RATE`] to [`MAX_LOAD_RATE`].
    pub fn constant(per_second: f64) -> Result<Arrivals, Error> {
        Ok(Arrivals(Pattern::Constant { gap_ns: SECOND_NS / checked_rate(per_second)? }))
    }

    /// As those of many users who know nothing of each other.
    ///
    /// # Errors
    /// As [`Arrivals::constant`].
    pub fn poisson(per_second: f64) -> Result<Arrivals, Error> {
        Ok(Arrivals(Pattern::Poisson { gap_ns: SECOND_NS / checked_rate(per_second)? }))
    }

    /// `size` at once, after each `every`.
    ///
    /// # Errors
    /// One of both is zero.
    pub fn bursts(size: u64, every: Duration) -> Result<Arrivals, Error> {
        let every_ns = checked_span("the time between bursts", every)?;
        if size == 0 {
            let reason = "a burst has at least one operation".to_owned();
            return Err(Error::InvalidSetting { setting: "arrivals", reason });
        }
        Ok(Arrivals(Pattern::Bursts { size, every_ns }))
    }

    /// At a rate that goes evenly from `from` to `to` (in operations a second) `over` a time, and stays there.
    ///
    /// # Errors
    /// A rate is above [`MAX_LOAD_RATE`], or below [`MIN_LOAD_RATE`] and not zero; both are zero; the time is zero.
    pub fn ramp(from: f64, to: f64, over: Duration) -> Result<Arrivals, Error> {
        let rate = |rate: f64| if rate == 0.0 { Ok(0.0) } else { checked_rate(rate) };
        let (from, to, over_ns) = (rate(from)?, rate(to)?, checked_span("the ramp", over)? as f64);
        if from == 0.0 && to == 0.0 {
            checked_rate(0.0)?;
        }
        Ok(Arrivals(Pattern::Ramp { from, to, over_ns }))
    }

    /// When the operation with `number` comes, counted from 0; the one before it came at `last_ns`. `None`: never.
    fn at_ns(&self, random: &mut Random, number: u64, last_ns: f64) -> Option<f64> {
        let nth = number as f64 + 1.0;
        Some(match self.0 {
            Pattern::Constant { gap_ns } => nth * gap_ns,
            Pattern::Poisson { gap_ns } => last_ns + gap_ns * random.exponential(),
            Pattern::Bursts { size, every_ns } => (number / size + 1) as f64 * every_ns as f64,
            Pattern::Ramp { from, to, over_ns } => {
                let seconds = over_ns / SECOND_NS;
                let in_ramp = (from + to) / 2.0 * seconds;
                if nth > in_ramp {
                    if to == 0.0 {
                        return None;
                    }
                    over_ns + (nth - in_ramp) / to * SECOND_NS
                } else {
                    // After t seconds there were from t + (to - from) t² / (2 seconds); solved for t without a difference of
                    // numbers that are close to each other.
                    let bend = (to - from) / seconds;
                    let root = (from * from + 2.0 * bend * nth).max(0.0).sqrt();
                    2.0 * nth / (from + root) * SECOND_NS
                }
            }
        })
    }
}

/// One operation of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its number, from 0.
    pub number: u64,
    /// When it is to begin, since the load began.
    pub at: Duration,
    /// What it carries, or how long it is to take.
    pub value: u64,
}

/// Load that comes when it comes, however long the answers take: what users do. An iterator without end (but for a ramp to
/// zero).
///
/// Latency is to be measured from [`Operation::at`], not from when somebody got round to it: or a system that stands still looks
/// fast.
///
/// ```
/// use std::time::Duration;
/// use tachometer::testing::{Arrivals, OpenLoop, Values};
/// let mut load = OpenLoop::new(42, Arrivals::poisson(1_000.0)?, Values::exponential(2_000.0)?);
/// let first: Vec<_> = load.due(Duration::from_millis(100)).collect(); // those of the first tenth of a second
/// let next = load.due(Duration::from_millis(200)).count();
/// assert!((70..130).contains(&first.len()) && (70..130).contains(&next));
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct OpenLoop {
    arrivals: Arrivals,
    values: Values,
    times: Random,
    contents: Random,
    number: u64,
    last_ns: f64,
    /// Drawn, and not yet due.
    next: Option<Operation>,
}

impl OpenLoop {
    /// The load of `seed`. Times and values are drawn apart: other arrivals carry the same values.
    pub fn new(seed: u64, arrivals: Arrivals, values: Values) -> OpenLoop {
        let (times, contents) =
            (Random::stream(seed, "arrivals", 0), Random::stream(seed, "values", 0));
        OpenLoop { arrivals, values, times, contents, number: 0, last_ns: 0.0, next: None }
    }

    /// The operations that are due at `now` and were not before.
    pub fn due(&mut self, now: Duration) -> impl Iterator<Item = Operation> + '_ {
        std::iter::from_fn(move || {
            let next = self.next()?;
            if next.at <= now {
                return Some(next);
            }
            self.next = Some(next);
            None
        })
    }
}

impl Iterator for OpenLoop {
    type Item = Operation;

    fn next(&mut self) -> Option<Operation> {
        if let Some(next) = self.next.take() {
            return Some(next);
        }
        let number = self.number;
        let at_ns = self.arrivals.at_ns(&mut self.times, number, self.last_ns)?;
        let value = self.values.draw(&mut self.contents, number);
        self.number += 1;
        self.last_ns = at_ns;
        Some(Operation { number, at: Duration::from_nanos(at_ns.round() as u64), value })
    }
}

/// Load of clients that each wait for an answer, think, and ask again: what benchmarks and batch jobs do.
///
/// ```
/// use tachometer::testing::{ClosedLoop, Values};
/// let load = ClosedLoop::new(42, Values::exponential(5e6)?, Values::fixed(1));
/// let mut client = load.client(3); // an iterator: how long it thinks, then what it asks
/// let step = client.next().expect("it has no end");
/// assert_eq!(Some(step), load.client(3).next());
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClosedLoop {
    seed: u64,
    think_ns: Values,
    values: Values,
}

/// What a client of a [`ClosedLoop`] does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number with this client, from 0.
    pub number: u64,
    /// How long the client thinks before it.
    pub think: Duration,
    /// What it carries.
    pub value: u64,
}

/// One client of a [`ClosedLoop`].
#[derive(Clone, Debug)]
pub struct LoopClient {
    of: ClosedLoop,
    thinking: Random,
    contents: Random,
    number: u64,
}

impl ClosedLoop {
    /// The load of `seed`.
    pub fn new(seed: u64, think_ns: Values, values: Values) -> ClosedLoop {
        ClosedLoop { seed, think_ns, values }
    }

    /// The client with `number`. What it does hangs on seed and number alone.
    pub fn client(&self, number: u64) -> LoopClient {
        LoopClient {
            of: self.clone(),
            thinking: Random::stream(self.seed, "thinking", number),
            contents: Random::stream(self.seed, "values", number),
            number: 0,
        }
    }
}

impl Iterator for LoopClient {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let number = self.number;
        self.number += 1;
        let think = Duration::from_nanos(self.of.think_ns.draw(&mut self.thinking, number));
        Some(Step { number, think, value: self.of.values.draw(&mut self.contents, number) })
    }
}
