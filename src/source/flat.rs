//! Samples as the engine's series: what has parts of its own (a histogram with `le` buckets, a summary) is taken apart.

use super::{Sample, SampleFamily, SampleKind, SampleValue, Samples};
use crate::HistogramSnapshot;
use crate::limits::MAX_HELP_BYTES;
use crate::registry::{Buckets, Definition, Kind, Precision, Unit};
use std::sync::Arc;

/// One series of the engine's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flat<'a> {
    pub(super) family: &'a SampleFamily,
    pub(super) labels: &'a [(String, String)],
    /// What follows the family's name.
    pub(super) suffix: &'static str,
    /// `le` or `quantile`.
    pub(super) extra: Option<(&'static str, f64)>,
    pub(super) kind: Kind,
    pub(super) value: FlatValue<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum FlatValue<'a> {
    Number(f64),
    Histogram(&'a Arc<HistogramSnapshot>),
}

/// Calls `each` with all series.
pub(super) fn flatten<'a>(samples: &'a Samples, mut each: impl FnMut(Flat<'a>)) {
    for family in &samples.families {
        for sample in &family.series {
            one(family, sample, &mut each);
        }
    }
}

fn one<'a>(family: &'a SampleFamily, sample: &'a Sample, each: &mut impl FnMut(Flat<'a>)) {
    let labels = &sample.labels[..];
    let mut give = |suffix, extra, kind, value| {
        each(Flat { family, labels, suffix, extra, kind, value: FlatValue::Number(value) });
    };
    // What is in a gauge histogram may leave it again.
    let counts = match family.kind {
        SampleKind::GaugeHistogram => Kind::Gauge,
        _ => Kind::Counter,
    };
    match &sample.value {
        SampleValue::Number(value) => give("", None, kind(family, *value), *value),
        SampleValue::Hdr(histogram) => {
            let value = FlatValue::Histogram(histogram);
            let kind = Kind::Histogram;
            each(Flat { family, labels, suffix: "", extra: None, kind, value });
        }
        SampleValue::Classic(histogram) => {
            for &(bound, count) in &histogram.buckets {
                give("_bucket", Some(("le", bound)), counts, count);
            }
            give("_count", None, counts, histogram.count);
            if let Some(sum) = histogram.sum {
                give("_sum", None, Kind::Gauge, sum);
            }
        }
        SampleValue::Native(histogram) => {
            for &(bound, count) in &histogram.classic {
                give("_bucket", Some(("le", bound)), counts, count);
            }
            give("_count", None, counts, histogram.count);
            give("_sum", None, Kind::Gauge, histogram.sum);
        }
        SampleValue::Summary(summary) => {
            for &(quantile, value) in &summary.quantiles {
                give("", Some(("quantile", quantile)), Kind::Gauge, value);
            }
            if let Some(count) = summary.count {
                give("_count", None, Kind::Counter, count);
            }
            if let Some(sum) = summary.sum {
                give("_sum", None, Kind::Gauge, sum);
            }
        }
    }
}

fn kind(family: &SampleFamily, value: f64) -> Kind {
    match family.kind {
        SampleKind::Counter => Kind::Counter,
        SampleKind::Info if value == 1.0 && family.name.ends_with("_info") => Kind::Info,
        _ => Kind::Gauge,
    }
}

impl Flat<'_> {
    /// Its name and value, for a message.
    pub(super) fn shown(&self) -> String {
        match self.value {
            FlatValue::Number(value) => format!("{}{} {value}", self.family.name, self.suffix),
            FlatValue::Histogram(_) => self.family.name.clone(),
        }
    }

    /// Writes what tells it from all others of its source.
    pub(super) fn write_key(&self, key: &mut String) {
        key.clear();
        key.push_str(&self.family.name);
        key.push_str(self.suffix);
        // What is no name of anything stands between, and the kind: a name of another type is another series.
        key.push(char::from(b'0' + self.kind as u8));
        for (name, value) in self.labels {
            key.extend(["\0", name, "\0", value]);
        }
        if let Some((name, value)) = self.extra {
            key.extend(["\0", name, "\0"]);
            key.push_str(&format_bound(value));
        }
    }

    /// The unit of its recorded values: what counters of seconds need to be whole numbers, and what names say.
    pub(super) fn unit(&self) -> Unit {
        if let FlatValue::Histogram(histogram) = self.value {
            return histogram.unit();
        }
        if !self.suffix.is_empty() || self.kind == Kind::Info {
            return Unit::None;
        }
        let stem = self.family.name.strip_suffix("_total").unwrap_or(&self.family.name);
        match stem.rsplit_once('_') {
            Some((rest, "seconds")) if !rest.is_empty() => match self.kind {
                Kind::Counter => Unit::Nanoseconds,
                _ => Unit::Seconds,
            },
            Some((rest, "bytes")) if !rest.is_empty() => Unit::Bytes,
            Some((rest, "ratio")) if !rest.is_empty() => Unit::Ratio,
            _ => Unit::None,
        }
    }

    pub(super) fn definition(&self) -> Definition {
        let mut end = self.family.help.len().min(MAX_HELP_BYTES);
        while !self.family.help.is_char_boundary(end) {
            end -= 1;
        }
        let precision = match self.value {
            FlatValue::Histogram(histogram) => histogram.precision(),
            FlatValue::Number(_) => Precision::Two,
        };
        Definition {
            name: format!("{}{}", self.family.name, self.suffix),
            help: self.family.help[..end].to_owned(),
            kind: self.kind,
            unit: self.unit(),
            precision,
            buckets: Buckets::Auto,
        }
    }

    /// The number as a snapshot has it; `None` if its type cannot have it.
    pub(super) fn scalar(&self) -> Option<u64> {
        let FlatValue::Number(value) = self.value else { return None };
        match self.kind {
            Kind::Counter => {
                let scaled = value * self.unit().divisor() as f64;
                // What was seconds may lie between two nanoseconds; what is a count has no part to round up.
                let whole = if self.unit() == Unit::None { scaled.floor() } else { scaled.round() };
                (whole >= 0.0 && whole < 2f64.powi(64)).then_some(whole as u64)
            }
            _ => Some(value.to_bits()),
        }
    }
}

/// A bound as pages have it.
pub(super) fn format_bound(value: f64) -> String {
    match value.abs() {
        f64::INFINITY => if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned(),
        size if size != 0.0 && !(1e-9..1e15).contains(&size) => format!("{value:e}"),
        _ => value.to_string(),
    }
}
