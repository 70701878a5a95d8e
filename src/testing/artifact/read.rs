//! Reading a run's file back. It may be anything: no panic, and an error that says where it stopped.

use super::file::failed;
use super::state::{FORMAT, Fact, Status, VERSION};
use crate::export::json::node::{self, Node};
use crate::limits::MAX_JSON_BYTES;
use crate::testing::ProcessMemory;
use crate::{Error, JsonSnapshot};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

const WHAT: &str = "artifact of a run";

/// What a run came to, as its file says it.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What it is called.
    pub name: String,
    /// What tells it from all others.
    pub run_id: String,
    /// The seed of everything random in it.
    pub seed: Option<u64>,
    /// What became of it.
    pub status: Status,
    /// Why it failed.
    pub error: Option<String>,
    /// When it began, since 1970-01-01 UTC.
    pub started: Duration,
    /// When this was written, since 1970-01-01 UTC.
    pub written: Duration,
    /// How long it went on, until this was written.
    pub duration: Duration,
    /// How often a thread panicked.
    pub panics: u64,
    /// Settings that it had, and figures that it came to.
    pub facts: BTreeMap<String, Fact>,
    /// The process's memory, by time.
    pub memory: Vec<Reading>,
    /// What happened, by time.
    pub events: Vec<Event>,
    /// Events in the middle that there was no room for.
    pub dropped_events: u64,
    /// Facts that there was no room for.
    pub dropped_facts: u64,
    /// Writes that the system refused.
    pub failed_writes: u64,
    /// Whether there were metrics, but no room for them.
    pub metrics_left_out: bool,
    /// The metrics, as they were last.
    pub metrics: Option<JsonSnapshot>,
}

/// The process's memory at one moment of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Since the run began.
    pub at: Duration,
    /// What it took.
    pub memory: ProcessMemory,
}

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Since the run began.
    pub at: Duration,
    /// What, for programs.
    pub name: String,
    /// What, for people.
    pub text: String,
}

impl Run {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or as [`Run::parse`], with the file's name.
    pub fn read(path: impl AsRef<Path>) -> Result<Run, Error> {
        let path = path.as_ref();
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|error| failed("read", path, &error))?;
        let read = file.take(MAX_JSON_BYTES as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|error| failed("read", path, &error))?;
        Run::parse(&bytes).map_err(|error| match error {
            Error::Unreadable { what, at, reason } => {
                Error::Unreadable { what, at: format!("{}, {at}", path.display()), reason }
            }
            other => other,
        })
    }

    /// Reads a file's bytes. Fields that are not known are passed over.
    ///
    /// # Errors
    /// `Unreadable`, with line and column or with the path to the value, if this is not JSON, no artifact, or of a later version;
    /// if it is longer than [`MAX_JSON_BYTES`].
    pub fn parse(bytes: &[u8]) -> Result<Run, Error> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            let reason = "it is empty".to_owned();
            return Err(Error::Unreadable { what: WHAT, at: "its beginning".to_owned(), reason });
        }
        let value = node::parse(bytes, WHAT)?;
        let root = Node::root(&value, WHAT);
        if root.field("format")?.text()? != FORMAT {
            return Err(root.error(format!("it does not say format {FORMAT:?}")));
        }
        let version = root.field("version")?;
        if version.unsigned()? != VERSION {
            return Err(
                version.error(format!("version {VERSION} was expected; a later program reads it"))
            );
        }
        let count = |name: &str| root.field(name)?.unsigned();
        Ok(Run {
            name: root.field("name")?.text()?.to_owned(),
            run_id: root.field("run_id")?.text()?.to_owned(),
            seed: root.optional("seed").map(|seed| seed.unsigned()).transpose()?,
            status: status(&root.field("status")?)?,
            error: root.optional("error").map(|e| e.text().map(str::to_owned)).transpose()?,
            started: root.field("started_unix_ns")?.time()?,
            written: root.field("written_unix_ns")?.time()?,
            duration: root.field("duration_ns")?.time()?,
            panics: count("panics")?,
            facts: root.field("facts")?.entries(|node| fact(&node))?,
            memory: root.field("memory")?.each(|node| reading(&node))?,
            events: root.field("events")?.each(|node| event(&node))?,
            dropped_events: count("dropped_events")?,
            dropped_facts: count("dropped_facts")?,
            failed_writes: count("failed_writes")?,
            metrics_left_out: root.field("metrics_left_out")?.truth()?,
            metrics: root.optional("metrics").map(|node| JsonSnapshot::of(&node)).transpose()?,
        })
    }
}

fn status(node: &Node<'_>) -> Result<Status, Error> {
    let text = node.text()?;
    let found = Status::ALL.into_iter().find(|status| status.name() == text);
    found.ok_or_else(|| node.error("running, passed, failed or stopped was expected"))
}

fn fact(node: &Node<'_>) -> Result<Fact, Error> {
    let text = node.text().map(|text| Fact::Text(text.to_owned()));
    let flag = text.or_else(|_| node.truth().map(Fact::Flag));
    let number = flag.or_else(|_| node.float().map(Fact::Number));
    number.map_err(|_| node.expected("a text, a number, true or false"))
}

fn reading(node: &Node<'_>) -> Result<Reading, Error> {
    let memory = ProcessMemory {
        resident_bytes: node.field("resident_bytes")?.unsigned()?,
        virtual_bytes: node.field("virtual_bytes")?.unsigned()?,
        threads: node.field("threads")?.unsigned()?,
    };
    Ok(Reading { at: node.field("at_ns")?.time()?, memory })
}

fn event(node: &Node<'_>) -> Result<Event, Error> {
    Ok(Event {
        at: node.field("at_ns")?.time()?,
        name: node.field("name")?.text()?.to_owned(),
        text: node.field("text")?.text()?.to_owned(),
    })
}
