//! Many threads record at random, each keeps its own books, and the last snapshot must agree with all of them.

use super::causality::{SetOnDrop, check_histogram};
use super::random::Random;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tachometer::{
    Counter, Engine, EnumFamily, Family, Histogram, HistogramSnapshot, Precision, Registry,
    Snapshot, UpDownCounter, group, labels,
};

labels! {
    /// A label with few values.
    pub enum Side("side") { Left = "left", Right = "right" }
}
labels! {
    /// Another one.
    pub enum Size("size") { Small = "small", Medium = "medium", Large = "large" }
}

const SIDES: [Side; 2] = [Side::Left, Side::Right];
const SIZES: [Size; 3] = [Size::Small, Size::Medium, Size::Large];
const PEERS: usize = 24;
/// Values above are recorded too, but rarely: see [`HistogramSnapshot::sum`] for what an exact sum asks.
const BITS: u32 = 40;

/// What all threads record in.
pub struct Metrics {
    counters: [Counter; 3],
    up_down: [UpDownCounter; 2],
    /// By significant figures, 1 to 3.
    histograms: [Histogram; 3],
    sides: EnumFamily<Counter, (Side, Size)>,
    side_sizes: EnumFamily<Histogram, Side>,
    peers: Family<Counter, 2>,
    peer_sizes: Family<Histogram, 1>,
}

const COUNTERS: [&str; 3] = ["a_total", "b_total", "c_total"];
const UP_DOWN: [&str; 2] = ["rises_and_falls", "falls_and_rises"];
const HISTOGRAMS: [&str; 3] = ["rough", "fair", "fine"];

impl Metrics {
    pub fn new(registry: &Registry) -> Metrics {
        let precision = [Precision::One, Precision::Two, Precision::Three];
        let histogram =
            |i: usize| registry.metric(HISTOGRAMS[i], "Values.").precision(precision[i]);
        Metrics {
            counters: COUNTERS.map(|name| registry.counter(name, "Counted.").unwrap()),
            up_down: UP_DOWN.map(|name| registry.up_down_counter(name, "Both ways.").unwrap()),
            histograms: [0, 1, 2].map(|i| histogram(i).histogram().unwrap()),
            sides: registry.metric("sides_total", "By side and size.").enum_family().unwrap(),
            side_sizes: registry.metric("side_sizes", "By side.").enum_family().unwrap(),
            peers: registry.metric("peers_total", "By peer.").family(["peer", "kind"]).unwrap(),
            peer_sizes: registry.metric("peer_sizes", "By peer.").family(["peer"]).unwrap(),
        }
    }
}

/// What one thread, or all of them, recorded.
#[derive(Clone, Debug, Default)]
pub struct Books {
    counters: [u64; 3],
    up_down: [i64; 2],
    histograms: [Distribution; 3],
    sides: BTreeMap<(Side, Size), u64>,
    side_sizes: BTreeMap<Side, Distribution>,
    peers: BTreeMap<(String, String), u64>,
    peer_sizes: BTreeMap<String, Distribution>,
}

/// What a histogram must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Distribution {
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

impl Default for Distribution {
    fn default() -> Self {
        Distribution { count: 0, sum: 0, min: u64::MAX, max: 0 }
    }
}

impl Distribution {
    fn record(&mut self, value: u64, n: u64) {
        let sum = u128::from(value) * u128::from(n);
        self.add(Distribution { count: n, sum, min: value, max: value });
    }

    fn add(&mut self, other: Distribution) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

impl Books {
    pub fn add(&mut self, other: Books) {
        (0..3).for_each(|i| self.counters[i] += other.counters[i]);
        (0..2).for_each(|i| self.up_down[i] += other.up_down[i]);
        (0..3).for_each(|i| self.histograms[i].add(other.histograms[i]));
        other.sides.into_iter().for_each(|(k, n)| *self.sides.entry(k).or_default() += n);
        other
            .side_sizes
            .into_iter()
            .for_each(|(k, d)| self.side_sizes.entry(k).or_default().add(d));
        other.peers.into_iter().for_each(|(k, n)| *self.peers.entry(k).or_default() += n);
        other
            .peer_sizes
            .into_iter()
            .for_each(|(k, d)| self.peer_sizes.entry(k).or_default().add(d));
    }

    /// Compares with what a snapshot says, to the last unit.
    ///
    /// # Panics
    /// They differ.
    pub fn check(&self, now: &Snapshot) {
        for (name, count) in COUNTERS.iter().zip(self.counters) {
            assert_eq!(now.counter(name).unwrap(), count, "{name}");
        }
        for (name, value) in UP_DOWN.iter().zip(self.up_down) {
            assert_eq!(now.up_down_counter(name).unwrap(), value, "{name}");
        }
        for (name, books) in HISTOGRAMS.iter().zip(self.histograms) {
            check_distribution(name, &now.histogram(name).unwrap(), books);
        }
        for side in SIDES {
            for size in SIZES {
                let labels = [("side", side.text()), ("size", size.text())];
                let books = self.sides.get(&(side, size)).copied().unwrap_or(0);
                let shown = now.counter_with("sides_total", &labels).unwrap();
                assert_eq!(shown, books, "{labels:?}");
            }
            let shown = now.histogram_with("side_sizes", &[("side", side.text())]).unwrap();
            let books = self.side_sizes.get(&side).copied().unwrap_or_default();
            check_distribution("side_sizes", &shown, books);
        }
        for ((peer, kind), books) in &self.peers {
            let labels = [("peer", peer.as_str()), ("kind", kind.as_str())];
            assert_eq!(now.counter_with("peers_total", &labels).unwrap(), *books, "{labels:?}");
        }
        let all: u64 = self.peers.values().sum();
        assert_eq!(now.counter("peers_total").unwrap_or(0), all);
        for (peer, books) in &self.peer_sizes {
            let shown = now.histogram_with("peer_sizes", &[("peer", peer)]).unwrap();
            check_distribution(peer, &shown, *books);
        }
    }
}

trait Text {
    fn text(self) -> &'static str;
}

impl<L: tachometer::LabelEnum> Text for L {
    fn text(self) -> &'static str {
        L::VALUES[self.index()]
    }
}

fn check_distribution(name: &str, shown: &HistogramSnapshot, books: Distribution) {
    let Distribution { count, sum, min, max } = books;
    let extremes = (count > 0).then_some((min, max));
    assert_eq!((shown.count(), shown.sum()), (count, sum), "{name}");
    assert_eq!(shown.min().zip(shown.max()), extremes, "{name}");
    check_histogram(shown);
}

/// Records `rounds` times at random, and returns what.
pub fn record(metrics: &Metrics, random: &mut Random, rounds: usize) -> Books {
    let mut books = Books::default();
    for _ in 0..rounds {
        match random.below(8) {
            0 | 1 => record_scalars(metrics, random, &mut books),
            2 | 3 => record_values(metrics, random, &mut books),
            4 | 5 => record_families(metrics, random, &mut books),
            _ => record_group(metrics, random, &mut books),
        }
    }
    books
}

fn record_scalars(metrics: &Metrics, random: &mut Random, books: &mut Books) {
    let (at, n) = (random.below(3) as usize, random.magnitude(32));
    metrics.counters[at].add(n);
    books.counters[at] += n;
    let (at, n) = (random.below(2) as usize, random.magnitude(32) as i64 - (1 << 20));
    metrics.up_down[at].add(n);
    books.up_down[at] += n;
}

fn record_values(metrics: &Metrics, random: &mut Random, books: &mut Books) {
    let at = random.below(3) as usize;
    // Once in a while several at a time, and the ends of the range.
    let (value, n) = match random.below(1 << 16) {
        0 if at == 2 => (u64::MAX, 1),
        1 => (0, 1),
        2..=5000 => (random.magnitude(20), 1 + random.below(100)),
        _ => (random.magnitude(BITS), 1),
    };
    match n {
        1 => metrics.histograms[at].record(value),
        _ => metrics.histograms[at].record_n(value, n),
    }
    books.histograms[at].record(value, n);
}

fn record_families(metrics: &Metrics, random: &mut Random, books: &mut Books) {
    let (side, size) = (SIDES[random.below(2) as usize], SIZES[random.below(3) as usize]);
    metrics.sides.at((side, size)).add(3);
    *books.sides.entry((side, size)).or_default() += 3;
    let value = random.magnitude(BITS);
    metrics.side_sizes.at(side).record(value);
    books.side_sizes.entry(side).or_default().record(value, 1);
    let (peer, kind) = (format!("peer-{}", random.below(PEERS as u64)), size.text());
    metrics.peers.at([&peer, kind]).add(value);
    *books.peers.entry((peer.clone(), kind.to_owned())).or_default() += value;
    metrics.peer_sizes.at([&peer]).record(value);
    books.peer_sizes.entry(peer).or_default().record(value, 1);
}

fn record_group(metrics: &Metrics, random: &mut Random, books: &mut Books) {
    let (value, side) = (random.magnitude(BITS), SIDES[random.below(2) as usize]);
    let peer = format!("peer-{}", random.below(PEERS as u64));
    let group = group();
    group.add(&metrics.counters[0], value);
    group.add_signed(&metrics.up_down[1], -7);
    group.record(&metrics.histograms[1], value);
    group.record(metrics.side_sizes.at(side), value);
    // Plain calls on the same thread join the group, families' too.
    metrics.peers.at([&peer, "grouped"]).inc();
    metrics.histograms[0].record(value);
    drop(group);
    books.counters[0] += value;
    books.up_down[1] -= 7;
    books.histograms[1].record(value, 1);
    books.side_sizes.entry(side).or_default().record(value, 1);
    *books.peers.entry((peer, "grouped".to_owned())).or_default() += 1;
    books.histograms[0].record(value, 1);
}

/// Lets `lives` threads record `rounds` times each, at most `alive` at once, while others make snapshots; checks every
/// complete one, and the last against the books.
pub fn run(engine: &Engine, registry: &Registry, lives: usize, alive: usize, rounds: usize) {
    let metrics = Metrics::new(registry);
    let done = AtomicBool::new(false);
    let mut all = Books::default();
    std::thread::scope(|scope| {
        let _done = SetOnDrop(&done);
        scope.spawn(|| look(engine, &done));
        let live = |lane: usize| {
            let metrics = &metrics;
            move || {
                let mut books = Books::default();
                for life in 0..lives / alive {
                    let seed = (lane * lives + life) as u64;
                    let one = std::thread::scope(|inner| {
                        let life = || record(metrics, &mut Random::new(seed), rounds);
                        inner.spawn(life).join().expect("it does not panic")
                    });
                    books.add(one);
                }
                books
            }
        };
        let lanes: Vec<_> = (0..alive).map(|lane| scope.spawn(live(lane))).collect();
        lanes.into_iter().for_each(|lane| all.add(lane.join().expect("it does not panic")));
    });
    let last = engine.refresh();
    assert!(last.is_complete(), "everybody has ended");
    all.check(&last);
}

/// Makes snapshots and checks that nothing goes backwards.
fn look(engine: &Engine, done: &AtomicBool) {
    let mut before = [0; 8];
    while !done.load(Ordering::Relaxed) {
        let now = engine.refresh();
        let count = |name| now.counter(name).unwrap_or(0);
        let values = |name| now.histogram(name).unwrap();
        HISTOGRAMS.iter().filter(|_| now.is_complete()).for_each(|h| check_histogram(&values(h)));
        let counts = [
            count(COUNTERS[0]),
            count(COUNTERS[1]),
            count(COUNTERS[2]),
            count("sides_total"),
            count("peers_total"),
            values(HISTOGRAMS[0]).count(),
            values(HISTOGRAMS[1]).count(),
            values(HISTOGRAMS[2]).count(),
        ];
        let fell = counts.iter().zip(&before).any(|(now, before)| now < before);
        assert!(!fell, "{counts:?} after {before:?}");
        before = counts;
        std::thread::sleep(Duration::from_micros(200));
    }
}
