//! What waits for one target: in the order of its making, bounded in number and bytes, optionally kept in a file.
//!
//! The first is the one that is sent. While it is being sent it cannot be dropped, and stays beside the bounds: whether a
//! server has it is not known then, and it must not be both delivered and counted as lost.

mod file;
pub(crate) mod record;

use super::protocol::{Part, Payload};
use file::SpoolFile;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

/// A payload that waits.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    number: u64,
    pub(super) payload: Arc<Payload>,
    /// `None` if an earlier process prepared it.
    pub(super) part: Option<Part>,
    /// Whether the protocol gave another payload in place of the first.
    pub(super) replaced: bool,
    /// In the file, and what counts as its size in memory.
    bytes: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) entries: usize,
    pub(super) bytes: usize,
}

/// Why an entry did not stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overflow {
    /// There were too many, or too many bytes.
    Full,
    /// It alone is larger than the spool.
    TooLarge,
}

#[derive(Debug)]
pub(super) struct Spool {
    entries: VecDeque<Entry>,
    bytes: usize,
    bounds: Bounds,
    next: u64,
    file: Option<SpoolFile>,
    /// Whether the first entry is being sent.
    pub(super) sending: bool,
    /// Operations on the file that failed since this was last asked for.
    pub(super) file_failures: u64,
}

impl Spool {
    pub(super) fn in_memory(bounds: Bounds) -> Spool {
        Spool {
            entries: VecDeque::new(),
            bytes: 0,
            bounds,
            next: 0,
            file: None,
            sending: false,
            file_failures: 0,
        }
    }

    /// One that goes on from the file at `path`; also, how many bytes of it were damaged.
    ///
    /// # Errors
    /// Why the file cannot be used.
    pub(super) fn in_file(bounds: Bounds, path: &Path) -> Result<(Spool, u64), String> {
        let (file, contents, damaged) = SpoolFile::open(path)?;
        let mut spool = Spool::in_memory(bounds);
        spool.next = contents.next;
        for (number, payload) in contents.waiting {
            let bytes = record::entry_bytes(&payload);
            let payload = Arc::new(payload);
            spool.bytes += bytes;
            let entry = Entry { number, payload, part: None, replaced: false, bytes };
            spool.entries.push_back(entry);
        }
        spool.file = Some(file);
        Ok((spool, damaged))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The entry that is sent, or is to be sent next.
    pub(super) fn first(&self) -> Option<&Entry> {
        self.entries.front()
    }

    /// Whether a payload that this process prepared waits.
    pub(super) fn has_own(&self) -> bool {
        self.entries.iter().any(|entry| entry.part.is_some())
    }

    /// Adds a payload at the end. `dropped` gets what does not fit any more.
    pub(super) fn push(
        &mut self,
        payload: Payload,
        part: Part,
        mut dropped: impl FnMut(Entry, Overflow),
    ) {
        let bytes = record::entry_bytes(&payload);
        let number = self.next;
        let payload = Arc::new(payload);
        let entry = Entry { number, payload, part: Some(part), replaced: false, bytes };
        if bytes > self.bounds.bytes {
            return dropped(entry, Overflow::TooLarge);
        }
        self.next += 1;
        self.bytes += bytes;
        if let Some(file) = &mut self.file {
            // Without the file it waits in memory all the same.
            self.file_failures += u64::from(file.entry(number, &entry.payload).is_err());
        }
        self.entries.push_back(entry);
        self.shrink(dropped);
    }

    /// Drops the oldest until the rest fits.
    pub(super) fn shrink(&mut self, mut dropped: impl FnMut(Entry, Overflow)) {
        let kept = usize::from(self.sending);
        let apart = if self.sending { self.entries[0].bytes } else { 0 };
        while self.entries.len() - kept > self.bounds.entries
            || self.bytes - apart > self.bounds.bytes
        {
            let Some(entry) = self.entries.remove(kept) else { return };
            self.settle(&entry);
            dropped(entry, Overflow::Full);
        }
    }

    /// Takes the first out: it was delivered, or is given up.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        self.sending = false;
        let entry = self.entries.pop_front()?;
        self.settle(&entry);
        Some(entry)
    }

    /// Puts another payload in place of the first.
    pub(super) fn replace(&mut self, payload: Payload) {
        self.sending = false;
        let Some(old) = self.entries.pop_front() else { return };
        let bytes = record::entry_bytes(&payload);
        // In the file it comes behind those that wait; in memory it keeps its place.
        let number = self.next;
        self.next += 1;
        self.bytes += bytes;
        // First the new one, so that no crash loses both.
        if let Some(file) = &mut self.file {
            self.file_failures += u64::from(file.entry(number, &payload).is_err());
        }
        let payload = Arc::new(payload);
        let part = old.part;
        self.entries.push_front(Entry { number, payload, part, replaced: true, bytes });
        self.settle(&old);
    }

    /// Takes bytes off the first one's body: they were delivered.
    pub(super) fn cut(&mut self, bytes: usize) {
        let Some(first) = self.first() else { return };
        let mut payload = Payload::clone(&first.payload);
        payload.body.drain(..bytes.min(payload.body.len()));
        self.replace(payload);
    }

    fn settle(&mut self, entry: &Entry) {
        self.bytes -= entry.bytes;
        if let Some(file) = &mut self.file {
            let waiting = self.entries.iter().map(|entry| (entry.number, &*entry.payload));
            let failed = file.settled(entry.number).is_err();
            // An empty file says it as well.
            let untidy = file.tidy(self.bytes, waiting).is_err();
            self.file_failures += u64::from(untidy || failed && self.bytes > 0);
        }
    }

    /// The end: what waits in memory alone is taken out; what is in a file stays there, on the disk.
    pub(super) fn close(&mut self) -> Vec<Entry> {
        match &self.file {
            Some(file) => {
                self.file_failures += u64::from(file.sync().is_err());
                Vec::new()
            }
            None => {
                self.bytes = 0;
                self.entries.drain(..).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(bytes: usize) -> Payload {
        Payload { body: vec![b'x'; bytes], ..Payload::default() }
    }

    fn part(generation: u64) -> Part {
        Part { generation, index: 0 }
    }

    fn push(spool: &mut Spool, generation: u64, bytes: usize) -> Vec<(u64, Overflow)> {
        let mut dropped = Vec::new();
        spool.push(payload(bytes), part(generation), |entry, why| {
            dropped.push((entry.part.unwrap().generation, why));
        });
        dropped
    }

    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let name = format!("tachometer-spool-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn file(&self) -> std::path::PathBuf {
            self.0.join("spool")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_oldest_goes_first_but_never_what_is_being_sent() {
        let mut spool = Spool::in_memory(Bounds { entries: 2, bytes: 1 << 20 });
        assert_eq!(push(&mut spool, 1, 1), []);
        assert_eq!(push(&mut spool, 2, 1), []);
        assert_eq!(push(&mut spool, 3, 1), [(1, Overflow::Full)]);
        spool.sending = true;
        assert_eq!(push(&mut spool, 4, 1), []);
        assert_eq!(push(&mut spool, 5, 1), [(3, Overflow::Full)]);
        assert_eq!(spool.pop().unwrap().part, Some(part(2)));
        assert_eq!(spool.pop().unwrap().part, Some(part(4)));
        assert_eq!(spool.pop().unwrap().part, Some(part(5)));
        assert_eq!((spool.len(), spool.bytes()), (0, 0));
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mut spool = Spool::in_memory(Bounds { entries: 100, bytes: 1_000 });
        assert_eq!(push(&mut spool, 1, 400), []);
        assert_eq!(push(&mut spool, 2, 400), []);
        assert_eq!(push(&mut spool, 3, 400), [(1, Overflow::Full)]);
        assert_eq!(push(&mut spool, 4, 2_000), [(4, Overflow::TooLarge)]);
        assert_eq!(spool.len(), 2);
    }

    #[test]
    fn a_file_gives_back_what_was_not_settled_and_is_used_by_one_alone() {
        let folder = Folder::new("restart");
        let bounds = Bounds { entries: 10, bytes: 1 << 20 };
        let (mut spool, _) = Spool::in_file(bounds, &folder.file()).unwrap();
        (1..=3).for_each(|generation| drop(push(&mut spool, generation, generation as usize)));
        spool.pop();
        spool.replace(payload(20));
        assert!(Spool::in_file(bounds, &folder.file()).unwrap_err().contains("of its own"));
        drop(spool);
        let (mut spool, damaged) = Spool::in_file(bounds, &folder.file()).unwrap();
        let sizes = |spool: &Spool| -> Vec<usize> {
            spool.entries.iter().map(|entry| entry.payload.body.len()).collect()
        };
        assert_eq!((sizes(&spool), damaged), (vec![3, 20], 0));
        assert!(!spool.has_own());
        spool.pop();
        spool.pop();
        let empty = std::fs::metadata(folder.file()).unwrap().len();
        assert_eq!(empty, record::MAGIC.len() as u64);
        assert_eq!(spool.file_failures, 0);
    }

    #[test]
    fn what_is_left_of_a_payload_keeps_its_place() {
        let folder = Folder::new("cut");
        let bounds = Bounds { entries: 10, bytes: 1 << 20 };
        let (mut spool, _) = Spool::in_file(bounds, &folder.file()).unwrap();
        (1..=2).for_each(|generation| drop(push(&mut spool, generation, 10)));
        spool.cut(7);
        let first = spool.first().unwrap();
        assert_eq!((first.payload.body.len(), first.part), (3, Some(part(1))));
        drop(spool);
        let (spool, _) = Spool::in_file(bounds, &folder.file()).unwrap();
        let left: usize = spool.entries.iter().map(|entry| entry.payload.body.len()).sum();
        assert_eq!(left, 13);
    }

    #[test]
    fn a_torn_or_foreign_file() {
        let folder = Folder::new("torn");
        let bounds = Bounds { entries: 10, bytes: 1 << 20 };
        let (mut spool, _) = Spool::in_file(bounds, &folder.file()).unwrap();
        (1..=3).for_each(|generation| drop(push(&mut spool, generation, 100)));
        drop(spool);
        let bytes = std::fs::read(folder.file()).unwrap();
        std::fs::write(folder.file(), &bytes[..bytes.len() - 7]).unwrap();
        let (mut spool, damaged) = Spool::in_file(bounds, &folder.file()).unwrap();
        assert_eq!((spool.len(), damaged > 0), (2, true));
        // It goes on behind what was sound.
        push(&mut spool, 4, 100);
        drop(spool);
        assert_eq!(Spool::in_file(bounds, &folder.file()).unwrap().0.len(), 3);
        std::fs::write(folder.file(), "somebody's diary").unwrap();
        assert!(Spool::in_file(bounds, &folder.file()).unwrap_err().contains("not a spool"));
        assert_eq!(std::fs::read(folder.file()).unwrap(), b"somebody's diary");
    }

    #[test]
    fn a_file_stays_small_however_much_goes_through_it() {
        let folder = Folder::new("tidy");
        let bounds = Bounds { entries: 4, bytes: 1 << 20 };
        let (mut spool, _) = Spool::in_file(bounds, &folder.file()).unwrap();
        for generation in 1..=200 {
            push(&mut spool, generation, 50_000);
            let len = std::fs::metadata(folder.file()).unwrap().len();
            assert!(
                len < 5 * 50_000 * 2 + crate::limits::PUSH_SPOOL_SLACK_BYTES + 100_000,
                "{len}"
            );
        }
        drop(spool);
        let (spool, damaged) = Spool::in_file(bounds, &folder.file()).unwrap();
        assert_eq!((spool.len(), damaged), (4, 0));
        assert!(Spool::in_file(bounds, &folder.file()).is_err(), "still locked when written anew");
    }
}
