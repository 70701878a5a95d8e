//! The network of a host: here the nodes of one process call each other directly, where others have sockets.

#![allow(clippy::result_large_err, reason = "the errors are openraft's own")]

use crate::store::Types;
use openraft::error::{InstallSnapshotError, RPCError, RaftError, RemoteError, Unreachable};
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;
use tachometer::facade::openraft::{Plain, ProbedRaft};

/// A node that counts what comes in.
pub type Node = ProbedRaft<Types, Plain>;

type CallError<E = openraft::error::Infallible> = RPCError<u64, (), RaftError<u64, E>>;

/// Who can be called.
#[derive(Clone, Debug, Default)]
pub struct Switchboard(Arc<RwLock<Ports>>);

#[derive(Debug, Default)]
pub struct Ports {
    pub nodes: BTreeMap<u64, Node>,
    /// Nodes that are cut off from the others.
    pub isolated: BTreeSet<u64>,
}

impl Switchboard {
    pub fn ports(&self) -> RwLockWriteGuard<'_, Ports> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The network as `node` has it.
    pub fn of(&self, node: u64) -> Network {
        Network { node, switchboard: self.clone() }
    }
}

/// One node's side of the network.
#[derive(Clone, Debug)]
pub struct Network {
    node: u64,
    switchboard: Switchboard,
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Link;

    async fn new_client(&mut self, target: u64, _: &()) -> Link {
        Link { target, from: self.clone() }
    }
}

/// One node's way to another.
#[derive(Debug)]
pub struct Link {
    target: u64,
    from: Network,
}

impl Link {
    fn reach(&self) -> Result<Node, Unreachable> {
        let ports = self.from.switchboard.ports();
        let is_cut = [self.target, self.from.node].iter().any(|id| ports.isolated.contains(id));
        let refused = || Unreachable::new(&io::Error::from(io::ErrorKind::ConnectionRefused));
        ports.nodes.get(&self.target).filter(|_| !is_cut).cloned().ok_or_else(refused)
    }

    fn answered<T, E: std::error::Error>(
        &self,
        answer: Result<T, RaftError<u64, E>>,
    ) -> Result<T, CallError<E>> {
        answer.map_err(|error| RPCError::RemoteError(RemoteError::new(self.target, error)))
    }
}

impl RaftNetwork<Types> for Link {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, CallError> {
        self.answered(self.reach()?.append_entries(request).await)
    }

    async fn vote(
        &mut self,
        request: VoteRequest<u64>,
        _: RPCOption,
    ) -> Result<VoteResponse<u64>, CallError> {
        self.answered(self.reach()?.vote(request).await)
    }

    async fn install_snapshot(
        &mut self,
        request: InstallSnapshotRequest<Types>,
        _: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, CallError<InstallSnapshotError>> {
        self.answered(self.reach()?.install_snapshot(request).await)
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(Duration::from_millis(50)))
    }
}
