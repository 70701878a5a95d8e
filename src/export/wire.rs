//! Protocol buffers as bytes (<https://protobuf.dev/programming-guides/encoding/>): only what encoders here need.
//!
//! A message inside a message carries its length in front. It is written behind a place kept for the length, and moved if that
//! was not as long as was thought: most messages are shorter than 128 bytes, and for those nothing moves.

/// Appends protobuf fields to a buffer.
pub(crate) trait Wire {
    /// A variable-length integer.
    fn varint(&mut self, value: u64);
    /// Field `number`, an integer; nothing if it is zero, as proto3 has it.
    fn uint(&mut self, number: u32, value: u64);
    /// As [`Wire::uint`], also if it is zero: inside a `oneof`, or in proto2.
    fn uint_always(&mut self, number: u32, value: u64);
    /// Field `number`, a `sint32` or `sint64`: zigzag.
    fn sint(&mut self, number: u32, value: i64);
    /// Field `number`, a `fixed64`, also if it is zero.
    fn fixed64(&mut self, number: u32, value: u64);
    /// Field `number`, a `double`, also if it is zero.
    fn double(&mut self, number: u32, value: f64);
    /// Field `number`, bytes or a string; nothing if it is empty.
    fn bytes(&mut self, number: u32, value: &[u8]);
    /// What stands before field `number` that has so many bytes: a message, a text.
    fn length(&mut self, number: u32, len: usize);
    /// Field `number`, a message, or packed numbers, that `write` writes.
    fn message(&mut self, number: u32, write: impl FnOnce(&mut Self));
    /// As [`Wire::message`], where the length is likely to be about `len`.
    fn message_like(&mut self, number: u32, len: usize, write: impl FnOnce(&mut Self));
    /// A length, and what `write` writes.
    fn delimited(&mut self, write: impl FnOnce(&mut Self)) {
        self.delimited_like(0, write);
    }
    /// As [`Wire::delimited`], where the length is likely to be about `len`. Returns it.
    fn delimited_like(&mut self, len: usize, write: impl FnOnce(&mut Self)) -> usize;
}

const VARINT: u32 = 0;
const I64: u32 = 1;
const LEN: u32 = 2;

/// Maps small negative numbers to small positive ones.
pub(crate) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

impl Wire for Vec<u8> {
    #[inline]
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
    }

    #[inline]
    fn uint(&mut self, number: u32, value: u64) {
        if value != 0 {
            self.uint_always(number, value);
        }
    }

    #[inline]
    fn uint_always(&mut self, number: u32, value: u64) {
        self.varint((number << 3 | VARINT).into());
        self.varint(value);
    }

    #[inline]
    fn sint(&mut self, number: u32, value: i64) {
        self.uint(number, zigzag(value));
    }

    #[inline]
    fn fixed64(&mut self, number: u32, value: u64) {
        self.varint((number << 3 | I64).into());
        self.extend_from_slice(&value.to_le_bytes());
    }

    #[inline]
    fn double(&mut self, number: u32, value: f64) {
        self.fixed64(number, value.to_bits());
    }

    #[inline]
    fn bytes(&mut self, number: u32, value: &[u8]) {
        if !value.is_empty() {
            self.length(number, value.len());
            self.extend_from_slice(value);
        }
    }

    #[inline]
    fn length(&mut self, number: u32, len: usize) {
        self.varint((number << 3 | LEN).into());
        self.varint(len as u64);
    }

    #[inline]
    fn message(&mut self, number: u32, write: impl FnOnce(&mut Self)) {
        self.varint((number << 3 | LEN).into());
        self.delimited(write);
    }

    #[inline]
    fn message_like(&mut self, number: u32, len: usize, write: impl FnOnce(&mut Self)) {
        self.varint((number << 3 | LEN).into());
        self.delimited_like(len, write);
    }

    #[inline]
    fn delimited_like(&mut self, len: usize, write: impl FnOnce(&mut Self)) -> usize {
        let (at, room) = (self.len(), varint_len(len as u64));
        match room {
            1 => self.push(0),
            room => self.extend_from_slice(&[0; 10][..room]),
        }
        write(self);
        let len = self.len() - at - room;
        if room == 1 && len < 0x80 {
            self[at] = len as u8;
        } else {
            put_length(self, at, room, len);
        }
        len
    }
}

/// How many bytes a varint has.
pub(crate) const fn varint_len(value: u64) -> usize {
    ((u64::BITS - (value | 1).leading_zeros()) as usize).div_ceil(7)
}

/// Puts a length at `at`, where there is room for one of `room` bytes.
#[cold]
fn put_length(buffer: &mut Vec<u8>, at: usize, room: usize, len: usize) {
    let end = buffer.len();
    buffer.varint(len as u64);
    let mut length = [0; 10];
    let needed = buffer.len() - end;
    length[..needed].copy_from_slice(&buffer[end..]);
    if needed != room {
        buffer.copy_within(at + room..end, at + needed);
    }
    buffer.truncate(end + needed - room);
    buffer[at..at + needed].copy_from_slice(&length[..needed]);
}

/// Bytes that are written by whole words, of which then only some count: what has no fixed length is so written without a
/// decision. Keep one: it is filled again and again.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Longer than what counts.
    bytes: Vec<u8>,
    len: usize,
}

impl Scratch {
    /// So many integers are written at a time, each of which has two bytes at most.
    const MANY: usize = 64;

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes `bytes`, of which `len` count.
    #[inline]
    pub(crate) fn put<const N: usize>(&mut self, bytes: &[u8; N], len: usize) {
        *self.room() = *bytes;
        self.len += len;
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Room for `N` bytes behind what counts.
    #[inline]
    fn room<const N: usize>(&mut self) -> &mut [u8; N] {
        if self.bytes.len() - self.len < N {
            self.grow(N);
        }
        self.bytes[self.len..].first_chunk_mut().expect("grown above")
    }

    #[cold]
    fn grow(&mut self, by: usize) {
        self.bytes.resize((self.bytes.len() * 2).max(self.len + by), 0);
    }

    /// Writes `value`, a varint. Of one to five bytes, without a branch.
    #[inline]
    pub(crate) fn varint(&mut self, value: u64) {
        let Ok(small) = u32::try_from(value) else { return self.long_varint(value) };
        let (bytes, len) = short_varint(small);
        *self.room() = bytes.to_le_bytes();
        self.len += len;
    }

    #[cold]
    fn long_varint(&mut self, mut value: u64) {
        let room: &mut [u8; 10] = self.room();
        let mut len = 0;
        while value >= 0x80 {
            room[len] = value as u8 | 0x80;
            value >>= 7;
            len += 1;
        }
        room[len] = value as u8;
        self.len += len + 1;
    }

    /// Writes varints of one or two bytes, at most [`Scratch::MANY`].
    #[inline]
    pub(crate) fn short_varints(&mut self, varints: &[u16]) {
        debug_assert!(varints.len() <= Self::MANY);
        // What an index of eight bits cannot miss needs no check.
        let room: &mut [u8; 257] = self.room();
        let mut len = 0;
        for &varint in varints {
            let [first, second] = varint.to_le_bytes();
            let at = len & 0xFF;
            room[at] = first;
            room[at + 1] = second;
            len += 1 + usize::from(first >> 7);
        }
        self.len += len;
    }
}

/// The bytes of a varint, and how many they are.
#[inline]
pub(crate) fn short_varint(value: u32) -> (u64, usize) {
    let value = u64::from(value);
    let at = |group: u32| (value >> (7 * group) & 0x7F) << (8 * group);
    let groups = at(0) | at(1) | at(2) | at(3) | at(4);
    // Seven bits a byte: the division by seven, for up to 35.
    let len = ((64 - (value | 1).leading_zeros()) * 37 + 222) >> 8;
    let more = 0x8080_8080_8080_8080 & ((1u64 << (8 * (len - 1))) - 1);
    (groups | more, len as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_texts() {
        let mut out = Vec::new();
        out.uint(1, 150);
        out.uint(2, 0);
        out.bytes(2, b"testing");
        out.sint(3, -2);
        // The examples of the specification.
        assert_eq!(out, b"\x08\x96\x01\x12\x07testing\x18\x03");
    }

    #[test]
    fn integers_are_the_same_by_way_of_words() {
        let values = || (0..64).flat_map(|bit| [1u64 << bit, (1 << bit) - 1, u64::MAX >> bit]);
        let (mut single, mut words) = (Vec::new(), Scratch::default());
        values().for_each(|value| single.varint(value));
        values().for_each(|value| words.varint(value));
        assert!(single.len() > 500);
        assert_eq!(single, words.as_slice());
        let short = |value: u32| short_varint(value).0 as u16;
        single.clear();
        words.clear();
        for values in (0..1u32 << 14).collect::<Vec<_>>().chunks(Scratch::MANY) {
            values.iter().for_each(|&value| single.varint(value.into()));
            words.short_varints(&values.iter().map(|&value| short(value)).collect::<Vec<_>>());
        }
        assert_eq!(single, words.as_slice());
    }

    #[test]
    fn lengths_of_every_size() {
        for len in [0, 1, 127, 128, 16_383, 16_384, 3_000_000] {
            let mut out = vec![0xAA];
            out.message(5, |out| out.resize(out.len() + len, 7));
            let mut expected = vec![0xAA, 0x2A];
            expected.varint(len as u64);
            expected.resize(expected.len() + len, 7);
            assert_eq!(out, expected, "{len}");
            for guess in [0, 200, 20_000, 4_000_000] {
                let mut out = vec![0xAA, 0x2A];
                let seen = out.delimited_like(guess, |out| out.resize(out.len() + len, 7));
                assert_eq!((out, seen), (expected.clone(), len), "{guess}");
            }
        }
        for bit in 0..64 {
            let mut out = Vec::new();
            out.varint(1 << bit);
            assert_eq!(varint_len(1 << bit), out.len());
        }
        assert_eq!(varint_len(0), 1);
    }
}
