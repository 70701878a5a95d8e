//! A global allocator that counts the calling thread's allocations.
//!
//! The count is a plain thread-local cell, so counting costs a rival that does allocate about a
//! nanosecond and one that does not nothing; and a lap sees its own thread's allocations only.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// How often the calling thread has allocated or reallocated so far.
pub fn count() -> u64 {
    COUNT.get()
}

fn count_one() {
    // `COUNT` is const-initialized and has no destructor, so it can be used at any time of a
    // thread's life.
    COUNT.set(COUNT.get() + 1);
}

/// The system allocator with a count per thread.
pub struct Counting;

// SAFETY: every call is handed to `System` unchanged, which upholds the trait's contract; counting
// touches one thread-local cell and neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_one();
        // SAFETY: the caller's promises about `layout` are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count_one();
        // SAFETY: the caller's promises about `layout` are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count_one();
        // SAFETY: `pointer` came from `System` through this allocator, with this `layout`.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System` through this allocator, with this `layout`.
        unsafe { System.dealloc(pointer, layout) }
    }
}
