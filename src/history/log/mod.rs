//! The history on disk: a directory of append-only segments, from which it opens again.
//!
//! Each row of a tier (a generation, or a step) is one record: encoded on the aggregator's thread into one buffer, handed
//! to a thread of the log's own by a bounded queue, and written there with one call of the system. A segment has rows of
//! one tier, and can be read without any other: it begins with all series, their names and all that they have. So old
//! segments can go as a whole, and damage costs the rest of one segment.
//!
//! - [`encode`], [`decode`]: a row as bytes, and back; [`codec`] has the numbers in it.
//! - [`format`]: what a segment begins with, and how records are checksummed.
//! - [`queue`], [`writer`]: the way to the disk, and what goes when its bound is met.
//! - [`directory`]: made, locked, looked through. [`replay`]: rows into the store.

mod codec;
mod decode;
mod directory;
mod encode;
mod format;
mod queue;
mod reading;
mod replay;
mod status;
mod writer;

pub use status::{Damage, Persistence};

pub(super) use format::{assemble, take_apart};
pub(super) use queue::Counts;
pub(super) use reading::Opened;
#[doc(hidden)]
pub(super) use reading::{open, read_pieces};

use crate::history::column::Origin;
use crate::history::series::{Current, Key};
use crate::history::sparse::Gain;
use crate::limits::MAX_HISTORY_RECORD_BYTES;
use crate::shard::fork;
use encode::Encoder;
use format::FRAME;
use queue::{Admission, Job, Queue};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// A log that is written. When it is dropped, all that waits is written and synced.
#[derive(Debug)]
pub(super) struct Log {
    encoders: Vec<Encoder>,
    /// For each tier, how long a segment may be in milliseconds, and whether the row before was not written.
    tiers: Vec<(i64, bool)>,
    segment_bytes: usize,
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
    /// The fork generation whose thread it is.
    born: u64,
}

impl Log {
    /// Begins a row of `tier`, which all series of it follow.
    pub(super) fn begin(&mut self, tier: usize, time: i64) {
        let (longest, lost) = self.tiers[tier];
        let encoder = &mut self.encoders[tier];
        let admission = self.queue.admits(tier, lost);
        self.tiers[tier].1 = admission == Admission::No;
        if admission == Admission::No {
            return encoder.leave_out(time);
        }
        let over = encoder.is_over(time, longest, self.segment_bytes);
        encoder.begin(time, admission == Admission::Segment || over);
    }

    /// A series of the row that was begun: who it is, what it shows and whether that is a float's bits, and what came
    /// before it; `None` if the store has let that go, but not the log.
    pub(super) fn show<'k>(
        &mut self,
        tier: usize,
        id: u32,
        key: impl FnOnce() -> Option<&'k Key>,
        shown: (&Current, bool),
        origin: Option<Origin>,
        gain: &Gain,
    ) {
        self.encoders[tier].show(id, key, shown, origin, gain);
    }

    /// Ends the row, and has it written.
    pub(super) fn end(&mut self, tier: usize, time: i64) {
        let encoder = &mut self.encoders[tier];
        if !encoder.is_recording() {
            return;
        }
        let mut record = self.queue.buffer();
        record.clear();
        record.resize(FRAME, 0);
        let begins = encoder.end(&mut record);
        if record.len() > MAX_HISTORY_RECORD_BYTES {
            let why = format!(
                "a row of {} bytes is more than {MAX_HISTORY_RECORD_BYTES}: there are too many series",
                record.len()
            );
            self.tiers[tier].1 = true;
            return self.queue.fail(tier, why, true);
        }
        self.queue.push(Job { tier, time, begins, record });
    }

    /// The store has no such series any more, and gives its number away.
    pub(super) fn forget(&mut self, id: u32) {
        self.encoders.iter_mut().for_each(|encoder| encoder.forget(id));
    }

    /// Bytes of memory that it takes, but for rows that wait to be written.
    pub(super) fn heap(&self) -> usize {
        self.encoders.iter().map(Encoder::heap).sum()
    }

    pub(super) fn queue(&self) -> Handle {
        Handle(self.queue.clone())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // A fork has no such thread, and a lock may be held by one that it has not.
        let Some(thread) = self.thread.take().filter(|_| self.born == fork::generation()) else {
            return;
        };
        self.queue.lock().stop = true;
        self.queue.work.notify_one();
        let _ = thread.join();
    }
}

/// What others see of a log.
#[derive(Clone, Debug)]
pub(super) struct Handle(Arc<Queue>);

impl Handle {
    pub(super) fn counts(&self) -> Counts {
        self.0.counts()
    }

    /// See [`Queue::wait`].
    pub(super) fn wait(&self, sync: bool, limit: Duration) -> bool {
        self.0.wait(sync, limit)
    }
}
