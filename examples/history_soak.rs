//! A soak of engine, history, rules and queries: `cargo run --release --example history_soak --features history,rules -- SECONDS`.
//!
//! 10,000 series live at a time (9,000 counters and gauges, 1,000 histograms), a tenth of which come and go, in a generation each
//! 100 ms; rules are evaluated each second, and queries run all the time. Each ten seconds (a quarter of a shorter run) a line of
//! JSON says what there is. It fails if memory grows, after a third of the run, by more than what the history may still take
//! and [`SLACK_BYTES`]; if the history takes more than it may; if a rule or query fails; or if generations are not made.

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tachometer::query::{Query, Settings};
use tachometer::rules::{RuleFile, RuleSettings, Rules};
use tachometer::{
    Counter, Engine, Family, Gauge, Histogram, History, Metric, Registry, Snapshot, Unit,
};

const INTERVAL: Duration = Duration::from_millis(100);
/// Of counters, of gauges, of histograms at a time; a tenth of each comes and goes.
const SERIES: [usize; 3] = [4_500, 4_500, 1_000];
/// How long a series is idle until it goes.
const IDLE: Duration = Duration::from_secs(2);
const HISTORY_BYTES: usize = 256 << 20;
/// What memory may grow by besides: allocators keep some of what they are given back.
const SLACK_BYTES: usize = 64 << 20;

const RULES: &str = "
groups:
- name: soak
  rules:
  - record: soak:requests:rate
    expr: sum(rate(soak_requests_total[5s]))
  - alert: Slow
    expr: histogram_quantile(0.99, sum(rate(soak_wait_seconds[5s]))) > 60
  - alert: Idle
    expr: soak:requests:rate == 0
    for: 10s
";

const QUERIES: [&str; 5] = [
    "sum(rate(soak_requests_total[10s]))",
    "topk(5, soak_level)",
    "histogram_quantile(0.99, sum(rate(soak_wait_seconds[10s])))",
    "count(soak_level) + count(soak_requests_total)",
    "max_over_time(sum(soak_level)[5s:1s])",
];

/// Numbers that are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// A family of which nine tenths stay, and of the rest each second other ones are used.
struct Churning<M: Metric> {
    family: Family<M, 1>,
    stay: Vec<String>,
    come: usize,
}

impl<M: Metric> Churning<M> {
    fn new(
        registry: &Registry,
        name: &str,
        count: usize,
        unit: Option<Unit>,
    ) -> Result<Self, tachometer::Error> {
        let metric = registry.metric(name, "Of the soak.").expire_after(IDLE);
        // Room for those that go but are not yet gone.
        let metric =
            unit.into_iter().fold(metric.limit(2 * count), |metric, unit| metric.unit(unit));
        let come = count / 10;
        let stay = (0..count - come).map(|at| format!("stays-{at}")).collect();
        Ok(Churning { family: metric.family(["key"])?, stay, come })
    }

    /// All of this moment: those that stay, and others that move on by a hundredth of them each second.
    fn each(&self, second: usize, mut record: impl FnMut(&Family<M, 1>, &str)) {
        self.stay.iter().for_each(|key| record(&self.family, key));
        let first = second * (self.come / 20).max(1);
        (first..first + self.come).for_each(|at| record(&self.family, &format!("comes-{at}")));
    }
}

/// Bytes of memory that the process has.
fn resident() -> Result<usize, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<usize>()? * 1024)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as i64
}

struct Running<'a> {
    stop: &'a AtomicBool,
    history: &'a History,
    failures: &'a AtomicU64,
}

/// Stops the others also where this thread ends by an error or a panic.
struct StopAll<'a>(&'a AtomicBool);

impl Drop for StopAll<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Running<'_> {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn rules(&self, file: RuleFile) {
        let mut rules = Rules::new([file], RuleSettings::default());
        while self.goes_on() {
            rules.evaluate(now_ms(), self.history);
            std::thread::sleep(Duration::from_secs(1));
        }
        let failures: u64 =
            rules.status().flat_map(|(_, _, all)| all).map(|one| one.failures).sum();
        self.failures.fetch_add(failures, Ordering::Relaxed);
    }

    fn queries(&self, made: &AtomicU64) {
        let settings = Settings::default();
        for text in QUERIES.iter().cycle() {
            if !self.goes_on() {
                return;
            }
            let answer = Query::parse(text)
                .and_then(|query| query.instant(self.history, now_ms(), &settings));
            if let Err(error) = answer {
                eprintln!("{text}: {error}");
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
            made.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let seconds: u64 = std::env::args().nth(1).map_or(Ok(20), |text| text.parse())?;
    let every = Duration::from_millis((seconds * 250).clamp(250, 10_000));
    let registry = Registry::new();
    let requests = Churning::<Counter>::new(&registry, "soak_requests_total", SERIES[0], None)?;
    let levels = Churning::<Gauge>::new(&registry, "soak_level", SERIES[1], None)?;
    let waits = Churning::<Histogram>::new(
        &registry,
        "soak_wait_seconds",
        SERIES[2],
        Some(Unit::Nanoseconds),
    )?;
    let engine =
        Engine::builder().registry(&registry).interval(INTERVAL).own_metrics(true).start()?;
    // As long as it takes that old blocks go, too: a block of the finest tier has 24 s.
    let history = History::builder()
        .tier(INTERVAL, Duration::from_secs(60))
        .tier(Duration::from_secs(1), Duration::from_secs(300))
        .max_bytes(HISTORY_BYTES)
        .start(&engine)?;
    let file = RuleFile::parse("soak.yml", RULES)?;
    let (stop, failures, queries) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let running = Running { stop: &stop, history: &history, failures: &failures };
    let result = std::thread::scope(|scope| {
        let _stop = StopAll(&stop);
        scope.spawn(|| running.rules(file));
        scope.spawn(|| running.queries(&queries));
        scope.spawn(|| {
            let (began, mut random) = (Instant::now(), Random(88_172_645_463_325_252));
            while running.goes_on() {
                let second = began.elapsed().as_secs() as usize;
                requests.each(second, |family, key| family.at([key]).add(1 + random.below(9)));
                levels.each(second, |family, key| {
                    family.at([key]).set(random.below(1_000) as f64 / 10.0)
                });
                waits.each(second, |family, key| {
                    (0..5).for_each(|_| family.at([key]).record(100_000 + random.below(1_000_000)));
                });
                std::thread::sleep(INTERVAL);
            }
        });
        watch(&engine, &history, &queries, Duration::from_secs(seconds), every)
    });
    let failures = failures.load(Ordering::Relaxed);
    if failures > 0 {
        return Err(format!("{failures} rules and queries failed").into());
    }
    result
}

/// Writes lines until the time is over.
fn watch(
    engine: &Engine,
    history: &History,
    queries: &AtomicU64,
    total: Duration,
    every: Duration,
) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let mut earlier = engine.refresh();
    // Of memory and history at the end of the warm-up.
    let mut warm: Option<(usize, usize)> = None;
    while began.elapsed() < total {
        std::thread::sleep(every.min(total.saturating_sub(began.elapsed())));
        let now = engine.refresh();
        let (memory, bytes) = (resident()?, history.bytes());
        println!("{}", line(began.elapsed(), &now, &earlier, history, memory, queries)?);
        if bytes > HISTORY_BYTES {
            return Err(format!("the history takes {bytes} bytes of {HISTORY_BYTES}").into());
        }
        if now.generation() == earlier.generation() + 1 {
            return Err("no generation was made but the one that was asked for".into());
        }
        if began.elapsed() >= total / 3 {
            let (before, then) = *warm.get_or_insert((memory, bytes));
            // What its bytes are counted as, and a quarter for how they are allocated.
            let most = before + HISTORY_BYTES.saturating_sub(then) / 4 * 5 + SLACK_BYTES;
            if memory > most {
                return Err(
                    format!("memory grew from {before} to {memory} bytes; at most {most}").into()
                );
            }
        }
        earlier = now;
    }
    Ok(())
}

fn line(
    elapsed: Duration,
    now: &Snapshot,
    earlier: &Snapshot,
    history: &History,
    memory: usize,
    queries: &AtomicU64,
) -> Result<String, tachometer::Error> {
    let append = now.since(earlier).histogram("tachometer_history_append_seconds")?;
    let append = |q: f64| append.quantile_duration(q).unwrap_or_default().as_secs_f64() * 1e3;
    let dropped = now.counter("tachometer_history_dropped_chunks_total")?;
    Ok(format!(
        "{{\"seconds\":{:.1},\"rss_bytes\":{memory},\"history_bytes\":{},\"history_series\":{},\"live_series\":{},\
         \"generation\":{},\"dropped_chunks\":{dropped},\"queries\":{},\"append_p50_ms\":{:.3},\"append_p99_ms\":{:.3}}}",
        elapsed.as_secs_f64(),
        history.bytes(),
        history.series(),
        now.len(),
        now.generation(),
        queries.load(Ordering::Relaxed),
        append(0.5),
        append(0.99)
    ))
}
