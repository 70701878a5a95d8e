//! What a cluster is started with, and the bounds that keep it small.

use std::time::Duration;

use hotstuff_rs::replica::Configuration;
use hotstuff_rs::types::crypto_primitives::{SigningKey, VerifyingKey};
use hotstuff_rs::types::data_types::{BufferSize, ChainID, EpochLength, Power};
use hotstuff_rs::types::update_sets::{AppStateUpdates, ValidatorSetUpdates};
use hotstuff_rs::types::validator_set::{ValidatorSet, ValidatorSetState};
use tachometer::Registry;

/// A replica's number, from 1 to [`REPLICAS`], in the order in which replicas lead.
pub type ReplicaId = u64;

/// Four replicas bear one that fails.
pub const REPLICAS: u64 = 4;

/// Replicas that may fail, or lie.
pub const FAULTS: usize = 1;

/// How much each replica's vote weighs, and how often it leads: of seven views the last replica has one, the others two.
///
/// A block is committed when three views in a row have a certificate, and a certificate needs the leader of its own view and
/// that of the next. With equal weights and one replica of four down, there are never four leaders in a row, and nothing
/// is committed until it is back. With these, six leaders in a row are there while the [lightest](LIGHTEST) is down.
pub const POWERS: [u64; REPLICAS as usize] = [2, 2, 2, 1];

/// The replica without which the others go on committing.
pub const LIGHTEST: ReplicaId = REPLICAS;

/// How long a view may take. hotstuff_rs counts in whole seconds: less would be none at all.
pub const VIEW_TIME: Duration = Duration::from_secs(1);

/// Views until replicas agree on the view by vote. The time limits of an epoch's views add up, so that in a longer epoch
/// one that fails late, after many that were quick, is waited for as if they had all been slow.
const EPOCH_VIEWS: u32 = 1;

/// How often a replica tells how far it is, so that one that lacks blocks knows whom to ask.
const ADVERTISE_EVERY: Duration = Duration::from_millis(250);

/// A replica that saw no new certificate for so long asks for blocks.
const SYNC_AFTER: Duration = Duration::from_secs(2);

/// Blocks in one answer to a replica that lacks them.
const SYNC_BLOCKS: u32 = 200;

/// Most transactions in one block.
pub const BLOCK_TRANSACTIONS: usize = 1_024;

/// Transactions that wait at a replica; more are refused, and their clients try again.
pub const MEMPOOL_TRANSACTIONS: usize = 16_384;

/// How long a leader without transactions waits for one before it proposes an empty block.
pub const IDLE_BLOCK_EVERY: Duration = Duration::from_millis(20);

/// Committed blocks that a replica keeps for others that lack them; older ones are removed.
pub const BLOCKS_KEPT: u64 = 10_000;

/// What stored data may weigh. Nothing enforces it: it is what the use of storage is told against.
pub const STORAGE_BYTES: u64 = 256 << 20;

/// The longest time that a replica may be stopped for. Even with a block each 10 ms, others still have the blocks that it lacks.
pub const LONGEST_STOP: Duration = Duration::from_secs(60);

const _: () = assert!(LONGEST_STOP.as_millis() / 10 < BLOCKS_KEPT as u128);

/// How to start a cluster.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// Where replicas register what they measure; `None`: nothing is measured, no time stamp taken.
    pub metrics: Option<Registry>,
}

/// Who takes part, by number.
#[derive(Debug)]
pub struct Members {
    keys: Vec<SigningKey>,
}

impl Members {
    /// The same every time: keys that guard nothing.
    pub fn new() -> Self {
        let mut keys: Vec<SigningKey> =
            (1..=REPLICAS as u8).map(|seed| SigningKey::from_bytes(&[seed; 32])).collect();
        // hotstuff_rs orders validators by key, and they lead in that order.
        keys.sort_by_key(|key| key.verifying_key().to_bytes());
        Self { keys }
    }

    /// The key that `id` signs with.
    pub fn signing_key(&self, id: ReplicaId) -> SigningKey {
        self.keys[id as usize - 1].clone()
    }

    /// The key by which others know `id`.
    pub fn key(&self, id: ReplicaId) -> VerifyingKey {
        self.keys[id as usize - 1].verifying_key()
    }

    /// Whose key it is; `None` for a stranger's.
    pub fn id(&self, key: &VerifyingKey) -> Option<ReplicaId> {
        let found = self.keys.iter().position(|known| known.verifying_key() == *key);
        found.map(|position| position as ReplicaId + 1)
    }

    /// The state that every replica begins with: nothing stored, all members validators.
    pub fn genesis(&self) -> (AppStateUpdates, ValidatorSetState) {
        let mut updates = ValidatorSetUpdates::new();
        for (key, power) in self.keys.iter().zip(POWERS) {
            updates.insert(key.verifying_key(), Power::new(power));
        }
        let mut validators = ValidatorSet::new();
        validators.apply_updates(&updates);
        let state = ValidatorSetState::new(validators.clone(), validators, None, true);
        (AppStateUpdates::new(), state)
    }

    /// What hotstuff_rs is told of `id`.
    pub(crate) fn configuration(&self, id: ReplicaId) -> Configuration {
        Configuration::builder()
            .me(self.signing_key(id))
            .chain_id(ChainID::new(1))
            .block_sync_request_limit(SYNC_BLOCKS)
            .block_sync_server_advertise_time(ADVERTISE_EVERY)
            .block_sync_response_timeout(Duration::from_secs(1))
            .block_sync_blacklist_expiry_time(Duration::from_secs(2))
            .block_sync_trigger_min_view_difference(16)
            .block_sync_trigger_timeout(SYNC_AFTER)
            // Its own count of what it keeps never goes down, and at the limit it drops messages.
            .progress_msg_buffer_capacity(BufferSize::new(1 << 40))
            .epoch_length(EpochLength::new(EPOCH_VIEWS))
            .max_view_time(VIEW_TIME)
            .log_events(false)
            .build()
    }
}

impl Default for Members {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_known_by_their_keys() {
        let members = Members::new();
        for id in 1..=REPLICAS {
            assert_eq!(members.id(&members.key(id)), Some(id));
        }
        assert_eq!(members.id(&SigningKey::from_bytes(&[99; 32]).verifying_key()), None);
        let (_, state) = members.genesis();
        let order: Vec<_> =
            state.committed_validator_set().validators().map(|key| members.id(key)).collect();
        assert_eq!(order, [Some(1), Some(2), Some(3), Some(4)]);
    }

    #[test]
    fn the_others_are_a_quorum_whoever_is_gone() {
        let total: u64 = POWERS.iter().sum();
        for power in POWERS {
            assert!(total - power > total * 2 / 3, "without {power} of {total}");
        }
    }
}
