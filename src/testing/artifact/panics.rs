//! Panics: what they say reaches the file before the process can end of them.
//!
//! One hook for the process, set with the first artifact, which calls the one that was there before. It waits for no lock without
//! end: the panic may be one of the thread that holds it.

use super::run::Shared;
use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, TryLockError, Weak};
use std::time::{Duration, Instant};

/// How long a lock is waited for: somebody else writes a file meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);

static RUNS: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());
static HOOK: Once = Once::new();

/// Tells `shared` of panics, for as long as it is there.
pub(super) fn watch(shared: &Arc<Shared>) {
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            tell(info);
            before(info);
        }));
    });
    let mut runs = RUNS.lock().unwrap_or_else(PoisonError::into_inner);
    runs.retain(|run| run.strong_count() > 0);
    runs.push(Arc::downgrade(shared));
}

fn tell(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("a panic without a message");
    let thread = std::thread::current();
    let place = info.location().map_or(String::new(), |at| format!(", at {at}"));
    let text = format!("{message} (thread {}{place})", thread.name().unwrap_or("without a name"));
    let Some(runs) = patiently(&RUNS).map(|runs| runs.clone()) else { return };
    runs.iter().filter_map(Weak::upgrade).for_each(|run| run.panicked(thread.id(), &text));
}

/// The lock; `None` if it is held for longer than anybody should.
pub(super) fn patiently<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    let began = Instant::now();
    loop {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if began.elapsed() > PATIENCE => return None,
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}
