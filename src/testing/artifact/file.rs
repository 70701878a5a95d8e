//! The file's place: always a whole file, or none.

use super::state::HEAD;
use crate::Error;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// How often the file beside the place may be gone when it was opened: somebody else renamed his.
const TRIES: u32 = 8;

pub(super) fn failed(attempt: &str, path: &Path, error: &io::Error) -> Error {
    let advice = match error.kind() {
        ErrorKind::NotFound => "; its directory does not exist: make it first",
        ErrorKind::PermissionDenied => "; this user may not: choose a directory of its own",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; make room, or choose another disk",
        ErrorKind::FileTooLarge => "; this user's files may not be so large (ulimit -f)",
        ErrorKind::ResourceBusy => "; let each run have a file of its own",
        _ => "",
    };
    Error::Io {
        attempt: format!("{attempt} {}", path.display()),
        kind: error.kind(),
        reason: format!("{error}{advice}"),
    }
}

/// Whether the place is free, or has the artifact of an earlier run, which the next one takes the place of.
pub(super) fn check(path: &Path) -> Result<(), Error> {
    let invalid = |what: &str| {
        let reason = format!("{} {what}; choose another file, or move it away", path.display());
        Err(Error::InvalidSetting { setting: "artifact", reason })
    };
    let mut head = Vec::new();
    match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("read", path, &error)),
        Ok(file) => {
            if !file.metadata().is_ok_and(|data| data.is_file()) {
                return invalid("is no file");
            }
            let read = file.take(HEAD.len() as u64).read_to_end(&mut head);
            read.map_err(|error| failed("read", path, &error))?;
        }
    }
    if head.is_empty() || head == HEAD {
        Ok(())
    } else {
        invalid("has something that no run wrote")
    }
}

/// The file beside `path` that is written before it takes its place.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".new");
    name.into()
}

/// Puts a file with `bytes` at `path`.
///
/// At any moment there is the one before or this one. After a loss of power too, where the file system orders a rename behind the
/// data of its file, as they mostly do; a write to the disk itself each second would disturb what is measured.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = beside(path);
    let mut file = open(&beside)?;
    file.set_len(0)?;
    file.write_all(bytes)?;
    fs::rename(&beside, path)
}

/// Opens the file beside, for this writer alone. The lock goes with the file, when it is closed or its process dies.
fn open(beside: &Path) -> io::Result<File> {
    for _ in 0..TRIES {
        let file = File::options().create(true).truncate(false).write(true).open(beside)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Another run may have renamed it between the two.
        let opened = file.metadata()?;
        let same = fs::metadata(beside)
            .is_ok_and(|now| (now.dev(), now.ino()) == (opened.dev(), opened.ino()));
        if same {
            return Ok(file);
        }
    }
    Err(io::Error::new(ErrorKind::ResourceBusy, "another run is writing the same file"))
}
