//! What hotstuff_rs tells of a replica, and what follows from it.
//!
//! Events come on a thread of the replica's own, a little late, but in their order and with the time at which each happened:
//! durations are taken between those times. Views are followed here, since what ends a view is told before the next begins:
//!
//! | what ended it | counts as |
//! |---|---|
//! | a phase certificate of the view | the regular way, no change of view |
//! | a timeout certificate, after its own time was over | `timeout` |
//! | a timeout certificate before that | `new_leader` |
//! | a certificate of a later view | `sync` |

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hotstuff_rs::app::App;
use hotstuff_rs::events::{
    CollectPCEvent, CollectTCEvent, CommitBlockEvent, InsertBlockEvent, PhaseVoteEvent,
    ProposeEvent, ReceiveAdvanceViewEvent, ReceivePhaseVoteEvent, ReceiveProposalEvent,
    ReceiveSyncRequestEvent, ReceiveTimeoutVoteEvent, SendSyncResponseEvent, StartViewEvent,
    UpdateHighestPCEvent, ViewTimeoutEvent,
};
use hotstuff_rs::hotstuff::types::Phase;
use hotstuff_rs::pacemaker::messages::ProgressCertificate;
use hotstuff_rs::replica::{Configuration, Replica, ReplicaSpec};
use hotstuff_rs::types::crypto_primitives::VerifyingKey;
use hotstuff_rs::types::data_types::CryptoHash;
use parking_lot::Mutex;

use super::ledger::Ledger;
use super::network::{Endpoint, Switch};
use super::priority;
use super::probe::{ByzantineBehavior, MessageKind, Probe, ViewChange, VotePhase};
use super::store::Store;

/// Turns one replica's events into metrics, commits and answers.
#[derive(Debug)]
pub struct Observer {
    switch: Arc<Switch>,
    ledger: Arc<Ledger>,
    probe: Probe,
    views: Mutex<Views>,
}

/// Where the replica is. Only the thread of its events takes the lock.
#[derive(Debug, Default)]
struct Views {
    view: u64,
    entered_at: Option<SystemTime>,
    /// The last certificate that ends a view: which one, and whether it is one of timeouts.
    ended_by: Option<(u64, bool)>,
    /// When a message came that ended the view.
    ended_at: Option<SystemTime>,
    timed_out_at: Option<SystemTime>,
    /// Since when there is no proposal because a view failed.
    failed_at: Option<SystemTime>,
    /// The last proposal: its view, its block, and when it came.
    proposed: Option<(u64, CryptoHash, SystemTime)>,
    vote_came_at: Option<SystemTime>,
    timeout_vote_came_at: Option<SystemTime>,
    asked_for_blocks_at: Option<SystemTime>,
}

/// From `then` to `now`; `None` when the clock was set back between them.
fn since(then: Option<SystemTime>, now: SystemTime) -> Option<Duration> {
    now.duration_since(then?).ok()
}

fn phase(phase: Phase) -> VotePhase {
    match phase {
        Phase::Generic => VotePhase::Generic,
        Phase::Prepare => VotePhase::Prepare,
        Phase::Precommit => VotePhase::Precommit,
        Phase::Commit => VotePhase::Commit,
        Phase::Decide => VotePhase::Decide,
    }
}

impl Observer {
    pub fn new(switch: Arc<Switch>, ledger: Arc<Ledger>, probe: Probe) -> Arc<Self> {
        Arc::new(Self { switch, ledger, probe, views: Mutex::default() })
    }

    fn id(&self, key: &VerifyingKey) -> Option<u64> {
        self.switch.members().id(key)
    }

    fn view_started(&self, event: &StartViewEvent) {
        let (at, view) = (event.timestamp, event.view.int());
        let mut views = self.views.lock();
        self.probe.view_entered(view);
        let left = views.view;
        let is_first = views.entered_at.is_none();
        let by_timeouts = match views.ended_by {
            Some((ended, by_timeouts)) if ended + 1 == view => by_timeouts,
            _ => false,
        };
        let change = if is_first {
            None
        } else if view > left + 1 {
            Some(ViewChange::Sync)
        } else if !by_timeouts {
            None
        } else if views.timed_out_at.is_some() {
            Some(ViewChange::Timeout)
        } else {
            Some(ViewChange::NewLeader)
        };
        if let Some(reason) = change {
            self.probe.view_changed(reason);
            if reason != ViewChange::Sync {
                let failed_at = views.timed_out_at.or(Some(at));
                views.failed_at = views.failed_at.or(failed_at);
            }
        }
        self.handled(MessageKind::AdvanceView, views.ended_at.take(), at);
        (views.view, views.entered_at, views.timed_out_at) = (view, Some(at), None);
    }

    fn advance_view_came(&self, event: &ReceiveAdvanceViewEvent) {
        let certificate = &event.advance_view.progress_certificate;
        let by_timeouts = matches!(certificate, ProgressCertificate::TimeoutCertificate(_));
        let mut views = self.views.lock();
        views.ended_by = Some((certificate.view().int(), by_timeouts));
        views.ended_at = Some(event.timestamp);
    }

    fn proposed(&self, event: &ProposeEvent) {
        let views = self.views.lock();
        let entered_at = views.entered_at.filter(|_| views.view == event.proposal.view.int());
        self.probe.block_proposed(since(entered_at, event.timestamp));
        self.ledger.proposed(event.proposal.block.hash, event.timestamp);
    }

    fn proposal_came(&self, event: &ReceiveProposalEvent) {
        let mut views = self.views.lock();
        let proposal = &event.proposal;
        views.proposed = Some((proposal.view.int(), proposal.block.hash, event.timestamp));
        if let Some(took) = since(views.failed_at.take(), event.timestamp) {
            self.probe.view_change_over(took);
        }
    }

    fn vote_came(&self, event: &ReceivePhaseVoteEvent) {
        let Some(validator) = self.id(&event.origin) else { return };
        let vote = &event.phase_vote;
        let mut views = self.views.lock();
        views.vote_came_at = Some(event.timestamp);
        self.probe.vote_received(validator, phase(vote.phase));
        // Of a view whose proposal was not seen here, nobody can say what should be voted for.
        if let Some((view, block, _)) = views.proposed
            && view == vote.view.int()
            && block != vote.block
        {
            self.probe.misbehaved(validator, ByzantineBehavior::InvalidVote);
        }
    }

    fn voted(&self, event: &PhaseVoteEvent) {
        self.probe.vote_sent(phase(event.vote.phase));
        let proposed = self.views.lock().proposed;
        let came_at = proposed.filter(|(view, ..)| *view == event.vote.view.int());
        self.handled(MessageKind::Proposal, came_at.map(|(_, _, at)| at), event.timestamp);
    }

    /// What began with a message that `came_at` is done.
    fn handled(&self, kind: MessageKind, came_at: Option<SystemTime>, now: SystemTime) {
        if let Some(took) = since(came_at, now) {
            self.probe.message_processed(kind, took);
        }
    }

    fn certificate_collected(&self, event: &CollectPCEvent) {
        if let Some(took) = since(self.views.lock().vote_came_at.take(), event.timestamp) {
            self.probe.vote_processed(took);
            self.probe.message_processed(MessageKind::Vote, took);
        }
    }

    /// Starts a replica that tells `self` of its events.
    ///
    /// The same handlers are there whether anything is measured or not: answers to clients come from them too, and so the
    /// threads that call them cost the same with and without metrics.
    pub fn start(
        self: &Arc<Self>,
        app: impl App<Store> + 'static,
        network: Endpoint,
        store: Store,
        configuration: Configuration,
    ) -> Replica<Store> {
        /// A handler that is given the observer too.
        fn with<E>(
            observer: &Arc<Observer>,
            handle: impl Fn(&Observer, &E) + Send + 'static,
        ) -> impl Fn(&E) + Send + 'static {
            let observer = observer.clone();
            move |event| {
                priority::yield_to_all();
                handle(&observer, event);
            }
        }
        ReplicaSpec::builder()
            .app(app)
            .network(network)
            .kv_store(store)
            .configuration(configuration)
            .on_start_view(with(self, Self::view_started))
            .on_receive_advance_view(with(self, Self::advance_view_came))
            .on_propose(with(self, Self::proposed))
            .on_receive_proposal(with(self, Self::proposal_came))
            .on_receive_phase_vote(with(self, Self::vote_came))
            .on_collect_pc(with(self, Self::certificate_collected))
            .on_insert_block(with(self, |this, event: &InsertBlockEvent| {
                this.ledger.inserted(&event.block, event.timestamp);
            }))
            .on_commit_block(with(self, |this, event: &CommitBlockEvent| {
                this.ledger.committed(event.block, event.timestamp);
            }))
            .on_update_highest_pc(with(self, |this, _: &UpdateHighestPCEvent| {
                this.probe.certified();
            }))
            .on_phase_vote(with(self, Self::voted))
            .on_view_timeout(with(self, |this, event: &ViewTimeoutEvent| {
                this.probe.view_timed_out();
                this.views.lock().timed_out_at.get_or_insert(event.timestamp);
            }))
            .on_receive_timeout_vote(with(self, |this, event: &ReceiveTimeoutVoteEvent| {
                this.views.lock().timeout_vote_came_at = Some(event.timestamp);
            }))
            .on_collect_tc(with(self, |this, event: &CollectTCEvent| {
                let came_at = this.views.lock().timeout_vote_came_at.take();
                this.handled(MessageKind::Timeout, came_at, event.timestamp);
            }))
            .on_receive_sync_request(with(self, |this, event: &ReceiveSyncRequestEvent| {
                this.views.lock().asked_for_blocks_at = Some(event.timestamp);
            }))
            .on_send_sync_response(with(self, |this, event: &SendSyncResponseEvent| {
                let came_at = this.views.lock().asked_for_blocks_at.take();
                this.handled(MessageKind::Sync, came_at, event.timestamp);
            }))
            .build()
            .start()
    }
}
