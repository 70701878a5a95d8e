//! A histogram as a `Metric`: its `le` buckets, the native histogram, and exemplars of both.

use super::plan::{family, histogram, metric, timestamp};
use crate::Exemplar;
use crate::export::exemplars::{SPAN_ID, TRACE_ID, ids, of_bucket};
use crate::export::floats;
use crate::export::kept::Kept;
use crate::export::native::{Fields, Native};
use crate::export::wire::{Scratch, Wire, short_varint};
use crate::registry::layout::{FamilyLayout, Layout};
use crate::registry::{Kind, Unit};
use crate::snapshot::Snapshot;

/// Bytes of a double, with its tag.
const DOUBLE: usize = 9;

/// Writes histograms. Keep one: it remembers what it wrote.
#[derive(Debug, Default)]
pub(super) struct Histograms {
    /// Bytes of each family on the last page.
    families: Vec<usize>,
    kept: Kept,
    writer: Writer,
}

/// What is used again for each histogram.
#[derive(Debug, Default)]
struct Writer {
    native: Native,
    classic: Scratch,
    /// The fields of the histogram.
    body: Vec<u8>,
}

impl Histograms {
    /// Begins anew, for another layout.
    pub(super) fn begin(&mut self, layout: &Layout) {
        self.kept.begin(layout.histograms);
        self.families.clear();
        self.families.resize(layout.families.len(), 0);
    }

    /// A family, behind its length, which is about that of the last time.
    pub(super) fn family(
        &mut self,
        out: &mut Vec<u8>,
        at: usize,
        write: impl FnOnce(&mut Self, &mut Vec<u8>),
    ) {
        let last = self.families[at];
        self.families[at] = out.delimited_like(last, |out| write(self, out));
    }

    /// The histogram at `at` as a `Metric`. `parts` are its labels, and when it began.
    pub(super) fn write(
        &mut self,
        out: &mut Vec<u8>,
        parts: [&[u8]; 2],
        family: &FamilyLayout,
        at: usize,
        snapshot: &Snapshot,
    ) {
        let Histograms { kept, writer, .. } = self;
        kept.append(snapshot, at, out, |out| writer.metric(out, parts, family, at, snapshot));
    }
}

impl Writer {
    fn metric(
        &mut self,
        out: &mut Vec<u8>,
        [labels, created]: [&[u8]; 2],
        family: &FamilyLayout,
        at: usize,
        snapshot: &Snapshot,
    ) {
        let Writer { native, classic, body } = self;
        let values = &*snapshot.histograms[at];
        let exemplars = snapshot.exemplars[at].as_deref().unwrap_or_default();
        body.clear();
        let count = values.count();
        body.uint_always(histogram::COUNT, count);
        body.double(histogram::SUM, floats::sum(values));
        let bounds = family.definition.buckets.bounds(family.definition.unit);
        let counts = bounds.iter().zip(&*snapshot.cumulative[at]);
        if exemplars.is_empty() {
            classic.clear();
            counts.for_each(|(&bound, &count)| bucket(classic, bound, count));
            body.extend_from_slice(classic.as_slice());
        } else {
            // The last bucket is there if it has something to show that the count does not say.
            let all = counts.chain([(&f64::INFINITY, &count)]);
            for (place, (&bound, &count)) in all.enumerate() {
                let shown = of_bucket(exemplars, &family.bounds, place);
                if bound.is_finite() || shown.is_some() {
                    body.message(histogram::BUCKET, |out| {
                        out.uint_always(1, count);
                        out.double(2, bound);
                        shown.into_iter().for_each(|one| exemplar(out, 3, one, values.unit()));
                    });
                }
            }
        }
        native.write(body, values, &Fields::EXPOSITION);
        for one in exemplars {
            exemplar(body, histogram::EXEMPLARS, one, values.unit());
        }
        body.extend_from_slice(created);
        let likely = labels.len() + body.len();
        out.message_like(family::METRIC, likely, |out| {
            out.extend_from_slice(labels);
            out.bytes(metric::HISTOGRAM, body);
        });
    }
}

/// A `Bucket` without an exemplar.
#[inline]
fn bucket(out: &mut Scratch, bound: f64, count: u64) {
    let Ok(count) = u32::try_from(count) else { return long_bucket(out, bound, count) };
    let (varint, len) = short_varint(count);
    let mut bytes = [0; 24];
    // At most five bytes, which the compiler need not find out.
    let len = len & 7;
    bytes[..3].copy_from_slice(&[BUCKET_TAG, (1 + len + DOUBLE) as u8, COUNT_TAG]);
    bytes[3..11].copy_from_slice(&varint.to_le_bytes());
    bytes[3 + len] = BOUND_TAG;
    bytes[4 + len..12 + len].copy_from_slice(&bound.to_le_bytes());
    out.put(&bytes, 12 + len);
}

#[cold]
fn long_bucket(out: &mut Scratch, bound: f64, count: u64) {
    let mut bytes = Vec::with_capacity(24);
    bytes.message(histogram::BUCKET, |out| {
        out.uint_always(1, count);
        out.double(2, bound);
    });
    let mut all = [0; 24];
    all[..bytes.len()].copy_from_slice(&bytes);
    out.put(&all, bytes.len());
}

const BUCKET_TAG: u8 = (histogram::BUCKET << 3 | 2) as u8;
const COUNT_TAG: u8 = 1 << 3;
const BOUND_TAG: u8 = 2 << 3 | 1;

/// Field `number`, an `Exemplar`.
fn exemplar(out: &mut Vec<u8>, number: u32, exemplar: &Exemplar, unit: Unit) {
    let (trace, span) = ids(exemplar);
    out.message(number, |out| {
        for (name, value) in [(TRACE_ID, &trace[..]), (SPAN_ID, &span)] {
            out.message(1, |out| {
                out.bytes(1, name.as_bytes());
                out.bytes(2, value);
            });
        }
        out.double(2, floats::scalar(exemplar.value, Kind::Counter, unit));
        out.message(3, |out| timestamp(out, exemplar.unix_time));
    });
}
