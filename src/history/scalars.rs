//! How the numbers of one series in a closed block are packed: as whole numbers, by their differences, in frames of few
//! bits.
//!
//! 1. Floats that are decimals of few digits become whole numbers; others stay the bits that they are.
//! 2. Differences of the order (0, 1 or 2) that takes the fewest bits.
//! 3. Frames: the smallest number, the largest divisor that all distances from it have, and each distance in as many bits
//!    as the largest one needs. One frame, or many short ones where a few numbers stand out.
//! 4. Or, where that takes less: the distance of each number from the middle one, by the divisor of all, in a Rice code.
//!
//! For the 240 numbers of a block this takes less than `pco` does, whose tables weigh more than such a block's numbers:
//! see `docs/decisions/0012-history.md` for what was measured.

use super::bits::{BitReader, BitWriter, rice_bits, unzigzag, zigzag};

/// Numbers in a short frame.
const SHORT_FRAME: usize = 48;
/// Digits behind the point up to which floats are tried as decimals.
const MOST_DIGITS: u32 = 6;
/// How floats are said to be bits and no decimals.
const AS_BITS: u64 = MOST_DIGITS as u64 + 1;

/// Packs numbers: counts, or the bits of floats.
pub(super) fn pack(values: &[u64], floats: bool) -> Vec<u8> {
    pack_by(values, floats, |rest| {
        [Some(Way::Frame), Some(Way::ShortFrames), Some(Way::rice(rest))]
    })
}

/// As [`pack`], in one frame: to some more bytes in less time.
pub(super) fn pack_quickly(values: &[u64], floats: bool) -> Vec<u8> {
    pack_by(values, floats, |_| [Some(Way::Frame), None, None])
}

fn pack_by(values: &[u64], floats: bool, ways: impl Fn(&[i64]) -> [Option<Way>; 3]) -> Vec<u8> {
    let decimals = if floats { decimals(values) } else { None };
    let (mode, numbers) = match decimals {
        Some((digits, numbers)) => (u64::from(digits), numbers),
        None => (AS_BITS, values.iter().map(|&value| value as i64).collect()),
    };
    let mut best: Option<(usize, u32, Way, Vec<i64>)> = None;
    let mut heads = Vec::new();
    let mut rest = numbers;
    for order in 0..=2 {
        for way in ways(&rest).into_iter().flatten() {
            let bits = way.bits(&rest) + 70 * order as usize;
            if best.as_ref().is_none_or(|best| bits < best.0) {
                best = Some((bits, order, way, rest.clone()));
            }
        }
        let Some(&head) = rest.first() else { break };
        heads.push(head);
        rest = rest.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    }
    let (_, order, way, rest) = best.unwrap_or((0, 0, Way::Frame, Vec::new()));
    let mut out = BitWriter::default();
    out.put(mode, 3);
    out.put(order.into(), 2);
    out.put(way.number(), 2);
    heads[..order as usize].iter().for_each(|&head| out.varint(zigzag(head)));
    way.write(&rest, &mut out);
    out.finish()
}

/// The `count` numbers that were packed.
pub(super) fn unpack(bytes: &[u8], count: usize) -> Vec<u64> {
    let mut reader = BitReader::new(bytes);
    let mode = reader.take(3);
    let order = (reader.take(2) as usize).min(count);
    let way = reader.take(2);
    let size = if way == Way::ShortFrames.number() { SHORT_FRAME } else { count.max(1) };
    let heads: Vec<i64> = (0..order).map(|_| unzigzag(reader.varint())).collect();
    let mut numbers = Vec::with_capacity(count);
    numbers.resize(order, 0);
    if way >= 2 {
        let middle = unzigzag(reader.varint());
        let divisor = reader.varint() as i64;
        let k = reader.take(6) as u32;
        let distances = (order..count).map(|_| unzigzag(reader.rice(k)).wrapping_mul(divisor));
        numbers.extend(distances.map(|distance| middle.wrapping_add(distance)));
    }
    while numbers.len() < count {
        let length = size.min(count - numbers.len());
        let lowest = unzigzag(reader.varint());
        let divisor = reader.varint();
        let width = reader.take(7) as u32;
        numbers.extend((0..length).map(|_| {
            let distance = reader.take(width.min(64)).wrapping_mul(divisor);
            lowest.wrapping_add(distance as i64)
        }));
    }
    for (depth, &head) in heads.iter().enumerate().rev() {
        let mut sum = head;
        for number in &mut numbers[depth + 1..] {
            sum = sum.wrapping_add(*number);
            *number = sum;
        }
        numbers[depth] = head;
    }
    let divisor = 10f64.powi(mode as i32);
    let value = |number: i64| match mode {
        AS_BITS => number as u64,
        _ => (number as f64 / divisor).to_bits(),
    };
    numbers.into_iter().map(value).collect()
}

/// The floats as whole numbers of `10^-digits`, with the fewest digits that say each of them exactly.
fn decimals(values: &[u64]) -> Option<(u32, Vec<i64>)> {
    const EXACT: f64 = (1u64 << 53) as f64;
    let whole = |bits: u64, scale: f64| {
        let number = (f64::from_bits(bits) * scale).round();
        let same = number.abs() < EXACT && ((number as i64) as f64 / scale).to_bits() == bits;
        same.then_some(number as i64)
    };
    (0..=MOST_DIGITS).find_map(|digits| {
        let scale = 10f64.powi(digits as i32);
        let numbers = values.iter().map(|&bits| whole(bits, scale)).collect::<Option<_>>()?;
        Some((digits, numbers))
    })
}

/// How numbers are written.
#[derive(Clone, Copy, Debug)]
enum Way {
    Frame,
    ShortFrames,
    /// The middle number, what divides all distances from it, and the code's parameter.
    Rice(i64, u64, u32),
}

impl Way {
    fn number(self) -> u64 {
        match self {
            Way::Frame => 0,
            Way::ShortFrames => 1,
            Way::Rice(..) => 2,
        }
    }

    /// With the parameter that suits the numbers' mean distance from the middle.
    fn rice(numbers: &[i64]) -> Way {
        let mut sorted = numbers.to_vec();
        let half = sorted.len() / 2;
        let middle = if sorted.is_empty() { 0 } else { *sorted.select_nth_unstable(half).1 };
        let away = |number: &i64| number.wrapping_sub(middle).unsigned_abs();
        let divisor = numbers.iter().map(away).fold(0, |divisor, distance| {
            if divisor == 1 { 1 } else { common_divisor(divisor, distance) }
        });
        let divisor = divisor.max(1);
        let distances = numbers.iter().map(|&number| u128::from(steps(number, middle, divisor)));
        let mean = distances.sum::<u128>() / numbers.len().max(1) as u128;
        let k = (63 - (mean as u64 | 1).leading_zeros()).min(56);
        let [less, more] = [k.saturating_sub(1), k].map(|k| Way::Rice(middle, divisor, k));
        if less.bits(numbers) < more.bits(numbers) { less } else { more }
    }

    fn bits(self, numbers: &[i64]) -> usize {
        match self {
            Way::Frame => frames(numbers, false).map(|frame| frame.bits()).sum(),
            Way::ShortFrames => frames(numbers, true).map(|frame| frame.bits()).sum(),
            Way::Rice(middle, divisor, k) => {
                let distances = numbers.iter().map(|&number| steps(number, middle, divisor));
                varint_bits(zigzag(middle))
                    + varint_bits(divisor)
                    + 6
                    + distances.map(|distance| rice_bits(distance, k)).sum::<usize>()
            }
        }
    }

    fn write(self, numbers: &[i64], out: &mut BitWriter) {
        match self {
            Way::Frame => frames(numbers, false).for_each(|frame| frame.write(out)),
            Way::ShortFrames => frames(numbers, true).for_each(|frame| frame.write(out)),
            Way::Rice(middle, divisor, k) => {
                out.varint(zigzag(middle));
                out.varint(divisor);
                out.put(k.into(), 6);
                numbers.iter().for_each(|&number| out.rice(steps(number, middle, divisor), k));
            }
        }
    }
}

/// How many divisors a number lies off the middle one.
fn steps(number: i64, middle: i64, divisor: u64) -> u64 {
    let distance = number.wrapping_sub(middle);
    if divisor == 1 {
        return zigzag(distance);
    }
    let steps = (distance.unsigned_abs() / divisor) as i64;
    zigzag(if distance < 0 { steps.wrapping_neg() } else { steps })
}

fn varint_bits(value: u64) -> usize {
    8 * (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

struct Frame<'a> {
    numbers: &'a [i64],
    lowest: i64,
    divisor: u64,
    width: u32,
}

fn frames(numbers: &[i64], short: bool) -> impl Iterator<Item = Frame<'_>> {
    let size = if short { SHORT_FRAME } else { numbers.len().max(1) };
    numbers.chunks(size).map(|numbers| {
        let lowest = numbers.iter().copied().min().unwrap_or_default();
        let distances = numbers.iter().map(|number| number.wrapping_sub(lowest) as u64);
        let (divisor, most) = distances.fold((0, 0), |(divisor, most): (u64, u64), distance| {
            (if divisor == 1 { 1 } else { common_divisor(divisor, distance) }, most.max(distance))
        });
        let divisor = divisor.max(1);
        Frame { numbers, lowest, divisor, width: 64 - (most / divisor).leading_zeros() }
    })
}

impl Frame<'_> {
    fn bits(&self) -> usize {
        varint_bits(zigzag(self.lowest))
            + varint_bits(self.divisor)
            + 7
            + self.width as usize * self.numbers.len()
    }

    fn write(&self, out: &mut BitWriter) {
        out.varint(zigzag(self.lowest));
        out.varint(self.divisor);
        out.put(self.width.into(), 7);
        for number in self.numbers {
            out.put(number.wrapping_sub(self.lowest) as u64 / self.divisor, self.width);
        }
    }
}

fn common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(values: &[u64], floats: bool) -> usize {
        let quickly = pack_quickly(values, floats);
        assert_eq!(unpack(&quickly, values.len()), values, "{floats}, quickly");
        let bytes = pack(values, floats);
        assert_eq!(unpack(&bytes, values.len()), values, "{floats}");
        bytes.len()
    }

    #[test]
    fn regular_series_take_next_to_nothing() {
        assert!(check(&[u64::MAX; 240], false) < 20);
        let even: Vec<u64> = (0..240).map(|at| 7 + 15_000 * at).collect();
        assert!(check(&even, false) < 12);
        let pages: Vec<u64> =
            (0..240u64).map(|at| ((at * at % 16 * 4096) as f64).to_bits()).collect();
        assert!(check(&pages, true) <= 240 / 2 + 12, "16 pages take 4 bits each");
        let mut level = 1u64 << 40;
        let mut walk = |at: u64| {
            level = level.wrapping_add((at * at % 31) * 4096).wrapping_sub(15 * 4096);
            (level as f64).to_bits()
        };
        let walk: Vec<u64> = (0..240).map(&mut walk).collect();
        assert!(check(&walk, true) <= 240 * 6 / 8 + 16, "steps of a few pages");
        let percent: Vec<u64> =
            (0..240).map(|at| ((at * 37 % 256) as f64 / 100.0).to_bits()).collect();
        assert!(check(&percent, true) <= 240 + 12, "256 hundredths take 8 bits each");
    }

    #[test]
    fn no_float_is_changed() {
        let odd = [
            0.0,
            -0.0,
            f64::NAN,
            f64::INFINITY,
            f64::MIN_POSITIVE,
            1e300,
            0.1 + 0.2,
            -1e-7,
            9e15,
            1e16,
        ];
        for pair in odd.iter().flat_map(|a| odd.iter().map(move |b| [a.to_bits(), b.to_bits()])) {
            check(&pair, true);
        }
        check(&[f64::from_bits(0x7ff0_0000_0000_0002).to_bits(), 1f64.to_bits()], true);
        check(&[], true);
        check(&[], false);
        check(&[0, u64::MAX, 1, u64::MAX / 2, 0], false);
        check(&[0, 1 << 63, 0, 1 << 63, 1 << 62], false);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_was_packed_is_unpacked(
            values in proptest::collection::vec((any::<u64>(), 0u32..64), 0..250),
            floats in any::<bool>(),
            scale in 0i32..8,
        ) {
            let values = values.into_iter().map(|(value, shift)| value >> shift);
            let whole: Vec<u64> = values.clone().collect();
            check(&whole, floats);
            let decimals: Vec<u64> = values.map(|value| (value as f64 / 10f64.powi(scale)).to_bits()).collect();
            check(&decimals, true);
        }

        #[test]
        fn bytes_that_nobody_packed_are_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..64), count in 0usize..300) {
            prop_assert_eq!(unpack(&bytes, count).len(), count);
        }
    }
}
