//! The real thing: registries, engines and handles, and how a worker carries a task out.

use super::metrics::{Handle, Metrics};
use super::plan::{Amount, Farewell, Metric, TENANTS};
use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tachometer::{Engine, Group, ManualClock, Snapshot, group};

/// The constant label of the second tenant's engine.
pub const NODE: (&str, &str) = ("node", "n1");

/// A step with every index resolved.
#[derive(Clone, Debug)]
pub enum Task {
    Record(usize, Metric, Amount),
    InGroup(usize, usize, Metric, Amount),
    Open,
    Close(usize),
    Cut(usize),
    Advance(usize, Duration),
    Register(usize, Metric),
    Take(usize, Metric),
    Use(usize, Amount),
    UseInGroup(usize, usize, Amount),
    Drop(usize),
    Exit(usize, Farewell<Metric>),
    Restart(usize),
    Recreate(usize, bool),
    Past(usize, Metric, Amount),
}

impl Task {
    /// Whether the worker's thread ends with it.
    pub fn ends_thread(&self) -> bool {
        matches!(self, Task::Exit(..))
    }
}

#[derive(Debug)]
struct Tenant {
    metrics: Metrics,
    clock: ManualClock,
    engine: Engine,
}

#[derive(Debug)]
pub struct World {
    tenants: [Tenant; TENANTS],
    kept: Vec<Handle>,
    past: Vec<Metrics>,
}

impl Tenant {
    fn new(index: usize) -> Self {
        let (metrics, clock) = (Metrics::new(), ManualClock::at(Duration::from_secs(1_000)));
        let engine = Self::start(index, &metrics, &clock);
        Tenant { metrics, clock, engine }
    }

    fn start(index: usize, metrics: &Metrics, clock: &ManualClock) -> Engine {
        let mut builder = Engine::builder().registry(&metrics.registry).manual(clock);
        if index == 1 {
            builder = builder.label(NODE.0, NODE.1);
        }
        // No wait: a worker that is inside is inside an open group, which does not close meanwhile.
        builder.cut_timeout(Duration::ZERO).start().expect("the registry has no engine")
    }
}

impl World {
    pub fn new() -> Self {
        World { tenants: std::array::from_fn(Tenant::new), kept: Vec::new(), past: Vec::new() }
    }

    /// Carries a task out on the calling thread, whose open groups are `groups`.
    pub fn perform(&mut self, task: Task, groups: &mut Vec<Group>) -> Option<Arc<Snapshot>> {
        match task {
            Task::Record(tenant, metric, amount) => {
                self.tenants[tenant].metrics.ensure(metric);
                self.tenants[tenant].metrics.record(metric, amount);
            }
            Task::InGroup(at, tenant, metric, amount) => {
                self.tenants[tenant].metrics.ensure(metric);
                self.tenants[tenant].metrics.record_in(&groups[at], metric, amount);
            }
            Task::Open => groups.push(group()),
            Task::Close(at) => drop(groups.remove(at)),
            Task::Cut(tenant) => return Some(self.tenants[tenant].engine.refresh()),
            Task::Advance(tenant, by) => self.tenants[tenant].clock.advance(by),
            Task::Register(tenant, metric) => self.tenants[tenant].metrics.register(metric),
            Task::Take(tenant, metric) => {
                self.tenants[tenant].metrics.ensure(metric);
                self.kept.push(self.tenants[tenant].metrics.handle(metric));
            }
            Task::Use(at, amount) => self.kept[at].record(amount),
            Task::UseInGroup(group, at, amount) => self.kept[at].record_in(&groups[group], amount),
            Task::Drop(at) => drop(self.kept.remove(at)),
            Task::Restart(tenant) => return Some(self.restart(tenant)),
            Task::Recreate(tenant, keep) => return Some(self.recreate(tenant, keep)),
            Task::Past(at, metric, amount) => {
                let past = self.past.get(at).filter(|past| past.is_registered(metric));
                past.into_iter().for_each(|past| past.record(metric, amount));
            }
            Task::Exit(..) => unreachable!("the worker's own business"),
        }
        None
    }

    fn restart(&mut self, index: usize) -> Arc<Snapshot> {
        let tenant = &mut self.tenants[index];
        let last = tenant.engine.stop();
        tenant.engine = Tenant::start(index, &tenant.metrics, &tenant.clock);
        last
    }

    fn recreate(&mut self, index: usize, keep: bool) -> Arc<Snapshot> {
        let last = self.tenants[index].engine.stop();
        let old = std::mem::replace(&mut self.tenants[index], Tenant::new(index));
        drop(old.engine);
        if keep {
            self.past.push(old.metrics);
        }
        last
    }
}

/// What a thread still has to do when its thread-locals go.
#[derive(Debug)]
pub struct Last {
    pub world: Arc<Mutex<World>>,
    pub tenant: usize,
    pub farewell: Farewell<Metric>,
    pub groups: Vec<Group>,
}

impl Drop for Last {
    fn drop(&mut self) {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let metrics = &mut world.tenants[self.tenant].metrics;
        let Farewell { in_group, after_groups, .. } = self.farewell;
        metrics.ensure(in_group.0);
        match self.groups.first() {
            Some(group) => metrics.record_in(group, in_group.0, in_group.1),
            None => metrics.record(in_group.0, in_group.1),
        }
        self.groups.drain(..).for_each(drop);
        metrics.ensure(after_groups.0);
        metrics.record(after_groups.0, after_groups.1);
    }
}

thread_local! {
    /// Made before the thread's first record, so destroyed after the engine's own thread-local.
    pub static EARLY: RefCell<Option<Last>> = const { RefCell::new(None) };
    /// Made when the thread ends, so destroyed before.
    pub static LATE: RefCell<Option<Last>> = const { RefCell::new(None) };
}
