//! One request while it is written: its series, and with 2.0 the texts that they use.

use super::plan::{Family, Form, Item, Plan, What};
use super::{Limits, RemoteWriteVersion};
use crate::export::exponential::{Fields, Native};
use crate::export::floats;
use crate::export::wire::Wire;
use crate::snapshot::{HistogramSnapshot, Snapshot};

/// The value that ends a series: one of the NaNs.
const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// `ResetHint`: the first histogram after its count began anew.
const RESET_YES: u64 = 1;

/// Fields of `WriteRequest`, its `TimeSeries` and `MetricMetadata`.
mod v1 {
    pub(super) const TIMESERIES: u32 = 1;
    pub(super) const METADATA: u32 = 3;
    pub(super) const HISTOGRAMS: u32 = 4;
}

/// Fields of `Request`, and of its `TimeSeries`.
mod v2 {
    pub(super) const TIMESERIES: u32 = 5;
    pub(super) const LABELS: u32 = 1;
    pub(super) const HISTOGRAMS: u32 = 3;
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
}

/// The plan's symbols that a request uses, numbered as they come.
#[derive(Debug, Default)]
struct Symbols {
    /// For each symbol of the plan its number in the request; zero for none.
    numbers: Vec<u32>,
    used: Vec<u32>,
    bytes: usize,
}

impl Symbols {
    #[inline]
    fn number(&mut self, plan: &Plan, symbol: u32) -> u64 {
        // The empty text comes first in both.
        if symbol == 0 {
            return 0;
        }
        let number = &mut self.numbers[symbol as usize];
        if *number == 0 {
            self.used.push(symbol);
            *number = self.used.len() as u32;
            self.bytes += plan.symbols.field(symbol).len();
        }
        u64::from(*number)
    }

    /// Forgets all but the first `used`, which have so many bytes.
    fn undo(&mut self, used: usize, bytes: usize) {
        self.used.drain(used..).for_each(|symbol| self.numbers[symbol as usize] = 0);
        self.bytes = bytes;
    }

    fn clear(&mut self, plan: &Plan) {
        self.used.drain(..).for_each(|symbol| self.numbers[symbol as usize] = 0);
        self.numbers.resize(plan.symbols.len(), 0);
        // The empty text is always there.
        self.bytes = if plan.symbols.len() > 0 { plan.symbols.field(0).len() } else { 0 };
    }
}

/// When the values are from, in ms since 1970, and how they are sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) plan: &'a Plan,
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
    /// Begins anew.
    pub(super) fn begin(&mut self, plan: &Plan) {
        self.body.clear();
        self.series = 0;
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
        let (used, bytes) = (self.symbols.used.len(), self.symbols.bytes);
        self.write(frame, item, snapshot);
        if begun && self.body.len() + self.symbols.bytes > limits.bytes {
            self.body.truncate(end);
            self.symbols.undo(used, bytes);
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
                    for &symbol in [0].iter().chain(&self.symbols.used) {
                        self.message.extend_from_slice(frame.plan.symbols.field(symbol));
                    }
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
                self.sample(frame, item, item.series, value);
            }
            What::Classic { bounds } => self.classic(frame, item, bounds, snapshot),
            What::Native { reset } => {
                let histogram = &snapshot.histograms[item.at];
                self.native(frame, item, Some(histogram), reset);
            }
            What::Gone { native: false } => self.sample(frame, item, item.series, STALE),
            What::Gone { native: true } => self.native(frame, item, None, false),
        }
    }

    fn classic(&mut self, frame: Frame<'_>, item: &Item, bounds: usize, snapshot: &Snapshot) {
        let (mut series, values) = (item.series, &snapshot.histograms[item.at]);
        let count = values.count();
        let cumulative = snapshot.cumulative[item.at].iter().take(bounds);
        for &below in cumulative.chain([&count]) {
            self.sample(frame, item, series, below as f64);
            series += 1;
        }
        self.sample(frame, item, series, floats::sum(values));
        self.sample(frame, item, series + 1, count as f64);
    }

    fn sample(&mut self, frame: Frame<'_>, item: &Item, series: usize, value: f64) {
        self.series(frame, item, series, |out, _| {
            out.message(SAMPLES, |out| {
                out.double(1, value);
                out.uint(2, frame.time);
                out.uint(3, frame.began(item));
            });
        });
    }

    /// A native histogram; without one, the end of its series.
    fn native(
        &mut self,
        frame: Frame<'_>,
        item: &Item,
        values: Option<&HistogramSnapshot>,
        reset: bool,
    ) {
        let field = match frame.form.version {
            RemoteWriteVersion::V1 => v1::HISTOGRAMS,
            RemoteWriteVersion::V2 => v2::HISTOGRAMS,
        };
        self.series(frame, item, item.series, |out, native| {
            out.message(field, |out| {
                out.uint_always(1, values.map_or(0, HistogramSnapshot::count));
                out.double(3, values.map_or(STALE, floats::sum));
                if let Some(values) = values {
                    native.write(out, values, &Fields::REMOTE_WRITE);
                }
                out.uint(14, if reset { RESET_YES } else { 0 });
                out.uint(15, frame.time);
                out.uint(17, frame.began(item));
            });
        });
    }

    /// A `TimeSeries` with the values that `write` writes.
    fn series(
        &mut self,
        Frame { plan, form, .. }: Frame<'_>,
        item: &Item,
        series: usize,
        write: impl FnOnce(&mut Vec<u8>, &mut Native),
    ) {
        let Request { body, symbols, native, .. } = self;
        match form.version {
            RemoteWriteVersion::V1 => body.message(v1::TIMESERIES, |out| {
                out.extend_from_slice(plan.rendered(series));
                write(out, native);
            }),
            RemoteWriteVersion::V2 => body.message(v2::TIMESERIES, |out| {
                out.message(v2::LABELS, |out| {
                    for &symbol in plan.refs(series) {
                        out.varint(symbols.number(plan, symbol));
                    }
                });
                write(out, native);
                if let Some(family) = item.family {
                    let family = plan.families[family];
                    out.message(v2::METADATA, |out| {
                        out.uint(1, family.kind);
                        out.uint(3, symbols.number(plan, family.help));
                        out.uint(4, symbols.number(plan, family.unit));
                    });
                }
                out.uint(v2::CREATED, item.created);
            }),
        }
        self.series += 1;
    }
}
