//! The page: one fresh snapshot, encoded once for all who asked in the same turn.

use crate::aggregate::engine::Core;
use crate::{Snapshot, TextEncoder};
use std::sync::{Arc, Weak};
use std::time::Instant;

/// Takes snapshots and encodes them.
#[derive(Debug)]
pub(super) struct Pages {
    /// Weak: the listener must not keep an engine, or its registry, that everybody else has let go.
    core: Weak<Core>,
    encoder: TextEncoder,
    /// The last page; its buffer is used again once nobody is being sent it any more.
    page: Page,
}

/// An encoded snapshot.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) text: Arc<Vec<u8>>,
    pub(super) generation: u64,
    pub(super) complete: bool,
    /// When the snapshot was asked for: its cut began after that.
    pub(super) asked: Instant,
}

impl Pages {
    pub(super) fn of(core: &Arc<Core>) -> Pages {
        let page =
            Page { text: Arc::default(), generation: 0, complete: true, asked: Instant::now() };
        Pages { core: Arc::downgrade(core), encoder: TextEncoder::new(), page }
    }

    /// The page of a snapshot that has every record that happened-before this call; `None` once the
    /// engine has ended.
    pub(super) fn fresh(&mut self) -> Option<&Page> {
        let asked = Instant::now();
        let snapshot = fresh(&*self.core.upgrade()?)?;
        if Arc::get_mut(&mut self.page.text).is_none() {
            self.page.text = Arc::new(Vec::with_capacity(self.page.text.len()));
        }
        let text = Arc::get_mut(&mut self.page.text).expect("just made");
        text.clear();
        self.encoder.encode(&snapshot, text);
        self.page.generation = snapshot.generation();
        self.page.complete = snapshot.is_complete();
        self.page.asked = asked;
        Some(&self.page)
    }
}

/// A snapshot whose cut began after this call; `None` if the engine makes no more.
fn fresh(core: &Core) -> Option<Arc<Snapshot>> {
    // Any generation that `refresh` made or waited for began after the question, so it is later
    // than the one that was published before. Only an engine that was stopped gives an old one
    // again.
    let before = core.latest().generation();
    let snapshot = core.refresh();
    (snapshot.generation() > before).then_some(snapshot)
}
