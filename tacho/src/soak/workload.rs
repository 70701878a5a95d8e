//! What a soak drives.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tachometer::testing::artifact::Fact;
use tachometer::{Engine, Registry};

use super::args::SoakArgs;
use super::operations::Operations;
use crate::raft::config::LogKind;
use crate::timeline::Timeline;

/// What a workload is started with.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Load and faults are drawn from it, each from a [`Random::stream`](tachometer::testing::Random::stream) of its own.
    pub seed: u64,
    /// Clients that work at the same time; `None`: what the workload sees fit.
    pub clients: Option<u32>,
    /// Operations a second of all clients; `None`: each as fast as it is answered.
    pub rate: Option<f64>,
    /// The time between two faults, on average; `None`: there are none.
    pub faults: Option<Duration>,
    pub log: LogKind,
    /// Where temporary folders are made; `None`: the system's choice.
    pub folder: Option<PathBuf>,
    /// What the run is measured by, on a registry of its own.
    pub engine: Arc<Engine>,
    /// Where every operation is told.
    pub operations: Operations,
    /// Where what happens is told: faults, elections.
    pub timeline: Arc<Timeline>,
}

impl Setting {
    /// Where the workload registers what it measures besides its operations.
    pub fn registry(&self) -> &Registry {
        self.engine.registry()
    }
}

/// Something that works until it is stopped, and tells each operation to [`Setting::operations`].
#[allow(async_fn_in_trait, reason = "used in this package alone, on one task")]
pub trait Workload: Sized {
    /// As `--workload` and the artifact name it.
    const NAME: &'static str;

    /// The settings that matter to it, for the artifact.
    fn facts(args: &SoakArgs) -> Vec<(&'static str, Fact)>;

    /// Begins to work.
    async fn start(setting: &Setting) -> anyhow::Result<Self>;

    /// Called every second: an error if it is broken, which fails the run. An operation that fails is no such error.
    async fn check(&mut self) -> anyhow::Result<()>;

    /// Ends, within some seconds; when it returns nothing is recorded any more. An error if something is found wrong.
    async fn stop(self) -> anyhow::Result<()>;
}
