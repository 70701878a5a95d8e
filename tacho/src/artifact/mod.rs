//! `tacho artifact`: what runs came to, from the files that they left.

pub mod diff;
pub mod flat;
pub mod show;

use std::path::PathBuf;

use clap::Subcommand;
use tachometer::testing::artifact::Run;

#[derive(Clone, Debug, Subcommand)]
pub enum ArtifactCommand {
    /// Show what a run came to.
    Show {
        file: PathBuf,
        /// Each series by itself, and the engine's own.
        #[arg(long)]
        all: bool,
    },
    /// Compare two runs: verdicts, settings, memory, rates and distributions.
    Diff {
        /// The run to compare with.
        before: PathBuf,
        /// The run to compare.
        after: PathBuf,
        /// Each series by itself, the engine's own, and what is the same.
        #[arg(long)]
        all: bool,
    },
}

/// Runs one of the commands, and returns what it has to say.
pub fn run(command: &ArtifactCommand) -> anyhow::Result<String> {
    Ok(match command {
        ArtifactCommand::Show { file, all } => show::show(&Run::read(file)?, *all),
        ArtifactCommand::Diff { before, after, all } => {
            diff::diff(&Run::read(before)?, &Run::read(after)?, *all)
        }
    })
}
