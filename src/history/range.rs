//! A range coder of binary decisions with chances that learn: what the history's dense columns are written with.
//!
//! Encoder and decoder are one [`Coder`] to those who use them: the same code walks a column both ways, so what is read
//! follows what was written step by step. All arithmetic is of whole numbers and is the same on every machine. Reading
//! past the end gives zeros: no content of a column can make a reader panic.

/// The chance that a decision is yes, in 22 bits, and how many decisions it has learned from, in 10.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance(u32);

/// Decisions after which a chance no longer settles, but follows.
const MOST_LEARNED: u32 = 160;
/// What is learned from a decision by how many there were before it, in 2⁻¹⁶.
const LEARNED: [u32; MOST_LEARNED as usize + 1] = {
    let mut all = [0; MOST_LEARNED as usize + 1];
    let mut at = 0;
    while at < all.len() {
        all[at] = (2 << 16) / (2 * at as u32 + 3);
        at += 1;
    }
    all
};
/// The least chance either way, in 2⁻¹⁶: no decision takes more than 11 bits or less than 0.0007.
const LEAST: u32 = 32;

impl Chance {
    /// Nothing is known.
    pub(super) const EVEN: Chance = Chance(1 << 31);

    /// A chance in 2⁻¹⁶, as sure as after `learned` decisions.
    pub(super) const fn of(chance: u32, learned: u32) -> Chance {
        let chance = if chance > 0xffff { 0xffff } else { chance };
        Chance(chance << 16 | learned)
    }

    fn yes(self) -> u32 {
        (self.0 >> 16).clamp(LEAST, 0x1_0000 - LEAST)
    }

    fn learn(&mut self, yes: bool) {
        let (chance, learned) = (self.0 >> 10, self.0 & 0x3ff);
        let by = u64::from(LEARNED[learned.min(MOST_LEARNED) as usize]);
        let chance = if yes {
            chance + ((u64::from(0x3f_ffff - chance) * by) >> 16) as u32
        } else {
            chance - ((u64::from(chance) * by) >> 16) as u32
        };
        self.0 = chance << 10 | (learned + 1).min(MOST_LEARNED);
    }
}

/// Writes or reads decisions. What is given is written and returned; a reader returns what was written instead.
pub(super) trait Coder {
    fn bit(&mut self, chance: &mut Chance, yes: bool) -> bool;

    /// One of `choices` (1 to 65,536) that are equally likely.
    fn one_of(&mut self, choices: u32, choice: u32) -> u32;

    /// Bits of which nothing is known, 64 at most.
    fn bits(&mut self, width: u32, value: u64) -> u64 {
        let mut read = 0;
        for shift in (0..width).step_by(16) {
            let part = (width - shift).min(16);
            let given = (value >> shift) as u32 & ((1 << part) - 1);
            read |= u64::from(self.one_of(1 << part, given)) << shift;
        }
        read
    }

    /// A number of up to `most`, inclusive, each equally likely. A reader may return more.
    fn up_to(&mut self, most: u128, value: u128) -> u128 {
        let shift = (128 - most.leading_zeros()).saturating_sub(16);
        let high = self.one_of((most >> shift) as u32 + 1, (value >> shift) as u32);
        let low = self.bits(shift.min(64), value as u64 & super::bits::mask(shift.min(64)));
        let width = shift.saturating_sub(64);
        let above = (value >> 64) as u64 & super::bits::mask(width);
        let middle = self.bits(width, above);
        u128::from(high) << shift | u128::from(middle) << 64 | u128::from(low)
    }
}

const TOP: u32 = 1 << 24;

/// Writes decisions.
#[derive(Debug)]
pub(super) struct RangeWriter {
    out: Vec<u8>,
    low: u64,
    range: u32,
    /// The last byte that a carry may still change, and how many there are of it and of the `0xff` behind it.
    held: u8,
    holding: u64,
}

impl RangeWriter {
    pub(super) fn new() -> Self {
        // The first byte would hold a carry out of all numbers, and is never anything but zero.
        RangeWriter { out: Vec::new(), low: 0, range: u32::MAX, held: 0, holding: 1 }
    }

    /// Bytes of memory for what was written.
    pub(super) fn heap(&self) -> usize {
        self.out.capacity()
    }

    fn settle(&mut self) {
        while self.range < TOP {
            self.range <<= 8;
            self.shift();
        }
    }

    fn shift(&mut self) {
        let carry = (self.low >> 32) as u8;
        if self.low < 0xff00_0000 || carry != 0 {
            self.out.push(self.held.wrapping_add(carry));
            (1..self.holding).for_each(|_| self.out.push(0xffu8.wrapping_add(carry)));
            (self.held, self.holding) = ((self.low >> 24) as u8, 0);
        }
        self.holding += 1;
        self.low = (self.low & 0x00ff_ffff) << 8;
    }

    /// What was written. Zeros at the end are left out, as a reader sees them there anyway.
    pub(super) fn finish(mut self) -> Vec<u8> {
        // Of all numbers that say the same, the one with the most zeros at its end.
        let most = self.low + u64::from(self.range) - 1;
        let zeros = (0..=32).rev().find(|bits| most >> bits << bits >= self.low).unwrap_or(0);
        self.low = most >> zeros << zeros;
        (0..5).for_each(|_| self.shift());
        self.out.remove(0);
        while self.out.last() == Some(&0) {
            self.out.pop();
        }
        self.out
    }
}

impl Coder for RangeWriter {
    fn bit(&mut self, chance: &mut Chance, yes: bool) -> bool {
        let bound = (self.range >> 16) * chance.yes();
        if yes {
            self.range = bound;
        } else {
            self.low += u64::from(bound);
            self.range -= bound;
        }
        chance.learn(yes);
        self.settle();
        yes
    }

    fn one_of(&mut self, choices: u32, choice: u32) -> u32 {
        self.range /= choices;
        self.low += u64::from(choice) * u64::from(self.range);
        self.settle();
        choice
    }
}

/// Reads decisions.
#[derive(Clone, Debug)]
pub(super) struct RangeReader<'a> {
    bytes: &'a [u8],
    at: usize,
    range: u32,
    code: u32,
}

impl<'a> RangeReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut reader = RangeReader { bytes, at: 0, range: u32::MAX, code: 0 };
        (0..4).for_each(|_| reader.next());
        reader
    }

    fn next(&mut self) {
        self.code = self.code << 8 | u32::from(self.bytes.get(self.at).copied().unwrap_or(0));
        self.at += 1;
    }

    fn settle(&mut self) {
        while self.range < TOP {
            self.range <<= 8;
            self.next();
        }
    }
}

impl Coder for RangeReader<'_> {
    fn bit(&mut self, chance: &mut Chance, _: bool) -> bool {
        let bound = (self.range >> 16) * chance.yes();
        let yes = self.code < bound;
        if yes {
            self.range = bound;
        } else {
            self.code -= bound;
            self.range -= bound;
        }
        chance.learn(yes);
        self.settle();
        yes
    }

    fn one_of(&mut self, choices: u32, _: u32) -> u32 {
        self.range /= choices;
        let choice = (self.code / self.range).min(choices - 1);
        // Bytes that nobody wrote may lie behind the last choice.
        self.code = self.code.wrapping_sub(choice * self.range);
        self.settle();
        choice
    }
}

/// Numbers that are small more often than not: their length in bits, and the first two behind the highest, learned.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    lengths: [Chance; 65],
    heads: [[Chance; 3]; 65],
}

impl Numbers {
    pub(super) const NEW: Numbers =
        Numbers { lengths: [Chance::EVEN; 65], heads: [[Chance::EVEN; 3]; 65] };

    pub(super) fn code(&mut self, coder: &mut impl Coder, value: u64) -> u64 {
        let length = length(coder, &mut self.lengths, value);
        mantissa(coder, &mut self.heads[length as usize], length, value)
    }
}

/// The length of a number in bits, one decision for each: a length of as many as there are chances is the longest.
pub(super) fn length(coder: &mut impl Coder, chances: &mut [Chance], value: u64) -> u32 {
    let length = 64 - value.leading_zeros();
    let mut at = 0;
    while at < 64 && coder.bit(&mut chances[(at as usize).min(chances.len() - 1)], length > at) {
        at += 1;
    }
    at
}

/// A number of `length` bits.
pub(super) fn mantissa(
    coder: &mut impl Coder,
    heads: &mut [Chance; 3],
    length: u32,
    value: u64,
) -> u64 {
    if length < 2 {
        return u64::from(length);
    }
    let first = coder.bit(&mut heads[0], value >> (length - 2) & 1 == 1);
    let mut read = 2 | u64::from(first);
    if length > 2 {
        let second = coder.bit(&mut heads[1 + usize::from(first)], value >> (length - 3) & 1 == 1);
        read = read << 1 | u64::from(second);
        let rest = length - 3;
        read = read << rest | coder.bits(rest, value & super::bits::mask(rest));
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[derive(Clone, Copy, Debug)]
    enum Item {
        Decision(usize, bool),
        OneOf(u32, u32),
        Bits(u32, u64),
        UpTo(u128, u128),
        Number(u64),
    }

    fn item() -> impl Strategy<Value = Item> {
        let wide = || (any::<u128>(), 0u32..128).prop_map(|(value, shift)| value >> shift);
        prop_oneof![
            4 => (0usize..4, any::<bool>()).prop_map(|(at, yes)| Item::Decision(at, yes)),
            2 => (0usize..4, 0u32..20).prop_map(|(at, odd)| Item::Decision(at, odd == 0)),
            1 => (1u32..=65_536, any::<u32>()).prop_map(|(all, one)| Item::OneOf(all, one % all)),
            1 => (0u32..=64, any::<u64>())
                .prop_map(|(width, value)| Item::Bits(width, value & super::super::bits::mask(width))),
            1 => (wide(), any::<u128>()).prop_map(|(most, value)| {
                Item::UpTo(most, if most == u128::MAX { value } else { value % (most + 1) })
            }),
            1 => (any::<u64>(), 0u32..64).prop_map(|(value, shift)| Item::Number(value >> shift)),
        ]
    }

    fn walk(coder: &mut impl Coder, items: &[Item], given: bool) -> Vec<Item> {
        let (mut chances, mut numbers) = ([Chance::EVEN; 4], Numbers::NEW);
        chances[1] = Chance::of(u32::MAX, 0);
        chances[2] = Chance::of(0, 200);
        let mut code = |item: &Item| match *item {
            Item::Decision(at, yes) => {
                Item::Decision(at, coder.bit(&mut chances[at], yes && given))
            }
            Item::OneOf(all, one) => Item::OneOf(all, coder.one_of(all, one * u32::from(given))),
            Item::Bits(width, value) => {
                Item::Bits(width, coder.bits(width, value * u64::from(given)))
            }
            Item::UpTo(most, value) => {
                Item::UpTo(most, coder.up_to(most, value * u128::from(given)))
            }
            Item::Number(value) => Item::Number(numbers.code(coder, value * u64::from(given))),
        };
        items.iter().map(&mut code).collect()
    }

    fn shown(items: &[Item]) -> Vec<String> {
        items.iter().map(|item| format!("{item:?}")).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_was_written_is_read(items in vec(item(), 0..400)) {
            let mut writer = RangeWriter::new();
            prop_assert_eq!(shown(&walk(&mut writer, &items, true)), shown(&items));
            let bytes = writer.finish();
            let read = walk(&mut RangeReader::new(&bytes), &items, false);
            prop_assert_eq!(shown(&read), shown(&items));
        }

        #[test]
        fn what_is_likely_takes_next_to_nothing(odd in 0usize..10_000) {
            let (mut writer, mut chance) = (RangeWriter::new(), Chance::EVEN);
            (0..10_000).for_each(|at| {
                writer.bit(&mut chance, at == odd);
            });
            let bytes = writer.finish();
            prop_assert!(bytes.len() < 32, "{} bytes", bytes.len());
            let (mut reader, mut chance) = (RangeReader::new(&bytes), Chance::EVEN);
            prop_assert!((0..10_000).all(|at| reader.bit(&mut chance, false) == (at == odd)));
        }

        #[test]
        fn bytes_that_nobody_wrote_are_no_harm(bytes in vec(any::<u8>(), 0..64), items in vec(item(), 0..200)) {
            let read = walk(&mut RangeReader::new(&bytes), &items, false);
            prop_assert_eq!(read.len(), items.len());
        }
    }
}
