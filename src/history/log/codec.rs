//! Numbers of a row as bytes, and back. Reading never panics: what cannot be is [`Broken`].

use crate::history::sparse::Gain;

/// Bytes that were not written by an encoder of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken(pub(super) &'static str);

pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Small differences of either sign take few bytes.
pub(super) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, ((value << 1) ^ (value >> 63)) as u64);
}

fn put_wide(out: &mut Vec<u8>, mut value: u128) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// The bits in which a float differs from the one before: without the bytes at either end that are zero.
pub(super) fn put_float(out: &mut Vec<u8>, bits: u64, last: u64) {
    let differing = bits ^ last;
    let lead = (differing.leading_zeros() / 8).min(7) as usize;
    let trail = if differing == 0 { 0 } else { (differing.trailing_zeros() / 8) as usize };
    out.push((lead << 4 | trail) as u8);
    out.extend_from_slice(&differing.to_be_bytes()[lead..8 - trail]);
}

/// Ordinals as gaps, counts, and the sum.
pub(super) fn put_gain(out: &mut Vec<u8>, buckets: &[(u32, u64)], sum: u128) {
    put(out, buckets.len() as u64);
    let mut next = 0;
    for &(ordinal, count) in buckets {
        put(out, u64::from(ordinal - next));
        put(out, count);
        next = ordinal + 1;
    }
    put_wide(out, sum);
}

/// What is left to be read of a row.
#[derive(Debug)]
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn byte(&mut self) -> Result<u8, Broken> {
        let (&byte, rest) = self.0.split_first().ok_or(Broken("it ends within a number"))?;
        self.0 = rest;
        Ok(byte)
    }

    pub(super) fn take(&mut self, bytes: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) =
            self.0.split_at_checked(bytes).ok_or(Broken("it ends within a text"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn wide(&mut self, bits: u32) -> Result<u128, Broken> {
        let mut value = 0u128;
        for shift in (0..bits).step_by(7) {
            let byte = self.byte()?;
            let part = u128::from(byte & 0x7f);
            if bits - shift < 7 && part >> (bits - shift) != 0 {
                break;
            }
            value |= part << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Broken("a number is too large"))
    }

    pub(super) fn number(&mut self) -> Result<u64, Broken> {
        // Most numbers are small.
        if let Some((&byte @ 0..0x80, rest)) = self.0.split_first() {
            self.0 = rest;
            return Ok(u64::from(byte));
        }
        self.wide(64).map(|value| value as u64)
    }

    pub(super) fn signed(&mut self) -> Result<i64, Broken> {
        self.number().map(|value| (value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// How many of something follow, each of at least a byte.
    pub(super) fn count(&mut self) -> Result<usize, Broken> {
        let count = self.number()?;
        if count > self.0.len() as u64 {
            return Err(Broken("it counts more than it has"));
        }
        Ok(count as usize)
    }

    pub(super) fn text(&mut self, most: usize) -> Result<&'a str, Broken> {
        let length = self.count()?;
        if length > most {
            return Err(Broken("a text is longer than the limit"));
        }
        std::str::from_utf8(self.take(length)?).map_err(|_| Broken("a text is not UTF-8"))
    }

    pub(super) fn float(&mut self, last: u64) -> Result<u64, Broken> {
        let ends = self.byte()?;
        let (lead, trail) = (usize::from(ends >> 4), usize::from(ends & 15));
        if lead + trail >= 8 {
            return Err(Broken("a float has no bytes"));
        }
        let mut bytes = [0; 8];
        bytes[lead..8 - trail].copy_from_slice(self.take(8 - trail - lead)?);
        Ok(last ^ u64::from_be_bytes(bytes))
    }

    /// Buckets below `most`, each with a count.
    pub(super) fn gain(&mut self, most: usize) -> Result<Gain, Broken> {
        let length = self.count()?;
        let mut buckets = Vec::with_capacity(length.min(most));
        let mut next = 0u64;
        for _ in 0..length {
            let ordinal = next.saturating_add(self.number()?);
            let count = self.number()?;
            if ordinal >= most as u64 || count == 0 {
                return Err(Broken("a bucket cannot be"));
            }
            buckets.push((ordinal as u32, count));
            next = ordinal + 1;
        }
        Ok(Gain { buckets, sum: self.wide(128)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn numbers_are_read_as_written(
            numbers in vec((any::<u64>(), 0u32..64).prop_map(|(value, by)| value >> by), 0..20),
            last in any::<u64>(),
            buckets in btree_map(0u32..5_000, 1..=u64::MAX, 0..20),
            sum in any::<u128>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = Vec::new();
            for &number in &numbers {
                put(&mut bytes, number);
                put_signed(&mut bytes, number as i64);
                put_float(&mut bytes, number, last);
            }
            let buckets: Vec<_> = buckets.into_iter().collect();
            put_gain(&mut bytes, &buckets, sum);
            put_text(&mut bytes, "größe");
            let mut input = Input(&bytes);
            for &number in &numbers {
                prop_assert_eq!(input.number(), Ok(number));
                prop_assert_eq!(input.signed(), Ok(number as i64));
                prop_assert_eq!(input.float(last), Ok(number));
            }
            prop_assert_eq!(input.gain(5_000), Ok(Gain { buckets, sum }));
            prop_assert_eq!(input.text(100), Ok("größe"));
            prop_assert!(input.0.is_empty());
            // Cut short, something is missing, and nothing panics.
            let mut input = Input(&bytes[..cut.index(bytes.len())]);
            let mut read = || {
                for _ in &numbers {
                    input.number()?;
                    input.signed()?;
                    input.float(last)?;
                }
                input.gain(5_000)?;
                input.text(100).map(str::len)
            };
            prop_assert!(read().is_err());
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(Input(&[0xff; 10]).number().is_err(), "more than 64 bits");
        assert!(Input(&[0xff; 30]).gain(10).is_err());
        assert!(Input(&[2, 0, 1, 0, 0, 0]).gain(10).is_err(), "a bucket without a count");
        assert!(Input(&[1, 10, 1, 0]).gain(10).is_err(), "a bucket past the last");
        assert!(Input(&[0x44]).float(0).is_err());
        assert!(Input(&[9, b'a']).text(100).is_err());
        assert!(Input(&[2, b'a', b'b']).text(1).is_err());
    }
}
