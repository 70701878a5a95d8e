//! The thread's own pointer to its shard, and every path that is not the fast one.
//!
//! [`fast`] is null whenever a record needs more thought than "my shard, no group open, kernel barrier at hand": before
//! the thread's first record, while a group is open on it, in a process without `membarrier`, and after the
//! thread-local is gone. One cold branch in the record thus covers them all; [`perform`] sorts them out.
//!
//! The cold functions that stand inside a group are `extern "C"`, which to the compiler means that they do not unwind (they
//! do not: nothing in them panics). Otherwise the group's guard would have to be kept in memory for a clean-up that never
//! comes, and each group would wait for its own stores.

use super::arena::Cells;
use super::entry::{Bank, enter, enter_fenced, leave};
use super::layout::{GROUP_BANK, GROUP_DEPTH, ORPHAN, Shape};
use super::list::Node;
pub(crate) use super::write::Record;
use super::{DOMAIN, fork};
use crate::sync::barrier::{Mode, mode};
use crate::sync::{Ordering, bump};
use std::cell::Cell;
use std::ptr::null_mut;

thread_local! {
    static FAST: Cell<*mut u8> = const { Cell::new(null_mut()) };
    static LOCAL: Cell<Local> = const { Cell::new(Local::New) };
    static GUEST_GROUP: Cell<(u32, Bank)> = const { Cell::new((0, 0)) };
    static OWNER: Owner = const { Owner };
}

/// Where the thread stands.
#[derive(Clone, Copy, Debug)]
enum Local {
    /// It has not recorded yet.
    New,
    /// It owns a shard.
    Owns(&'static Node),
    /// There was no shard to be had; it asks again after so many records.
    Guest(u32),
    /// Its destructors have run.
    Gone,
}

/// Records between two attempts of a guest to get a shard.
const GUEST_RETRY: u32 = 1024;

/// The cells of this thread's shard, where a record may take the fast path.
#[inline(always)]
pub(crate) fn fast() -> Option<Cells> {
    let base = FAST.get();
    if base.is_null() {
        return None;
    }
    // SAFETY: not null, and only `Cells::as_ptr` is ever stored there.
    Some(unsafe { Cells::from_ptr(base) })
}

/// An entry made by the slow path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    /// The thread's own cells; `None` for a guest of the shared arena.
    pub(crate) own: Option<Cells>,
    /// The bank that the entry writes.
    pub(crate) bank: Bank,
    /// Whether [`Access::leave`] ends it; not inside an open group, which ends it itself.
    ends: bool,
}

/// Enters by whatever way is open to the calling thread.
#[cold]
#[inline(never)]
pub(crate) fn enter_slow() -> Access {
    match LOCAL.get() {
        Local::Owns(node) => enter_own(node),
        Local::New => enter_first(),
        Local::Guest(0) if GUEST_GROUP.get().0 == 0 => {
            LOCAL.set(Local::New);
            enter_first()
        }
        Local::Guest(left) => {
            LOCAL.set(Local::Guest(left.saturating_sub(1)));
            enter_guest()
        }
        Local::Gone => enter_guest(),
    }
}

fn enter_guest() -> Access {
    match GUEST_GROUP.get() {
        (0, _) => Access { own: None, bank: DOMAIN.guests.enter(&DOMAIN.epoch), ends: true },
        (_, bank) => Access { own: None, bank, ends: false },
    }
}

fn enter_own(node: &'static Node) -> Access {
    let cells = node.cells();
    // Relaxed: the owner's own words.
    if cells.cell(GROUP_DEPTH).load(Ordering::Relaxed) > 0 {
        let bank = cells.cell(GROUP_BANK).load(Ordering::Relaxed) as usize;
        return Access { own: Some(cells), bank, ends: false };
    }
    let bank = match mode() {
        Mode::Membarrier => enter(cells, &DOMAIN.epoch),
        Mode::Fence => enter_fenced(cells, &DOMAIN.epoch),
    };
    Access { own: Some(cells), bank, ends: true }
}

/// A thread's first record: takes a shard, counts and all.
fn enter_first() -> Access {
    fork::watch();
    // Registers the destructor first: if the thread-local is being torn down, a shard would never be handed on.
    if OWNER.try_with(|_| ()).is_err() {
        LOCAL.set(Local::Gone);
        return enter_guest();
    }
    let Some(node) = DOMAIN.take_shard() else {
        LOCAL.set(Local::Guest(GUEST_RETRY));
        return enter_guest();
    };
    LOCAL.set(Local::Owns(node));
    if mode() == Mode::Membarrier {
        FAST.set(node.cells().as_ptr());
    }
    enter_own(node)
}

impl Access {
    /// Records inside this entry.
    pub(crate) fn apply(self, record: Record) {
        record.write(&DOMAIN, self.own, self.bank);
    }

    /// Ends the entry.
    pub(crate) fn leave(self) {
        match self.own {
            _ if !self.ends => {}
            Some(cells) => leave(cells, self.bank),
            None => DOMAIN.guests.leave(self.bank),
        }
    }
}

/// The rest of a plain record on the fast path that is the first in its octave, or a new extreme; ends the entry.
#[cold]
#[inline(never)]
pub(crate) fn finish(cells: Cells, bank: Bank, slot: usize, shape: Shape, value: u64, n: u64) {
    let access = Access { own: Some(cells), bank, ends: true };
    access.apply(Record::Histogram { slot, shape, value, n });
    access.leave();
}

/// Records by the slow path.
#[cold]
#[inline(never)]
pub(crate) fn perform(record: Record) {
    let access = enter_slow();
    access.apply(record);
    access.leave();
}

/// An open group: what it writes, and what to put back when it closes.
///
/// Three words without padding, passed by value: so it stays in registers.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Open {
    /// The thread's own cells; `None` for a guest of the shared arena.
    pub(crate) own: Option<Cells>,
    pub(crate) bank: Bank,
    restore: *mut u8,
}

/// Opens a group: one entry for many records, with plain records on this thread sent the slow way round into it.
#[inline(always)]
pub(crate) fn open_group() -> Open {
    let Some(cells) = fast() else { return open_group_slow() };
    let bank = enter(cells, &DOMAIN.epoch);
    FAST.set(null_mut());
    // Relaxed: the owner's own words.
    cells.cell(GROUP_DEPTH).store(1, Ordering::Relaxed);
    cells.cell(GROUP_BANK).store(bank as u64, Ordering::Relaxed);
    Open { own: Some(cells), bank, restore: cells.as_ptr() }
}

#[cold]
#[inline(never)]
extern "C" fn open_group_slow() -> Open {
    let Access { own, bank, .. } = enter_slow();
    FAST.set(null_mut());
    let Some(cells) = own else {
        GUEST_GROUP.set((GUEST_GROUP.get().0 + 1, bank));
        return Open { own, bank, restore: null_mut() };
    };
    // Relaxed: the owner's own words.
    bump(cells.cell(GROUP_DEPTH), 1);
    cells.cell(GROUP_BANK).store(bank as u64, Ordering::Relaxed);
    let restore = if mode() == Mode::Membarrier { cells.as_ptr() } else { null_mut() };
    Open { own, bank, restore }
}

/// A group's addition that is not the common case: a guest's.
#[cold]
#[inline(never)]
pub(crate) extern "C" fn add_grouped(own: Option<Cells>, bank: Bank, slot: usize, n: u64) {
    Access { own, bank, ends: false }.apply(Record::Add { slot, n });
}

/// A group's value that is not the common case: a guest's, the first in its octave, a new extreme.
#[cold]
#[inline(never)]
pub(crate) extern "C" fn record_grouped(
    own: Option<Cells>,
    bank: Bank,
    slot: usize,
    shape: Shape,
    value: u64,
) {
    Access { own, bank, ends: false }.apply(Record::Histogram { slot, shape, value, n: 1 });
}

/// Closes a group that [`open_group`] opened.
#[inline(always)]
pub(crate) fn close_group(open: Open) {
    if let Some(cells) = open.own {
        let depth = cells.cell(GROUP_DEPTH);
        // Relaxed: the owner's own word.
        if depth.load(Ordering::Relaxed) == 1 {
            depth.store(0, Ordering::Relaxed);
            leave(cells, open.bank);
            FAST.set(open.restore);
            return;
        }
    }
    close_group_slow(open.own, open.bank, open.restore);
}

/// Nested groups closed in any order, a guest's group, a group that outlived its thread's destructors.
#[cold]
#[inline(never)]
extern "C" fn close_group_slow(own: Option<Cells>, bank: Bank, restore: *mut u8) {
    let Some(cells) = own else {
        let (depth, _) = GUEST_GROUP.get();
        GUEST_GROUP.set((depth - 1, bank));
        if depth == 1 {
            DOMAIN.guests.leave(bank);
        }
        return;
    };
    let depth = cells.cell(GROUP_DEPTH);
    // Relaxed: the owner's own word.
    let left = depth.load(Ordering::Relaxed).saturating_sub(1);
    depth.store(left, Ordering::Relaxed);
    if left & !ORPHAN > 0 {
        return;
    }
    depth.store(0, Ordering::Relaxed);
    leave(cells, bank);
    if left & ORPHAN == 0 {
        FAST.set(restore);
        return;
    }
    let mine = DOMAIN.shards.iter().find(|node| node.cells() == cells);
    mine.into_iter().for_each(Node::release);
}

/// The destructor that hands the shard to the next thread.
#[derive(Debug)]
struct Owner;

impl Drop for Owner {
    fn drop(&mut self) {
        FAST.set(null_mut());
        if let Local::Owns(node) = LOCAL.replace(Local::Gone) {
            let depth = node.cells().cell(GROUP_DEPTH);
            // Relaxed: the owner's own word.
            match depth.load(Ordering::Relaxed) {
                0 => node.release(),
                open => depth.store(open | ORPHAN, Ordering::Relaxed),
            }
        }
    }
}

/// The calling thread's shard, for a forked child.
pub(super) fn own_node() -> Option<&'static Node> {
    match LOCAL.get() {
        Local::Owns(node) => Some(node),
        _ => None,
    }
}
