//! Log and state machine alone: openraft's own storage tests, and what a restart finds on disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openraft::storage::{RaftLogReader, RaftLogStorage, RaftLogStorageExt};
use openraft::testing::{StoreBuilder, Suite};
use openraft::{CommittedLeaderId, EntryPayload};
use tacho::clock::Stamp;
use tacho::raft::log::{LogStore, OpenLog, RecoveryError};
use tacho::raft::probe::{Commands, NodeProbe};
use tacho::raft::router::Router;
use tacho::raft::snapshots::Snapshots;
use tacho::raft::state_machine::StateMachine;
use tacho::raft::types::{Command, Entry, LogId, StorageError, Types, Vote};
use tachometer::Registry;
use tachometer::facade::openraft::{ProbedLog, ProbedStateMachine};
use tachometer::limits::DEFAULT_SAMPLE_EVERY;
use tempfile::TempDir;

fn attached(log: OpenLog) -> LogStore {
    log.attach(Arc::new(Router::new(3)), NodeProbe::off().hooks.append_timer())
}

fn machine(snapshots: Snapshots) -> StateMachine {
    StateMachine::restored(Arc::new(snapshots)).expect("an empty state")
}

/// With all that a node records around it.
struct InMemory;

type Log = ProbedLog<Types, LogStore, Commands>;
type Machine = ProbedStateMachine<Types, StateMachine, Commands>;

impl StoreBuilder<Types, Log, Machine> for InMemory {
    async fn build(&self) -> Result<((), Log, Machine), StorageError> {
        let probe = NodeProbe::measuring(&Registry::new(), 1, DEFAULT_SAMPLE_EVERY);
        let hooks = probe.expect("an empty registry").hooks;
        let log = hooks.log(attached(OpenLog::in_memory(Arc::default())));
        Ok(((), log, hooks.state_machine(machine(Snapshots::default()))))
    }
}

struct OnDisk;

impl StoreBuilder<Types, LogStore, StateMachine, TempDir> for OnDisk {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError> {
        let folder = tempfile::tempdir().expect("a folder");
        let snapshots = Snapshots::on_disk(folder.path()).expect("no snapshot yet");
        let log = open(folder.path()).expect("an empty log");
        Ok((folder, log, machine(snapshots)))
    }
}

// openraft's suite sleeps for eight seconds in all.

#[test]
fn openraft_accepts_the_log_in_memory_with_its_hooks() {
    Suite::test_all(InMemory).expect("the suite passes");
}

#[test]
fn openraft_accepts_the_log_on_disk() {
    Suite::test_all(OnDisk).expect("the suite passes");
}

fn open(folder: &Path) -> Result<LogStore, RecoveryError> {
    OpenLog::on_disk(folder).map(attached)
}

fn log_id(index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(1, 1), index)
}

fn entry(index: u64) -> Entry {
    let command = |key| Command { proposed_at: Stamp::now(), key, value: [index as u8; 16] };
    let payload = EntryPayload::Normal((0..200).map(command).collect());
    Entry { log_id: log_id(index), payload }
}

async fn indexes(log: &mut LogStore) -> Vec<u64> {
    let entries = log.try_get_log_entries(..).await.expect("entries can be read");
    entries.iter().map(|entry| entry.log_id.index).collect()
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).expect("the folder can be read");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn a_restart_finds_what_was_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut log = open(folder.path()).expect("an empty log");
    log.save_vote(&Vote::new_committed(3, 2)).await.expect("saved");
    log.blocking_append((0..10).map(entry)).await.expect("appended");
    log.truncate(log_id(7)).await.expect("truncated");
    log.blocking_append((7..9).map(entry)).await.expect("appended");
    log.purge(log_id(2)).await.expect("purged");
    let expected = log.try_get_log_entries(..).await.expect("entries");
    drop(log);

    let mut log = open(folder.path()).expect("the same log");
    assert_eq!(log.try_get_log_entries(..).await.expect("entries"), expected);
    assert_eq!(log.read_vote().await.expect("a vote"), Some(Vote::new_committed(3, 2)));
    let state = log.get_log_state().await.expect("a state");
    assert_eq!(state.last_purged_log_id, Some(log_id(2)));
    assert_eq!(state.last_log_id, Some(log_id(8)));
}

/// Whatever the length at which a crash cut the last write, the entries before it are found, and
/// the log goes on after them.
#[tokio::test]
async fn a_torn_tail_is_cut_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut log = open(folder.path()).expect("an empty log");
    log.blocking_append((0..3).map(entry)).await.expect("appended");
    let path = segments(folder.path()).pop().expect("a segment");
    let intact = fs::read(&path).expect("the segment").len();
    log.blocking_append([entry(3)]).await.expect("appended");
    drop(log);
    let whole = fs::read(&path).expect("the segment");
    assert!(whole.len() > intact);

    for length in [intact, intact + 1, intact + 8, intact + 9, whole.len() - 1] {
        let folder = tempfile::tempdir().expect("a folder");
        let copy = folder.path().join(path.file_name().expect("a name"));
        fs::write(copy, &whole[..length]).expect("a copy");
        let mut log = open(folder.path()).expect("the log without its tail");
        assert_eq!(indexes(&mut log).await, [0, 1, 2], "cut at {length}");
        log.blocking_append([entry(3)]).await.expect("appended");
        drop(log);
        let mut log = open(folder.path()).expect("the log");
        assert_eq!(indexes(&mut log).await, [0, 1, 2, 3], "cut at {length}");
    }
}

#[tokio::test]
async fn segments_follow_each_other_and_go_when_purged() {
    const ENTRIES: u64 = 5_000;
    let folder = tempfile::tempdir().expect("a folder");
    let mut log = open(folder.path()).expect("an empty log");
    log.save_vote(&Vote::new(5, 3)).await.expect("saved");
    for first in (0..ENTRIES).step_by(500) {
        log.blocking_append((first..first + 500).map(entry)).await.expect("appended");
    }
    let before = segments(folder.path()).len();
    assert!(before > 1, "a segment is full after {ENTRIES} entries");
    log.purge(log_id(ENTRIES - 10)).await.expect("purged");
    assert!(segments(folder.path()).len() < before);
    drop(log);

    let mut log = open(folder.path()).expect("the log");
    assert_eq!(indexes(&mut log).await, (ENTRIES - 9..ENTRIES).collect::<Vec<_>>());
    assert_eq!(log.read_vote().await.expect("a vote"), Some(Vote::new(5, 3)));
}

#[tokio::test]
async fn damage_before_the_tail_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut log = open(folder.path()).expect("an empty log");
    log.blocking_append((0..3).map(entry)).await.expect("appended");
    drop(log);
    // Opening begins another segment, so the damaged one is no longer the last.
    drop(open(folder.path()).expect("the log"));
    let path = segments(folder.path()).remove(0);
    let mut bytes = fs::read(&path).expect("the segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).expect("written");
    let error = open(folder.path()).expect_err("damage is found");
    assert!(
        matches!(&error, RecoveryError::Damaged { segment, .. } if *segment == path),
        "{error}"
    );
}

#[tokio::test]
async fn a_missing_segment_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    for first in [0, 3, 6] {
        let mut log = open(folder.path()).expect("the log");
        log.blocking_append((first..first + 3).map(entry)).await.expect("appended");
    }
    fs::remove_file(&segments(folder.path())[1]).expect("removed");
    let error = open(folder.path()).expect_err("the hole is found");
    assert!(matches!(error, RecoveryError::Hole { index: 6, .. }), "{error}");
}
