//! The process-wide locks of set-up and aggregation, in the order in which they are taken.
//!
//! 1. [`cutter`]: one cut at a time.
//! 2. [`setup`]: slots, and with it every registry's own tables.
//! 3. the list of [`retire`]d slots, for one push or one swap.
//!
//! No recording path takes any of them after a thread's first record. `fork` takes all three ([`hold`]).

use super::slots::Slots;
use crate::aggregate::cutter::Cutter;
use crate::shard::layout::Range;
use crate::sync::fork_lock::ForkLock;
use std::sync::MutexGuard;

static CUTTER: ForkLock<Cutter> = ForkLock::new(Cutter::new());
static SETUP: ForkLock<Slots> = ForkLock::new(Slots::new());
static RETIRED: ForkLock<Vec<Range>> = ForkLock::new(Vec::new());

/// The cutter of this process.
pub(crate) fn cutter() -> MutexGuard<'static, Cutter> {
    CUTTER.lock()
}

/// The slots of this process; registries are changed only while this is held.
pub(crate) fn setup() -> MutexGuard<'static, Slots> {
    SETUP.lock()
}

/// Gives a range of slots up. Nobody records there any more, or will.
pub(crate) fn retire(range: Range) {
    RETIRED.lock().push(range);
}

/// Whether slots wait to be zeroed.
pub(crate) fn any_retired() -> bool {
    !RETIRED.lock().is_empty()
}

/// The ranges given up since the last call.
pub(crate) fn take_retired() -> Vec<Range> {
    std::mem::take(&mut *RETIRED.lock())
}

/// Before a fork.
pub(crate) fn hold() {
    CUTTER.hold();
    SETUP.hold();
    RETIRED.hold();
}

/// After a fork, on both sides.
pub(crate) fn let_go() {
    RETIRED.let_go();
    SETUP.let_go();
    CUTTER.let_go();
}
