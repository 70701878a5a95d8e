//! Panics: what they say reaches the file before the process can end of them.
//!
//! One hook for the process, set with the first artifact, which calls the one that was there before. It waits for no lock: the
//! panic may be one of a thread that holds it.

use super::run::Shared;
use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};

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
    let runs = match RUNS.try_lock() {
        Ok(runs) => runs.clone(),
        Err(_) => return,
    };
    runs.iter().filter_map(Weak::upgrade).for_each(|run| run.panicked(thread.id(), &text));
}
