//! The asymmetric barrier: free for the many that record, paid by the one that cuts.
//!
//! A recording thread announces itself with a plain store and then loads the epoch. The cut stores the epoch and then
//! loads the announcement. For one of the two to see the other (store-buffering, or Dekker's, pattern) both sides need a
//! full fence between their store and their load. `membarrier(PRIVATE_EXPEDITED)` lets the cut pay for both: it makes
//! every running thread of the process pass a full barrier at some point between its call and its return, and a thread
//! that is not running passed one when it was switched out. What remains for the recording side is to keep the compiler
//! from moving the load above the store: [`light`].
//!
//! Where `membarrier` is missing (another system, a sandbox that forbids it) the process runs in [`Mode::Fence`]: no
//! thread takes the fast path, and each record passes a real fence in the slow one. The mode is chosen once, before the
//! first shard exists, and is reported by the engine's own status; it is never silently absent.
//!
//! Under loom both halves are `fence(SeqCst)`, which is what the kernel's barrier amounts to for the threads involved.
//! What that leaves unproven (that the kernel keeps its word, and the compiler its own) is covered by `tests/stress.rs`.

use super::weaken::{Site, is_weak};
#[cfg(not(tachometer_loom))]
use std::sync::atomic::{AtomicU8, Ordering, compiler_fence};

/// How recording threads and the cut are ordered in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `membarrier(PRIVATE_EXPEDITED)` in the cut, nothing but a compiler fence in a record.
    Membarrier,
    /// A sequentially consistent fence in every record; about 5–20 ns dearer.
    Fence,
}

impl Mode {
    /// The name that the engine's own metrics and status show.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Membarrier => "membarrier",
            Mode::Fence => "fence",
        }
    }
}

/// The recording side: the compiler keeps the announcement before the load of the epoch.
#[inline(always)]
pub(crate) fn light() {
    // SeqCst and compiler-only: the partner is `heavy`, which supplies the processor's half.
    #[cfg(not(tachometer_loom))]
    compiler_fence(Ordering::SeqCst);
    #[cfg(tachometer_loom)]
    loom::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}

/// The cutting side: every thread of the process passes a full barrier before this returns `true`.
///
/// `false` when the kernel refuses: it let the process register and withdrew the call later, as a sandbox that closes
/// after start may do. The cut then says that it is incomplete.
pub(crate) fn heavy() -> bool {
    if is_weak(Site::HeavyBarrier) {
        return true;
    }
    // SeqCst: orders this thread's store of the epoch before its loads of the state words. In `Mode::Fence` (and under
    // loom) it is the partner of the fence that each record passes.
    super::fence(super::Ordering::SeqCst);
    #[cfg(not(tachometer_loom))]
    if mode() == Mode::Membarrier {
        return os::expedited() || os::register();
    }
    true
}

#[cfg(not(tachometer_loom))]
static MODE: AtomicU8 = AtomicU8::new(UNDECIDED);
#[cfg(not(tachometer_loom))]
const UNDECIDED: u8 = 0;

/// The mode of this process, chosen on the first call: `membarrier` if the kernel lets us register for it.
#[cfg(not(tachometer_loom))]
pub fn mode() -> Mode {
    // Relaxed: the value is decided by one compare-exchange and nothing else is published by it.
    match MODE.load(Ordering::Relaxed) {
        1 => Mode::Membarrier,
        2 => Mode::Fence,
        _ => decide(if os::register() { Mode::Membarrier } else { Mode::Fence }),
    }
}

/// Chooses the mode before the first record; `false` if it was already chosen otherwise.
#[cfg(not(tachometer_loom))]
pub(crate) fn choose(wanted: Mode) -> bool {
    let possible = wanted == Mode::Fence || os::register();
    possible && decide(wanted) == wanted
}

#[cfg(not(tachometer_loom))]
#[cold]
fn decide(wanted: Mode) -> Mode {
    let code = if wanted == Mode::Membarrier { 1 } else { 2 };
    // Relaxed: see `mode`.
    let was = MODE.compare_exchange(UNDECIDED, code, Ordering::Relaxed, Ordering::Relaxed);
    match was.unwrap_or_else(|other| other) {
        UNDECIDED => wanted,
        1 => Mode::Membarrier,
        _ => Mode::Fence,
    }
}

#[cfg(tachometer_loom)]
pub fn mode() -> Mode {
    Mode::Membarrier
}

#[cfg(all(not(tachometer_loom), target_os = "linux"))]
mod os {
    //! The system call.

    fn call(command: libc::c_int) -> bool {
        // SAFETY: membarrier takes no pointers; an unknown command is answered with an error.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    /// Registers the process; a forked child inherits the registration, an exec'd program does not.
    pub(super) fn register() -> bool {
        call(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) && expedited()
    }

    pub(super) fn expedited() -> bool {
        call(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED)
    }
}

#[cfg(all(not(tachometer_loom), not(target_os = "linux")))]
mod os {
    //! No `membarrier` here: every process runs in `Mode::Fence`.
    pub(super) fn register() -> bool {
        false
    }
    pub(super) fn expedited() -> bool {
        true
    }
}
