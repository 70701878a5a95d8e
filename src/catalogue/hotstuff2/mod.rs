//! What a HotStuff-2 replica records: consensus, performance, network, storage, state.
//!
//! Five bundles under one prefix, registered together. Peers and validators come and go with their handles:
//!
//! ```
//! use tachometer::Registry;
//! use tachometer::catalogue::hotstuff2::{HotStuffMetrics, Message, VotePhase};
//! let registry = Registry::new();
//! let hotstuff = HotStuffMetrics::register(&registry.scope([("replica", "1")])?)?;
//! hotstuff.consensus.current_view.set(17.0);
//! hotstuff.consensus.blocks_committed.inc();
//! hotstuff.storage.storage_size.set(48e6);
//!
//! // In a hot loop, keep what belongs to a peer.
//! let peer = hotstuff.peer("2");
//! peer.sent(Message::Vote).inc();
//! peer.latency.record(2_311_000);
//! let validator = hotstuff.validator("f00d");
//! validator.votes(VotePhase::Generic).inc();
//! # Ok::<(), tachometer::Error>(())
//! ```
//!
//! Durations are recorded in nanoseconds and exported in seconds. Throughput, ratios and efficiency are not recorded but
//! derived by rules ([`RuleFile::of_bundles`](crate::rules::RuleFile::of_bundles)), from counters of all five parts.
#![cfg_attr(
    not(feature = "rules"),
    allow(rustdoc::broken_intra_doc_links, reason = "made with rules")
)]

mod consensus;
mod labels;
mod network;
mod performance;
mod state;
mod storage;

pub use consensus::ConsensusMetrics;
pub use labels::{
    ByzantineBehavior, CacheResult, Connection, ConnectionError, Disconnection, KeyType, Message,
    Outcome, SafetyViolation, StorageOperation, Validity, ViewChange, VotePhase,
};
pub use network::NetworkMetrics;
pub use performance::PerformanceMetrics;
pub use state::StateMetrics;
pub use storage::StorageMetrics;

use crate::declare::Bundle;
use crate::{Counter, Error, Histogram, LabelEnum, MetricBuilder, Registry};

/// What one HotStuff-2 replica records. See the module.
#[derive(Clone, Debug)]
pub struct HotStuffMetrics {
    /// Blocks, views, votes, violations.
    pub consensus: ConsensusMetrics,
    /// Latencies as clients see them, and throughput.
    pub performance: PerformanceMetrics,
    /// Messages, bytes, peers.
    pub network: NetworkMetrics,
    /// What is stored.
    pub storage: StorageMetrics,
    /// The replicated state.
    pub state: StateMetrics,
}

impl HotStuffMetrics {
    /// The prefix of every name, unless another is given.
    pub const PREFIX: &'static str = ConsensusMetrics::PREFIX;

    /// Registers every metric of the five bundles, or finds it registered alike.
    ///
    /// # Errors
    /// A metric is registered with another definition, or there are too many series.
    pub fn register(registry: &Registry) -> Result<Self, Error> {
        Self::register_as(registry, Self::PREFIX, |metric| metric)
    }

    /// Registers every metric under `prefix`, each passed through `adjust`.
    ///
    /// # Errors
    /// As [`register`](HotStuffMetrics::register); and the prefix must make valid names.
    pub fn register_as(
        registry: &Registry,
        prefix: &str,
        adjust: impl for<'a> Fn(MetricBuilder<'a>) -> MetricBuilder<'a>,
    ) -> Result<Self, Error> {
        Ok(HotStuffMetrics {
            consensus: ConsensusMetrics::register_as(registry, prefix, &adjust)?,
            performance: PerformanceMetrics::register_as(registry, prefix, &adjust)?,
            network: NetworkMetrics::register_as(registry, prefix, &adjust)?,
            storage: StorageMetrics::register_as(registry, prefix, &adjust)?,
            state: StateMetrics::register_as(registry, prefix, &adjust)?,
        })
    }

    /// What the five bundles say of themselves.
    pub fn declarations() -> Vec<Bundle> {
        Self::declarations_as(Self::PREFIX)
    }

    /// What the five bundles say of themselves, under another prefix.
    pub fn declarations_as(prefix: &str) -> Vec<Bundle> {
        vec![
            ConsensusMetrics::declaration_as(prefix),
            PerformanceMetrics::declaration_as(prefix),
            NetworkMetrics::declaration_as(prefix),
            StorageMetrics::declaration_as(prefix),
            StateMetrics::declaration_as(prefix),
        ]
    }

    /// The handles that belong to the peer `peer`. Its series live as long as they do: keep them where the member is kept, and
    /// drop them with it. Within two generations of the last drop the series are gone, and push targets are told so; with
    /// new handles they come back from zero.
    pub fn peer(&self, peer: &str) -> PeerMetrics {
        let network = &self.network;
        let messages = |family: &crate::Family<Counter, 2>| {
            Message::VALUES.iter().map(|kind| family.member([kind, peer])).collect()
        };
        PeerMetrics {
            messages_sent: messages(&network.messages_sent),
            messages_received: messages(&network.messages_received),
            bytes_sent: network.bytes_sent.member([peer]),
            bytes_received: network.bytes_received.member([peer]),
            latency: network.peer_latency.member([peer]),
        }
    }

    /// Lets all series go that tell of the peer `peer`, also those recorded by their names; those of which somebody has a handle
    /// when that is dropped.
    pub fn forget_peer(&self, peer: &str) {
        self.network.forget("peer", peer);
    }

    /// As [`forget_peer`](HotStuffMetrics::forget_peer), those of the validator `validator`.
    pub fn forget_validator(&self, validator: &str) {
        self.consensus.forget("validator", validator);
    }

    /// The handles that belong to the validator `validator`; its series come and go as those of a
    /// [`peer`](HotStuffMetrics::peer).
    pub fn validator(&self, validator: &str) -> ValidatorMetrics {
        let (votes, behaviors) =
            (&self.consensus.votes_received, &self.consensus.byzantine_behaviors);
        ValidatorMetrics {
            votes: VotePhase::VALUES.iter().map(|phase| votes.member([phase, validator])).collect(),
            behaviors: ByzantineBehavior::VALUES
                .iter()
                .map(|kind| behaviors.member([kind, validator]))
                .collect(),
        }
    }
}

/// The handles that belong to one peer, to be kept where it is talked to. Made by [`HotStuffMetrics::peer`].
#[derive(Clone, Debug)]
pub struct PeerMetrics {
    messages_sent: Box<[Counter]>,
    messages_received: Box<[Counter]>,
    /// Bytes sent to it.
    pub bytes_sent: Counter,
    /// Bytes received from it.
    pub bytes_received: Counter,
    /// From a message to its answer, in nanoseconds.
    pub latency: Histogram,
}

impl PeerMetrics {
    /// Messages of one kind that were to be sent to it.
    #[inline]
    pub fn sent(&self, kind: Message) -> &Counter {
        &self.messages_sent[kind.index()]
    }

    /// Messages of one kind received from it.
    #[inline]
    pub fn received(&self, kind: Message) -> &Counter {
        &self.messages_received[kind.index()]
    }
}

/// The handles that belong to one validator. Made by [`HotStuffMetrics::validator`].
#[derive(Clone, Debug)]
pub struct ValidatorMetrics {
    votes: Box<[Counter]>,
    behaviors: Box<[Counter]>,
}

impl ValidatorMetrics {
    /// Its votes of one phase.
    #[inline]
    pub fn votes(&self, phase: VotePhase) -> &Counter {
        &self.votes[phase.index()]
    }

    /// What it did of one kind that an honest validator does not.
    #[inline]
    pub fn misbehaved(&self, kind: ByzantineBehavior) -> &Counter {
        &self.behaviors[kind.index()]
    }
}
