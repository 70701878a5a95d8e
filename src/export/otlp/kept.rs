//! Points of histograms as they were written last: one that did not change is the same again, but for its times.
//!
//! Snapshots share what did not change, so the same histogram is the same point. It is copied, and none of its cells is read:
//! they are some kilobytes, its point some hundred bytes. The histogram itself is not kept alive.

use super::walk::Source;
use crate::Exemplar;
use crate::snapshot::HistogramSnapshot;
use std::ops::Range;
use std::sync::{Arc, Weak};

/// The points of the last request.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// By the histogram's place among the snapshot's values.
    points: Vec<Point>,
    /// The points of the last request, and of the one that is being written.
    last: Vec<u8>,
    next: Vec<u8>,
    /// Counts requests, so that points which the last one did not reach are not taken for its own.
    request: u64,
}

#[derive(Debug, Default)]
struct Point {
    request: u64,
    histogram: Weak<HistogramSnapshot>,
    exemplars: Option<Weak<[Exemplar]>>,
    /// Of the request's points.
    bytes: Range<usize>,
    /// Where in them begin and time stand.
    times: [usize; 2],
}

impl Point {
    fn is_of(&self, source: &Source<'_>) -> bool {
        // A weak reference keeps the address from being used again.
        let exemplars = match (&self.exemplars, source.exemplars) {
            (Some(kept), Some(now)) => std::ptr::addr_eq(kept.as_ptr(), Arc::as_ptr(now)),
            (None, None) => true,
            _ => false,
        };
        exemplars && std::ptr::eq(self.histogram.as_ptr(), Arc::as_ptr(source.histogram))
    }
}

impl Kept {
    /// Another layout: places mean other histograms.
    pub(super) fn forget(&mut self) {
        self.points.clear();
    }

    /// A request begins.
    pub(super) fn begin(&mut self) {
        std::mem::swap(&mut self.last, &mut self.next);
        self.next.clear();
        self.request += 1;
        // With room for numbers that grow longer, so that a warm encoder does not allocate.
        if self.next.capacity() < self.last.len() + self.last.len() / 2 {
            self.next.reserve(2 * self.last.len());
        }
    }

    /// Appends the point of `source` with these times, if the last request had it.
    pub(super) fn repeat(
        &mut self,
        out: &mut Vec<u8>,
        source: &Source<'_>,
        times: [u64; 2],
    ) -> bool {
        let Some(point) = self.points.get_mut(source.at) else { return false };
        if point.request + 1 != self.request || !point.is_of(source) {
            return false;
        }
        let from = out.len();
        let bytes = &self.last[point.bytes.clone()];
        out.extend_from_slice(bytes);
        for (at, time) in point.times.into_iter().zip(times) {
            out[from + at..from + at + 8].copy_from_slice(&time.to_le_bytes());
        }
        point.bytes = self.next.len()..self.next.len() + bytes.len();
        point.request = self.request;
        self.next.extend_from_slice(bytes);
        true
    }

    /// Keeps the point of `source`, in which two times stand at `times`.
    pub(super) fn keep(&mut self, source: &Source<'_>, bytes: &[u8], times: [usize; 2]) {
        if self.points.len() <= source.at {
            self.points.resize_with(source.at + 1, Point::default);
        }
        self.points[source.at] = Point {
            request: self.request,
            histogram: Arc::downgrade(source.histogram),
            exemplars: source.exemplars.map(Arc::downgrade),
            bytes: self.next.len()..self.next.len() + bytes.len(),
            times,
        };
        self.next.extend_from_slice(bytes);
    }
}
