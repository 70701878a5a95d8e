//! The engine itself as a workload: threads that come and go record in every way that there is, and each snapshot is checked.
//!
//! An operation is a batch of records. Every second: no more batches are finished than were started, and what is recorded in
//! groups is there in whole groups. At the end: counters and histograms have exactly what the threads say that they recorded.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tachometer::testing::artifact::Fact;
use tachometer::testing::{Random, Values};
use tachometer::{
    Counter, Engine, Error, Family, Histogram, Registry, Snapshot, UpDownCounter, group,
};

use super::args::SoakArgs;
use super::operations::Operations;
use super::pace::Pace;
use super::workload::{Setting, Workload};

const THREADS: u32 = 2;

/// Records of each kind in one operation.
const BATCH: u64 = 64;

/// The mean life of a thread; then another takes its place, and its shard.
const LIFE: Duration = Duration::from_millis(1_500);

/// Peers that the dynamic family hears of; it has room for half of them.
const PEERS: u64 = 64;

/// How long a thread sleeps at most before it looks whether the run is over.
const NAP: Duration = Duration::from_millis(20);

/// What threads record through.
#[derive(Clone, Debug)]
struct Handles {
    started: Counter,
    finished: Counter,
    pairs: [Counter; 2],
    balance: UpDownCounter,
    sizes: Histogram,
    by_peer: Family<Counter, 1>,
}

/// What was recorded, by those who did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    batches: u64,
    pairs: u64,
    sizes: u64,
    size_sum: u128,
    by_peer: u64,
}

impl Handles {
    fn register(registry: &Registry) -> Result<Self, Error> {
        let counter = |name: &str, help: &str| registry.counter(name, help);
        let by_peer =
            registry.metric("soak_by_peer_total", "Records by peer.").limit(PEERS as usize / 2);
        Ok(Self {
            started: counter("soak_batches_started_total", "Batches begun.")?,
            finished: counter("soak_batches_finished_total", "Batches ended.")?,
            pairs: [
                counter("soak_first_of_pair_total", "Recorded in groups with the second.")?,
                counter("soak_second_of_pair_total", "Recorded in groups with the first.")?,
            ],
            balance: registry.up_down_counter("soak_balance", "Back at zero after each batch.")?,
            sizes: registry.histogram("soak_size", "Sizes of a log-normal distribution.")?,
            by_peer: by_peer.family(["peer"])?,
        })
    }

    fn batch(&self, content: u64, random: &mut Random, sizes: &Values, tally: &mut Tally) {
        self.started.inc();
        self.balance.add(content as i64);
        for number in 0..BATCH {
            let size = sizes.draw(random, number);
            self.sizes.record(size);
            tally.sizes += 1;
            tally.size_sum += u128::from(size);
            let guard = group();
            guard.add(&self.pairs[0], 1);
            guard.add(&self.pairs[1], 1);
        }
        let peer = (content % PEERS).to_string();
        self.by_peer.at([peer.as_str()]).add(BATCH);
        self.balance.add(-(content as i64));
        self.finished.inc();
        tally.batches += 1;
        tally.pairs += BATCH;
        tally.by_peer += BATCH;
    }
}

/// What a complete snapshot must show.
fn check(now: &Snapshot) -> anyhow::Result<()> {
    let count = |name: &str| now.counter(name).unwrap_or(0);
    let (started, finished) =
        (count("soak_batches_started_total"), count("soak_batches_finished_total"));
    ensure!(
        finished <= started,
        "a snapshot shows {finished} batches finished of {started} started"
    );
    let (first, second) = (count("soak_first_of_pair_total"), count("soak_second_of_pair_total"));
    ensure!(
        first == second,
        "a snapshot shows half a group: {first} of the first, {second} of the second"
    );
    Ok(())
}

/// Threads at work.
#[derive(Debug)]
pub struct Record {
    engine: Arc<Engine>,
    is_over: Arc<AtomicBool>,
    lanes: Vec<JoinHandle<anyhow::Result<()>>>,
    tally: Arc<Mutex<Tally>>,
}

impl Workload for Record {
    const NAME: &'static str = "record";

    fn facts(args: &SoakArgs) -> Vec<(&'static str, Fact)> {
        vec![("clients", args.clients.unwrap_or(THREADS).into())]
    }

    async fn start(setting: &Setting) -> anyhow::Result<Self> {
        let handles =
            Handles::register(setting.registry()).context("metrics cannot be registered")?;
        let count = setting.clients.unwrap_or(THREADS);
        let (is_over, tally) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::default()));
        let mut lanes = Vec::new();
        for number in 0..count {
            let contents = Values::uniform(0, 1 << 20)?;
            let lane = Lane {
                seed: setting.seed,
                number: number.into(),
                lanes: count.into(),
                pace: Pace::of(setting.seed, number.into(), count, setting.rate, contents)?,
                handles: handles.clone(),
                operations: setting.operations.clone(),
                is_over: is_over.clone(),
                tally: tally.clone(),
            };
            let thread = std::thread::Builder::new().name("soak-lane".to_owned());
            lanes.push(thread.spawn(|| lane.run()).context("a thread cannot be started")?);
        }
        Ok(Self { engine: setting.engine.clone(), is_over, lanes, tally })
    }

    async fn check(&mut self) -> anyhow::Result<()> {
        if let Some(ended) = self.lanes.iter().position(JoinHandle::is_finished) {
            let lane = self.lanes.swap_remove(ended);
            join(lane)?;
            bail!("a thread has ended by itself");
        }
        let now = self.engine.refresh();
        // One that is not complete says so, and promises less.
        if now.is_complete() { check(&now) } else { Ok(()) }
    }

    async fn stop(self) -> anyhow::Result<()> {
        // Relaxed: threads only look whether it is set.
        self.is_over.store(true, Ordering::Relaxed);
        let Self { lanes, engine, tally, .. } = self;
        let joined = tokio::task::spawn_blocking(move || lanes.into_iter().try_for_each(join));
        joined.await.context("the threads cannot be waited for")??;
        let now = engine.refresh();
        check(&now)?;
        let wanted = *tally.lock().unwrap_or_else(PoisonError::into_inner);
        let sizes = now.histogram("soak_size")?;
        let counted = Tally {
            batches: now.counter("soak_batches_finished_total")?,
            pairs: now.counter("soak_first_of_pair_total")?,
            sizes: sizes.count(),
            size_sum: sizes.sum(),
            by_peer: now.counter("soak_by_peer_total").unwrap_or(0),
        };
        ensure!(counted == wanted, "the engine has {counted:?}, but {wanted:?} was recorded");
        let balance = now.up_down_counter("soak_balance")?;
        ensure!(balance == 0, "what was added and taken away again stands at {balance}");
        Ok(())
    }
}

fn join(lane: JoinHandle<anyhow::Result<()>>) -> anyhow::Result<()> {
    lane.join().map_err(|_| anyhow::anyhow!("a thread of the workload has panicked"))?
}

/// One thread after the other, until the run is over.
struct Lane {
    seed: u64,
    number: u64,
    lanes: u64,
    pace: Pace,
    handles: Handles,
    operations: Operations,
    is_over: Arc<AtomicBool>,
    tally: Arc<Mutex<Tally>>,
}

impl Lane {
    fn run(mut self) -> anyhow::Result<()> {
        let sizes = Values::log_normal(4_096.0, 1.5)?;
        let mut thread = self.number;
        while !self.is_over() {
            let mut random = Random::stream(self.seed, "record", thread);
            let life = LIFE.mul_f64(random.exponential());
            // A thread of its own, so that shards are given back and taken up again.
            let recorded = std::thread::scope(|scope| {
                let live = || self.live(life, &mut random, &sizes);
                let worker = std::thread::Builder::new().name("soak-worker".to_owned());
                let worker =
                    worker.spawn_scoped(scope, live).context("a thread cannot be started")?;
                worker.join().map_err(|_| anyhow::anyhow!("a recording thread has panicked"))
            })?;
            let mut all = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
            all.batches += recorded.batches;
            all.pairs += recorded.pairs;
            all.sizes += recorded.sizes;
            all.size_sum += recorded.size_sum;
            all.by_peer += recorded.by_peer;
            thread += self.lanes;
        }
        Ok(())
    }

    fn live(&mut self, life: Duration, random: &mut Random, sizes: &Values) -> Tally {
        let born = Instant::now();
        let mut tally = Tally::default();
        while born.elapsed() < life && !self.is_over() {
            let turn = self.pace.next_turn();
            while let Some(due) = turn.due.filter(|due| *due > Instant::now()) {
                if self.is_over() {
                    return tally;
                }
                std::thread::sleep(due.saturating_duration_since(Instant::now()).min(NAP));
            }
            let began = turn.due.unwrap_or_else(Instant::now);
            self.handles.batch(turn.content, random, sizes, &mut tally);
            self.operations.succeeded(began.elapsed());
        }
        tally
    }

    fn is_over(&self) -> bool {
        // Relaxed: see `Record::stop`.
        self.is_over.load(Ordering::Relaxed)
    }
}
