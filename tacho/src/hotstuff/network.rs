//! The network in memory: each replica has an inbox, and bytes go into it as they would go over a wire.
//!
//! Messages are encoded by whoever sends them and decoded by whoever takes them out, so that bytes are counted as they are
//! and not guessed. Replicas that are stopped have no inbox, replicas that are isolated reach only themselves.
//!
//! Two things keep hotstuff_rs 0.4 alive. Its poller asks without a pause: [`Endpoint::recv`] waits a little instead. And a
//! replica that comes back dies of the certificate that timeout votes carry for those who are behind ("non-increasing
//! view"): it is left out. Who is behind learns of the view by the messages that advance it, which all replicas send.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use hotstuff_rs::hotstuff::messages::HotStuffMessage;
use hotstuff_rs::networking::messages::{Message, ProgressMessage};
use hotstuff_rs::networking::network::Network;
use hotstuff_rs::pacemaker::messages::PacemakerMessage;
use hotstuff_rs::types::crypto_primitives::VerifyingKey;
use hotstuff_rs::types::data_types::CryptoHash;
use hotstuff_rs::types::update_sets::ValidatorSetUpdates;
use hotstuff_rs::types::validator_set::ValidatorSet;
use parking_lot::{Mutex, RwLock};

use super::config::{Members, REPLICAS, ReplicaId};
use super::priority;
use super::probe::{ConnectionError, Disconnection, MessageKind, Probe};
use crate::clock::Stamp;

/// How long [`Endpoint::recv`] waits; a replica that is to stop is waited for as long.
const PATIENCE: Duration = Duration::from_millis(10);

/// A message on its way.
struct Envelope {
    origin: ReplicaId,
    kind: MessageKind,
    sent_at: Stamp,
    bytes: Arc<[u8]>,
}

/// One replica's place on the network.
#[derive(Default)]
struct Port {
    /// `None` while the replica is stopped.
    inbox: RwLock<Option<Sender<Envelope>>>,
    waiting: AtomicUsize,
    is_isolated: AtomicBool,
    is_byzantine: AtomicBool,
    probe: Probe,
}

/// What all replicas are connected to.
pub struct Switch {
    members: Members,
    ports: Vec<Port>,
    /// Messages that reached their inbox.
    delivered: AtomicU64,
}

impl fmt::Debug for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switch").field("delivered", &self.delivered).finish_non_exhaustive()
    }
}

impl Switch {
    /// A network for replicas that measure through `probes`, by number from 1 on.
    pub fn new(members: Members, probes: &[Probe]) -> Self {
        let ports = probes.iter().map(|probe| Port { probe: probe.clone(), ..Port::default() });
        Self { members, ports: ports.collect(), delivered: AtomicU64::new(0) }
    }

    pub fn members(&self) -> &Members {
        &self.members
    }

    fn port(&self, id: ReplicaId) -> &Port {
        &self.ports[id as usize - 1]
    }

    /// Gives `id` an inbox, which all others are connected to from now on.
    pub fn connect(self: &Arc<Self>, id: ReplicaId) -> Endpoint {
        let (sender, inbox) = channel();
        let own = self.port(id);
        // Relaxed: a gauge, which publishes nothing else; nobody sends yet.
        own.waiting.store(0, Ordering::Relaxed);
        *own.inbox.write() = Some(sender);
        for peer in self.running().filter(|peer| *peer != id) {
            self.port(peer).probe.peer_connected(true);
            own.probe.peer_connected(false);
        }
        self.tell_peers();
        Endpoint { id, switch: self.clone(), inbox: Arc::new(Mutex::new(inbox)) }
    }

    /// Takes the inbox of `id` away. What is in it is lost.
    pub fn disconnect(&self, id: ReplicaId) {
        let own = self.port(id);
        if own.inbox.write().take().is_none() {
            return;
        }
        for peer in self.running() {
            self.port(peer).probe.peer_disconnected(Disconnection::Closed);
            own.probe.peer_disconnected(Disconnection::Shutdown);
        }
        self.tell_peers();
        own.probe.peers_seen(0, 0);
    }

    /// The replicas that have an inbox.
    pub fn running(&self) -> impl Iterator<Item = ReplicaId> + '_ {
        (1..=REPLICAS).filter(|id| self.port(*id).inbox.read().is_some())
    }

    /// Cuts `id` off from the others, or lets it back.
    pub fn set_isolated(&self, id: ReplicaId, is_isolated: bool) {
        // Relaxed, here and where it is read: whether a message is lost does not hang on what happened before.
        let was = self.port(id).is_isolated.swap(is_isolated, Ordering::Relaxed);
        if was != is_isolated {
            if is_isolated {
                self.running().for_each(|peer| self.port(peer).probe.network_divided());
            }
            self.tell_peers();
        }
    }

    /// Lets `id` vote for blocks that nobody proposed, or lets it be honest again.
    pub fn set_byzantine(&self, id: ReplicaId, is_byzantine: bool) {
        // Relaxed: see `set_isolated`.
        self.port(id).is_byzantine.store(is_byzantine, Ordering::Relaxed);
    }

    /// Whether two replicas, neither of them stopped, reach each other.
    fn reach(&self, a: ReplicaId, b: ReplicaId) -> bool {
        let isolated = |id| self.port(id).is_isolated.load(Ordering::Relaxed);
        a == b || !(isolated(a) || isolated(b))
    }

    /// Lets each running replica know how many peers it has, and how many are beyond a partition.
    fn tell_peers(&self) {
        let running: Vec<ReplicaId> = self.running().collect();
        for id in &running {
            let peers = running.iter().filter(|peer| *peer != id);
            let (reached, beyond): (Vec<ReplicaId>, Vec<ReplicaId>) =
                peers.partition(|peer| self.reach(*id, **peer));
            self.port(*id).probe.peers_seen(reached.len(), beyond.len());
        }
    }

    /// Messages that wait in the inbox of `id`.
    pub fn waiting(&self, id: ReplicaId) -> usize {
        // Relaxed: a statistic.
        self.port(id).waiting.load(Ordering::Relaxed)
    }

    /// Messages that reached their inbox, all replicas together.
    pub fn delivered(&self) -> u64 {
        // Relaxed: a statistic.
        self.delivered.load(Ordering::Relaxed)
    }

    /// Puts `envelope` into the inbox of `to`; just before it is there, `sent` is called.
    fn deliver(
        &self,
        to: ReplicaId,
        envelope: Envelope,
        sent: impl FnOnce(),
    ) -> Result<(), ConnectionError> {
        if !self.reach(envelope.origin, to) {
            return Err(ConnectionError::Network);
        }
        let port = self.port(to);
        let inbox = port.inbox.read();
        let inbox = inbox.as_ref().ok_or(ConnectionError::ConnectionRefused)?;
        // Whoever takes it out counts it too, and must not be the first.
        sent();
        // Relaxed: statistics.
        port.waiting.fetch_add(1, Ordering::Relaxed);
        if inbox.send(envelope).is_err() {
            port.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(ConnectionError::ConnectionRefused);
        }
        self.delivered.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// One replica's end of the network. A clone is the same end.
#[derive(Clone)]
pub struct Endpoint {
    id: ReplicaId,
    switch: Arc<Switch>,
    inbox: Arc<Mutex<Receiver<Envelope>>>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Endpoint {
    fn probe(&self) -> &Probe {
        &self.switch.port(self.id).probe
    }

    /// The message as it goes out, and as bytes.
    fn encode(&self, mut message: Message) -> (MessageKind, Arc<[u8]>) {
        let kind = kind_of(&message);
        if let Message::ProgressMessage(ProgressMessage::PacemakerMessage(
            PacemakerMessage::TimeoutVote(vote),
        )) = &mut message
        {
            vote.highest_tc = None;
        }
        // Relaxed: see `Switch::set_isolated`.
        if self.switch.port(self.id).is_byzantine.load(Ordering::Relaxed)
            && let Message::ProgressMessage(ProgressMessage::HotStuffMessage(
                HotStuffMessage::PhaseVote(vote),
            )) = &mut message
        {
            vote.block = CryptoHash::new(vote.block.bytes().map(|byte| !byte));
        }
        // Into memory, nothing can go wrong.
        (kind, message.try_to_vec().unwrap_or_default().into())
    }

    fn transmit(&self, to: ReplicaId, kind: MessageKind, bytes: &Arc<[u8]>) {
        let probe = self.probe();
        let sent_at = probe.stamp();
        let envelope = Envelope { origin: self.id, kind, sent_at, bytes: bytes.clone() };
        // What a replica tells itself takes no network.
        let is_own = to == self.id;
        let sent = || {
            if !is_own {
                probe.message_sent(to, kind, bytes.len());
            }
        };
        if let Err(error) = self.switch.deliver(to, envelope, sent) {
            probe.message_lost(to, kind, error);
        }
    }
}

impl Network for Endpoint {
    fn init_validator_set(&mut self, validators: ValidatorSet) {
        let ids = validators.validators().filter_map(|key| self.switch.members.id(key));
        self.probe().members_are(ids);
    }

    fn update_validator_set(&mut self, updates: ValidatorSetUpdates) {
        let id = |key| self.switch.members.id(key);
        let came = updates.inserts().filter_map(|(key, _)| id(key));
        came.for_each(|member| self.probe().member_came(member));
        let gone = updates.deletes().filter_map(id);
        gone.for_each(|member| self.probe().member_went(member));
    }

    fn broadcast(&mut self, message: Message) {
        if matches!(
            &message,
            Message::ProgressMessage(ProgressMessage::BlockSyncAdvertiseMessage(_))
        ) {
            // Only the thread that serves blocks says this, and it never rests.
            priority::yield_to_all();
        }
        let (kind, bytes) = self.encode(message);
        (1..=REPLICAS).for_each(|to| self.transmit(to, kind, &bytes));
    }

    fn send(&mut self, peer: VerifyingKey, message: Message) {
        let Some(to) = self.switch.members.id(&peer) else { return };
        let (kind, bytes) = self.encode(message);
        self.transmit(to, kind, &bytes);
    }

    fn recv(&mut self) -> Option<(VerifyingKey, Message)> {
        let Envelope { origin, kind, sent_at, bytes } =
            self.inbox.lock().recv_timeout(PATIENCE).ok()?;
        // Relaxed: see `Switch::deliver`.
        self.switch.port(self.id).waiting.fetch_sub(1, Ordering::Relaxed);
        let probe = self.probe();
        let taken_at = probe.stamp();
        let message = Message::try_from_slice(&bytes);
        if origin != self.id {
            probe.message_received(origin, kind, bytes.len());
            self.switch.port(origin).probe.message_arrived(self.id, taken_at, sent_at);
        }
        Some((self.switch.members.key(origin), message.ok()?))
    }
}

fn kind_of(message: &Message) -> MessageKind {
    match message {
        Message::BlockSyncMessage(_) => MessageKind::Sync,
        Message::ProgressMessage(message) => match message {
            ProgressMessage::BlockSyncAdvertiseMessage(_) => MessageKind::Sync,
            ProgressMessage::PacemakerMessage(PacemakerMessage::TimeoutVote(_)) => {
                MessageKind::Timeout
            }
            ProgressMessage::PacemakerMessage(PacemakerMessage::AdvanceView(_)) => {
                MessageKind::AdvanceView
            }
            ProgressMessage::HotStuffMessage(message) => match message {
                HotStuffMessage::Proposal(_) => MessageKind::Proposal,
                HotStuffMessage::Nudge(_) => MessageKind::Nudge,
                HotStuffMessage::PhaseVote(_) => MessageKind::Vote,
                HotStuffMessage::NewView(_) => MessageKind::NewView,
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use hotstuff_rs::block_sync::messages::BlockSyncRequest;
    use hotstuff_rs::hotstuff::messages::PhaseVote;
    use hotstuff_rs::hotstuff::types::Phase;
    use hotstuff_rs::pacemaker::messages::TimeoutVote;
    use hotstuff_rs::pacemaker::types::TimeoutCertificate;
    use hotstuff_rs::types::data_types::{
        BlockHeight, ChainID, SignatureBytes, SignatureSet, ViewNumber,
    };
    use tachometer::{Engine, ManualClock, Registry, Snapshot};

    use super::*;

    struct Wired {
        engine: Engine,
        switch: Arc<Switch>,
        ends: Vec<Endpoint>,
    }

    /// All replicas connected, and members of each other's.
    fn wired() -> Wired {
        let registry = Registry::new();
        let clock = ManualClock::at(Duration::ZERO);
        let engine =
            Engine::builder().registry(&registry).manual(&clock).start().expect("it starts");
        let probe = |id| Probe::measuring(&registry, id).expect("it is registered");
        let probes: Vec<Probe> = (1..=REPLICAS).map(probe).collect();
        let switch = Arc::new(Switch::new(Members::new(), &probes));
        let (_, validators) = switch.members().genesis();
        let mut ends: Vec<Endpoint> = (1..=REPLICAS).map(|id| switch.connect(id)).collect();
        for end in &mut ends {
            end.init_validator_set(validators.committed_validator_set().clone());
        }
        Wired { engine, switch, ends }
    }

    impl Wired {
        fn send(&mut self, from: ReplicaId, to: ReplicaId, message: impl Into<Message>) {
            let key = self.switch.members().key(to);
            self.ends[from as usize - 1].send(key, message.into());
        }

        fn receive(&mut self, id: ReplicaId) -> Option<(ReplicaId, Message)> {
            let (key, message) = self.ends[id as usize - 1].recv()?;
            Some((self.switch.members().id(&key).expect("a member"), message))
        }

        fn seen(&self) -> Arc<Snapshot> {
            self.engine.refresh()
        }
    }

    fn request() -> BlockSyncRequest {
        BlockSyncRequest { chain_id: ChainID::new(1), start_height: BlockHeight::new(7), limit: 3 }
    }

    fn signature() -> SignatureBytes {
        SignatureBytes::try_from_slice(&[0; 64]).expect("64 bytes")
    }

    #[test]
    fn messages_are_counted_on_both_sides_by_the_byte() {
        let mut network = wired();
        network.send(1, 2, request());
        network.send(1, 1, request());
        assert_eq!((network.switch.waiting(2), network.switch.delivered()), (1, 2));
        let sent = network.seen();
        let count = |seen: &Snapshot, name: &str, replica: &str| {
            seen.counter_with(name, &[("replica", replica)]).unwrap_or(0)
        };
        let bytes = Message::from(request()).try_to_vec().expect("bytes").len() as u64;
        assert_eq!(count(&sent, "hotstuff_bytes_sent_total", "1"), bytes);
        assert_eq!(count(&sent, "hotstuff_bytes_received_total", "2"), 0);
        let (from, message) = network.receive(2).expect("it is there");
        assert!(from == 1 && matches!(message, Message::BlockSyncMessage(_)));
        let received = network.seen();
        assert_eq!(count(&received, "hotstuff_bytes_received_total", "2"), bytes);
        assert_eq!(network.switch.waiting(2), 0);
        assert!(network.receive(2).is_none());
    }

    #[test]
    fn what_cannot_be_reached_is_lost() {
        let mut network = wired();
        network.switch.set_isolated(3, true);
        network.send(1, 3, request());
        network.send(3, 3, request());
        network.switch.disconnect(2);
        network.send(1, 2, request());
        let seen = network.seen();
        let count = |name: &str, label| seen.counter_with(name, &[label]).expect(name);
        let failed = "hotstuff_connection_failures_total";
        assert_eq!(count("hotstuff_messages_lost_total", ("replica", "1")), 2);
        assert_eq!(count(failed, ("error", "network")), 1);
        assert_eq!(count(failed, ("error", "connection_refused")), 1);
        assert_eq!(count("hotstuff_messages_lost_total", ("replica", "3")), 0);
        let gauge = |name: &str, id: &str| seen.gauge_with(name, &[("replica", id)]).expect(name);
        assert_eq!(gauge("hotstuff_active_peers", "1"), 1.0);
        assert_eq!(gauge("hotstuff_partition_affected_peers", "1"), 1.0);
        assert_eq!(gauge("hotstuff_active_peers", "3"), 0.0);
        network.switch.set_isolated(3, false);
        network.send(1, 3, request());
        assert!(network.receive(3).is_some());
    }

    #[test]
    fn votes_are_changed_as_told_and_else_arrive_as_they_were() {
        let mut network = wired();
        let block = CryptoHash::new([9; 32]);
        let (chain_id, view) = (ChainID::new(1), ViewNumber::new(5));
        let vote =
            PhaseVote { chain_id, view, block, phase: Phase::Generic, signature: signature() };
        let sent_as = |network: &mut Wired| {
            network.send(4, 1, HotStuffMessage::PhaseVote(vote.clone()));
            match network.receive(1) {
                Some((
                    4,
                    Message::ProgressMessage(ProgressMessage::HotStuffMessage(
                        HotStuffMessage::PhaseVote(vote),
                    )),
                )) => vote.block,
                _ => panic!("no vote came"),
            }
        };
        assert!(sent_as(&mut network) == block);
        network.switch.set_byzantine(4, true);
        assert!(sent_as(&mut network) != block);
        network.switch.set_byzantine(4, false);
        assert!(sent_as(&mut network) == block);

        let certificate =
            TimeoutCertificate { chain_id, view, signatures: SignatureSet::genesis() };
        let signature = signature();
        let vote = TimeoutVote { chain_id, view, signature, highest_tc: Some(certificate) };
        network.send(1, 2, PacemakerMessage::TimeoutVote(vote));
        let Some((
            1,
            Message::ProgressMessage(ProgressMessage::PacemakerMessage(
                PacemakerMessage::TimeoutVote(vote),
            )),
        )) = network.receive(2)
        else {
            panic!("no vote came")
        };
        assert!(vote.highest_tc.is_none() && vote.view == view);
    }
}
