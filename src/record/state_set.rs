//! `StateSet`: which one of some states holds.

use super::family::enums::LabelEnum;
use super::handle::{Place, Text};
use crate::registry::slots::is_sink;
use crate::registry::{Bound, Buckets, Definition, Kind, Precision, Registry};
use crate::shard::DOMAIN;
use crate::sync::{AtomicU64, Ordering};
use crate::{Error, Unit};
use std::fmt;
use std::marker::PhantomData;

/// Which one of some states holds: the role of a node, the phase of a job. The states are an enum that
/// [`labels!`](crate::labels) declares.
///
/// Each state is a series, labelled with the metric's own name, as OpenMetrics has it: 1 for the state that holds, 0 for the
/// others. OpenMetrics knows them as a `stateset`; for other formats they are gauges. The name must do as a label's name.
///
/// All threads share it; as a gauge, it is read right after the cut. Every snapshot has exactly one state of it at 1: the
/// first one, until another is set. Cost: one store to a shared cache line.
///
/// ```
/// use tachometer::{Engine, Registry, StateSet};
/// tachometer::labels! { enum Role("role") { Follower = "follower", Leader = "leader" } }
/// static ROLE: StateSet<Role> = StateSet::new("raft_role", "What the node is.");
/// ROLE.set(Role::Leader);
/// assert!(ROLE.is(Role::Leader));
/// let now = Engine::builder().start()?.refresh();
/// assert_eq!(now.gauge_with("raft_role", &[("raft_role", "leader")])?, 1.0);
/// assert_eq!(now.gauge_with("raft_role", &[("raft_role", "follower")])?, 0.0);
/// # Ok::<(), tachometer::Error>(())
/// ```
pub struct StateSet<S: LabelEnum> {
    place: Place,
    text: Text,
    states: PhantomData<fn(S)>,
}

impl<S: LabelEnum> StateSet<S> {
    /// A handle for a `static`: registered in [`Registry::global`] on its first use; see
    /// [`Gauge::new`](crate::Gauge::new).
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        StateSet { place: Place::unbound(), text: Text::new(name, help), states: PhantomData }
    }

    /// Registers a `static` handle now, so that its series are on the page before its first use.
    ///
    /// # Errors
    /// The name is invalid, as a label's too, or registered with another definition.
    pub fn register(&self) -> Result<(), Error> {
        if !self.text.name.is_empty() {
            Registry::global().bind(&self.definition(), &states::<S>(self.text.name))?;
            self.slot();
        }
        Ok(())
    }

    pub(crate) fn from_bound(bound: Bound) -> Self {
        StateSet { place: Place::bound(bound), text: Text::new("", ""), states: PhantomData }
    }

    fn definition(&self) -> Definition {
        Definition {
            name: self.text.name.to_owned(),
            help: self.text.help.to_owned(),
            kind: Kind::StateSet,
            unit: Unit::None,
            precision: Precision::Two,
            buckets: Buckets::Auto,
        }
    }

    #[inline(always)]
    fn slot(&self) -> usize {
        self.place.slot(|| (self.definition(), states::<S>(self.text.name)))
    }

    /// The index of the state.
    fn cell(&self) -> Option<&'static AtomicU64> {
        let slot = self.slot();
        // The shared arena was opened when the slot was registered. In a sink others count.
        DOMAIN.shared().filter(|_| !is_sink(slot)).map(|shared| shared.cells.cell(slot))
    }

    /// Sets the state.
    #[inline]
    pub fn set(&self, state: S) {
        if let Some(cell) = self.cell() {
            // Relaxed: a state publishes nothing but itself.
            cell.store(state.index() as u64, Ordering::Relaxed);
        }
    }

    /// Whether it is in `state` now.
    #[inline]
    pub fn is(&self, state: S) -> bool {
        // Relaxed: as in `set`.
        self.cell().map_or(0, |cell| cell.load(Ordering::Relaxed)) == state.index() as u64
    }
}

/// The labels of each state's series, for a metric called `name`.
pub(crate) fn states<S: LabelEnum>(name: &str) -> Vec<Vec<(String, String)>> {
    S::VALUES.iter().map(|state| vec![(name.to_owned(), (*state).to_owned())]).collect()
}

impl<S: LabelEnum> Clone for StateSet<S> {
    /// The same state set; a `static` is registered if it was not.
    fn clone(&self) -> Self {
        StateSet { place: self.place.clone_at(self.slot()), ..*self }
    }
}

impl<S: LabelEnum> fmt::Debug for StateSet<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateSet").field("place", &self.place).finish()
    }
}
