//! The switchboard of the cluster: which nodes can be reached, and who leads.
//!
//! Nodes call each other and clients call nodes through it, so to take a node out of here is what
//! pulling its plug is elsewhere. Isolation cuts a node off from its peers, not from clients.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use openraft::error::Unreachable;
use parking_lot::RwLock;

use super::probe::NodeProbe;
use super::proposals::ProposalSender;
use super::types::{NodeId, Raft};

/// Why a peer that runs cannot be reached.
#[derive(Debug)]
pub struct Isolated;

impl fmt::Display for Isolated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one of the two is cut off from its peers")
    }
}

impl std::error::Error for Isolated {}

/// How a running node is reached.
#[derive(Clone)]
pub struct Endpoint {
    pub node: NodeId,
    pub raft: Raft,
    pub proposals: ProposalSender,
    pub probe: NodeProbe,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("node", &self.node).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Port {
    endpoint: RwLock<Option<Arc<Endpoint>>>,
    is_isolated: AtomicBool,
}

/// All nodes' ports.
pub struct Router {
    ports: Box<[Port]>,
    /// Term and node of the last leader that any node has heard of, packed so that a later leader
    /// is a larger number: see [`pack`].
    leader: AtomicU64,
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("leader", &self.leader()).finish_non_exhaustive()
    }
}

impl Router {
    /// Ports for nodes 1 to `nodes`, none of them running.
    pub fn new(nodes: u64) -> Self {
        let ports = (0..=nodes).map(|_| Port::default()).collect();
        Self { ports, leader: AtomicU64::new(0) }
    }

    pub fn connect(&self, endpoint: Endpoint) {
        if let Some(port) = self.port(endpoint.node) {
            *port.endpoint.write() = Some(Arc::new(endpoint));
        }
    }

    pub fn disconnect(&self, node: NodeId) {
        if let Some(port) = self.port(node) {
            *port.endpoint.write() = None;
        }
    }

    /// Cuts `node` off from its peers, or lets it back.
    pub fn set_isolated(&self, node: NodeId, is_isolated: bool) {
        if let Some(port) = self.port(node) {
            // Relaxed: a switch that publishes nothing; the next calls see it.
            port.is_isolated.store(is_isolated, Ordering::Relaxed);
        }
    }

    /// `to`, as its peer `from` reaches it.
    pub fn peer(&self, from: NodeId, to: NodeId) -> Result<Arc<Endpoint>, Unreachable> {
        // Relaxed: see `set_isolated`.
        let is_cut = |port: &Port| port.is_isolated.load(Ordering::Relaxed);
        if [from, to].into_iter().filter_map(|node| self.port(node)).any(is_cut) {
            return Err(Unreachable::new(&Isolated));
        }
        self.endpoint(to)
            .ok_or_else(|| Unreachable::new(&io::Error::from(io::ErrorKind::ConnectionRefused)))
    }

    /// `node`, as a client reaches it; `None` when it is not running.
    pub fn endpoint(&self, node: NodeId) -> Option<Arc<Endpoint>> {
        self.port(node)?.endpoint.read().clone()
    }

    /// A node has learned of a leader. Older news than what is known is ignored.
    pub fn leader_elected(&self, term: u64, leader: NodeId) {
        // Relaxed: a hint; who acts on an old one is refused and asks again.
        self.leader.fetch_max(pack(term, leader), Ordering::Relaxed);
    }

    /// Term and id of the leader, if there was one yet. It may be down.
    pub fn leader(&self) -> Option<(u64, NodeId)> {
        // Relaxed: see `leader_elected`.
        let packed = self.leader.load(Ordering::Relaxed);
        (packed != 0).then_some((packed >> NODE_BITS, packed & ((1 << NODE_BITS) - 1)))
    }

    /// The way to the leader, if it is running.
    pub fn leader_endpoint(&self) -> Option<Arc<Endpoint>> {
        self.endpoint(self.leader()?.1)
    }

    fn port(&self, node: NodeId) -> Option<&Port> {
        self.ports.get(usize::try_from(node).ok()?)
    }
}

const NODE_BITS: u32 = 8;

/// openraft orders leaders by term and then by node, and so do these numbers.
fn pack(term: u64, leader: NodeId) -> u64 {
    term << NODE_BITS | leader
}
