//! How closed columns are packed, for the fuzz targets alone.

use super::dense::{self, Dense};
use super::sparse::{self, Gain, Packed};
use crate::limits::HISTORY_BLOCK_ROWS;
use crate::{HistogramSnapshot, Precision};

/// Buckets by ordinal, ascending, with counts above zero; and the sum.
pub type Part = (Vec<(u32, u64)>, u128);

fn precision(figures: u8) -> Precision {
    [Precision::One, Precision::Two, Precision::Three][usize::from(figures) % 3]
}

/// How many buckets there are.
pub fn buckets(figures: u8) -> u32 {
    HistogramSnapshot::most_ordinals(precision(figures)) as u32
}

/// Packs what a histogram had, and what rows gained; `None` if that is more than the dense way tells.
pub fn pack(
    figures: u8,
    base: Option<&Part>,
    rows: &[(u32, Part)],
    dense: bool,
) -> Option<Vec<u8>> {
    let gain = |part: &Part| Gain { buckets: part.0.clone(), sum: part.1 };
    let (base, mut open, mut last) = (base.map(gain), Vec::new(), 0);
    for (row, part) in rows {
        sparse::push(&mut open, row - last, &gain(part));
        last = *row;
    }
    if dense {
        dense::pack(precision(figures), base.as_ref(), &open)
    } else {
        Some(sparse::pack(precision(figures), base.as_ref(), &open))
    }
}

/// Reads what [`pack`] wrote.
pub fn unpack(figures: u8, bytes: &[u8], dense: bool) -> (Option<Part>, Vec<(u32, Part)>) {
    let part = |gain: &Gain| (gain.buckets.clone(), gain.sum);
    let (mut rows, until) = (Vec::new(), HISTORY_BLOCK_ROWS as u32);
    let mut each = |row: u32, gain: &Gain| rows.push((row, part(gain)));
    let base = if dense {
        let packed = Dense::open(bytes, precision(figures));
        let base = packed.base.as_ref().map(part);
        packed.rows(until, &mut each);
        base
    } else {
        let packed = Packed::open(bytes, precision(figures));
        let base = packed.base.as_ref().map(part);
        packed.rows(until, &mut each);
        base
    };
    (base, rows)
}

/// Packs numbers, counts or the bits of floats.
pub fn pack_numbers(values: &[u64], floats: bool) -> Vec<u8> {
    super::scalars::pack(values, floats)
}

/// Reads so many of what [`pack_numbers`] wrote.
pub fn unpack_numbers(bytes: &[u8], count: usize) -> Vec<u64> {
    super::scalars::unpack(bytes, count)
}
