//! Exponential buckets as OTLP has them: a scale, the index of the first, and a count for each from there on.
//!
//! OTLP's bucket `i` holds the values in `(b^i, b^(i+1)]` with `b = 2^(2^-scale)`, one lower than Prometheus counts it. Two
//! neighbours `2j` and `2j + 1` are bucket `j` of the next coarser scale, so that too many buckets become half as many
//! without a count being split.

use crate::aggregate::sums::Extremes;
use crate::export::exponential::Exponential;
use crate::snapshot::HistogramSnapshot;

/// The buckets of one point. Keep one: it is filled again and again.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    pub(super) scale: i32,
    pub(super) zero_count: u64,
    pub(super) offset: i32,
    pub(super) counts: Vec<u64>,
    now: Exponential,
    before: Exponential,
}

impl Buckets {
    /// Becomes the buckets of `histogram`, `limit` of them at most.
    pub(super) fn fill(&mut self, histogram: &HistogramSnapshot, limit: usize) {
        self.now.fill(histogram);
        self.spread(limit);
    }

    /// Becomes the buckets of what was recorded between `before` and `now`; says whether that can be: no count fell.
    pub(super) fn fill_difference(
        &mut self,
        now: &HistogramSnapshot,
        before: &HistogramSnapshot,
        limit: usize,
    ) -> bool {
        self.now.fill(now);
        self.before.fill(before);
        let whole = now.sum() >= before.sum()
            && now.count() >= before.count()
            && self.now.schema == self.before.schema
            && subtract(&mut self.now, &self.before);
        if whole {
            self.spread(limit);
        }
        whole
    }

    /// From the buckets that have counts to all from the first to the last.
    fn spread(&mut self, limit: usize) {
        (self.scale, self.zero_count) = (self.now.schema, self.now.zero_count);
        (self.offset, self.counts) = (0, std::mem::take(&mut self.counts));
        self.counts.clear();
        let buckets = &self.now.buckets;
        let (Some(&(first, _)), Some(&(last, _))) = (buckets.first(), buckets.last()) else {
            return;
        };
        let (first, last) = (first - 1, last - 1);
        let mut shift = 0;
        // Ends: with 2 buckets or more every index is in one of them once all are -1 or 0.
        while (last >> shift) - (first >> shift) >= i32::try_from(limit).unwrap_or(i32::MAX) {
            shift += 1;
        }
        self.scale -= shift;
        self.offset = first >> shift;
        self.counts.resize(((last >> shift) - self.offset) as usize + 1, 0);
        for &(index, count) in buckets {
            self.counts[(((index - 1) >> shift) - self.offset) as usize] += count;
        }
    }
}

/// Takes `before` away from `now`; says whether it was all there.
fn subtract(now: &mut Exponential, before: &Exponential) -> bool {
    let Some(zeros) = now.zero_count.checked_sub(before.zero_count) else { return false };
    now.zero_count = zeros;
    let mut rest = before.buckets.iter().peekable();
    let mut whole = true;
    now.buckets.retain_mut(|(index, count)| {
        if let Some((_, was)) = rest.next_if(|bucket| bucket.0 == *index) {
            whole &= *was <= *count;
            *count = count.saturating_sub(*was);
        }
        *count > 0
    });
    whole && rest.next().is_none()
}

/// The smallest and the largest value that were recorded between `before` and `now`: those of their buckets, or exactly where
/// they are `seen` to be in them, or to be the extremes of all time.
pub(super) fn extremes_since(
    now: &HistogramSnapshot,
    before: &HistogramSnapshot,
    seen: Option<Extremes>,
) -> Option<(u64, u64)> {
    let mut was = before.buckets().peekable();
    let mut ends: Option<((u64, u64), (u64, u64))> = None;
    for (low, high, count) in now.buckets() {
        let then = was.next_if(|bucket| bucket.0 == low).map_or(0, |bucket| bucket.2);
        if count > then {
            let first = ends.map_or((low, high), |ends| ends.0);
            ends = Some((first, (low, high)));
        }
    }
    let ((low, lowest), (highest, high)) = ends?;
    let (all_min, all_max) = now.min().zip(now.max())?;
    let exact = seen.filter(|seen| !seen.is_empty()).map(|seen| (!seen.not_min, seen.max));
    let min = exact.map(|exact| exact.0).filter(|min| (low..=lowest).contains(min));
    let max = exact.map(|exact| exact.1).filter(|max| (highest..=high).contains(max));
    Some((min.unwrap_or(low.max(all_min)), max.unwrap_or(high.min(all_max))))
}
