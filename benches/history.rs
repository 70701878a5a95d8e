//! What the history costs: memory, appending a generation, and reading windows.
//!
//! `cargo bench --bench history --features history` prints the tables of memory, of appending and of opening
//! again from disk first. A day takes
//! 86,400 generations: memory is measured with fifteen-second generations, which the coarse tier keeps one by one.

use criterion::Criterion;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;
use tachometer::{Engine, Gauge, Histogram, History, ManualClock, Registry, Unit};

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About normally distributed.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }

    /// A latency in nanoseconds: lognormal around 400 µs.
    fn latency(&mut self) -> u64 {
        (400_000.0 * (0.5 * self.normal()).exp()) as u64
    }
}

struct Host {
    registry: Registry,
    clock: ManualClock,
    engine: Engine,
    history: History,
}

fn host_with(own: bool, directory: Option<&Path>) -> Host {
    let registry = Registry::new();
    // A step of the coarse tier begins here.
    let clock = ManualClock::at(Duration::from_secs(1_700_000_010));
    let builder = Engine::builder().registry(&registry).manual(&clock).own_metrics(own);
    let engine = builder.start().expect("its own registry");
    let builder = History::builder().max_bytes(4 << 30).disk_bytes(16 << 30);
    let builder = match directory {
        Some(directory) => builder.directory(directory),
        None => builder,
    };
    let history = builder.start(&engine).expect("default settings");
    Host { registry, clock, engine, history }
}

fn host() -> Host {
    host_with(false, None)
}

impl Host {
    fn step(&self, by: Duration) {
        self.clock.advance(by);
        self.engine.refresh();
    }

    /// A day of generations, 15 s apart; bytes for each of `series`, the most that there are while the last two blocks grow
    /// and are packed.
    fn day(&self, series: usize, mut each: impl FnMut(u64)) -> usize {
        let (before, mut most) = (self.history.bytes(), 0);
        for step in 0..5_760 {
            each(step);
            self.step(Duration::from_secs(15));
            most = most.max(if step >= 5_760 - 480 { self.history.bytes() } else { 0 });
        }
        (most - before) / series
    }
}

const SERIES: usize = 20;

fn counters(name: &str, random: &mut Random, mut grow: impl FnMut(&mut Random) -> f64) {
    let host = host();
    let counter = |at: usize| {
        host.registry.metric("work_total", "Work.").label("at", at.to_string()).counter()
    };
    let all: Vec<_> = (0..SERIES).map(|at| counter(at).expect("a counter")).collect();
    let bytes = host.day(SERIES, |_| all.iter().for_each(|one| one.add(grow(random) as u64)));
    println!("{name:<58} {bytes:>9} bytes a series");
}

fn gauges(name: &str, random: &mut Random, mut next: impl FnMut(&mut Random, f64) -> f64) {
    let host = host();
    let gauge =
        |at: usize| host.registry.metric("level", "Level.").label("at", at.to_string()).gauge();
    let all: Vec<Gauge> = (0..SERIES).map(|at| gauge(at).expect("a gauge")).collect();
    let mut levels = [40.0; SERIES];
    let bytes = host.day(SERIES, |_| {
        for (one, level) in all.iter().zip(&mut levels) {
            *level = next(random, *level);
            one.set(*level);
        }
    });
    println!("{name:<58} {bytes:>9} bytes a series");
}

fn histograms(values: usize, random: &mut Random) {
    let host = host();
    let histogram = |at: usize| {
        let metric = host.registry.metric("wait_seconds", "Wait.").unit(Unit::Nanoseconds);
        metric.label("at", at.to_string()).histogram()
    };
    let all: Vec<Histogram> = (0..SERIES).map(|at| histogram(at).expect("a histogram")).collect();
    let bytes = host.day(SERIES, |_| {
        for one in &all {
            (0..values).for_each(|_| one.record(random.latency()));
        }
    });
    let name = format!("histogram of latencies, {values} values in 15 s");
    println!("{name:<58} {bytes:>9} bytes a series");
}

/// What a small program shows: eight counters and seven gauges.
fn fifteen(random: &mut Random) {
    let host = host();
    let counter =
        |at| host.registry.counter(&format!("work{at}_total"), "Work.").expect("a counter");
    let gauge = |at| host.registry.gauge(&format!("level{at}"), "Level.").expect("a gauge");
    let (counters, gauges): (Vec<_>, Vec<_>) =
        ((0..8).map(counter).collect(), (0..7).map(gauge).collect());
    let bytes = host.day(1, |_| {
        counters.iter().for_each(|one| one.add((1_000.0 + 32.0 * random.normal()) as u64));
        gauges.iter().for_each(|one| one.set((4_000.0 + 500.0 * random.normal()).round() / 100.0));
    });
    println!("{:<58} {bytes:>9} bytes", "15 series: 8 counters, 7 gauges");
}

fn memory() {
    println!("memory of both tiers after a day, generations 15 s apart:");
    let random = &mut Random(88_172_645_463_325_252);
    counters("counter, 1,000 ± 32 a step", random, |r| 1_000.0 + 32.0 * r.normal());
    counters("counter, 15,000 ± 122 a step", random, |r| 15_000.0 + 122.0 * r.normal());
    counters("counter, 15,000 a step, exponential", random, |r| {
        -15_000.0 * r.next().max(1e-9).ln()
    });
    counters("counter of nanoseconds, 6 s ± 0.5 s a step", random, |r| 6e9 + 5e8 * r.normal());
    counters("counter that stands still", random, |_| 0.0);
    gauges("gauge, 40 ± 5 with two decimals", random, |r, _| {
        ((40.0 + 5.0 * r.normal()) * 100.0).round() / 100.0
    });
    gauges("gauge, whole numbers, a walk of ± 1,000", random, |r, last| {
        last + (1_000.0 * r.normal()).round()
    });
    gauges("gauge, pages of memory, a walk of ± 100 pages", random, |r, last| {
        last.floor() + (100.0 * r.normal()).round() * 4096.0
    });
    gauges("gauge of full precision (53 random bits)", random, |r, _| 40.0 + 5.0 * r.normal());
    gauges("gauge that stands still", random, |_, last| last);
    for values in [0, 1, 5, 10, 25, 100, 1_000] {
        histograms(values, random);
    }
    fifteen(random);
}

/// 10,000 scalars, half of them counters, and 1,000 histograms, all of which change.
struct Busy {
    host: Host,
    counters: Vec<tachometer::Counter>,
    gauges: Vec<Gauge>,
    histograms: Vec<Histogram>,
    random: Random,
}

impl Busy {
    fn new(directory: Option<&Path>) -> Self {
        let host = host_with(true, directory);
        let label = |at: usize| at.to_string();
        let counter =
            |at| host.registry.metric("work_total", "Work.").label("at", label(at)).counter();
        let gauge = |at| host.registry.metric("level", "Level.").label("at", label(at)).gauge();
        let metric = || host.registry.metric("wait_seconds", "Wait.").unit(Unit::Nanoseconds);
        let histogram = |at| metric().label("at", label(at)).histogram();
        let counters = (0..5_000).map(|at| counter(at).expect("a counter")).collect();
        let gauges = (0..5_000).map(|at| gauge(at).expect("a gauge")).collect();
        let histograms = (0..1_000).map(|at| histogram(at).expect("a histogram")).collect();
        Busy { host, counters, gauges, histograms, random: Random(7) }
    }

    fn record(&mut self) {
        let random = &mut self.random;
        self.counters.iter().for_each(|one| one.add((1_000.0 + 100.0 * random.next()) as u64));
        self.gauges.iter().for_each(|one| one.set((1_000.0 * random.next()).round() / 10.0));
        for one in &self.histograms {
            (0..10).for_each(|_| one.record(random.latency()));
        }
    }

    fn generations(&mut self, many: usize) {
        for _ in 0..many {
            self.record();
            self.host.step(Duration::from_secs(1));
        }
    }

    /// What the history says itself of how long each append took, of so many generations `by` apart; the rows of both
    /// tiers that each made, and whether a block closed.
    fn appends(&mut self, many: u64, by: u64) -> Vec<(Duration, Appended)> {
        let (mut all, mut last) = (Vec::new(), 0);
        for at in 0..=many {
            self.record();
            self.host.step(Duration::from_secs(by));
            if at % 100 == 0 {
                // Generations come faster here than a disk is asked to take them.
                self.host.history.flush(Duration::from_secs(600)).expect("a disk with room");
            }
            let now = self.host.engine.snapshot();
            let append = now.histogram("tachometer_history_append_seconds").expect("own metrics");
            // A generation shows how long the one before took.
            let took = Duration::from_nanos((append.sum() - last) as u64);
            last = append.sum();
            let shown = at.saturating_sub(1);
            let steps = |generations: u64| generations * by / 15;
            let kind = match (steps(shown + 1) > steps(shown), shown % 240 == 239) {
                (_, true) => Appended::Closed,
                (true, _) => Appended::Coarse,
                _ => Appended::Plain,
            };
            if at > 1 {
                all.push((took, kind));
            }
        }
        all
    }
}

/// What is due in an append beside the row of the finest tier.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Appended {
    Plain,
    Coarse,
    Closed,
}

/// What the history says itself of appending, with rows of the coarse tier, closed blocks and packing.
fn appending(directory: Option<&Path>) {
    let disk = if directory.is_some() { ", on disk too" } else { "" };
    println!(
        "append of a generation of 10,000 scalars and 1,000 histograms, all of them changed{disk}:"
    );
    // A coarse block closes after an hour; with generations 15 s apart, both tiers' blocks close in one generation.
    for (many, by) in [(4_000, 1), (1_000, 15)] {
        let mut appends = Busy::new(directory).appends(many, by);
        appends.sort_by_key(|append| append.0);
        let all = |_: &&(Duration, Appended)| true;
        print_appends(by, "All", appends.iter().filter(all));
        for kind in [Appended::Plain, Appended::Coarse, Appended::Closed] {
            let of = appends.iter().filter(|append| append.1 == kind);
            print_appends(by, &format!("{kind:?}"), of);
        }
    }
}

/// Appends by how long they took.
fn print_appends<'a>(by: u64, kind: &str, of: impl Iterator<Item = &'a (Duration, Appended)>) {
    let of: Vec<Duration> = of.map(|append| append.0).collect();
    let at = |part: f64| {
        let place = (part * of.len().saturating_sub(1) as f64) as usize;
        of.get(place).copied().unwrap_or_default()
    };
    let [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1.0].map(at);
    println!(
        "{by:>2} s apart, {kind:<7} {:>5}: p50 {p50:?}, p90 {p90:?}, p99 {p99:?}, max {max:?}",
        of.len()
    );
}

/// How long it takes to open a day again: 1,000 counters, 1,000 gauges and 100 histograms, all of which change in each of
/// 5,760 generations 15 s apart.
fn reopening(directory: &Path) {
    let host = host_with(false, Some(directory));
    let label = |at: usize| at.to_string();
    let counter = |at| host.registry.metric("work_total", "Work.").label("at", label(at)).counter();
    let gauge = |at| host.registry.metric("level", "Level.").label("at", label(at)).gauge();
    let metric = || host.registry.metric("wait_seconds", "Wait.").unit(Unit::Nanoseconds);
    let histogram = |at| metric().label("at", label(at)).histogram();
    let counters: Vec<_> = (0..1_000).map(|at| counter(at).expect("a counter")).collect();
    let gauges: Vec<_> = (0..1_000).map(|at| gauge(at).expect("a gauge")).collect();
    let histograms: Vec<_> = (0..100).map(|at| histogram(at).expect("a histogram")).collect();
    let mut random = Random(23);
    host.day(1, |step| {
        counters.iter().for_each(|one| one.add((1_000.0 + 32.0 * random.normal()) as u64));
        gauges.iter().for_each(|one| one.set((4_000.0 + 500.0 * random.normal()).round() / 100.0));
        for one in &histograms {
            (0..10).for_each(|_| one.record(random.latency()));
        }
        if step % 100 == 0 {
            host.history.flush(Duration::from_secs(600)).expect("a disk with room");
        }
    });
    host.history.sync(Duration::from_secs(600)).expect("a disk with room");
    let disk = host.history.persistence().expect("it has a directory");
    drop(host);
    let again =
        host_with(false, Some(directory)).history.persistence().expect("it has a directory");
    println!(
        "opening a day of 2,000 scalars and 100 histograms, all of them changed each 15 s: {:?}, {} rows, {} bytes in \
         {} segments",
        again.replay_time, again.replayed_rows, disk.bytes, disk.segments
    );
}

/// Runs something with a directory that goes afterwards.
fn on_disk(run: impl FnOnce(&Path)) {
    let path = std::env::temp_dir().join(format!("tachometer-bench-{}", std::process::id()));
    run(&path);
    std::fs::remove_dir_all(&path).expect("a directory of its own");
}

fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("history/reading");
    let mut busy = Busy::new(None);
    busy.generations(900);
    let history = &busy.host.history;
    let minutes = Duration::from_secs(300);
    let at = &[("at", "17")];
    group.bench_function("p99 of one histogram over 5 min, generations of 1 s", |bencher| {
        bencher.iter(|| history.window("wait_seconds", at, black_box(minutes))?.quantile(0.99));
    });
    drop(busy);
    let many = host();
    let counter = |at: usize| {
        many.registry.metric("work_total", "Work.").label("at", at.to_string()).counter()
    };
    let counters: Vec<_> = (0..1_000).map(|at| counter(at).expect("a counter")).collect();
    let mut random = Random(13);
    for _ in 0..900 {
        counters.iter().for_each(|one| one.add((1_000.0 + 100.0 * random.next()) as u64));
        many.step(Duration::from_secs(1));
    }
    group.bench_function("rate of 1,000 series over 5 min, generations of 1 s", |bencher| {
        let rates = || -> Result<Vec<f64>, tachometer::Error> {
            let window = many.history.window("work_total", &[], black_box(minutes))?;
            let seconds = window.span().as_secs_f64();
            window.series().map(|one| Ok(one.increase()? as f64 / seconds)).collect()
        };
        bencher.iter(rates);
    });
    let day = host();
    let wait = day
        .registry
        .metric("wait_seconds", "Wait.")
        .unit(Unit::Nanoseconds)
        .histogram()
        .expect("a histogram");
    day.day(1, |_| (0..1_000).for_each(|_| wait.record(random.latency())));
    group.bench_function("p99 of one histogram over 24 h, 1,000 values in each 15 s", |bencher| {
        let span = Duration::from_secs(86_000);
        bencher.iter(|| day.history.window("wait_seconds", &[], black_box(span))?.quantile(0.99));
    });
    // Two hours more, so that the block in which the window begins is one like all others; and windows that begin at each
    // of its rows in turn.
    for _ in 0..480 {
        (0..1_000).for_each(|_| wait.record(random.latency()));
        day.step(Duration::from_secs(15));
    }
    let name =
        "p99 of one histogram over 23 to 24 h, 1,000 values in each 15 s, from each row of a block";
    group.bench_function(name, |bencher| {
        let mut row = 0;
        bencher.iter(|| {
            row = (row + 7) % 240;
            let span = Duration::from_secs(86_400 - 15 * row);
            day.history.window("wait_seconds", &[], black_box(span))?.quantile(0.99)
        });
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    // `memory`, `append` (or of it `append-memory`, `append-disk`, `reopen`), or a part of a benchmark's name as argument:
    // nothing else.
    let asked: Vec<String> = std::env::args().skip(1).filter(|one| !one.starts_with('-')).collect();
    let wanted = |part: &str| asked.is_empty() || asked.iter().any(|one| one == part);
    if wanted("memory") {
        memory();
    }
    if wanted("append") || asked.iter().any(|one| one == "append-memory") {
        appending(None);
    }
    if wanted("append") || asked.iter().any(|one| one == "append-disk") {
        on_disk(|path| appending(Some(path)));
    }
    if wanted("append") || asked.iter().any(|one| one == "reopen") {
        on_disk(reopening);
    }
    let tables = ["memory", "append", "append-memory", "append-disk", "reopen"];
    if asked.iter().any(|one| tables.contains(&one.as_str())) {
        return;
    }
    reading(&mut criterion);
    criterion.final_summary();
}
