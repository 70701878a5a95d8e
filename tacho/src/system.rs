//! What the commands `raft` and `hotstuff` have in common: a cluster that is started, loaded, disturbed, shown, and stopped.
//!
//! [`run`](crate::run) and [`compare`](crate::compare) do that with any [`System`].

use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;

use tachometer::Registry;
use tachometer::rules::RuleFile;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cli::RunArgs;
use crate::load::Target;
use crate::report::Row;
use crate::summary::Setup;
use crate::timeline::Timeline;

/// A cluster in this process.
pub trait System: Target + Send + Sync + Sized + 'static {
    /// Its command's flags.
    type Args: Flags;

    /// How it is spoken of.
    const WORDS: Words;

    /// Starts it, measured into `metrics` if that is given. Of what is too much to time each, one in `sample_every` is.
    fn start(
        args: &Self::Args,
        metrics: Option<&Registry>,
        sample_every: NonZeroU32,
    ) -> impl Future<Output = anyhow::Result<Self>>;

    /// Starts what the flags ask to be done to it while it runs.
    fn disturb(self: &Arc<Self>, args: &Self::Args, course: &Course) -> Tasks;

    /// How it stands, as the last part of a line.
    fn standing(&self) -> impl Future<Output = String>;

    /// An error if a part of it that should run has stopped by itself.
    fn check(&self) -> impl Future<Output = anyhow::Result<()>>;

    /// Stops it and removes what it stored.
    fn shutdown(self) -> impl Future<Output = anyhow::Result<()>>;
}

/// The flags of a command that runs a system.
pub trait Flags {
    fn run(&self) -> &RunArgs;

    /// What is run, as the summary tells it.
    fn setup(&self) -> Setup;
}

/// How a system is spoken of.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// What clients do: `writes`.
    pub operations: &'static str,
    /// One of them: `write`.
    pub operation: &'static str,
    /// The latency that the line shows, and the histogram that has it.
    pub latency: (&'static str, &'static str),
    /// The distributions of the summary.
    pub rows: &'static [Row],
    /// The rules that come with tachometer.
    pub rules: fn() -> anyhow::Result<Vec<RuleFile>>,
}

/// A run, for what goes on beside it.
#[derive(Clone, Debug)]
pub struct Course {
    pub timeline: Arc<Timeline>,
    /// Changes when the run is over.
    pub stopped: watch::Receiver<bool>,
}

/// What goes on beside the load.
pub type Tasks = JoinSet<anyhow::Result<()>>;
