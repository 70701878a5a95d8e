//! One replica's handles: the catalogue's five bundles with the replica's number as a label, and what belongs to each
//! member, as long as it is one.

use parking_lot::{RwLock, RwLockReadGuard};
use tachometer::catalogue::hotstuff2::{HotStuffMetrics, PeerMetrics, ValidatorMetrics};
use tachometer::{Registry, catalogue};

use super::config::{REPLICAS, ReplicaId, STORAGE_BYTES};

/// What one replica records through.
#[derive(Debug)]
pub struct Handles {
    pub metrics: HotStuffMetrics,
    replica: ReplicaId,
    members: RwLock<[Option<Member>; REPLICAS as usize]>,
}

/// What one replica records about a member. Its series go when nobody holds these any more.
#[derive(Debug)]
pub struct Member {
    pub validator: ValidatorMetrics,
    /// `None` for the replica itself, which needs no network to itself.
    pub peer: Option<PeerMetrics>,
}

impl Handles {
    /// Registers all series of `replica`. Four share the process, so each says which it is.
    pub fn register(registry: &Registry, replica: ReplicaId) -> Result<Self, tachometer::Error> {
        let registry = registry.scope([("replica", replica.to_string().as_str())])?;
        let metrics = HotStuffMetrics::register(&registry)?;
        metrics.storage.storage_capacity.set(STORAGE_BYTES as f64);
        Ok(Self { metrics, replica, members: RwLock::default() })
    }

    /// What belongs to `id`, if it is a member.
    pub fn member(&self, id: ReplicaId) -> Option<impl std::ops::Deref<Target = Member> + '_> {
        let position = usize::try_from(id).ok()?.checked_sub(1)?;
        RwLockReadGuard::try_map(self.members.read(), |members| members.get(position)?.as_ref())
            .ok()
    }

    /// `id` takes part from now on.
    pub fn add(&self, id: ReplicaId) {
        let name = id.to_string();
        if let Some(place) = self.members.write().get_mut(id as usize - 1) {
            place.get_or_insert_with(|| Member {
                validator: self.metrics.validator(&name),
                peer: (id != self.replica).then(|| self.metrics.peer(&name)),
            });
        }
    }

    /// `id` takes part no more: its series go.
    pub fn remove(&self, id: ReplicaId) {
        if let Some(place) = self.members.write().get_mut(id as usize - 1) {
            *place = None;
        }
    }
}

/// The rules that come with the bundles.
pub fn shipped_rules() -> anyhow::Result<Vec<tachometer::rules::RuleFile>> {
    let bundles = catalogue::hotstuff2::HotStuffMetrics::declarations();
    Ok(vec![tachometer::rules::RuleFile::of_bundles("hotstuff.yml", &bundles)?])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tachometer::{Engine, ManualClock};

    use super::*;

    #[test]
    fn series_of_a_member_come_and_go_with_it() {
        let registry = Registry::new();
        let clock = ManualClock::at(Duration::ZERO);
        let engine =
            Engine::builder().registry(&registry).manual(&clock).start().expect("it starts");
        let handles = Handles::register(&registry, 1).expect("it is registered");
        (1..=REPLICAS).for_each(|id| handles.add(id));
        // Seen, told to leave, gone.
        let generations = || (0..4).map(|_| engine.refresh()).last().expect("there are some");
        let has = |label: &str, value: &str| {
            generations().series().any(|series| series.label(label) == Some(value))
        };
        assert!(has("peer", "2") && has("validator", "2"));
        // It is no peer of itself, but it votes.
        assert!(!has("peer", "1") && has("validator", "1"));
        handles.remove(2);
        assert!(handles.member(2).is_none() && handles.member(9).is_none());
        assert!(!has("peer", "2") && !has("validator", "2") && has("peer", "3"));
        handles.add(2);
        assert!(has("peer", "2") && has("validator", "2"));
    }
}
