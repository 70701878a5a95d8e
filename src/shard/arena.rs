//! The memory of a shard, and the only pointer arithmetic on it.
//!
//! An [`Arena`] reserves address space once and is never unmapped: shards outlive their threads and are handed on, so a
//! [`Cells`] is valid for the rest of the process. Pages are used as they are touched, huge pages are declined (a thread
//! that counts in one cell would otherwise hold two megabytes), and a forked child finds all pages zero.

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// A view of an arena: where one thread's cells begin. As cheap as a pointer, because it is one.
#[cfg(not(tachometer_loom))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Cells(std::ptr::NonNull<u8>);

// SAFETY: all access goes through atomics, save `add_run(still)`, whose caller vouches for stillness; the memory is never
// unmapped.
#[cfg(not(tachometer_loom))]
unsafe impl Send for Cells {}
// SAFETY: as above.
#[cfg(not(tachometer_loom))]
unsafe impl Sync for Cells {}

#[cfg(not(tachometer_loom))]
impl Cells {
    /// The cell at `offset`.
    ///
    /// Invariant, kept by `layout`, `octave` and the registry: every offset that reaches this is a header word, a slot
    /// that `layout` computed (plus a bank), or lies in a block that the bump cursor of this very arena allotted. All of
    /// them are multiples of 8 below the arena's length.
    #[inline(always)]
    pub(crate) fn cell(self, offset: usize) -> &'static AtomicU64 {
        debug_assert!(offset.is_multiple_of(8));
        // SAFETY: in bounds and aligned by the invariant above; mapped, zero-initialised and never unmapped.
        unsafe { &*self.0.as_ptr().add(offset).cast::<AtomicU64>() }
    }

    /// The 32-bit directory entry at `offset`; the invariant of [`Cells::cell`], with multiples of 4.
    #[inline(always)]
    pub(crate) fn entry(self, offset: usize) -> &'static AtomicU32 {
        debug_assert!(offset.is_multiple_of(4));
        // SAFETY: as in `cell`; directories are only ever accessed as 32-bit words.
        unsafe { &*self.0.as_ptr().add(offset).cast::<AtomicU32>() }
    }

    /// The same cells seen from `bank`, so that slots are offsets from here: worth it where several records share a bank.
    #[inline(always)]
    pub(crate) fn in_bank(self, bank: usize) -> Cells {
        // SAFETY: within the arena; a slot that is added to it is in bounds by the invariant of `cell`.
        Cells(unsafe { self.0.add(bank) })
    }

    /// Adds `into.len()` cells from `offset` on to `into`, wrapping.
    ///
    /// `still` is the caller's word that nobody writes these cells now and that all earlier writes happen-before this
    /// call; they are then read without atomics, several at a time.
    #[inline]
    pub(crate) fn add_run(self, offset: usize, into: &mut [u64], still: bool) {
        if still {
            // SAFETY: in bounds by the invariant of `cell`; no concurrent write by the caller's word.
            let run = unsafe {
                std::slice::from_raw_parts(self.0.as_ptr().add(offset).cast::<u64>(), into.len())
            };
            for (sum, cell) in into.iter_mut().zip(run) {
                *sum = sum.wrapping_add(*cell);
            }
        } else {
            self.add_run_moving(offset, into);
        }
    }

    /// The base address, for the thread-local pointer.
    #[inline(always)]
    pub(crate) fn as_ptr(self) -> *mut u8 {
        self.0.as_ptr()
    }

    /// The inverse of [`Cells::as_ptr`].
    ///
    /// # Safety
    /// `base` is not null and came from `as_ptr` in this process.
    #[inline(always)]
    pub(crate) unsafe fn from_ptr(base: *mut u8) -> Self {
        // SAFETY: not null by the caller's word.
        Cells(unsafe { std::ptr::NonNull::new_unchecked(base) })
    }
}

#[cfg(tachometer_loom)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cells(&'static super::modelled::Words);

#[cfg(tachometer_loom)]
impl Cells {
    pub(crate) fn cell(self, offset: usize) -> &'static AtomicU64 {
        self.0.cell(offset)
    }

    pub(crate) fn entry(self, offset: usize) -> &'static AtomicU32 {
        self.0.entry(offset)
    }

    pub(crate) fn add_run(self, offset: usize, into: &mut [u64], _still: bool) {
        self.add_run_moving(offset, into);
    }
}

impl Cells {
    /// As [`Cells::add_run`], for cells that may be written meanwhile: each is read whole, and not two of them together.
    fn add_run_moving(self, offset: usize, into: &mut [u64]) {
        for (index, sum) in into.iter_mut().enumerate() {
            // Relaxed: a cut that reads a moving shard is marked incomplete and claims nothing about order.
            *sum = sum.wrapping_add(self.cell(offset + 8 * index).load(Ordering::Relaxed));
        }
    }
}

/// Reserved memory and its length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arena {
    pub(crate) cells: Cells,
    pub(crate) bytes: usize,
}

impl Arena {
    /// Reserves `bytes` of zeroed memory; `None` if the address space does not have them.
    #[cfg(all(not(tachometer_loom), unix))]
    pub(crate) fn reserve(bytes: usize) -> Option<Arena> {
        let read_write = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches no existing memory.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), bytes, read_write, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return None;
        }
        #[cfg(target_os = "linux")]
        // SAFETY: advice on our own mapping; a kernel that does not know it answers with an error, which is harmless:
        // without the first, pages are larger than need be; without the second, `fork::child` maps anew.
        unsafe {
            libc::madvise(base, bytes, libc::MADV_NOHUGEPAGE);
            libc::madvise(base, bytes, libc::MADV_WIPEONFORK);
        }
        Some(Arena { cells: Cells(std::ptr::NonNull::new(base.cast())?), bytes })
    }

    /// Reserves `bytes` of zeroed memory; `None` if there are none.
    #[cfg(all(not(tachometer_loom), not(unix)))]
    pub(crate) fn reserve(bytes: usize) -> Option<Arena> {
        let layout = std::alloc::Layout::from_size_align(bytes, 4096).ok()?;
        // SAFETY: the size is not zero. Never freed.
        let base = unsafe { std::alloc::alloc_zeroed(layout) };
        Some(Arena { cells: Cells(std::ptr::NonNull::new(base)?), bytes })
    }

    /// Under loom: words of the model.
    #[cfg(tachometer_loom)]
    pub(crate) fn reserve(bytes: usize) -> Option<Arena> {
        Some(Arena { cells: Cells(super::modelled::Words::reserve(bytes)), bytes })
    }

    /// Makes the memory zero again in a forked child, where the kernel did not. Async-signal-safe.
    #[cfg(all(not(tachometer_loom), unix))]
    pub(crate) fn wipe(&self) {
        let read_write = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
        // SAFETY: replaces exactly our own mapping by a fresh one, in a child that has one thread.
        unsafe { libc::mmap(self.cells.as_ptr().cast(), self.bytes, read_write, flags, -1, 0) };
        #[cfg(target_os = "linux")]
        // SAFETY: as in `reserve`; the child may fork in turn.
        unsafe {
            libc::madvise(self.cells.as_ptr().cast(), self.bytes, libc::MADV_NOHUGEPAGE);
            libc::madvise(self.cells.as_ptr().cast(), self.bytes, libc::MADV_WIPEONFORK);
        }
    }
}
