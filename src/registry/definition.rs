//! What a metric is: name, help, type, unit, and for a histogram its precision and the bounds it exports.
//!
//! Names follow the data models of Prometheus and OpenMetrics
//! (<https://prometheus.io/docs/concepts/data_model/>, <https://prometheus.io/docs/specs/om/open_metrics_spec/>).

use crate::error::Error;
use crate::limits::{MAX_BUCKETS, MAX_HELP_BYTES, MAX_LABEL_VALUE_BYTES, MAX_NAME_BYTES};
use crate::shard::layout::Shape;
use std::fmt;

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A count that only rises.
    Counter,
    /// A count that threads add to and subtract from. Exported as a gauge.
    UpDownCounter,
    /// A value that is set.
    Gauge,
    /// A distribution of values.
    Histogram,
    /// Labels about the program itself, with the value 1. Exported as a gauge where a format has no such type.
    Info,
    /// Which one of some states holds: a series for each. Exported as a gauge where a format has no such type.
    StateSet,
}

impl Kind {
    /// Whether formats without a word of their own for it show it as a gauge that was set.
    pub(crate) fn is_gauge(self) -> bool {
        matches!(self, Kind::Gauge | Kind::Info | Kind::StateSet)
    }

    /// The name of the type, as errors say it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::UpDownCounter => "up-down counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Info => "info metric",
            Kind::StateSet => "state set",
        }
    }
}

/// The unit of recorded values. Pages show the base unit: nanoseconds are exported as seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// No unit, or one that the name tells; exported as recorded.
    None,
    /// Recorded in nanoseconds, exported in seconds; the name ends in `_seconds`.
    Nanoseconds,
    /// Recorded and exported in seconds; the name ends in `_seconds`.
    Seconds,
    /// Recorded and exported in bytes; the name ends in `_bytes`.
    Bytes,
    /// A ratio from 0 to 1; the name ends in `_ratio`.
    Ratio,
}

impl Unit {
    /// The suffix that a name with this unit must have, before any `_total`.
    pub fn suffix(self) -> Option<&'static str> {
        match self {
            Unit::None => None,
            Unit::Nanoseconds | Unit::Seconds => Some("seconds"),
            Unit::Bytes => Some("bytes"),
            Unit::Ratio => Some("ratio"),
        }
    }

    /// How many recorded units make one exported unit.
    pub fn divisor(self) -> u64 {
        match self {
            Unit::Nanoseconds => 1_000_000_000,
            _ => 1,
        }
    }
}

/// The `le` bounds that a histogram exports, in the exported unit, ascending. `+Inf` is always added.
///
/// The histogram itself is finer (see [`Precision`]); the bounds only choose what a page shows. A bound inside one of the
/// histogram's own buckets counts that whole bucket, so a bucket's count is right for a bound within the precision of
/// the one that is printed (0.8 % at two figures).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Buckets {
    /// By unit: [`Buckets::LATENCY`] for nanoseconds, [`Buckets::SIZE`] for bytes, [`Buckets::COUNT`] else.
    Auto,
    /// Exactly these.
    Fixed(&'static [f64]),
}

impl Buckets {
    /// From 1 µs to 10 s, three a decade: 22 bounds.
    pub const LATENCY: &'static [f64] = &[
        1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2,
        2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ];
    /// From 64 B to 1 GiB, by factors of four: 13 bounds.
    pub const SIZE: &'static [f64] = &[
        64.0,
        256.0,
        1024.0,
        4096.0,
        16384.0,
        65536.0,
        262144.0,
        1048576.0,
        4194304.0,
        16777216.0,
        67108864.0,
        268435456.0,
        1073741824.0,
    ];
    /// From 1 to 100,000, three a decade: 16 bounds.
    pub const COUNT: &'static [f64] =
        &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5];

    /// The bounds for a histogram of `unit`.
    pub fn bounds(self, unit: Unit) -> &'static [f64] {
        match (self, unit) {
            (Buckets::Fixed(bounds), _) => bounds,
            (Buckets::Auto, Unit::Nanoseconds) => Self::LATENCY,
            (Buckets::Auto, Unit::Bytes) => Self::SIZE,
            (Buckets::Auto, _) => Self::COUNT,
        }
    }

    fn check(self, name: &str) -> Result<(), Error> {
        let Buckets::Fixed(bounds) = self else { return Ok(()) };
        let invalid = |reason: String| Error::InvalidSetting { setting: "buckets", reason };
        if bounds.len() > MAX_BUCKETS {
            return Err(invalid(format!(
                "{name} has {} bounds, the limit is {MAX_BUCKETS}; fewer do, the histogram keeps full precision inside",
                bounds.len()
            )));
        }
        if let Some(bound) = bounds.iter().find(|b| !b.is_finite() || **b < 0.0) {
            return Err(invalid(format!(
                "{name} has the bound {bound}; bounds are finite and not negative, +Inf is added by itself"
            )));
        }
        match bounds.windows(2).find(|pair| pair[0] >= pair[1]) {
            Some(pair) => Err(invalid(format!(
                "{name} has {} before {}; bounds ascend strictly",
                pair[0], pair[1]
            ))),
            None => Ok(()),
        }
    }
}

/// How finely a histogram tells values apart: significant decimal figures, as in HdrHistogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Buckets at most 6.25 % wide; 192 bytes an octave and bank.
    One,
    /// Buckets at most 0.8 % wide; about 1 KiB an octave and bank. The default.
    Two,
    /// Buckets at most 0.1 % wide; about 8 KiB an octave and bank.
    Three,
}

impl Precision {
    /// Significant figures: 1, 2 or 3.
    pub const fn figures(self) -> u8 {
        match self {
            Precision::One => 1,
            Precision::Two => 2,
            Precision::Three => 3,
        }
    }

    /// The inverse of [`Precision::figures`].
    pub(crate) const fn of(figures: u8) -> Precision {
        match figures {
            1 => Precision::One,
            2 => Precision::Two,
            _ => Precision::Three,
        }
    }

    pub(crate) const fn shape(self) -> Shape {
        Shape::new(self.figures())
    }
}

/// A metric's definition. Two registrations of one name must agree in all of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The full name, prefix and suffixes included.
    pub name: String,
    /// One sentence for whoever reads the page.
    pub help: String,
    /// The type.
    pub kind: Kind,
    /// The unit of recorded values.
    pub unit: Unit,
    /// How finely a histogram tells values apart; other types ignore it.
    pub precision: Precision,
    /// The bounds that a histogram exports; other types ignore them.
    pub buckets: Buckets,
}

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}, unit {:?}", self.kind.name(), self.name, self.unit)?;
        if self.kind == Kind::Histogram {
            write!(
                f,
                ", {} significant figures, buckets {:?}",
                self.precision.figures(),
                self.buckets
            )?;
        }
        write!(f, ", help {:?}", self.help)
    }
}

impl Definition {
    /// Checks name, unit, help and buckets.
    pub(crate) fn check(&self) -> Result<(), Error> {
        check_metric_name(&self.name)?;
        let refuse = |reason: String| Err(Error::InvalidName { name: self.name.clone(), reason });
        if self.kind == Kind::Histogram
            && let Some(suffix) = RESERVED.iter().find(|s| self.name.ends_with(*s))
        {
            return refuse(format!("a histogram adds {suffix} by itself; leave it out"));
        }
        if self.kind == Kind::Info && self.name.strip_suffix("_info").is_none_or(str::is_empty) {
            return refuse("an info metric's name ends in _info".to_owned());
        }
        if matches!(self.kind, Kind::Info | Kind::StateSet) && self.unit != Unit::None {
            return refuse(format!("a metric of type {} has no unit", self.kind.name()));
        }
        if let Some(unit) = self.unit.suffix() {
            let stem = self.name.strip_suffix("_total").unwrap_or(&self.name);
            if !stem.strip_suffix(unit).is_some_and(|stem| stem.ends_with('_')) {
                return refuse(format!(
                    "its unit is {:?}, so it must end in _{unit} (a counter: _{unit}_total); values are exported in {unit}",
                    self.unit
                ));
            }
        }
        if self.help.len() > MAX_HELP_BYTES {
            return Err(Error::TooMany {
                what: format!("bytes of help for {:?}", self.name),
                limit: MAX_HELP_BYTES,
                advice: "say it in a sentence",
            });
        }
        self.buckets.check(&self.name)
    }

    /// The bounds that a histogram exports, in the unit that is recorded.
    pub(crate) fn recorded_bounds(&self) -> Box<[u64]> {
        match self.kind {
            Kind::Histogram => self
                .buckets
                .bounds(self.unit)
                .iter()
                .map(|&bound| recorded(bound, self.unit))
                .collect(),
            _ => Box::default(),
        }
    }

    /// The names of the series that the page shows: a histogram's suffixes must not meet another metric's name.
    pub(crate) fn claims(&self) -> impl Iterator<Item = String> + '_ {
        let suffixes: &[&str] = if self.kind == Kind::Histogram { &RESERVED } else { &[""] };
        suffixes.iter().map(|suffix| format!("{}{suffix}", self.name))
    }
}

/// The largest recorded value that a bound of the exported unit counts.
fn recorded(bound: f64, unit: Unit) -> u64 {
    let exact = bound * unit.divisor() as f64;
    // 2.5 µs are 2500 ns, whatever the product of the floats says; 2.5 items count those of two.
    let nearest = exact.round();
    let is_whole = (nearest - exact).abs() <= 4.0 * f64::EPSILON * exact;
    // A float too large for the type becomes its largest value; the bounds are checked at registration.
    (if is_whole { nearest } else { exact.floor() }) as u64
}

const RESERVED: [&str; 3] = ["_bucket", "_count", "_sum"];

/// Checks a metric's or a label's name.
fn check_name(name: &str, what: &str, also: impl Fn(char) -> bool) -> Result<(), Error> {
    let refuse = |reason: String| Err(Error::InvalidName { name: name.to_owned(), reason });
    if name.is_empty() {
        return refuse(format!("a {what} name is not empty"));
    }
    if name.len() > MAX_NAME_BYTES {
        return refuse(format!("it has {} bytes, the limit is {MAX_NAME_BYTES}", name.len()));
    }
    let fits = |(i, c): (usize, char)| {
        c == '_' || c.is_ascii_alphabetic() || also(c) || (i > 0 && c.is_ascii_digit())
    };
    match name.char_indices().find(|&at| !fits(at)) {
        Some((at, c)) => refuse(format!(
            "{c:?} at byte {at}; a {what} name has ASCII letters, digits and '_' and does not begin with a digit"
        )),
        None => Ok(()),
    }
}

/// Checks a metric's name.
pub(crate) fn check_metric_name(name: &str) -> Result<(), Error> {
    check_name(name, "metric", |c| c == ':')
}

/// Checks a label's name for a metric of `kind`.
pub(crate) fn check_label_name(name: &str, kind: Kind) -> Result<(), Error> {
    check_name(name, "label", |_| false)?;
    let refuse =
        |reason: &str| Err(Error::InvalidName { name: name.to_owned(), reason: reason.to_owned() });
    if name.starts_with("__") {
        return refuse("labels that begin with __ are Prometheus's own");
    }
    if kind == Kind::Histogram && name == "le" {
        return refuse("le is the label of a histogram's buckets");
    }
    Ok(())
}

/// Checks a label's value at set-up.
pub(crate) fn check_label_value(name: &str, value: &str) -> Result<(), Error> {
    if value.len() > MAX_LABEL_VALUE_BYTES {
        return Err(Error::TooMany {
            what: format!("bytes in the value of label {name:?} ({})", value.len()),
            limit: MAX_LABEL_VALUE_BYTES,
            advice: "label values are names, not texts: shorten it",
        });
    }
    Ok(())
}
