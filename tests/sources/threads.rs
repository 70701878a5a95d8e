//! Sets of sources with threads: one that hangs holds up no other, and costs no second thread.

use crate::common::loopback::wait_until;
use crate::level;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver as Inbox, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tachometer::source::{PollSettings, Polled, Source, SourceError, Sources, from_fn};
use tachometer::{Engine, Registry};

const SHORT: Duration = Duration::from_millis(10);

fn engine() -> (Registry, Engine) {
    let registry = Registry::new();
    let engine = Engine::builder().registry(&registry).interval(SHORT).start().unwrap();
    (registry, engine)
}

/// A source that says when it is polled, and returns when it is let.
fn held(name: &str) -> (Inbox<()>, Sender<()>, impl Source + 'static) {
    let (polled, polls) = mpsc::channel();
    let (let_go, wait) = mpsc::channel::<()>();
    let source = from_fn(name, move |_| {
        let _ = polled.send(());
        // Whoever lets it go for ever drops the sender.
        let _ = wait.recv();
        Ok(level(1.0))
    });
    (polls, let_go, source)
}

#[test]
fn one_that_hangs_holds_up_no_other_and_is_not_asked_twice() {
    let (_registry, engine) = engine();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let receiver = move |polled: &Polled<'_>| {
        if polled.source == "hangs" {
            tell.lock().unwrap().push(polled.outcome.is_ok());
        }
    };
    let (polls, let_go, hangs) = held("hangs");
    let settings = || PollSettings::new().interval(SHORT);
    let quick = Arc::new(AtomicU64::new(0));
    let mut builder = Sources::builder().receiver(receiver);
    builder = builder.source(hangs, settings().time_limit(Duration::from_millis(30)));
    for name in ["a", "b", "c"] {
        let count = quick.clone();
        let source = from_fn(name, move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(level(2.0))
        });
        builder = builder.source(source, settings());
    }
    let sources = builder.start(&engine).unwrap();
    polls.recv().unwrap();
    let of_hung = || sources.status().into_iter().find(|status| status.name == "hangs").unwrap();
    // Its time is over although it has not returned, and the others go on.
    wait_until("the failure", || of_hung().error.is_some());
    let before = quick.load(Ordering::Relaxed);
    wait_until("polls of the others", || quick.load(Ordering::Relaxed) > before + 30);
    let status = of_hung();
    let limit = Duration::from_millis(30);
    assert_eq!(status.error, Some(SourceError::TimedOut { limit }));
    assert_eq!((status.up, status.polls, status.failures), (false, 1, 1));
    assert!(polls.try_recv().is_err(), "it was not asked again");
    wait_until("the series of the failure", || {
        let now = engine.snapshot();
        let labels = [("source", "hangs"), ("reason", "timeout")];
        now.counter_with("tachometer_source_failures_total", &labels) == Ok(1)
            && now.gauge_with("tachometer_source_up", &[("source", "a")]) == Ok(1.0)
    });
    assert_eq!(*told.lock().unwrap(), [false], "told once");
    // What it gave then came too late; from now on it answers at once.
    drop(let_go);
    wait_until("it to be well", || of_hung().up);
    assert!(told.lock().unwrap().iter().filter(|good| !**good).count() >= 1);
    wait_until("its series", || {
        engine.snapshot().gauge_with("level", &[("source", "hangs")]) == Ok(1.0)
    });
}

#[test]
fn one_that_hangs_for_good_does_not_keep_the_set_from_going() {
    let (_registry, engine) = engine();
    let (polls, let_go, hangs) = held("hangs");
    let sources = Sources::builder().source(hangs, PollSettings::new()).start(&engine).unwrap();
    polls.recv().unwrap();
    assert!(sources.remove("hangs"));
    let (again, _kept, other) = held("hangs");
    sources.add(other, PollSettings::new()).unwrap();
    again.recv().unwrap();
    drop(sources);
    drop(let_go);
    assert!(engine.refresh().gauge("level").is_err(), "what it still gives counts for nothing");
}

#[test]
fn they_are_polled_by_themselves_and_end_when_time_is_over() {
    let (_registry, engine) = engine();
    let well = Arc::new(AtomicU64::new(1));
    let asked = well.clone();
    let source = from_fn("s", move |_| match asked.load(Ordering::Relaxed) {
        0 => Err(SourceError::failed("no")),
        value => Ok(level(value as f64)),
    });
    let settings = PollSettings::new().interval(SHORT).stale_after(Duration::from_millis(200));
    let sources = Sources::builder().source(source, settings).start(&engine).unwrap();
    let shown = |wanted: Option<f64>| {
        wait_until("the series", || engine.snapshot().gauge("level").ok() == wanted);
    };
    shown(Some(1.0));
    well.store(2, Ordering::Relaxed);
    shown(Some(2.0));
    well.store(0, Ordering::Relaxed);
    shown(None);
    assert!(sources.status()[0].stale);
    well.store(3, Ordering::Relaxed);
    shown(Some(3.0));
    engine.stop();
}
