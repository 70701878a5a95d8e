//! The `tacho` command: reads the command line, runs it, and prints what it came to.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;
use serde::Serialize;
use tacho::cli::{Cli, Command, ConfigCommand};
use tacho::soak::report::Verdict;
use tacho::soak::{self, SoakArgs};
use tacho::system::{Flags as _, System};
use tacho::{artifact, bench, compare, fleet, generate, hotstuff, query, raft, run, top};
use tachometer::config::{Config, EXAMPLE};
use tokio::runtime::Runtime;

/// Counts allocations, for `tacho bench`; about a nanosecond each.
#[global_allocator]
static ALLOCATOR: bench::CountingAllocator = bench::CountingAllocator;

fn main() -> ExitCode {
    let result = match Cli::parse().command() {
        Command::Raft(args) => drive::<raft::cluster::Cluster>(&args),
        Command::HotStuff(args) => drive::<hotstuff::cluster::Cluster>(&args),
        Command::Bench(args) => bench::run(&args).and_then(|report| print(&report, args.json)),
        Command::Query(args) => query::ask(&args).and_then(|text| write(&text)),
        Command::Generate(command) => generate::run(&command).and_then(|text| write(&text)),
        Command::Fleet(args) => fleet::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Soak(args) => soak(&args),
        Command::Artifact(command) => artifact::run(&command).and_then(|text| write(&text)),
        Command::Config(ConfigCommand::Example) => write(EXAMPLE),
        Command::Config(ConfigCommand::Check { file }) => match Config::check_file(&file) {
            Ok((_, description)) => write(&format!("{} is valid\n{description}", file.display())),
            Err(error) => Err(error.into()),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tacho: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn runtime(workers: u16) -> anyhow::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let builder = builder.worker_threads(usize::from(workers)).thread_name("tacho-worker");
    builder.enable_all().build().context("the threads that run the cluster cannot be started")
}

/// Prints the report, and fails if the run did.
fn soak(args: &SoakArgs) -> anyhow::Result<()> {
    let report = runtime(args.workers)?.block_on(soak::run(args))?;
    print(&report, args.json)?;
    match &report.status {
        Verdict::Failed(_) => bail!("the soak failed: {}", report.error().unwrap_or_default()),
        Verdict::Passed | Verdict::Stopped => Ok(()),
    }
}

/// Runs a system, or compares it with and without metrics.
fn drive<S: System>(args: &S::Args) -> anyhow::Result<()> {
    let flags = args.run();
    let runtime = runtime(flags.workers)?;
    if flags.compare {
        print(&runtime.block_on(compare::compare::<S>(args))?, flags.json)
    } else {
        print(&runtime.block_on(run::run::<S>(args))?, flags.json)
    }
}

fn print(result: &(impl Display + Serialize), json: bool) -> anyhow::Result<()> {
    write(&if json { serde_json::to_string_pretty(result)? + "\n" } else { result.to_string() })
}

fn write(text: &str) -> anyhow::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever read the output has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("the result cannot be printed"),
    }
}
