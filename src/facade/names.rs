//! From the names that other libraries allow to names and labels of the engine.
//!
//! - A character that Prometheus does not know becomes `_`, and so does one more in front of a leading digit: `http.server`
//!   is `http_server`. A name longer than the limit is cut.
//! - Of two names that then read the same, the second gets the hash of its own text: `http_server_1a2b3c4d`. The same
//!   holds for a name that had to be cut.
//! - A histogram with a unit ends in it: `latency_ms`, told to be in milliseconds, is `latency_seconds`, recorded in
//!   nanoseconds. One that ends in `_count`, `_sum` or `_bucket` gets `_values` behind it.
//! - Labels: the same characters; leading underscores become one; `le` of a histogram is `exported_le`; of two labels that
//!   read the same the later wins; a value that is too long is cut.

use crate::limits::{DEFAULT_FAMILY_LIMIT, MAX_LABEL_VALUE_BYTES, MAX_LABELS, MAX_NAME_BYTES};
#[cfg(any(feature = "opentelemetry", feature = "tracing"))]
use crate::record::family::{At, Metric};
use crate::registry::Bound;
use crate::{Counter, Error, Kind, Registry, Unit};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How a histogram of floats is recorded in integers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measure {
    pub(crate) unit: Unit,
    /// Recorded units in one of the caller's.
    pub(crate) scale: f64,
}

impl Measure {
    pub(crate) const PLAIN: Measure = Measure { unit: Unit::None, scale: 1.0 };

    /// Of a span of time, given in units of so many nanoseconds.
    pub(crate) const fn time(nanoseconds: f64) -> Measure {
        Measure { unit: Unit::Nanoseconds, scale: nanoseconds }
    }

    /// Of a size, given in units of so many bytes.
    pub(crate) const fn size(bytes: f64) -> Measure {
        Measure { unit: Unit::Bytes, scale: bytes }
    }

    /// What the name tells, where nobody said it.
    fn of(name: &str) -> Measure {
        match name {
            name if name.ends_with("_seconds") => Measure::time(1e9),
            name if name.ends_with("_bytes") => Measure::size(1.0),
            _ => Measure::PLAIN,
        }
    }

    /// `value` in recorded units, to the nearest; `None` for what no histogram can hold: a value below zero, infinite, or
    /// none at all. Above 2⁶⁴ it is 2⁶⁴ - 1.
    #[cfg_attr(
        not(any(feature = "opentelemetry", test)),
        allow(dead_code, reason = "others record in whole nanoseconds, or know the scale alone")
    )]
    #[inline(always)]
    pub(crate) fn recorded(self, value: f64) -> Option<u64> {
        Self::scaled(value, self.scale)
    }

    /// As [`Measure::recorded`], in a unit of which `value`'s has so many.
    #[cfg_attr(
        not(any(feature = "metrics", feature = "opentelemetry")),
        allow(dead_code, reason = "the layer for `tracing` records in whole nanoseconds")
    )]
    #[inline(always)]
    pub(crate) fn scaled(value: f64, scale: f64) -> Option<u64> {
        /// Above it a float has no digits behind the point: what is added to it is rounded, to the nearest or the even one.
        const WHOLE: f64 = (1_u64 << 52) as f64;
        let scaled = value * scale;
        // Bits of floats are in the order of the floats; those below zero, infinite or none at all are above the rest.
        match scaled.to_bits() < WHOLE.to_bits() {
            true => Some((scaled + WHOLE).to_bits() - WHOLE.to_bits()),
            false => large(value, scaled),
        }
    }
}

/// The rest of [`Measure::scaled`]. The cast saturates.
#[cfg_attr(
    not(any(feature = "metrics", feature = "opentelemetry")),
    allow(dead_code, reason = "the layer for `tracing` records in whole nanoseconds")
)]
#[cold]
fn large(value: f64, scaled: f64) -> Option<u64> {
    (0.0..f64::INFINITY).contains(&value).then_some(scaled as u64)
}

/// What was refused, by reason.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Records of metrics that are registered as something else, or whose names or labels nothing can be made of.
    pub(crate) conflict: Counter,
    /// New series beyond a metric's limit.
    pub(crate) limit: Counter,
    /// Values that the metric cannot hold.
    #[cfg_attr(
        not(any(feature = "metrics", feature = "opentelemetry")),
        allow(dead_code, reason = "a span always has a time; its series stands at zero")
    )]
    pub(crate) value: Counter,
}

/// The metrics of one facade, by the names that its callers use.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) registry: Registry,
    limit: AtomicUsize,
    pub(crate) refused: Refused,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    described: HashMap<(Kind, String), (String, Option<Measure>)>,
    names: HashMap<String, Name>,
    taken: HashSet<String>,
}

#[derive(Clone, Debug)]
struct Name {
    exported: String,
    help: String,
    kind: Kind,
    measure: Measure,
    series: usize,
}

/// A series that was made or found.
#[derive(Debug)]
pub(crate) struct Made<M> {
    pub(crate) metric: M,
    #[cfg_attr(
        not(any(feature = "metrics", feature = "opentelemetry")),
        allow(dead_code, reason = "the layer for `tracing` records in whole nanoseconds")
    )]
    pub(crate) measure: Measure,
    /// It is the overflow series, which stands for many: not to be remembered under one of them.
    pub(crate) overflow: bool,
}

impl Names {
    pub(crate) fn new(registry: &Registry, facade: &str) -> Result<Names, Error> {
        let refused = |reason: &str| {
            let help = "What a facade could not record as it came, by reason.";
            let metric = registry.metric("tachometer_facade_refused_total", help);
            metric.label("facade", facade).label("reason", reason).counter()
        };
        let refused = Refused {
            conflict: refused("conflict")?,
            limit: refused("limit")?,
            value: refused("value")?,
        };
        let (registry, limit) = (registry.clone(), AtomicUsize::new(DEFAULT_FAMILY_LIMIT));
        Ok(Names { registry, limit, refused, table: Mutex::default() })
    }

    pub(crate) fn set_limit(&self, series: usize) {
        // Relaxed, here and where it is read: a number that stands for itself.
        self.limit.store(series, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what a metric is for the time that it is first used.
    pub(crate) fn describe(&self, kind: Kind, name: &str, help: &str, measure: Option<Measure>) {
        let help = cut(help, crate::limits::MAX_HELP_BYTES).to_owned();
        self.lock().described.insert((kind, name.to_owned()), (help, measure));
    }

    /// The series of `name` and `labels`, made now if it is new. `None` if the metric is something else already, or cannot
    /// be registered at all.
    #[cfg(any(feature = "opentelemetry", feature = "tracing"))]
    pub(crate) fn series<'a, M: Metric>(
        &self,
        name: &str,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Option<Made<M>> {
        let Made { metric: bound, measure, overflow } = self.bound(M::KIND, name, labels)?;
        let metric = M::handle(At(bound), crate::Precision::Two);
        Some(Made { metric, measure, overflow })
    }

    /// As `series`, and gives the place alone.
    pub(crate) fn bound<'a>(
        &self,
        kind: Kind,
        name: &str,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Option<Made<Bound>> {
        let mut table = self.lock();
        let known = table.names.get(name).filter(|known| known.kind == kind).cloned();
        let new = match known {
            Some(known) => known,
            None if table.names.contains_key(name) => return None,
            None => table.name(kind, name),
        };
        let overflow = new.series >= self.limit.load(Ordering::Relaxed);
        let labels = match overflow {
            true => vec![("overflow".to_owned(), "true".to_owned())],
            false => clean_labels(kind, labels),
        };
        let builder = self.registry.metric(&new.exported, &new.help).unit(new.unit());
        let builder = labels.into_iter().fold(builder, |b, (key, value)| b.label(key, value));
        let metric = builder.bound(kind).ok()?;
        let measure = new.measure;
        // Also one that has no series but that of the overflow stays what it is.
        table.taken.insert(new.exported.clone());
        let known = table.names.entry(name.to_owned()).or_insert(new);
        match overflow {
            true => self.refused.limit.inc(),
            false => known.series += 1,
        }
        Some(Made { metric, measure, overflow })
    }

    /// Takes a series off the registry that nobody else has, and counts it no longer; `false` if somebody has it, or if
    /// the table is in use: this does not wait.
    #[cfg(feature = "metrics")]
    pub(crate) fn forget<'a>(
        &self,
        name: &str,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
        bound: &Bound,
    ) -> bool {
        let Ok(mut table) = self.table.try_lock() else { return false };
        let Some(known) = table.names.get_mut(name) else { return false };
        let labels = clean_labels(known.kind, labels);
        let gone = self.registry.unbind(&known.exported, known.kind, labels, bound);
        known.series -= usize::from(gone);
        gone
    }
}

impl Name {
    fn unit(&self) -> Unit {
        match self.kind {
            Kind::Histogram => self.measure.unit,
            _ => Unit::None,
        }
    }
}

impl Table {
    /// What a name that is new will be.
    fn name(&mut self, kind: Kind, raw: &str) -> Name {
        let said = self.described.get(&(kind, raw.to_owned())).cloned();
        let (help, said) = said.unwrap_or_default();
        let clean = clean_name(raw, true);
        let measure = said.unwrap_or_else(|| Measure::of(&clean));
        let mut stem = clean.as_str();
        let mut suffix = String::new();
        if kind == Kind::Histogram {
            if let Some(unit) = measure.unit.suffix() {
                suffix = format!("_{unit}");
                stem = without_unit(stem, measure.unit);
            } else if ["_count", "_sum", "_bucket"].iter().any(|end| stem.ends_with(end)) {
                suffix = "_values".to_owned();
            }
        }
        // Room for the hash.
        let short = cut(stem, MAX_NAME_BYTES - suffix.len() - 9);
        let mut exported = format!("{short}{suffix}");
        let (mut cut_short, mut hash) = (short.len() < stem.len(), fingerprint(raw));
        while cut_short || self.taken.contains(&exported) {
            exported = format!("{short}_{hash:08x}{suffix}");
            // Another may be called just so.
            (cut_short, hash) = (false, hash.wrapping_add(1));
        }
        let help = if help.is_empty() { raw.to_owned() } else { help };
        let help = cut(&help, crate::limits::MAX_HELP_BYTES).to_owned();
        Name { exported, help, kind, measure, series: 0 }
    }
}

/// A name without the unit that it may end in: the engine's own comes there.
fn without_unit(name: &str, unit: Unit) -> &str {
    const TIME: [&str; 11] = [
        "_seconds",
        "_secs",
        "_s",
        "_milliseconds",
        "_millis",
        "_ms",
        "_microseconds",
        "_micros",
        "_us",
        "_nanoseconds",
        "_ns",
    ];
    let ends: &[&str] = if unit == Unit::Bytes { &["_bytes"] } else { &TIME };
    let stem = ends.iter().find_map(|end| name.strip_suffix(end));
    stem.filter(|stem| !stem.is_empty()).unwrap_or(name)
}

/// `raw` in the characters of a Prometheus name.
fn clean_name(raw: &str, colons: bool) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
    let mut clean: String = raw.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    if clean.chars().next().is_none_or(|first| first.is_ascii_digit()) {
        clean.insert(0, '_');
    }
    clean
}

fn clean_labels<'a>(
    kind: Kind,
    labels: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<(String, String)> {
    let mut clean: Vec<(String, String)> = Vec::new();
    for (key, value) in labels {
        let mut key = clean_name(key, false);
        if key.starts_with("__") {
            key = format!("_{}", key.trim_start_matches('_'));
        }
        if key == "le" && kind == Kind::Histogram {
            key = "exported_le".to_owned();
        }
        let key = cut(&key, MAX_NAME_BYTES);
        let value = cut(value, MAX_LABEL_VALUE_BYTES).to_owned();
        match clean.iter().position(|(other, _)| other == key) {
            Some(at) => clean[at].1 = value,
            None if clean.len() < MAX_LABELS => clean.push((key.to_owned(), value)),
            None => {}
        }
    }
    clean
}

/// At most `bytes` of a text, whole characters.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// FNV-1a over 32 bits: the same in every process, so that a name stays what it is.
fn fingerprint(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(clean_name("http.server-é", true), "http_server__");
        assert_eq!(clean_name("5xx", true), "_5xx");
        assert_eq!(clean_name("", true), "_");
        assert_eq!(clean_name("a:b", false), "a_b");
        assert_eq!(without_unit("latency_ms", Unit::Nanoseconds), "latency");
        assert_eq!(without_unit("_s", Unit::Nanoseconds), "_s");
    }

    #[test]
    fn a_name_that_reads_like_the_hash_of_another_is_not_taken_for_it() {
        let mut table = Table::default();
        let mut take = |raw: &str| {
            let name = table.name(Kind::Counter, raw).exported;
            assert!(table.taken.insert(name.clone()), "{name} is there already");
            name
        };
        assert_eq!(take("a_b"), "a_b");
        let hashed = format!("a_b_{:08x}", fingerprint("a.b"));
        assert_eq!(take(&hashed), hashed);
        assert_ne!(take("a.b"), hashed);
        assert_eq!(take(&"x".repeat(1_000)).len(), MAX_NAME_BYTES);
        take(&"x".repeat(1_001));
    }

    #[test]
    fn values() {
        let seconds = Measure::time(1e9);
        assert_eq!(seconds.recorded(0.000_000_001_6), Some(2));
        assert_eq!(seconds.recorded(4_503_599.627_370_497), Some((1 << 52) + 1));
        assert_eq!(seconds.recorded(4_503_599.627_370_495), Some((1 << 52) - 1));
        assert_eq!(Measure::PLAIN.recorded(0.4), Some(0));
        assert_eq!(Measure::PLAIN.recorded(12.6), Some(13));
        assert_eq!(seconds.recorded(1e300), Some(u64::MAX));
        assert_eq!(seconds.recorded(-0.0), Some(0));
        assert_eq!(seconds.recorded(-1.0), None);
        assert_eq!(seconds.recorded(f64::NAN), None);
        assert_eq!(seconds.recorded(f64::INFINITY), None);
    }

    #[test]
    fn labels() {
        let given = [("a.b", "1"), ("a-b", "2"), ("__x", "3"), ("le", "4")];
        let clean = clean_labels(Kind::Histogram, given.into_iter());
        let expected = [("a_b", "2"), ("_x", "3"), ("exported_le", "4")];
        assert!(clean.iter().map(|(k, v)| (k.as_str(), v.as_str())).eq(expected));
    }
}
