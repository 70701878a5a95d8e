//! Leaders that die: shuts the leader down at an interval and starts it again a little later.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::cluster::Cluster;
use crate::timeline::{Happening, Timeline};

/// How long a killed node stays down.
pub const DOWN: Duration = Duration::from_secs(1);

/// The shortest interval that leaves time for an election and a restart.
pub const SHORTEST_INTERVAL: Duration = Duration::from_secs(2);

/// How long an election may take before the run is called broken.
const ELECTION_LIMIT: Duration = Duration::from_secs(10);

/// Kills the leader every `interval` until `stop` changes.
pub async fn kill_leaders(
    cluster: Arc<Cluster>,
    interval: Duration,
    timeline: Arc<Timeline>,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval_at(Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // An error means that the run is over just as well.
            _ = stop.changed() => return Ok(()),
            _ = ticks.tick() => kill_leader(&cluster, &timeline).await?,
        }
    }
}

/// Kills the leader, waits for the next one, and starts the old one again.
pub async fn kill_leader(cluster: &Cluster, timeline: &Timeline) -> anyhow::Result<()> {
    let killed = cluster.wait_for_leader(ELECTION_LIMIT).await?;
    let started = Instant::now();
    cluster.kill(killed).await?;
    timeline.add(Happening::LeaderKilled { node: killed });

    let leader = cluster.wait_for_leader(ELECTION_LIMIT).await?;
    let took = started.elapsed();
    timeline.add(Happening::LeaderElected { node: leader, took });

    tokio::time::sleep_until(started + DOWN).await;
    cluster.restart(killed).await?;
    timeline.add(Happening::NodeRestarted { node: killed });
    Ok(())
}
