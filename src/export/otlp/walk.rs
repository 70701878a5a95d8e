//! From a snapshot to points, in the order of the [plan](super::plan).

use super::buckets::{Buckets, Difference, extremes_between};
use super::history::History;
use super::plan::{Format, Metric, Plan, Point, nanoseconds};
use super::{Settings, Sink};
use crate::registry::{Kind, Unit};
use crate::snapshot::Snapshot;
use std::io;

/// The value of a scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Double(f64),
}

/// A point of a histogram. Values are in the exported unit.
///
/// Exemplars belong here, as a slice: both formats write them after the buckets.
#[derive(Debug)]
pub(super) struct HistogramPoint<'a> {
    pub(super) start: u64,
    pub(super) time: u64,
    pub(super) count: u64,
    pub(super) sum: f64,
    /// Smallest and largest value.
    pub(super) extremes: Option<(f64, f64)>,
    pub(super) buckets: &'a Buckets,
}

/// All that a request is made of.
pub(super) struct Walk<'a, F> {
    pub(super) format: &'a F,
    pub(super) snapshot: &'a Snapshot,
    pub(super) plan: &'a Plan,
    pub(super) history: &'a History,
    pub(super) settings: &'a Settings,
    pub(super) buckets: &'a mut Buckets,
    pub(super) difference: &'a mut Difference,
}

impl<F: Format> Walk<'_, F> {
    pub(super) fn write(&mut self, sink: &mut Sink<'_>) -> io::Result<()> {
        let (format, plan) = (self.format, self.plan);
        let time = nanoseconds(self.snapshot.moment.unix);
        format.open(sink.buffer);
        // Where the part began that is being written.
        let mut part = None;
        let mut parts = 0;
        for metric in &plan.metrics {
            let out = &mut *sink.buffer;
            let (at, first) = match part {
                Some(at) => (at, false),
                None => (open_part(format, out, parts), true),
            };
            self.metric(out, metric, time, first);
            part = Some(at);
            if out.len() - at >= Sink::FULL {
                format.close_part(out, at);
                (part, parts) = (None, parts + 1);
                sink.pause()?;
            }
        }
        let out = &mut *sink.buffer;
        if !self.snapshot.rejected.is_empty() {
            let first = part.is_none();
            part = part.or_else(|| Some(open_part(format, out, parts)));
            format.rejected(out, first, time, &self.snapshot.rejected);
        }
        if let Some(at) = part {
            format.close_part(out, at);
        }
        format.close(out);
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
        let divisor = metric.unit.divisor() as f64;
        let limit = self.settings.max_buckets;
        let shape = (now.precision(), metric.unit);
        // Where counts fell, the series began anew, and counts as a whole.
        let before = history.histogram(point.value);
        let before = before.filter(|(_, before)| self.difference.fill(now, before));
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
        };
        self.format.histogram(out, first, &point.text, &point_of);
    }
}

fn open_part<F: Format>(format: &F, out: &mut Vec<u8>, parts: usize) -> usize {
    let at = out.len();
    format.open_part(out, parts == 0);
    at
}

/// A count in the exported unit. A stream of nanoseconds is doubles always: whole seconds among them do not change its type.
#[inline]
fn counted(count: u64, unit: Unit) -> Number {
    match i64::try_from(count) {
        Ok(count) if unit != Unit::Nanoseconds => Number::Int(count),
        _ => Number::Double(count as f64 / unit.divisor() as f64),
    }
}
