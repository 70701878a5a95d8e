//! Who leads, as one node sees it: told by the votes that openraft saves.
//!
//! openraft's metrics channel coalesces, so a campaign can come and go unseen there. But it saves every vote before it acts
//! on it: its own uncommitted vote is the start of a campaign, its own committed vote a victory, any other vote a defeat.
//! That is exact.

use super::contents::Contents;
use super::shared::{Shared, locked, number};
use crate::Stamp;
use crate::catalogue::raft::ElectionResult;
use openraft::{LeaderId, RaftTypeConfig, Vote};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// One node's campaigns and the leader it follows.
pub(super) struct Elections<C: RaftTypeConfig> {
    is_leader: AtomicBool,
    seen: Mutex<Seen<C>>,
}

struct Seen<C: RaftTypeConfig> {
    leader: Option<LeaderId<C::NodeId>>,
    campaign: Option<Campaign>,
}

struct Campaign {
    term: u64,
    votes: u64,
    started: Stamp,
}

impl<C: RaftTypeConfig> Default for Elections<C> {
    fn default() -> Self {
        let seen = Mutex::new(Seen { leader: None, campaign: None });
        Self { is_leader: AtomicBool::new(false), seen }
    }
}

impl<C: RaftTypeConfig> Elections<C> {
    /// Whether this node leads, as far as it knows.
    #[inline]
    pub fn is_leader(&self) -> bool {
        // Relaxed: it only decides what is recorded, and publishes nothing.
        self.is_leader.load(Ordering::Relaxed)
    }

    /// The node stopped: it leads no more, and a campaign of it has come to nothing.
    pub fn stopped(&self) {
        // Relaxed: see `is_leader`.
        self.is_leader.store(false, Ordering::Relaxed);
        locked(&self.seen).campaign = None;
    }
}

impl<C: RaftTypeConfig, K: Contents<C>> Shared<C, K> {
    /// A vote found at start: a node that led before may lead again without a new vote.
    pub fn vote_restored(&self, vote: &Vote<C::NodeId>) {
        if vote.is_committed() {
            self.leader_known(&mut locked(&self.elections.seen), vote.leader_id());
        }
    }

    /// A vote is durable.
    pub fn vote_saved(&self, vote: &Vote<C::NodeId>) {
        let mut seen = locked(&self.elections.seen);
        let (is_mine, term) = (self.is_mine(vote.leader_id()), vote.leader_id().term);
        if let Some(campaign) = seen.campaign.take() {
            let is_won = is_mine && vote.is_committed() && campaign.term == term;
            let result = if is_won { ElectionResult::Won } else { ElectionResult::Lost };
            let took = campaign.started.elapsed_ns();
            let group = crate::group();
            group.add(self.metrics.elections.at(result), 1);
            group.record(&self.metrics.election_duration, took);
        }
        if vote.is_committed() {
            return self.leader_known(&mut seen, vote.leader_id());
        }
        // Relaxed: see `Elections::is_leader`.
        self.elections.is_leader.store(false, Ordering::Relaxed);
        if is_mine {
            seen.campaign = Some(Campaign { term, votes: 1, started: Stamp::now() });
            self.metrics.votes_received.set(1.0);
        }
    }

    /// A peer granted its vote for this node in `term`.
    pub fn vote_granted(&self, term: u64) {
        let mut seen = locked(&self.elections.seen);
        if let Some(campaign) = seen.campaign.as_mut().filter(|campaign| campaign.term == term) {
            campaign.votes += 1;
            self.metrics.votes_received.set(campaign.votes as f64);
        }
    }

    fn is_mine(&self, leader: &LeaderId<C::NodeId>) -> bool {
        leader.voted_for().as_ref() == Some(&self.node)
    }

    fn leader_known(&self, seen: &mut Seen<C>, leader: &LeaderId<C::NodeId>) {
        // Relaxed: see `Elections::is_leader`.
        self.elections.is_leader.store(self.is_mine(leader), Ordering::Relaxed);
        if seen.leader.as_ref() != Some(leader) {
            seen.leader = Some(leader.clone());
            self.metrics.leader_changes.inc();
            self.metrics.current_term.set(leader.term as f64);
            if let Some(id) = leader.voted_for() {
                self.metrics.current_leader.set(number(&id));
            }
        }
    }
}
