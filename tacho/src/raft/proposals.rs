//! Turns what many clients propose into log entries of many commands.
//!
//! A node has a queue of proposals and a few lanes. A lane takes all that waits, proposes it as one
//! entry, waits until it is applied, and answers. While all lanes wait, proposals pile up: the
//! busier the log, the larger the batches. The queue needs no bound of its own: each client has
//! one write under way.
//!
//! Two lanes keep the leader's log busy while the followers write; with more, each batch is smaller
//! and a log on disk, which takes a fixed number of batches a second, takes fewer writes.

use std::sync::Arc;

use openraft::error::{ClientWriteError, RaftError};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;

use super::config::COMMANDS_PER_ENTRY;
use super::types::{Command, Raft};

/// Entries that a node proposes at the same time.
const LANES: usize = 2;

/// Why a proposal was not committed, or not known to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This node does not lead.
    NotLeader,
    /// The node is shutting down; the command may still be committed.
    Stopped,
}

/// The revision that the command made, or why there is none.
pub type Answer = Result<u64, Refusal>;

#[derive(Debug)]
struct Proposal {
    command: Command,
    answer: oneshot::Sender<Answer>,
}

/// The way into a node's queue.
#[derive(Clone, Debug)]
pub struct ProposalSender(mpsc::UnboundedSender<Proposal>);

impl ProposalSender {
    /// Proposes `command`. A node that is gone drops the answer's sender.
    pub fn propose(&self, command: Command) -> oneshot::Receiver<Answer> {
        let (answer, receiver) = oneshot::channel();
        // A closed queue drops the proposal and with it the answer's sender.
        let _ = self.0.send(Proposal { command, answer });
        receiver
    }
}

type Queue = Arc<Mutex<mpsc::UnboundedReceiver<Proposal>>>;

/// A node's lanes.
#[derive(Debug)]
pub struct Lanes {
    tasks: JoinSet<()>,
}

impl Lanes {
    /// Starts the lanes of the node that `raft` is the handle of.
    pub fn start(raft: &Raft) -> (ProposalSender, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let queue: Queue = Arc::new(Mutex::new(receiver));
        let mut tasks = JoinSet::new();
        for _ in 0..LANES {
            tasks.spawn(run_lane(raft.clone(), queue.clone()));
        }
        (ProposalSender(sender), Self { tasks })
    }

    /// Ends the lanes. What still waits is answered by dropping it.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn run_lane(raft: Raft, queue: Queue) {
    let mut waiting = Vec::with_capacity(COMMANDS_PER_ENTRY);
    loop {
        if !take_waiting(&queue, &mut waiting).await {
            return;
        }
        let batch = waiting.iter().map(|proposal| proposal.command).collect();
        let answer = match raft.client_write(batch).await {
            Ok(response) => Ok(response.data),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))) => {
                Err(Refusal::NotLeader)
            }
            // No membership change is proposed here, so any other error is the node's end.
            Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(_)))
            | Err(RaftError::Fatal(_)) => Err(Refusal::Stopped),
        };
        for (position, proposal) in waiting.drain(..).enumerate() {
            // A client that gave up no longer listens.
            let _ = proposal.answer.send(answer.map(|first| first + position as u64));
        }
    }
}

/// Takes what waits, at least one proposal; `false` when no more will come.
async fn take_waiting(queue: &Queue, waiting: &mut Vec<Proposal>) -> bool {
    let mut queue = queue.lock().await;
    if queue.recv_many(waiting, COMMANDS_PER_ENTRY).await == 0 {
        return false;
    }
    // Clients that the other lane has just answered are about to write again: let them.
    tokio::task::yield_now().await;
    while waiting.len() < COMMANDS_PER_ENTRY
        && let Ok(proposal) = queue.try_recv()
    {
        waiting.push(proposal);
    }
    true
}
