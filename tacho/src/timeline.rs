//! What happened during a run, and when: shown while it runs and again in the summary.

use std::fmt;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;

use crate::text::as_seconds;

/// Moments beyond this are counted, not kept.
const MOMENTS_KEPT: usize = 1_000;

/// Something worth telling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    LeaderKilled {
        node: u64,
    },
    LeaderElected {
        node: u64,
        #[serde(serialize_with = "as_seconds", rename = "seconds")]
        took: Duration,
    },
    NodeRestarted {
        node: u64,
    },
    /// Its peers cannot be reached from there, nor it from them.
    FollowerIsolated {
        node: u64,
    },
    FollowerBack {
        node: u64,
    },
    ReplicaStopped {
        replica: u64,
    },
    ReplicaRestarted {
        replica: u64,
    },
    /// Its peers cannot be reached from there, nor it from them.
    ReplicaIsolated {
        replica: u64,
    },
    ReplicaBack {
        replica: u64,
    },
    /// It votes for blocks that nobody proposed.
    ReplicaLies {
        replica: u64,
    },
    ReplicaHonest {
        replica: u64,
    },
    Alert(Notice),
}

/// What an alert became.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// `firing` or `resolved`.
    pub state: &'static str,
    pub name: String,
    /// Empty if its rule has none.
    pub severity: String,
    /// The labels that tell it from others of its rule, as `node="2"`.
    pub labels: String,
    pub summary: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state, name, severity, labels, summary } = self;
        write!(f, "alert {state}: {name}{{{labels}}}")?;
        // Who reads that it is over has read what it was.
        let more =
            [severity, summary].into_iter().filter(|more| *state == "firing" && !more.is_empty());
        more.into_iter().try_for_each(|more| write!(f, ", {more}"))
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeaderKilled { node } => write!(f, "node {node}, the leader, was shut down"),
            Self::LeaderElected { node, took } => {
                write!(f, "node {node} leads, {} ms after the loss", took.as_millis())
            }
            Self::NodeRestarted { node } => write!(f, "node {node} is back"),
            Self::FollowerIsolated { node } => {
                write!(f, "node {node}, a follower, was cut off from its peers")
            }
            Self::FollowerBack { node } => write!(f, "node {node} has its peers back"),
            Self::ReplicaStopped { replica } => write!(f, "replica {replica} was stopped"),
            Self::ReplicaRestarted { replica } => write!(f, "replica {replica} runs again"),
            Self::ReplicaIsolated { replica } => {
                write!(f, "replica {replica} was cut off from its peers")
            }
            Self::ReplicaBack { replica } => write!(f, "replica {replica} has its peers back"),
            Self::ReplicaLies { replica } => {
                write!(f, "replica {replica} votes for what nobody proposed")
            }
            Self::ReplicaHonest { replica } => write!(f, "replica {replica} votes honestly again"),
            Self::Alert(notice) => notice.fmt(f),
        }
    }
}

impl Happening {
    /// What it is, for programs: as JSON has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::LeaderKilled { .. } => "leader_killed",
            Self::LeaderElected { .. } => "leader_elected",
            Self::NodeRestarted { .. } => "node_restarted",
            Self::FollowerIsolated { .. } => "follower_isolated",
            Self::FollowerBack { .. } => "follower_back",
            Self::ReplicaStopped { .. } => "replica_stopped",
            Self::ReplicaRestarted { .. } => "replica_restarted",
            Self::ReplicaIsolated { .. } => "replica_isolated",
            Self::ReplicaBack { .. } => "replica_back",
            Self::ReplicaLies { .. } => "replica_lies",
            Self::ReplicaHonest { .. } => "replica_honest",
            Self::Alert(_) => "alert",
        }
    }
}

/// A happening and its time since the run began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    #[serde(serialize_with = "as_seconds")]
    pub at: Duration,
    #[serde(flatten)]
    pub happening: Happening,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>7.1}s  {}", self.at.as_secs_f64(), self.happening)
    }
}

/// The moments of a run, in order.
#[derive(Debug)]
pub struct Timeline {
    started: Instant,
    moments: Mutex<Moments>,
}

#[derive(Debug, Default)]
struct Moments {
    kept: Vec<Moment>,
    not_kept: u64,
}

impl Timeline {
    /// A timeline that begins now.
    pub fn begin() -> Self {
        Self { started: Instant::now(), moments: Mutex::default() }
    }

    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub fn add(&self, happening: Happening) {
        let moment = Moment { at: self.elapsed(), happening };
        let mut moments = self.moments.lock();
        if moments.kept.len() < MOMENTS_KEPT {
            moments.kept.push(moment);
        } else {
            moments.not_kept += 1;
        }
    }

    /// The moments from number `first` on.
    pub fn since(&self, first: usize) -> Vec<Moment> {
        self.moments.lock().kept.get(first..).unwrap_or_default().to_vec()
    }

    /// How many moments there were beyond those kept.
    pub fn not_kept(&self) -> u64 {
        self.moments.lock().not_kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_json() {
        let took = Duration::ZERO;
        let all = [
            Happening::LeaderKilled { node: 1 },
            Happening::LeaderElected { node: 1, took },
            Happening::NodeRestarted { node: 1 },
            Happening::FollowerIsolated { node: 1 },
            Happening::FollowerBack { node: 1 },
        ];
        for one in all {
            assert_eq!(serde_json::to_value(&one).unwrap()["event"], one.name());
        }
    }

    #[test]
    fn moments_beyond_the_limit_are_counted() {
        let timeline = Timeline::begin();
        for node in 0..MOMENTS_KEPT as u64 + 5 {
            timeline.add(Happening::LeaderKilled { node });
        }
        assert_eq!(timeline.since(0).len(), MOMENTS_KEPT);
        assert_eq!(timeline.since(MOMENTS_KEPT - 1).len(), 1);
        assert!(timeline.since(MOMENTS_KEPT + 1).is_empty());
        assert_eq!(timeline.not_kept(), 5);
    }
}
