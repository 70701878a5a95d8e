//! Around the network: every call to a peer, how it ended and how long it took.

#![allow(clippy::result_large_err, reason = "the errors are openraft's own")]

use super::SAMPLE_EVERY;
use super::contents::Contents;
use super::members::{Member, Peer};
use super::shared::Shared;
use crate::catalogue::raft::{Direction, Outcome, Rpc, RpcError};
use crate::{Sampler, Stamp};
use openraft::error::{
    Fatal, InstallSnapshotError, RPCError, RaftError, ReplicationClosed, StreamingError,
};
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RaftTypeConfig, Snapshot, Vote};
use std::error::Error;
use std::fmt::{self, Debug};
use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

type CallError<C, E> =
    RPCError<<C as RaftTypeConfig>::NodeId, <C as RaftTypeConfig>::Node, RaftErrorOf<C, E>>;
type RaftErrorOf<C, E> = RaftError<<C as RaftTypeConfig>::NodeId, E>;
type Plainly = openraft::error::Infallible;

/// A network whose calls are recorded. Made by [`Probe::network`](super::Probe::network).
pub struct ProbedNetwork<C: RaftTypeConfig, N, K> {
    network: N,
    shared: Option<Arc<Shared<C, K>>>,
}

impl<C: RaftTypeConfig, N, K> ProbedNetwork<C, N, K> {
    pub(super) fn new(network: N, shared: Option<Arc<Shared<C, K>>>) -> Self {
        Self { network, shared }
    }
}

impl<C: RaftTypeConfig, N: Debug, K> Debug for ProbedNetwork<C, N, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbedNetwork").field("network", &self.network).finish_non_exhaustive()
    }
}

impl<C, N, K> RaftNetworkFactory<C> for ProbedNetwork<C, N, K>
where
    C: RaftTypeConfig,
    N: RaftNetworkFactory<C>,
    K: Contents<C>,
{
    type Network = ProbedLink<C, N::Network, K>;

    async fn new_client(&mut self, target: C::NodeId, node: &C::Node) -> Self::Network {
        let link = self.network.new_client(target.clone(), node).await;
        let local = self.shared.as_ref().map(|shared| {
            let member = shared.members.with(&shared.metrics, &target, Arc::clone);
            member.peer(&shared.metrics, &target);
            Local { shared: shared.clone(), member }
        });
        ProbedLink { link, local, sampler: Sampler::one_in(SAMPLE_EVERY) }
    }
}

/// One node's way to one peer, whose calls are recorded.
///
/// openraft bounds the time of a call by dropping it, so one that is dropped at its limit is counted as timed out, and one
/// that is dropped earlier (its caller no longer leads) is not counted.
pub struct ProbedLink<C: RaftTypeConfig, N, K> {
    link: N,
    local: Option<Local<C, K>>,
    sampler: Sampler,
}

struct Local<C: RaftTypeConfig, K> {
    shared: Arc<Shared<C, K>>,
    member: Arc<Member>,
}

impl<C: RaftTypeConfig, N: Debug, K> Debug for ProbedLink<C, N, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbedLink").field("link", &self.link).finish_non_exhaustive()
    }
}

impl<C: RaftTypeConfig, K: Contents<C>> Local<C, K> {
    fn call(&self, rpc: Rpc, limit: Duration, weight: u32) -> Option<Call<'_, C, K>> {
        let (shared, peer) = (&*self.shared, self.member.peer.get()?);
        Some(Call { shared, peer, rpc, limit, started: Stamp::now(), weight, is_finished: false })
    }
}

impl<C, N, K> RaftNetwork<C> for ProbedLink<C, N, K>
where
    C: RaftTypeConfig,
    N: RaftNetwork<C>,
    K: Contents<C>,
{
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<C>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<C::NodeId>, CallError<C, Plainly>> {
        let Some(local) = &self.local else {
            return self.link.append_entries(request, option).await;
        };
        let weight = self.sampler.draw().map_or(0, NonZeroU32::get);
        let call = local.call(Rpc::AppendEntries, option.hard_ttl(), weight);
        if let Some(call) = &call {
            call.sends(&request.entries);
        }
        let response = self.link.append_entries(request, option).await;
        finish(call, &response);
        response
    }

    async fn vote(
        &mut self,
        request: VoteRequest<C::NodeId>,
        option: RPCOption,
    ) -> Result<VoteResponse<C::NodeId>, CallError<C, Plainly>> {
        let Some(local) = &self.local else { return self.link.vote(request, option).await };
        let call = local.call(Rpc::Vote, option.hard_ttl(), 1);
        let term = request.vote.leader_id().term;
        let response = self.link.vote(request, option).await;
        finish(call, &response);
        if response.as_ref().is_ok_and(|response| response.vote_granted) {
            local.shared.vote_granted(term);
        }
        response
    }

    #[allow(deprecated, reason = "it is, with a feature of openraft that a host may have")]
    async fn install_snapshot(
        &mut self,
        request: InstallSnapshotRequest<C>,
        option: RPCOption,
    ) -> Result<InstallSnapshotResponse<C::NodeId>, CallError<C, InstallSnapshotError>> {
        let Some(local) = &self.local else {
            return self.link.install_snapshot(request, option).await;
        };
        let call = local.call(Rpc::InstallSnapshot, option.hard_ttl(), 1);
        let response = self.link.install_snapshot(request, option).await;
        finish(call, &response);
        response
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote<C::NodeId>,
        snapshot: Snapshot<C>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<C::NodeId>, StreamingError<C, Fatal<C::NodeId>>> {
        let Some(local) = &self.local else {
            return self.link.full_snapshot(vote, snapshot, cancel, option).await;
        };
        // A snapshot takes as long as it takes: it is given up from the inside.
        let call = local.call(Rpc::InstallSnapshot, Duration::MAX, 1);
        let sent = self.link.full_snapshot(vote, snapshot, cancel, option).await;
        let shared = &local.shared;
        if let Some(call) = call {
            match &sent {
                Ok(_) => call.finish(Ok(())),
                // The leader's own doing: the peer did not fail.
                Err(StreamingError::Closed(_) | StreamingError::StorageError(_)) => {}
                Err(error) => call.finish(Err(shared.streaming_error(error))),
            }
        }
        let outcome = if sent.is_ok() { Outcome::Ok } else { Outcome::Error };
        shared.metrics.snapshot_transfers.at((Direction::Send, outcome)).inc();
        sent
    }

    fn backoff(&self) -> Backoff {
        self.link.backoff()
    }
}

impl<C: RaftTypeConfig, K: Contents<C>> Shared<C, K> {
    fn call_error<E: Error>(&self, error: &RPCError<C::NodeId, C::Node, E>) -> RpcError {
        match error {
            RPCError::Timeout(_) => RpcError::Timeout,
            RPCError::Unreachable(error) => self.contents.unreachable(error),
            RPCError::Network(_) => RpcError::Network,
            RPCError::PayloadTooLarge(_) | RPCError::RemoteError(_) => RpcError::Other,
        }
    }

    fn streaming_error<E: Error>(&self, error: &StreamingError<C, E>) -> RpcError {
        match error {
            StreamingError::Timeout(_) => RpcError::Timeout,
            StreamingError::Unreachable(error) => self.contents.unreachable(error),
            StreamingError::Network(_) => RpcError::Network,
            StreamingError::Closed(_)
            | StreamingError::StorageError(_)
            | StreamingError::RemoteError(_) => RpcError::Other,
        }
    }
}

/// A call under way.
struct Call<'a, C: RaftTypeConfig, K: Contents<C>> {
    shared: &'a Shared<C, K>,
    peer: &'a Peer,
    rpc: Rpc,
    limit: Duration,
    started: Stamp,
    /// How many calls this one's time stands for; zero if it is not recorded.
    weight: u32,
    is_finished: bool,
}

fn finish<C: RaftTypeConfig, K: Contents<C>, T, E: Error>(
    call: Option<Call<'_, C, K>>,
    response: &Result<T, RPCError<C::NodeId, C::Node, E>>,
) {
    if let Some(call) = call {
        let shared = call.shared;
        call.finish(response.as_ref().map(drop).map_err(|error| shared.call_error(error)));
    }
}

impl<C: RaftTypeConfig, K: Contents<C>> Call<'_, C, K> {
    fn sends(&self, entries: &[C::Entry]) {
        let bytes = entries.iter().map(|entry| self.shared.contents.bytes(entry)).sum();
        let group = crate::group();
        group.add(&self.peer.metrics.append_entries_sent, 1);
        group.add(&self.peer.metrics.append_entries_sent_bytes, bytes);
    }

    /// Only a call that was answered says how long an answer takes.
    fn finish(mut self, result: Result<(), RpcError>) {
        self.is_finished = true;
        self.record(result);
    }

    fn record(&self, result: Result<(), RpcError>) {
        let requests = self.peer.metrics.requests(self.rpc);
        match result {
            Ok(()) => {
                requests.ok.inc();
                self.peer.answered(self.started);
                if self.weight > 0 {
                    let took = self.started.elapsed_ns();
                    let durations = self.shared.metrics.rpc_duration.at(self.rpc);
                    durations.record_n(took, self.weight.into());
                }
            }
            Err(error) => requests.failed(error),
        }
    }
}

impl<C: RaftTypeConfig, K: Contents<C>> Drop for Call<'_, C, K> {
    fn drop(&mut self) {
        if !self.is_finished && Duration::from_nanos(self.started.elapsed_ns()) >= self.limit {
            self.record(Err(RpcError::Timeout));
        }
    }
}
