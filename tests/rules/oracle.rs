//! `promtool` as the judge: it is given a rule file, and as a test what the evaluator here made of it at each moment.

use crate::common::debian;
use crate::memory::{Memory, Stored};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tachometer::query::{Answer, Labels, Query, STALE, Sample, Settings};
use tachometer::rules::{AlertState, RuleFile, RuleSettings, Rules, Transition};

/// Between two samples, and between two evaluations.
pub const STEP_MS: i64 = 60_000;

/// Whether there is a `promtool` to test with.
pub fn is_here() -> bool {
    debian::is_here("promtool", "prometheus")
}

/// A folder of its own; it goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("rules-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs `promtool` over files; whether it is content, and what it said.
fn promtool(arguments: &[&str], files: &[(&str, &str)]) -> (bool, String) {
    let folder = Folder::new();
    for (name, text) in files {
        std::fs::write(folder.0.join(name), text).unwrap();
    }
    let run = Command::new("promtool").args(arguments).current_dir(&folder.0).output().unwrap();
    let said = [run.stdout, run.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    (run.status.success(), said.concat())
}

/// What `promtool check rules` says of a file.
pub fn check(text: &str) -> Result<(), String> {
    let (is_fine, said) = promtool(&["check", "rules", "rules.yml"], &[("rules.yml", text)]);
    if is_fine { Ok(()) } else { Err(said) }
}

/// A series: its selector, and its values by minutes: numbers, `_` for none, `stale` for its end.
pub struct Input {
    pub labels: Labels,
    pub values: Vec<String>,
}

/// A series of a metric with labels; the values are in `promtool`'s form, without its abbreviations.
pub fn input(labels: &[(&str, &str)], values: &str) -> Input {
    let values = values.split_whitespace().map(str::to_owned).collect();
    Input { labels: Labels::new(labels.iter().copied()), values }
}

fn memory(inputs: &[Input]) -> Memory {
    let stored = inputs.iter().map(|input| {
        let values = input.values.iter().enumerate().filter(|(_, value)| *value != "_");
        let floats = values.map(|(step, value)| {
            let value = if value == "stale" { STALE } else { value.parse().unwrap() };
            (step as i64 * STEP_MS, value)
        });
        let (labels, floats) = (input.labels.clone(), floats.collect());
        Arc::new(Stored { labels, floats, histograms: Vec::new() })
    });
    Memory(stored.collect())
}

/// In the syntax of a selector.
fn selector(labels: &Labels) -> String {
    let pairs = labels.iter().filter(|(name, _)| *name != "__name__");
    let pairs: Vec<_> = pairs.map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{}{{{}}}", labels.metric().unwrap_or_default(), pairs.join(","))
}

fn map(labels: &Labels, without: &str) -> Value {
    let pairs = labels.iter().filter(|(name, _)| *name != without);
    pairs
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Evaluates a rule file over `inputs` for this many minutes, once in each, and has `promtool` confirm at each of them
/// which alerts fire, with which labels and annotations, and what `expressions` are, which see what the rules recorded.
pub fn judge(
    rules_text: &str,
    inputs: &[Input],
    minutes: usize,
    expressions: &[&str],
) -> Vec<Transition> {
    let file = RuleFile::parse("rules.yml", rules_text).unwrap();
    let alerts: Vec<String> = file
        .groups()
        .iter()
        .flat_map(|group| group.rules().iter().filter(|rule| rule.is_alert()))
        .map(|rule| rule.name().to_owned())
        .collect();
    let groups: Vec<_> = file.groups().iter().map(|group| group.name().to_owned()).collect();
    let settings =
        RuleSettings { interval: Duration::from_millis(STEP_MS as u64), ..RuleSettings::default() };
    let mut rules = Rules::new([file], settings);
    let memory = memory(inputs);
    let (mut transitions, mut alert_tests, mut expression_tests) =
        (Vec::new(), Vec::new(), Vec::new());
    for minute in 0..minutes {
        let now = minute as i64 * STEP_MS;
        let evaluation = rules.evaluate(now, &memory);
        assert_eq!(evaluation.failures, 0, "{:?}", rules.status().collect::<Vec<_>>());
        transitions.extend(evaluation.transitions);
        let time = format!("{minute}m");
        for name in &alerts {
            let firing = rules
                .alerts()
                .filter(|(_, rule, alert)| rule == name && alert.state == AlertState::Firing);
            let expected = firing.map(|(_, _, alert)| {
                json!({
                    "exp_labels": map(&alert.labels, "alertname"),
                    "exp_annotations": map(&alert.annotations, ""),
                })
            });
            let expected: Vec<_> = expected.collect();
            alert_tests.push(json!({"eval_time": time, "alertname": name, "exp_alerts": expected}));
        }
        for expression in expressions {
            let source = rules.source(&memory);
            let answer =
                Query::parse(expression).unwrap().instant(&source, now, &Settings::default());
            let Answer::Vector(samples) = answer.unwrap() else {
                panic!("{expression} is no vector")
            };
            let samples = samples.iter().map(|sample| {
                let Sample::Float(value) = sample.value else { panic!("a histogram") };
                json!({"labels": selector(&sample.labels), "value": value})
            });
            let samples: Vec<_> = samples.collect();
            expression_tests
                .push(json!({"expr": expression, "eval_time": time, "exp_samples": samples}));
        }
    }
    let series = inputs
        .iter()
        .map(|input| json!({"series": selector(&input.labels), "values": input.values.join(" ")}));
    let test = json!({
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        // Without it the order is another each time.
        "group_eval_order": groups,
        "tests": [{
            "interval": "1m",
            "input_series": series.collect::<Vec<_>>(),
            "alert_rule_test": alert_tests,
            "promql_expr_test": expression_tests,
        }],
    });
    // JSON is YAML, too.
    let files = [("rules.yml", rules_text), ("test.yml", &test.to_string())];
    let (is_fine, said) = promtool(&["test", "rules", "test.yml"], &files);
    assert!(is_fine, "promtool sees it otherwise:\n{said:.6000}");
    transitions
}
