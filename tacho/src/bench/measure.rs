//! Timing two things in turns, and counting allocations.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Instant;

use serde::Serialize;

/// One path beside its baseline. Times are medians, in nanoseconds a call.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub path: &'static str,
    pub ns: f64,
    pub baseline: &'static str,
    pub baseline_ns: f64,
    pub ratio: f64,
    /// What the ratio is held to: at most this, or for `raft_compare` at least.
    pub limit: f64,
    /// Allocations in a whole round of the path; `None` where they are not counted.
    pub allocations: Option<u64>,
}

impl Row {
    /// Whether the ratio is within its limit.
    pub fn meets_its_limit(&self) -> bool {
        match self.path {
            "raft_compare" => self.ratio >= self.limit,
            _ => self.ratio <= self.limit,
        }
    }
}

/// What is compared: names, the limit, and how many calls a timed stretch makes.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    pub path: &'static str,
    pub baseline: &'static str,
    pub limit: f64,
    pub calls: usize,
}

impl Pair {
    /// Times `path` and `baseline` in turns. Each is called with the index of the call.
    pub fn time(
        self,
        rounds: u32,
        mut path: impl FnMut(usize),
        mut baseline: impl FnMut(usize),
    ) -> Row {
        // One round of each to warm up: a thread's first record, the caches, the branch predictor.
        (0..self.calls).for_each(&mut path);
        (0..self.calls).for_each(&mut baseline);
        let (mut ours, mut theirs, mut allocations) = (Vec::new(), Vec::new(), 0);
        for _ in 0..rounds {
            let before = allocated();
            let ns = stretch(self.calls, &mut path);
            allocations = allocated() - before;
            ours.push(ns);
            theirs.push(stretch(self.calls, &mut baseline));
        }
        self.row(ours, theirs, Some(allocations))
    }

    /// The row of samples taken elsewhere.
    pub fn row(self, ours: Vec<f64>, theirs: Vec<f64>, allocations: Option<u64>) -> Row {
        let (ns, baseline_ns) = (median(ours), median(theirs));
        Row {
            path: self.path,
            ns,
            baseline: self.baseline,
            baseline_ns,
            ratio: ns / baseline_ns,
            limit: self.limit,
            allocations,
        }
    }
}

/// Nanoseconds a call.
#[inline(never)]
pub fn stretch(calls: usize, f: &mut impl FnMut(usize)) -> f64 {
    let start = Instant::now();
    (0..calls).for_each(f);
    start.elapsed().as_nanos() as f64 / calls as f64
}

/// The middle value.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// The system's allocator, with a count of each thread's allocations.
#[derive(Debug)]
pub struct CountingAllocator;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Allocations of the calling thread so far; zero unless the program uses [`CountingAllocator`].
pub fn allocated() -> u64 {
    ALLOCATIONS.get()
}

// SAFETY: every call goes to the system's allocator as it came; the count is a plain cell of the thread's own, without a
// destructor, so that it can be used at any time.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's word is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn a_throughput_is_held_to_a_floor_and_a_time_to_a_ceiling() {
        let pair = Pair { path: "counter", baseline: "", limit: 2.0, calls: 1 };
        let row = pair.row(vec![3.0], vec![2.0], None);
        assert!(row.meets_its_limit());
        assert!(!Row { ratio: 2.1, ..row.clone() }.meets_its_limit());
        assert!(!Row { path: "raft_compare", limit: 0.99, ratio: 0.98, ..row }.meets_its_limit());
    }
}
