//! The listener: snapshots as a page, over HTTP, for scrapers and people. Feature `http`.
//!
//! One thread of its own does everything: it waits for events on non-blocking sockets, so that a
//! slow client costs a buffer and a deadline, never a thread, and nobody's slowness is anybody
//! else's. Recording threads are never touched; the thread asks the engine for a fresh snapshot as
//! any other reader would, and holds the engine weakly.
//!
//! The way of a request: [`worker`] accepts and turns events into work; [`connection`] reads, sends
//! and keeps the deadlines of one client; [`request`] parses; [`page`] takes the snapshot and
//! encodes it; [`response`] writes heads and texts; [`own`] counts all of it. Each turn of the
//! worker first reads what every client sent, and only then takes one snapshot for all who asked: a
//! hundred scrapes at once cost one cut and one encoding, and each still gets a cut that began
//! after its request had arrived.

#![forbid(unsafe_code)]

mod accept;
mod auth;
mod coding;
mod connection;
mod formats;
mod json;
mod own;
mod page;
mod query;
mod request;
mod response;
mod settings;
mod site;
mod stats;
#[cfg(test)]
mod tests;
mod worker;

use crate::shard::fork;
use crate::{Engine, Error};
use mio::Waker;
use own::OwnMetrics;
use request::Rules;
use settings::Limits;
use site::Site;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::{fmt, mem};
use worker::Worker;

/// Serves an engine's snapshots over HTTP, at `/metrics`, on a thread of its own. Feature `http`.
///
/// A scrape gets a fresh snapshot, with every record that happened-before the request, in the
/// Prometheus text format. Three headers tell about it: `X-Tachometer-Generation`,
/// `X-Tachometer-Age-Seconds` (the cut is at most so old) and `X-Tachometer-Complete`. Scrapes that
/// arrive together share one snapshot and one encoding.
///
/// The listener does not keep the engine running: once that was stopped or dropped, scrapes are
/// answered with 503. Dropping the listener stops it.
///
/// Cost: nothing to recording threads; a scrape costs the listener's thread a cut (some
/// microseconds to milliseconds) and about 20 ns a line of the page. Everything that a client can
/// make it spend has a limit: see `HTTP` in [`limits`](crate::limits). Callbacks of gauges run on
/// the listener's thread during a scrape; one that blocks makes all clients wait.
///
/// There is neither encryption nor authentication: listen on loopback, or on a network whose every
/// host may read the page.
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
    address: SocketAddr,
    /// Wakes the worker; being woken means to stop.
    waker: Waker,
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
        if !engine.is_running() {
            return Err(Error::NotRunning(
                "a listener would have nothing to serve; start an engine, then bind the listener",
            ));
        }
        let socket = TcpListener::bind(&address).map_err(|error| refused(&address, error))?;
        let own = OwnMetrics::register(engine.registry())?;
        let limits = Limits::default();
        limits.check()?;
        let mut site = Site::new(Arc::downgrade(engine.core()), Rules::default(), own);
        site.limits = limits.rows();
        let set_up = || {
            socket.set_nonblocking(true)?;
            let address = socket.local_addr()?;
            let (worker, waker) = Worker::new(socket, site, limits)?;
            let thread = std::thread::Builder::new().name("tachometer-http".to_owned());
            let thread = Mutex::new(Some(thread.spawn(move || worker.run())?));
            Ok(Listener { address, waker, thread, born: fork::generation() })
        };
        set_up().map_err(|error: io::Error| Error::Io {
            attempt: format!("start the listener on {address:?}"),
            kind: error.kind(),
            reason: format!("{error}; raise the limit on descriptors (ulimit -n) or threads (-u)"),
        })
    }

    /// The address it listens on: with the port that the system chose, if it was asked for port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
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
