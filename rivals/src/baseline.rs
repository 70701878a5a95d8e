//! What the hardware allows: loops that do the least a metric can do, without being one.
//!
//! - the empty loop is what the harness itself costs, and is contained in every other number;
//! - a slot in a block of the thread's own is what a counter without read-modify-writes costs;
//! - a shared atomic is what most crates do;
//! - plain histograms behind `&mut` show the cost of the bucket index alone.
//!
//! Every atomic operation is relaxed: a count orders nothing, and the harness joins the threads
//! before it reads.

use std::cell::Cell;
use std::hash::Hash;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hashbrown::{Equivalent, HashMap};

use crate::harness::workload::label_pairs;
use crate::harness::{Recording, Rival};

/// The harness alone: the call, the handle through `black_box`, the next latency or pair of labels.
pub struct EmptyLoop;

impl Rival for EmptyLoop {
    fn name(&self) -> &'static str {
        "limit: empty loop"
    }

    fn crates(&self) -> &'static [&'static str] {
        &[]
    }

    fn counters(&self, count: usize) -> Option<Recording> {
        Some(Recording::unchecked(move |lap| lap.in_turn(&vec![0_u64; count], |_| {})))
    }

    fn histogram(&self) -> Option<Recording> {
        Some(Recording::unchecked(|lap| lap.latencies(&(), |(), ns| _ = std::hint::black_box(ns))))
    }

    fn labels(&self) -> Option<Recording> {
        Some(Recording::unchecked(|lap| {
            lap.label_pairs(|rpc, peer| _ = std::hint::black_box((rpc, peer)));
        }))
    }
}

/// A pointer in a thread-local, a check that it is set, and one load, add and store of a slot that
/// the thread alone writes and anybody may read.
pub struct ThreadLocalSlot;

const SLOTS: usize = 128;

struct Block([AtomicU64; SLOTS]);

thread_local! {
    static BLOCK: Cell<*const Block> = const { Cell::new(ptr::null()) };
}

#[cold]
#[inline(never)]
fn no_block() -> ! {
    panic!("the thread has no block")
}

#[inline(always)]
fn add_to_slot(slot: usize) {
    let block = BLOCK.get();
    if block.is_null() {
        no_block();
    }
    // SAFETY: only `with_block` sets the pointer, to a block that lives until it has reset it.
    let cell = unsafe { &(*block).0[slot & (SLOTS - 1)] };
    cell.store(cell.load(Relaxed).wrapping_add(1), Relaxed);
}

/// Gives the thread a block for the time of `work`, and adds its slots to `total` afterwards.
fn with_block(total: &AtomicU64, work: impl FnOnce()) {
    let block = Box::new(Block([const { AtomicU64::new(0) }; SLOTS]));
    BLOCK.set(&raw const *block);
    work();
    BLOCK.set(ptr::null());
    total.fetch_add(block.0.iter().map(|slot| slot.load(Relaxed)).sum(), Relaxed);
}

/// Two label values that somebody else owns, to look up a pair that the map owns.
#[derive(Hash)]
struct Borrowed<'a>(&'a str, &'a str);

impl Equivalent<(String, String)> for Borrowed<'_> {
    fn equivalent(&self, key: &(String, String)) -> bool {
        self.0 == key.0 && self.1 == key.1
    }
}

impl Rival for ThreadLocalSlot {
    fn name(&self) -> &'static str {
        "limit: thread-local slot"
    }

    fn crates(&self) -> &'static [&'static str] {
        &["hashbrown"]
    }

    fn counters(&self, count: usize) -> Option<Recording> {
        Some(Recording::new(
            AtomicU64::new(0),
            move |total, lap| {
                let slots: Vec<usize> = (0..count).collect();
                with_block(total, || lap.in_turn(&slots, |&slot| add_to_slot(slot)));
            },
            |total| total.load(Relaxed),
        ))
    }

    fn labels(&self) -> Option<Recording> {
        Some(Recording::new(
            AtomicU64::new(0),
            |total, lap| {
                let series: HashMap<(String, String), usize> =
                    label_pairs().iter().cloned().zip(0..).collect();
                with_block(total, || {
                    lap.label_pairs(|rpc, peer| add_to_slot(series[&Borrowed(rpc, peer)]));
                });
            },
            |total| total.load(Relaxed),
        ))
    }
}

/// One atomic that all threads add to; for a histogram, shared buckets 0.8 % wide and a shared sum.
pub struct SharedAtomic;

/// The buckets of an octave; the index is that of `hdrhistogram` with two significant figures.
const SUB_BUCKET_BITS: u32 = 7;

#[inline(always)]
fn bucket_of(value: u64) -> usize {
    let octave =
        63 - SUB_BUCKET_BITS - (value | ((1 << (SUB_BUCKET_BITS + 1)) - 1)).leading_zeros();
    ((octave as usize) << SUB_BUCKET_BITS) + (value >> octave) as usize
}

impl Rival for SharedAtomic {
    fn name(&self) -> &'static str {
        "limit: shared fetch_add"
    }

    fn crates(&self) -> &'static [&'static str] {
        &[]
    }

    fn counters(&self, count: usize) -> Option<Recording> {
        let counters: Vec<Arc<AtomicU64>> = (0..count).map(|_| Arc::default()).collect();
        Some(Recording::new(
            counters,
            |counters, lap| lap.in_turn(counters, |counter| _ = counter.fetch_add(1, Relaxed)),
            |counters| counters.iter().map(|counter| counter.load(Relaxed)).sum(),
        ))
    }

    fn histogram(&self) -> Option<Recording> {
        let buckets: Vec<AtomicU64> =
            (0..bucket_of(u64::MAX) + 1).map(|_| AtomicU64::new(0)).collect();
        Some(Recording::new(
            (buckets, AtomicU64::new(0)),
            |histogram, lap| {
                lap.latencies(histogram, |(buckets, sum), ns| {
                    buckets[bucket_of(ns)].fetch_add(1, Relaxed);
                    sum.fetch_add(ns, Relaxed);
                });
            },
            |(buckets, _)| buckets.iter().map(|bucket| bucket.load(Relaxed)).sum(),
        ))
    }
}

/// `hdrhistogram::Histogram` behind `&mut`: a histogram that nobody else can read meanwhile.
pub struct HdrHistogramMut;

impl Rival for HdrHistogramMut {
    fn name(&self) -> &'static str {
        "limit: hdrhistogram &mut"
    }

    fn crates(&self) -> &'static [&'static str] {
        &["hdrhistogram"]
    }

    fn histogram(&self) -> Option<Recording> {
        Some(Recording::new(
            AtomicU64::new(0),
            |total, lap| {
                let mut histogram = crate::hdrhistogram::histogram();
                lap.latencies_mut(&mut histogram, |histogram, ns| histogram.saturating_record(ns));
                total.fetch_add(histogram.len(), Relaxed);
            },
            |total| total.load(Relaxed),
        ))
    }
}

/// `histogram::Histogram` behind `&mut`, with buckets 0.8 % wide and no sum.
pub struct HistogramMut;

impl Rival for HistogramMut {
    fn name(&self) -> &'static str {
        "limit: histogram &mut"
    }

    fn crates(&self) -> &'static [&'static str] {
        &["histogram"]
    }

    fn histogram(&self) -> Option<Recording> {
        Some(Recording::new(
            AtomicU64::new(0),
            |total, lap| {
                let mut histogram =
                    histogram::Histogram::new(7, 64).expect("a valid configuration");
                lap.latencies_mut(&mut histogram, |histogram, ns| {
                    histogram.increment(ns).expect("every u64 is in range");
                });
                total.fetch_add(histogram.as_slice().iter().sum(), Relaxed);
            },
            |total| total.load(Relaxed),
        ))
    }
}
