//! Rules that run by themselves: with each generation, at its time, whoever is told, over restarts and reloads.

use crate::common::loopback::wait_until;
use crate::common::{by_hand_with, by_hand_with_own_metrics};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tachometer::query::{Answer, MatchOp, Matcher, Query, Settings};
use tachometer::rules::{
    AlertState, Evaluation, RuleFile, RuleManager, RuleManagerBuilder, RuleObserver, Rules, Silence,
};
use tachometer::{Engine, Error, Gauge, History, ManualClock, Registry};

const START: u64 = 1_700_000_000;
const SECOND: Duration = Duration::from_secs(1);

fn file(text: &str) -> RuleFile {
    RuleFile::parse("rules.yml", text).unwrap()
}

/// What one evaluation changed: second, rule, state.
type Change = (i64, String, AlertState);

/// Remembers all changes.
#[derive(Default)]
struct Memory(Mutex<Vec<Change>>);

impl Memory {
    fn take(&self) -> Vec<Change> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl RuleObserver for Memory {
    fn evaluated(&self, now_ms: i64, evaluation: &Evaluation, rules: &Rules) {
        let second = now_ms / 1_000 - START as i64;
        let changes = evaluation.transitions.iter();
        self.0.lock().unwrap().extend(changes.map(|one| (second, one.rule.clone(), one.to)));
        assert!(rules.status().count() > 0);
    }
}

/// An engine that the test drives, with a gauge.
struct Host {
    gauge: Gauge,
    clock: ManualClock,
    engine: Engine,
    history: History,
    seen: Arc<Memory>,
}

impl Host {
    fn new() -> Host {
        Host::at(START)
    }

    fn at(second: u64) -> Host {
        let registry = Registry::new();
        let gauge = registry.gauge("level", "A level.").unwrap();
        let clock = ManualClock::at(Duration::from_secs(second));
        let engine = by_hand_with(&registry, &clock);
        let history = History::builder().start(&engine).unwrap();
        Host { gauge, clock, engine, history, seen: Arc::default() }
    }

    fn start(&self, builder: RuleManagerBuilder) -> RuleManager {
        builder.observer(self.seen.clone()).start(&self.engine, &self.history).unwrap()
    }

    fn step(&self, level: f64) {
        self.clock.advance(SECOND);
        self.gauge.set(level);
        self.engine.refresh();
    }
}

fn changes(of: &[(i64, &str, AlertState)]) -> Vec<Change> {
    of.iter().map(|(second, rule, state)| (*second, (*rule).to_owned(), *state)).collect()
}

use AlertState::{Firing, Inactive, Pending, Resolved};

const HIGH: &str = "groups: [{name: g, rules: [{alert: AtOnce, expr: level > 5}, {alert: Held, expr: level > 5, for: 3s}]}]";

#[test]
fn each_generation_is_evaluated_at_its_time_before_refresh_returns() {
    let host = Host::new();
    let _manager = host.start(RuleManager::builder().file(file(HIGH)));
    let levels = [1.0, 6.0, 6.0, 6.0, 6.0, 1.0];
    let mut seen = Vec::new();
    for level in levels {
        host.step(level);
        seen.extend(host.seen.take());
    }
    let expected = [
        (2, "AtOnce", Pending),
        (2, "AtOnce", Firing),
        (2, "Held", Pending),
        (5, "Held", Firing),
        (6, "AtOnce", Resolved),
        (6, "Held", Resolved),
    ];
    assert_eq!(seen, changes(&expected));
}

#[test]
fn time_goes_on_where_the_wall_steps_back() {
    let host = Host::new();
    let _manager = host.start(RuleManager::builder().file(file(HIGH)));
    host.step(6.0);
    host.clock.set_wall(Duration::from_secs(START - 1_000));
    (0..3).for_each(|_| host.step(6.0));
    let seen = host.seen.take();
    assert_eq!(seen.last(), Some(&(4, "Held".to_owned(), Firing)), "{seen:?}");
}

#[test]
fn generations_that_straddle_a_second_are_all_evaluated() {
    let host = Host::new();
    let manager = host.start(RuleManager::builder().file(file(HIGH)));
    for millis in [999, 2, 998, 1_001, 1_999, 3] {
        host.clock.advance(Duration::from_millis(millis));
        host.engine.refresh();
    }
    assert_eq!(manager.read(|rules| rules.status().next().unwrap().2[0].evaluations), 6);
}

#[test]
fn what_rules_record_is_in_the_source_and_not_in_the_history() {
    let host = Host::new();
    let rules = "groups: [{name: g, rules: [{record: level:twice, expr: 2 * level}, {alert: High, expr: level:twice > 5}]}]";
    let manager = host.start(RuleManager::builder().file(file(rules)));
    let source = manager.source();
    host.step(3.0);
    let now = (START as i64 + 1) * 1_000;
    let ask = |text: &str, source: &dyn tachometer::query::Source| {
        let answer = Query::parse(text).unwrap().instant(source, now, &Settings::default());
        let Answer::Vector(samples) = answer.unwrap() else { panic!("{text} is no vector") };
        samples.iter().map(|one| one.value.as_float().unwrap()).sum::<f64>()
    };
    for (text, wanted) in [
        ("level", 3.0),
        ("level:twice", 6.0),
        ("ALERTS{alertname=\"High\",alertstate=\"firing\"}", 1.0),
        ("ALERTS_FOR_STATE", START as f64 + 1.0),
        ("label_values_are_here or vector(9)", 9.0),
    ] {
        assert_eq!(ask(text, &*source), wanted, "{text}");
    }
    assert_eq!(ask("level:twice or vector(-1)", &host.history), -1.0);
    // It outlives the manager.
    drop(manager);
    assert_eq!(ask("level:twice", &*source), 6.0);
}

struct Panics;

impl RuleObserver for Panics {
    fn evaluated(&self, _: i64, _: &Evaluation, _: &Rules) {
        panic!("on purpose");
    }
}

#[test]
fn a_panic_of_an_observer_is_counted_and_the_others_are_told() {
    let registry = Registry::new();
    let engine = by_hand_with_own_metrics(&registry);
    let history = History::builder().start(&engine).unwrap();
    let seen = Arc::new(Memory::default());
    let rules = "groups: [{name: g, rules: [{alert: A, expr: vector(1)}, {record: r, expr: level * on () level}, {record: bad, expr: '\"x\"'}]}]";
    let manager = RuleManager::builder()
        .file(file(rules))
        .observer(Arc::new(Panics))
        .observer(seen.clone())
        .start(&engine, &history)
        .unwrap();
    (0..3).for_each(|_| drop(engine.refresh()));
    assert_eq!(seen.take().len(), 2);
    let now = engine.refresh();
    let counter = |name: &str| now.counter(name).unwrap();
    // What is recorded during a generation is in the next one.
    assert_eq!(counter("tachometer_rule_panics_total"), 3);
    assert_eq!(counter("tachometer_rule_evaluations_total"), 9);
    assert_eq!(counter("tachometer_rule_evaluation_failures_total"), 3);
    assert_eq!(now.histogram("tachometer_rule_evaluation_duration_seconds").unwrap().count(), 3);
    assert_eq!(counter("tachometer_rule_skipped_generations_total"), 0);
    let page = tachometer::Encoder::to_vec(&mut tachometer::TextEncoder::new(), &now);
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains("\ntachometer_rule_alerts{alertstate=\"firing\"} 1\n"), "{page}");
    assert!(page.contains("\ntachometer_rule_alerts{alertstate=\"pending\"} 0\n"), "{page}");
    drop(manager);
    engine.refresh();
    assert_eq!(engine.refresh().counter("tachometer_rule_evaluations_total").unwrap(), 12, "ended");
}

#[test]
fn rules_that_are_loaded_again_keep_their_alerts_and_others_end() {
    let host = Host::new();
    let both = "groups:\n- name: g\n  rules:\n  - {alert: Kept, expr: level > 5, for: 2s, labels: {s: a}}\n  - {alert: Gone, expr: level > 5}\n  - {alert: Waits, expr: level > 5, for: 1h}\n  - {record: gone, expr: level}\n  - {record: kept, expr: level}\n";
    let manager = host.start(RuleManager::builder().file(file(both)));
    (0..3).for_each(|_| host.step(6.0));
    host.seen.take();
    // Another threshold and another place, but the same rule.
    manager.replace([file(
        "groups: [{name: g, rules: [{record: kept, expr: level}, {alert: New, expr: level > 5, for: 1s}, {alert: Kept, expr: level > 4, for: 2s, labels: {s: a}}]}]",
    )]);
    host.step(6.0);
    assert_eq!(
        host.seen.take(),
        changes(&[(4, "Gone", Resolved), (4, "Waits", Inactive), (4, "New", Pending)])
    );
    assert_eq!(manager.read(|rules| rules.count(Firing)), 1, "it fires as it did");
    let statuses = manager.read(|rules| {
        let status = rules.status().next().unwrap().2;
        status.iter().map(|one| one.evaluations).collect::<Vec<_>>()
    });
    assert_eq!(statuses, [4, 1, 4]);
    let now = (START as i64 + 4) * 1_000;
    let is_there = |text: &str| {
        let answer =
            Query::parse(text).unwrap().instant(&*manager.source(), now, &Settings::default());
        matches!(answer.unwrap(), Answer::Vector(all) if !all.is_empty())
    };
    assert!(is_there("kept") && !is_there("gone") && !is_there("ALERTS{alertname=\"Gone\"}"));
    assert!(is_there("ALERTS{alertname=\"Kept\"}"));
}

/// A file's place, where there is none.
fn place(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("state-{name}-{}", std::process::id()));
    for end in ["", ".new", ".damaged"] {
        let _ = std::fs::remove_file(format!("{}{end}", path.display()));
    }
    path
}

fn silence(value: &str, until: u64) -> Silence {
    Silence {
        matchers: vec![Matcher::new("alertname", MatchOp::Equal, value).unwrap()],
        starts_ms: 0,
        ends_ms: until as i64 * 1_000,
        created_by: "a test".to_owned(),
        comment: "none".to_owned(),
    }
}

#[test]
fn alerts_and_silences_survive_a_restart() {
    let path = place("restart");
    let builder = || RuleManager::builder().file(file(HIGH)).state_file(&path);
    let host = Host::new();
    let manager = host.start(builder());
    let found = manager.saved_state().unwrap();
    assert_eq!((found.restored.alerts, &found.damaged), (0, &None));
    manager.silence(silence("Held", START + 100)).unwrap();
    assert!(manager.silence(silence("", START)).is_err(), "it would cover all");
    (0..2).for_each(|_| host.step(6.0));
    // Not stopped: killed, for all that the file knows.
    std::mem::forget(manager);
    let host = Host::at(START + 60);
    let manager = host.start(builder());
    let restored = manager.saved_state().unwrap().restored;
    assert_eq!((restored.alerts, restored.silences), (2, 1));
    let seen: Vec<_> = (0..4)
        .flat_map(|_| {
            host.step(6.0);
            host.seen.take()
        })
        .collect();
    // It goes on firing without a word. The other had begun to hold when the file was written, and nothing changed since.
    assert_eq!(seen, changes(&[(63, "Held", Firing)]));
    assert!(manager.read(|rules| {
        let mut held = rules.alerts().filter(|(_, rule, _)| *rule == "Held");
        held.all(|(_, _, alert)| rules.is_silenced(alert, (START as i64 + 63) * 1_000))
    }));
    assert!(manager.unsilence(1) && !manager.unsilence(1));
    drop(manager);
    let host = Host::at(START + 70);
    let restored = host.start(builder()).saved_state().unwrap().restored;
    assert_eq!((restored.alerts, restored.silences), (2, 0));
}

#[test]
fn a_damaged_state_is_set_aside_and_what_is_none_is_not_touched() {
    let host = Host::new();
    let builder = |path: &PathBuf| RuleManager::builder().file(file(HIGH)).state_file(path);
    let path = place("damaged");
    drop(host.start(builder(&path)));
    let whole = std::fs::read(&path).unwrap();
    // After a loss of power, or of a part of the disk.
    let cuts = (0..whole.len()).step_by(7).map(|len| whole[..len].to_vec());
    for bytes in cuts.chain([vec![0; 100]]) {
        std::fs::write(&path, &bytes).unwrap();
        let manager = host.start(builder(&path));
        let damaged = manager.saved_state().unwrap().damaged.as_ref().unwrap();
        assert!(damaged.contains("state-damaged") && damaged.contains(".damaged"), "{damaged}");
        assert_eq!(std::fs::read(format!("{}.damaged", path.display())).unwrap(), bytes);
        host.step(6.0);
        assert!(host.seen.take().len() >= 3, "alerts go on");
        drop(manager);
        assert!(host.start(builder(&path)).saved_state().unwrap().damaged.is_none());
        host.seen.take();
    }
    let refused = |builder: RuleManagerBuilder, why: &str| {
        let error = builder.start(&host.engine, &host.history).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    };
    for foreign in ["root:x:0:0:root:/root:/bin/sh\n", "{\"format\":\"other\"}"] {
        std::fs::write(&path, foreign).unwrap();
        refused(builder(&path), "something that no rules wrote");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), foreign);
    }
    let later = "{\"format\":\"tachometer-rules\",\"version\":2,\"state\":[]}";
    std::fs::write(&path, later).unwrap();
    refused(builder(&path), "of another version");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), later);
    refused(builder(&PathBuf::from("/")), "is no file");
    refused(builder(&PathBuf::from("/nowhere/at/all")), "its directory does not exist");
}

#[test]
fn a_history_of_another_engine_is_refused() {
    let (one, other) = (Host::new(), Host::new());
    let error = RuleManager::builder().start(&one.engine, &other.history).unwrap_err();
    assert!(matches!(error, Error::InvalidSetting { setting: "history", .. }), "{error}");
    one.engine.stop();
    let error = RuleManager::builder().start(&one.engine, &one.history).unwrap_err();
    assert!(matches!(error, Error::NotRunning(_)), "{error}");
}

/// Sends what it sees, and waits for leave to go on where it is given a gate.
struct Gate {
    seen: Mutex<Sender<Vec<Change>>>,
    leave: Option<Mutex<Receiver<()>>>,
}

impl RuleObserver for Gate {
    fn evaluated(&self, now_ms: i64, evaluation: &Evaluation, _: &Rules) {
        let changes = evaluation.transitions.iter().map(|one| (now_ms, one.rule.clone(), one.to));
        let _ = self.seen.lock().unwrap().send(changes.collect());
        // The test's end opens it for ever.
        if let Some(leave) = &self.leave {
            let _ = leave.lock().unwrap().recv();
        }
    }
}

#[test]
fn a_slow_evaluation_holds_up_nobody_and_skipped_generations_are_counted() {
    let registry = Registry::new();
    let engine = Engine::builder().registry(&registry).interval(Duration::from_secs(3_600));
    let engine = engine.start().unwrap();
    let history = History::builder().start(&engine).unwrap();
    let ((seen, changes), (go, leave)) = (channel(), channel());
    let gate = Gate { seen: Mutex::new(seen), leave: Some(Mutex::new(leave)) };
    let rules = "groups: [{name: g, rules: [{alert: A, expr: vector(1)}]}]";
    let manager = RuleManager::builder().file(file(rules)).observer(Arc::new(gate));
    let manager = manager.start(&engine, &history).unwrap();
    engine.refresh();
    // It is told, although it asked for nothing, and does not come back.
    assert_eq!(changes.recv_timeout(Duration::from_secs(60)).unwrap().len(), 2);
    for _ in 0..10 {
        engine.refresh();
    }
    let skipped =
        |now: &tachometer::Snapshot| now.counter("tachometer_rule_skipped_generations_total");
    // The first of the ten was taken by nobody yet; nine took its place.
    assert_eq!(skipped(&engine.refresh()).unwrap(), 9);
    drop(go);
    assert!(changes.recv_timeout(Duration::from_secs(60)).unwrap().is_empty());
    let evaluated = || manager.read(|rules| rules.status().next().unwrap().2[0].evaluations);
    wait_until("the last generation", || evaluated() == 2);
    manager.stop();
    manager.stop();
}

#[test]
fn stale_data_fire_when_the_engine_is_gone() {
    let registry = Registry::new();
    registry.gauge("level", "A level.").unwrap().set(1.0);
    let engine = Engine::builder().registry(&registry).interval(Duration::from_millis(20));
    let engine = engine.start().unwrap();
    let history = History::builder().start(&engine).unwrap();
    let (seen, changes) = channel();
    let rules = "groups: [{name: g, interval: 20ms, rules: [{alert: Stale, expr: time() - timestamp(level) > 0.5, for: 100ms}]}]";
    let gate = Gate { seen: Mutex::new(seen), leave: None };
    let manager = RuleManager::builder().file(file(rules)).observer(Arc::new(gate));
    let manager = manager.start(&engine, &history).unwrap();
    wait_until("a generation", || changes.try_recv().is_ok());
    engine.stop();
    let mut told = Vec::new();
    wait_until("the alert", || {
        told.extend(changes.try_iter().flatten());
        told.iter().any(|(_, rule, state)| rule == "Stale" && *state == Firing)
    });
    let at = |state| told.iter().find(|(_, _, to)| *to == state).unwrap().0;
    assert!(at(Firing) - at(Pending) >= 100);
    drop(manager);
}
