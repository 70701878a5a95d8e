//! How closed columns are packed, and what reads a log's segments from memory: for tests and fuzz targets alone.

use super::dense::{self, Dense};
use super::sparse::{self, Gain, Packed};
use super::{History, OwnMetrics, Shared, Store, log};
use crate::limits::HISTORY_BLOCK_ROWS;
use crate::{HistogramSnapshot, Precision};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

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

/// What some of the rows that [`pack`] wrote the dense way add up to.
pub fn gained(figures: u8, bytes: &[u8], rows: Range<u32>) -> Part {
    let (mut buckets, mut sum) = (BTreeMap::new(), 0u128);
    Dense::open(bytes, precision(figures)).gained(rows, |gain| {
        for &(ordinal, count) in &gain.buckets {
            let cell = buckets.entry(ordinal).or_insert(0u64);
            *cell = cell.wrapping_add(count);
        }
        sum = sum.wrapping_add(gain.sum);
    });
    (buckets.into_iter().collect(), sum)
}

/// Packs numbers, counts or the bits of floats.
pub fn pack_numbers(values: &[u64], floats: bool) -> Vec<u8> {
    super::scalars::pack(values, floats)
}

/// Reads so many of what [`pack_numbers`] wrote.
pub fn unpack_numbers(bytes: &[u8], count: usize) -> Vec<u64> {
    super::scalars::unpack(bytes, count)
}

/// A history that has what some segments have, and goes on nowhere; and how many of them are damaged.
pub fn history(tiers: &[(i64, i64)], max_bytes: usize, segments: &[&[u8]]) -> (History, usize) {
    let mut store = Store::new(tiers, max_bytes);
    let damaged = log::read_pieces(&mut store, segments).damage.len();
    let shared = Shared { store: Mutex::new(store), own: OwnMetrics::default(), log: None };
    (History { shared: Arc::new(shared) }, damaged)
}

/// A segment with these rows, whatever they say, and checksums that are right.
pub fn segment(step: i64, finest: bool, number: u64, payloads: &[Vec<u8>]) -> Vec<u8> {
    log::assemble(step, finest, number, payloads)
}

/// The rows of a sound segment.
pub fn payloads(segment: &[u8]) -> Vec<Vec<u8>> {
    log::take_apart(segment)
}
