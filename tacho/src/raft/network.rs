//! Calls between nodes: through channels of one process.
//!
//! A [`Link`] is one node's way to one peer. It reaches the peer's `Raft` handle, which is itself a
//! channel to the peer's task. openraft bounds every call's time by dropping it.

#![allow(clippy::result_large_err, reason = "the errors are openraft's own")]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use openraft::error::{
    Fatal, InstallSnapshotError, RPCError, RaftError, RemoteError, ReplicationClosed,
    StreamingError, Timeout, Unreachable,
};
use openraft::network::{Backoff, RPCOption, RPCTypes, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    SnapshotResponse, VoteRequest, VoteResponse,
};

use super::router::{Endpoint, Router};
use super::types::{NodeId, Snapshot, Types, Vote};

/// How long a leader waits before it calls a peer again that could not be reached.
const BACKOFF: Duration = Duration::from_millis(100);

type CallError<E> = RPCError<NodeId, (), E>;

/// One node's side of the network.
#[derive(Clone, Debug)]
pub struct Network {
    pub node: NodeId,
    pub router: Arc<Router>,
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Link;

    async fn new_client(&mut self, peer: NodeId, _: &()) -> Link {
        Link { peer, local: self.clone() }
    }
}

/// One node's way to one peer.
#[derive(Debug)]
pub struct Link {
    peer: NodeId,
    local: Network,
}

impl Link {
    /// The way there. To openraft all that bars it is "unreachable": at others it would call again at once.
    fn reach(&self) -> Result<Arc<Endpoint>, Unreachable> {
        self.local.router.peer(self.local.node, self.peer)
    }

    fn answered<T, E: std::error::Error>(&self, response: Result<T, E>) -> Result<T, CallError<E>> {
        response.map_err(|error| RPCError::RemoteError(RemoteError::new(self.peer, error)))
    }
}

impl RaftNetwork<Types> for Link {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<NodeId>, CallError<RaftError<NodeId>>> {
        self.answered(self.reach()?.raft.append_entries(request).await)
    }

    async fn vote(
        &mut self,
        request: VoteRequest<NodeId>,
        _: RPCOption,
    ) -> Result<VoteResponse<NodeId>, CallError<RaftError<NodeId>>> {
        self.answered(self.reach()?.raft.vote(request).await)
    }

    /// Not called: [`Link::full_snapshot`] sends a snapshot whole.
    async fn install_snapshot(
        &mut self,
        request: InstallSnapshotRequest<Types>,
        _: RPCOption,
    ) -> Result<InstallSnapshotResponse<NodeId>, CallError<RaftError<NodeId, InstallSnapshotError>>>
    {
        self.answered(self.reach()?.raft.install_snapshot(request).await)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<NodeId>, StreamingError<Types, Fatal<NodeId>>> {
        let limit = option.hard_ttl();
        let sent = tokio::time::timeout(limit, self.send_snapshot(vote, snapshot));
        tokio::select! {
            sent = sent => sent.unwrap_or_else(|_| Err(self.timed_out(limit))),
            closed = cancel => Err(StreamingError::Closed(closed)),
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(BACKOFF))
    }
}

impl Link {
    async fn send_snapshot(
        &self,
        vote: Vote,
        snapshot: Snapshot,
    ) -> Result<SnapshotResponse<NodeId>, StreamingError<Types, Fatal<NodeId>>> {
        let result = self.reach()?.raft.install_full_snapshot(vote, snapshot).await;
        result.map_err(|error| StreamingError::RemoteError(RemoteError::new(self.peer, error)))
    }

    fn timed_out(&self, timeout: Duration) -> StreamingError<Types, Fatal<NodeId>> {
        let (id, target) = (self.local.node, self.peer);
        Timeout { action: RPCTypes::InstallSnapshot, id, target, timeout }.into()
    }
}
