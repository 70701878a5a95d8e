//! What is done to the lightest replica while the cluster runs: for a while, then not for as long, and so on.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::cluster::Cluster;
use super::config::{LIGHTEST, LONGEST_STOP};
use crate::timeline::{Happening, Timeline};

/// The shortest trouble: two views take as long to fail.
pub const SHORTEST: Duration = Duration::from_secs(2);

/// The longest.
pub const LONGEST: Duration = LONGEST_STOP;

/// What can be done to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is stopped, and started again on what it has stored.
    Stop,
    /// It goes on, but reaches nobody.
    Isolate,
    /// It votes for blocks that nobody proposed.
    Lie,
}

impl Trouble {
    /// Begins, or ends.
    async fn set(self, cluster: &Cluster, is_on: bool) -> anyhow::Result<Happening> {
        let replica = LIGHTEST;
        Ok(match self {
            Self::Stop if is_on => {
                cluster.stop(replica).await?;
                Happening::ReplicaStopped { replica }
            }
            Self::Stop => {
                cluster.restart(replica).await?;
                Happening::ReplicaRestarted { replica }
            }
            Self::Isolate => {
                cluster.switch().set_isolated(replica, is_on);
                if is_on {
                    Happening::ReplicaIsolated { replica }
                } else {
                    Happening::ReplicaBack { replica }
                }
            }
            Self::Lie => {
                cluster.switch().set_byzantine(replica, is_on);
                if is_on {
                    Happening::ReplicaLies { replica }
                } else {
                    Happening::ReplicaHonest { replica }
                }
            }
        })
    }
}

/// After each `span`, makes `trouble` or ends it, until `stop` changes; then it is over.
pub async fn make(
    trouble: Trouble,
    cluster: Arc<Cluster>,
    span: Duration,
    timeline: Arc<Timeline>,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval_at(Instant::now() + span, span);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_on = false;
    loop {
        tokio::select! {
            // An error means that the run is over just as well.
            _ = stop.changed() => break,
            _ = ticks.tick() => {}
        }
        is_on = !is_on;
        timeline.add(trouble.set(&cluster, is_on).await?);
    }
    if is_on && trouble != Trouble::Stop {
        trouble.set(&cluster, false).await?;
    }
    Ok(())
}
