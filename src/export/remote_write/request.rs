//! One request while it is written: its series, and with 2.0 the texts that they use.

use super::ledger::{Entry, Ledger};
use super::plan::{Family, Form, Item, Plan, What};
use super::symbols::Symbols;
use super::{Limits, RemoteWriteVersion};
use crate::export::exemplars::{SPAN_ID, TRACE_ID, ids};
use crate::export::floats;
use crate::export::kept::Kept;
use crate::export::native::{Fields, Native};
use crate::export::wire::{Scratch, Wire, varint_len};
use crate::registry::layout::Layout;
use crate::registry::{Kind, Unit};
use crate::snapshot::Snapshot;
use std::iter;
use std::ops::Range;

/// The value that ends a series: one of the NaNs.
const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// `ResetHint`: the first histogram after its count began anew.
const RESET_YES: u64 = 1;

/// Fields of `WriteRequest`, its `TimeSeries` and `MetricMetadata`.
mod v1 {
    pub(super) const TIMESERIES: u32 = 1;
    pub(super) const METADATA: u32 = 3;
    pub(super) const EXEMPLARS: u32 = 3;
    pub(super) const HISTOGRAMS: u32 = 4;
}

/// Fields of `Request`, and of its `TimeSeries`.
mod v2 {
    pub(super) const TIMESERIES: u32 = 5;
    pub(super) const LABELS: u32 = 1;
    pub(super) const HISTOGRAMS: u32 = 3;
    pub(super) const EXEMPLARS: u32 = 4;
    pub(super) const METADATA: u32 = 5;
    pub(super) const CREATED: u32 = 6;
}

/// Field of either's `TimeSeries`.
const SAMPLES: u32 = 2;

/// What is being written. Keep one: its buffers are filled again and again.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// All but the symbols.
    body: Vec<u8>,
    /// Series in it.
    series: usize,
    symbols: Symbols,
    /// The whole message.
    message: Vec<u8>,
    native: Native,
    /// A histogram that is being written.
    histogram: Vec<u8>,
    /// Histograms without their times.
    kept: Kept,
    template: Template,
    /// Labels of a series that are being written.
    labels: Scratch,
}

/// What stands behind the labels of a series with a sample, for those of a family that began at the same time.
#[derive(Debug, Default)]
struct Template {
    of: Option<(Option<usize>, u64)>,
    bytes: Vec<u8>,
}

impl Template {
    /// Where the value is: behind a tag, a length and another tag.
    const VALUE: Range<usize> = 3..11;
}

/// When the values are from, in ms since 1970, and how they are sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) plan: &'a Plan,
    pub(super) ledger: &'a Ledger,
    pub(super) form: Form,
    pub(super) time: u64,
}

impl Frame<'_> {
    /// When `item` began, which 1.0 does not say. The release candidates of 2.0 up to the third have it with the series, the
    /// fourth with each value: it is sent as both, and a receiver skips the field that it does not know.
    fn began(&self, item: &Item) -> u64 {
        match self.form.version {
            RemoteWriteVersion::V1 => 0,
            RemoteWriteVersion::V2 => item.created,
        }
    }
}

impl Request {
    /// Begins anew, for another layout.
    pub(super) fn begin_layout(&mut self, layout: &Layout) {
        self.kept.begin(layout.histograms);
    }

    /// Begins anew.
    pub(super) fn begin(&mut self, plan: &Plan) {
        self.body.clear();
        self.series = 0;
        self.template.of = None;
        self.symbols.clear(plan);
    }

    /// Adds `item`; hands the request on first if it would then be over the limits.
    pub(super) fn item(
        &mut self,
        frame: Frame<'_>,
        item: &Item,
        snapshot: &Snapshot,
        limits: Limits,
        send: &mut dyn FnMut(&[u8]),
    ) {
        if self.series + item.len() > limits.series {
            self.finish(frame, send);
        }
        let (end, begun) = (self.body.len(), self.series > 0);
        let mark = self.symbols.mark();
        self.write(frame, item, snapshot);
        if begun && self.body.len() + self.symbols.bytes() > limits.bytes {
            self.body.truncate(end);
            self.symbols.undo(mark);
            self.template.of = None;
            self.series -= item.len();
            self.finish(frame, send);
            self.write(frame, item, snapshot);
        }
    }

    /// Adds what 1.0 says about a family beside its series.
    pub(super) fn metadata(
        &mut self,
        frame: Frame<'_>,
        family: Family,
        limits: Limits,
        send: &mut dyn FnMut(&[u8]),
    ) {
        if self.series >= limits.series || self.body.len() >= limits.bytes {
            self.finish(frame, send);
        }
        let text = |symbol: u32| frame.plan.symbols.text(symbol).as_bytes();
        self.body.message(v1::METADATA, |out| {
            out.uint(1, family.kind);
            out.bytes(2, text(family.name));
            out.bytes(4, text(family.help));
            out.bytes(5, text(family.unit));
        });
        self.series += 1;
    }

    /// Hands the request on if there is something in it, and begins another.
    pub(super) fn finish(&mut self, frame: Frame<'_>, send: &mut dyn FnMut(&[u8])) {
        if self.series > 0 {
            match frame.form.version {
                RemoteWriteVersion::V1 => send(&self.body),
                RemoteWriteVersion::V2 => {
                    self.message.clear();
                    self.symbols.write(frame.plan, &mut self.message);
                    self.message.extend_from_slice(&self.body);
                    send(&self.message);
                }
            }
        }
        self.begin(frame.plan);
    }

    fn write(&mut self, frame: Frame<'_>, item: &Item, snapshot: &Snapshot) {
        match item.what {
            What::Scalar(kind, unit) => {
                let value = floats::scalar(snapshot.scalars[item.at], kind, unit);
                self.sample(frame, item, item.series, value, iter::empty());
            }
            What::Classic { bounds } => self.classic(frame, item, bounds, snapshot),
            What::Native { reset } => self.native(frame, item, snapshot, reset),
            What::Gone { native: false } => {
                self.sample(frame, item, item.series, STALE, iter::empty());
            }
            What::Gone { native: true } => {
                self.histogram.clear();
                self.histogram.uint_always(1, 0);
                self.histogram.double(3, STALE);
                self.end_native(frame, item, iter::empty());
            }
        }
    }

    fn classic(&mut self, frame: Frame<'_>, item: &Item, bounds: usize, snapshot: &Snapshot) {
        let (mut series, values) = (item.series, &snapshot.histograms[item.at]);
        let (count, unit) = (values.count(), values.unit());
        let cumulative = snapshot.cumulative[item.at].iter().take(bounds);
        let recorded = item.family.map(|family| &*snapshot.layout.families[family].bounds);
        let recorded = recorded.unwrap_or_default();
        for (place, &below) in cumulative.chain([&count]).enumerate() {
            let above = place.checked_sub(1).map(|before| recorded[before]);
            let is_in = |value: u64| {
                above.is_none_or(|above| value > above)
                    && recorded.get(place).is_none_or(|&bound| value <= bound)
            };
            let due = frame.ledger.due(item.at).filter(|entry| is_in(entry.exemplar.value));
            self.sample(frame, item, series, below as f64, due.map(|entry| (entry, unit)));
            series += 1;
        }
        self.sample(frame, item, series, floats::sum(values), iter::empty());
        self.sample(frame, item, series + 1, count as f64, iter::empty());
    }

    fn sample<'a>(
        &mut self,
        frame: Frame<'_>,
        item: &Item,
        series: usize,
        value: f64,
        exemplars: impl Iterator<Item = (&'a Entry, Unit)>,
    ) {
        let mut exemplars = exemplars.peekable();
        if exemplars.peek().is_none() {
            return self.plain_sample(frame, item, series, value);
        }
        self.series(frame, item, series, 0, exemplars, |out, _| {
            write_sample(out, value, frame.time, frame.began(item));
        });
    }

    /// A series of a sample, and nothing but that: what most are. Behind its labels it differs from the one before in the value
    /// alone, unless that is of another family.
    fn plain_sample(&mut self, frame: Frame<'_>, item: &Item, series: usize, value: f64) {
        let Frame { plan, form, .. } = frame;
        let Request { body, symbols, template, labels, .. } = self;
        let of = (item.family, item.created);
        if template.of != Some(of) {
            template.of = Some(of);
            template.bytes.clear();
            write_sample(&mut template.bytes, 0.0, frame.time, frame.began(item));
            if form.version == RemoteWriteVersion::V2 {
                write_end(&mut template.bytes, plan, symbols, item);
            }
        }
        template.bytes[Template::VALUE].copy_from_slice(&value.to_le_bytes());
        let behind = template.bytes.as_slice();
        match form.version {
            RemoteWriteVersion::V1 => {
                let labels = plan.rendered(series);
                body.length(v1::TIMESERIES, labels.len() + behind.len());
                body.extend_from_slice(labels);
            }
            RemoteWriteVersion::V2 => {
                labels.clear();
                for &symbol in plan.refs(series) {
                    labels.varint(symbols.number(plan, symbol));
                }
                let labels = labels.as_slice();
                let tag_and_length = 1 + varint_len(labels.len() as u64);
                body.length(v2::TIMESERIES, tag_and_length + labels.len() + behind.len());
                body.length(v2::LABELS, labels.len());
                body.extend_from_slice(labels);
            }
        }
        body.extend_from_slice(behind);
        self.series += 1;
    }

    fn native(&mut self, frame: Frame<'_>, item: &Item, snapshot: &Snapshot, reset: bool) {
        let Request { kept, native, histogram, .. } = self;
        let values = &*snapshot.histograms[item.at];
        histogram.clear();
        kept.append(snapshot, item.at, histogram, |out| {
            out.uint_always(1, values.count());
            out.double(3, floats::sum(values));
            native.write(out, values, &Fields::REMOTE_WRITE);
        });
        histogram.uint(14, if reset { RESET_YES } else { 0 });
        let due = frame.ledger.due(item.at);
        self.end_native(frame, item, due.map(|entry| (entry, values.unit())));
    }

    /// Writes the series of what is in `histogram`.
    fn end_native<'a>(
        &mut self,
        frame: Frame<'_>,
        item: &Item,
        exemplars: impl Iterator<Item = (&'a Entry, Unit)>,
    ) {
        self.histogram.uint(15, frame.time);
        self.histogram.uint(17, frame.began(item));
        let field = match frame.form.version {
            RemoteWriteVersion::V1 => v1::HISTOGRAMS,
            RemoteWriteVersion::V2 => v2::HISTOGRAMS,
        };
        let likely = self.histogram.len();
        self.series(frame, item, item.series, likely, exemplars, |out, histogram| {
            out.bytes(field, histogram);
        });
    }

    /// A `TimeSeries` with the values that `write` writes: about `likely` bytes.
    fn series<'a>(
        &mut self,
        Frame { plan, form, .. }: Frame<'_>,
        item: &Item,
        series: usize,
        likely: usize,
        exemplars: impl Iterator<Item = (&'a Entry, Unit)>,
        write: impl FnOnce(&mut Vec<u8>, &[u8]),
    ) {
        let Request { body, symbols, histogram, .. } = self;
        match form.version {
            RemoteWriteVersion::V1 => {
                let likely = likely + plan.rendered(series).len();
                let labels = plan.rendered(series);
                let mut exemplars = exemplars.peekable();
                body.message_like(v1::TIMESERIES, likely, |out| {
                    out.extend_from_slice(labels);
                    write(out, histogram);
                    if !matches!(item.what, What::Native { .. }) {
                        exemplars.by_ref().for_each(|(entry, unit)| exemplar(out, entry, unit));
                    }
                });
                // Prometheus 2 looks at a series' exemplars before its histograms, and drops those of a series that it does not
                // know yet: so they come behind, as a series of their own.
                if exemplars.peek().is_some() {
                    body.message(v1::TIMESERIES, |out| {
                        out.extend_from_slice(labels);
                        exemplars.for_each(|(entry, unit)| exemplar(out, entry, unit));
                    });
                }
            }
            RemoteWriteVersion::V2 => body.message_like(v2::TIMESERIES, likely, |out| {
                out.message(v2::LABELS, |out| {
                    for &symbol in plan.refs(series) {
                        out.varint(symbols.number(plan, symbol));
                    }
                });
                write(out, histogram);
                exemplars.for_each(|(entry, unit)| {
                    let labels = symbols.exemplar(plan, &entry.exemplar);
                    out.message(v2::EXEMPLARS, |out| {
                        out.message(1, |out| labels.iter().for_each(|&label| out.varint(label)));
                        end_exemplar(out, entry, unit);
                    });
                });
                write_end(out, plan, symbols, item);
            }),
        }
        self.series += 1;
    }
}

fn write_sample(out: &mut Vec<u8>, value: f64, time: u64, began: u64) {
    out.message(SAMPLES, |out| {
        out.double(1, value);
        out.uint(2, time);
        out.uint(3, began);
    });
}

/// What 2.0 has behind a series' values.
fn write_end(out: &mut Vec<u8>, plan: &Plan, symbols: &mut Symbols, item: &Item) {
    if let Some(family) = item.family {
        let family = plan.families[family];
        out.message(v2::METADATA, |out| {
            out.uint(1, family.kind);
            out.uint(3, symbols.number(plan, family.help));
            out.uint(4, symbols.number(plan, family.unit));
        });
    }
    out.uint(v2::CREATED, item.created);
}

/// An exemplar of 1.0.
fn exemplar(out: &mut Vec<u8>, entry: &Entry, unit: Unit) {
    let (trace, span) = ids(&entry.exemplar);
    out.message(v1::EXEMPLARS, |out| {
        for (name, value) in [(SPAN_ID, &span[..]), (TRACE_ID, &trace)] {
            out.message(1, |out| {
                out.bytes(1, name.as_bytes());
                out.bytes(2, value);
            });
        }
        end_exemplar(out, entry, unit);
    });
}

/// What both versions have behind an exemplar's labels.
fn end_exemplar(out: &mut Vec<u8>, entry: &Entry, unit: Unit) {
    out.double(2, floats::scalar(entry.exemplar.value, Kind::Counter, unit));
    out.uint(3, entry.time);
}
