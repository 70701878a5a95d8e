//! What a run's file says, and the words for it.

use crate::limits::{
    MAX_ARTIFACT_EVENTS, MAX_ARTIFACT_FACTS, MAX_ARTIFACT_READINGS, MAX_ARTIFACT_TEXT_BYTES,
    MAX_JSON_BYTES,
};
use crate::testing::ProcessMemory;
use crate::{Encoder, JsonEncoder, Moment, Snapshot};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How each of these files begins.
pub(super) const HEAD: &[u8] = br#"{"format":"tachometer-artifact","version":"#;
pub(super) const FORMAT: &str = "tachometer-artifact";
pub(super) const VERSION: u64 = 1;

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It goes on, or was killed.
    Running,
    /// It ended, and everything held.
    Passed,
    /// It ended with an error, a limit that was broken or a panic, or without a verdict.
    Failed,
    /// It was asked to end before its time; until then everything held.
    Stopped,
}

impl Status {
    pub(super) const ALL: [Status; 4] =
        [Status::Running, Status::Passed, Status::Failed, Status::Stopped];

    /// As the file says it: `running`, `passed`, `failed` or `stopped`.
    pub fn name(self) -> &'static str {
        match self {
            Status::Running => "running",
            Status::Passed => "passed",
            Status::Failed => "failed",
            Status::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that is known of a run: a setting that it had, a figure that it came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// A truth.
    Flag(bool),
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fact::Text(text) => f.write_str(text),
            Fact::Number(number) => write!(f, "{number}"),
            Fact::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

impl From<&str> for Fact {
    fn from(text: &str) -> Fact {
        Fact::Text(text.to_owned())
    }
}

impl From<String> for Fact {
    fn from(text: String) -> Fact {
        Fact::Text(text)
    }
}

impl From<f64> for Fact {
    fn from(number: f64) -> Fact {
        Fact::Number(number)
    }
}

impl From<u32> for Fact {
    fn from(number: u32) -> Fact {
        Fact::Number(number.into())
    }
}

impl From<i32> for Fact {
    fn from(number: i32) -> Fact {
        Fact::Number(number.into())
    }
}

impl From<bool> for Fact {
    fn from(flag: bool) -> Fact {
        Fact::Flag(flag)
    }
}

/// Everything that the file says.
#[derive(Debug)]
pub(super) struct State {
    pub(super) name: String,
    pub(super) run_id: String,
    pub(super) seed: Option<u64>,
    pub(super) started: Moment,
    pub(super) status: Status,
    pub(super) error: Option<String>,
    pub(super) panics: u64,
    pub(super) failed_writes: u64,
    facts: BTreeMap<String, Fact>,
    dropped_facts: u64,
    memory: Vec<(Duration, ProcessMemory)>,
    first_events: Vec<(Duration, String, String)>,
    last_events: VecDeque<(Duration, String, String)>,
    dropped_events: u64,
    metrics: Option<Arc<Snapshot>>,
    encoder: JsonEncoder,
}

impl State {
    pub(super) fn new(name: String, run_id: String, seed: Option<u64>, started: Moment) -> State {
        State {
            name: cut(name),
            run_id: cut(run_id),
            seed,
            started,
            status: Status::Running,
            error: None,
            panics: 0,
            failed_writes: 0,
            facts: BTreeMap::new(),
            dropped_facts: 0,
            memory: Vec::new(),
            first_events: Vec::new(),
            last_events: VecDeque::new(),
            dropped_events: 0,
            metrics: None,
            encoder: JsonEncoder::new(),
        }
    }

    pub(super) fn fact(&mut self, name: String, fact: Fact) {
        let fact = match fact {
            Fact::Text(text) => Fact::Text(cut(text)),
            // JSON has no word for it.
            Fact::Number(number) if !number.is_finite() => Fact::Text(number.to_string()),
            other => other,
        };
        let name = cut(name);
        if self.facts.len() < MAX_ARTIFACT_FACTS || self.facts.contains_key(&name) {
            self.facts.insert(name, fact);
        } else {
            self.dropped_facts += 1;
        }
    }

    pub(super) fn event(&mut self, at: Duration, name: String, text: String) {
        let event = (at, cut(name), cut(text));
        if self.first_events.len() < MAX_ARTIFACT_EVENTS / 2 {
            return self.first_events.push(event);
        }
        if self.last_events.len() == MAX_ARTIFACT_EVENTS - MAX_ARTIFACT_EVENTS / 2 {
            self.last_events.pop_front();
            self.dropped_events += 1;
        }
        self.last_events.push_back(event);
    }

    pub(super) fn memory(&mut self, at: Duration, memory: ProcessMemory) {
        if self.memory.len() == MAX_ARTIFACT_READINGS {
            let mut number = 0;
            self.memory.retain(|_| {
                number += 1;
                number % 2 == 1
            });
        }
        self.memory.push((at, memory));
    }

    pub(super) fn metrics(&mut self, snapshot: Arc<Snapshot>) {
        self.metrics = Some(snapshot);
    }

    pub(super) fn fail(&mut self, error: String) {
        self.status = Status::Failed;
        // The first is what the others follow from.
        self.error.get_or_insert(cut(error));
    }

    /// The file, as it is at `now`.
    pub(super) fn render(&mut self, now: Moment) -> Vec<u8> {
        self.render_within(now, MAX_JSON_BYTES)
    }

    fn render_within(&mut self, now: Moment, limit: usize) -> Vec<u8> {
        let mut page = HEAD.to_vec();
        page.extend_from_slice(VERSION.to_string().as_bytes());
        let span = now.elapsed.saturating_sub(self.started.elapsed);
        let event = |(at, name, text): &(Duration, String, String)| json!({"at_ns": ns(*at), "name": name, "text": text});
        let reading = |(at, memory): &(Duration, ProcessMemory)| {
            json!({
                "at_ns": ns(*at),
                "resident_bytes": integer(memory.resident_bytes),
                "virtual_bytes": integer(memory.virtual_bytes),
                "threads": integer(memory.threads),
            })
        };
        let fact = |fact: &Fact| match fact {
            Fact::Text(text) => json!(text),
            Fact::Number(number) => json!(number),
            Fact::Flag(flag) => json!(flag),
        };
        let facts: serde_json::Map<String, Value> =
            self.facts.iter().map(|(name, value)| (name.clone(), fact(value))).collect();
        let metrics = self.metrics.as_ref().map(|snapshot| self.encoder.to_vec(snapshot));
        let mut fields = vec![
            ("name", json!(self.name)),
            ("run_id", json!(self.run_id)),
            ("seed", self.seed.map_or(Value::Null, integer)),
            ("status", json!(self.status.name())),
            ("error", json!(self.error)),
            ("started_unix_ns", ns(self.started.unix)),
            ("written_unix_ns", ns(now.unix)),
            ("duration_ns", ns(span)),
            ("panics", integer(self.panics)),
            ("facts", Value::Object(facts)),
            ("memory", self.memory.iter().map(reading).collect()),
            ("events", self.first_events.iter().chain(&self.last_events).map(event).collect()),
            ("dropped_events", integer(self.dropped_events)),
            ("dropped_facts", integer(self.dropped_facts)),
            ("failed_writes", integer(self.failed_writes)),
        ];
        let rest = metrics.as_ref().map_or(0, Vec::len);
        let size: usize =
            fields.iter().map(|(name, value)| name.len() + value.to_string().len() + 5).sum();
        let left_out = page.len() + size + rest + 64 > limit;
        fields.push(("metrics_left_out", json!(left_out)));
        for (name, value) in fields {
            page.extend_from_slice(format!(",\n\"{name}\":{value}").as_bytes());
        }
        page.extend_from_slice(b",\n\"metrics\":");
        page.extend_from_slice(metrics.as_deref().filter(|_| !left_out).unwrap_or(b"null"));
        page.extend_from_slice(b"}\n");
        page
    }
}

fn ns(span: Duration) -> Value {
    Value::String(span.as_nanos().to_string())
}

/// As [`JsonEncoder`] writes it: not every reader of JSON holds more than 53 bits exactly.
fn integer(value: u64) -> Value {
    if value > 1 << 53 { Value::String(value.to_string()) } else { json!(value) }
}

/// Not longer than is allowed.
fn cut(mut text: String) -> String {
    const MARK: &str = "…";
    if text.len() > MAX_ARTIFACT_TEXT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_ARTIFACT_TEXT_BYTES - MARK.len()));
        text.push_str(MARK);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::artifact::Run;

    fn state() -> State {
        State::new("n".into(), "id".into(), Some(u64::MAX), Moment::default())
    }

    fn again(state: &mut State) -> Run {
        Run::parse(&state.render(Moment::default())).unwrap()
    }

    #[test]
    fn each_bound_holds_and_is_counted() {
        let mut state = state();
        for at in 0..MAX_ARTIFACT_EVENTS as u64 + 7 {
            state.event(Duration::from_secs(at), "e".into(), String::new());
        }
        for at in 0..MAX_ARTIFACT_FACTS + 3 {
            state.fact(at.to_string(), Fact::Flag(true));
            state.fact(at.to_string(), Fact::Number(f64::NAN));
        }
        for at in 0..=MAX_ARTIFACT_READINGS as u64 {
            let memory = ProcessMemory { threads: at, ..ProcessMemory::default() };
            state.memory(Duration::from_secs(at), memory);
        }
        let run = again(&mut state);
        assert_eq!((run.events.len(), run.dropped_events), (MAX_ARTIFACT_EVENTS, 7));
        let half = MAX_ARTIFACT_EVENTS / 2;
        let seconds = |at: usize| run.events[at].at.as_secs() as usize;
        assert_eq!((seconds(0), seconds(half - 1), seconds(half)), (0, half - 1, half + 7));
        assert_eq!((run.facts.len(), run.dropped_facts), (MAX_ARTIFACT_FACTS, 6));
        assert_eq!(run.facts["0"], Fact::Text("NaN".into()));
        let threads: Vec<u64> = run.memory.iter().map(|one| one.memory.threads).collect();
        assert_eq!(threads.len(), MAX_ARTIFACT_READINGS / 2 + 1);
        assert_eq!((threads[0], threads[1]), (0, 2));
        assert_eq!(threads.last(), Some(&(MAX_ARTIFACT_READINGS as u64)));
        assert_eq!(run.seed, Some(u64::MAX));
    }

    #[test]
    fn metrics_without_room_are_left_out_and_it_is_said() {
        let mut state = state();
        state.metrics(Arc::new(Snapshot::none(Moment::default())));
        let whole = state.render(Moment::default());
        let run = Run::parse(&whole).unwrap();
        assert!(run.metrics.is_some() && !run.metrics_left_out);
        let run = Run::parse(&state.render_within(Moment::default(), whole.len() - 1)).unwrap();
        assert!(run.metrics.is_none() && run.metrics_left_out);
    }

    #[test]
    fn a_long_text_is_cut_between_its_letters() {
        let mut state = state();
        state.fail("ä".repeat(MAX_ARTIFACT_TEXT_BYTES));
        state.fail("another".into());
        let error = again(&mut state).error.unwrap();
        assert!(error.len() <= MAX_ARTIFACT_TEXT_BYTES && error.ends_with("ä…"), "{error}");
    }
}
