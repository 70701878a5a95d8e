//! Under loom, the memory of an arena: loom's atomics cannot be laid over bytes, so each word is an object of its own.
//!
//! Loom carries every atomic through every step of every execution, so a word that no model uses does not exist: the
//! header's spare words, and, in an arena without room for blocks, the heads of histograms.

use super::layout::{
    BANK, BLOCKS, CURSOR, DIRECTORY, DROPPED_EXEMPLARS, HEADER, OVERFLOW_RECORDS, STATE, head,
};
use crate::sync::{AtomicU32, AtomicU64};
use std::cell::RefCell;

#[derive(Debug)]
pub(super) struct Words {
    words: Vec<Option<AtomicU64>>,
    halves: Vec<Option<AtomicU32>>,
}

thread_local! {
    /// The arenas of the execution that runs on this thread; loom runs all threads of a model on one.
    #[expect(clippy::vec_box, reason = "references into the boxes are given out")]
    static KEPT: RefCell<Vec<Box<Words>>> = const { RefCell::new(Vec::new()) };
}

/// Frees the arenas of the executions before. Called before the first arena of each.
pub(crate) fn begin() {
    KEPT.take();
}

impl Words {
    pub(super) fn reserve(bytes: usize) -> &'static Words {
        let words = (0..bytes).step_by(8).map(|at| is_word(at, bytes).then(|| AtomicU64::new(0)));
        let halves = (0..bytes).step_by(4).map(|at| is_entry(at, bytes).then(|| AtomicU32::new(0)));
        let model = Box::new(Words { words: words.collect(), halves: halves.collect() });
        // SAFETY: the box stays where it is until the next execution begins, when nothing of this one is left.
        let kept = unsafe { &*std::ptr::from_ref(&*model) };
        KEPT.with_borrow_mut(|all| all.push(model));
        kept
    }

    pub(super) fn cell(&self, offset: usize) -> &AtomicU64 {
        self.words[offset / 8].as_ref().expect("a word that no model uses")
    }

    pub(super) fn entry(&self, offset: usize) -> &AtomicU32 {
        self.halves[offset / 4].as_ref().expect("an entry that no model uses")
    }
}

fn is_word(at: usize, bytes: usize) -> bool {
    if at < HEADER {
        return [STATE, CURSOR, OVERFLOW_RECORDS, DROPPED_EXEMPLARS].contains(&at);
    }
    match in_bank(at).checked_sub(HEADS) {
        Some(in_heads) if at < BLOCKS => bytes > BLOCKS && in_heads < DIRECTORY,
        _ => true,
    }
}

fn is_entry(at: usize, bytes: usize) -> bool {
    let in_banks = (HEADER..BLOCKS).contains(&at) && bytes > BLOCKS;
    in_banks && in_bank(at).checked_sub(HEADS).is_some_and(|in_heads| in_heads >= DIRECTORY)
}

/// Offset from the start of its bank.
fn in_bank(at: usize) -> usize {
    (at - HEADER) % BANK
}

/// Where the heads (in a model, the one head) begin in a bank.
const HEADS: usize = head(0) - HEADER;
