//! Who leads, as one node sees it: told by the votes that openraft saves.
//!
//! openraft's metrics channel coalesces, so a campaign can come and go unseen there. But it saves
//! every vote before it acts on it: its own uncommitted vote is the start of a campaign, its own
//! committed vote a victory, any other vote a defeat. That is exact.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::probe::{ElectionResult, NodeProbe};
use super::router::Router;
use super::types::{NodeId, Vote};
use crate::clock::Stamp;

/// One node's campaigns and the leader it follows.
#[derive(Debug)]
pub struct Elections {
    node: NodeId,
    router: Arc<Router>,
    probe: NodeProbe,
    is_leader: AtomicBool,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Term and id of the last leader.
    leader: Option<(u64, NodeId)>,
    campaign: Option<Campaign>,
}

#[derive(Debug)]
struct Campaign {
    term: u64,
    votes: u64,
    started: Stamp,
}

impl Elections {
    pub fn new(node: NodeId, router: Arc<Router>, probe: NodeProbe) -> Self {
        let (is_leader, seen) = (AtomicBool::new(false), Mutex::default());
        Self { node, router, probe, is_leader, seen }
    }

    /// Whether this node leads, as far as it knows.
    pub fn is_leader(&self) -> bool {
        // Relaxed: it only decides what is measured, and publishes nothing.
        self.is_leader.load(Ordering::Relaxed)
    }

    /// A vote found at start: a node that led before may lead again without a new vote.
    pub fn vote_restored(&self, vote: &Vote) {
        if vote.is_committed() {
            self.follow(&mut self.seen.lock(), vote);
        }
    }

    /// A vote is durable.
    pub fn vote_saved(&self, vote: &Vote) {
        let mut seen = self.seen.lock();
        let is_mine = vote.leader_id().node_id == self.node;
        let term = vote.leader_id().term;
        if let Some(campaign) = seen.campaign.take() {
            let is_won = is_mine && vote.is_committed() && campaign.term == term;
            let result = if is_won { ElectionResult::Won } else { ElectionResult::Lost };
            self.probe.election_finished(result, campaign.started);
        }
        if vote.is_committed() {
            self.follow(&mut seen, vote);
            return;
        }
        // Relaxed: see `is_leader`.
        self.is_leader.store(false, Ordering::Relaxed);
        if is_mine {
            seen.campaign = Some(Campaign { term, votes: 1, started: self.probe.stamp() });
            self.probe.vote_received(1);
        }
    }

    /// A peer granted its vote for this node in `term`.
    pub fn vote_granted(&self, term: u64) {
        let mut seen = self.seen.lock();
        if let Some(campaign) = seen.campaign.as_mut().filter(|campaign| campaign.term == term) {
            campaign.votes += 1;
            self.probe.vote_received(campaign.votes);
        }
    }

    fn follow(&self, seen: &mut Seen, vote: &Vote) {
        let (term, leader) = (vote.leader_id().term, vote.leader_id().node_id);
        // Relaxed: see `is_leader`.
        self.is_leader.store(leader == self.node, Ordering::Relaxed);
        if seen.leader != Some((term, leader)) {
            seen.leader = Some((term, leader));
            self.probe.leader_changed(leader, term);
            self.router.leader_elected(term, leader);
        }
    }
}
