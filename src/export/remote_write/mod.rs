//! Prometheus remote write, 1.0 and 2.0: the bodies of requests, and what answers to them mean. No network.
//!
//! The way of the data: a [`plan`] says, for a layout, which series there are and what is rendered once; a [`request`] is
//! filled from it and a snapshot, and handed on when it is full; the encoder compresses it. The plan of the last request is
//! also what tells which series are gone, and a [`ledger`] which exemplars were sent.

mod ledger;
#[cfg(feature = "push")]
pub(crate) mod older;
mod plan;
mod request;
mod symbols;
mod version;

pub use version::{RemoteWriteAnswer, RemoteWriteVersion};

use crate::Snapshot;
use crate::limits::{
    DEFAULT_REMOTE_WRITE_BYTES, DEFAULT_REMOTE_WRITE_SERIES, MAX_REMOTE_WRITE_BYTES,
};
use ledger::Ledger;
use plan::{Ended, Form, Plan};
use request::{Frame, Request};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How often 1.0 repeats what it says about families; 2.0 says it with each series.
const METADATA_INTERVAL: Duration = Duration::from_secs(60);

/// How far behind the last request's a snapshot's time may be and still be moved after it: clocks are set by little steps.
const SMALL_STEP_MS: u64 = 1_000;

/// Encodes snapshots as bodies of remote write requests, compressed with snappy. Keep one for each receiver: it remembers
/// what the last request had.
///
/// - Histograms are sent as native ones; [classic](RemoteWriteEncoder::classic_histograms) series for receivers without them.
/// - A series that is gone is ended by one staleness marker; [`end`](RemoteWriteEncoder::end) ends all of them.
/// - An exemplar is sent once, with `trace_id` and `span_id`, at the time of the snapshot that had it first; of several of one
///   series each some milliseconds later than the one before, since a receiver takes one for each time. After
///   [`lost`](RemoteWriteEncoder::lost) it is sent again.
/// - A snapshot whose series are too many for a request is split into several.
/// - A label with an empty value is none, as Prometheus has it; of two series that this makes the same the first is sent.
/// - Encoding one snapshot twice gives the same requests twice, markers included.
///
/// Sending is the host's: POST each body with [the headers](RemoteWriteVersion::headers) of the encoder's version, and look
/// up the answer in [`RemoteWriteVersion::answer`].
///
/// Cost: about 30 ns a counter and 1 to 2 µs for a histogram of some hundred buckets, much less for one that did not change
/// since the last time, and as much again for compression; memory for a request, for the compressed bodies of one snapshot, and
/// [`MAX_KEPT_BYTES`](crate::limits::MAX_KEPT_BYTES) at most for histograms that do not change. Allocates when series come or
/// go.
///
/// ```
/// use tachometer::{Engine, Registry, RemoteWriteEncoder, RemoteWriteVersion};
/// let registry = Registry::new();
/// registry.counter("requests_total", "Requests.")?.add(3);
/// let engine = Engine::builder().registry(&registry).start()?;
/// let mut encoder = RemoteWriteEncoder::new(RemoteWriteVersion::V2);
/// let headers = encoder.version().headers();
/// for body in encoder.encode(&engine.refresh()) {
///     assert!(!body.is_empty()); // POST it, with `headers`
/// }
/// # Ok::<(), tachometer::Error>(())
/// ```
pub struct RemoteWriteEncoder {
    messages: Messages,
    snappy: snap::raw::Encoder,
    bodies: Bodies,
}

/// What encodes, before compression.
#[derive(Debug)]
struct Messages {
    form: Form,
    limits: Limits,
    plan: Plan,
    ledger: Ledger,
    last: Option<Sent>,
    /// When families were last described.
    described: Option<Duration>,
    /// Series whose ends are to be said again.
    owed: Vec<Ended>,
    request: Request,
}

/// What requests say once. See [`RemoteWriteEncoder::said_once`].
#[cfg(feature = "push")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SaidOnce {
    ended: Vec<Ended>,
    described: bool,
}

#[cfg(feature = "push")]
impl SaidOnce {
    pub(crate) fn is_empty(&self) -> bool {
        self.ended.is_empty() && !self.described
    }
}

/// What was sent last: layout and generation of the snapshot, the time that went with it, and whether families were described.
#[derive(Clone, Copy, Debug)]
struct Sent {
    snapshot: (u64, u64),
    time: u64,
    described: bool,
}

/// What a request may hold.
#[derive(Clone, Copy, Debug)]
struct Limits {
    series: usize,
    bytes: usize,
}

/// Compressed bodies, one after the other.
#[derive(Debug, Default)]
struct Bodies {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl RemoteWriteEncoder {
    /// An encoder that has sent nothing yet.
    pub fn new(version: RemoteWriteVersion) -> Self {
        let limits =
            Limits { series: DEFAULT_REMOTE_WRITE_SERIES, bytes: DEFAULT_REMOTE_WRITE_BYTES };
        RemoteWriteEncoder {
            messages: Messages {
                form: Form { version, classic: false },
                limits,
                plan: Plan::default(),
                ledger: Ledger::default(),
                last: None,
                described: None,
                owed: Vec::new(),
                request: Request::default(),
            },
            snappy: snap::raw::Encoder::new(),
            bodies: Bodies::default(),
        }
    }

    /// Sends histograms as classic ones, or not: `_bucket` series by `le`, `_sum` and `_count`. For receivers that know no
    /// native histograms, as VictoriaMetrics, which drops them without a word.
    pub fn classic_histograms(mut self, classic: bool) -> Self {
        self.messages.form.classic = classic;
        self
    }

    /// The most series in a request, in place of [`DEFAULT_REMOTE_WRITE_SERIES`]. A classic histogram stays in one request,
    /// whatever its buckets.
    pub fn max_series(mut self, series: usize) -> Self {
        self.messages.limits.series = series.max(1);
        self
    }

    /// The most bytes in a request before compression, in place of [`DEFAULT_REMOTE_WRITE_BYTES`]; at most
    /// [`MAX_REMOTE_WRITE_BYTES`]. A series that alone has more is sent alone.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.messages.limits.bytes = bytes.min(MAX_REMOTE_WRITE_BYTES);
        self
    }

    /// The version that it encodes.
    pub fn version(&self) -> RemoteWriteVersion {
        self.messages.form.version
    }

    /// Goes on in another version, after [`RemoteWriteAnswer::FallBack`]. It still knows what the last request had.
    pub fn set_version(&mut self, version: RemoteWriteVersion) {
        self.messages.form.version = version;
    }

    /// To be called when a request for the snapshot of `generation` was given up: what it may have said of exemplars is said
    /// again with the next snapshot. A receiver drops those that it has.
    pub fn lost(&mut self, generation: u64) {
        self.messages.ledger.lose(generation);
    }

    /// The bodies of the requests that say what `snapshot` has.
    pub fn encode(&mut self, snapshot: &Snapshot) -> RemoteWriteRequests<'_> {
        self.messages.prepare(snapshot);
        self.compressed(snapshot)
    }

    /// As [`encode`](RemoteWriteEncoder::encode), without compression: hands each message to `send`, and keeps none of them.
    pub fn encode_messages(&mut self, snapshot: &Snapshot, mut send: impl FnMut(&[u8])) {
        self.messages.prepare(snapshot);
        self.messages.write(snapshot, &mut send);
    }

    /// The bodies of the requests that end all series that were sent, at `unix_time` (since 1970-01-01 UTC): the last of a
    /// process that stops. The encoder then begins anew.
    pub fn end(&mut self, unix_time: Duration) -> RemoteWriteRequests<'_> {
        self.messages.prepare_end(unix_time);
        // Nothing of it is looked at: no series has a value.
        let none = Snapshot::none(crate::Moment { unix: unix_time, elapsed: Duration::ZERO });
        self.compressed(&none);
        self.messages.plan = Plan::default();
        self.messages.ledger = Ledger::default();
        self.bodies.iter()
    }

    /// What the requests for the last snapshot say and later ones do not: the ends of series, and with 1.0 what families
    /// are.
    #[cfg(feature = "push")]
    pub(crate) fn said_once(&self) -> SaidOnce {
        let described = self.messages.last.is_some_and(|last| last.described);
        let described = described && self.version() == RemoteWriteVersion::V1;
        SaidOnce { ended: self.messages.plan.ended(), described }
    }

    /// Says again, with the next snapshot, what was in requests that were given up. Of more series than
    /// [`MAX_REMOTE_WRITE_MARKERS`](crate::limits::MAX_REMOTE_WRITE_MARKERS) the ends of the first are left unsaid.
    #[cfg(feature = "push")]
    pub(crate) fn say_again(&mut self, said: SaidOnce) {
        if said.described {
            self.messages.described = None;
        }
        let owed = &mut self.messages.owed;
        owed.extend(said.ended);
        owed.drain(..owed.len().saturating_sub(crate::limits::MAX_REMOTE_WRITE_MARKERS));
    }

    fn compressed(&mut self, snapshot: &Snapshot) -> RemoteWriteRequests<'_> {
        let RemoteWriteEncoder { messages, snappy, bodies } = self;
        bodies.bytes.clear();
        bodies.ends.clear();
        messages.write(snapshot, &mut |message| bodies.push(snappy, message));
        self.bodies.iter()
    }
}

impl Messages {
    /// Makes the plan fit `snapshot`.
    fn prepare(&mut self, snapshot: &Snapshot) {
        let this = (snapshot.layout.id, snapshot.generation);
        if self.last.is_none_or(|last| last.snapshot != this) {
            self.plan.proceed();
            self.plan.owe(std::mem::take(&mut self.owed));
            if self.last.is_none_or(|last| last.snapshot.0 != this.0) {
                self.request.begin_layout(&snapshot.layout);
            }
            self.ledger.proceed(snapshot);
            let now = snapshot.unix_time();
            let due = self.described.is_none_or(|at| at + METADATA_INTERVAL <= now);
            let described = due || !self.plan.has_families_of(&snapshot.layout);
            if described {
                self.described = Some(now);
            }
            self.last = Some(Sent { snapshot: this, time: self.time(now), described });
        }
        if !self.plan.fits(&snapshot.layout, self.form) {
            self.plan = Plan::of(&snapshot.layout, self.form, &self.plan);
        }
    }

    /// Makes the plan that of the end of all that was sent.
    fn prepare_end(&mut self, unix_time: Duration) {
        self.plan.proceed();
        self.plan.owe(std::mem::take(&mut self.owed));
        self.plan = Plan::of(&Arc::default(), self.form, &self.plan);
        self.described = None;
        // No snapshot of an engine is of this layout.
        let time = self.time(unix_time);
        self.last = Some(Sent { snapshot: (0, 0), time, described: false });
    }

    /// A time in ms that is not the last request's: a receiver takes one value for each time.
    fn time(&self, unix_time: Duration) -> u64 {
        let time = unix_time.as_millis() as u64;
        match self.last {
            Some(last) if time <= last.time && last.time - time < SMALL_STEP_MS => last.time + 1,
            _ => time,
        }
    }

    fn write(&mut self, snapshot: &Snapshot, send: &mut dyn FnMut(&[u8])) {
        let Some(Sent { time, described, .. }) = self.last else { return };
        let Messages { form, limits, plan, ledger, request, .. } = self;
        let frame = Frame { plan, ledger, form: *form, time };
        request.begin(plan);
        for item in &plan.items {
            request.item(frame, item, snapshot, *limits, send);
        }
        if described && form.version == RemoteWriteVersion::V1 {
            for &family in &plan.families {
                request.metadata(frame, family, *limits, send);
            }
        }
        request.finish(frame, send);
    }
}

impl Bodies {
    fn push(&mut self, snappy: &mut snap::raw::Encoder, message: &[u8]) {
        let from = self.bytes.len();
        self.bytes.resize(from + snap::raw::max_compress_len(message.len()), 0);
        let len = snappy
            .compress(message, &mut self.bytes[from..])
            .expect("a request is far shorter than 4 GiB, and has the room that it may need");
        self.bytes.truncate(from + len);
        self.ends.push(from + len);
    }

    fn iter(&self) -> RemoteWriteRequests<'_> {
        RemoteWriteRequests { bytes: &self.bytes, from: 0, ends: self.ends.iter() }
    }
}

impl fmt::Debug for RemoteWriteEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteWriteEncoder")
            .field("form", &self.messages.form)
            .field("limits", &self.messages.limits)
            .field("last", &self.messages.last)
            .finish_non_exhaustive()
    }
}

/// The compressed bodies of the requests for one snapshot. See [`RemoteWriteEncoder::encode`].
#[derive(Clone, Debug)]
pub struct RemoteWriteRequests<'a> {
    bytes: &'a [u8],
    from: usize,
    ends: std::slice::Iter<'a, usize>,
}

impl<'a> Iterator for RemoteWriteRequests<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let &end = self.ends.next()?;
        Some(&self.bytes[std::mem::replace(&mut self.from, end)..end])
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ends.size_hint()
    }
}

impl ExactSizeIterator for RemoteWriteRequests<'_> {}

#[cfg(all(test, feature = "push"))]
mod tests {
    use super::*;
    use crate::export::fields::Fields;
    use crate::limits::MAX_REMOTE_WRITE_MARKERS;

    #[test]
    fn ends_that_are_to_be_said_again_are_bounded_and_said_once() {
        let ended = |at: usize| Ended {
            labels: vec![
                ("__name__".to_owned(), "n".to_owned()),
                ("at".to_owned(), at.to_string()),
            ],
            native: at.is_multiple_of(2),
        };
        let mut encoder = RemoteWriteEncoder::new(RemoteWriteVersion::V1);
        let all: Vec<Ended> = (0..MAX_REMOTE_WRITE_MARKERS + 5).map(ended).collect();
        encoder.say_again(SaidOnce { ended: all[..100].to_vec(), described: false });
        encoder.say_again(SaidOnce { ended: all[100..].to_vec(), described: false });
        assert!(encoder.messages.owed == all[5..], "those that ended first are forgotten");
        // What is there twice is said once.
        encoder.messages.owed.push(all[7].clone());
        let mut snapshot =
            Snapshot::none(crate::Moment { unix: Duration::from_secs(9), elapsed: Duration::ZERO });
        let mut series = |snapshot: &Snapshot| {
            let mut series = 0;
            encoder.encode_messages(snapshot, |message| {
                series += Fields::of(message).filter(|field| field.bytes(1).is_some()).count();
            });
            series
        };
        assert_eq!(series(&snapshot), MAX_REMOTE_WRITE_MARKERS);
        assert_eq!(series(&snapshot), MAX_REMOTE_WRITE_MARKERS, "the same snapshot says the same");
        snapshot.generation += 1;
        assert_eq!(series(&snapshot), 0);
    }
}
