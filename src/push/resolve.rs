//! From a host's name to its addresses, without the pusher's thread waiting for it.
//!
//! The system's look-up blocks, for as long as it likes. It runs on a thread of its own, at most one for each target; the
//! pusher stops waiting at the attempt's time limit and starts no other until that thread has come back. Addresses are
//! kept, and looked up again after a connection to them failed.

use crate::url::Authority;
use mio::Waker;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

/// Finds the addresses of a host's name and port.
pub(super) type Find = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// What a look-up gave.
pub(super) type Found = io::Result<Vec<SocketAddr>>;

pub(super) struct Resolver {
    find: Arc<Find>,
    waker: Arc<Waker>,
    answers: Sender<(usize, Found)>,
    answered: Mutex<Receiver<(usize, Found)>>,
}

impl Resolver {
    pub(super) fn new(find: Arc<Find>, waker: Arc<Waker>) -> Resolver {
        let (answers, answered) = channel();
        Resolver { find, waker, answers, answered: Mutex::new(answered) }
    }

    /// The address, if the host is one.
    pub(super) fn literal(authority: &Authority) -> Option<SocketAddr> {
        let address: IpAddr = authority.host.parse().ok()?;
        Some(SocketAddr::new(address, authority.port))
    }

    /// Begins a look-up for target number `target`, which has none under way.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn begin(&self, target: usize, authority: &Authority) -> io::Result<()> {
        let (find, waker, answers) = (self.find.clone(), self.waker.clone(), self.answers.clone());
        let Authority { host, port } = authority.clone();
        let thread = std::thread::Builder::new().name("tachometer-look-up".to_owned());
        thread.spawn(move || {
            let find = std::panic::AssertUnwindSafe(|| find(&host, port));
            let found = std::panic::catch_unwind(find)
                .unwrap_or_else(|_| Err(io::Error::other("the resolver panicked")));
            // Both fail only if the pusher has stopped meanwhile.
            let _ = answers.send((target, found));
            let _ = waker.wake();
        })?;
        Ok(())
    }

    /// The look-ups that came back since the last call.
    pub(super) fn answered(&self) -> Vec<(usize, Found)> {
        let answered = self.answered.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        answered.try_iter().collect()
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

/// Asks the system.
pub(super) fn system(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.collect())
}
