//! Histograms and numbers as the history packs them, both ways: what was put in comes out. Any bytes, and packed ones with
//! a byte changed: rows in order, and no panic.

use arbitrary::Arbitrary;
use std::collections::BTreeMap;
use tachometer::history::outside::{self, Part};
use tachometer::limits::HISTORY_BLOCK_ROWS;

/// Buckets with counts, and a sum.
#[derive(Arbitrary, Debug)]
pub struct Gained {
    near: Vec<(u8, u8)>,
    far: Option<(u32, u64)>,
    sum: u128,
}

/// An input.
#[derive(Arbitrary, Debug)]
pub enum Plan {
    Histograms {
        figures: u8,
        base: Option<Gained>,
        rows: Vec<(u8, Gained)>,
        dense: bool,
        damage: Option<(u16, u8)>,
    },
    Bytes {
        figures: u8,
        bytes: Vec<u8>,
        dense: bool,
    },
    Numbers {
        values: Vec<u64>,
        floats: bool,
    },
    NumberBytes {
        bytes: Vec<u8>,
        count: u8,
    },
}

/// Runs one input.
pub fn run(plan: &Plan) {
    match plan {
        Plan::Histograms { figures, base, rows, dense, damage } => {
            let part = |gained: &Gained| part(*figures, gained);
            let (base, mut next) = (base.as_ref().map(part), 0);
            let mut placed = Vec::new();
            for (gap, gained) in rows {
                next += u32::from(gap % 8);
                if next as usize >= HISTORY_BLOCK_ROWS {
                    break;
                }
                placed.push((next, part(gained)));
                next += 1;
            }
            let packed = outside::pack(*figures, base.as_ref(), &placed, *dense);
            let Some(mut bytes) = packed else {
                let many = |part: &Part| part.0.iter().any(|bucket| bucket.1 > 1 << 30);
                assert!(base.iter().chain(placed.iter().map(|row| &row.1)).any(many));
                return;
            };
            if *dense {
                // A window's edges anywhere: as many different ones as there are inputs.
                let edge = |row: Option<&(u32, Part)>| row.map_or(0, |row| row.0);
                let (lo, hi) = (edge(placed.first()), edge(placed.get(placed.len() / 2)));
                for rows in [lo..hi, hi..HISTORY_BLOCK_ROWS as u32, lo + 1..hi + 1] {
                    let within = placed.iter().filter(|row| rows.contains(&row.0));
                    assert_eq!(outside::gained(*figures, &bytes, rows.clone()), added(within));
                }
            }
            assert_eq!(outside::unpack(*figures, &bytes, *dense), (base, placed));
            if let Some((at, by)) = *damage
                && !bytes.is_empty()
            {
                let at = usize::from(at) % bytes.len();
                bytes[at] ^= by;
                read(*figures, &bytes, *dense);
            }
        }
        Plan::Bytes { figures, bytes, dense } => read(*figures, bytes, *dense),
        Plan::Numbers { values, floats } => {
            let values = &values[..values.len().min(HISTORY_BLOCK_ROWS)];
            let bytes = outside::pack_numbers(values, *floats);
            assert_eq!(outside::unpack_numbers(&bytes, values.len()), values);
        }
        Plan::NumberBytes { bytes, count } => {
            let count = usize::from(*count);
            assert_eq!(outside::unpack_numbers(bytes, count).len(), count);
        }
    }
}

/// What rows add up to.
fn added<'a>(rows: impl Iterator<Item = &'a (u32, Part)>) -> Part {
    let (mut buckets, mut sum) = (BTreeMap::new(), 0u128);
    for (_, part) in rows {
        part.0.iter().for_each(|(at, count)| *buckets.entry(*at).or_insert(0) += count);
        sum = sum.wrapping_add(part.1);
    }
    (buckets.into_iter().collect(), sum)
}

fn part(figures: u8, gained: &Gained) -> Part {
    let near = gained.near.iter().map(|&(at, count)| (u32::from(at) * 2, u64::from(count)));
    let all: BTreeMap<u32, u64> = near.chain(gained.far).collect();
    let buckets = outside::buckets(figures);
    let there = all.into_iter().filter(|&(at, count)| at < buckets && count > 0);
    (there.collect(), gained.sum)
}

fn read(figures: u8, bytes: &[u8], dense: bool) {
    let (_, rows) = outside::unpack(figures, bytes, dense);
    assert!(rows.iter().all(|row| (row.0 as usize) < HISTORY_BLOCK_ROWS));
    assert!(rows.is_sorted_by_key(|row| row.0));
    if dense {
        // Of bytes that nobody packed, segments need not add up: they only must not end in a panic.
        outside::gained(figures, bytes, 7..HISTORY_BLOCK_ROWS as u32 - 100);
    }
}
