//! One journal record on the disk: a length, a checksum, and the change encoded with postcard.
//!
//! ```text
//! length: u32 LE │ CRC-32 of the payload: u32 LE │ payload
//! ```

use postcard::Error as CodecError;
use serde::{Deserialize, Serialize};

use super::super::types::{Entry, LogId, Vote};

/// One change to the log. Replaying all changes in order gives the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// The first record of every segment: all that older segments would be needed for, but entries.
    State {
        vote: Option<Vote>,
        purged: Option<LogId>,
    },
    Entry(Entry),
    Vote(Vote),
    /// Entries from this index on are gone.
    Truncate(u64),
    /// Entries up to this one are gone.
    Purge(LogId),
}

/// The same record, borrowed for writing; the encoding is the same.
#[derive(Clone, Copy, Debug, Serialize)]
pub enum RecordRef<'a> {
    State { vote: Option<Vote>, purged: Option<LogId> },
    Entry(&'a Entry),
    Vote(Vote),
    Truncate(u64),
    Purge(LogId),
}

const HEADER: usize = 8;

/// A record this long is taken for damage: a full batch of commands needs less than 16 KiB.
const PAYLOAD_LIMIT: usize = 1 << 20;

/// Appends `record` to `buffer` in its form on the disk.
pub fn encode(record: RecordRef<'_>, buffer: &mut Vec<u8>) -> Result<(), CodecError> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEADER]);
    postcard::to_io(&record, &mut *buffer)?;
    let (header, payload) = buffer[start..].split_at_mut(HEADER);
    header[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    header[4..].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    Ok(())
}

/// The records at the start of `bytes` that are whole, one after another; then `None`.
#[derive(Debug)]
pub struct Records<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Records<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Where the records read so far end.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl Iterator for Records<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let rest = &self.bytes[self.offset..];
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (checksum, rest) = rest.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        if length > PAYLOAD_LIMIT {
            return None;
        }
        let payload = rest.get(..length)?;
        if crc32fast::hash(payload) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let record = postcard::from_bytes(payload).ok()?;
        self.offset += HEADER + length;
        Some(record)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use openraft::{CommittedLeaderId, EntryPayload};

    use super::super::super::types::Command;
    use super::*;
    use crate::clock::Stamp;

    pub fn log_id(term: u64, index: u64) -> LogId {
        LogId::new(CommittedLeaderId::new(term, 1), index)
    }

    pub fn entry(term: u64, index: u64, commands: u64) -> Entry {
        let proposed_at = Stamp::now();
        let command =
            |n: u64| Command { proposed_at, key: index * 1_000 + n, value: [n as u8; 16] };
        let payload = EntryPayload::Normal((0..commands).map(command).collect());
        Entry { log_id: log_id(term, index), payload }
    }

    fn encoded(entry: &Entry) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(RecordRef::State { vote: Some(Vote::new(3, 2)), purged: None }, &mut bytes).unwrap();
        encode(RecordRef::Entry(entry), &mut bytes).unwrap();
        encode(RecordRef::Truncate(7), &mut bytes).unwrap();
        encode(RecordRef::Vote(Vote::new_committed(4, 1)), &mut bytes).unwrap();
        encode(RecordRef::Purge(log_id(4, 9)), &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_was_encoded_is_read_back() {
        let entry = entry(3, 7, 5);
        let bytes = encoded(&entry);
        let mut records = Records::new(&bytes);
        let expected = [
            Record::State { vote: Some(Vote::new(3, 2)), purged: None },
            Record::Entry(entry),
            Record::Truncate(7),
            Record::Vote(Vote::new_committed(4, 1)),
            Record::Purge(log_id(4, 9)),
        ];
        assert!(records.by_ref().eq(expected));
        assert_eq!(records.offset(), bytes.len());
    }

    #[test]
    fn a_record_cut_or_changed_anywhere_is_not_read() {
        let mut bytes = Vec::new();
        encode(RecordRef::Entry(&entry(1, 1, 3)), &mut bytes).unwrap();
        for end in 0..bytes.len() {
            assert_eq!(Records::new(&bytes[..end]).next(), None, "cut at {end}");
        }
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0x10;
            assert_eq!(Records::new(&damaged).next(), None, "changed at {position}");
        }
    }
}
