//! Protocol buffers as bytes (<https://protobuf.dev/programming-guides/encoding/>): only what encoders here need.
//!
//! A message inside a message carries its length in front. It is written behind a place kept for the length, which is then
//! moved together: most messages are shorter than 128 bytes, and for those nothing moves.

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
    /// Field `number`, a message, or packed numbers, that `write` writes.
    fn message(&mut self, number: u32, write: impl FnOnce(&mut Self));
    /// A length, and what `write` writes.
    fn delimited(&mut self, write: impl FnOnce(&mut Self));
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
            self.varint((number << 3 | LEN).into());
            self.varint(value.len() as u64);
            self.extend_from_slice(value);
        }
    }

    #[inline]
    fn message(&mut self, number: u32, write: impl FnOnce(&mut Self)) {
        self.varint((number << 3 | LEN).into());
        self.delimited(write);
    }

    #[inline]
    fn delimited(&mut self, write: impl FnOnce(&mut Self)) {
        let at = self.len();
        self.push(0);
        write(self);
        let len = self.len() - at - 1;
        if len < 0x80 {
            self[at] = len as u8;
        } else {
            make_room(self, at, len);
        }
    }
}

/// Puts a length of more than one byte at `at`, where there is room for one byte.
#[cold]
fn make_room(buffer: &mut Vec<u8>, at: usize, len: usize) {
    let end = buffer.len();
    buffer.varint(len as u64);
    let more = buffer.len() - end - 1;
    let mut length = [0; 10];
    length[..=more].copy_from_slice(&buffer[end..]);
    buffer.truncate(end);
    buffer.resize(end + more, 0);
    buffer.copy_within(at + 1..end, at + 1 + more);
    buffer[at..=at + more].copy_from_slice(&length[..=more]);
}

/// Writes many integers one after the other, by way of a block: the buffer's length changes once a block.
pub(crate) struct Varints<'a> {
    out: &'a mut Vec<u8>,
    block: [u8; 256],
    len: usize,
}

impl<'a> Varints<'a> {
    /// The longest integer.
    const LONGEST: usize = 10;

    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        Varints { out, block: [0; 256], len: 0 }
    }

    #[inline]
    pub(crate) fn push(&mut self, mut value: u64) {
        if self.len > self.block.len() - Self::LONGEST {
            self.hand_on();
        }
        let block = &mut self.block;
        if value < 1 << 14 {
            // One byte or two, without a branch between them: nobody can foretell which it is for a bucket's count.
            let long = value >= 0x80;
            block[self.len] = value as u8 | u8::from(long) << 7;
            block[self.len + 1] = (value >> 7) as u8;
            self.len += 1 + usize::from(long);
            return;
        }
        while value >= 0x80 {
            block[self.len] = value as u8 | 0x80;
            self.len += 1;
            value >>= 7;
        }
        block[self.len] = value as u8;
        self.len += 1;
    }

    fn hand_on(&mut self) {
        self.out.extend_from_slice(&self.block[..self.len]);
        self.len = 0;
    }

    /// Hands on what is left.
    pub(crate) fn end(mut self) {
        self.hand_on();
    }
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
    fn many_integers_are_written_as_one_by_one() {
        let values = || (0..64).flat_map(|bit| [1u64 << bit, (1 << bit) - 1, u64::MAX >> bit]);
        let (mut single, mut many) = (vec![7], vec![7]);
        values().for_each(|value| single.varint(value));
        let mut varints = Varints::new(&mut many);
        values().for_each(|value| varints.push(value));
        varints.end();
        assert!(single.len() > 500);
        assert_eq!(single, many);
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
        }
    }
}
