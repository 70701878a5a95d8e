//! Asks for a snapshot when a node's log has become too heavy, after which openraft purges it.
//!
//! openraft's metrics channel is read, never waited on: it changes with every entry.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::config::{ClusterConfig, ENTRIES_KEPT_BEHIND_SNAPSHOT};
use super::log::LogHandle;
use super::probe::SnapshotTrigger;
use super::types::{Raft, RaftMetrics};

/// How often a node is looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// Looks at one node's log.
pub struct Compaction {
    pub config: Arc<ClusterConfig>,
    pub raft: Raft,
    pub log: LogHandle,
}

impl fmt::Debug for Compaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compaction").finish_non_exhaustive()
    }
}

impl Compaction {
    /// Looks until the task is aborted.
    pub async fn run(self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let metrics = self.raft.metrics();
        loop {
            ticks.tick().await;
            let is_too_heavy = self.is_log_too_heavy(&metrics.borrow());
            if is_too_heavy {
                // An error means that the node is stopping, and then so does this task.
                let _ = self.raft.take_snapshot(SnapshotTrigger::Size).await;
            }
        }
    }

    fn is_log_too_heavy(&self, seen: &RaftMetrics) -> bool {
        let [applied, snapshot] =
            [seen.last_applied, seen.snapshot].map(|id| id.map_or(0, |id| id.index));
        applied.saturating_sub(snapshot) > ENTRIES_KEPT_BEHIND_SNAPSHOT
            && self.log.look(|log| log.bytes()) > self.config.snapshot_after_bytes
    }
}
