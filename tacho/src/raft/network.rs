//! Calls between nodes: through channels of one process, each with its hook points.
//!
//! A [`Link`] is one node's way to one peer. It reaches the peer's `Raft` handle, which is itself a
//! channel to the peer's task. openraft bounds every call's time by dropping it, so a call that
//! ends without an answer is told apart by the time it took.

#![allow(clippy::result_large_err, reason = "the errors are openraft's own")]

use std::future::Future;
use std::io;
use std::num::NonZeroU32;
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

use tachometer::Sampler;

use super::elections::Elections;
use super::probe::{Direction, NodeProbe, ONE_IN, Outcome, Rejection, Rpc, RpcError};
use super::router::{Endpoint, Router};
use super::types::{NodeId, Snapshot, Types, Vote};
use crate::clock::Stamp;

/// How long a leader waits before it calls a peer again that could not be reached.
const BACKOFF: Duration = Duration::from_millis(100);

type CallError<E> = RPCError<NodeId, (), E>;

/// One node's side of the network.
#[derive(Clone, Debug)]
pub struct Network {
    pub node: NodeId,
    pub router: Arc<Router>,
    pub elections: Arc<Elections>,
    pub probe: NodeProbe,
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Link;

    async fn new_client(&mut self, peer: NodeId, _: &()) -> Link {
        Link { peer, local: self.clone(), sampler: Sampler::one_in(ONE_IN) }
    }
}

/// One node's way to one peer.
#[derive(Debug)]
pub struct Link {
    peer: NodeId,
    local: Network,
    sampler: Sampler,
}

impl Link {
    fn call(&self, rpc: Rpc, limit: Duration, weight: u32) -> Call<'_> {
        Call {
            link: self,
            rpc,
            limit,
            started: self.local.probe.stamp(),
            weight,
            is_finished: false,
        }
    }

    fn reach(&self) -> Result<Arc<Endpoint>, RpcError> {
        self.local.router.peer(self.local.node, self.peer)
    }
}

impl RaftNetwork<Types> for Link {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<NodeId>, CallError<RaftError<NodeId>>> {
        let weight = self.sampler.draw().map_or(0, NonZeroU32::get);
        let call = self.call(Rpc::AppendEntries, option.hard_ttl(), weight);
        self.local.probe.append_entries_sent(self.peer, &request.entries);
        match self.reach() {
            Ok(peer) => {
                peer.probe.append_entries_received(self.local.node);
                let response = peer.raft.append_entries(request).await;
                report_rejection(&peer.probe, &response);
                call.answered(response)
            }
            Err(error) => call.unreachable(error),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<NodeId>,
        option: RPCOption,
    ) -> Result<VoteResponse<NodeId>, CallError<RaftError<NodeId>>> {
        let call = self.call(Rpc::Vote, option.hard_ttl(), 1);
        let term = request.vote.leader_id().term;
        let response = match self.reach() {
            Ok(peer) => call.answered(peer.raft.vote(request).await),
            Err(error) => call.unreachable(error),
        };
        if response.as_ref().is_ok_and(|response| response.vote_granted) {
            self.local.elections.vote_granted(term);
        }
        response
    }

    /// Not called: [`Link::full_snapshot`] sends a snapshot whole.
    async fn install_snapshot(
        &mut self,
        request: InstallSnapshotRequest<Types>,
        option: RPCOption,
    ) -> Result<InstallSnapshotResponse<NodeId>, CallError<RaftError<NodeId, InstallSnapshotError>>>
    {
        let call = self.call(Rpc::InstallSnapshot, option.hard_ttl(), 1);
        match self.reach() {
            Ok(peer) => call.answered(peer.raft.install_snapshot(request).await),
            Err(error) => call.unreachable(error),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<NodeId>, StreamingError<Types, Fatal<NodeId>>> {
        let limit = option.hard_ttl();
        let sent = tokio::time::timeout(limit, self.send_snapshot(vote, snapshot, limit));
        let result = tokio::select! {
            sent = sent => sent.unwrap_or_else(|_| Err(self.timed_out(limit))),
            closed = cancel => Err(StreamingError::Closed(closed)),
        };
        self.local.probe.snapshot_transferred(Direction::Send, outcome(&result));
        result
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
        limit: Duration,
    ) -> Result<SnapshotResponse<NodeId>, StreamingError<Types, Fatal<NodeId>>> {
        let mut call = self.call(Rpc::InstallSnapshot, limit, 1);
        let peer = match self.reach() {
            Ok(peer) => peer,
            Err(error) => {
                call.finish(Err(error));
                return Err(StreamingError::Unreachable(down()));
            }
        };
        let result = peer.raft.install_full_snapshot(vote, snapshot).await;
        peer.probe.snapshot_transferred(Direction::Receive, outcome(&result));
        call.finish(result.as_ref().map(drop).map_err(|_| RpcError::Other));
        result.map_err(|error| StreamingError::RemoteError(RemoteError::new(self.peer, error)))
    }

    fn timed_out(&self, timeout: Duration) -> StreamingError<Types, Fatal<NodeId>> {
        let (id, target) = (self.local.node, self.peer);
        Timeout { action: RPCTypes::InstallSnapshot, id, target, timeout }.into()
    }
}

/// A call under way. Dropped without an end, it timed out or its caller no longer leads.
struct Call<'a> {
    link: &'a Link,
    rpc: Rpc,
    limit: Duration,
    started: Stamp,
    /// How many calls this one's time stands for; zero if it is not recorded.
    weight: u32,
    is_finished: bool,
}

impl Call<'_> {
    fn answered<T, E: std::error::Error>(
        mut self,
        response: Result<T, E>,
    ) -> Result<T, CallError<E>> {
        self.finish(response.as_ref().map(drop).map_err(|_| RpcError::Other));
        response.map_err(|error| RPCError::RemoteError(RemoteError::new(self.link.peer, error)))
    }

    /// All such errors are "unreachable" to openraft: at others it would call again at once.
    fn unreachable<T, E: std::error::Error>(mut self, error: RpcError) -> Result<T, CallError<E>> {
        self.finish(Err(error));
        Err(RPCError::Unreachable(down()))
    }

    fn finish(&mut self, result: Result<(), RpcError>) {
        self.is_finished = true;
        let probe = &self.link.local.probe;
        probe.rpc_finished(self.rpc, self.link.peer, result, self.started, self.weight);
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if self.is_finished || self.started == Stamp::NONE {
            return;
        }
        let waited = self.link.local.probe.stamp().ns_since(self.started);
        if Duration::from_nanos(waited) >= self.limit {
            self.finish(Err(RpcError::Timeout));
        }
    }
}

fn outcome<T, E>(result: &Result<T, E>) -> Outcome {
    if result.is_ok() { Outcome::Ok } else { Outcome::Error }
}

fn down() -> Unreachable {
    Unreachable::new(&io::Error::from(io::ErrorKind::ConnectionRefused))
}

fn report_rejection<E>(probe: &NodeProbe, response: &Result<AppendEntriesResponse<NodeId>, E>) {
    match response {
        Ok(AppendEntriesResponse::HigherVote(_)) => {
            probe.append_entries_rejected(Rejection::StaleTerm);
        }
        Ok(AppendEntriesResponse::Conflict) => {
            probe.append_entries_rejected(Rejection::LogInconsistency);
        }
        Ok(AppendEntriesResponse::Success | AppendEntriesResponse::PartialSuccess(_)) | Err(_) => {}
    }
}
