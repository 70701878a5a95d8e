//! What goes to a target: the payloads that a protocol makes of a snapshot, and what becomes of them.

use crate::{Encoder, Snapshot};
use std::fmt;
use std::sync::Arc;

/// One message to a target: the body of a request, or lines.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Payload {
    /// What is sent.
    pub body: Vec<u8>,
    /// HTTP headers that belong to the body: `Content-Type`, `Content-Encoding`. Kept in the spool with it, so they must
    /// not hold secrets: those belong to the [`Target`](super::Target).
    pub headers: Vec<(String, String)>,
    /// Added to the query of an HTTP target's URL: `timestamp=1700000000000`. Empty for none.
    pub query: String,
}

/// Which payload: that of a snapshot's generation, and there the first, second, …
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The generation of the snapshot.
    pub generation: u64,
    /// Its place among the payloads of that snapshot, from zero.
    pub index: usize,
}

/// What a target answered to a payload.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Answer<'a> {
    /// The status of an HTTP response; 200 from a target that has no such thing, and took everything.
    pub status: u16,
    /// The names and values of its headers, as far as they are text.
    pub headers: &'a [(String, String)],
    /// Its body, or what there was of it.
    pub body: &'a [u8],
}

impl<'a> Answer<'a> {
    /// Whether the target says that it took the payload.
    pub fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// The value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let headers = self.headers;
        let found = headers.iter().find(|header| header.0.eq_ignore_ascii_case(name));
        found.map(|header| header.1.as_str())
    }
}

/// What an [`Answer`] means. See [`Protocol::answered`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The target has the payload.
    Taken,
    /// The target has the payload but for some points of it, which it will not take
    /// (`tachometer_push_rejected_points_total`).
    Partly {
        /// How many points it rejected. Zero if it only has something to say.
        rejected: u64,
        /// Why, in the target's words.
        message: String,
    },
    /// This is to be sent in the payload's place, once: to a server that knows an older version of the format only.
    Instead(Payload),
    /// The target will never take it.
    Refused,
}

/// Makes payloads of snapshots. Implemented for a format by whoever knows it; any [`Encoder`] is one through [`Page`].
///
/// All calls come from the pusher's thread. One that blocks makes all targets wait; one that panics is counted
/// (`tachometer_push_failures_total{reason="panic"}`), and loses what it was about to prepare.
///
/// ```
/// use std::sync::Arc;
/// use tachometer::push::{Part, Payload, Protocol};
///
/// /// What was counted since the last payload that arrived.
/// #[derive(Debug, Default)]
/// struct Deltas {
///     delivered: u64,
///     prepared: u64,
/// }
///
/// impl Protocol for Deltas {
///     fn prepare(&mut self, snapshot: &Arc<tachometer::Snapshot>, payloads: &mut Vec<Payload>) {
///         self.prepared = snapshot.counter("requests_total").unwrap_or(0);
///         let line = format!("requests:{}|c\n", self.prepared - self.delivered);
///         payloads.push(Payload::new(line.into_bytes(), "text/plain"));
///     }
///
///     fn waits(&self) -> bool {
///         true
///     }
///
///     fn acknowledged(&mut self, _part: Part, _answer: &[u8]) {
///         self.delivered = self.prepared;
///     }
/// }
/// # tachometer::Target::datagrams_with("127.0.0.1:8125", Deltas::default());
/// ```
pub trait Protocol: Send + fmt::Debug {
    /// Appends the payloads of `snapshot`, whose generation is later than that of the last call.
    fn prepare(&mut self, snapshot: &Arc<Snapshot>, payloads: &mut Vec<Payload>);

    /// Whether [`prepare`](Protocol::prepare) is called only when each payload of the last call was acknowledged or lost.
    ///
    /// For deltas: what one payload failed to bring is then in the next one, and nothing is lost however long a target
    /// is down. Without it payloads are prepared at each interval and wait in the spool, each with its own time.
    fn waits(&self) -> bool {
        false
    }

    /// The target has taken `part`, and said so with `answer`: the body of an HTTP response, or nothing.
    fn acknowledged(&mut self, _part: Part, _answer: &[u8]) {}

    /// An HTTP target answered `part` with `status` and so will not take it as it is. What is returned is sent in its
    /// place, once: for a server that knows an older version of the format only.
    fn refused(&mut self, _part: Part, _status: u16) -> Option<Payload> {
        None
    }

    /// What an answer to `payload` means: one with a status of 2xx, 3xx, or 4xx but 429. `part` is `None` if an earlier
    /// process prepared it, and left it in the spool's file.
    ///
    /// Unless implemented, the status decides, and [`acknowledged`](Protocol::acknowledged) or
    /// [`refused`](Protocol::refused) is called: for formats whose receivers say more than that.
    fn answered(&mut self, part: Option<Part>, _payload: &Payload, answer: &Answer<'_>) -> Verdict {
        match part {
            Some(part) if answer.is_success() => self.acknowledged(part, answer.body),
            Some(part) => {
                return self
                    .refused(part, answer.status)
                    .map_or(Verdict::Refused, Verdict::Instead);
            }
            None if answer.is_success() => {}
            None => return Verdict::Refused,
        }
        Verdict::Taken
    }

    /// Appends what is to be sent after the payloads of the `last` snapshot, when the pusher stops: the end of all
    /// series, for formats that can say it. Called once, after the last [`prepare`](Protocol::prepare).
    fn finish(&mut self, _last: &Arc<Snapshot>, _payloads: &mut Vec<Payload>) {}

    /// `part` was given up and is not sent any more. A part of it may have arrived, or all of it without a word.
    fn lost(&mut self, _part: Part) {}
}

impl Payload {
    /// `body`, with a `Content-Type`.
    pub fn new(body: Vec<u8>, content_type: &str) -> Payload {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Payload { body, headers, query: String::new() }
    }
}

/// Without the body, which may be megabytes.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload")
            .field("bytes", &self.body.len())
            .field("headers", &self.headers)
            .field("query", &self.query)
            .finish()
    }
}

/// The whole page of an [`Encoder`] as one payload.
///
/// ```
/// use tachometer::TextEncoder;
/// use tachometer::push::{Page, Protocol};
/// let registry = tachometer::Registry::new();
/// registry.counter("requests_total", "Requests.")?.add(3);
/// let engine = tachometer::Engine::builder().registry(&registry).own_metrics(false).start()?;
///
/// let mut payloads = Vec::new();
/// Page::new(TextEncoder::new()).prepare(&engine.refresh(), &mut payloads);
/// assert!(payloads[0].body.ends_with(b"requests_total 3\n"));
/// assert_eq!(payloads[0].headers[0].1, TextEncoder::CONTENT_TYPE);
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Debug)]
pub struct Page<E> {
    encoder: E,
    /// The name of a query parameter that gets the snapshot's time, in milliseconds.
    time: Option<&'static str>,
    /// Bytes of the last page.
    last: usize,
}

impl<E: Encoder> Page<E> {
    /// Pages of `encoder`.
    pub fn new(encoder: E) -> Page<E> {
        Page { encoder, time: None, last: 0 }
    }

    /// Says when the snapshot was made in a query parameter: Unix time in milliseconds. For formats that have no time in
    /// the page, to servers that take it so: a page that waited then counts for when it was made.
    pub fn time_in_query(mut self, parameter: &'static str) -> Page<E> {
        self.time = Some(parameter);
        self
    }
}

impl<E: Encoder> Protocol for Page<E> {
    fn prepare(&mut self, snapshot: &Arc<Snapshot>, payloads: &mut Vec<Payload>) {
        let mut body = Vec::with_capacity(self.last + self.last / 8);
        self.encoder.encode(snapshot, &mut body);
        self.last = body.len();
        // A page without a line says nothing.
        if body.is_empty() {
            return;
        }
        let mut payload = Payload::new(body, self.encoder.content_type());
        if let Some(parameter) = self.time {
            payload.query = format!("{parameter}={}", snapshot.unix_time().as_millis());
        }
        payloads.push(payload);
    }
}
