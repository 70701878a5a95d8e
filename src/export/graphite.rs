//! Graphite's plaintext protocol with tags (<https://graphite.readthedocs.io/en/latest/tags.html#carbon>).

use super::quantiles::Quantiles;
use super::rows::{Named, Rows, rejected};
use super::{Encoder, Sink, digits};
use crate::Error;
use crate::limits::MAX_GRAPHITE_PATH_BYTES;
use crate::registry::{Kind, Unit};
use crate::snapshot::{HistogramSnapshot, Snapshot};
use std::io;

/// Writes snapshots as Graphite's lines, `name;label=value 3 1700000000`. Keep one: it remembers what it rendered, and a page
/// costs no allocation once warm (`tests/encoding_allocations.rs`).
///
/// Values are in the exported unit, times in whole seconds. A histogram becomes `name.count`, `.sum`, `.min`, `.max`, `.p50`,
/// `.p90`, `.p99`, `.p999`; an empty one `.count` and `.sum` alone. A value that is not finite is left out.
///
/// Names stay as they are. In a label's value everything but ASCII letters, digits and `_.-:/@+=,#!$` (and `~`, if it is not
/// the first) is written as its UTF-8 bytes in percent, as in a URL: a space `%20`, a percent sign `%25`. So different values
/// stay different, and can be read back. Labels with an empty value are left out, and a label `name`, which Graphite uses
/// itself, becomes `name_`; should that make two series one, they are kept apart by a tag `collision`. A series whose name
/// and labels exceed [`MAX_GRAPHITE_PATH_BYTES`] goes by that tag alone.
///
/// A carbon that stores series in Whisper files names them by their tags, and a file's name has at most 255 bytes: with
/// longer labels set `TAG_HASH_FILENAMES = True`.
///
/// ```
/// use std::time::Duration;
/// use tachometer::{Encoder, Engine, GraphiteEncoder, ManualClock, Registry};
/// let registry = Registry::new();
/// registry.metric("requests_total", "Requests.").label("path", "/a b").counter()?.add(3);
/// let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
/// let engine = Engine::builder().registry(&registry).manual(&clock).start()?;
/// let lines = GraphiteEncoder::new().to_vec(&engine.refresh());
/// assert_eq!(lines, b"requests_total;path=/a%20b 3 1700000000\n");
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct GraphiteEncoder {
    rows: Rows,
    quantiles: Quantiles,
    /// The snapshot's time, as lines end with it.
    end: Vec<u8>,
}

impl GraphiteEncoder {
    /// The `Content-Type` of the format.
    pub const CONTENT_TYPE: &'static str = "text/plain; charset=us-ascii";

    /// An encoder that has rendered nothing yet.
    pub fn new() -> Self {
        GraphiteEncoder::default()
    }

    /// Which quantiles a histogram has, from 0 to 1: 0.999 becomes `.p999`.
    ///
    /// # Errors
    /// One is not from 0 to 1 or there twice, or there are more than [`MAX_QUANTILES`](crate::limits::MAX_QUANTILES).
    pub fn quantiles(mut self, quantiles: &[f64]) -> Result<Self, Error> {
        self.quantiles = Quantiles::new(quantiles)?;
        Ok(self)
    }

    fn histogram(&self, line: &mut Line<'_>, histogram: &HistogramSnapshot, unit: Unit) {
        let mut write = |suffix, value, divisor| {
            line.write(suffix, |out| {
                digits::decimal(out, value, divisor);
                true
            });
        };
        let divisor = unit.divisor();
        write("count", histogram.count().into(), 1);
        write("sum", histogram.sum(), divisor);
        if let (Some(min), Some(max)) = (histogram.min(), histogram.max()) {
            write("min", min.into(), divisor);
            write("max", max.into(), divisor);
        }
        for (q, suffix) in self.quantiles.iter() {
            if let Some(value) = histogram.quantile(q) {
                write(suffix, value.into(), divisor);
            }
        }
    }
}

impl Encoder for GraphiteEncoder {
    fn content_type(&self) -> &str {
        Self::CONTENT_TYPE
    }

    fn encode_into(&mut self, snapshot: &Snapshot, sink: &mut Sink<'_>) -> io::Result<()> {
        self.rows.fit(&snapshot.layout, MAX_GRAPHITE_PATH_BYTES, identity);
        self.end.clear();
        self.end.push(b' ');
        digits::integer(&mut self.end, snapshot.unix_time().as_secs());
        self.end.push(b'\n');
        for (identity, row) in self.rows.iter() {
            // A suffix goes between the name and the labels.
            let name = snapshot.layout.families[row.family].definition.name.len();
            let mut line =
                Line { out: sink.buffer, identity: identity.split_at(name), end: &self.end };
            match row.kind {
                Kind::Histogram => {
                    self.histogram(&mut line, &snapshot.histograms[row.at], row.unit);
                }
                kind => line
                    .write("", |out| digits::scalar(out, snapshot.scalars[row.at], kind, row.unit)),
            }
            sink.pause()?;
        }
        rejected(&snapshot.rejected, |named, _, count| {
            identity(sink.buffer, named);
            sink.buffer.push(b' ');
            digits::integer(sink.buffer, count);
            sink.buffer.extend_from_slice(&self.end);
        });
        Ok(())
    }
}

/// Writes lines of one series.
struct Line<'a> {
    out: &'a mut Vec<u8>,
    /// Name, and labels.
    identity: (&'a [u8], &'a [u8]),
    end: &'a [u8],
}

impl Line<'_> {
    /// A line, unless `value` says that there is none.
    fn write(&mut self, suffix: &str, value: impl FnOnce(&mut Vec<u8>) -> bool) {
        let from = self.out.len();
        self.out.extend_from_slice(self.identity.0);
        if !suffix.is_empty() {
            self.out.push(b'.');
            self.out.extend_from_slice(suffix.as_bytes());
        }
        self.out.extend_from_slice(self.identity.1);
        self.out.push(b' ');
        match value(self.out) {
            true => self.out.extend_from_slice(self.end),
            false => self.out.truncate(from),
        }
    }
}

/// `name;label=value`
fn identity(out: &mut Vec<u8>, named: Named<'_>) {
    out.extend_from_slice(named.name.as_bytes());
    for (name, value) in named.filled() {
        let (name, underscores) = named.free(name, &["name"]);
        out.push(b';');
        out.extend_from_slice(name.as_bytes());
        out.extend(std::iter::repeat_n(b'_', underscores));
        out.push(b'=');
        for (at, &byte) in value.as_bytes().iter().enumerate() {
            percent(out, byte, at == 0);
        }
    }
}

fn percent(out: &mut Vec<u8>, byte: u8, first: bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if byte.is_ascii_alphanumeric() || b"_.-:/@+=,#!$".contains(&byte) || byte == b'~' && !first {
        out.push(byte);
    } else {
        out.extend_from_slice(&[
            b'%',
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ]);
    }
}
