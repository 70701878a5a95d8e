//! OTLP over gRPC: one unary call on a connection of HTTP/2. Feature `grpc`.
//!
//! `h2` speaks HTTP/2. It needs no runtime, only somebody who polls: the pusher's thread, in each step of the attempt. What
//! it wakes is a flag (`Flag`): if that is up after a step there is more to do at once; if not, an event of the socket will
//! say when. So a call waits for nothing and nobody waits for it, as with every other target.
//!
//! What a server sends is bounded before it is kept: headers by [`MAX_PUSH_RESPONSE_HEAD_BYTES`], its message by
//! [`MAX_PUSH_RESPONSE_BYTES`], both windows by the same; `h2` itself ends connections that flood it with frames.

mod answer;
pub(crate) mod details;
mod io;

use super::attempt::Outcome;
use super::exchange::broken;
use super::http::response::Response;
use super::own::Failure;
use super::protocol::Payload;
use super::secret::Secret;
use super::stream::Stream;
use crate::limits::{MAX_PUSH_RESPONSE_BYTES, MAX_PUSH_RESPONSE_HEAD_BYTES};
use crate::url::Url;
use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use io::Io;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

/// The one method that is called.
const METHOD: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// Where the method is on the server at `url`.
///
/// # Errors
/// What is wrong with the URL.
pub(super) fn uri(url: &Url) -> Result<Uri, String> {
    if url.path != "/" || url.query.is_some() {
        return Err("gRPC has a path of its own: write it as http://host:port".to_owned());
    }
    let uri = format!("{}{METHOD}", url.origin());
    uri.parse().map_err(|error| format!("it cannot be the URL of an HTTP/2 request: {error}"))
}

/// Why a header cannot be sent as metadata, if it cannot.
pub(super) fn refuses(name: &str, value: &str) -> Option<&'static str> {
    const FIXED: [&str; 5] = ["te", "content-type", "keep-alive", "upgrade", "proxy-connection"];
    let name = name.to_ascii_lowercase();
    if FIXED.contains(&name.as_str()) || name.starts_with("grpc-") {
        Some("gRPC has its own of this name")
    } else if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        Some("gRPC's metadata are ASCII")
    } else {
        None
    }
}

/// All of a call but its payload.
pub(super) struct Order {
    uri: Uri,
    metadata: HeaderMap,
    compressed: bool,
    ends: Option<Instant>,
}

impl Order {
    /// A call that is to be over when the attempt `ends`.
    pub(super) fn new(
        uri: Uri,
        headers: &[(String, Secret)],
        payload: &Payload,
        ends: Option<Instant>,
    ) -> Order {
        let mut metadata = HeaderMap::new();
        for (name, value) in headers {
            // Both were checked.
            let name = HeaderName::from_bytes(name.as_bytes());
            let value = HeaderValue::from_bytes(value.reveal().as_bytes());
            if let (Ok(name), Ok(mut value)) = (name, value) {
                value.set_sensitive(true);
                metadata.append(name, value);
            }
        }
        let compressed = payload.headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("content-encoding") && value.eq_ignore_ascii_case("gzip")
        });
        Order { uri, metadata, compressed, ends }
    }

    /// The head of the call, if it is made now.
    fn request(&self) -> http::Request<()> {
        let mut request = http::Request::new(());
        *request.method_mut() = http::Method::POST;
        *request.version_mut() = http::Version::HTTP_2;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert("te", HeaderValue::from_static("trailers"));
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        let agent = concat!("tachometer/", env!("CARGO_PKG_VERSION"));
        headers.insert("user-agent", HeaderValue::from_static(agent));
        if self.compressed {
            headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
        }
        let left = self.ends.map(|ends| ends.saturating_duration_since(Instant::now()));
        // At most eight digits. Nothing would be no limit to some.
        let millis = left.map(|left| left.as_millis().clamp(1, 99_999_999));
        let timeout = millis.and_then(|millis| HeaderValue::try_from(format!("{millis}m")).ok());
        timeout.map(|timeout| headers.insert("grpc-timeout", timeout));
        for name in self.metadata.keys() {
            headers.remove(name);
        }
        headers.extend(self.metadata.clone());
        request
    }
}

/// A call that is under way.
pub(super) struct Call {
    future: Pin<Box<dyn Future<Output = Outcome> + Send>>,
    flag: Arc<Flag>,
    waker: Waker,
}

/// Whether the call was woken.
#[derive(Debug, Default)]
struct Flag(AtomicBool);

// Set and read on the pusher's thread alone, so nothing hangs on the ordering.
impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Call {
    /// A call over a connection that has just been opened.
    pub(super) fn new(stream: Stream, order: &Order, payload: Arc<Payload>) -> Call {
        let flag = Arc::<Flag>::default();
        let waker = Waker::from(flag.clone());
        let request = order.request();
        Call { future: Box::pin(call(stream, request, order.compressed, payload)), flag, waker }
    }

    /// Goes as far as it can without waiting.
    pub(super) fn step(&mut self) -> Option<Outcome> {
        self.flag.0.store(false, Ordering::Relaxed);
        match self.future.as_mut().poll(&mut Context::from_waker(&self.waker)) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        }
    }

    /// Whether it is to be stepped again although no event will come.
    pub(super) fn goes_on(&self) -> bool {
        self.flag.0.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("flag", &self.flag).finish_non_exhaustive()
    }
}

async fn call(
    stream: Stream,
    request: http::Request<()>,
    compressed: bool,
    payload: Arc<Payload>,
) -> Outcome {
    if !stream.takes_http2() {
        let why = "it does not speak HTTP/2, as gRPC needs, in this TLS session (ALPN)";
        return Outcome::Failed(Failure::Tls, why.to_owned());
    }
    let called = connect_and_ask(stream, request, compressed, payload).await;
    called.unwrap_or_else(|error| failed(&error))
}

async fn connect_and_ask(
    stream: Stream,
    request: http::Request<()>,
    compressed: bool,
    payload: Arc<Payload>,
) -> Result<Outcome, h2::Error> {
    const WINDOW: u32 = MAX_PUSH_RESPONSE_BYTES as u32;
    let mut builder = Builder::new();
    builder.enable_push(false).max_header_list_size(MAX_PUSH_RESPONSE_HEAD_BYTES as u32);
    builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW);
    let (sender, mut connection) = builder.handshake(Io(stream)).await?;
    let mut asking = pin!(ask(sender, request, compressed, payload));
    poll_fn(|cx| {
        // Before, to have something to send; and after, to see what came.
        if let Poll::Ready(answered) = asking.as_mut().poll(cx) {
            return Poll::Ready(answered);
        }
        let connected = Pin::new(&mut connection).poll(cx);
        match (asking.as_mut().poll(cx), connected) {
            // The call knows only that it was broken off; the connection knows why.
            (Poll::Pending | Poll::Ready(Err(_)), Poll::Ready(Err(why))) => Poll::Ready(Err(why)),
            (Poll::Ready(answered), Poll::Pending) => {
                // To say good-bye, if that goes at once.
                let _ = Pin::new(&mut connection).poll(cx);
                Poll::Ready(answered)
            }
            (Poll::Ready(answered), Poll::Ready(_)) => Poll::Ready(answered),
            (Poll::Pending, Poll::Pending) => Poll::Pending,
            (Poll::Pending, Poll::Ready(Ok(()))) => {
                let why = "it closed the connection without an answer".to_owned();
                Poll::Ready(Ok(Outcome::Failed(Failure::Closed, why)))
            }
        }
    })
    .await
}

/// A payload, as what `h2` sends: without copying it.
struct Body(Arc<Payload>);

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.0.body
    }
}

async fn ask(
    sender: SendRequest<Bytes>,
    request: http::Request<()>,
    compressed: bool,
    payload: Arc<Payload>,
) -> Result<Outcome, h2::Error> {
    let malformed = |why: String| Ok(Outcome::Failed(Failure::Malformed, why));
    let mut sender = sender.ready().await?;
    let (answer, mut stream) = sender.send_request(request, false)?;
    // A spool holds no payload of 4 GiB.
    let len = u32::try_from(payload.body.len()).unwrap_or(u32::MAX);
    stream.send_data(Bytes::copy_from_slice(&details::prefix(compressed, len)), false)?;
    stream.send_data(Bytes::from_owner(Body(payload)), true)?;

    let (head, mut body) = answer.await?.into_parts();
    if let Some(outcome) = answer::outcome(&head.headers, &[]) {
        return Ok(outcome);
    }
    let status = head.status.as_u16();
    if !head.status.is_success() {
        // Not from a server that speaks gRPC, but from one before it.
        let headers = head.headers.iter().filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        });
        let headers = headers.collect();
        return Ok(Outcome::Answered(Response { status, headers, body: Vec::new() }));
    }
    let kind = head.headers.get("content-type").map_or(&[][..], HeaderValue::as_bytes);
    if status != 200 || !kind.starts_with(b"application/grpc") {
        return malformed(format!("its answer ({status}) is not gRPC"));
    }
    let mut message = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        if message.len() + piece.len() > MAX_PUSH_RESPONSE_BYTES {
            return malformed(format!("its answer is longer than {MAX_PUSH_RESPONSE_BYTES} bytes"));
        }
        message.extend_from_slice(&piece);
    }
    let trailers = body.trailers().await?.unwrap_or_default();
    match answer::outcome(&trailers, &message) {
        Some(outcome) => Ok(outcome),
        None => malformed("its answer ends without a grpc-status".to_owned()),
    }
}

fn failed(error: &h2::Error) -> Outcome {
    if let Some(error) = error.get_io() {
        return broken(error);
    }
    let (failure, why) = if error.is_remote() && error.is_reset() {
        (Failure::Closed, "it broke off the call")
    } else if error.is_remote() {
        (Failure::Closed, "it ended the connection")
    } else if error.is_reset() {
        (
            Failure::Malformed,
            "its answer breaks the rules of HTTP/2, or has a head that is too long",
        )
    } else {
        (Failure::Malformed, "its answer is not HTTP/2; is this its port for gRPC?")
    };
    Outcome::Failed(failure, format!("{why}: {error}"))
}
