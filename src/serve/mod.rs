//! The listener: snapshots as pages, over HTTP, for scrapers, probes and people. Feature `http`.
//!
//! | path | what it shows |
//! |---|---|
//! | `/metrics` | a fresh snapshot, in the format and coding that the client would rather have (`Accept`, `Accept-Encoding`); text 0.0.4 if it accepts none |
//! | `/metrics?refresh=0` | the latest snapshot, without a new cut |
//! | `/metrics?name[]=a&label[peer]=b` | only metrics of these names, and series with these labels; each may be repeated |
//! | `/health`, `/health/ready` | 200 while the engine makes snapshots on time and has made one; else 503, and why |
//! | `/health/live` | 503 if the aggregator's thread died or is late by more than three intervals |
//! | `/health`, `/health/ready`, with `ListenerBuilder::health` (feature `health`) | the health of all components as JSON, or a summary of it; 503 when it is critical or failing, or the node is not ready |
//! | `/stats` | what the engine costs and holds, as JSON |
//! | `/api/v1/…`, `/metrics/aggregated` | answers of a `query::Source`, as Prometheus has them: with `ListenerBuilder::query`, feature `promql` |
//! | `/api/v1/rules`, `/api/v1/alerts`, `/api/v1/events` | rules and their alerts, as Prometheus has them, and a stream of what alerts do: with `ListenerBuilder::rules`, features `rules` and `history` |
//! | paths of the host's own | what the host answers: with `ListenerBuilder::endpoint`, feature `promql` |
//! | `/` | an index, for people; with feature `page`, where queries are answered, the live page: see [`ListenerBuilder::page`] |
//! | `/api/v1/bundles`, `/api/v1/live`, `/api/v1/heatmap` | what the live page shows: what bundles declare, a stream of the newest values, histograms over time; feature `page` |
//!
//! An engine that is driven by hand is always on time. Health never waits for the engine; but a gauge's callback that does
//! not return holds up the thread that serves everybody once somebody scrapes, which a probe sees as silence.
//!
//! One thread of its own does everything: it waits for events on non-blocking sockets, so that a slow client costs a buffer
//! and a deadline, never a thread, and nobody's slowness is anybody else's. Recording threads are never touched; the thread
//! asks the engine for a fresh snapshot as any other reader would, and holds the engine weakly.
//!
//! A host with an HTTP server of its own mounts the same endpoints there: [`Responder`], or, with feature `axum`, a router.
//!
//! The way of a request: `worker` accepts and turns events into work; `line` is a socket, encrypted (`tls`) or not;
//! `connection` reads, sends and keeps the deadlines of one client; `request` parses, with `accept`, `query` and
//! `auth`; `site` decides what is answered; `events` is what streams are given; `page` encodes with one of the `formats`; `response` writes heads and
//! texts; `own` counts all of it. Each turn of the worker first reads what every client sent, and only then takes one
//! snapshot for all who asked: a hundred scrapes at once cost one cut and one encoding for each format and coding, and each
//! still gets a cut that began after its request had arrived.

#![forbid(unsafe_code)]

mod accept;
#[cfg(feature = "promql")]
mod api;
#[cfg(feature = "page")]
mod assets;
mod auth;
#[cfg(feature = "axum")]
mod axum;
mod builder;
mod coding;
mod connection;
#[cfg(feature = "promql")]
mod endpoint;
#[cfg(all(feature = "history", feature = "rules"))]
mod events;
mod formats;
mod json;
mod line;
#[cfg(feature = "page")]
mod live;
mod network;
mod own;
mod page;
mod query;
mod request;
mod responder;
mod response;
mod settings;
mod site;
mod stats;
#[cfg(all(feature = "history", feature = "rules"))]
mod streaming;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;
mod unix;
mod worker;

#[cfg(feature = "axum")]
pub use self::axum::router;
pub use builder::ListenerBuilder;
#[cfg(feature = "promql")]
pub use endpoint::{EndpointAnswer, EndpointError, EndpointRequest};
pub use network::{InvalidNetwork, Network};
pub use responder::{Answer, Responder};

use crate::shard::fork;
use crate::{Engine, Error};
use mio::Waker;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::{fmt, mem};

/// Where a [`Listener`] listens.
///
/// ```
/// use tachometer::serve::Address;
/// use tachometer::{Engine, Listener, Registry};
/// let engine = Engine::builder().registry(&Registry::new()).start()?;
/// let listener = Listener::bind(&engine, "127.0.0.1:0")?;
/// assert_eq!(*listener.address(), Address::Tcp(listener.local_addr()));
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// At a port of this machine.
    Tcp(SocketAddr),
    /// At a socket in the file system.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => path.display().fmt(f),
        }
    }
}

/// Serves an engine's snapshots over HTTP, at `/metrics`, on a thread of its own. Feature `http`.
///
/// A scrape gets a fresh snapshot, with every record that happened-before the request, in the
/// format and content coding (gzip; zstd with that feature) that its `Accept` and `Accept-Encoding`
/// weigh most, or else in the Prometheus text format. Three headers tell about it:
/// `X-Tachometer-Generation`, `X-Tachometer-Age-Seconds` (how long ago the cut was made, on the
/// engine's clock) and `X-Tachometer-Complete`. Scrapes that arrive together share one snapshot and
/// one encoding. What else is served: see the module [`serve`](crate::serve).
///
/// The listener does not keep the engine running: once that was stopped or dropped, scrapes are
/// answered with 503. Dropping the listener stops it.
///
/// Cost: nothing to recording threads; a scrape costs the listener's thread a cut (some
/// microseconds to milliseconds) and about 20 ns a line of the page. Everything that a client can
/// make it spend has a limit: see `HTTP` in [`limits`](crate::limits). Callbacks of gauges run on
/// the listener's thread during a scrape; one that blocks makes all clients wait.
///
/// [`Listener::bind`] has neither encryption nor authentication: listen on loopback, or on a network
/// whose every host may read the page. [`Listener::builder`] has both.
///
/// ```
/// use std::io::{Read, Write};
/// use tachometer::{Engine, Listener, Registry};
/// let registry = Registry::new();
/// registry.counter("requests_total", "Requests.")?.add(3);
/// let engine = Engine::builder().registry(&registry).start()?;
/// let listener = Listener::bind(&engine, "127.0.0.1:0")?; // port 0: the system chooses one
///
/// let mut scraper = std::net::TcpStream::connect(listener.local_addr())?;
/// scraper.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
/// let mut page = String::new();
/// scraper.read_to_string(&mut page)?;
/// assert!(page.starts_with("HTTP/1.1 200 OK\r\n"));
/// assert!(page.contains("\nrequests_total 3\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Listener {
    address: Address,
    /// Wakes the worker, which then looks whether it is to stop.
    waker: Arc<Waker>,
    stopping: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The fork generation that the thread belongs to.
    born: u64,
}

impl Listener {
    /// Listens on `address` (`"127.0.0.1:9464"`, a [`SocketAddr`], or a host and a port) and serves
    /// `engine`'s snapshots.
    ///
    /// If `engine` records its own metrics, so does the listener, into the same registry:
    /// `tachometer_http_…`.
    ///
    /// # Errors
    /// The engine is not running; the address is taken, not this machine's, or not allowed; the
    /// system gives no thread or descriptor; or a name of the listener's own metrics is registered
    /// with another definition.
    pub fn bind(
        engine: &Engine,
        address: impl ToSocketAddrs + fmt::Debug,
    ) -> Result<Listener, Error> {
        Listener::builder().bind(engine, address)
    }

    /// Settings for a new listener: authentication, an allow list, TLS, limits, a Unix socket.
    pub fn builder() -> ListenerBuilder {
        ListenerBuilder::default()
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The address it listens on: with the port that the system chose, if it was asked for port 0. A listener on a Unix
    /// socket has none, and says `0.0.0.0:0`; see [`Listener::address`].
    pub fn local_addr(&self) -> SocketAddr {
        match self.address {
            Address::Tcp(address) => address,
            Address::Unix(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        }
    }

    /// Stops: closes all connections, whatever they are at, gives the port free, and joins the
    /// thread.
    ///
    /// Takes a millisecond, or as long as the snapshot that is just being made. Stopping again does
    /// nothing. In the child of a fork it does nothing at all: thread and sockets are the parent's.
    pub fn stop(&self) {
        if self.born != fork::generation() {
            // Joining a thread that this process does not have would wait for ever, and so may its
            // lock.
            let thread = match self.thread.try_lock() {
                Ok(mut thread) => thread.take(),
                Err(TryLockError::Poisoned(thread)) => thread.into_inner().take(),
                Err(TryLockError::WouldBlock) => None,
            };
            return mem::forget(thread);
        }
        // Release, with the acquire in `worker::Worker::run`: what came before stopping is seen by the worker's end.
        self.stopping.store(true, Ordering::Release);
        // Fails only if the worker, and so the other end, is gone.
        let _ = self.waker.wake();
        // Held while joining, so that whoever stops second also returns after the end.
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let own = thread.as_ref().is_some_and(|t| t.thread().id() == std::thread::current().id());
        // A gauge's callback that stops the listener runs on this very thread, which ends when the
        // callback has.
        if let Some(thread) = thread.take().filter(|_| !own) {
            // A panic was already shown by the panic hook.
            let _ = thread.join();
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What to tell whoever asked for an address that the system refused.
fn refused(address: &(impl ToSocketAddrs + fmt::Debug), error: io::Error) -> Error {
    let port =
        address.to_socket_addrs().ok().and_then(|mut all| all.next()).map_or(0, |a| a.port());
    let advice = match error.kind() {
        ErrorKind::AddrInUse => format!(
            "something listens there already, perhaps an earlier run of this program: \
             `ss -ltnp 'sport = :{port}'` says who; choose another port, or 0 to let the system \
             choose"
        ),
        ErrorKind::PermissionDenied => format!(
            "port {port} may need a privilege (ports below 1024 do: CAP_NET_BIND_SERVICE); choose \
             a higher one"
        ),
        ErrorKind::AddrNotAvailable => "no interface of this machine has that address; 127.0.0.1 \
                                        is for this machine only, 0.0.0.0 for every network it \
                                        is on"
            .to_owned(),
        _ => "give an address of this machine and a port, as in 127.0.0.1:9464".to_owned(),
    };
    Error::Io {
        attempt: format!("listen on {address:?}"),
        kind: error.kind(),
        reason: format!("{error}; {advice}"),
    }
}
