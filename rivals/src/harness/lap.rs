//! One thread's timed loop.
//!
//! A rival's closure is called `calls` times between two readings of the clock. All threads of a
//! workload warm up first and start at a barrier; one that is done keeps calling, untimed, until
//! all are done, so that contention lasts as long as anybody's clock runs. The handle goes through
//! `black_box` at every call: nothing can be hoisted out of the loop, and every store must reach
//! memory.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::workload::{LABEL_PAIRS, LATENCIES, label_pairs, latencies_ns, latencies_seconds};
use super::{allocations, processor};

/// Untimed calls before the start: they touch memory, fill caches and create a thread's first-use
/// state.
const WARM_UP_CALLS: usize = 4_096;

/// Untimed calls between two looks at whether the other threads are done.
const OVERRUN_CALLS: usize = 256;

/// What the threads of one measurement share.
pub struct Course {
    start: Barrier,
    timed: AtomicUsize,
}

impl Course {
    pub fn new(threads: usize) -> Self {
        Self { start: Barrier::new(threads), timed: AtomicUsize::new(threads) }
    }
}

/// What one thread's lap came to.
#[derive(Clone, Copy)]
pub struct Time {
    pub elapsed: Duration,
    pub allocations: u64,
    /// How often the thread lost its processor while the clock ran.
    pub preemptions: u64,
    /// All calls, timed or not: what a reader has to find.
    pub all_calls: u64,
}

/// One thread's share of a measurement; a rival calls exactly one of its methods.
pub struct Lap<'a> {
    course: &'a Course,
    calls: usize,
    time: Option<Time>,
}

impl<'a> Lap<'a> {
    pub fn new(course: &'a Course, calls: usize) -> Self {
        Self { course, calls, time: None }
    }

    pub fn time(&self) -> Time {
        self.time.expect("the rival ran its lap")
    }

    /// Calls `call` with each of the handles in turn. There are 1, 16 or 64.
    pub fn in_turn<H>(&mut self, handles: &[H], call: impl Fn(&H)) {
        match handles.len() {
            1 => self.run(|_| call(black_box(&handles[0]))),
            16 => self.in_turn_of::<H, 16>(handles, call),
            64 => self.in_turn_of::<H, 64>(handles, call),
            other => panic!("no workload has {other} handles"),
        }
    }

    /// The length is a constant, so that the index is a mask without a bounds check.
    fn in_turn_of<H, const N: usize>(&mut self, handles: &[H], call: impl Fn(&H)) {
        let handles: &[H; N] = handles.try_into().expect("N handles");
        self.run(|turn| call(black_box(&handles[turn & (N - 1)])));
    }

    /// Calls `call` with a shared handle and one latency after the other, in nanoseconds.
    pub fn latencies<H: ?Sized>(&mut self, handle: &H, call: impl Fn(&H, u64)) {
        let values = latencies_ns();
        self.run(|turn| call(black_box(handle), values[turn & (LATENCIES - 1)]));
    }

    /// The same with a handle that the thread owns.
    pub fn latencies_mut<H: ?Sized>(&mut self, handle: &mut H, call: impl Fn(&mut H, u64)) {
        let values = latencies_ns();
        self.run(|turn| call(black_box(&mut *handle), values[turn & (LATENCIES - 1)]));
    }

    /// The same with the latencies in seconds.
    pub fn latencies_in_seconds<H: ?Sized>(&mut self, handle: &H, call: impl Fn(&H, f64)) {
        let values = latencies_seconds();
        self.run(|turn| call(black_box(handle), values[turn & (LATENCIES - 1)]));
    }

    /// Calls `call` with one combination of label values after the other.
    pub fn label_pairs(&mut self, mut call: impl FnMut(&str, &str)) {
        let pairs = label_pairs();
        let mut next = 0;
        self.run(move |_| {
            let (rpc, peer) = black_box(&pairs[next]);
            next = if next == LABEL_PAIRS - 1 { 0 } else { next + 1 };
            call(rpc, peer);
        });
    }

    fn run(&mut self, mut call: impl FnMut(usize)) {
        call = repeat(call, WARM_UP_CALLS);
        self.course.start.wait();
        let (allocations, preemptions) = (allocations::count(), processor::preemptions());
        let started = Instant::now();
        call = repeat(call, self.calls);
        let elapsed = started.elapsed();
        let preemptions = processor::preemptions() - preemptions;
        let allocations = allocations::count() - allocations;
        let mut all_calls = WARM_UP_CALLS + self.calls;
        // Relaxed: the count only says when to stop; the threads are joined before anything is
        // read.
        self.course.timed.fetch_sub(1, Ordering::Relaxed);
        while self.course.timed.load(Ordering::Relaxed) > 0 {
            call = repeat(call, OVERRUN_CALLS);
            all_calls += OVERRUN_CALLS;
        }
        self.time = Some(Time { elapsed, allocations, preemptions, all_calls: all_calls as u64 });
    }
}

/// The loop itself. It takes and returns the closure by value and is the only place that calls it,
/// so that the call is inlined once and what the closure captured can stay in registers.
#[inline(never)]
fn repeat<F: FnMut(usize)>(mut call: F, calls: usize) -> F {
    for turn in 0..calls {
        call(turn);
    }
    call
}
