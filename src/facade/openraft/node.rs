//! In the place of `Raft`: what comes in from peers and from clients.

use super::contents::Contents;
use super::shared::Shared;
use crate::catalogue::raft::{Outcome, Rejection, SnapshotTrigger};
use openraft::error::{ClientWriteError, Fatal, RaftError};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, ClientWriteResponse, ClientWriteResult,
    responder::Responder,
};
use openraft::{AsyncRuntime, OptionalSend, Raft, RaftTypeConfig};
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

type JoinError<C> = <<C as RaftTypeConfig>::AsyncRuntime as AsyncRuntime>::JoinError;
type Receiver<C> = <<C as RaftTypeConfig>::Responder as Responder<C>>::Receiver;
type WriteError<C> = ClientWriteError<<C as RaftTypeConfig>::NodeId, <C as RaftTypeConfig>::Node>;

/// A `Raft` that counts what comes in: use it in the place of the other. Made by [`Probe::follow`](super::Probe::follow).
///
/// Everything that is not here is `Raft`'s own, through `Deref`.
pub struct ProbedRaft<C: RaftTypeConfig, K> {
    raft: Raft<C>,
    shared: Option<Arc<Shared<C, K>>>,
}

impl<C: RaftTypeConfig, K: Contents<C>> ProbedRaft<C, K> {
    pub(super) fn new(raft: Raft<C>, shared: Option<Arc<Shared<C, K>>>) -> Self {
        Self { raft, shared }
    }

    /// As [`Raft::append_entries`]; counts the request, and whether it was rejected.
    ///
    /// # Errors
    /// As there.
    pub async fn append_entries(
        &self,
        request: AppendEntriesRequest<C>,
    ) -> Result<AppendEntriesResponse<C::NodeId>, RaftError<C::NodeId>> {
        let Some(shared) = &self.shared else { return self.raft.append_entries(request).await };
        if let Some(leader) = request.vote.leader_id().voted_for().filter(|id| *id != shared.node) {
            shared.members.with(&shared.metrics, &leader, |member| {
                member.peer(&shared.metrics, &leader).metrics.append_entries_received.inc();
            });
        }
        let response = self.raft.append_entries(request).await;
        let rejection = match &response {
            Ok(AppendEntriesResponse::HigherVote(_)) => Rejection::StaleTerm,
            Ok(AppendEntriesResponse::Conflict) => Rejection::LogInconsistency,
            Ok(AppendEntriesResponse::Success | AppendEntriesResponse::PartialSuccess(_))
            | Err(_) => return response,
        };
        shared.metrics.append_entries_rejected.at(rejection).inc();
        response
    }

    /// As [`Raft::client_write`]; counts its commands by how it ended.
    ///
    /// # Errors
    /// As there.
    pub async fn client_write<E>(
        &self,
        data: C::D,
    ) -> Result<ClientWriteResponse<C>, RaftError<C::NodeId, WriteError<C>>>
    where
        Receiver<C>: Future<Output = Result<ClientWriteResult<C>, E>>,
        E: Error + OptionalSend,
    {
        let Some(shared) = &self.shared else { return self.raft.client_write(data).await };
        let commands = shared.contents.proposed(&data);
        let response = self.raft.client_write(data).await;
        let outcome = if response.is_ok() { Outcome::Ok } else { Outcome::Error };
        shared.metrics.proposals.at(outcome).add(commands);
        response
    }

    /// Asks for a snapshot, as `trigger().snapshot()` does, and says why: without this, a snapshot is counted as taken because
    /// of the log's size. If none has to be taken, the next one is counted as this.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn take_snapshot(&self, trigger: SnapshotTrigger) -> Result<(), Fatal<C::NodeId>> {
        if let Some(shared) = &self.shared {
            shared.expect_snapshot(trigger);
        }
        self.raft.trigger().snapshot().await
    }

    /// As [`Raft::shutdown`]; when it returns, the gauges say that the node does not run.
    ///
    /// # Errors
    /// As there.
    pub async fn shutdown(&self) -> Result<(), JoinError<C>> {
        let ended = self.raft.shutdown().await;
        if let Some(shared) = &self.shared {
            shared.stopped();
        }
        ended
    }
}

impl<C: RaftTypeConfig, K> Deref for ProbedRaft<C, K> {
    type Target = Raft<C>;

    fn deref(&self) -> &Raft<C> {
        &self.raft
    }
}

impl<C: RaftTypeConfig, K> Clone for ProbedRaft<C, K> {
    fn clone(&self) -> Self {
        Self { raft: self.raft.clone(), shared: self.shared.clone() }
    }
}

impl<C: RaftTypeConfig, K> fmt::Debug for ProbedRaft<C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.shared.as_ref().map(|shared| &shared.node);
        f.debug_struct("ProbedRaft").field("node", &node).finish_non_exhaustive()
    }
}
