//! Followers that are cut off: one at a time loses its peers for a while, and then has them back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::cluster::Cluster;
use super::config::NODES;
use crate::timeline::{Happening, Timeline};

/// The shortest time that a follower is cut off for: less is a network's everyday life.
pub const SHORTEST: Duration = Duration::from_secs(1);

/// How long the first leader may take to be there.
const ELECTION_LIMIT: Duration = Duration::from_secs(10);

/// After each `span`, cuts a follower off for as long, until `stop` changes; then nobody is cut off.
pub async fn isolate_followers(
    cluster: Arc<Cluster>,
    span: Duration,
    timeline: Arc<Timeline>,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval_at(Instant::now() + span, span);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut isolated = None;
    loop {
        tokio::select! {
            // An error means that the run is over just as well.
            _ = stop.changed() => break,
            _ = ticks.tick() => {}
        }
        isolated = match isolated {
            Some(node) => {
                cluster.set_isolated(node, false);
                timeline.add(Happening::FollowerBack { node });
                None
            }
            None => {
                let leader = cluster.wait_for_leader(ELECTION_LIMIT).await?;
                let node = leader % NODES + 1;
                cluster.set_isolated(node, true);
                timeline.add(Happening::FollowerIsolated { node });
                Some(node)
            }
        };
    }
    if let Some(node) = isolated {
        cluster.set_isolated(node, false);
    }
    Ok(())
}
