//! StatsD (<https://github.com/statsd/statsd/blob/master/docs/metric_types.md>) and its dialect DogStatsD
//! (<https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/>).
//!
//! StatsD adds up what it is sent, so counters and histograms go as what came since the last snapshot that was really sent.
//! Which one that was only the sender knows: see [`StatsdEncoder::acknowledge`].

mod bins;
mod datagrams;

pub use datagrams::Datagrams;
#[cfg(feature = "push")]
pub(crate) use datagrams::end_of_lines;

use super::cells::Difference;
use super::rows::{Named, Row, Rows, rejected};
use super::{Encoder, Sink, digits};
use crate::Error;
use crate::limits::{MIN_STATSD_DATAGRAM_BYTES, STATSD_DATAGRAM_BYTES};
use crate::registry::Kind;
use crate::registry::layout::Identity;
use crate::snapshot::{HistogramSnapshot, Snapshot};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// Writes what was recorded since the last acknowledged snapshot as StatsD lines. Keep one for each receiver: it remembers
/// what it rendered, and a page costs no allocation once warm (`tests/encoding_allocations.rs`).
///
/// | metric | lines |
/// |---|---|
/// | counter | `name:3\|c`, what it rose by; nothing if it did not |
/// | up-down counter, gauge | `name:-17\|g`; nothing if it is not finite. Plain StatsD takes a sign for a change, so a negative value is preceded by `name:0\|g`, in the same datagram |
/// | histogram | `name:0.0125\|h\|@0.01`, one line for each bucket that rose: the bucket's middle in the exported unit, and one over the count as the sample rate. Plain StatsD: `\|ms`, in milliseconds if it counts nanoseconds |
///
/// Of a histogram the receiver gets every count exactly, and each value within its bucket (0.8 % at two figures). A delta
/// that has more than [`MAX_STATSD_LINES`](crate::limits::MAX_STATSD_LINES) buckets is sent in coarser ones, each with the
/// mean of what it joins: with values spread over three decades the error stays below 5 %.
///
/// Labels become tags, `|#path:/a,peer:n1`. What would end a tag (comma, `|`, control characters) becomes `_`, a `:` in a name
/// `.`. Plain StatsD has no tags: labels go behind the name, `name.path._a.peer.n1`, with everything but ASCII letters,
/// digits, `-` and `_` as `_`. Labels with an empty value are left out. Series that this would make one are kept apart by a
/// tag `collision`, and one that is too long for a datagram goes by that tag alone.
///
/// ```
/// use std::time::Duration;
/// use tachometer::{Encoder, Engine, ManualClock, Registry, StatsdEncoder};
/// let registry = Registry::new();
/// let requests = registry.metric("requests_total", "Requests.").label("path", "/a").counter()?;
/// let engine = Engine::builder().registry(&registry).manual(&ManualClock::at(Duration::ZERO)).start()?;
/// let mut encoder = StatsdEncoder::new();
/// requests.add(3);
/// let now = engine.refresh();
/// let page = encoder.to_vec(&now);
/// assert_eq!(page, b"requests_total:3|c|#path:/a\n");
/// for datagram in encoder.datagrams(&page) {
///     // socket.send(datagram)?;
/// }
/// encoder.acknowledge(&now); // only now it counts as sent
/// requests.add(2);
/// assert_eq!(encoder.to_vec(&engine.refresh()), b"requests_total:2|c|#path:/a\n");
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Debug)]
pub struct StatsdEncoder {
    plain: bool,
    /// The type of histograms.
    histogram: &'static str,
    datagram_bytes: usize,
    rows: Rows,
    /// The last snapshot that was sent.
    sent: Option<Arc<Snapshot>>,
    before: Before,
    difference: Difference,
}

/// Where each series of one layout was in another.
#[derive(Debug, Default)]
struct Before {
    /// The two layouts.
    layouts: (u64, u64),
    /// For each row, its place among the values of the earlier snapshot.
    at: Vec<Option<usize>>,
}

impl Default for StatsdEncoder {
    fn default() -> Self {
        StatsdEncoder::new()
    }
}

impl StatsdEncoder {
    /// The `Content-Type` of the format.
    pub const CONTENT_TYPE: &'static str = "text/plain; charset=utf-8";

    /// An encoder for DogStatsD, whose first delta has everything since the series began.
    pub fn new() -> Self {
        StatsdEncoder {
            plain: false,
            histogram: "h",
            datagram_bytes: STATSD_DATAGRAM_BYTES,
            rows: Rows::default(),
            sent: None,
            before: Before::default(),
            difference: Difference::default(),
        }
    }

    /// An encoder for plain StatsD, without tags.
    pub fn plain() -> Self {
        StatsdEncoder { plain: true, histogram: "ms", ..StatsdEncoder::new() }
    }

    /// Sends histograms as DogStatsD's distributions (`|d`), which are aggregated over all hosts. Plain StatsD has none.
    pub fn distributions(mut self) -> Self {
        if !self.plain {
            self.histogram = "d";
        }
        self
    }

    /// How long a datagram may be; [`STATSD_DATAGRAM_BYTES`] by default.
    ///
    /// # Errors
    /// It is less than [`MIN_STATSD_DATAGRAM_BYTES`].
    pub fn datagram_bytes(mut self, bytes: usize) -> Result<Self, Error> {
        if bytes < MIN_STATSD_DATAGRAM_BYTES {
            return Err(Error::InvalidSetting {
                setting: "datagram_bytes",
                reason: format!(
                    "{bytes} is less than {MIN_STATSD_DATAGRAM_BYTES}, which a long line needs"
                ),
            });
        }
        self.datagram_bytes = bytes;
        self.rows = Rows::default();
        Ok(self)
    }

    /// Says that `snapshot` was sent: the next delta begins there. Without it the next delta has everything of this one
    /// again, so that a failed send loses nothing.
    pub fn acknowledge(&mut self, snapshot: &Arc<Snapshot>) {
        self.sent = Some(Arc::clone(snapshot));
    }

    /// What this encoder wrote, in datagrams. No line is split.
    pub fn datagrams<'a>(&self, page: &'a [u8]) -> Datagrams<'a> {
        Datagrams::new(page, self.datagram_bytes)
    }

    fn fit(&mut self, snapshot: &Snapshot) {
        // A name, and what stands behind it but the tags: value, type and rate.
        const ROOM: usize = 96;
        let identity = if self.plain { dotted } else { tagged };
        self.rows.fit(&snapshot.layout, self.datagram_bytes - ROOM, identity);
        let Some(sent) = &self.sent else { return };
        let layouts = (snapshot.layout.id, sent.layout.id);
        if self.before.layouts == layouts {
            return;
        }
        let sent: HashMap<Identity, usize> =
            sent.layout.series().map(|(_, series)| (series.identity(), series.value)).collect();
        let now = snapshot.layout.series();
        let at = now.map(|(_, series)| sent.get(&series.identity()).copied()).collect();
        self.before = Before { layouts, at };
    }

    /// Writes the lines of series number `index`.
    fn series(
        &self,
        snapshot: &Snapshot,
        index: usize,
        row: &Row,
        difference: &mut Difference,
        line: &mut Line<'_>,
    ) {
        let before = self.sent.as_ref().and_then(|sent| Some((sent, self.before.at[index]?)));
        match row.kind {
            Kind::Histogram => {
                let now = &snapshot.histograms[row.at];
                let then = before.map(|(sent, at)| &sent.histograms[at]);
                if then.is_some_and(|then| Arc::ptr_eq(now, then)) {
                    return;
                }
                // Where counts fell, the series began anew, and counts as a whole.
                match then.filter(|then| difference.fill(now, then)) {
                    Some(_) => self.histogram(now, difference.octaves(), line),
                    None => self.histogram(now, now.octaves(), line),
                }
            }
            Kind::Counter => {
                let now = snapshot.scalars[row.at];
                let then = before.map_or(0, |(sent, at)| sent.scalars[at]);
                // One that fell began anew.
                let rose = now.checked_sub(then).unwrap_or(now);
                if rose > 0 {
                    line.write("c", |out| digits::decimal(out, rose.into(), row.unit.divisor()));
                }
            }
            _ => self.gauge(snapshot.scalars[row.at], row, line),
        }
    }

    fn gauge(&self, bits: u64, row: &Row, line: &mut Line<'_>) {
        let from = line.out.len();
        line.begin();
        let value = line.out.len();
        if !digits::scalar(line.out, bits, row.kind, row.unit) {
            line.out.truncate(from);
            return;
        }
        let is_negative = line.out[value..].starts_with(b"-");
        if self.plain && is_negative {
            line.out.truncate(from);
            line.write("g", |out| out.push(b'0'));
            line.begin();
            digits::scalar(line.out, bits, row.kind, row.unit);
        }
        line.end("g", 1);
    }

    /// The lines of what is in `octaves`, which came to be in `now`.
    fn histogram<'a>(
        &self,
        now: &HistogramSnapshot,
        octaves: impl Iterator<Item = (usize, &'a [u64])> + Clone,
        line: &mut Line<'_>,
    ) {
        let Some(extremes) = now.min().zip(now.max()) else { return };
        // Plain timers are in milliseconds.
        let divisor = now.unit().divisor();
        let divisor = if self.plain { divisor.min(1_000_000) } else { divisor };
        bins::each(now.precision(), octaves, extremes, |value, count| {
            line.begin();
            digits::decimal(line.out, value.into(), divisor);
            line.end(self.histogram, count);
        });
    }
}

impl Encoder for StatsdEncoder {
    fn content_type(&self) -> &str {
        Self::CONTENT_TYPE
    }

    fn encode_into(&mut self, snapshot: &Snapshot, sink: &mut Sink<'_>) -> io::Result<()> {
        self.fit(snapshot);
        // Borrowed for a while: the rest is only read.
        let mut difference = std::mem::take(&mut self.difference);
        for (index, (identity, row)) in self.rows.iter().enumerate() {
            let name = match self.plain {
                true => identity.len(),
                false => snapshot.layout.families[row.family].definition.name.len(),
            };
            let mut line = Line { out: sink.buffer, identity: identity.split_at(name) };
            self.series(snapshot, index, row, &mut difference, &mut line);
            sink.pause()?;
        }
        self.difference = difference;
        let sent = self.sent.as_ref().map_or(&[][..], |sent| &sent.rejected);
        rejected(&snapshot.rejected, |named, index, count| {
            let then = sent.get(index).filter(|then| then.0 == snapshot.rejected[index].0);
            let rose = count.saturating_sub(then.map_or(0, |then| then.1));
            if rose > 0 {
                let mut identity = Vec::new();
                (if self.plain { dotted } else { tagged })(&mut identity, named);
                let name = if self.plain { identity.len() } else { named.name.len() };
                let mut line = Line { out: sink.buffer, identity: identity.split_at(name) };
                line.write("c", |out| digits::integer(out, rose));
            }
        });
        Ok(())
    }
}

/// Writes lines of one series.
struct Line<'a> {
    out: &'a mut Vec<u8>,
    /// Name, and tags.
    identity: (&'a [u8], &'a [u8]),
}

impl Line<'_> {
    fn write(&mut self, kind: &str, value: impl FnOnce(&mut Vec<u8>)) {
        self.begin();
        value(self.out);
        self.end(kind, 1);
    }

    /// What stands in front of a value.
    fn begin(&mut self) {
        self.out.extend_from_slice(self.identity.0);
        self.out.push(b':');
    }

    /// What follows a value that counts as `count`.
    fn end(&mut self, kind: &str, count: u64) {
        self.out.push(b'|');
        self.out.extend_from_slice(kind.as_bytes());
        if count > 1 {
            self.out.extend_from_slice(b"|@");
            bins::rate(self.out, count);
        }
        self.out.extend_from_slice(self.identity.1);
        self.out.push(b'\n');
    }
}

/// `name|#label:value,label:value`
fn tagged(out: &mut Vec<u8>, named: Named<'_>) {
    out.extend(named.name.bytes().map(|byte| if byte == b':' { b'.' } else { byte }));
    let mut separator = &b"|#"[..];
    for (name, value) in named.filled() {
        out.extend_from_slice(separator);
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        for c in value.chars() {
            match c {
                ',' | '|' => out.push(b'_'),
                c if c.is_control() => out.push(b'_'),
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        separator = b",";
    }
}

/// `name.label.value.label.value`
fn dotted(out: &mut Vec<u8>, named: Named<'_>) {
    let plain = |byte: u8| match byte {
        b'-' | b'_' => byte,
        byte if byte.is_ascii_alphanumeric() => byte,
        _ => b'_',
    };
    out.extend(named.name.bytes().map(plain));
    for text in named.filled().flat_map(|(name, value)| [name, value]) {
        out.push(b'.');
        // A character counts once, whatever its bytes.
        let starts = |byte: &u8| byte & 0xC0 != 0x80;
        out.extend(text.bytes().filter(starts).map(plain));
    }
}
