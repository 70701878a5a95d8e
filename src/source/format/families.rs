//! Families as they come together line by line: which sample is of which family, and the parts of histograms and summaries.

use super::super::{
    ClassicHistogram, Sample, SampleFamily, SampleKind, SampleValue, Samples, SummaryValue,
};
use super::line::{Line, number};
use std::collections::HashMap;

type Labels = Vec<(String, String)>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Families {
    open_metrics: bool,
    all: Vec<Draft>,
    /// By the name that `# TYPE` gave, or a sample.
    by_name: HashMap<String, usize>,
    /// The family of the last sample: the next one is of it, too, most often.
    last: usize,
}

/// A family that is not complete yet.
#[derive(Debug, Default)]
struct Draft {
    name: String,
    kind: SampleKind,
    unit: String,
    help: String,
    series: Vec<Sample>,
    /// Index of a histogram's or summary's series by its labels, without `le` and `quantile`; of others only those with a
    /// time of creation.
    by_labels: HashMap<Labels, usize>,
    created: Vec<(Labels, f64)>,
}

/// What a sample is to its family.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Value,
    Bucket,
    Quantile,
    Count,
    Sum,
    Created,
}

impl Families {
    pub(super) fn new(open_metrics: bool) -> Families {
        Families { open_metrics, ..Families::default() }
    }

    /// The family of this name, which may be new.
    fn family(&mut self, name: &str) -> usize {
        if let Some(&at) = self.by_name.get(name) {
            return at;
        }
        self.by_name.insert(name.to_owned(), self.all.len());
        self.all.push(Draft { name: name.to_owned(), ..Draft::default() });
        self.all.len() - 1
    }

    pub(super) fn kind(&mut self, name: &str, kind: SampleKind) -> Result<(), String> {
        let at = self.family(name);
        let draft = &mut self.all[at];
        if !draft.series.is_empty() && draft.kind != kind {
            return Err(format!("the type of {name} stands behind its samples"));
        }
        draft.kind = kind;
        self.last = at;
        Ok(())
    }

    pub(super) fn help(&mut self, name: &str, help: String) {
        let at = self.family(name);
        self.all[at].help = help;
    }

    pub(super) fn unit(&mut self, name: &str, unit: &str) {
        let at = self.family(name);
        self.all[at].unit = unit.to_owned();
    }

    /// Adds a sample.
    pub(super) fn sample(&mut self, line: Line<'_>) -> Result<(), String> {
        let (at, part) = self.part(&line);
        self.last = at;
        self.all[at].add(part, line)
    }

    /// Of which family a line is, and as what.
    fn part(&mut self, line: &Line<'_>) -> (usize, Part) {
        let name = &*line.name;
        if let Some(part) =
            self.all.get(self.last).and_then(|last| last.part(line, self.open_metrics))
        {
            return (self.last, part);
        }
        // Its own name first; then without what a type adds.
        let stems = SUFFIXES.iter().filter_map(|suffix| name.strip_suffix(suffix));
        for stem in std::iter::once(name).chain(stems) {
            if let Some(&at) = self.by_name.get(stem)
                && let Some(part) = self.all[at].part(line, self.open_metrics)
            {
                return (at, part);
            }
        }
        // A family whose type does not go with a sample of its name leaves it to one of another type.
        let taken = self.by_name.get(name).is_some_and(|&at| self.all[at].kind.has_parts());
        let at = match taken {
            true => {
                self.all.push(Draft { name: name.to_owned(), ..Draft::default() });
                self.by_name.insert(name.to_owned(), self.all.len() - 1);
                self.all.len() - 1
            }
            false => self.family(name),
        };
        (at, Part::Value)
    }

    /// All of them, with their parts put together.
    pub(super) fn finish(self) -> Samples {
        let open_metrics = self.open_metrics;
        let all = self.all.into_iter().filter(|draft| !draft.series.is_empty());
        Samples { families: all.map(|draft| draft.finish(open_metrics)).collect() }
    }
}

const SUFFIXES: [&str; 8] =
    ["_bucket", "_count", "_sum", "_total", "_created", "_info", "_gcount", "_gsum"];

impl SampleKind {
    /// Whether its series have several samples each.
    fn has_parts(self) -> bool {
        matches!(self, SampleKind::Histogram | SampleKind::GaugeHistogram | SampleKind::Summary)
    }
}

impl Draft {
    /// What a line is to this family; `None` if it is of another one.
    fn part(&self, line: &Line<'_>, open_metrics: bool) -> Option<Part> {
        let suffix = line.name.strip_prefix(self.name.as_str())?;
        let has = |name: &str| line.labels.iter().any(|(label, _)| label == name);
        match (self.kind, suffix) {
            (SampleKind::Histogram, "_bucket") if has("le") => Some(Part::Bucket),
            (SampleKind::GaugeHistogram, "_bucket") if has("le") => Some(Part::Bucket),
            (SampleKind::Histogram | SampleKind::Summary, "_count") => Some(Part::Count),
            (SampleKind::Histogram | SampleKind::Summary, "_sum") => Some(Part::Sum),
            (SampleKind::GaugeHistogram, "_gcount" | "_count") => Some(Part::Count),
            (SampleKind::GaugeHistogram, "_gsum" | "_sum") => Some(Part::Sum),
            (SampleKind::Summary, "") if has("quantile") => Some(Part::Quantile),
            (SampleKind::Counter | SampleKind::Histogram | SampleKind::Summary, "_created")
                if open_metrics =>
            {
                Some(Part::Created)
            }
            (SampleKind::Counter, "_total") | (SampleKind::Info, "_info") if open_metrics => {
                Some(Part::Value)
            }
            (kind, "") if !kind.has_parts() => Some(Part::Value),
            _ => None,
        }
    }

    fn add(&mut self, part: Part, line: Line<'_>) -> Result<(), String> {
        let Line { mut labels, value, time_ms, .. } = line;
        match part {
            Part::Value => {
                self.series
                    .push(Sample { time_ms, ..Sample::new(labels, SampleValue::Number(value)) });
            }
            Part::Created => self.created.push((labels, value)),
            Part::Count | Part::Sum => {
                let count = part == Part::Count;
                self.whole(labels, time_ms).set(count, value);
            }
            Part::Bucket | Part::Quantile => {
                let name = if part == Part::Bucket { "le" } else { "quantile" };
                let at = labels.iter().position(|(label, _)| label == name);
                let bound = at.map(|at| labels.remove(at).1).unwrap_or_default();
                let bound = number(&bound).map_err(|error| format!("{name}: {error}"))?;
                if bound.is_nan() {
                    return Err(format!("{name} is NaN"));
                }
                self.whole(labels, time_ms).push(bound, value);
            }
        }
        Ok(())
    }

    /// The series of `labels` that is put together.
    fn whole(&mut self, labels: Labels, time_ms: Option<i64>) -> &mut SampleValue {
        let newest = self.series.last().is_some_and(|last| last.labels == labels);
        let at = match self.by_labels.get(&labels) {
            _ if newest => self.series.len() - 1,
            Some(&at) => at,
            None => {
                let value = match self.kind {
                    SampleKind::Summary => SampleValue::Summary(SummaryValue::default()),
                    // No count yet: see `Draft::finish`.
                    _ => SampleValue::Classic(ClassicHistogram {
                        count: f64::NAN,
                        ..ClassicHistogram::default()
                    }),
                };
                self.by_labels.insert(labels.clone(), self.series.len());
                self.series.push(Sample { time_ms, ..Sample::new(labels, value) });
                self.series.len() - 1
            }
        };
        &mut self.series[at].value
    }

    fn finish(mut self, open_metrics: bool) -> SampleFamily {
        for sample in &mut self.series {
            match &mut sample.value {
                SampleValue::Classic(histogram) => complete(histogram),
                SampleValue::Summary(summary) => {
                    summary.quantiles.sort_by(|a, b| a.0.total_cmp(&b.0));
                }
                _ => {}
            }
        }
        if !self.created.is_empty() {
            let places = self.series.iter().enumerate();
            let places: HashMap<_, _> =
                places.map(|(at, sample)| (sample.labels.clone(), at)).collect();
            for (labels, created) in self.created {
                if let Some(&at) = places.get(&labels) {
                    self.series[at].created = Some(created);
                }
            }
        }
        let mut name = self.name;
        if open_metrics {
            // Under this name Prometheus keeps them.
            match self.kind {
                SampleKind::Counter if !name.ends_with("_total") => name.push_str("_total"),
                SampleKind::Info if !name.ends_with("_info") => name.push_str("_info"),
                _ => {}
            }
        }
        SampleFamily {
            name,
            kind: self.kind,
            unit: self.unit,
            help: self.help,
            series: self.series,
        }
    }
}

impl SampleValue {
    fn set(&mut self, count: bool, value: f64) {
        match self {
            SampleValue::Classic(histogram) if count => histogram.count = value,
            SampleValue::Classic(histogram) => histogram.sum = Some(value),
            SampleValue::Summary(summary) if count => summary.count = Some(value),
            SampleValue::Summary(summary) => summary.sum = Some(value),
            _ => {}
        }
    }

    fn push(&mut self, bound: f64, value: f64) {
        match self {
            SampleValue::Classic(histogram) => histogram.buckets.push((bound, value)),
            SampleValue::Summary(summary) => summary.quantiles.push((bound, value)),
            _ => {}
        }
    }
}

/// Puts buckets in order; what is not said is what the rest says.
pub(in crate::source) fn complete(histogram: &mut ClassicHistogram) {
    let buckets = &mut histogram.buckets;
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Of a bound that is there twice, the first holds.
    buckets.dedup_by(|later, first| later.0 == first.0);
    if histogram.count.is_nan() {
        histogram.count = buckets.last().map_or(0.0, |bucket| bucket.1);
    }
    if !buckets.is_empty() && buckets.last().is_some_and(|bucket| bucket.0 != f64::INFINITY) {
        buckets.push((f64::INFINITY, histogram.count));
    }
}
