//! All shards of the process, and how one goes from thread to thread.
//!
//! A list that only grows: a thread that records for the first time takes a free shard, or reserves one and links it in
//! front. At its end it marks the shard free, counts and all: the next thread goes on counting in the same cells, so no
//! step exists in which a count could be folded twice or lost, and memory is bounded by the largest number of threads
//! that were alive at once.
//!
//! Without locks, so that a forked child can use it whatever the parent's other threads were doing.

use super::arena::{Arena, Cells};
use crate::sync::weaken::{Site, order};
use crate::sync::{AtomicPtr, AtomicU32, Ordering};

const FREE: u32 = 0;
const TAKEN: u32 = 1;

/// A shard's place in the list. Never freed.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) arena: Arena,
    /// Position in order of creation, from zero: the cutter keeps notes by it.
    pub(crate) id: usize,
    owner: AtomicU32,
    next: *const Node,
}

// SAFETY: `next` is written before the node is linked and never after; the nodes it leads to are never freed.
unsafe impl Sync for Node {}
// SAFETY: as above.
unsafe impl Send for Node {}

impl Node {
    /// The shard's cells.
    pub(crate) fn cells(&self) -> Cells {
        self.arena.cells
    }

    fn claim(&self) -> bool {
        // Acquire on success, partner `release`: takes over the cells from the thread that ended. The relaxed look
        // first spares the exchange where it must fail.
        self.owner.load(Ordering::Relaxed) == FREE
            && self
                .owner
                .compare_exchange(
                    FREE,
                    TAKEN,
                    order(Site::HandOver, Ordering::Acquire),
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    /// Marks the shard free for the next thread. The owner calls it, outside any entry, and never touches it again.
    pub(crate) fn release(&self) {
        // Release, partner `claim`: hands the cells over.
        self.owner.store(FREE, order(Site::HandOver, Ordering::Release));
    }

    /// Whether a thread owns the shard now.
    pub(crate) fn is_taken(&self) -> bool {
        // Relaxed: only counted.
        self.owner.load(Ordering::Relaxed) == TAKEN
    }
}

/// The list.
#[derive(Debug)]
pub(crate) struct List {
    head: AtomicPtr<Node>,
}

impl List {
    #[cfg(not(tachometer_loom))]
    pub(crate) const fn new() -> Self {
        List { head: AtomicPtr::new(std::ptr::null_mut()) }
    }

    #[cfg(tachometer_loom)]
    pub(crate) fn new() -> Self {
        List { head: AtomicPtr::new(std::ptr::null_mut()) }
    }

    /// A shard for the calling thread: a free one, or a new one of `bytes`; `None` at the limit or without memory.
    pub(crate) fn take(&self, bytes: usize, limit: usize) -> Option<&'static Node> {
        self.iter().find(|node| node.claim()).or_else(|| self.link(bytes, limit))
    }

    fn link(&self, bytes: usize, limit: usize) -> Option<&'static Node> {
        if self.len() >= limit {
            return None;
        }
        let arena = Arena::reserve(bytes)?;
        let owner = AtomicU32::new(TAKEN);
        let node = Box::leak(Box::new(Node { arena, id: 0, owner, next: std::ptr::null() }));
        // Acquire, partner the exchange below in another thread: the node's id is read.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            node.next = head;
            // SAFETY: null, or a linked node (acquire above and below), which is initialised and never freed.
            node.id = unsafe { head.as_ref() }.map_or(0, |newest| newest.id + 1);
            if node.id >= limit {
                // Others came first: the reservation stays behind, address space without memory, once for such a race.
                return None;
            }
            let linked = self.head.compare_exchange(
                head,
                node,
                // Release, partner `iter`: publishes the node. That it comes before the thread's first load of the
                // epoch (claim 5 of the protocol) is the business of the barrier in that first `entry::enter`.
                order(Site::Register, Ordering::Release),
                Ordering::Acquire,
            );
            match linked {
                Ok(_) => return Some(node),
                Err(other) => head = other,
            }
        }
    }

    /// How many shards there are.
    pub(crate) fn len(&self) -> usize {
        self.iter().next().map_or(0, |newest| newest.id + 1)
    }

    /// All shards, newest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static Node> + use<> {
        // Acquire, partner `link`: the nodes behind the head are initialised. Each head's exchange read the one before
        // it, and nodes are immutable once linked, so the whole chain is covered by release sequences.
        let mut next = self.head.load(Ordering::Acquire) as *const Node;
        std::iter::from_fn(move || {
            // SAFETY: null, or a linked node, which is initialised (acquire above) and never freed.
            let node = unsafe { next.as_ref() }?;
            next = node.next;
            Some(node)
        })
    }

    /// In a forked child: every shard but the calling thread's belonged to a thread that is not here.
    #[cfg(not(tachometer_loom))]
    pub(crate) fn free_all_but(&self, mine: Option<&'static Node>) {
        for node in self.iter() {
            if !mine.is_some_and(|own| std::ptr::eq(own, node)) {
                node.release();
            }
        }
    }
}
