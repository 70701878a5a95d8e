//! The Prometheus protobuf exposition: `io.prometheus.client.MetricFamily` messages, each behind its length
//! (<https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto>).
//!
//! A histogram is there twice in one message: with its `le` buckets, and as a native histogram, whose buckets are as fine as
//! its HDR ones. As the [text](super::text), everything but the numbers is rendered once for each
//! [layout](crate::registry::layout). A scalar is eight bytes whatever its value, so a family of scalars keeps its length and
//! is written series by series; a family of histograms is written whole, since its length goes in front.

mod histogram;
mod plan;

use super::wire::Wire;
use super::{Encoder, REJECTED, REJECTED_HELP, Sink, floats};
use crate::registry::Kind;
use crate::snapshot::Snapshot;
use histogram::Histograms;
use plan::{Plan, What, family, scalar};
use std::io;
use std::time::Duration;

/// Writes snapshots as Prometheus protobuf, with native histograms beside classic ones. Keep one: it remembers what it
/// rendered, and a page costs no allocation once warm.
///
/// The schema of a native histogram follows its [precision](crate::Precision): 3, 6 or 8 for one, two or three figures, that
/// is buckets 9 %, 1.1 % or 0.27 % wide. Count and sum are exact, the zero bucket holds zeros alone. Values below 1 ns do not
/// exist. The classic buckets leave out `+Inf`, which is the count, unless it has an exemplar.
///
/// A classic bucket shows the latest [exemplar](crate::Exemplar) that lies between its bounds, a native histogram all that there
/// are, with `trace_id` and `span_id`.
///
/// Cost: about 10 ns a counter, 1 to 2 µs for a histogram of some hundred buckets, and a copy for one that did not change since
/// the last page; memory for the largest family, and [`MAX_KEPT_BYTES`](crate::limits::MAX_KEPT_BYTES) at most for histograms
/// that do not change.
///
/// ```
/// use std::time::Duration;
/// use tachometer::{Engine, Encoder, ManualClock, ProtobufEncoder, Registry};
/// let registry = Registry::new();
/// registry.counter("requests_total", "Requests.")?.add(3);
/// let clock = ManualClock::at(Duration::ZERO);
/// let engine = Engine::builder().registry(&registry).manual(&clock).start()?;
/// let page = ProtobufEncoder::new().to_vec(&engine.refresh());
/// assert_eq!(usize::from(page[0]), page.len() - 1, "one family, behind its length");
/// assert_eq!(&page[1..17], b"\x0a\x0erequests_total");
/// assert_eq!(page[page.len() - 8..], 3f64.to_le_bytes());
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct ProtobufEncoder {
    /// The layout that `plan` is for; zero for none.
    layout: u64,
    plan: Plan,
    histograms: Histograms,
}

impl ProtobufEncoder {
    /// The `Content-Type` of the format.
    pub const CONTENT_TYPE: &'static str = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

    /// An encoder that has rendered nothing yet.
    pub fn new() -> Self {
        ProtobufEncoder::default()
    }
}

impl Encoder for ProtobufEncoder {
    fn content_type(&self) -> &str {
        Self::CONTENT_TYPE
    }

    fn encode_into(&mut self, snapshot: &Snapshot, sink: &mut Sink<'_>) -> io::Result<()> {
        let layout = &snapshot.layout;
        if self.layout != layout.id {
            self.plan = Plan::of(layout);
            self.histograms.begin(layout);
            self.layout = layout.id;
        }
        let (mut stretches, histograms) = (self.plan.stretches(), &mut self.histograms);
        while let Some((fixed, what)) = stretches.next() {
            match what {
                What::Scalar(at, kind, unit) => {
                    sink.buffer.extend_from_slice(fixed);
                    let value = floats::scalar(snapshot.scalars[at], kind, unit);
                    sink.buffer.extend_from_slice(&value.to_le_bytes());
                }
                What::Histograms(at) => {
                    let family = &layout.families[at];
                    histograms.family(sink.buffer, at, |histograms, out| {
                        out.extend_from_slice(fixed);
                        for series in &family.series {
                            let mut part = || stretches.next().map_or(&[][..], |(fixed, _)| fixed);
                            let parts = [part(), part()];
                            histograms.write(out, parts, family, series.value, snapshot);
                        }
                    });
                }
                What::Labels | What::Created => unreachable!("they follow their family's head"),
            }
            sink.pause()?;
        }
        rejected(sink.buffer, snapshot);
        Ok(())
    }
}

/// What refused `static` handles recorded: there only if there is one.
fn rejected(out: &mut Vec<u8>, snapshot: &Snapshot) {
    if snapshot.rejected.is_empty() {
        return;
    }
    out.delimited(|out| {
        out.bytes(family::NAME, REJECTED.as_bytes());
        out.bytes(family::HELP, REJECTED_HELP.as_bytes());
        out.uint_always(family::TYPE, 0);
        for (index, (name, count)) in snapshot.rejected.iter().enumerate() {
            let mut digits = itoa::Buffer::new();
            let labels = [("index", digits.format(index)), ("metric", name)];
            let created = Duration::ZERO;
            scalar(out, labels.into_iter(), Kind::Counter, created, *count as f64);
        }
    });
}
