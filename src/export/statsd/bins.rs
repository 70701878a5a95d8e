//! A histogram's delta as values with sample rates.

use crate::limits::MAX_STATSD_LINES;
use crate::snapshot::HistogramSnapshot;
use std::io::Write as _;

/// Calls `line` with a value, in the recorded unit, and how often it counts: for each bucket its middle, or for several
/// neighbours, where there are more than [`MAX_STATSD_LINES`], the mean of their middles.
pub(super) fn each(delta: &HistogramSnapshot, mut line: impl FnMut(u64, u64)) {
    let (Some(min), Some(max)) = (delta.min(), delta.max()) else { return };
    let shift = shift(delta);
    let mut bin: Option<Bin> = None;
    for ((ordinal, count), (low, high, _)) in delta.ordinals().zip(delta.buckets()) {
        let (key, middle) = (ordinal >> shift, (low + (high - low) / 2).clamp(min, max));
        let of = u128::from(middle) * u128::from(count);
        match &mut bin {
            Some(bin) if bin.key == key => {
                bin.count += count;
                bin.sum += of;
            }
            _ => {
                if let Some(done) = bin.replace(Bin { key, count, sum: of }) {
                    done.write(&mut line);
                }
            }
        }
    }
    if let Some(last) = bin {
        last.write(&mut line);
    }
}

struct Bin {
    key: usize,
    count: u64,
    sum: u128,
}

impl Bin {
    fn write(&self, line: &mut impl FnMut(u64, u64)) {
        let count = u128::from(self.count);
        line(((self.sum + count / 2) / count) as u64, self.count);
    }
}

/// How many neighbours are joined, as a power of two: as few as will do. Octaves are whole powers of two of ordinals, so that
/// what is joined is as wide everywhere, relative to its values.
fn shift(delta: &HistogramSnapshot) -> u32 {
    let bins = |shift: u32| {
        let mut last = usize::MAX;
        let keys = delta.ordinals().map(|(ordinal, _)| ordinal >> shift);
        keys.filter(|&key| std::mem::replace(&mut last, key) != key).count()
    };
    // With a bin for each octave there are fewer than 64.
    (0..).find(|&shift| bins(shift) <= MAX_STATSD_LINES).expect("one bin will do in the end")
}

/// Writes a sample rate that stands for `count`: one over it is `count`, also where it is cut to an integer. Without an
/// exponent, which not every receiver reads.
pub(super) fn rate(out: &mut Vec<u8>, count: u64) {
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
