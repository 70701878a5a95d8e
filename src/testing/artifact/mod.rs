//! What a run came to, in a JSON file that is there and parses whatever becomes of the process. Features `testing` and `json`.
//!
//! [`Artifact`] is the run as it goes on: it collects facts, events, readings of memory and the metrics, and writes all of it
//! anew, into a file beside its place that is then renamed, so that at any moment there is a whole one: after a panic, a limit that
//! failed, a SIGKILL. [`Run`] is what is read back.
//!
//! ```
//! use tachometer::testing::{Collector, artifact::{Artifact, Run, Status}};
//! # let folder = std::env::temp_dir().join(format!("tachometer-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let file = folder.join("run.json");
//! let test = Collector::new();
//! let artifact = Artifact::builder("a short run").seed(42).fact("clients", 3).create(&file)?;
//! test.registry().counter("requests_total", "Requests.")?.add(10);
//! artifact.event("node_killed", "node 2, the leader, was shut down");
//! artifact.metrics(&test.total().snapshot());
//! artifact.pass()?; // or `fail(error)`; a panic, or dropping it, fails it too
//!
//! let run = Run::read(&file)?;
//! assert_eq!((run.status, run.seed, run.events[0].name.as_str()), (Status::Passed, Some(42), "node_killed"));
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The file
//!
//! One JSON object: `format` (`"tachometer-artifact"`), `version` (1), `name`, `run_id`, `seed` or `null`, `status` (`"running"`,
//! `"passed"`, `"failed"`, `"stopped"`), `error` or `null`, `started_unix_ns`, `written_unix_ns`, `duration_ns` (of the run so far),
//! `panics`, `facts` (names, and texts, numbers or truths), `memory` (a list of `at_ns`, `resident_bytes`, `virtual_bytes`, `threads`),
//! `events` (a list of `at_ns`, `name`, `text`), `dropped_events`, `dropped_facts`, `failed_writes`, `metrics_left_out`, and
//! `metrics`: a page of [`JsonEncoder`](crate::JsonEncoder), with histograms that lose nothing, or `null`. Times are
//! strings of digits, as are integers beyond ±2⁵³.
//!
//! A run whose file says `running` goes on, or was killed: `written_unix_ns` says since when nobody wrote.

mod file;
mod panics;
mod read;
mod run;
mod state;

pub use read::{Event, Reading, Run};
pub use run::{Artifact, ArtifactBuilder};
pub use state::{Fact, Status};
