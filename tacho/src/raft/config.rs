//! What a cluster is started with, and the bounds that keep it small.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use openraft::SnapshotPolicy;
use tachometer::Registry;
use tachometer::limits::DEFAULT_SAMPLE_EVERY;

/// Nodes are numbered from 1 to this.
pub const NODES: u64 = 3;

/// A snapshot is taken when this many entries were committed since the last one …
pub const SNAPSHOT_AFTER_ENTRIES: u64 = 50_000;

/// … or when the entries kept weigh this much, whichever comes first.
pub const SNAPSHOT_AFTER_BYTES: u64 = 64 << 20;

/// Entries kept behind a snapshot, so that a follower that is a little late needs none.
pub const ENTRIES_KEPT_BEHIND_SNAPSHOT: u64 = 1_000;

/// Most entries in one `append_entries` call.
pub const ENTRIES_PER_CALL: u64 = 1_000;

/// Most commands in one entry.
pub const COMMANDS_PER_ENTRY: usize = 256;

// What a snapshot leaves in the log must weigh less than what calls for the next snapshot.
const _: () =
    assert!(ENTRIES_KEPT_BEHIND_SNAPSHOT * (COMMANDS_PER_ENTRY as u64) * 64 < SNAPSHOT_AFTER_BYTES);

/// Where the log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogKind {
    /// In segment files, synced before an append is acknowledged.
    Disk,
    /// In memory only: it survives the restart of a node but not the process.
    Memory,
}

impl fmt::Display for LogKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disk => "on disk",
            Self::Memory => "in memory",
        })
    }
}

/// How to start a cluster.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    pub log: LogKind,
    /// Where the run's temporary folder is made; the system's choice when `None`.
    pub parent_folder: Option<PathBuf>,
    /// Where nodes register what they measure; `None`: nothing is measured, no time stamp taken.
    pub metrics: Option<Registry>,
    /// One in this many commands is timed from its proposal to its commit.
    pub sample_every: NonZeroU32,
    pub snapshot_after_entries: u64,
    pub snapshot_after_bytes: u64,
}

impl ClusterConfig {
    pub fn new(log: LogKind) -> Self {
        Self {
            log,
            parent_folder: None,
            metrics: Some(Registry::new()),
            sample_every: DEFAULT_SAMPLE_EVERY,
            snapshot_after_entries: SNAPSHOT_AFTER_ENTRIES,
            snapshot_after_bytes: SNAPSHOT_AFTER_BYTES,
        }
    }

    /// The same as openraft wants it.
    pub(crate) fn openraft(&self) -> anyhow::Result<Arc<openraft::Config>> {
        let config = openraft::Config {
            cluster_name: "tacho".to_owned(),
            heartbeat_interval: 50,
            election_timeout_min: 150,
            election_timeout_max: 300,
            install_snapshot_timeout: 2_000,
            max_payload_entries: ENTRIES_PER_CALL,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.snapshot_after_entries),
            max_in_snapshot_log_to_keep: ENTRIES_KEPT_BEHIND_SNAPSHOT
                .min(self.snapshot_after_entries),
            ..openraft::Config::default()
        };
        Ok(Arc::new(config.validate()?))
    }
}
