//! Real Prometheus and VictoriaMetrics behind the listener.

use crate::data;
use crate::server::Prometheus;
use crate::servers::{self, ask};
use crate::steps::{Steps, delivered, eager};
use crate::{Front, agree, remote};
use serde_json::Value;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tachometer::query::{Answer, Query, Sample, Settings};
use tachometer::{Backend, Engine, Listener, ManualClock, Registry, Target};

const RECEIVER: [&str; 2] =
    ["--web.enable-remote-write-receiver", "--enable-feature=native-histograms"];

/// What a process has sent by remote write: forty generations, a second each.
fn fed(address: SocketAddr, classic: bool) -> Steps {
    let steps = Steps::new();
    let target = Target::remote_write(format!("http://{address}/api/v1/write"));
    let pusher = steps.push(eager(target).classic_histograms(classic).end_series(false));
    (1..=40).for_each(|_| steps.step(&pusher));
    delivered(&pusher);
    assert!(pusher.stop().is_complete());
    steps
}

fn seconds(at: Duration) -> String {
    at.as_secs().to_string()
}

#[test]
fn prometheus_answers_behind_the_listener_as_by_itself() {
    if !crate::server::is_here() {
        return;
    }
    let prometheus = Prometheus::with(None, &RECEIVER);
    let steps = fed(prometheus.address(), false);
    let front = Front::of(prometheus.address());
    let agree = |path: &str, form: &[(&str, &str)]| agree(&front, prometheus.address(), path, form);
    let (start, now) = (seconds(steps.began), seconds(steps.began + Duration::from_secs(40)));
    let mut found = 0;
    for query in [
        "raft_commits_total",
        "rate(raft_commits_total[30s])",
        "sum(increase(raft_commits_total[20s])) by (job)",
        "histogram_quantile(0.9, rate(raft_commit_latency_seconds[30s]))",
        "raft_commit_latency_seconds",
        "raft_commits_total[5s]",
        "scalar(raft_commits_total)",
        "\"a \\\"text\\\"\"",
        "nothing",
        "absent(nothing{a=\"b\"})",
        "0/0",
    ] {
        let (status, answer) = agree("query", &[("query", query), ("time", &now)]);
        assert_eq!(status, 200, "{query}: {answer}");
        found += answer["data"]["result"].as_array().unwrap().len();
        agree("query_range", &[("query", query), ("start", &start), ("end", &now), ("step", "7")]);
    }
    assert!(found >= 12, "{found} series and points");
    let (_, all) = agree("query", &[("query", "raft_commits_total[1m]"), ("time", &now)]);
    assert_eq!(all["data"]["result"][0]["values"].as_array().unwrap().len(), 40);
    let selector = ("match[]", "{__name__=~\"raft_.*\"}");
    for form in [&[selector][..], &[selector, ("start", &start), ("end", &now)]] {
        let (_, series) = agree("series", form);
        assert_eq!(series["data"].as_array().unwrap().len(), 2, "{series}");
        agree("labels", form);
        agree("label/__name__/values", form);
    }
    agree("labels", &[]);
    agree("metadata", &[]);
    agree("status/buildinfo", &[]);
    // What it refuses, the listener refuses.
    for (path, form, wanted) in [
        ("query", &[("query", "sum(")][..], 400),
        ("query", &[], 400),
        ("query", &[("query", "1"), ("time", "x")], 400),
        ("query", &[("query", "1"), ("timeout", "x")], 400),
        ("query", &[("query", "raft_commits_total"), ("timeout", "0")], 503),
        ("query", &[("query", "label_replace(raft_commits_total, \"1\", \"\", \"\", \"\")")], 422),
        ("query_range", &[("query", "1"), ("start", "2"), ("end", "1"), ("step", "1")], 400),
        ("query_range", &[("query", "1"), ("start", "0"), ("end", "11001"), ("step", "1")], 400),
        ("query_range", &[("query", "a[1m]"), ("start", "0"), ("end", "1"), ("step", "1")], 400),
        ("series", &[], 400),
        ("series", &[("match[]", "sum(a)")], 400),
        ("label/a-b/values", &[], 400),
        ("metadata", &[("limit", "x")], 400),
    ] {
        let (path, form): (&str, &[(&str, &str)]) = (path, form);
        // What the listener refuses by itself, it refuses in words of its own.
        let target = format!("/api/v1/{path}?{}", crate::form(form));
        let (status, body) = front.get(&target);
        let (theirs, said) = ask(prometheus.address(), "GET", &target, "", b"").unwrap();
        let [own_answer, their_answer]: [Value; 2] =
            [&body, &said].map(|text| serde_json::from_str(text).unwrap());
        assert_eq!((status, theirs), (wanted, wanted), "{target}: {body} {said}");
        assert_eq!(own_answer["errorType"], their_answer["errorType"], "{target}");
    }
    assert!(front.counted("answered") > 40);
    assert!(front.counted("error") > 3);
    assert_eq!(front.counted("unreachable") + front.counted("malformed"), 0);
}

#[test]
fn victoria_metrics_answers_behind_the_listener_as_by_itself() {
    if !servers::is_here("victoria-metrics", "victoria-metrics") {
        return;
    }
    let victoria = servers::victoria_metrics();
    let steps = fed(victoria.address, true);
    let front = Front::of(victoria.address);
    let now = seconds(steps.began + Duration::from_secs(40));
    let count = |address| {
        let form =
            crate::form(&[("query", "count_over_time(raft_commits_total[1m])"), ("time", &now)]);
        let (_, body) = ask(address, "GET", &format!("/api/v1/query?{form}"), "", b"").unwrap();
        let answer: Value = serde_json::from_str(&body).unwrap();
        answer["data"]["result"][0]["value"][1].as_str().map(str::to_owned)
    };
    // Samples can be asked for a moment after they were taken.
    servers::wait_for("the samples", || {
        victoria.ask("GET", "/internal/force_flush", "", b"");
        (count(victoria.address).as_deref() == Some("40")).then_some(())
    });
    let agree = |path: &str, form: &[(&str, &str)]| agree(&front, victoria.address, path, form);
    for query in [
        "raft_commits_total",
        "rate(raft_commits_total[30s])",
        "histogram_quantile(0.9, sum by (le) (rate(raft_commit_latency_seconds_bucket[30s])))",
        "raft_commits_total[5s]",
        "scalar(raft_commits_total)",
        "nothing",
        // Of its own language alone.
        "median_over_time(raft_commits_total[30s])",
    ] {
        let (status, answer) = agree("query", &[("query", query), ("time", &now)]);
        assert_eq!(status, 200, "{answer}");
    }
    let selector = ("match[]", "{__name__=~\"raft_commits.*\"}");
    let start = seconds(steps.began);
    let between = [selector, ("start", &*start), ("end", &*now)];
    assert_eq!(agree("series", &between).1["data"].as_array().unwrap().len(), 1);
    agree("labels", &between);
    agree("label/__name__/values", &between);
    agree("status/buildinfo", &[]);
    assert_eq!(agree("query", &[("query", "sum("), ("time", &now)]).0, 422);
    let (status, page) = front.get(&format!("/metrics/aggregated?time={now}&window=30s"));
    assert!(status == 200, "{page}");
    // From second 10 to second 40, by one in each.
    assert!(page.contains("raft_commits_total_sum 30\n"), "{page}");
    assert!(page.contains("raft_commits_total_avg 1\n"), "{page}");
}

#[test]
fn promtool_asks_the_listener_as_it_asks_prometheus() {
    if !crate::server::is_here() {
        return;
    }
    let prometheus = Prometheus::with(None, &RECEIVER);
    let steps = fed(prometheus.address(), false);
    let front = Front::of(prometheus.address());
    let (start, end) = (seconds(steps.began), seconds(steps.began + Duration::from_secs(40)));
    let (time, from, to) =
        (format!("--time={end}"), format!("--start={start}"), format!("--end={end}"));
    let cases: [(&[&str], &[&str], bool); 5] = [
        (&["instant", &time], &["rate(raft_commits_total[20s])"], true),
        (&["instant", &time], &["sum("], false),
        (&["range", &from, &to, "--step=5s"], &["raft_commits_total"], true),
        (&["series", "--match=raft_commits_total", &from, &to], &[], true),
        (&["labels", &from, &to], &["__name__"], true),
    ];
    for (arguments, rest, wanted) in cases {
        let [own, theirs] = [front.address(), prometheus.address()].map(|address| {
            let mut command = Command::new("promtool");
            command.arg("query").args(arguments).arg(format!("http://{address}")).args(rest);
            let output = command.output().unwrap();
            (output.status.success(), String::from_utf8(output.stdout).unwrap())
        });
        assert_eq!(own, theirs, "{arguments:?} {rest:?}");
        assert_eq!((own.0, !own.1.is_empty()), (wanted, wanted), "{arguments:?}: {}", own.1);
    }
}

#[test]
fn samples_that_are_fetched_are_those_that_were_kept() {
    if !crate::server::is_here() {
        return;
    }
    let sent = data::series();
    let prometheus = Prometheus::with(None, &RECEIVER);
    remote::Connection::new(prometheus.address()).write(&sent);
    let kept = Arc::new(data::memory(&sent));
    let backend = Backend::new(format!("http://{}", prometheus.address())).unwrap();
    // The page of aggregates is that of a source in this process.
    let clock = ManualClock::at(Duration::from_millis(data::START as u64));
    let engine = Engine::builder().registry(&Registry::new()).manual(&clock).start().unwrap();
    let own = Listener::builder().query(kept.clone(), Settings::default());
    let own = own.bind(&engine, "127.0.0.1:0").unwrap();
    let front = Front::of(prometheus.address());
    let at = data::START + 3_600_000;
    for parameters in ["", "&window=1h", "&by=job"] {
        let target = format!("/metrics/aggregated?time={}{parameters}", at / 1000);
        let (status, theirs) = front.get(&target);
        assert_eq!(status, 200, "{theirs}");
        let (_, ours) = ask(own.local_addr(), "GET", &target, "", b"").unwrap();
        let (ours, theirs): (Vec<_>, Vec<_>) = (ours.lines().collect(), theirs.lines().collect());
        assert!(ours.len() > 100 && ours.len() == theirs.len(), "{} {}", ours.len(), theirs.len());
        for (ours, theirs) in ours.into_iter().zip(theirs) {
            let split =
                |line: &str| line.rsplit_once(' ').map(|(a, b)| (a.to_owned(), b.parse::<f64>()));
            let (Some((a, Ok(x))), Some((b, Ok(y)))) = (split(ours), split(theirs)) else {
                assert_eq!(ours, theirs);
                continue;
            };
            assert!(a == b && near(x, y), "{ours}, not {theirs}");
        }
    }
    // Evaluated here over what is fetched, and there.
    for text in [
        "sum by (job) (rate(http_requests_total[5m]))",
        "histogram_quantile(0.9, sum by (job) (rate(native_seconds[5m])))",
        "max_over_time(temperature{room!=\"attic\"}[10m])",
        "build_info{job=~\"api|db\"}",
    ] {
        let query = Query::parse(text).unwrap();
        let here = sorted(query.instant(&backend, at, &Settings::default()).unwrap());
        let there = sorted(backend.instant(text, Some(at)).unwrap());
        assert!(!here.is_empty() && here.len() == there.len(), "{text}: {here:?} {there:?}");
        for (here, there) in here.into_iter().zip(there) {
            assert!(here.0 == there.0 && near(here.1, there.1), "{text}: {here:?} {there:?}");
        }
    }
    let step = 60_000;
    let Answer::Matrix(range) = backend.range("temperature", (at - 600_000, at), step).unwrap()
    else {
        panic!("no matrix")
    };
    assert!(range.len() == 5 && range.iter().all(|one| one.floats.len() == 11));
    use tachometer::query::{MatchOp, Matcher, Source as _};
    let rooms = Matcher::new("room", MatchOp::Regex, "h.*|kitchen").unwrap();
    let values = backend.label_values("room", &[rooms], at - 600_000, at).unwrap();
    assert_eq!(values, ["hall", "kitchen"]);
    let names = backend.label_names(&[], at - 600_000, at).unwrap();
    assert!(names.iter().any(|name| name == "room"), "{names:?}");
    assert!(backend.label_values("a/b", &[], 0, at).is_err());
}

#[cfg(feature = "rules")]
#[test]
fn rules_fire_over_series_of_the_backend() {
    use tachometer::rules::{AlertState, RuleFile, RuleSettings, Rules};
    if !crate::server::is_here() {
        return;
    }
    let prometheus = Prometheus::with(None, &RECEIVER);
    let steps = fed(prometheus.address(), false);
    let backend = Backend::new(format!("http://{}", prometheus.address())).unwrap();
    let text = "groups:\n- name: g\n  rules:\n  - alert: Busy\n    expr: rate(raft_commits_total[20s]) > 0.5\n";
    let file = RuleFile::parse("rules.yml", text).unwrap();
    let mut rules = Rules::new([file], RuleSettings::default());
    let now = steps.began + Duration::from_secs(40);
    rules.evaluate(now.as_millis() as i64, &backend);
    assert_eq!(rules.count(AlertState::Firing), 1);
    let failures: u64 = rules.status().flat_map(|(_, _, all)| all).map(|one| one.failures).sum();
    assert_eq!(failures, 0);
    drop(prometheus);
    rules.evaluate(now.as_millis() as i64 + 60_000, &backend);
    let failures: u64 = rules.status().flat_map(|(_, _, all)| all).map(|one| one.failures).sum();
    assert_eq!(failures, 1, "a backend that is gone is a rule that fails");
}

/// Within rounding: sums are made in another order.
fn near(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()) || (a.is_nan() && b.is_nan())
}

fn sorted(answer: Answer) -> Vec<(String, f64)> {
    let Answer::Vector(samples) = answer else { panic!("{answer:?}") };
    let pair = |sample: tachometer::query::InstantSample| {
        let Sample::Float(value) = sample.value else { panic!("{sample:?}") };
        (sample.labels.to_string(), value)
    };
    let mut all: Vec<_> = samples.into_iter().map(pair).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}
