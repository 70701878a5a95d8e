//! What is the same from one snapshot to the next: which series stand in which `Metric`, and their rendered text.

use super::ended::EndedMetric;
use super::walk::{HistogramPoint, Number, Source};
use super::{Settings, Sink, Temporality};
use crate::registry::layout::{Layout, SeriesLayout};
use crate::registry::{Definition, Kind, Unit};
use std::ops::Range;

/// The metrics of a request, in their order.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) metrics: Vec<Metric>,
    pub(super) points: Vec<Point>,
}

/// A family, or as many of its series as go together.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) kind: Kind,
    pub(super) unit: Unit,
    /// Of what the format rendered.
    pub(super) text: Range<usize>,
    /// Of [`Plan::points`].
    pub(super) points: Range<usize>,
}

/// One series.
#[derive(Debug)]
pub(super) struct Point {
    /// Of what the format rendered: its business.
    pub(super) text: Range<usize>,
    /// As in [`SeriesLayout`].
    pub(super) value: usize,
    /// When the series began, in nanoseconds since 1970-01-01 UTC.
    pub(super) created: u64,
}

/// Protobuf, or JSON: what is rendered once for each layout, and what is written for each snapshot.
pub(super) trait Format {
    /// Forgets all that was rendered, and renders what stands around metrics.
    fn render_envelope(&mut self, settings: &Settings);

    /// Renders a metric with these series; says where it is, and pushes where each of its series is.
    fn render_metric(
        &mut self,
        definition: &Definition,
        temporality: Temporality,
        series: &[SeriesLayout],
        points: &mut Vec<Range<usize>>,
    ) -> Range<usize>;

    /// Begins and ends a request.
    fn open(&mut self, out: &mut Vec<u8>);
    fn close(&self, out: &mut Vec<u8>);

    /// Begins a `ResourceMetrics` with one `ScopeMetrics`, and ends the one that began at `at`.
    fn open_part(&self, out: &mut Vec<u8>, first: bool);
    fn close_part(&self, out: &mut Vec<u8>, at: usize);

    /// Begins a metric, and ends the one that began at `at`.
    fn open_metric(&self, out: &mut Vec<u8>, metric: &Metric, first: bool);
    fn close_metric(&self, out: &mut Vec<u8>, metric: &Metric, at: usize);

    /// Writes a number. `place` is where its metric began, and whether it is the metric's first; `times` are when it began
    /// to count, if it counts, and when it was read.
    fn number(
        &self,
        out: &mut Vec<u8>,
        place: (usize, bool),
        text: &Range<usize>,
        times: (Option<u64>, u64),
        number: Number,
    );

    /// Writes the point of a histogram again, if it was in the last request, with these times: begin, and now.
    fn repeat(&mut self, _: &mut Vec<u8>, _: &Source<'_>, _: [u64; 2]) -> bool {
        false
    }

    /// Writes a point of a histogram.
    fn histogram(
        &mut self,
        out: &mut Vec<u8>,
        first: bool,
        text: &Range<usize>,
        point: &HistogramPoint<'_>,
    );

    /// A metric whose series ended: each gets a point without a value.
    fn ended(&self, out: &mut Vec<u8>, first: bool, time: u64, ended: &EndedMetric);

    /// A metric that no plan has: what refused static handles recorded.
    fn rejected(&self, out: &mut Vec<u8>, first: bool, time: u64, rejected: &[(String, u64)]);
}

/// UCUM's name of the exported unit. A unit that is not known is not `1`, which says that it is a ratio.
pub(super) fn ucum(unit: Unit) -> &'static str {
    match unit {
        Unit::None => "",
        Unit::Nanoseconds | Unit::Seconds => "s",
        Unit::Bytes => "By",
        Unit::Ratio => "1",
    }
}

/// OTLP's number for it.
pub(super) fn number(temporality: Temporality) -> u64 {
    match temporality {
        Temporality::Delta => 1,
        Temporality::Cumulative => 2,
    }
}

/// What refused static handles recorded: there only if there is one.
pub(super) const REJECTED: (&str, &str) = (crate::export::REJECTED, crate::export::REJECTED_HELP);

/// Bytes that a point of a scalar and an attribute are, besides their texts, at most about.
const POINT_BYTES: usize = 64;
const ATTRIBUTE_BYTES: usize = 16;
/// Bytes that a count of a bucket is, usually at most.
const COUNT_BYTES: usize = 3;

impl Plan {
    pub(super) fn of<F: Format>(layout: &Layout, settings: &Settings, format: &mut F) -> Plan {
        format.render_envelope(settings);
        let mut plan = Plan::default();
        for family in &layout.families {
            let mut rest = &family.series[..];
            while !rest.is_empty() {
                let (these, others) =
                    rest.split_at(fitting(family.definition.kind, rest, settings));
                plan.push(&family.definition, these, settings, format);
                rest = others;
            }
        }
        plan
    }

    fn push<F: Format>(
        &mut self,
        definition: &Definition,
        series: &[SeriesLayout],
        settings: &Settings,
        format: &mut F,
    ) {
        let temporality = settings.temporality_of(definition.kind);
        let mut texts = Vec::with_capacity(series.len());
        let text = format.render_metric(definition, temporality, series, &mut texts);
        let from = self.points.len();
        self.points.extend(series.iter().zip(texts).map(|(series, text)| Point {
            text,
            value: series.value,
            created: nanoseconds(series.created),
        }));
        let (kind, unit, points) = (definition.kind, definition.unit, from..self.points.len());
        self.metrics.push(Metric { kind, unit, text, points });
    }
}

/// How many of a family's remaining series stand in one metric: about half a part of a request, at least one.
pub(super) fn fitting(kind: Kind, series: &[SeriesLayout], settings: &Settings) -> usize {
    let buckets = match kind {
        Kind::Histogram => settings.max_buckets.saturating_mul(COUNT_BYTES),
        _ => 0,
    };
    let mut bytes = 0usize;
    let fits = |one: &&SeriesLayout| {
        let labels =
            one.labels.iter().map(|(key, value)| key.len() + value.len() + ATTRIBUTE_BYTES);
        bytes = bytes.saturating_add(POINT_BYTES + labels.sum::<usize>()).saturating_add(buckets);
        bytes <= Sink::FULL / 2
    };
    series.iter().take_while(fits).count().max(1)
}

/// A time since 1970-01-01 UTC as OTLP has it.
pub(super) fn nanoseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
