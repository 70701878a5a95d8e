//! From a snapshot to what other programs read.
//!
//! An encoder is pure: a snapshot in, bytes out. What is the same from one snapshot to the next (names, escaped labels,
//! bounds) it renders once for each [layout](crate::registry::layout) and keeps. [`Encoder`] is what all of them share, and
//! what a host implements for a format of its own.

mod cells;
pub(crate) mod csv;
mod digits;
mod exemplars;
pub(crate) mod exponential;
#[cfg(feature = "push")]
pub(crate) mod fields;
mod floats;
pub(crate) mod graphite;
#[cfg(feature = "json")]
pub(crate) mod hdr_v2;
pub(crate) mod influx;
#[cfg(feature = "json")]
pub(crate) mod json;
mod kept;
mod native;
mod number;
pub(crate) mod openmetrics;
pub(crate) mod otlp;
mod plan;
pub(crate) mod protobuf;
mod quantiles;
#[cfg(feature = "remote-write")]
pub(crate) mod remote_write;
mod rows;
pub(crate) mod statsd;
pub(crate) mod text;
pub(crate) mod wire;

pub use csv::CsvEncoder;
pub use graphite::GraphiteEncoder;
pub use influx::InfluxEncoder;
#[cfg(feature = "json")]
pub use json::{JsonEncoder, JsonFamily, JsonSeries, JsonSnapshot, JsonValue};
pub use openmetrics::OpenMetricsEncoder;
pub use otlp::{OtlpEncoder, Temporality};
pub use protobuf::ProtobufEncoder;
pub use statsd::{Datagrams, StatsdEncoder};
pub use text::TextEncoder;

use crate::Snapshot;
use std::fmt;
use std::io;

/// The counter of what refused `static` handles recorded, on pages that have it: as it is called, and without the suffix that
/// OpenMetrics takes off.
pub(crate) const REJECTED: &str = "tachometer_rejected_records_total";
const REJECTED_FAMILY: &str = "tachometer_rejected_records";
const REJECTED_HELP: &str =
    "What static handles recorded that could not be registered as they stand.";

/// What writes snapshots in one format. Keep one for each format and reader: it remembers what it rendered.
///
/// An implementation writes to [`Sink::buffer`] and calls [`Sink::pause`] between series: with a reader at the other end the
/// buffer is handed on when it is full, so memory is bounded by the largest series, not by the page.
///
/// ```
/// use std::io::Write as _;
/// use tachometer::{Encoder, Sink, Snapshot};
///
/// /// `name value`, for scalars alone.
/// #[derive(Debug)]
/// struct Plain;
///
/// impl Encoder for Plain {
///     fn content_type(&self) -> &str {
///         "text/plain"
///     }
///
///     fn encode_into(&mut self, snapshot: &Snapshot, sink: &mut Sink<'_>) -> std::io::Result<()> {
///         for series in snapshot.series() {
///             if let tachometer::Value::Counter(count) = series.value {
///                 writeln!(sink.buffer, "{} {count}", series.definition.name)?;
///             }
///             sink.pause()?;
///         }
///         Ok(())
///     }
/// }
///
/// let registry = tachometer::Registry::new();
/// registry.counter("requests_total", "Requests.")?.add(3);
/// let engine = tachometer::Engine::builder().registry(&registry).own_metrics(false).start()?;
/// assert_eq!(Plain.to_vec(&engine.refresh()), b"requests_total 3\n");
/// # Ok::<(), tachometer::Error>(())
/// ```
pub trait Encoder: Send + fmt::Debug {
    /// The `Content-Type` of what it writes.
    fn content_type(&self) -> &str;

    /// Writes all of `snapshot`.
    ///
    /// # Errors
    /// Those of the sink alone.
    fn encode_into(&mut self, snapshot: &Snapshot, sink: &mut Sink<'_>) -> io::Result<()>;

    /// Writes `snapshot` at the end of `page`.
    fn encode(&mut self, snapshot: &Snapshot, page: &mut Vec<u8>) {
        let mut sink = Sink::memory(page);
        self.encode_into(snapshot, &mut sink).expect("memory takes whatever is written");
    }

    /// Writes `snapshot` to `writer`, piece by piece, through `buffer`.
    ///
    /// # Errors
    /// Those of the writer.
    fn write(
        &mut self,
        snapshot: &Snapshot,
        buffer: &mut Vec<u8>,
        writer: &mut dyn io::Write,
    ) -> io::Result<()> {
        buffer.clear();
        let mut sink = Sink { buffer, writer: Some(writer) };
        self.encode_into(snapshot, &mut sink)?;
        sink.hand_on()
    }

    /// `snapshot` in a buffer of its own.
    fn to_vec(&mut self, snapshot: &Snapshot) -> Vec<u8> {
        let mut page = Vec::new();
        self.encode(snapshot, &mut page);
        page
    }
}

/// Where an [`Encoder`] writes.
pub struct Sink<'a> {
    /// What was written and not handed on yet. Encoders append to it.
    pub buffer: &'a mut Vec<u8>,
    writer: Option<&'a mut dyn io::Write>,
}

impl<'a> Sink<'a> {
    /// Bytes from which on [`Sink::pause`] hands the buffer on.
    pub const FULL: usize = 64 << 10;

    /// A sink that keeps everything in `buffer`.
    pub fn memory(buffer: &'a mut Vec<u8>) -> Self {
        Sink { buffer, writer: None }
    }

    /// To be called between series: hands the buffer on if it is full, and somebody takes it.
    ///
    /// # Errors
    /// Those of the writer.
    #[inline]
    pub fn pause(&mut self) -> io::Result<()> {
        if self.buffer.len() < Self::FULL { Ok(()) } else { self.hand_on() }
    }

    #[cold]
    fn hand_on(&mut self) -> io::Result<()> {
        if let Some(writer) = &mut self.writer {
            writer.write_all(self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

impl fmt::Debug for Sink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("buffered", &self.buffer.len()).finish_non_exhaustive()
    }
}
