//! A client of the cluster: writes through the leader, wherever it is.
//!
//! A write that is refused or gets no answer is tried again at whoever leads then, until a
//! deadline. An attempt without an answer may have been committed all the same; trying again is
//! harmless because a command says what the value is to be. An `Ok` is given only for a command
//! that the leader has applied: it is never lost.

use std::fmt;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use tachometer::Sampler;

use super::probe::ONE_ANSWER_IN;
use super::router::{Endpoint, Router};
use super::types::{Command, Value};
use crate::clock::Stamp;

/// After this a write is given up.
const DEADLINE: Duration = Duration::from_secs(10);

/// How long an attempt may go without an answer, once or twice: see [`Client::attempt`].
const PATIENCE: Duration = Duration::from_secs(1);

/// How long to wait before another attempt.
const PAUSE: Duration = Duration::from_millis(5);

/// A write that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    pub revision: u64,
    /// Attempts before the one that succeeded.
    pub retries: u64,
}

/// A write that was given up; it may have been committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenUp {
    pub retries: u64,
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not acknowledged within {DEADLINE:?}, after {} retries", self.retries)
    }
}

impl std::error::Error for GivenUp {}

/// One client with one write under way at a time.
pub struct Client {
    router: Arc<Router>,
    leader: Option<Arc<Endpoint>>,
    /// Which commands are stamped.
    commands: Sampler,
    /// Which of those are followed to their answer.
    answers: Sampler,
    patience: Pin<Box<Sleep>>,
    attempts: u64,
    patience_started_at_attempt: u64,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("attempts", &self.attempts).finish_non_exhaustive()
    }
}

impl Client {
    /// One that follows one in `sample_every` of its commands.
    pub fn new(router: Arc<Router>, sample_every: NonZeroU32) -> Self {
        let patience = Box::pin(tokio::time::sleep(PATIENCE));
        Self {
            router,
            leader: None,
            commands: Sampler::one_in(sample_every),
            answers: Sampler::one_in(ONE_ANSWER_IN),
            patience,
            attempts: 0,
            patience_started_at_attempt: 0,
        }
    }

    /// Stores `value` under `key`; returns when it is committed and applied.
    pub async fn put(&mut self, key: u64, value: Value) -> Result<Written, GivenUp> {
        let is_timed = self.commands.draw().is_some();
        let mut first_proposed_at = Stamp::NONE;
        let mut deadline = None;
        let mut retries = 0;
        loop {
            if let Some(revision) = self.attempt(key, value, is_timed, &mut first_proposed_at).await
            {
                if first_proposed_at != Stamp::NONE
                    && let Some(leader) = &self.leader
                    && self.answers.draw().is_some()
                {
                    leader.probe.write_finished(first_proposed_at);
                }
                return Ok(Written { revision, retries });
            }
            self.leader = None;
            if *deadline.get_or_insert_with(|| Instant::now() + DEADLINE) <= Instant::now() {
                return Err(GivenUp { retries });
            }
            retries += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// One attempt at the current leader; `None` when there is none or it does not answer `Ok`.
    ///
    /// One timer serves all writes: when it ends it gives up the attempt that was already under
    /// way when it began, and begins again otherwise. Nothing is armed or read per write.
    async fn attempt(
        &mut self,
        key: u64,
        value: Value,
        is_timed: bool,
        first: &mut Stamp,
    ) -> Option<u64> {
        if self.leader.is_none() {
            self.leader = self.router.leader_endpoint();
        }
        let leader = self.leader.as_ref()?;
        let proposed_at = if is_timed { leader.probe.stamp() } else { Stamp::NONE };
        if *first == Stamp::NONE {
            *first = proposed_at;
        }
        self.attempts += 1;
        let mut answer = leader.proposals.propose(Command { proposed_at, key, value });
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer.ok()?.ok(),
                () = self.patience.as_mut() => {
                    self.patience.as_mut().reset(Instant::now() + PATIENCE);
                    if self.patience_started_at_attempt == self.attempts {
                        return None;
                    }
                    self.patience_started_at_attempt = self.attempts;
                }
            }
        }
    }
}
