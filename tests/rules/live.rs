//! A real Prometheus that scrapes a page and evaluates a rule file while it does; then the same file here, over the samples that
//! it has, at the times at which it evaluated: the same alerts in the same states at the same times.
//!
//! Expressions look back by two seconds: what was scraped by then is in its store when it evaluates, whatever the machine
//! is at.

use crate::common::by_hand;
use crate::common::loopback::wait;
use crate::memory::{Memory, Stored};
use crate::page::Page;
use crate::server::{self, Prometheus};
use crate::servers::encoded;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tachometer::query::{Labels, STALE, Sample, is_stale};
use tachometer::rules::{RuleFile, RuleSettings, Rules};
use tachometer::{Encoder, Registry, Sink, Snapshot};

const RULES: &str = r#"
groups:
- name: live
  interval: 200ms
  rules:
  - {record: evaluation, expr: time()}
  - {record: 'level:max', expr: max(level offset 2s), labels: {of: level}}
  - alert: AtOnce
    expr: level offset 2s > 5
  - alert: Held
    expr: level offset 2s > 5
    for: 1s
  - alert: Kept
    expr: level offset 2s > 5
    for: 200ms
    keep_firing_for: 1s
  - alert: Sized
    expr: level offset 2s > 5
    for: 600ms
    labels: {size: '{{ if gt $value 8.0 }}large{{ else }}small{{ end }}'}
  - alert: Absent
    expr: absent(level{peer="b"} offset 2s)
    for: 400ms
  - alert: OfAlerts
    expr: count(ALERTS{alertname="Held", alertstate="firing"}) > 0
    for: 400ms
"#;

/// What each scrape in turn has of peers `a` and `b`; `_` is nothing.
const A: &str = "1 1 1 6 6 6 6 6 6 6 6 1 6 1 1 6 9 6 9 9 9 9 9 9 6 6 6 6 6 6 1 1 1 1 1 1 1 1 7 7";
const B: &str = "1 1 1 1 _ 1 _ _ _ _ _ _ 8 8 8 8 8 8 8 _ _ 8 8 8 8 8 8 8 8 _ _ _ _ _ _ _ 1 1 1 1";

/// A page that is another one each time.
#[derive(Debug)]
struct Script(usize);

impl Encoder for Script {
    fn content_type(&self) -> &str {
        "text/plain; version=0.0.4"
    }

    fn encode_into(&mut self, _: &Snapshot, sink: &mut Sink<'_>) -> std::io::Result<()> {
        for (peer, values) in [("a", A), ("b", B)] {
            let values: Vec<_> = values.split(' ').collect();
            let value = values[self.0.min(values.len() - 1)];
            if value != "_" {
                let line = format!("level{{peer=\"{peer}\"}} {value}\n");
                sink.buffer.extend_from_slice(line.as_bytes());
            }
        }
        self.0 += 1;
        Ok(())
    }
}

/// All samples of a selector: labels, and values by milliseconds.
fn samples(prometheus: &Prometheus, selector: &str) -> BTreeMap<Labels, Vec<(i64, f64)>> {
    let path = format!("/api/v1/query?query={}", encoded(&format!("{selector}[5m]")));
    let (status, body) = crate::servers::ask(prometheus.address(), "GET", &path, "", b"").unwrap();
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    let series = answer["data"]["result"].as_array().unwrap().iter().map(|series| {
        let labels = series["metric"].as_object().unwrap().iter();
        let labels = Labels::new(labels.map(|(name, value)| (name, value.as_str().unwrap())));
        let values = series["values"].as_array().unwrap().iter().map(|pair| {
            let time = (pair[0].as_f64().unwrap() * 1_000.0).round() as i64;
            (time, pair[1].as_str().unwrap().parse().unwrap())
        });
        (labels, values.collect())
    });
    series.collect()
}

/// The scraped series, with the marks of their ends: the API leaves them out, but each scrape has its `up`.
fn scraped(prometheus: &Prometheus) -> Memory {
    let up = samples(prometheus, "up");
    let scrapes: Vec<i64> = up.values().flatten().map(|(time, _)| *time).collect();
    let mut memory = Memory::default();
    for (labels, values) in samples(prometheus, "level") {
        let values: BTreeMap<i64, f64> = values.into_iter().collect();
        let (mut floats, mut was_there) = (Vec::new(), false);
        for time in &scrapes {
            match values.get(time) {
                Some(value) => floats.push((*time, *value)),
                None if was_there => floats.push((*time, STALE)),
                None => {}
            }
            was_there = values.contains_key(time);
        }
        memory.0.push(Arc::new(Stored { labels, floats, histograms: Vec::new() }));
    }
    memory
}

/// Series at times, with their values.
type Recorded = BTreeSet<(i64, Labels, u64)>;

#[test]
fn a_running_prometheus_sees_the_same_transitions_at_the_same_times() {
    if !server::is_here() {
        return;
    }
    let engine = by_hand(&Registry::new());
    let page = Page::of(Script(0), move || engine.refresh());
    let prometheus = Prometheus::with_rules(page.address, "", RULES);
    // The script's end has been seen, and the last alerts had time to fire.
    let last = "count_over_time(level{peer=\"a\"}[5m] offset 2s)";
    wait(|| match prometheus.query(last) {
        Some(count) if count >= 50.0 => Ok(()),
        seen => Err(format!("{last} is {seen:?}")),
    });
    // What was evaluated first, so that all that it was evaluated on is there.
    let names = ["ALERTS", "ALERTS_FOR_STATE", "level:max"];
    let evaluations = samples(&prometheus, "evaluation");
    let mut times: Vec<i64> = evaluations.into_values().flatten().map(|(time, _)| time).collect();
    // The last one may not be over yet.
    times.pop();
    let theirs: Vec<_> = names.iter().map(|name| samples(&prometheus, name)).collect();
    let memory = scraped(&prometheus);
    // At its first two evaluations a Prometheus looks for what it said before it was started, and says nothing.
    let (first, end) = (times[2], times[times.len() - 1]);
    let theirs: Recorded = theirs
        .into_iter()
        .flatten()
        .flat_map(|(labels, values)| {
            values.into_iter().map(move |(time, value)| (time, labels.clone(), value.to_bits()))
        })
        .filter(|(time, ..)| (first..=end).contains(time))
        .collect();

    let file = RuleFile::parse("rules.yml", RULES).unwrap();
    let mut rules = Rules::new([file], RuleSettings::default());
    let (mut own, mut transitions) = (Recorded::new(), 0);
    for time in times {
        let evaluation = rules.evaluate(time, &memory);
        assert_eq!((evaluation.groups, evaluation.failures), (1, 0));
        transitions += evaluation.transitions.len();
        for (labels, at, sample) in evaluation.recorded {
            let Sample::Float(value) = sample else { panic!("a histogram") };
            let is_compared = at >= first && names.contains(&labels.metric().unwrap());
            if is_compared && !is_stale(value) {
                own.insert((at, labels, value.to_bits()));
            }
        }
    }
    let difference = |a: &Recorded, b: &Recorded| -> Vec<_> {
        a.difference(b)
            .take(10)
            .map(|(at, labels, bits)| (at - first, labels.clone(), f64::from_bits(*bits)))
            .collect()
    };
    let (only_own, only_theirs) = (difference(&own, &theirs), difference(&theirs, &own));
    assert!(
        own == theirs,
        "at milliseconds since the first evaluation, only here: {only_own:#?}\nonly there: {only_theirs:#?}"
    );
    // Each of the alerts has fired, or there was nothing to compare.
    let fired: BTreeSet<_> = own
        .iter()
        .filter(|(_, labels, _)| labels.get("alertstate") == Some("firing"))
        .filter_map(|(_, labels, _)| labels.get("alertname"))
        .collect();
    assert_eq!(fired.len(), 6, "{fired:?}");
    assert!(transitions >= 30, "{transitions}");
}
