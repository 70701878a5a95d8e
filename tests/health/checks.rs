//! The host's checks: in time, late, hanging, panicking, on threads and by hand; and their series.

use crate::common::forked::{End, in_child};
use crate::common::loopback::{wait, wait_until};
use crate::common::{by_hand_with, by_hand_with_own_metrics};
use crate::stand::{of, whats};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tachometer::health::HealthState::{Critical, Failing, Healthy, Warning};
use tachometer::health::{CheckOutcome, HealthReport};
use tachometer::{Engine, Health, ManualClock, Registry};

const OFTEN: Duration = Duration::from_millis(5);
const SOON: Duration = Duration::from_millis(50);
/// Not within a test.
const NEVER: Duration = Duration::from_secs(3_600);

fn running() -> (Registry, Engine) {
    let registry = Registry::new();
    // A busy machine must not make the engine look late.
    let interval = Duration::from_secs(30);
    let engine = Engine::builder().registry(&registry).interval(interval).start().unwrap();
    engine.refresh();
    (registry, engine)
}

/// A check that answers what it is sent, and hangs until then.
fn gate() -> (Sender<CheckOutcome>, impl FnMut() -> CheckOutcome + Send) {
    let (send, receive): (_, Receiver<CheckOutcome>) = channel();
    (send, move || receive.recv().unwrap_or_else(|_| CheckOutcome::healthy()))
}

fn wait_for_report(health: &Health, wanted: impl Fn(&HealthReport) -> bool) -> HealthReport {
    wait(|| {
        let report = health.report();
        if wanted(&report) { Ok(report) } else { Err(format!("{report:?}")) }
    })
}

#[test]
fn a_check_that_hangs_holds_up_no_other() {
    let (_registry, engine) = running();
    let (answer, hanging) = gate();
    let asked = Arc::new(AtomicU64::new(0));
    let count = asked.clone();
    let counting = move || {
        count.fetch_add(1, Ordering::Relaxed);
        CheckOutcome::warning("it is what it is").value(0.5).threshold(">", 0.25)
    };
    let health = Health::builder()
        .check("storage", "hangs", NEVER, SOON, hanging)
        .check("ledger", "counts", OFTEN, NEVER, counting)
        .start(&engine)
        .unwrap();
    let report = wait_for_report(&health, |report| report.engine == "running");
    assert_eq!((of(&report, "storage").state, of(&report, "ledger").state), (Failing, Warning));
    assert_eq!(whats(&report, "storage"), ["no answer for more than 50ms"]);
    let since_ms = of(&report, "storage").issues[0].since_ms;
    let issue = &of(&report, "ledger").issues[0];
    assert_eq!((issue.check.as_deref(), issue.value), (Some("counts"), Some(0.5)));
    // The other one goes on.
    let before = asked.load(Ordering::Relaxed);
    wait_until("further answers", || asked.load(Ordering::Relaxed) > before + 5);
    let report = health.report();
    assert_eq!(of(&report, "storage").checks[0].timeouts, 1, "of one question");
    assert_eq!(of(&report, "storage").issues[0].since_ms, since_ms);
    // What comes too late does not count.
    answer.send(CheckOutcome::healthy()).unwrap();
    let late = |report: &HealthReport| whats(report, "storage")[0].starts_with("the answer took");
    let report = wait_for_report(&health, late);
    assert_eq!(of(&report, "storage").issues[0].since_ms, since_ms);
    assert_eq!(of(&report, "storage").checks[0].timeouts, 1, "the same one");
}

#[test]
fn nothing_is_ready_before_every_check_answered_once() {
    let (_registry, engine) = running();
    let (answer, slow) = gate();
    let health = Health::builder()
        .check("ledger", "at once", NEVER, NEVER, CheckOutcome::healthy)
        .check("ledger", "slow", NEVER, NEVER, slow)
        .start(&engine)
        .unwrap();
    let waits = "the check \"slow\" of \"ledger\" has not answered yet";
    let report = wait_for_report(&health, |report| report.why.as_deref() == Some(waits));
    assert_eq!((report.status, report.engine, report.ready), (Failing, "starting", false));
    assert_eq!(of(&report, "ledger").checks[1].state, None);
    answer.send(CheckOutcome::healthy()).unwrap();
    let report = wait_for_report(&health, |report| report.ready);
    assert_eq!((report.status, report.engine), (Healthy, "running"));
    assert!(of(&report, "ledger").checks.iter().all(|check| check.runs == 1));
}

#[test]
fn a_panic_is_an_outcome() {
    let (_registry, engine) = running();
    let (send, receive) = channel::<Box<dyn std::any::Any + Send>>();
    let panics = move || match receive.recv() {
        Ok(payload) => std::panic::resume_unwind(payload),
        Err(_) => CheckOutcome::healthy(),
    };
    let health =
        Health::builder().check("ledger", "panics", OFTEN, NEVER, panics).start(&engine).unwrap();
    let payloads: [(Box<dyn std::any::Any + Send>, &str); 3] = [
        (Box::new("on purpose"), "on purpose"),
        (Box::new("once \"again\"".to_owned()), "once \"again\""),
        (Box::new(7), "it did not say why"),
    ];
    for (payload, wanted) in payloads {
        send.send(payload).unwrap();
        let wanted = format!("the check panicked: {wanted}");
        let report =
            wait_for_report(&health, |report| whats(report, "ledger") == [wanted.as_str()]);
        assert_eq!(of(&report, "ledger").state, Failing);
    }
    let now = engine.refresh();
    let labels = [("component", "ledger"), ("check", "panics")];
    let counted = now.counter_with("tachometer_health_check_panics_total", &labels).unwrap();
    assert_eq!(counted, 3);
}

#[test]
fn checks_end_with_the_last_handle_and_one_that_hangs_is_not_waited_for() {
    let (_registry, engine) = running();
    let (entered, enters) = channel();
    let (_go_on, may_go_on) = channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let alive = Arc::new(());
    let held = alive.clone();
    let health = Health::builder()
        .check("a", "rests", NEVER, NEVER, move || {
            let _held = &held;
            CheckOutcome::healthy()
        })
        .check("a", "hangs", NEVER, NEVER, move || {
            entered.send(()).unwrap();
            let _ = may_go_on.lock().unwrap().recv();
            CheckOutcome::healthy()
        })
        .start(&engine)
        .unwrap();
    enters.recv().unwrap();
    let other = health.clone();
    drop(health);
    wait_for_report(&other, |report| of(report, "a").checks[0].state == Some(Healthy));
    assert_eq!(Arc::strong_count(&alive), 2);
    // This returns, although one of them does not.
    drop(other);
    wait_until("the other check is let go", || Arc::strong_count(&alive) == 1);
}

#[test]
fn by_hand_checks_run_when_they_are_told_to_and_time_is_the_clocks() {
    let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
    let engine = by_hand_with(&Registry::new(), &clock);
    let mut outcomes = vec![
        CheckOutcome::healthy(),
        CheckOutcome::critical("no quorum").value(1.0).threshold("<", 2.0),
        CheckOutcome::critical("still no quorum"),
    ]
    .into_iter();
    let (slow, takes) = (clock.clone(), Arc::new(AtomicU64::new(0)));
    let slowness = takes.clone();
    let health = Health::builder()
        .check("consensus", "quorum", NEVER, NEVER, move || {
            outcomes.next().unwrap_or_else(CheckOutcome::healthy)
        })
        .check("storage", "slow", NEVER, Duration::from_secs(2), move || {
            slow.advance(Duration::from_secs(slowness.load(Ordering::Relaxed)));
            CheckOutcome::healthy()
        })
        .start(&engine)
        .unwrap();
    let step = || {
        clock.advance(Duration::from_secs(1));
        engine.refresh();
        health.run_checks();
        health.report()
    };
    let since = |report: &HealthReport, name: &str| {
        let component = of(report, name);
        (component.state, component.since_ms / 1_000 - 1_700_000_000)
    };
    assert_eq!(step().status, Healthy);
    let report = step();
    assert_eq!(since(&report, "consensus"), (Critical, 2));
    assert_eq!(of(&report, "consensus").issues[0].threshold.unwrap().value, 2.0);
    let report = step();
    assert_eq!(since(&report, "consensus"), (Critical, 2), "what it says may change");
    assert_eq!(whats(&report, "consensus"), ["still no quorum"]);
    assert_eq!(since(&step(), "consensus"), (Healthy, 4));
    takes.store(3, Ordering::Relaxed);
    let report = step();
    assert_eq!(whats(&report, "storage"), ["the answer took 3s, more than the time limit of 2s"]);
    assert_eq!(of(&report, "storage").issues[0].since_ms / 1_000 - 1_700_000_000, 5);
    takes.store(0, Ordering::Relaxed);
    assert_eq!(step().status, Healthy);
    assert_eq!(health.report().component("storage").unwrap().checks[0].timeouts, 1);
}

#[test]
fn the_series_of_health_are_those_of_the_generation() {
    let registry = Registry::new();
    let engine = by_hand_with_own_metrics(&registry);
    let mut calls = 0;
    let health = Health::builder()
        .component("ledger")
        .check("storage", "disk", NEVER, NEVER, move || {
            calls += 1;
            if calls == 2 { CheckOutcome::critical("full") } else { CheckOutcome::healthy() }
        })
        .start(&engine)
        .unwrap();
    let mut states = Vec::new();
    for _ in 0..3 {
        health.run_checks();
        let now = engine.refresh();
        let of = |name| now.gauge_with("tachometer_health_state", &[("component", name)]).unwrap();
        states.push(["ledger", "storage", "metrics"].map(of));
    }
    assert_eq!(states, [[0.0; 3], [0.0, 2.0, 0.0], [0.0; 3]]);
    let now = engine.refresh();
    let labels = [("component", "storage"), ("check", "disk")];
    let name = "tachometer_health_check_duration_seconds";
    assert_eq!(now.histogram_with(name, &labels).unwrap().count(), 3);
    assert_eq!(now.counter_with("tachometer_health_check_timeouts_total", &labels).unwrap(), 0);
    assert_eq!(now.gauge_with("tachometer_health_left_out", &[("what", "issues")]).unwrap(), 0.0);
}

#[test]
fn a_timeout_is_counted_by_the_next_generation() {
    let (_registry, engine) = running();
    let (_answer, hanging) = gate();
    let health =
        Health::builder().check("a", "hangs", NEVER, SOON, hanging).start(&engine).unwrap();
    wait(|| {
        let now = engine.refresh();
        let labels = [("component", "a"), ("check", "hangs")];
        let timeouts = now.counter_with("tachometer_health_check_timeouts_total", &labels).unwrap();
        let state = now.gauge_with("tachometer_health_state", &[("component", "a")]).unwrap();
        // The counter is of the generation after the one that found it out, at the latest.
        if (timeouts, state) == (1, 3.0) { Ok(()) } else { Err(format!("{timeouts}, {state}")) }
    });
    drop(health);
}

#[test]
fn a_forked_child_has_no_health_and_waits_for_nobody() {
    let (_registry, engine) = running();
    let (_answer, hanging) = gate();
    let health = Health::builder()
        .check("a", "hangs", NEVER, NEVER, hanging)
        .check("a", "rests", NEVER, NEVER, CheckOutcome::healthy)
        .start(&engine)
        .unwrap();
    wait_for_report(&health, |report| of(report, "a").checks[1].state == Some(Healthy));
    let mut parents = Some((health, engine));
    let child = in_child(|| {
        let (health, engine) = parents.take().unwrap();
        let report = health.report();
        assert_eq!((report.status, report.engine, report.ready), (Failing, "stopped", false));
        health.run_checks();
        // The threads are the parent's.
        drop((health, engine));
    });
    assert_eq!(child, End::Well);
    let (health, _engine) = parents.take().unwrap();
    assert_eq!(of(&health.report(), "a").checks[1].state, Some(Healthy));
}

#[cfg(feature = "history")]
#[test]
fn the_history_has_the_health_of_the_past() {
    use tachometer::History;
    use tachometer::query::{Answer, Query, Sample, Settings};
    let registry = Registry::new();
    let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
    let builder = Engine::builder().registry(&registry).manual(&clock).own_metrics(true);
    let engine = builder.cut_timeout(NEVER).start().unwrap();
    let history = History::builder().start(&engine).unwrap();
    let mut calls = 0;
    let health = Health::builder()
        .check("storage", "disk", NEVER, NEVER, move || {
            calls += 1;
            if calls == 3 { CheckOutcome::critical("full") } else { CheckOutcome::healthy() }
        })
        .start(&engine)
        .unwrap();
    for _ in 0..6 {
        health.run_checks();
        engine.refresh();
        clock.advance(Duration::from_secs(1));
    }
    let ask = |text: &str| {
        let query = Query::parse(text).unwrap();
        let answer = query.instant(&history, 1_700_000_005_000, &Settings::default()).unwrap();
        let Answer::Vector(samples) = answer else { panic!("{answer:?}") };
        samples.iter().map(|sample| sample.value.clone()).collect::<Vec<_>>()
    };
    let number = |value: f64| vec![Sample::Float(value)];
    assert_eq!(ask("max(tachometer_health_state)"), number(0.0));
    let worst = "max_over_time(tachometer_health_state{component=\"storage\"}[1h])";
    assert_eq!(ask(worst), number(2.0));
    assert_eq!(ask("tachometer_health_state{component=\"storage\"} @ 1700000002"), number(2.0));
}
