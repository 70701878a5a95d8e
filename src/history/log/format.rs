//! Segments: what a file begins with, and how records follow each other in it.
//!
//! | bytes | of the header |
//! |---|---|
//! | 8 | `tachhist` |
//! | 4 | version |
//! | 4 | CRC-32 of the twelve bytes before: so much any version has |
//! | 8, 8 | the tier's step and span, in milliseconds |
//! | 1 | whether it is the finest tier |
//! | 8 | the segment's number, which rises over all tiers |
//! | 8 | whose counts these are: the registry's, drawn at random |
//! | 4 | CRC-32 of the 33 bytes before |
//!
//! Then records: the payload's length and a CRC-32, four bytes each, and the payload, which is one row. The CRC goes on
//! from that of the record before (of the header, in the first): a record counts only where it was written. All numbers
//! are little-endian.

use crate::limits::MAX_HISTORY_RECORD_BYTES;
use std::io::{ErrorKind, Read};

/// The version that is written and read.
pub(super) const VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"tachhist";
const PRELUDE: usize = 16;
/// Bytes of a header.
pub(super) const HEADER: usize = PRELUDE + 33 + 4;
/// Bytes before a payload.
pub(super) const FRAME: usize = 8;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) step: i64,
    pub(super) span: i64,
    pub(super) finest: bool,
    pub(super) number: u64,
    pub(super) run: u64,
}

/// Why a file is no segment of this version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is of another version.
    Version(u32),
    /// It does not even begin like one.
    Foreign,
    /// It ends within its header.
    Torn,
    Damaged(&'static str),
}

impl Header {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes.extend_from_slice(&self.step.to_le_bytes());
        bytes.extend_from_slice(&self.span.to_le_bytes());
        bytes.push(self.finest.into());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.run.to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&bytes[PRELUDE..]).to_le_bytes());
        bytes
    }

    /// The header at the beginning of `bytes`.
    pub(super) fn read(bytes: &[u8]) -> Result<Header, Unfit> {
        let (Some(prelude), whole) =
            (bytes.first_chunk::<PRELUDE>(), bytes.first_chunk::<HEADER>())
        else {
            let begins = MAGIC.starts_with(bytes.get(..8).unwrap_or(bytes));
            return Err(if begins { Unfit::Torn } else { Unfit::Foreign });
        };
        if bytes.iter().all(|byte| *byte == 0) {
            // Made before a loss of power, and not synced.
            return Err(Unfit::Torn);
        }
        if prelude[..8] != MAGIC {
            return Err(Unfit::Foreign);
        }
        if crc32fast::hash(&prelude[..12]).to_le_bytes() != prelude[12..] {
            return Err(Unfit::Damaged("its header is damaged"));
        }
        let version = u32::from_le_bytes(word(&prelude[8..]));
        if version != VERSION {
            return Err(Unfit::Version(version));
        }
        let body = &whole.ok_or(Unfit::Torn)?[PRELUDE..];
        let header = Header {
            step: i64::from_le_bytes(word(body)),
            span: i64::from_le_bytes(word(&body[8..])),
            finest: body[16] == 1,
            number: u64::from_le_bytes(word(&body[17..])),
            run: u64::from_le_bytes(word(&body[25..])),
        };
        if crc32fast::hash(&body[..33]).to_le_bytes() != body[33..] || header.step <= 0 {
            return Err(Unfit::Damaged("its header is damaged"));
        }
        Ok(header)
    }
}

/// The first bytes, as many as are needed; there are always enough.
fn word<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.first_chunk().copied().unwrap_or([0; N])
}

/// What the CRC of a segment's first record goes on from.
pub(super) fn seed(header: &[u8]) -> u32 {
    crc32fast::hash(header)
}

/// Puts length and CRC before the payload that stands behind [`FRAME`] bytes; the CRC, for the next record.
pub(super) fn seal(record: &mut [u8], before: u32) -> u32 {
    let (frame, payload) = record.split_at_mut(FRAME);
    frame[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    let crc = checksum(before, &frame[..4], payload);
    frame[4..].copy_from_slice(&crc.to_le_bytes());
    crc
}

fn checksum(before: u32, length: &[u8], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new_with_initial(before);
    crc.update(length);
    crc.update(payload);
    crc.finalize()
}

/// Reads a segment's records one after the other.
pub(super) struct Records<R> {
    from: R,
    crc: u32,
    /// Where the next record begins.
    pub(super) offset: u64,
    /// Bytes of the segment.
    pub(super) length: u64,
    payload: Vec<u8>,
}

/// Why there is no further record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The segment is over.
    Whole,
    /// It ends within a record: the process was killed while it wrote.
    Torn,
    Damaged(&'static str),
    /// The system does not give the rest.
    Unreadable(String),
}

impl<R: Read> Records<R> {
    /// Reads from behind the header `header`. The segment has `length` bytes.
    pub(super) fn new(from: R, header: &[u8], length: u64) -> Self {
        Records { from, crc: seed(header), offset: HEADER as u64, length, payload: Vec::new() }
    }

    pub(super) fn next(&mut self) -> Result<&[u8], Ended> {
        let left = self.length.saturating_sub(self.offset);
        if left == 0 {
            return Err(Ended::Whole);
        }
        if left < FRAME as u64 {
            return Err(Ended::Torn);
        }
        let mut frame = [0; FRAME];
        self.fill(&mut frame)?;
        let length = u32::from_le_bytes(word(&frame));
        if length == 0 || length as usize > MAX_HISTORY_RECORD_BYTES {
            return Err(Ended::Damaged("the length of a record cannot be"));
        }
        if u64::from(length) > left - FRAME as u64 {
            return Err(Ended::Torn);
        }
        let mut payload = std::mem::take(&mut self.payload);
        payload.resize(length as usize, 0);
        let filled = self.fill(&mut payload);
        self.payload = payload;
        filled?;
        let crc = checksum(self.crc, &frame[..4], &self.payload);
        if crc.to_le_bytes() != frame[4..] {
            return Err(Ended::Damaged("the checksum of a record is wrong"));
        }
        self.crc = crc;
        self.offset += FRAME as u64 + u64::from(length);
        Ok(&self.payload)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Ended> {
        self.from.read_exact(bytes).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => Ended::Torn,
            _ => Ended::Unreadable(error.to_string()),
        })
    }
}

/// A segment of these payloads, none of which is empty.
pub(crate) fn assemble(step: i64, finest: bool, number: u64, payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Header { step, span: step, finest, number, run: 0 }.write();
    let mut crc = seed(&bytes);
    for payload in payloads {
        let mut record = vec![0; FRAME];
        record.extend_from_slice(payload);
        crc = seal(&mut record, crc);
        bytes.extend_from_slice(&record);
    }
    bytes
}

/// The payloads of a segment, up to what is damaged.
pub(crate) fn take_apart(segment: &[u8]) -> Vec<Vec<u8>> {
    let Some((head, rest)) = segment.split_at_checked(HEADER) else { return Vec::new() };
    let mut records = Records::new(rest, head, segment.len() as u64);
    let mut payloads = Vec::new();
    while let Ok(payload) = records.next() {
        payloads.push(payload.to_vec());
    }
    payloads
}

/// The name of a segment's file.
pub(super) fn name(step: i64, number: u64) -> String {
    format!("{number:012}-{step}ms.history")
}

/// The number in the name of a segment's file, if it is one.
pub(super) fn number_of(name: &str) -> Option<u64> {
    let (number, step) = name.strip_suffix("ms.history")?.split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(number) && digits(step)).then(|| number.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: Header =
        Header { step: 15_000, span: 86_400_000, finest: false, number: 7, run: 99 };

    #[test]
    fn headers_are_read_as_written_and_every_flipped_bit_is_seen() {
        let bytes = SOME.write();
        assert_eq!(bytes.len(), HEADER);
        assert_eq!(Header::read(&bytes), Ok(SOME));
        for at in 0..8 * HEADER {
            let mut bytes = bytes.clone();
            bytes[at / 8] ^= 1 << (at % 8);
            let expected = if at < 64 { "Foreign" } else { "Damaged" };
            let unfit = format!("{:?}", Header::read(&bytes));
            assert!(unfit.contains(expected), "bit {at}: {unfit}");
        }
        for cut in 0..HEADER {
            assert_eq!(Header::read(&bytes[..cut]), Err(Unfit::Torn), "{cut} bytes");
        }
        let mut later = bytes.clone();
        later[8] = 2;
        let crc = crc32fast::hash(&later[..12]);
        later[12..16].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Header::read(&later), Err(Unfit::Version(2)));
        assert_eq!(Header::read(&[0; HEADER]), Err(Unfit::Torn));
        assert_eq!(Header::read(b"#!/bin/sh\necho hello\n"), Err(Unfit::Foreign));
    }

    #[test]
    fn a_record_counts_only_where_it_was_written() {
        let header = SOME.write();
        let record = |payload: &[u8], before: &mut u32| {
            let mut record = vec![0; FRAME];
            record.extend_from_slice(payload);
            *before = seal(&mut record, *before);
            record
        };
        let mut crc = seed(&header);
        let (one, two) = (record(b"one", &mut crc), record(b"two", &mut crc));
        let read = |bytes: &[u8]| {
            let length = (HEADER + bytes.len()) as u64;
            let mut records = Records::new(bytes, &header, length);
            let mut found = Vec::new();
            loop {
                match records.next() {
                    Ok(payload) => found.push(payload.to_vec()),
                    Err(ended) => return (found, ended),
                }
            }
        };
        let both = [&one[..], &two].concat();
        assert_eq!(read(&both), (vec![b"one".to_vec(), b"two".to_vec()], Ended::Whole));
        let swapped = [&two[..], &one].concat();
        assert!(matches!(read(&swapped), (found, Ended::Damaged(_)) if found.is_empty()));
        let twice = [&one[..], &one].concat();
        assert!(matches!(read(&twice), (found, Ended::Damaged(_)) if found.len() == 1));
        for cut in 1..both.len() {
            let (found, ended) = read(&both[..cut]);
            assert_eq!(found.len(), usize::from(cut >= one.len()));
            assert_eq!(ended == Ended::Whole, cut == one.len(), "{cut} bytes");
        }
        let zeros = [&one[..], &[0; 64]].concat();
        assert!(matches!(read(&zeros), (found, Ended::Damaged(_)) if found.len() == 1));
    }

    #[test]
    fn files_are_known_by_their_names() {
        assert_eq!(number_of(&name(15_000, 42)), Some(42));
        for other in ["x.history", "1-.history", "-1ms.history", "a-1ms.history", "1-1ms.historyx"]
        {
            assert_eq!(number_of(other), None, "{other}");
        }
    }
}
