//! Where a node's latest snapshot is kept: in memory, and in a file for a log on disk.
//!
//! openraft purges the log behind a snapshot, so a file is synced under another name and renamed:
//! there is a whole snapshot at any moment. Saving an older one than is kept does nothing, so that
//! a build that outlives its node cannot take the next one back.
//!
//! ```text
//! CRC-32 of what follows: u32 LE │ SnapshotMeta, postcard │ state
//! ```

use std::fs::{self, File};
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openraft::LogIdOptionExt;
use parking_lot::Mutex;

use super::log::sync_folder;
use super::types::{Snapshot, SnapshotMeta};

const FILE: &str = "snapshot";
const UNFINISHED: &str = "snapshot.new";

/// A snapshot as it is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    pub meta: SnapshotMeta,
    pub state: Arc<[u8]>,
}

impl Kept {
    /// The same as openraft passes it around.
    pub fn to_snapshot(&self) -> Snapshot {
        let state = Box::new(Cursor::new(self.state.to_vec()));
        Snapshot { meta: self.meta.clone(), snapshot: state }
    }
}

/// A node's latest snapshot.
#[derive(Debug, Default)]
pub struct Snapshots {
    latest: Mutex<Option<Kept>>,
    folder: Option<PathBuf>,
}

impl Snapshots {
    /// Reads the snapshot in `folder`, if there is one. Blocks on the disk.
    pub fn on_disk(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let latest = match fs::read(folder.join(FILE)) {
            Ok(bytes) => Some(decode(&bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self { latest: Mutex::new(latest), folder: Some(folder.to_path_buf()) })
    }

    pub fn latest(&self) -> Option<Kept> {
        self.latest.lock().clone()
    }

    /// Keeps `snapshot` in place of an older one. Blocks on the disk.
    pub fn save(&self, snapshot: Kept) -> io::Result<()> {
        let mut latest = self.latest.lock();
        let index = |meta: &SnapshotMeta| meta.last_log_id.index();
        if latest.as_ref().is_some_and(|kept| index(&kept.meta) > index(&snapshot.meta)) {
            return Ok(());
        }
        if let Some(folder) = &self.folder {
            write(folder, &snapshot)?;
        }
        *latest = Some(snapshot);
        Ok(())
    }
}

fn write(folder: &Path, snapshot: &Kept) -> io::Result<()> {
    let meta = postcard::to_stdvec(&snapshot.meta).map_err(io::Error::other)?;
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&meta);
    checksum.update(&snapshot.state);
    let unfinished = folder.join(UNFINISHED);
    let mut file = File::create(&unfinished)?;
    file.write_all(&checksum.finalize().to_le_bytes())?;
    file.write_all(&meta)?;
    file.write_all(&snapshot.state)?;
    file.sync_all()?;
    fs::rename(unfinished, folder.join(FILE))?;
    sync_folder(folder)
}

fn decode(bytes: &[u8]) -> io::Result<Kept> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the snapshot file is damaged");
    let (checksum, rest) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
    if crc32fast::hash(rest) != u32::from_le_bytes(*checksum) {
        return Err(damaged());
    }
    let (meta, state) = postcard::take_from_bytes(rest).map_err(|_| damaged())?;
    Ok(Kept { meta, state: state.into() })
}

#[cfg(test)]
mod tests {
    use openraft::{CommittedLeaderId, LogId};

    use super::*;

    fn kept(index: u64, state: &[u8]) -> Kept {
        let last_log_id = Some(LogId::new(CommittedLeaderId::new(1, 1), index));
        let meta =
            SnapshotMeta { last_log_id, snapshot_id: index.to_string(), ..Default::default() };
        Kept { meta, state: state.into() }
    }

    #[test]
    fn the_latest_snapshot_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::on_disk(folder.path()).unwrap();
        assert!(snapshots.latest().is_none());
        snapshots.save(kept(7, b"seven")).unwrap();
        snapshots.save(kept(9, b"nine")).unwrap();
        snapshots.save(kept(8, b"late")).unwrap();
        let found = Snapshots::on_disk(folder.path()).unwrap().latest().unwrap();
        assert_eq!(found.meta, kept(9, b"").meta);
        assert_eq!(&*found.state, b"nine");
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        Snapshots::on_disk(folder.path()).unwrap().save(kept(1, b"state")).unwrap();
        let path = folder.path().join(FILE);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        let error = Snapshots::on_disk(folder.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
