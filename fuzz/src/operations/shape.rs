//! What a step means: every index resolved, what cannot be done left out.

use super::metrics::FAMILIES;
use super::plan::{Farewell, Metric, Step, Subject, WORKERS, What};
use super::world::Task;
use std::time::Duration;

/// After which every family lets idle series go.
const LONGEST_EXPIRY: Duration = Duration::from_secs(20);
/// Handles of a past registry that are kept.
const MOST_PAST: usize = 4;

/// What has to be known of the world to resolve the indices of a step.
pub struct Shape {
    /// By worker: its open groups.
    open: [usize; WORKERS],
    kept: usize,
    past: usize,
    /// The registry and the metric that were meant last.
    last: (usize, Metric),
}

impl Shape {
    pub fn new() -> Self {
        Shape { open: [0; WORKERS], kept: 0, past: 0, last: (0, Metric::Counter(0)) }
    }

    /// What a step means now, and which worker does it; nothing if it asks for what there is not.
    pub fn resolve(&mut self, step: &Step) -> Vec<(usize, Task)> {
        let worker = step.worker();
        if !matches!(step.what, What::Expire) {
            return self.resolve_one(step).map(|task| (worker, task)).into_iter().collect();
        }
        // Seen active, seen idle, gone after that; with no group open, since only complete cuts let series go.
        let mut tasks = self.close_all();
        let tenant = self.last.0;
        let moved = Task::Advance(tenant, LONGEST_EXPIRY);
        let expire = [Task::Cut(tenant), moved, Task::Cut(tenant), Task::Cut(tenant)];
        tasks.extend(expire.map(|task| (worker, task)));
        tasks
    }

    /// Closes every group.
    pub fn close_all(&mut self) -> Vec<(usize, Task)> {
        let open = std::mem::take(&mut self.open).into_iter().enumerate();
        open.flat_map(|(worker, open)| (0..open).map(move |_| (worker, Task::Close(0)))).collect()
    }

    fn resolve_one(&mut self, step: &Step) -> Option<Task> {
        let (worker, mut tenant) = (step.worker(), usize::from(step.tenant));
        let open = self.open[worker];
        let of = |index: u8, len: usize| (len > 0).then(|| usize::from(index) % len);
        let mut this = |subject: Subject| {
            if let Some(metric) = subject.0 {
                self.last = (tenant, metric);
            }
            tenant = self.last.0;
            self.last.1
        };
        Some(match step.what.clone() {
            What::Record(metric, amount) => {
                let metric = this(metric);
                allowed(open, metric)?;
                Task::Record(tenant, metric, amount)
            }
            What::InGroup(group, metric, amount) => {
                let metric = this(metric);
                allowed(open, metric)?;
                Task::InGroup(of(group, open)?, tenant, metric, amount)
            }
            What::Register(metric) => {
                let metric = this(metric);
                Task::Register(tenant, metric)
            }
            What::Take(metric) => {
                let metric = this(metric);
                self.kept += 1;
                Task::Take(tenant, metric)
            }
            What::Past(metric, amount) => {
                let metric = this(metric);
                Task::Past(of(amount.times, self.past)?, metric, amount)
            }
            What::Exit(Farewell { after_engine, in_group, after_groups }) => {
                let in_group = (this(in_group.0), in_group.1);
                let after_groups = (this(after_groups.0), after_groups.1);
                self.open[worker] = 0;
                Task::Exit(tenant, Farewell { after_engine, in_group, after_groups })
            }
            What::Open => {
                self.open[worker] += 1;
                Task::Open
            }
            What::Close(group) => {
                let group = of(group, open)?;
                self.open[worker] -= 1;
                Task::Close(group)
            }
            What::Cut => Task::Cut(tenant),
            What::Advance(seconds) => Task::Advance(tenant, Duration::from_secs(seconds.into())),
            What::Use(at, amount) => Task::Use(of(at, self.kept)?, amount),
            What::UseInGroup(group, at, amount) => {
                Task::UseInGroup(of(group, open)?, of(at, self.kept)?, amount)
            }
            What::Drop(at) => {
                let at = of(at, self.kept)?;
                self.kept -= 1;
                Task::Drop(at)
            }
            What::Restart => Task::Restart(tenant),
            What::Recreate { keep_handles } => {
                let keep = keep_handles && self.past < MOST_PAST;
                self.past += usize::from(keep);
                Task::Recreate(tenant, keep)
            }
            What::Expire => return None,
        })
    }
}

/// Whether `open` groups leave the model able to follow: it cannot see how much of what happened to a gauge an
/// incomplete cut has seen, on which its expiry depends.
fn allowed(open: usize, metric: Metric) -> Option<()> {
    let Metric::Family(family, ..) = metric else { return Some(()) };
    let gauge = usize::from(family) % FAMILIES.len() == 3;
    (!gauge || open == 0).then_some(())
}
