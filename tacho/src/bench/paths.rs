//! The recording paths.
//!
//! Each stretch goes through `black_box` on both sides alike, so that the optimizer can neither hoist a handle nor fold
//! calls. Latencies are drawn beforehand, lognormal around 50 µs.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::Barrier;

use hashbrown::HashTable;
use tachometer::{Counter, EnumFamily, Family, Histogram, Registry, Unit, group, labels};

use super::measure::{Pair, Row, stretch};

const CALLS: usize = 4_000_000;

labels! {
    /// Kind of a call.
    enum Kind("kind") { A = "a", B = "b", C = "c", D = "d" }
}

labels! {
    /// How it ended.
    enum Outcome("outcome") { Ok = "ok", Late = "late", Refused = "refused", Broken = "broken" }
}

/// One path: rounds and registry in, its row out.
type Bench = fn(u32, &Registry) -> Row;

/// Runs the paths whose name is wanted.
pub fn run(rounds: u32, wanted: &impl Fn(&str) -> bool, rows: &mut Vec<Row>) {
    let registry = Registry::new();
    let benches: [(&str, Bench); 8] = [
        ("counter_64_in_turn", counter_64),
        ("counter_same", counter_same),
        ("counter_same_2_threads", counter_two_threads),
        ("histogram_lognormal", histogram),
        ("group_4_counters_1_histogram", group_of_five),
        ("timer", timer),
        ("family_enum", family_enum),
        ("family_dynamic_100", family_dynamic),
    ];
    for (name, bench) in benches {
        if wanted(name) {
            rows.push(bench(rounds, &registry));
        }
    }
}

fn counters(registry: &Registry) -> [Counter; 64] {
    let counter = |i| registry.counter(&format!("bench_{i}_total"), "A counter.");
    std::array::from_fn(|i| counter(i).expect("the same definition each time"))
}

fn a_histogram(registry: &Registry) -> Histogram {
    let metric = registry.metric("bench_seconds", "A histogram.").unit(Unit::Nanoseconds);
    metric.histogram().expect("the same definition each time")
}

/// Latencies in nanoseconds, lognormal, median 50 µs: xorshift, and the sum of twelve uniforms for a normal.
pub fn latencies() -> Vec<u64> {
    let mut x = 88_172_645_463_325_252u64;
    let mut uniform = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut normal = || (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
    (0..65_536).map(|_| ((normal() * 0.8).exp() * 50_000.0) as u64).collect()
}

fn counter_64(rounds: u32, registry: &Registry) -> Row {
    let counters = counters(registry);
    let mut plain = [0u64; 64];
    let pair = Pair {
        path: "counter_64_in_turn",
        baseline: "+= 1 on a plain array of 64",
        limit: 2.2,
        calls: CALLS,
    };
    pair.time(
        rounds,
        |i| black_box(&counters[i & 63]).inc(),
        |i| *black_box(&mut plain[i & 63]) += 1,
    )
}

thread_local! {
    static BLOCK: Cell<*mut u64> = const { Cell::new(std::ptr::null_mut()) };
}

/// Adds to a slot of a plain block that a thread-local points to: what a thread's own counter costs without the engine.
#[inline(always)]
fn bump_block(slot: usize) {
    let block = BLOCK.get();
    if block.is_null() {
        return make_block();
    }
    // SAFETY: `make_block` leaks 64 words for this thread alone, and every caller passes a slot below 64.
    unsafe { *block.add(slot) += 1 };
}

#[cold]
#[inline(never)]
fn make_block() {
    BLOCK.set(Box::leak(Box::new([0u64; 64])).as_mut_ptr());
}

fn counter_same(rounds: u32, registry: &Registry) -> Row {
    let counters = counters(registry);
    let pair = Pair {
        path: "counter_same",
        baseline: "the same through a plain thread-local block",
        limit: 1.2,
        calls: CALLS,
    };
    pair.time(rounds, |_| black_box(&counters[0]).inc(), |_| bump_block(black_box(7)))
}

/// Each thread is timed by itself; both run between the same two barriers.
fn counter_two_threads(rounds: u32, registry: &Registry) -> Row {
    let counter = &counters(registry)[0];
    let both = || {
        let start = Barrier::new(2);
        let one = || {
            counter.inc();
            start.wait();
            let ns = stretch(CALLS, &mut |_| black_box(counter).inc());
            start.wait();
            ns
        };
        std::thread::scope(|scope| {
            let other = scope.spawn(one);
            let mine = one();
            (mine + other.join().expect("it only counts")) / 2.0
        })
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(both());
        theirs.push(stretch(CALLS, &mut |_| black_box(counter).inc()));
    }
    let pair = Pair {
        path: "counter_same_2_threads",
        baseline: "counter_same, one thread",
        limit: 1.1,
        calls: CALLS,
    };
    pair.row(ours, theirs, None)
}

fn histogram(rounds: u32, registry: &Registry) -> Row {
    let (histogram, latencies) = (a_histogram(registry), latencies());
    let mut buckets = vec![0u64; 64 << 7];
    let pair = Pair {
        path: "histogram_lognormal",
        baseline: "a plain HDR bucket array, += 1",
        limit: 1.8,
        calls: CALLS,
    };
    let row = pair.time(
        rounds,
        |i| black_box(&histogram).record(latencies[i & 65_535]),
        |i| {
            let value = latencies[i & 65_535];
            let octave = (63 - (value | 255).leading_zeros()) - 7;
            buckets[((octave as usize) << 7) + (value >> octave) as usize] += 1;
        },
    );
    black_box(&buckets);
    row
}

fn group_of_five(rounds: u32, registry: &Registry) -> Row {
    let (counters, histogram) = (counters(registry), a_histogram(registry));
    let (four, latencies) = (&counters[..4], latencies());
    let pair = Pair {
        path: "group_4_counters_1_histogram",
        baseline: "the five calls made singly",
        limit: 0.6,
        calls: CALLS / 4,
    };
    pair.time(
        rounds,
        |i| {
            let group = group();
            for counter in four {
                group.add(black_box(counter), 1);
            }
            group.record(black_box(&histogram), latencies[i & 65_535]);
        },
        |i| {
            for counter in four {
                black_box(counter).inc();
            }
            black_box(&histogram).record(latencies[i & 65_535]);
        },
    )
}

fn timer(rounds: u32, registry: &Registry) -> Row {
    let histogram = a_histogram(registry);
    let pair = Pair {
        path: "timer",
        baseline: "two raw reads of the time-stamp counter",
        limit: 1.3,
        calls: CALLS / 8,
    };
    pair.time(
        rounds,
        |_| {
            black_box(black_box(&histogram).start().stop());
        },
        |_| {
            let start = raw_ticks();
            black_box(raw_ticks().wrapping_sub(start));
        },
    )
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn raw_ticks() -> u64 {
    // SAFETY: every x86-64 processor has the instruction.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
fn raw_ticks() -> u64 {
    tachometer::Stamp::now().to_bits()
}

fn family_enum(rounds: u32, registry: &Registry) -> Row {
    let counters = counters(registry);
    let family: EnumFamily<Counter, (Kind, Outcome)> = registry
        .metric("bench_enum_total", "By two enums.")
        .enum_family()
        .expect("the same definition each time");
    let kinds = [Kind::A, Kind::B, Kind::C, Kind::D];
    let outcomes = [Outcome::Ok, Outcome::Late, Outcome::Refused, Outcome::Broken];
    let pair =
        Pair { path: "family_enum", baseline: "counter_64_in_turn", limit: 1.9, calls: CALLS };
    pair.time(
        rounds,
        |i| black_box(&family).at((kinds[i & 3], outcomes[i >> 2 & 3])).inc(),
        |i| black_box(&counters[i & 63]).inc(),
    )
}

fn family_dynamic(rounds: u32, registry: &Registry) -> Row {
    let names: Vec<[String; 2]> =
        (0..100).map(|i| [format!("peer-{}", i % 10), format!("topic-{}", i / 10)]).collect();
    let family: Family<Counter, 2> = registry
        .metric("bench_dynamic_total", "By two strings.")
        .family(["peer", "topic"])
        .expect("the same definition each time");
    let values = |i: usize| {
        let [peer, topic] = &names[i % 100];
        [peer.as_str(), topic.as_str()]
    };
    let mut map = PlainMap::default();
    let pair = Pair {
        path: "family_dynamic_100",
        baseline: "a thread-local hash look-up (hashbrown, foldhash)",
        limit: 1.3,
        calls: CALLS / 4,
    };
    pair.time(
        rounds,
        |i| black_box(&family).at(black_box(values(i))).inc(),
        |i| black_box(&mut map).bump(black_box(values(i))),
    )
}

/// A map of the thread's own: the least that a look-up of two borrowed strings costs.
#[derive(Default)]
struct PlainMap {
    entries: HashTable<([Box<str>; 2], u64)>,
    hasher: foldhash::fast::FixedState,
}

impl PlainMap {
    #[inline(always)]
    fn bump(&mut self, key: [&str; 2]) {
        use std::hash::BuildHasher;
        let hash = self.hasher.hash_one(key);
        match self.entries.find_mut(hash, |(k, _)| *k[0] == *key[0] && *k[1] == *key[1]) {
            Some((_, count)) => *count += 1,
            None => {
                let hasher = &self.hasher;
                let rehash = |(k, _): &([Box<str>; 2], u64)| hasher.hash_one([&*k[0], &*k[1]]);
                self.entries.insert_unique(hash, (key.map(Box::from), 1), rehash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::measure::median;
    use super::*;

    #[test]
    fn latencies_lie_around_fifty_microseconds() {
        let all = latencies();
        let middle = median(all.iter().map(|ns| *ns as f64).collect());
        assert!((45_000.0..55_000.0).contains(&middle), "{middle}");
    }

    #[test]
    fn every_path_gives_a_row() {
        let mut rows = Vec::new();
        run(1, &|name| name == "counter_same", &mut rows);
        assert_eq!(rows.len(), 1);
        assert!(rows[0].ns > 0.0 && rows[0].baseline_ns > 0.0);
        assert_eq!(rows[0].allocations, Some(0));
    }
}
