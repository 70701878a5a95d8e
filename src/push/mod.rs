//! Push: snapshots sent to many targets, from one thread. Feature `push`.
//!
//! The way of a snapshot: at each target's interval the `worker` gives the engine's latest one to the target's `lane`;
//! its `protocol` makes payloads of it; they wait in the `spool`, in order; an `attempt` delivers the first of them, over a
//! `stream` (`tls` or not) in an `exchange` of `http` or of lines, in a `grpc` call, or in `datagrams`; and what came of it decides whether the next one follows, the same one is tried again
//! after a pause (`retry`), or it is given up. `own` counts all of it.
//!
//! A format is a [`Protocol`]: [`Page`] for any [`Encoder`](crate::Encoder); `otlp`, `remote_write` and `statsd` for those
//! in which something hangs on what the target has. `kinds` makes targets of them.
//!
//! Sockets never block and names are looked up on other threads (`resolve`), so a target that is down, slow, silent or
//! mad costs the others nothing. Recording threads and the aggregator are never touched: the worker reads what the engine
//! has published anyway.

#![forbid(unsafe_code)]

mod attempt;
mod datagrams;
mod exchange;
#[cfg(feature = "grpc")]
mod grpc;
mod gzip;
mod http;
mod https;
mod kinds;
mod lane;
mod otlp;
mod own;
mod plan;
mod protocol;
mod pushgateway;
#[cfg(feature = "remote-write")]
mod remote_write;
mod resolve;
mod spool;
mod statsd;
mod status;
mod stream;
mod target;
#[cfg(feature = "tls")]
mod tls;
mod worker;

pub use http::Method;
pub use otlp::OtlpProtocol;
pub use protocol::{Answer, Page, Part, Payload, Protocol, Verdict};
pub use status::{Flush, TargetStatus};
pub use target::Target;

use crate::aggregate::engine::Core;
use crate::limits::{DEFAULT_PUSH_FLUSH_LIMIT, MAX_PUSH_TARGETS};
use crate::secret;
use crate::shard::fork;
use crate::{Engine, Error};
use lane::Lane;
use mio::{Poll, Token, Waker};
use own::OwnMetrics;
use resolve::{Find, Resolver};
use spool::Spool;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use worker::{Shared, Worker};

/// Pushes an engine's snapshots to targets, on a thread of its own. Feature `push`.
///
/// Each target has an interval, a time limit, pauses between attempts and a bounded spool of its own (see [`Target`]); none
/// can hold up another, the aggregator, or a recording thread. What is pushed is the engine's latest snapshot, so nothing
/// is pushed twice because an engine's interval is longer than a target's.
///
/// [`Pusher::stop`], or dropping it, pushes the last snapshot to every target once, and waits for that at most as long as
/// [`flush_within`](PusherBuilder::flush_within) says. If the engine was stopped before, that is the snapshot that
/// [`Engine::stop`] made; if not, a fresh one: either way it has everything that happened-before the call, unless it was
/// recorded after the engine had stopped. The pusher does not keep the engine running.
///
/// If the engine records its own metrics, so does the pusher, into the same registry, with the targets' names as labels:
/// `tachometer_push_sent_total`, `tachometer_push_failures_total` and `tachometer_push_dropped_total` by `reason`,
/// `tachometer_push_rejected_points_total`, `tachometer_push_spool_entries`, `tachometer_push_spool_bytes`, `tachometer_push_last_success_timestamp_seconds`, and
/// `tachometer_push_duration_seconds`.
///
/// Cost: nothing to recording threads; to its own thread, what encoding a snapshot takes, and a connection for each
/// payload.
///
/// ```
/// use std::io::{Read, Write};
/// use std::time::Duration;
/// use tachometer::{Engine, Pusher, Registry, Target};
/// let registry = Registry::new();
/// registry.counter("requests_total", "Requests.")?.add(3);
/// let engine = Engine::builder().registry(&registry).own_metrics(false).start()?;
///
/// let server = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let url = format!("http://{}/api/v1/import/prometheus", server.local_addr()?);
/// let target = Target::http(url, tachometer::TextEncoder::new())
///     .header("Authorization", "Bearer secret")
///     .every(Duration::from_secs(10));
/// let pusher = Pusher::builder(&engine).target("store", target).start()?;
///
/// let served = std::thread::spawn(move || {
///     let mut request = String::new();
///     let (mut connection, _) = server.accept()?;
///     while !request.ends_with("requests_total 3\n") {
///         let mut piece = [0; 1024];
///         let len = connection.read(&mut piece)?;
///         request += std::str::from_utf8(&piece[..len]).expect("text");
///     }
///     connection.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
///     std::io::Result::Ok(request)
/// });
/// engine.stop();
/// let flush = pusher.stop(); // the last snapshot
/// assert!(flush.is_complete());
/// assert!(served.join().unwrap()?.starts_with("POST /api/v1/import/prometheus HTTP/1.1\r\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Pusher {
    core: Arc<Core>,
    waker: Arc<Waker>,
    shared: Arc<Shared>,
    thread: Mutex<Ending>,
    /// The fork generation that the thread belongs to.
    born: u64,
}

#[derive(Debug)]
struct Ending {
    thread: Option<JoinHandle<Flush>>,
    flush: Flush,
}

/// Settings of a [`Pusher`].
#[must_use = "nothing is pushed until `start`"]
pub struct PusherBuilder {
    core: Arc<Core>,
    registry: crate::Registry,
    running: bool,
    targets: Vec<(String, Target)>,
    flush_limit: Duration,
    find: Arc<Find>,
}

impl Pusher {
    /// Settings for a new pusher of `engine`'s snapshots.
    pub fn builder(engine: &Engine) -> PusherBuilder {
        PusherBuilder {
            core: engine.core().clone(),
            registry: engine.registry().clone(),
            running: engine.is_running(),
            targets: Vec::new(),
            flush_limit: DEFAULT_PUSH_FLUSH_LIMIT,
            find: Arc::new(resolve::system),
        }
    }

    /// How each target stands, in the order in which they were given.
    pub fn status(&self) -> Vec<TargetStatus> {
        self.shared.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Pushes the last snapshot to every target, with what still waits before it, and ends the thread.
    ///
    /// Takes as long as the targets, and no longer than [`flush_within`](PusherBuilder::flush_within). Pauses between
    /// attempts are cut short, but not those that a server asked for. Stopping again returns the same. In the child of a
    /// fork it does nothing: the thread, and what waits, are the parent's.
    pub fn stop(&self) -> Flush {
        if self.born != fork::generation() {
            // Joining a thread that this process does not have would wait for ever, and so may its lock.
            let thread = match self.thread.try_lock() {
                Ok(mut ending) => ending.thread.take(),
                Err(TryLockError::Poisoned(ending)) => ending.into_inner().thread.take(),
                Err(TryLockError::WouldBlock) => None,
            };
            std::mem::forget(thread);
            return Flush::default();
        }
        // Held while joining, so that whoever stops second also returns after the end.
        let mut ending = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let own = |t: &JoinHandle<Flush>| t.thread().id() == std::thread::current().id();
        if ending.thread.as_ref().is_some_and(own) {
            // A protocol that stops its own pusher cannot wait for it.
            return Flush::default();
        }
        if let Some(thread) = ending.thread.take() {
            // Made here, so that a gauge's callback that blocks holds up its caller and not the other targets.
            let last = self.core.refresh();
            *self.shared.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
            // Fails only if the other end, and so the thread, is gone.
            let _ = self.waker.wake();
            // A panic was already shown by the panic hook.
            ending.flush = thread.join().unwrap_or_default();
        }
        ending.flush.clone()
    }
}

impl Drop for Pusher {
    fn drop(&mut self) {
        self.stop();
    }
}

impl PusherBuilder {
    /// Adds a target. Its name is a label's value on the pusher's own metrics, and is in every message about it.
    pub fn target(mut self, name: impl Into<String>, target: Target) -> Self {
        self.targets.push((name.into(), target));
        self
    }

    /// How long the last flush may take, all targets together; 5 s by default.
    pub fn flush_within(mut self, limit: Duration) -> Self {
        self.flush_limit = limit;
        self
    }

    /// Looks hosts' names up with `find` rather than by asking the system: for a service discovery of the host's own. It
    /// may block: it is called on a thread of its own, at most one for each target at a time.
    pub fn resolver(
        mut self,
        find: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        self.find = Arc::new(find);
        self
    }

    /// Starts pushing: to each target for the first time when its interval is over, or at once if its spool's file has
    /// something. The snapshots that are pushed are those made from now on: what there is already is left to the pusher
    /// that was there before, if one was.
    ///
    /// # Errors
    /// The engine is not running; there is no target, or more than [`MAX_PUSH_TARGETS`], or two of one name; a target's
    /// setting is wrong, or its spool's file cannot be used; the system gives no thread or descriptor; a name of the
    /// pusher's own metrics is registered with another definition.
    pub fn start(self) -> Result<Pusher, Error> {
        let invalid = |setting, reason: String| Err(Error::InvalidSetting { setting, reason });
        if !self.running {
            return Err(Error::NotRunning(
                "a pusher would have nothing to send; start an engine, then the pusher",
            ));
        }
        if self.targets.is_empty() {
            return invalid("targets", "there is none; add one with `target`".to_owned());
        }
        if self.targets.len() > MAX_PUSH_TARGETS {
            return Err(Error::TooMany {
                what: "targets of one pusher".to_owned(),
                limit: MAX_PUSH_TARGETS,
                advice: "push to an agent on this machine that sends on, or start a second pusher",
            });
        }
        for (at, (name, _)) in self.targets.iter().enumerate() {
            if name.is_empty() || self.targets[..at].iter().any(|(other, _)| other == name) {
                let reason = format!("{name:?} is empty or given twice; give each its own");
                return invalid("target's name", reason);
            }
        }
        let now = Instant::now();
        let before = self.core.latest().generation();
        let mut lanes = Vec::new();
        for (number, (name, target)) in self.targets.into_iter().enumerate() {
            let plan = target.plan(&name)?;
            let (spool, damaged) = match &plan.file {
                None => (Spool::in_memory(plan.spool), 0),
                Some(path) => Spool::in_file(plan.spool, path).map_err(|reason| {
                    let reason = format!("push target {name:?}: {}: {reason}", path.display());
                    Error::InvalidSetting { setting: "spool_file", reason }
                })?,
            };
            let own = OwnMetrics::register(&self.registry, &name)?;
            lanes.push(Lane::new(number, plan, spool, own, damaged > 0, before, now));
        }
        let failed = |error: io::Error| Error::Io {
            attempt: "start the pusher".to_owned(),
            kind: error.kind(),
            reason: format!("{error}; raise the limit on descriptors (ulimit -n) or threads (-u)"),
        };
        let status = lanes.iter_mut().filter_map(Lane::news).collect();
        let shared = Arc::new(Shared { last: Mutex::default(), status: Mutex::new(status) });
        let poll = Poll::new().map_err(failed)?;
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).map_err(failed)?);
        let worker = Worker {
            poll,
            lanes,
            resolver: Resolver::new(self.find, waker.clone()),
            core: self.core.clone(),
            shared: shared.clone(),
            flush_limit: self.flush_limit,
        };
        let thread = std::thread::Builder::new().name("tachometer-push".to_owned());
        let thread = Some(thread.spawn(move || worker.run()).map_err(failed)?);
        let thread = Mutex::new(Ending { thread, flush: Flush::default() });
        Ok(Pusher { core: self.core, waker, shared, thread, born: fork::generation() })
    }
}

impl fmt::Debug for PusherBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PusherBuilder")
            .field("targets", &self.targets)
            .field("flush_limit", &self.flush_limit)
            .finish_non_exhaustive()
    }
}

/// What reads bytes from outside, for the fuzz targets alone.
#[doc(hidden)]
pub mod outside {
    use super::http::response::Reader;
    use super::protocol::Payload;
    use super::spool::record;
    use crate::url::Url;
    use std::time::Duration;

    /// Status, `Retry-After` in seconds, body.
    pub type Response = (u16, Option<u64>, Vec<u8>);

    /// The response in `pieces`, and whether it was whole; the error if it is none.
    pub fn response<'a>(
        pieces: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(Option<Response>, bool), &'static str> {
        let mut reader = Reader::default();
        let mut whole = false;
        for piece in pieces {
            whole = reader.feed(piece)?;
        }
        let now = Duration::from_secs(1_700_000_000);
        let response = reader.finish().map(|response| {
            let asked = response.retry_after(now);
            (response.status, asked.map(|asked| asked.as_secs()), response.body)
        });
        Ok((response, whole))
    }

    /// What an OTLP answer says about points that were rejected: how many, and why.
    pub fn otlp_answer(json: bool, body: &[u8]) -> Option<(u64, String)> {
        super::otlp::partial_success(json, body)
    }

    /// The body of a remote write request of 2.0 as one of 1.0; `None` if it is none.
    #[cfg(feature = "remote-write")]
    pub fn older_request(body: &[u8]) -> Option<Vec<u8>> {
        crate::export::remote_write::older::body(body)
    }

    /// The one message in what a gRPC server answered.
    #[cfg(feature = "grpc")]
    pub fn grpc_message(answer: &[u8]) -> Option<&[u8]> {
        super::grpc::details::message(answer)
    }

    /// A `grpc-message`, at most `most` characters of it.
    #[cfg(feature = "grpc")]
    pub fn grpc_text(encoded: &[u8], most: usize) -> String {
        super::grpc::details::text(encoded, most)
    }

    /// How long a gRPC server asks to be left alone, in `grpc-status-details-bin`.
    #[cfg(feature = "grpc")]
    pub fn grpc_retry_delay(encoded: &[u8]) -> Option<Duration> {
        super::grpc::details::retry_delay(encoded)
    }

    /// The URL in `text`, as it is sent.
    pub fn url(text: &str) -> Result<String, String> {
        Url::parse(text).map(|url| url.to_string())
    }

    /// A spool's file: the numbered payloads, and the settled numbers, in this order.
    pub fn spool_file(payloads: &[(u64, Payload)], settled: &[u64]) -> Vec<u8> {
        record::write(payloads, settled)
    }

    /// The payloads that wait in a spool's file, and how much of it is sound; `None` if it is not one.
    pub fn spool(bytes: &[u8]) -> Option<(Vec<(u64, Payload)>, usize)> {
        let contents = record::read(bytes)?;
        Some((contents.waiting.into_iter().collect(), contents.sound))
    }
}
