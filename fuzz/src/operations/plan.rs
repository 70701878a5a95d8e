//! The language of the target: what an input can ask for.
//!
//! Everything is an index that is taken modulo what there is, so that nearly every input means something; and what is
//! chosen stands in single bytes, so that a changed byte is another choice.

use arbitrary::{Arbitrary, Unstructured};

/// Threads that records come from.
pub const WORKERS: usize = 5;
/// Registries, each with an engine of its own.
pub const TENANTS: usize = 2;

/// An input.
#[derive(Arbitrary, Debug)]
pub struct Plan {
    pub steps: Vec<Step>,
}

/// One step: it is over before the next begins.
#[derive(Arbitrary, Clone, Debug)]
pub struct Step {
    /// The thread that does it.
    pub worker: u8,
    /// The registry that it is about, if it is about one.
    pub tenant: bool,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    /// Records, by whatever way the metric has.
    Record(Subject, Amount),
    /// Records through one of the worker's open groups, in whatever order they were opened.
    InGroup(u8, Subject, Amount),
    Open,
    Close(u8),
    Cut,
    /// Moves the clock on by so many seconds.
    Advance(u8),
    /// Closes every group, moves the clock on and cuts, until every series that nobody uses has expired.
    Expire,
    /// Registers a metric, or finds it registered.
    Register(Subject),
    /// Takes a handle to keep, of a family's series too.
    Take(Subject),
    Use(u8, Amount),
    UseInGroup(u8, u8, Amount),
    Drop(u8),
    /// Ends the worker's thread; the next step of the worker begins another.
    Exit(Farewell<Subject>),
    /// Stops the engine and starts another on the same registry.
    Restart,
    /// Drops the registry, with or without the handles, and makes another.
    Recreate {
        keep_handles: bool,
    },
    /// Records through the handles of a registry that is gone.
    Past(Subject, Amount),
}

/// What a thread does when it ends with groups open.
#[derive(Arbitrary, Clone, Debug)]
pub struct Farewell<M> {
    /// Its last records are made in a thread-local's destructor, before (`false`) or after the engine's own has run.
    pub after_engine: bool,
    pub in_group: (M, Amount),
    pub after_groups: (M, Amount),
}

/// The metric that a step is about.
///
/// None: that of the last step that was about one, in its registry. What is done to one series in a row is more likely to
/// go wrong than what is done to one here and one there.
#[derive(Clone, Copy, Debug)]
pub struct Subject(pub Option<Metric>);

/// A metric, and which of its series.
#[derive(Clone, Copy, Debug)]
pub enum Metric {
    Counter(u8),
    UpDown(u8),
    Gauge(u8),
    /// By precision.
    Histogram(u8),
    EnumCounter(u8, u8),
    EnumUpDown(u8),
    EnumGauge(u8),
    EnumHistogram(u8),
    /// A family with dynamic labels, and the values of two of them.
    Family(u8, u8, u8),
    /// A series registered by itself, under the name and with the labels that a family's member has.
    Single(u8, u8, u8),
}

impl<'a> Arbitrary<'a> for What {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match u.arbitrary::<u8>()? % 32 {
            0..=5 => What::Record(u.arbitrary()?, u.arbitrary()?),
            6..=7 => What::InGroup(u.arbitrary()?, u.arbitrary()?, u.arbitrary()?),
            8..=9 => What::Open,
            10..=13 => What::Close(u.arbitrary()?),
            14..=16 => What::Cut,
            17 => What::Advance(u.arbitrary()?),
            18..=19 => What::Expire,
            20 => What::Register(u.arbitrary()?),
            21..=22 => What::Take(u.arbitrary()?),
            23 => What::Use(u.arbitrary()?, u.arbitrary()?),
            24 => What::UseInGroup(u.arbitrary()?, u.arbitrary()?, u.arbitrary()?),
            25..=26 => What::Drop(u.arbitrary()?),
            27..=28 => What::Exit(u.arbitrary()?),
            29 => What::Restart,
            30 => What::Recreate { keep_handles: u.arbitrary()? },
            _ => What::Past(u.arbitrary()?, u.arbitrary()?),
        })
    }

    fn size_hint(_: usize) -> (usize, Option<usize>) {
        (1, None)
    }
}

impl<'a> Arbitrary<'a> for Subject {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let kind = u.arbitrary::<u8>()? % 32;
        if kind >= 16 {
            return Ok(Subject(None));
        }
        let [a, b, c] = u.arbitrary()?;
        Ok(Subject(Some(match kind {
            0..=1 => Metric::Counter(a),
            2 => Metric::UpDown(a),
            3 => Metric::Gauge(a),
            4..=5 => Metric::Histogram(a),
            6 => Metric::EnumCounter(a, b),
            7 => Metric::EnumUpDown(a),
            8 => Metric::EnumGauge(a),
            9 => Metric::EnumHistogram(a),
            10..=14 => Metric::Family(a, b, c),
            _ => Metric::Single(a, b, c),
        })))
    }

    fn size_hint(_: usize) -> (usize, Option<usize>) {
        (1, Some(4))
    }
}

/// What is recorded: each type of metric reads it in its own way.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    pub value: u64,
    pub times: u8,
}

impl<'a> Arbitrary<'a> for Amount {
    /// Small ones half of the time, then values of any length alike: a uniform choice would nearly always have 64 bits.
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let shape: u8 = u.arbitrary()?;
        if shape < 128 {
            return Ok(Amount { value: u64::from(shape), times: 1 });
        }
        let bits = u32::from(shape - 128) % 65;
        let bytes = u.bytes((bits.div_ceil(8) as usize).min(u.len()))?;
        let raw = bytes.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        let value = if bits == 64 { raw } else { raw & ((1 << bits) - 1) };
        Ok(Amount { value, times: u.arbitrary().unwrap_or(1) })
    }

    fn size_hint(_: usize) -> (usize, Option<usize>) {
        (1, Some(10))
    }
}

impl Amount {
    /// For a counter: short enough that no total wraps.
    pub fn count(self) -> u64 {
        self.value & ((1 << 48) - 1)
    }

    /// For an up-down counter.
    pub fn signed(self) -> i64 {
        let size = self.count() as i64;
        if self.times.is_multiple_of(2) { size } else { -size }
    }

    /// For a gauge: whether it is set (or added to), and the value.
    pub fn level(self) -> (bool, f64) {
        let set = self.times < 128;
        (set, if set { f64::from_bits(self.value) } else { self.count() as f64 / 4.0 })
    }
}
