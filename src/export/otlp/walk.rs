//! From a snapshot to points, in the order of the [plan](super::plan).

use super::buckets::{Buckets, extremes_between};
use super::ended::Ended;
use super::history::History;
use super::plan::{Format, Metric, Plan, Point, nanoseconds};
use super::{Settings, Sink, Temporality};
use crate::Exemplar;
use crate::export::cells::Difference;
use crate::registry::{Kind, Unit};
use crate::snapshot::{HistogramSnapshot, Snapshot};
use std::io;
use std::sync::Arc;

/// The value of a scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Double(f64),
}

/// A point of a histogram. Values are in the exported unit.
#[derive(Debug)]
pub(super) struct HistogramPoint<'a> {
    pub(super) start: u64,
    pub(super) time: u64,
    pub(super) count: u64,
    pub(super) sum: f64,
    /// Smallest and largest value.
    pub(super) extremes: Option<(f64, f64)>,
    pub(super) buckets: &'a Buckets,
    pub(super) source: Source<'a>,
    /// Whether the point is all that the series ever recorded, and so the same as long as the histogram is.
    pub(super) is_cumulative: bool,
    /// The point has only exemplars that are later.
    pub(super) exemplars_after: Option<u64>,
    pub(super) unit: Unit,
}

/// What a point is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    /// The place among the snapshot's histograms.
    pub(super) at: usize,
    pub(super) histogram: &'a Arc<HistogramSnapshot>,
    /// Those that the histogram has, also if they are older than the point.
    pub(super) exemplars: Option<&'a Arc<[Exemplar]>>,
}

impl HistogramPoint<'_> {
    /// The point's exemplars, with their times and values.
    pub(super) fn exemplars(&self) -> impl Iterator<Item = (u64, Number, &Exemplar)> + Clone {
        let all = self.source.exemplars.map_or(&[][..], |exemplars| exemplars);
        let timed = all.iter().map(|one| (nanoseconds(one.unix_time), one));
        let mine = timed.filter(|(time, _)| self.exemplars_after.is_none_or(|after| *time > after));
        mine.map(|(time, one)| (time, counted(one.value, self.unit), one))
    }
}

/// All that a request is made of.
pub(super) struct Walk<'a, F> {
    pub(super) format: &'a mut F,
    pub(super) snapshot: &'a Snapshot,
    pub(super) plan: &'a Plan,
    pub(super) history: &'a History,
    pub(super) ended: &'a Ended,
    pub(super) settings: &'a Settings,
    pub(super) buckets: &'a mut Buckets,
    pub(super) difference: &'a mut Difference,
}

impl<F: Format> Walk<'_, F> {
    pub(super) fn write(&mut self, sink: &mut Sink<'_>) -> io::Result<()> {
        let (plan, ended) = (self.plan, self.ended);
        let time = nanoseconds(self.snapshot.moment.unix);
        self.format.open(sink.buffer);
        let mut parts = Parts::default();
        for metric in &plan.metrics {
            let first = parts.enter(self.format, sink.buffer);
            self.metric(sink.buffer, metric, time, first);
            parts.leave(self.format, sink)?;
        }
        for metric in &ended.metrics {
            let first = parts.enter(self.format, sink.buffer);
            self.format.ended(sink.buffer, first, time, metric);
            parts.leave(self.format, sink)?;
        }
        let rejected = &self.snapshot.rejected;
        if !rejected.is_empty() {
            let first = parts.enter(self.format, sink.buffer);
            self.format.rejected(sink.buffer, first, time, rejected);
        }
        parts.end(self.format, sink.buffer);
        self.format.close(sink.buffer);
        Ok(())
    }

    #[inline]
    fn metric(&mut self, out: &mut Vec<u8>, metric: &Metric, time: u64, first: bool) {
        let at = out.len();
        self.format.open_metric(out, metric, first);
        let points = &self.plan.points[metric.points.clone()];
        for (index, point) in points.iter().enumerate() {
            match metric.kind {
                Kind::Histogram => self.histogram(out, metric, point, time, index == 0),
                _ => {
                    let (start, number) = self.number(metric, point);
                    let times = (start.map(|start| start.min(time)), time);
                    self.format.number(out, (at, index == 0), &point.text, times, number);
                }
            }
        }
        self.format.close_metric(out, metric, at);
    }

    /// When a scalar began to count, and its value.
    #[inline]
    fn number(&self, metric: &Metric, point: &Point) -> (Option<u64>, Number) {
        let bits = self.snapshot.scalars[point.value];
        let divisor = metric.unit.divisor() as f64;
        match metric.kind {
            Kind::Counter => {
                let (start, count) = match self.history.scalar(point.value) {
                    // One that fell began anew: it counts as a whole.
                    Some((start, before)) if before <= bits => (start, bits - before),
                    _ => (point.created, bits),
                };
                (Some(start), counted(count, metric.unit))
            }
            Kind::UpDownCounter => {
                let value = bits as i64;
                let number = match metric.unit {
                    Unit::Nanoseconds => Number::Double(value as f64 / divisor),
                    _ => Number::Int(value),
                };
                (Some(point.created), number)
            }
            _ => (None, Number::Double(f64::from_bits(bits) / divisor)),
        }
    }

    fn histogram(
        &mut self,
        out: &mut Vec<u8>,
        metric: &Metric,
        point: &Point,
        time: u64,
        first: bool,
    ) {
        let (snapshot, history) = (self.snapshot, self.history);
        let now = &snapshot.histograms[point.value];
        let exemplars = snapshot.exemplars[point.value].as_ref();
        let source = Source { at: point.value, histogram: now, exemplars };
        let is_cumulative = self.settings.temporality == Temporality::Cumulative;
        if is_cumulative && self.format.repeat(out, &source, [point.created.min(time), time]) {
            return;
        }
        let divisor = metric.unit.divisor() as f64;
        let limit = self.settings.max_buckets;
        let shape = (now.precision(), metric.unit);
        // Where counts fell, the series began anew, and counts as a whole.
        let before = history.histogram(point.value);
        let before = before.filter(|(_, before)| match Arc::ptr_eq(now, before) {
            true => self.difference.clear(),
            false => self.difference.fill(now, before),
        });
        let (start, count, sum, extremes) = match before {
            Some((start, before)) => {
                let ends = self.buckets.fill(shape, self.difference.octaves(), limit);
                let seen = history.is_next(snapshot).then(|| snapshot.extremes[point.value]);
                let extremes = extremes_between(ends, now, seen);
                (start, now.count() - before.count(), now.sum() - before.sum(), extremes)
            }
            None => {
                self.buckets.fill(shape, now.octaves(), limit);
                (point.created, now.count(), now.sum(), now.min().zip(now.max()))
            }
        };
        let extremes = extremes.map(|(min, max)| (min as f64 / divisor, max as f64 / divisor));
        let point_of = HistogramPoint {
            start: start.min(time),
            time,
            count,
            sum: sum as f64 / divisor,
            extremes,
            buckets: self.buckets,
            source,
            is_cumulative,
            exemplars_after: before.map(|(acknowledged, _)| acknowledged),
            unit: metric.unit,
        };
        self.format.histogram(out, first, &point.text, &point_of);
    }
}

/// The parts of a request.
#[derive(Debug, Default)]
struct Parts {
    /// Where the part began that is being written.
    begin: Option<usize>,
    /// How many there are, that one not counted.
    done: usize,
}

impl Parts {
    /// There is a part now. Says whether it has no metric yet.
    #[inline]
    fn enter<F: Format>(&mut self, format: &F, out: &mut Vec<u8>) -> bool {
        if self.begin.is_some() {
            return false;
        }
        self.begin = Some(out.len());
        format.open_part(out, self.done == 0);
        true
    }

    /// Behind a metric: ends the part if it is long enough, and gives the sink a chance to hand it on.
    #[inline]
    fn leave<F: Format>(&mut self, format: &F, sink: &mut Sink<'_>) -> io::Result<()> {
        let begin = self.begin.unwrap_or(sink.buffer.len());
        if sink.buffer.len() - begin < Sink::FULL {
            return Ok(());
        }
        self.end(format, sink.buffer);
        sink.pause()
    }

    fn end<F: Format>(&mut self, format: &F, out: &mut Vec<u8>) {
        if let Some(begin) = self.begin.take() {
            format.close_part(out, begin);
            self.done += 1;
        }
    }
}

/// A count in the exported unit. A stream of nanoseconds is doubles always: whole seconds among them do not change its type.
#[inline]
fn counted(count: u64, unit: Unit) -> Number {
    match i64::try_from(count) {
        Ok(count) if unit != Unit::Nanoseconds => Number::Int(count),
        _ => Number::Double(count as f64 / unit.divisor() as f64),
    }
}
