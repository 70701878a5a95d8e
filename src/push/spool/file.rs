//! The spool's file: appended to, emptied when nothing waits, and written anew when it is mostly settled payloads.
//!
//! Each record is handed to the system as it comes, with one write and without a sync: what was written survives the end of
//! the process, however it ends. It is synced once, when the pusher stops. A machine that loses power may lose the last
//! records or tear one; reading cuts the file there, and what was acknowledged in those moments is sent again.

use super::record::{self, Contents, MAGIC};
use crate::limits::{MAX_PUSH_SPOOL_BYTES, PUSH_SPOOL_SLACK_BYTES};
use crate::push::protocol::Payload;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) struct SpoolFile {
    file: File,
    path: PathBuf,
    len: u64,
    /// Records that payloads are settled, which the system did not take: written before anything else.
    owed: Vec<u8>,
    buffer: Vec<u8>,
}

impl SpoolFile {
    /// Opens or makes the file, for this process alone, and reads it. What is damaged is cut off; the number of bytes that
    /// were is returned.
    ///
    /// # Errors
    /// In words: the system's, or the file is another's.
    pub(super) fn open(path: &Path) -> Result<(SpoolFile, Contents, u64), String> {
        let mut file = open(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!("{error}; make its folder first"),
            _ => error.to_string(),
        })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err("another target or process uses it; give each a file of its own".into());
            }
            Err(TryLockError::Error(error)) => return Err(error.to_string()),
        }
        let same = |file: &File| {
            let (here, there) = (file.metadata()?, std::fs::metadata(path)?);
            io::Result::Ok(here.ino() == there.ino() && here.dev() == there.dev())
        };
        // Written anew by its owner, between our opening it and locking it.
        if !same(&file).unwrap_or(false) {
            return Err("another process uses it; give each a file of its own".into());
        }
        let largest = 4 * MAX_PUSH_SPOOL_BYTES as u64;
        let mut bytes = Vec::new();
        let len = (&file).take(largest).read_to_end(&mut bytes).map_err(|e| e.to_string())? as u64;
        let foreign = "it is not a spool, and is left as it is; name another file";
        let contents = record::read(&bytes).ok_or(foreign)?;
        let damaged = if contents.sound == 0 { 0 } else { len - contents.sound as u64 };
        let set_up = |file: &mut File| {
            if contents.sound == 0 {
                file.set_len(0)?;
                file.seek(SeekFrom::Start(0))?;
                file.write_all(&MAGIC)
            } else {
                file.set_len(contents.sound as u64)
            }
        };
        set_up(&mut file).map_err(|error| error.to_string())?;
        let len = contents.sound.max(MAGIC.len()) as u64;
        let path = path.to_owned();
        let spool = SpoolFile { file, path, len, owed: Vec::new(), buffer: Vec::new() };
        Ok((spool, contents, damaged))
    }

    /// Writes down a payload.
    ///
    /// # Errors
    /// The system's; the file is then as before.
    pub(super) fn entry(&mut self, number: u64, payload: &Payload) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        buffer.extend_from_slice(&self.owed);
        record::entry(number, payload, &mut buffer);
        let written = self.append(&buffer);
        // The largest payload need not be kept in memory twice for ever.
        buffer.shrink_to(PUSH_SPOOL_SLACK_BYTES as usize);
        self.buffer = buffer;
        if written.is_ok() {
            self.owed.clear();
        }
        written
    }

    /// Writes down that a payload is settled.
    ///
    /// # Errors
    /// The system's; it is then written with the next record.
    pub(super) fn settled(&mut self, number: u64) -> io::Result<()> {
        let mut owed = std::mem::take(&mut self.owed);
        record::settled(number, &mut owed);
        let written = self.append(&owed);
        if written.is_ok() {
            owed.clear();
        }
        self.owed = owed;
        written
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written =
            self.file.seek(SeekFrom::Start(self.len)).and_then(|_| self.file.write_all(bytes));
        match written {
            Ok(()) => self.len += bytes.len() as u64,
            // Half a record would hide those behind it. If this fails too, the next write is over it.
            Err(_) => drop(self.file.set_len(self.len)),
        }
        written
    }

    /// Gives back what settled payloads take, if that is worth it. `waiting` are all others, `bytes` of them.
    ///
    /// # Errors
    /// The system's; the file is then as before.
    pub(super) fn tidy<'a>(
        &mut self,
        bytes: usize,
        waiting: impl Iterator<Item = (u64, &'a Payload)>,
    ) -> io::Result<()> {
        if bytes == 0 {
            // Needs no room, so it works on a disk that is full.
            self.file.set_len(MAGIC.len() as u64)?;
            self.len = MAGIC.len() as u64;
            self.owed.clear();
            return Ok(());
        }
        if self.len <= 2 * bytes as u64 + PUSH_SPOOL_SLACK_BYTES {
            return Ok(());
        }
        let mut path = self.path.clone().into_os_string();
        path.push(".new");
        let file = open(path.as_ref())?;
        let fill = |mut file: &File| {
            file.set_len(0)?;
            let mut buffer = MAGIC.to_vec();
            let mut len = 0;
            for (number, payload) in waiting {
                record::entry(number, payload, &mut buffer);
                file.write_all(&buffer)?;
                len += buffer.len() as u64;
                buffer.clear();
            }
            // Before it has the name by which others find it.
            file.try_lock()?;
            std::fs::rename(&path, &self.path)?;
            io::Result::Ok(len)
        };
        match fill(&file) {
            Ok(len) => {
                self.file = file;
                self.len = len;
                self.owed.clear();
                Ok(())
            }
            Err(error) => {
                let _ = std::fs::remove_file(&path);
                Err(error)
            }
        }
    }

    /// Has the system write everything to the disk.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

/// For the owner alone: what is measured is nobody else's business.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}
