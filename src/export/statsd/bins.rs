//! A histogram's delta as values with sample rates.

use crate::export::cells::first_ordinal;
use crate::limits::MAX_STATSD_LINES;
use crate::registry::Precision;
use crate::snapshot::histogram::bucket_bounds;
use once_cell::race::OnceBox;
use std::io::Write as _;

/// Calls `line` with a value, in the recorded unit, and how often it counts: for each bucket its middle, or for several
/// neighbours, where there are more than [`MAX_STATSD_LINES`], the mean of their middles. No value is outside of `extremes`.
///
/// `octaves` ascend; each is the octave and its cells.
pub(super) fn each<'a>(
    precision: Precision,
    octaves: impl Iterator<Item = (usize, &'a [u64])> + Clone,
    (min, max): (u64, u64),
    mut line: impl FnMut(u64, u64),
) {
    let shape = precision.shape();
    let shift = shift(precision, octaves.clone());
    let mut bin = Bin { key: usize::MAX, count: 0, sum: 0 };
    for (octave, cells) in octaves {
        let first = first_ordinal(precision, octave);
        for (index, &count) in cells.iter().enumerate().filter(|(_, count)| **count > 0) {
            let key = (first + index) >> shift;
            if key != bin.key {
                bin.write(&mut line);
                bin = Bin { key, count: 0, sum: 0 };
            }
            let (low, high) = bucket_bounds(shape, octave, index);
            let middle = (low + (high - low) / 2).clamp(min, max);
            bin.count += count;
            bin.sum += u128::from(middle) * u128::from(count);
        }
    }
    bin.write(&mut line);
}

struct Bin {
    key: usize,
    count: u64,
    sum: u128,
}

impl Bin {
    #[inline]
    fn write(&self, line: &mut impl FnMut(u64, u64)) {
        if self.count == 0 {
            return;
        }
        let (sum, count) = (self.sum + u128::from(self.count / 2), self.count);
        // Almost always: a division of 128 bits takes ten times as long.
        let mean = match u64::try_from(sum) {
            Ok(sum) => sum / count,
            Err(_) => (sum / u128::from(count)) as u64,
        };
        line(mean, count);
    }
}

/// How many neighbours are joined, as a power of two: as few as will do. Octaves are whole powers of two of ordinals, so that
/// what is joined is as wide everywhere, relative to its values.
fn shift<'a>(precision: Precision, octaves: impl Iterator<Item = (usize, &'a [u64])>) -> u32 {
    // By shift: how many neighbours stay apart up to it. Two ordinals do so as long as they differ in a bit.
    let mut apart = [0usize; usize::BITS as usize];
    let mut last = None;
    for (octave, cells) in octaves {
        let first = first_ordinal(precision, octave);
        for (index, _) in cells.iter().enumerate().filter(|(_, count)| **count > 0) {
            let ordinal = first + index;
            if let Some(last) = last.replace(ordinal) {
                let differ: usize = last ^ ordinal;
                apart[differ.ilog2() as usize] += 1;
            }
        }
    }
    let mut bins = usize::from(last.is_some());
    for shift in (0..usize::BITS).rev() {
        bins += apart[shift as usize];
        if bins > MAX_STATSD_LINES {
            return shift + 1;
        }
    }
    0
}

/// Writes a sample rate that stands for `count`: one over it is `count`, also where it is cut to an integer. Without an
/// exponent, which not every receiver reads.
pub(super) fn rate(out: &mut Vec<u8>, count: u64) {
    match Rates::shared().of(count) {
        Some(rate) => out.extend_from_slice(rate),
        None => write_rate(out, count),
    }
}

/// The rates of the counts that bins usually have: to find a float's shortest digits takes much longer than the rest of a
/// line.
#[derive(Debug)]
struct Rates {
    text: Vec<u8>,
    /// Where the text of each count ends; those of zero and one are empty.
    ends: Vec<usize>,
}

impl Rates {
    /// A bin with more has hundreds of thousands of others beside it, usually.
    const KEPT: u64 = 2_048;

    fn shared() -> &'static Rates {
        static RATES: OnceBox<Rates> = OnceBox::new();
        RATES.get_or_init(|| {
            let mut rates = Rates { text: Vec::new(), ends: vec![0, 0] };
            for count in 2..Self::KEPT {
                write_rate(&mut rates.text, count);
                rates.ends.push(rates.text.len());
            }
            Box::new(rates)
        })
    }

    fn of(&self, count: u64) -> Option<&[u8]> {
        if !(2..Self::KEPT).contains(&count) {
            return None;
        }
        let at = count as usize;
        Some(&self.text[self.ends[at - 1]..self.ends[at]])
    }
}

fn write_rate(out: &mut Vec<u8>, count: u64) {
    let mut rate = 1.0 / count as f64;
    while 1.0 / rate < count as f64 {
        rate = rate.next_down();
    }
    // Writing to a vector does not fail.
    let _ = write!(out, "{rate}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_give_the_count_back() {
        let near = (1..60).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for count in (2..100_000).chain(near.filter(|&count| count < 1 << 52)) {
            let mut text = Vec::new();
            rate(&mut text, count);
            let text = String::from_utf8(text).unwrap();
            let rate: f64 = text.parse().unwrap();
            assert!(0.0 < rate && rate <= 1.0 && !text.contains('e'), "{text}");
            assert_eq!((1.0 / rate) as u64, count, "{text}");
            assert_eq!((1.0 / rate).round() as u64, count, "{text}");
        }
    }
}
