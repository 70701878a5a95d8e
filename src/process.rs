//! Settings of the whole process, to be made before the first record.

use crate::limits::{ARENA_BYTES, MAX_SHARDS};
use crate::shard::layout::BLOCKS;
use crate::shard::{DOMAIN, domain};
use crate::sync::barrier;
use crate::{Error, Mode};

/// Settings of the whole process, to be made before the first record: most programs need none.
///
/// ```
/// use tachometer::{Mode, ProcessSettings};
/// ProcessSettings::new().max_shards(256).barrier(Mode::Fence).apply()?;
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is set until `apply`"]
pub struct ProcessSettings {
    arena_bytes: usize,
    max_shards: usize,
    barrier: Option<Mode>,
}

impl Default for ProcessSettings {
    fn default() -> Self {
        Self::new()
    }
}

impl ProcessSettings {
    /// What holds if nothing is set: the [limits](crate::limits), and the kernel's barrier where there is one.
    pub fn new() -> Self {
        ProcessSettings { arena_bytes: ARENA_BYTES, max_shards: MAX_SHARDS, barrier: None }
    }

    /// Address space reserved for each recording thread; memory is used only as it is touched. At least
    /// [`ProcessSettings::MIN_ARENA_BYTES`], at most [`ARENA_BYTES`].
    pub fn arena_bytes(mut self, bytes: usize) -> Self {
        self.arena_bytes = bytes;
        self
    }

    /// The smallest arena: the slots, and no block of buckets, so that every histogram record goes to shared cells.
    pub const MIN_ARENA_BYTES: usize = BLOCKS;

    /// The largest number of recording threads alive at once that have a shard of their own, at most [`MAX_SHARDS`].
    pub fn max_shards(mut self, shards: usize) -> Self {
        self.max_shards = shards;
        self
    }

    /// How recording threads and cuts are ordered, instead of what the system allows.
    pub fn barrier(mut self, mode: Mode) -> Self {
        self.barrier = Some(mode);
        self
    }

    /// Makes the settings.
    ///
    /// # Errors
    /// A thread has recorded before, a setting is out of range, or the system refuses the barrier that was asked for.
    pub fn apply(self) -> Result<(), Error> {
        let invalid = |setting, reason: String| Err(Error::InvalidSetting { setting, reason });
        if DOMAIN.shards.len() > 0 {
            return invalid(
                "process",
                "a thread has recorded already; make the settings first thing in main()".to_owned(),
            );
        }
        if !(BLOCKS..=ARENA_BYTES).contains(&self.arena_bytes) {
            let reason = format!("{} is not from {BLOCKS} to {ARENA_BYTES}", self.arena_bytes);
            return invalid("arena_bytes", reason);
        }
        if self.max_shards > MAX_SHARDS {
            return invalid("max_shards", format!("{} is above {MAX_SHARDS}", self.max_shards));
        }
        if let Some(mode) = self.barrier
            && !barrier::choose(mode)
        {
            let reason = format!(
                "{mode:?} cannot be had: the system has no membarrier(), or another mode is already in use"
            );
            return invalid("barrier", reason);
        }
        domain::configure(self.arena_bytes, self.max_shards);
        Ok(())
    }
}

/// How recording threads and cuts are ordered in this process.
pub fn barrier_mode() -> Mode {
    barrier::mode()
}
