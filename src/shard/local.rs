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
use super::exemplar::{self, Traced};
use super::layout::{FENCED, GROUP, GROUP_DEPTH, ORPHAN, Shape};
use super::list::Node;
pub(crate) use super::write::Record;
use super::{DOMAIN, fork};
use crate::sync::Ordering;
use crate::sync::barrier::{Mode, mode};
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
    if let Some(group) = open_groups(cells) {
        return Access { own: Some(cells), bank: bank_of(group), ends: false };
    }
    let bank = match mode() {
        Mode::Membarrier => enter(cells, &DOMAIN.epoch),
        Mode::Fence => enter_fenced(cells, &DOMAIN.epoch),
    };
    Access { own: Some(cells), bank, ends: true }
}

/// The group word of the calling thread, who owns `cells`, if a group is open.
///
/// The word alone does not say: [`close_group`] leaves it as it is, and puts [`fast`] back. (Without `membarrier`, where
/// there is never a fast path, groups close the slow way, which clears it.)
fn open_groups(cells: Cells) -> Option<u64> {
    // Relaxed: the owner's own word.
    let group = cells.cell(GROUP).load(Ordering::Relaxed);
    (fast().is_none() && group != 0).then_some(group)
}

/// The bank that a group word has.
fn bank_of(group: u64) -> Bank {
    group as u32 as Bank
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
    // Relaxed: the owner's own word. What it says is of the last owner's groups.
    node.cells().cell(GROUP).store(0, Ordering::Relaxed);
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

    /// Keeps the exemplar of a value that was recorded at `slot` inside this entry.
    pub(crate) fn keep(self, slot: usize, traced: Traced) {
        exemplar::keep(&DOMAIN, self.own, slot + self.bank, traced);
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

/// Records a value, once, with its exemplar.
#[inline(never)]
pub(crate) fn perform_traced(slot: usize, shape: Shape, traced: Traced) {
    let access = enter_slow();
    access.apply(Record::Histogram { slot, shape, value: traced.value, n: 1 });
    access.keep(slot, traced);
    access.leave();
}

/// An open group: what it writes.
///
/// Two words, which functions pass and return in registers.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Open {
    /// The thread's own cells; `None` for a guest of the shared arena.
    pub(crate) own: Option<Cells>,
    pub(crate) bank: Bank,
}

/// Opens a group: one entry for many records, with plain records on this thread sent the slow way round into it.
#[inline(always)]
pub(crate) fn open_group() -> Open {
    let Some(cells) = fast() else { return open_group_slow() };
    let bank = enter(cells, &DOMAIN.epoch);
    FAST.set(null_mut());
    // Relaxed: the owner's own word.
    cells.cell(GROUP).store(GROUP_DEPTH | bank as u64, Ordering::Relaxed);
    Open { own: Some(cells), bank }
}

#[cold]
#[inline(never)]
extern "C" fn open_group_slow() -> Open {
    let Access { own, bank, .. } = enter_slow();
    let Some(cells) = own else {
        GUEST_GROUP.set((GUEST_GROUP.get().0 + 1, bank));
        return Open { own, bank };
    };
    let first = match mode() {
        Mode::Membarrier => bank as u64,
        Mode::Fence => bank as u64 | FENCED,
    };
    let group = open_groups(cells).unwrap_or(first) + GROUP_DEPTH;
    FAST.set(null_mut());
    // Relaxed: the owner's own word.
    cells.cell(GROUP).store(group, Ordering::Relaxed);
    Open { own, bank }
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
    n: u64,
) {
    Access { own, bank, ends: false }.apply(Record::Histogram { slot, shape, value, n });
}

/// As [`record_grouped`], once, and with an exemplar.
#[inline(never)]
pub(crate) extern "C" fn record_grouped_traced(
    own: Option<Cells>,
    bank: Bank,
    slot: usize,
    shape: Shape,
    traced: Traced,
) {
    let access = Access { own, bank, ends: false };
    access.apply(Record::Histogram { slot, shape, value: traced.value, n: 1 });
    access.keep(slot, traced);
}

/// Closes a group that [`open_group`] opened.
#[inline(always)]
pub(crate) fn close_group(open: Open) {
    if let Some(cells) = open.own {
        // Relaxed: the owner's own word. It says that this is the only group, and that its thread had a fast path.
        if cells.cell(GROUP).load(Ordering::Relaxed) == GROUP_DEPTH | open.bank as u64 {
            leave(cells, open.bank);
            FAST.set(cells.as_ptr());
            return;
        }
    }
    close_group_slow(open.own, open.bank);
}

/// Nested groups closed in any order, a guest's group, a group of a thread that has no fast path, or has ended.
#[cold]
#[inline(never)]
extern "C" fn close_group_slow(own: Option<Cells>, bank: Bank) {
    let Some(cells) = own else {
        let (depth, _) = GUEST_GROUP.get();
        GUEST_GROUP.set((depth - 1, bank));
        if depth == 1 {
            DOMAIN.guests.leave(bank);
        }
        return;
    };
    let word = cells.cell(GROUP);
    // Relaxed: the owner's own word, and that of the guard of a thread that has ended. Zero in a child that was forked
    // while the group was open.
    let group = word.load(Ordering::Relaxed).saturating_sub(GROUP_DEPTH);
    if group & !(ORPHAN | FENCED) >= GROUP_DEPTH {
        return word.store(group, Ordering::Relaxed);
    }
    word.store(0, Ordering::Relaxed);
    leave(cells, bank);
    if group & ORPHAN != 0 {
        let mine = DOMAIN.shards.iter().find(|node| node.cells() == cells);
        mine.into_iter().for_each(Node::release);
    } else if mode() == Mode::Membarrier {
        FAST.set(cells.as_ptr());
    }
}

/// The destructor that hands the shard to the next thread.
#[derive(Debug)]
struct Owner;

impl Drop for Owner {
    fn drop(&mut self) {
        if let Local::Owns(node) = LOCAL.replace(Local::Gone) {
            let group = open_groups(node.cells());
            FAST.set(null_mut());
            match group {
                None => node.release(),
                // Relaxed: the owner's own word.
                Some(group) => node.cells().cell(GROUP).store(group | ORPHAN, Ordering::Relaxed),
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
