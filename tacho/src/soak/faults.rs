//! The faults of a seed: when, of what kind, for how long, and which of the followers.
//!
//! The plan is the same for a seed; who leads when a fault comes is not ours to say.

use std::sync::Arc;
use std::time::Duration;

use tachometer::testing::Random;
use tokio::sync::watch;

use crate::raft::cluster::Cluster;
use crate::raft::config::NODES;
use crate::raft::kills;
use crate::timeline::{Happening, Timeline};

/// The shortest time between two faults, on average, that leaves time for an election and a restart.
pub const SHORTEST_MEAN: Duration = Duration::from_secs(2);

/// At least so long is between the end of a fault and the next.
const PEACE: Duration = Duration::from_secs(1);

/// How long a follower is cut off.
const ISOLATED_MS: (u64, u64) = (500, 5_000);

/// How long a leader may take to be there before the run is called broken.
const ELECTION_LIMIT: Duration = Duration::from_secs(10);

/// Something that is done to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// After the fault before it is over.
    pub after: Duration,
    pub kind: FaultKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The leader is shut down, and comes back.
    KillLeader,
    /// The `follower`th node after the leader is cut off from its peers for a while.
    Isolate { follower: u64, lasts: Duration },
}

/// The faults of `seed`, `mean` apart on average.
pub fn plan(seed: u64, mean: Duration) -> impl Iterator<Item = Fault> {
    let mut random = Random::stream(seed, "faults", 0);
    std::iter::from_fn(move || {
        // All are drawn each time, so that one kind's draws do not move the other's.
        let gap = mean.saturating_sub(PEACE).mul_f64(random.exponential().min(10.0));
        let (kills, follower) = (random.chance(0.5), 1 + random.below(NODES - 1));
        let (shortest, longest) = ISOLATED_MS;
        let lasts = Duration::from_millis(shortest + random.below(longest - shortest));
        let kind =
            if kills { FaultKind::KillLeader } else { FaultKind::Isolate { follower, lasts } };
        Some(Fault { after: PEACE + gap, kind })
    })
}

/// Does what `plan` says until `stop` changes; then nobody is cut off.
pub async fn inflict(
    plan: impl Iterator<Item = Fault>,
    cluster: Arc<Cluster>,
    timeline: Arc<Timeline>,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    for fault in plan {
        tokio::select! {
            // An error means that the run is over just as well.
            _ = stop.changed() => return Ok(()),
            () = tokio::time::sleep(fault.after) => {}
        }
        match fault.kind {
            FaultKind::KillLeader => kills::kill_leader(&cluster, &timeline).await?,
            FaultKind::Isolate { follower, lasts } => {
                let leader = cluster.wait_for_leader(ELECTION_LIMIT).await?;
                let node = (leader - 1 + follower) % NODES + 1;
                cluster.set_isolated(node, true);
                timeline.add(Happening::FollowerIsolated { node });
                let over = tokio::time::timeout(lasts, stop.changed()).await.is_ok();
                cluster.set_isolated(node, false);
                timeline.add(Happening::FollowerBack { node });
                if over {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_one_plan() {
        let first = |seed| plan(seed, Duration::from_secs(10)).take(400).collect::<Vec<_>>();
        assert_eq!(first(3), first(3));
        assert_ne!(first(3), first(4));
        let all = first(3);
        let mean = all.iter().map(|fault| fault.after).sum::<Duration>() / 400;
        // Nine seconds of an exponential distribution and one: off by half a second on average.
        assert!((8.0..12.0).contains(&mean.as_secs_f64()), "{mean:?}");
        let kills = all.iter().filter(|fault| fault.kind == FaultKind::KillLeader).count();
        assert!((150..250).contains(&kills), "{kills}");
        for fault in all {
            assert!(fault.after >= PEACE);
            if let FaultKind::Isolate { follower, lasts } = fault.kind {
                assert!((1..NODES).contains(&follower));
                assert!((0.5..5.0).contains(&lasts.as_secs_f64()), "{lasts:?}");
            }
        }
    }
}
