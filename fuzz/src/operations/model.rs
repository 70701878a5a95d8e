//! The oracle: one thread, maps, additions.
//!
//! A record counts at once (`sure`), unless its thread has a group open: then it is *pending* until the last of the
//! thread's groups closes; and then, if a cut had to give up on it, *late* until the next complete cut, as an incomplete
//! one reads only one of the two banks. A complete snapshot must show exactly what is sure and late; there is none while
//! a group is open. An incomplete one must show at least what is sure, and at most all that was recorded.

use super::plan::{Amount, Farewell, Metric, TENANTS, WORKERS};
use super::tenant::{Change, Key, Tenant};
use super::value::Value;
use super::world::Task;
use crate::landmarks::Event;
use std::sync::Arc;
use tachometer::Snapshot;

/// What an amount means: for the types of metric that can be recorded in more than one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plain,
    /// Through a group: a histogram takes one value at a time.
    Group,
}

/// What a kept handle stands for.
#[derive(Debug)]
struct Kept {
    incarnation: u64,
    key: Key,
    /// An empty value of its type.
    zero: Value,
    /// The member of a family that it keeps from expiring.
    member: Option<(usize, Vec<&'static str>)>,
}

#[derive(Debug)]
pub struct Model {
    tenants: [Tenant; TENANTS],
    incarnations: u64,
    kept: Vec<Kept>,
    open: [usize; WORKERS],
    pending: [Vec<Change>; WORKERS],
    /// By worker: a cut gave up on its groups.
    straddling: [bool; WORKERS],
    late: Vec<Change>,
    /// The last cut of the process, in any registry, was not complete.
    disturbed: bool,
}

impl Model {
    pub fn new() -> Self {
        Model {
            tenants: std::array::from_fn(|index| Tenant::new(index, index as u64)),
            incarnations: TENANTS as u64,
            kept: Vec::new(),
            open: [0; WORKERS],
            pending: Default::default(),
            straddling: [false; WORKERS],
            late: Vec::new(),
            disturbed: false,
        }
    }

    /// What `worker` did, and the snapshot that came of it.
    pub fn follow(&mut self, worker: usize, task: &Task, snapshot: Option<&Arc<Snapshot>>) {
        match *task {
            Task::Record(tenant, metric, amount) => {
                self.record(worker, tenant, metric, amount, Way::Plain);
            }
            Task::InGroup(_, tenant, metric, amount) => {
                self.record(worker, tenant, metric, amount, Way::Group);
            }
            Task::Open => self.open[worker] += 1,
            Task::Close(_) => {
                self.open[worker] -= 1;
                self.settle(worker);
            }
            Task::Advance(tenant, by) => self.tenants[tenant].elapsed += by,
            Task::Register(tenant, metric) => self.tenants[tenant].register(metric),
            Task::Take(tenant, metric) => self.take(tenant, metric),
            Task::Use(at, amount) => self.use_kept(worker, at, amount, Way::Plain),
            Task::UseInGroup(_, at, amount) => self.use_kept(worker, at, amount, Way::Group),
            Task::Drop(at) => self.drop_kept(at),
            Task::Exit(tenant, ref farewell) => self.exit(worker, tenant, farewell),
            Task::Past(..) => {}
            Task::Cut(tenant) => self.check(tenant, snapshot),
            Task::Restart(tenant) => {
                self.check(tenant, snapshot);
                self.tenants[tenant].note_all(Event::EngineRestarted);
                self.tenants[tenant].generation = 0;
                self.tenants[tenant].fresh_is_known = false;
            }
            Task::Recreate(tenant, _) => {
                self.check(tenant, snapshot);
                self.tenants[tenant] = Tenant::new(tenant, self.incarnations);
                self.incarnations += 1;
            }
        }
    }

    fn record(&mut self, worker: usize, tenant: usize, metric: Metric, amount: Amount, way: Way) {
        let tenant = &mut self.tenants[tenant];
        tenant.register(metric);
        let (key, member) = tenant.place(metric);
        if let Some((family, labels)) = member {
            tenant.families[family].touch(&labels);
        }
        // The one counter that takes amounts of any size, when asked by its own number.
        let whole = matches!((metric, way), (Metric::Counter(2), Way::Plain));
        let mut delta = tenant.series[&key].zero();
        match whole {
            true => delta.add(&Value::Counter(amount.value)),
            false => delta.record(amount, way == Way::Group && !is_looked_up(metric)),
        }
        let incarnation = tenant.incarnation;
        let open = self.open[worker] > 0;
        tenant.note(&key, if open { Event::RecordedInGroup } else { Event::Recorded });
        self.change(worker, Change { incarnation, key, delta });
    }

    fn use_kept(&mut self, worker: usize, at: usize, amount: Amount, way: Way) {
        let Kept { incarnation, key, zero, .. } = &self.kept[at];
        let mut delta = zero.clone();
        delta.record(amount, way == Way::Group);
        let change = Change { incarnation: *incarnation, key: key.clone(), delta };
        self.change(worker, change);
    }

    fn change(&mut self, worker: usize, change: Change) {
        // Gauges have no part in groups.
        if self.open[worker] == 0 || matches!(change.delta, Value::Set(_) | Value::Raise(_)) {
            self.apply(&change);
        } else {
            self.pending[worker].push(change);
        }
    }

    fn apply(&mut self, change: &Change) {
        let tenant = self.tenants.iter_mut().find(|t| t.incarnation == change.incarnation);
        let series = tenant.map(|t| t.series.get_mut(&change.key).expect("it was recorded in"));
        series.into_iter().for_each(|value| value.add(&change.delta));
    }

    /// A worker closed a group: if that was the last, all of its records count.
    fn settle(&mut self, worker: usize) {
        if self.open[worker] > 0 {
            return;
        }
        let closed = std::mem::take(&mut self.pending[worker]);
        if std::mem::take(&mut self.straddling[worker]) {
            self.late.extend(closed);
        } else {
            closed.iter().for_each(|change| self.apply(change));
        }
    }

    fn take(&mut self, index: usize, metric: Metric) {
        let tenant = &mut self.tenants[index];
        tenant.register(metric);
        let (key, member) = tenant.place(metric);
        if let Some((family, labels)) = &member {
            tenant.families[*family].hold(labels);
        }
        tenant.note(&key, Event::Taken);
        let (incarnation, zero) = (tenant.incarnation, tenant.series[&key].zero());
        self.kept.push(Kept { incarnation, key, zero, member });
    }

    fn drop_kept(&mut self, at: usize) {
        let Kept { incarnation, member, key, .. } = self.kept.remove(at);
        let tenant = self.tenants.iter_mut().find(|t| t.incarnation == incarnation);
        let Some(tenant) = tenant else { return };
        tenant.note(&key, Event::LetGo);
        if let Some((family, labels)) = member {
            tenant.families[family].let_go(&labels);
        }
    }

    fn exit(&mut self, worker: usize, tenant: usize, farewell: &Farewell<Metric>) {
        let way = if self.open[worker] > 0 { Way::Group } else { Way::Plain };
        self.record(worker, tenant, farewell.in_group.0, farewell.in_group.1, way);
        self.open[worker] = 0;
        self.settle(worker);
        self.tenants.iter_mut().for_each(|tenant| tenant.note_all(Event::ThreadEnded));
        let (metric, amount) = farewell.after_groups;
        self.record(worker, tenant, metric, amount, Way::Plain);
    }

    /// Panics unless `snapshot` is what the tenant's registry must show now.
    fn check(&mut self, index: usize, snapshot: Option<&Arc<Snapshot>>) {
        let snapshot = snapshot.expect("a cut makes a snapshot");
        let complete = snapshot.is_complete();
        let open = self.open.iter().any(|&open| open > 0);
        assert!(!(complete && open), "complete in spite of an open group");
        assert!(complete || open || self.disturbed, "incomplete without an open group");
        let unsure = if complete { self.all_is_sure() } else { self.unsure() };
        let tenant = &mut self.tenants[index];
        tenant.note_all(if complete { Event::Cut } else { Event::IncompleteCut });
        tenant.check(snapshot, unsure.as_deref());
        tenant.expire(snapshot, complete);
        tenant.fresh_is_known = complete;
        self.disturbed = !complete;
    }

    /// A complete cut has everything.
    fn all_is_sure(&mut self) -> Option<Vec<Change>> {
        for change in std::mem::take(&mut self.late) {
            self.apply(&change);
        }
        None
    }

    /// What an incomplete cut may have or not.
    fn unsure(&mut self) -> Option<Vec<Change>> {
        self.tenants.iter_mut().for_each(|tenant| tenant.fresh_is_known = false);
        for worker in (0..WORKERS).filter(|&worker| self.open[worker] > 0) {
            self.straddling[worker] = true;
        }
        Some(self.pending.iter().flatten().chain(&self.late).cloned().collect())
    }
}

/// Whether a record of this metric never goes through a group's own methods.
fn is_looked_up(metric: Metric) -> bool {
    matches!(metric, Metric::Family(..))
}
