//! What tests with servers on this machine's own addresses need: a free one, and patience.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

/// Generous: on an idle machine, all that is waited for comes in a second.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `look` finds what it looks for; until then it says what it sees instead.
pub fn wait<T>(mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) => assert!(Instant::now() < deadline, "after {PATIENCE:?}: {seen}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until `look` finds what it looks for.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    wait(|| look().ok_or_else(|| format!("waited in vain for {what}")))
}

/// Waits until something is so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    wait_for(what, || is_so().then_some(()));
}

/// An address on which nobody listens, which was free a moment ago.
pub fn free_address() -> SocketAddr {
    free_addresses(1)[0]
}

/// As [`free_address`], several, no two alike.
pub fn free_addresses(count: usize) -> Vec<SocketAddr> {
    let bind = |_| TcpListener::bind("127.0.0.1:0").unwrap();
    let held: Vec<_> = (0..count).map(bind).collect();
    held.iter().map(|listener| listener.local_addr().unwrap()).collect()
}
