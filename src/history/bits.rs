//! Bits, written one after the other and read again: what closed chunks are made of.
//!
//! Reading past the end gives zeros, so that no content of a chunk can make a reader panic.

/// The largest quotient that a Rice code writes in unary; what is larger follows in full.
const UNARY_MOST: u64 = 24;

/// Writes bits, lowest first.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    out: Vec<u8>,
    held: u128,
    used: u32,
}

impl BitWriter {
    /// The lowest `width` bits of `value`, 64 at most.
    pub(super) fn put(&mut self, value: u64, width: u32) {
        debug_assert!(width <= 64 && (width == 64 || value >> width == 0));
        self.held |= u128::from(value) << self.used;
        self.used += width;
        while self.used >= 8 {
            self.out.push(self.held as u8);
            self.held >>= 8;
            self.used -= 8;
        }
    }

    /// The lowest `width` bits of `value`, 128 at most.
    pub(super) fn put_wide(&mut self, value: u128, width: u32) {
        self.put(value as u64 & mask(width.min(64)), width.min(64));
        let above = width.saturating_sub(64);
        self.put((value >> 64) as u64 & mask(above), above);
    }

    /// A number that is small more often than not, by seven bits.
    pub(super) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.put(value & 0x7f | 0x80, 8);
            value >>= 7;
        }
        self.put(value, 8);
    }

    /// A number in the Rice code of parameter `k`.
    pub(super) fn rice(&mut self, value: u64, k: u32) {
        let quotient = value >> k;
        if quotient >= UNARY_MOST {
            self.put(mask(UNARY_MOST as u32), UNARY_MOST as u32);
            self.put(value, 64);
            return;
        }
        self.put(mask(quotient as u32), quotient as u32 + 1);
        self.put(value & mask(k), k);
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.used > 0 {
            self.out.push(self.held as u8);
        }
        self.out
    }
}

/// Reads what a [`BitWriter`] wrote.
#[derive(Clone, Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        BitReader { bytes, at: 0 }
    }

    /// The next bits, as many as 57 of them for certain; zeros behind the end.
    fn window(&self) -> u64 {
        let byte = self.at / 8;
        let word = match self.bytes.get(byte..byte + 8) {
            Some(eight) => u64::from_le_bytes(eight.try_into().expect("eight bytes")),
            None => {
                let rest = self.bytes.get(byte..).unwrap_or_default();
                rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
            }
        };
        word >> (self.at % 8)
    }

    pub(super) fn take(&mut self, width: u32) -> u64 {
        if width > 56 {
            let low = self.take(32);
            return low | self.take(width - 32) << 32;
        }
        let value = self.window() & mask(width);
        self.at += width as usize;
        value
    }

    pub(super) fn take_wide(&mut self, width: u32) -> u128 {
        let low = u128::from(self.take(width.min(64)));
        low | u128::from(self.take(width.saturating_sub(64))) << 64
    }

    pub(super) fn varint(&mut self) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(8);
            value |= (byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }

    pub(super) fn rice(&mut self, k: u32) -> u64 {
        let window = self.window();
        let quotient = window.trailing_ones();
        if quotient >= UNARY_MOST as u32 {
            self.at += UNARY_MOST as usize;
            return self.take(64);
        }
        if quotient + k < 57 {
            // All of it is in the window.
            self.at += (quotient + 1 + k) as usize;
            return u64::from(quotient) << k | window >> (quotient + 1) & ((1 << k) - 1);
        }
        self.at += quotient as usize + 1;
        u64::from(quotient) << k | self.take(k)
    }
}

/// How many bits a number takes in the Rice code of parameter `k`.
pub(super) fn rice_bits(value: u64, k: u32) -> usize {
    let quotient = value >> k;
    if quotient >= UNARY_MOST {
        UNARY_MOST as usize + 64
    } else {
        quotient as usize + 1 + k as usize
    }
}

/// The parameter with which numbers take the fewest bits, of a histogram of how many numbers have how many bits.
#[derive(Clone, Debug)]
pub(super) struct RiceCost([u64; RiceCost::PARAMETERS]);

impl RiceCost {
    const PARAMETERS: usize = 32;

    pub(super) fn new() -> Self {
        RiceCost([0; Self::PARAMETERS])
    }

    pub(super) fn add(&mut self, value: u64) {
        for (k, bits) in self.0.iter_mut().enumerate() {
            *bits += rice_bits(value, k as u32) as u64;
        }
    }

    pub(super) fn best(&self) -> u32 {
        (0..Self::PARAMETERS).min_by_key(|&k| self.0[k]).unwrap_or_default() as u32
    }
}

/// As many ones as `width`, 64 at most.
pub(super) fn mask(width: u32) -> u64 {
    if width >= 64 { u64::MAX } else { (1 << width) - 1 }
}

/// Signed numbers as unsigned ones, small ones small.
pub(super) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Copy, Debug)]
    enum Item {
        Bits(u64, u32),
        Wide(u128, u32),
        Varint(u64),
        Rice(u64, u32),
    }

    fn item() -> impl Strategy<Value = Item> {
        let value = || (any::<u64>(), 0u32..64).prop_map(|(value, shift)| value >> shift);
        prop_oneof![
            (any::<u64>(), 0u32..=64)
                .prop_map(|(value, width)| Item::Bits(value & mask(width), width)),
            (any::<u128>(), 64u32..=128).prop_map(|(value, width)| {
                Item::Wide(if width == 128 { value } else { value & ((1 << width) - 1) }, width)
            }),
            value().prop_map(Item::Varint),
            (value(), 0u32..57).prop_map(|(value, k)| Item::Rice(value, k)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_was_written_is_read(items in proptest::collection::vec(item(), 0..60)) {
            let mut writer = BitWriter::default();
            for item in &items {
                match *item {
                    Item::Bits(value, width) => writer.put(value, width),
                    Item::Wide(value, width) => writer.put_wide(value, width),
                    Item::Varint(value) => writer.varint(value),
                    Item::Rice(value, k) => writer.rice(value, k),
                }
            }
            let bytes = writer.finish();
            let mut reader = BitReader::new(&bytes);
            for item in &items {
                match *item {
                    Item::Bits(value, width) => prop_assert_eq!(reader.take(width), value),
                    Item::Wide(value, width) => prop_assert_eq!(reader.take_wide(width), value),
                    Item::Varint(value) => prop_assert_eq!(reader.varint(), value),
                    Item::Rice(value, k) => prop_assert_eq!(reader.rice(k), value),
                }
            }
            reader.take(64);
            prop_assert_eq!(reader.take(64) + reader.varint() + reader.rice(3), 0);
        }

        #[test]
        fn zigzag_goes_both_ways(value in any::<i64>()) {
            prop_assert_eq!(unzigzag(zigzag(value)), value);
        }
    }
}
