//! A page without its numbers: what the text formats render once for each [layout](crate::registry::layout) and keep.

use super::number::{escape, integer, scalar, sum};
use crate::registry::layout::SeriesLayout;
use crate::registry::{Kind, Unit};
use crate::snapshot::Snapshot;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// All fixed text, in page order.
    pub(super) fixed: Vec<u8>,
    pub(super) steps: Vec<Step>,
}

/// What follows a stretch of fixed text that ends at `end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) end: usize,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// The value of a scalar.
    Scalar(usize, Kind, Unit),
    /// The cumulative count of histogram `.0` at bound `.1`; behind the last bound, its count.
    Bucket(usize, usize),
    /// The count, or the sum, of histogram `.0`.
    Count(usize),
    Sum(usize),
}

impl What {
    /// Writes the number.
    #[inline]
    pub(super) fn write(self, page: &mut Vec<u8>, snapshot: &Snapshot) {
        let count = |at: usize| snapshot.histograms[at].count();
        match self {
            What::Scalar(at, kind, unit) => scalar(page, snapshot.scalars[at], kind, unit),
            What::Bucket(at, bound) => {
                let below = snapshot.cumulative[at].get(bound).copied();
                integer(page, below.unwrap_or_else(|| count(at)));
            }
            What::Count(at) => integer(page, count(at)),
            What::Sum(at) => sum(page, &snapshot.histograms[at]),
        }
    }
}

impl Plan {
    /// A line whose number is `what`: `name_suffix{labels,le="…"} `, and the end of the line behind.
    pub(super) fn line(
        &mut self,
        (name, suffix): (&str, &str),
        series: &SeriesLayout,
        le: Option<&str>,
        what: What,
    ) {
        self.series((name, suffix), series, le);
        self.steps.push(Step { end: self.fixed.len(), what });
        self.fixed.push(b'\n');
    }

    /// `name_suffix{labels,le="…"} `
    pub(super) fn series(
        &mut self,
        (name, suffix): (&str, &str),
        series: &SeriesLayout,
        le: Option<&str>,
    ) {
        self.fixed.extend_from_slice(name.as_bytes());
        self.fixed.extend_from_slice(suffix.as_bytes());
        let labels = series.labels.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let mut separator = b'{';
        for (key, value) in labels.chain(le.map(|bound| ("le", bound))) {
            self.fixed.push(separator);
            self.fixed.extend_from_slice(key.as_bytes());
            self.fixed.extend_from_slice(b"=\"");
            escape(&mut self.fixed, value, true);
            self.fixed.push(b'"');
            separator = b',';
        }
        if separator == b',' {
            self.fixed.push(b'}');
        }
        self.fixed.push(b' ');
    }
}
