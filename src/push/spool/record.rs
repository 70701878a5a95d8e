//! The spool's file as bytes: a magic number, then records, each with its length and checksum.
//!
//! A record is `length: u32, crc: u32, content`, all little-endian, the checksum (CRC-32, as of Ethernet and gzip) over the
//! content. The content begins with its kind and the payload's number. A payload is there from its `ENTRY` on until a
//! `SETTLED` of the same number. Reading ends at the first record that is not whole and sound: what a crash tore off is at
//! the end, and what comes after damage cannot be trusted to begin where a record does.

use crate::push::protocol::Payload;
use std::collections::BTreeMap;

pub(super) const MAGIC: [u8; 16] = *b"tachometer-spl 1";

const ENTRY: u8 = 1;
const SETTLED: u8 = 2;
/// Length and checksum.
const PREFIX: usize = 8;

/// What a spool's file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    /// Payloads that are not settled, by number.
    pub(crate) waiting: BTreeMap<u64, Payload>,
    /// A number that no record has.
    pub(crate) next: u64,
    /// Bytes up to the first damage.
    pub(crate) sound: usize,
}

/// Appends the record of a payload.
pub(super) fn entry(number: u64, payload: &Payload, out: &mut Vec<u8>) {
    record(out, |out| {
        out.push(ENTRY);
        out.extend_from_slice(&number.to_le_bytes());
        text(payload.query.as_bytes(), out);
        out.extend_from_slice(&(payload.headers.len() as u32).to_le_bytes());
        for (name, value) in &payload.headers {
            text(name.as_bytes(), out);
            text(value.as_bytes(), out);
        }
        out.extend_from_slice(&payload.body);
    });
}

/// Bytes of the record of a payload.
pub(super) fn entry_bytes(payload: &Payload) -> usize {
    let headers: usize = payload.headers.iter().map(|(n, v)| n.len() + v.len() + 8).sum();
    PREFIX + 1 + 8 + 4 + payload.query.len() + 4 + headers + payload.body.len()
}

/// Appends the record that a payload is settled.
pub(super) fn settled(number: u64, out: &mut Vec<u8>) {
    record(out, |out| {
        out.push(SETTLED);
        out.extend_from_slice(&number.to_le_bytes());
    });
}

/// A whole file, for tests.
pub(crate) fn write(payloads: &[(u64, Payload)], numbers: &[u64]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    payloads.iter().for_each(|(number, payload)| entry(*number, payload, &mut out));
    numbers.iter().for_each(|number| settled(*number, &mut out));
    out
}

fn text(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn record(out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; PREFIX]);
    content(out);
    let content = &out[at + PREFIX..];
    let (len, crc) = (content.len() as u32, crc32fast::hash(content));
    out[at..at + 4].copy_from_slice(&len.to_le_bytes());
    out[at + 4..at + PREFIX].copy_from_slice(&crc.to_le_bytes());
}

/// Reads a file; `None` if it is not a spool's.
pub(crate) fn read(bytes: &[u8]) -> Option<Contents> {
    let mut contents = Contents::default();
    if bytes.len() < MAGIC.len() {
        // Torn while it was made.
        return MAGIC.starts_with(bytes).then_some(contents);
    }
    let mut rest = Reader(bytes.strip_prefix(&MAGIC)?);
    loop {
        contents.sound = bytes.len() - rest.0.len();
        if take(&mut rest, &mut contents).is_none() {
            return Some(contents);
        }
    }
}

/// Takes one record; `None` at the end, or if it is damaged.
fn take(rest: &mut Reader<'_>, contents: &mut Contents) -> Option<()> {
    let (len, crc) = (rest.number()?, rest.number()?);
    let content = rest.bytes(len as usize)?;
    if crc32fast::hash(content) != crc {
        return None;
    }
    let mut content = Reader(content);
    let kind = content.bytes(1)?[0];
    let number = u64::from_le_bytes(content.bytes(8)?.try_into().ok()?);
    let next = number.checked_add(1)?;
    match kind {
        ENTRY => {
            let query = content.text()?;
            let count = content.number()?;
            let headers = (0..count).map(|_| Some((content.text()?, content.text()?)));
            let headers = headers.collect::<Option<_>>()?;
            let payload = Payload { body: content.0.to_vec(), headers, query };
            contents.waiting.insert(number, payload);
        }
        SETTLED if content.0.is_empty() => {
            contents.waiting.remove(&number);
        }
        _ => return None,
    }
    contents.next = contents.next.max(next);
    Some(())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(4)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<String> {
        let len = self.number()? as usize;
        Some(std::str::from_utf8(self.bytes(len)?).ok()?.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(body: &str) -> Payload {
        let mut payload = Payload::new(body.as_bytes().to_vec(), "text/plain");
        payload.query = "timestamp=1".to_owned();
        payload
    }

    fn file() -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        entry(3, &payload("three"), &mut out);
        entry(4, &payload("four"), &mut out);
        settled(3, &mut out);
        entry(5, &Payload::default(), &mut out);
        out
    }

    /// Files of other versions are read, and theirs read ours.
    #[test]
    fn the_format_is_what_it_was() {
        let file = b"tachometer-spl 1\
            \x22\x00\x00\x00\xff\x81\xef\xb0\x01\x07\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00a=1\
            \x01\x00\x00\x00\x01\x00\x00\x00A\x01\x00\x00\x00bn 1\n\
            \x09\x00\x00\x00\xaf5\x90\x0e\x02\x06\x00\x00\x00\x00\x00\x00\x00";
        let payload = Payload {
            body: b"n 1\n".to_vec(),
            headers: vec![("A".to_owned(), "b".to_owned())],
            query: "a=1".to_owned(),
        };
        assert_eq!(write(&[(7, payload.clone())], &[6]), file);
        let waiting = BTreeMap::from([(7, payload)]);
        assert_eq!(read(file).unwrap(), Contents { waiting, next: 8, sound: file.len() });
    }

    #[test]
    fn what_was_written_is_read() {
        let file = file();
        let contents = read(&file).unwrap();
        let wanted = BTreeMap::from([(4, payload("four")), (5, Payload::default())]);
        assert_eq!(contents, Contents { waiting: wanted, next: 6, sound: file.len() });
        let mut out = Vec::new();
        entry(0, &payload("x"), &mut out);
        assert_eq!(out.len(), entry_bytes(&payload("x")));
    }

    #[test]
    fn a_torn_end_leaves_what_was_whole_before() {
        let file = file();
        let mut sizes = Vec::new();
        for end in 0..=file.len() {
            let contents = read(&file[..end]).unwrap();
            assert!(contents.sound <= end);
            assert_eq!(read(&file[..contents.sound]).unwrap().waiting, contents.waiting);
            sizes.push(contents.waiting.len());
        }
        sizes.dedup();
        assert_eq!(sizes, [0, 1, 2, 1, 2]);
    }

    #[test]
    fn no_flipped_bit_goes_unseen() {
        let file = file();
        for bit in 0..file.len() * 8 {
            let mut file = file.clone();
            file[bit / 8] ^= 1 << (bit % 8);
            match read(&file) {
                None => assert!(bit / 8 < MAGIC.len()),
                Some(contents) => assert!(contents.sound <= bit / 8, "{bit}"),
            }
        }
    }
}
