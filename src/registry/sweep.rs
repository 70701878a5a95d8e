//! Letting single series go that a facade holds: who is asked after each cut, and how a series leaves the registry.

use super::{Bound, Inner, Kind, Registry, checked_labels, locks};
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// A generation, as those see it who let series go.
pub(crate) struct Generation<'a> {
    pub(crate) now: Duration,
    /// Whether its cut was complete: only then has it all that was recorded in a slot that was taken back before.
    pub(crate) complete: bool,
    /// What a slot has counted.
    pub(crate) value: &'a dyn Fn(usize, Kind) -> u64,
}

impl fmt::Debug for Generation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generation").field("now", &self.now).finish_non_exhaustive()
    }
}

/// Lets idle series go. Called after each cut, under the cutter's lock: must not wait for a lock under which somebody
/// registers, since that may wait for the cutter.
pub(crate) trait Sweep: Send + Sync + fmt::Debug {
    fn sweep(&self, generation: &Generation<'_>);
}

impl Inner {
    pub(super) fn sweep(&self, generation: &Generation<'_>) {
        let mut sweepers = Vec::new();
        self.lock().sweepers.retain(|sweeper| {
            let alive = sweeper.upgrade();
            sweepers.extend(alive.clone());
            alive.is_some()
        });
        sweepers.iter().for_each(|sweeper| sweeper.sweep(generation));
    }
}

impl Registry {
    /// Has `sweeper` called after each cut, for as long as it lives.
    pub(crate) fn sweep_by(&self, sweeper: Weak<dyn Sweep>) {
        let _setup = locks::setup();
        self.inner.lock().sweepers.push(sweeper);
    }

    /// Takes the series off the registry that `bound` is the place of, unless somebody else has it too: another handle, or
    /// another way of writing its name. Its slot retires with the last hold on it.
    pub(crate) fn unbind(
        &self,
        name: &str,
        kind: Kind,
        own: Vec<(String, String)>,
        bound: &Bound,
    ) -> bool {
        let all = [&self.scope[..], &own[..]].concat();
        let Ok(labels) = checked_labels(all, kind) else { return false };
        let _setup = locks::setup();
        let mut state = self.inner.lock();
        let Some(family) = state.families.get_mut(name) else { return false };
        let Some(series) = family.series.get(&labels) else { return false };
        // The series' own hold and the caller's. Under the lock, nobody can be given another.
        if !Arc::ptr_eq(&series.life, &bound.life) || Arc::strong_count(&bound.life) > 2 {
            return false;
        }
        family.series.remove(&labels);
        state.version += 1;
        true
    }
}
