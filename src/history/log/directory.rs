//! The directory of a log: made, locked, and looked through.

use super::Damage;
use super::format::{self, HEADER, Header, Unfit};
use super::writer::{Segment, TierFiles};
use crate::Error;
use crate::limits::HISTORY_LOCK_PATIENCE;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The file whose lock says that somebody uses the directory, and whose presence says what it is for.
const LOCK: &str = "tachometer-history.lock";

/// A segment to be read.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) header: Header,
    /// What the header was read from.
    pub(super) bytes: Vec<u8>,
    /// Open behind the header.
    pub(super) file: File,
    pub(super) segment: Segment,
}

/// A directory that this process alone uses.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) path: PathBuf,
    pub(super) lock: File,
    /// By number: the order in which they were begun.
    pub(super) found: Vec<Found>,
    /// Segments of which nothing can be read. They take room.
    pub(super) lost: Vec<Segment>,
    pub(super) next_number: u64,
}

fn refused(path: &Path, attempt: &str, error: &io::Error) -> Error {
    let advice = match error.kind() {
        ErrorKind::NotFound => "; make the folder that it is to be in first",
        ErrorKind::PermissionDenied => {
            "; give it to the user that this process runs as, or name another directory"
        }
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => "; name a directory",
        ErrorKind::StorageFull => "; make room, or name another directory",
        ErrorKind::ReadOnlyFilesystem => "; name a directory that can be written to",
        _ => "",
    };
    Error::Io {
        attempt: format!("{attempt} {}", path.display()),
        kind: error.kind(),
        reason: format!("{error}{advice}"),
    }
}

fn unfit(path: &Path, reason: String) -> Error {
    Error::InvalidSetting { setting: "directory", reason: format!("{}: {reason}", path.display()) }
}

impl Directory {
    /// Makes the directory if there is none, locks it, and looks what segments it has.
    pub(super) fn open(path: &Path, damage: &mut Vec<Damage>) -> Result<Directory, Error> {
        let made = DirBuilder::new().mode(0o700).create(path);
        match made {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(refused(path, "make the directory", &error));
            }
            _ => {}
        }
        let names = names(path)?;
        if !names.is_empty() && !names.iter().any(|name| name == LOCK) {
            let reason = "it has files, and none of a history: name one for the history alone";
            return Err(unfit(path, reason.into()));
        }
        let lock = lock(path)?;
        let mut numbers: Vec<(u64, String)> = names
            .into_iter()
            .filter_map(|name| format::number_of(&name).map(|number| (number, name)))
            .collect();
        numbers.sort();
        let next_number = numbers.last().map_or(1, |last| last.0.saturating_add(1));
        let mut directory = Directory {
            path: path.to_owned(),
            lock,
            found: Vec::new(),
            lost: Vec::new(),
            next_number,
        };
        for (number, name) in numbers {
            directory.look_at(number, path.join(name), damage)?;
        }
        Ok(directory)
    }

    /// Reads the header of a segment.
    fn look_at(
        &mut self,
        number: u64,
        path: PathBuf,
        damage: &mut Vec<Damage>,
    ) -> Result<(), Error> {
        let read = |path: &Path| {
            let file = OpenOptions::new().read(true).write(true).open(path)?;
            let mut bytes = Vec::with_capacity(HEADER);
            (&file).take(HEADER as u64).read_to_end(&mut bytes)?;
            let length = file.metadata()?.len();
            io::Result::Ok((file, bytes, length))
        };
        let (file, bytes, length) =
            read(&path).map_err(|error| refused(&path, "read the history's segment", &error))?;
        match Header::read(&bytes) {
            Ok(header) if header.number == number => {
                let segment = Segment { path, bytes: length, last: i64::MIN, span: header.span };
                self.found.push(Found { header, bytes, file, segment });
                Ok(())
            }
            Ok(_) => {
                let reason = "it has the name of another segment".to_owned();
                damage.push(Damage { file: path, offset: 0, bytes: length, reason });
                Ok(())
            }
            Err(Unfit::Version(version)) => {
                let known = format::VERSION;
                let reason = format!(
                    "it is of version {version} of the format, and this program knows {known}: use a program that is \
                     as new, or name another directory"
                );
                Err(unfit(&path, reason))
            }
            Err(Unfit::Foreign) => {
                let reason = "it is not a segment, and is left as it is".to_owned();
                damage.push(Damage { file: path, offset: 0, bytes: length, reason });
                Ok(())
            }
            Err(Unfit::Torn) => {
                // The process was killed when it had just made it: there is nothing in it.
                let _ = std::fs::remove_file(&path);
                let reason = "it ends within its header".to_owned();
                damage.push(Damage { file: path, offset: 0, bytes: length, reason });
                Ok(())
            }
            Err(Unfit::Damaged(reason)) => {
                let lost = Segment { path, bytes: length, last: i64::MAX, span: 0 };
                damage.push(Damage {
                    file: lost.path.clone(),
                    offset: 0,
                    bytes: length,
                    reason: reason.to_owned(),
                });
                self.lost.push(lost);
                Ok(())
            }
        }
    }
}

fn names(path: &Path) -> Result<Vec<String>, Error> {
    let list = || -> io::Result<Vec<String>> {
        std::fs::read_dir(path)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    };
    list().map_err(|error| refused(path, "look into the directory", &error))
}

/// The process that wrote its number into a lock.
fn holder(lock: &Path) -> Option<u32> {
    let mut holder = String::new();
    File::open(lock).ok()?.take(32).read_to_string(&mut holder).ok()?;
    holder.trim().parse().ok()
}

fn lock(path: &Path) -> Result<File, Error> {
    let path = path.join(LOCK);
    let open = || {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
    };
    let mut file = open().map_err(|error| refused(&path, "open", &error))?;
    let began = Instant::now();
    let locked = loop {
        let locked = file.try_lock();
        // A history of this process that has ended, and a child between `fork` and `exec`: it has the lock until then.
        let is_brief = matches!(locked, Err(TryLockError::WouldBlock))
            && holder(&path) == Some(std::process::id());
        if !is_brief || began.elapsed() > HISTORY_LOCK_PATIENCE {
            break locked;
        }
        std::thread::sleep(HISTORY_LOCK_PATIENCE / 100);
    };
    match locked {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = match holder(&path) {
                Some(holder) => format!("process {holder}"),
                None => "another process".to_owned(),
            };
            let reason = format!(
                "{holder} keeps its history there: give each a directory of its own, or stop that one first"
            );
            return Err(unfit(path.parent().unwrap_or(&path), reason));
        }
        Err(TryLockError::Error(error)) => return Err(refused(&path, "lock", &error)),
    }
    // Who it is, for the error of the next one. That it cannot be told does not matter.
    let _ = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

/// The files of tiers: first those of `tiers` (steps and spans), then what belongs to none of them.
pub(super) fn files(tiers: &[(i64, i64)]) -> Vec<TierFiles> {
    let own = tiers.iter().map(|&(step, span)| TierFiles::new(step, span));
    own.chain([TierFiles::new(0, 0)]).collect()
}
