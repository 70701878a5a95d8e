//! Any interleaving of what a program can do with the engine, driven step by step, against a single-threaded model.
//!
//! A step is over before the next begins, so there is one right answer for each snapshot. What the threads are then good
//! for: each has a shard, groups and tables of its own, some have no shard at all ([`SHARDS`]), arenas run full
//! ([`ARENA_ROOM`]), and threads end in the middle of what they do. That records which race with a cut are treated right
//! is the business of the models and of the stress tests.
//!
//! The process goes on from input to input, as a program's does: slots and shards are reused, and a total that is wrong
//! afterwards is a finding too. `TACHOMETER_FUZZ_FENCE=1` runs without the kernel's barrier, which is another path for
//! every record.

mod family;
mod metrics;
mod model;
mod plan;
mod shape;
mod tenant;
mod value;
mod workers;
mod world;

pub use plan::{Amount, Plan};

use model::Model;
use plan::{Step, TENANTS, WORKERS};
use shape::Shape;
use std::sync::{Arc, Mutex, Once, PoisonError};
use tachometer::{Mode, ProcessSettings};
use workers::Workers;
use world::{Task, World};

/// Workers beyond this number record through the shared cells.
const SHARDS: usize = 3;
/// Bytes of each arena for histograms' buckets: enough for some octaves of some of them.
const ARENA_ROOM: usize = 256 << 10;
/// Inputs after which all threads are replaced.
const RENEW: usize = 256;
/// Longer inputs are cut short.
const MOST_STEPS: usize = 512;

static POOL: Mutex<(Workers, usize)> = Mutex::new((Workers::new(), 0));

/// Runs one input; panics if the engine and the model disagree.
pub fn run(plan: &Plan) {
    prepare();
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    let (workers, inputs) = &mut *pool;
    *inputs += 1;
    if inputs.is_multiple_of(RENEW) {
        workers.end_all();
    }
    let world = Arc::new(Mutex::new(World::new()));
    let mut model = Model::new();
    let mut shape = Shape::new();
    let steps = &plan.steps[..plan.steps.len().min(MOST_STEPS)];
    let mut tasks: Vec<_> = steps.iter().flat_map(|step| shape.resolve(step)).collect();
    tasks.extend(shape.close_all());
    tasks.extend((0..TENANTS).chain(0..TENANTS).map(|tenant| (0, Task::Cut(tenant))));
    let together = |a: &(usize, Task), b: &(usize, Task)| a.0 == b.0 && !a.1.ends_thread();
    for run in tasks.chunk_by(together) {
        let tasks = run.iter().map(|(_, task)| task.clone()).collect();
        perform(workers, &world, &mut model, run[0].0, tasks);
    }
}

fn perform(
    workers: &mut Workers,
    world: &Arc<Mutex<World>>,
    model: &mut Model,
    worker: usize,
    tasks: Vec<Task>,
) {
    let outcome = workers.perform(worker, world, tasks.clone());
    for (task, snapshot) in tasks.iter().zip(&outcome) {
        model.follow(worker, task, snapshot.as_ref());
    }
}

/// Settings of the process, made once.
fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let mut settings = ProcessSettings::new()
            .max_shards(SHARDS)
            .arena_bytes(ProcessSettings::MIN_ARENA_BYTES + ARENA_ROOM);
        if std::env::var_os("TACHOMETER_FUZZ_FENCE").is_some_and(|value| value == "1") {
            settings = settings.barrier(Mode::Fence);
        }
        settings.apply().expect("first thing in the process");
    });
}

impl Step {
    pub fn worker(&self) -> usize {
        usize::from(self.worker) % WORKERS
    }
}
