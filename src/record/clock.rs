//! The clock of timers: the processor's time-stamp counter where it is invariant, the system's monotonic clock elsewhere.
//!
//! A time stamp is one instruction and a time span one multiplication: the counter's rate, as nanoseconds a tick in
//! 32.32 fixed point. The first timer measures the rate against the system clock for about two milliseconds; every cut
//! measures it again over all the time since, so that the error falls from about 50 ppm at first to below one within
//! seconds. Out-of-order execution may shift a stamp by some tens of cycles: no serializing instruction is spent on it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A moment on the clock of timers: one word, to be carried through a request and read where it ends.
///
/// Cost: about 10 ns to take, one multiplication to read. Means something in this process only.
///
/// ```
/// use tachometer::{Histogram, Stamp, Unit};
/// static LATENCY: Histogram =
///     Histogram::new("request_duration_seconds", "From arrival to answer.").unit(Unit::Nanoseconds);
/// let arrived = Stamp::now();
/// // … on another thread, perhaps …
/// LATENCY.record(Stamp::now().ns_since(arrived));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(u64);

impl Stamp {
    /// Now.
    #[inline(always)]
    pub fn now() -> Stamp {
        Stamp(ticks())
    }

    /// Nanoseconds from `earlier` to this; zero if they are the other way round.
    #[inline(always)]
    pub fn ns_since(self, earlier: Stamp) -> u64 {
        to_ns(self.0.saturating_sub(earlier.0))
    }

    /// Nanoseconds from this to now.
    #[inline(always)]
    pub fn elapsed_ns(self) -> u64 {
        elapsed_ns(self.0)
    }

    /// The stamp as a number, to be put into a message.
    #[inline(always)]
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// The inverse of [`Stamp::to_bits`], in the same process.
    #[inline(always)]
    pub fn from_bits(bits: u64) -> Stamp {
        Stamp(bits)
    }
}

/// Nanoseconds a tick, times 2³². Zero until the clock is calibrated.
static RATE: AtomicU64 = AtomicU64::new(0);
/// One nanosecond a tick: the system clock is in use.
const SYSTEM: u64 = 1 << 32;
/// How long the first calibration looks at both clocks.
const FIRST_LOOK: Duration = Duration::from_millis(2);

/// A time stamp, in ticks since an arbitrary moment.
#[inline(always)]
pub(crate) fn ticks() -> u64 {
    // Relaxed: the rate publishes nothing but itself.
    match RATE.load(Ordering::Relaxed) {
        0 => first_ticks(),
        SYSTEM => system_ns(),
        _ => counter(),
    }
}

/// Nanoseconds from `start` to now; zero if the counter went backwards (another socket, a migrated machine).
#[inline(always)]
pub(crate) fn elapsed_ns(start: u64) -> u64 {
    to_ns(ticks().saturating_sub(start))
}

#[inline(always)]
fn to_ns(ticks: u64) -> u64 {
    // Relaxed: as above.
    ((ticks as u128 * RATE.load(Ordering::Relaxed) as u128) >> 32) as u64
}

#[cold]
#[inline(never)]
fn first_ticks() -> u64 {
    calibrate();
    ticks()
}

/// The name of the clock in use, for the engine's status.
pub(crate) fn name() -> &'static str {
    if tsc_is_invariant() { "tsc" } else { "system" }
}

/// Measures the rate, if that was not done.
pub(crate) fn calibrate() {
    if RATE.load(Ordering::Relaxed) != 0 {
        return;
    }
    if !tsc_is_invariant() {
        RATE.store(SYSTEM, Ordering::Relaxed);
        return;
    }
    origin();
    while origin().1.elapsed() < FIRST_LOOK {
        std::hint::spin_loop();
    }
    refine();
}

/// Measures the rate over all the time since the first look. Called after each cut.
pub(crate) fn refine() {
    if !tsc_is_invariant() {
        return;
    }
    let (tick, instant) = stamp();
    let (tick0, instant0) = *origin();
    let (ticks, ns) = (tick.wrapping_sub(tick0), instant.duration_since(instant0).as_nanos());
    if ns >= FIRST_LOOK.as_nanos() && ticks > 0 && ticks < 1 << 62 {
        let rate = ((ns << 32) / ticks as u128) as u64;
        // Relaxed: as above. Never the two values that have another meaning.
        RATE.store(if rate == SYSTEM { SYSTEM + 1 } else { rate.max(1) }, Ordering::Relaxed);
    }
}

/// Both clocks at the first look.
fn origin() -> &'static (u64, Instant) {
    static ORIGIN: once_cell::race::OnceBox<(u64, Instant)> = once_cell::race::OnceBox::new();
    ORIGIN.get_or_init(|| Box::new(stamp()))
}

/// Both clocks at one moment: the closest of a few readings, so that a preemption in between does not spoil it.
fn stamp() -> (u64, Instant) {
    let reading = |_| {
        let before = counter();
        let instant = Instant::now();
        let after = counter();
        (after.wrapping_sub(before), (before + after.wrapping_sub(before) / 2, instant))
    };
    (0..8).map(reading).min_by_key(|(width, _)| *width).expect("eight readings").1
}

fn system_ns() -> u64 {
    static START: once_cell::race::OnceBox<Instant> = once_cell::race::OnceBox::new();
    START.get_or_init(|| Box::new(Instant::now())).elapsed().as_nanos() as u64
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn counter() -> u64 {
    // SAFETY: every x86-64 processor has the instruction; systems that trap it for user code do not exist in practice,
    // and `tsc_is_invariant` was asked first.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
fn counter() -> u64 {
    system_ns()
}

/// Whether the counter ticks at one rate through all power states (CPUID 8000_0007h, EDX bit 8).
fn tsc_is_invariant() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        static INVARIANT: AtomicU64 = AtomicU64::new(0);
        // Relaxed: a cached answer; CPUID is slow under a hypervisor.
        match INVARIANT.load(Ordering::Relaxed) {
            0 => {
                use core::arch::x86_64::__cpuid;
                let leaves = __cpuid(0x8000_0000).eax;
                let yes = leaves >= 0x8000_0007 && __cpuid(0x8000_0007).edx & 1 << 8 != 0;
                INVARIANT.store(1 + yes as u64, Ordering::Relaxed);
                yes
            }
            known => known == 2,
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_agrees_with_the_system_clock() {
        let (start, instant) = (ticks(), Instant::now());
        std::thread::sleep(Duration::from_millis(20));
        refine();
        let (ours, theirs) = (elapsed_ns(start) as f64, instant.elapsed().as_nanos() as f64);
        // Bounds what a wrong rate would do, not how fast the machine is: both spans have the same ends.
        assert!((ours / theirs - 1.0).abs() < 0.05, "{ours} ns against {theirs} ns");
    }

    #[test]
    fn a_counter_that_went_backwards_counts_as_no_time() {
        assert_eq!(elapsed_ns(u64::MAX), 0);
    }
}
