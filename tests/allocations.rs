//! After a thread's first record of a kind, recording allocates nothing: not for a new octave of a histogram, not for a
//! timer, a group, an exemplar, a look-up in a family, nor for a thread without a shard. Neither does asking for the latest snapshot,
//! nor writing a page once the encoder has seen the series.

mod common;
#[path = "common/counting.rs"]
mod counting;

use common::by_hand;
use common::process::own_process;
use counting::allocations;
use std::num::NonZeroU32;
use std::time::Duration;
use tachometer::{
    Counter, Encoder, EnumFamily, Family, Gauge, Histogram, Mode, OpenMetricsEncoder, Precision,
    ProcessSettings, ProtobufEncoder, Registry, Stamp, TextEncoder, UpDownCounter, group, labels,
};

labels! {
    /// A closed set.
    enum Color("color") { Red = "red", Blue = "blue" }
}

struct Metrics {
    registry: Registry,
    counter: Counter,
    up_down: UpDownCounter,
    gauge: Gauge,
    histograms: [Histogram; 3],
    colors: EnumFamily<Counter, Color>,
    shades: EnumFamily<Histogram, (Color, Color2)>,
    peers: Family<Counter, 2>,
    sizes: Family<Histogram, 1>,
    levels: Family<Gauge, 1>,
}

labels! {
    /// Another one.
    enum Color2("background") { Black = "black", White = "white" }
}

impl Metrics {
    fn new() -> Self {
        let registry = Registry::new();
        let precision = [Precision::One, Precision::Two, Precision::Three];
        Metrics {
            counter: registry.counter("count_total", "Counted.").unwrap(),
            up_down: registry.up_down_counter("balance", "Up and down.").unwrap(),
            gauge: registry.gauge("level", "Set.").unwrap(),
            histograms: precision.map(|precision| {
                let name = format!("values_{}", precision.figures());
                registry.metric(name, "Values.").precision(precision).histogram().unwrap()
            }),
            colors: registry.metric("colors_total", "By color.").enum_family().unwrap(),
            shades: registry.metric("shades", "By colors.").enum_family().unwrap(),
            peers: registry.metric("peers_total", "By peer.").family(["peer", "kind"]).unwrap(),
            sizes: registry.metric("sizes", "By peer.").family(["peer"]).unwrap(),
            levels: registry.metric("levels", "By peer.").family(["peer"]).unwrap(),
            registry,
        }
    }

    fn scalars(&self, n: u64) {
        self.counter.inc();
        self.counter.add(n);
        self.up_down.add(-(n as i64));
        self.gauge.set((n >> 16) as f64);
        self.gauge.add(1.0);
        assert_eq!(self.gauge.value(), (n >> 16) as f64 + 1.0);
    }

    fn values(&self, n: u64) {
        for histogram in &self.histograms {
            histogram.record(n);
            histogram.record_n(n, 3);
            histogram.record_duration(Duration::from_nanos(n));
        }
    }

    fn exemplars(&self, n: u64) {
        for histogram in &self.histograms {
            histogram.record_with_exemplar(n, [1; 16], [2; 8]);
            group().record_with_exemplar(histogram, n, [3; 16], [4; 8]);
        }
        self.shades.at((Color::Blue, Color2::White)).record_with_exemplar(n, [5; 16], [6; 8]);
        self.sizes.at(["node-1"]).record_with_exemplar(n, [7; 16], [8; 8]);
    }

    fn timers(&self) {
        let one_in = NonZeroU32::new(3).unwrap();
        for histogram in &self.histograms {
            drop(histogram.start());
            histogram.start().stop();
            histogram.start_sampled(one_in).stop();
            drop(histogram.start_sampled(one_in));
            histogram.time(|| ());
            histogram.record(Stamp::now().elapsed_ns());
        }
    }

    fn families(&self, n: u64) {
        self.colors.at(Color::Red).inc();
        self.colors.at(Color::Blue).add(n);
        self.shades.at((Color::Blue, Color2::White)).record(n);
        self.shades.at((Color::Red, Color2::Black)).record(n);
        self.peers.at(["node-1", "vote"]).inc();
        self.peers.at(["node-2", "a somewhat longer value than most"]).add(n);
        self.sizes.at(["node-1"]).record(n);
        self.levels.at(["node-1"]).set(n as f64);
    }

    fn groups(&self, n: u64) {
        let outer = group();
        outer.add(&self.counter, n);
        outer.add_signed(&self.up_down, -1);
        outer.record(&self.histograms[1], n);
        outer.add(self.colors.at(Color::Red), 1);
        let inner = group();
        inner.record(&self.histograms[2], n);
        drop(inner);
        // Plain calls join the group.
        self.counter.inc();
        self.histograms[0].record(n);
        self.peers.at(["node-1", "vote"]).inc();
    }

    /// Each kind with small values, then with values of every magnitude.
    fn check(&self) {
        let steps: [(&str, &dyn Fn(u64)); 6] = [
            ("scalars", &|n| self.scalars(n)),
            ("values", &|n| self.values(n)),
            ("exemplars", &|n| self.exemplars(n)),
            ("timers", &|_| self.timers()),
            ("families", &|n| self.families(n)),
            ("groups", &|n| self.groups(n)),
        ];
        for (name, step) in steps {
            step(1);
            let again = allocations(|| (0..100).for_each(step));
            assert_eq!(again, 0, "{name}, again");
            let every = allocations(|| (0..64).for_each(|bit| step(u64::MAX >> bit)));
            assert_eq!(every, 0, "{name}, of every magnitude");
        }
    }
}

#[test]
fn recording_does_not_allocate() {
    let metrics = Metrics::new();
    let engine = by_hand(&metrics.registry);
    assert!(allocations(|| drop(std::hint::black_box(Box::new(1)))) == 1, "the allocator counts");
    for _ in 0..3 {
        // On fresh threads, which take shards over, with cuts in between.
        std::thread::scope(|scope| {
            scope.spawn(|| metrics.check()).join().unwrap();
        });
        engine.refresh();
        metrics.check();
        engine.refresh();
    }
}

#[test]
fn a_thread_without_a_shard_does_not_allocate_either() {
    own_process("a_thread_without_a_shard_does_not_allocate_either", || {
        ProcessSettings::new().max_shards(0).apply().unwrap();
        Metrics::new().check();
    });
}

#[test]
fn nor_does_one_that_passes_fences() {
    own_process("nor_does_one_that_passes_fences", || {
        ProcessSettings::new().barrier(Mode::Fence).apply().unwrap();
        Metrics::new().check();
    });
}

#[test]
fn nor_does_one_whose_arena_is_full() {
    own_process("nor_does_one_whose_arena_is_full", || {
        ProcessSettings::new().arena_bytes(ProcessSettings::MIN_ARENA_BYTES).apply().unwrap();
        Metrics::new().check();
    });
}

#[test]
fn a_warm_page_does_not_allocate() {
    warm(&mut TextEncoder::new());
    warm(&mut OpenMetricsEncoder::new());
    warm(&mut ProtobufEncoder::new());
}

fn warm(encoder: &mut dyn Encoder) {
    let metrics = Metrics::new();
    for peer in 0..200 {
        let peer = format!("node-{peer} \"quoted\"");
        metrics.peers.at([&peer, "append"]).inc();
        metrics.sizes.at([&peer]).record(peer.len() as u64);
        metrics.levels.at([&peer]).set(0.1);
    }
    let engine = by_hand(&metrics.registry);
    let mut page = Vec::with_capacity(1 << 20);
    metrics.exemplars(1);
    // The most buckets that there will be.
    (0..5u64).for_each(|round| metrics.values(round << 40));
    encoder.encode(&engine.refresh(), &mut page);
    let cold = page.clone();
    assert!(cold.len() > 40_000, "a page worth measuring: {} bytes", cold.len());
    for round in 1..5u64 {
        metrics.values(round << 40);
        metrics.scalars(round << 40);
        metrics.exemplars(round << 40);
        metrics.gauge.set(1.0 / round as f64);
        let now = engine.refresh();
        page.clear();
        assert_eq!(allocations(|| encoder.encode(&now, &mut page)), 0, "round {round}");
    }
    assert!(page != cold, "other numbers");
}

#[test]
fn looking_at_the_latest_snapshot_does_not_allocate() {
    let metrics = Metrics::new();
    metrics.scalars(5);
    let engine = by_hand(&metrics.registry);
    engine.refresh();
    drop(engine.snapshot());
    let looked = allocations(|| {
        for _ in 0..100 {
            let now = engine.snapshot();
            assert_eq!(now.counter("count_total").unwrap(), 6);
            assert_eq!(now.series().count(), now.len());
        }
    });
    assert_eq!(looked, 0);
}
