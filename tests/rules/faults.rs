//! Recipes on injected faults: real metrics go through an engine into its history, the rules run over it each second. With
//! the fault they fire and resolve when they should, and without it, in half an hour of noise, never.

use crate::common::random::Random;
use crate::lab::{Incident, Lab};
use std::time::Duration;
use tachometer::rules::RuleFile;
use tachometer::rules::recipes::{Anomaly, Bound, BurnRate, Recipe};
use tachometer::{Counter, Family, Gauge, Histogram, Registry, Unit};

/// How long a run is, in seconds.
const SECONDS: i64 = 1_800;
/// When the faults are there.
const FAULT: std::ops::Range<i64> = 900..1_500;

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

fn recipes() -> Vec<Recipe> {
    let p99 = "histogram_quantile(0.99, rate(request_seconds[1m]))";
    let errors = BurnRate::of(r#"calls_total{result="error"}"#, "calls_total", 0.999).by(["shard"]);
    vec![
        Recipe::threshold("LatencyHigh", p99, Bound::Above(0.25)).hold(Duration::from_secs(30)),
        Recipe::rate_of_change("RequestsStopped", "requests_total", minutes(1), Bound::Below(1.0))
            .hold(Duration::from_secs(10)),
        Recipe::drift("MemoryLeak", "heap_megabytes", minutes(10), Bound::Above(0.05)),
        Recipe::anomaly("QueueUnusual", Anomaly::of("queue_length", minutes(10)).above(4.0))
            .keep_firing(minutes(2)),
        Recipe::anomaly(
            "TrafficUnusual",
            Anomaly::of("rate(messages_total[1m])", minutes(10)).below(6.0).floor(1.0),
        ),
        Recipe::absence("NoHeartbeat", "heartbeat", Duration::from_secs(30)),
        Recipe::vanished("PeerGone", "peer_connected", minutes(3)),
        Recipe::dead_mans_switch("AlertsArrive"),
        Recipe::burn_rate("CallErrors", errors),
    ]
}

/// What the program records.
struct Program {
    latency: Histogram,
    requests: Counter,
    heap: Gauge,
    queue: Gauge,
    messages: Counter,
    heartbeat: Family<Gauge, 1>,
    peers: Family<Gauge, 1>,
    calls: [Counter; 2],
    random: Random,
}

impl Program {
    fn new(registry: &Registry) -> Program {
        let seconds = |name| registry.metric(name, "Time.").unit(Unit::Nanoseconds);
        let call = |result| {
            let calls = registry.metric("calls_total", "Calls.").label("shard", "1");
            calls.label("result", result).counter().unwrap()
        };
        let expiring =
            |name| registry.metric(name, "It expires.").expire_after(Duration::from_secs(5));
        Program {
            latency: seconds("request_seconds").histogram().unwrap(),
            requests: registry.counter("requests_total", "Requests.").unwrap(),
            heap: registry.gauge("heap_megabytes", "Heap.").unwrap(),
            queue: registry.gauge("queue_length", "Queue.").unwrap(),
            messages: registry.counter("messages_total", "Messages.").unwrap(),
            heartbeat: expiring("heartbeat").family(["node"]).unwrap(),
            peers: expiring("peer_connected").family(["peer"]).unwrap(),
            calls: ["ok", "error"].map(call),
            random: Random::new(7),
        }
    }

    /// One second of work, with each fault or without.
    fn work(&mut self, second: i64, is_faulty: bool) {
        let slow = if is_faulty { 50 } else { 1 };
        for _ in 0..20 {
            self.latency.record((1_000_000 + self.random.below(9_000_000)) * slow);
        }
        let about = |random: &mut Random, middle: u64| middle - 10 + random.below(21);
        let (requests, messages) = (about(&mut self.random, 100), about(&mut self.random, 100));
        if !is_faulty {
            self.requests.add(requests);
        }
        self.messages.add(if is_faulty { messages / 2 } else { messages });
        let leaked = if is_faulty { (second - FAULT.start) as f64 * 0.2 } else { 0.0 };
        self.heap.set(about(&mut self.random, 500) as f64 + leaked);
        let queued = about(&mut self.random, 100) as f64;
        self.queue.set(if is_faulty { queued + 60.0 } else { queued });
        if !is_faulty {
            self.heartbeat.at(["n1"]).set(second as f64);
        }
        for peer in ["1", "2", "3"] {
            if !(is_faulty && peer == "2") {
                self.peers.at([peer]).set(1.0);
            }
        }
        for _ in 0..100 {
            let one_in = if is_faulty { 5 } else { 5_000 };
            self.calls[usize::from(self.random.below(one_in) == 0)].inc();
        }
    }
}

fn run(has_faults: bool) -> Lab {
    let registry = Registry::new();
    let mut program = Program::new(&registry);
    let file = RuleFile::of_recipes("faults.yml", "faults", &recipes()).unwrap();
    let mut lab = Lab::new(&registry, file);
    for second in 0..SECONDS {
        program.work(second, has_faults && FAULT.contains(&second));
        lab.step();
    }
    lab
}

#[test]
fn noise_alone_fires_nothing() {
    let lab = run(false);
    let always = Incident {
        rule: "AlertsArrive".to_owned(),
        labels: String::new(),
        fired: 1,
        resolved: None,
    };
    assert_eq!(lab.incidents, [always]);
}

#[test]
fn faults_fire_and_resolve() {
    let lab = run(true);
    // A second's work is seen at its end.
    let (begin, end) = (FAULT.start + 1, FAULT.end + 1);
    let expected = [
        // One in a hundred of a minute is soon there, then 30 s go by; it is slow until the last ones are a minute old.
        ("LatencyHigh", "", begin + 30..=begin + 33, end + 57..=end + 61),
        // The minute must be empty, then 10 s; with the first new ones all is well.
        ("RequestsStopped", "", begin + 67..=begin + 71, end..=end + 1),
        // A third of the window.
        ("MemoryLeak", "", begin + 190..=begin + 205, end..=end + 120),
        // At once; over two minutes after the fault has become a part of the window.
        ("QueueUnusual", "", begin..=begin, begin + 150..=begin + 330),
        ("TrafficUnusual", "", begin + 3..=begin + 20, begin + 60..=begin + 240),
        ("NoHeartbeat", "", begin + 30..=begin + 40, end..=end),
        // Until it comes back, or 3 minutes after its end.
        ("PeerGone", "peer=2", begin + 3..=begin + 8, begin + 183..=begin + 188),
        (
            "CallErrors",
            "burn_rate=14.4,shard=1,window=1h",
            begin + 45..=begin + 105,
            end + 255..=end + 297,
        ),
    ];
    lab.check(&expected);
    // The slower pairs fire too, and look back longer than the run goes on.
    for pair in ["burn_rate=6,shard=1,window=6h", "burn_rate=3,shard=1,window=1d"] {
        let (fired, resolved) = lab.incident("CallErrors", pair);
        assert!(FAULT.contains(&fired) && resolved.is_none(), "{pair}: {fired}, {resolved:?}");
    }
    assert_eq!(lab.incidents.len(), 8 + 2 + 1, "{:#?}", lab.incidents);
}

#[test]
fn an_engine_that_makes_no_more_snapshots_is_noticed() {
    let registry = Registry::new();
    let height = registry.gauge("height", "Height.").unwrap();
    let stale = Recipe::stale_data("Stale", "height", Duration::from_secs(10));
    let file = RuleFile::of_recipes("stale.yml", "stale", &[stale]).unwrap();
    let mut lab = Lab::new(&registry, file);
    (0..100).for_each(|second| {
        height.set(f64::from(second));
        lab.step();
    });
    assert_eq!(lab.incidents, []);
    // For longer than the look-back, too.
    (0..600).for_each(|_| lab.step_without_snapshot());
    assert_eq!(lab.incident("Stale", ""), (111, None));
    (0..10).for_each(|_| lab.step());
    assert_eq!(lab.incident("Stale", ""), (111, Some(701)));
}
