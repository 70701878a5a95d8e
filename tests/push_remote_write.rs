//! Pushing by remote write: falling back to 1.0, what is said again when requests are given up, and a real Prometheus
//! and a real VictoriaMetrics that are stopped for a while and started again.
#![cfg(all(feature = "push", feature = "remote-write"))]

#[path = "http/client.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod client;
mod common;
#[path = "protobuf/decoder.rs"]
mod decoder;
#[path = "push/fake.rs"]
mod fake;
#[path = "push/real.rs"]
mod real;
#[path = "common/servers.rs"]
mod servers;
#[path = "push/steps.rs"]
mod steps;

use fake::{Fake, Request, free_address, say, wait_until};
use real::{Real, get};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use steps::{Steps, delivered, eager};
use tachometer::{Counter, Family, Pusher, RemoteWriteVersion, Target};

const STALE: u64 = 0x7ff0_0000_0000_0002;
const COUNTED: &str =
    "HTTP/1.1 204 No Content\r\nX-Prometheus-Remote-Write-Samples-Written: 1\r\n\r\n";
const NOT_COUNTED: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// The version that a request says it has, and what is in it.
fn read(request: &Request) -> (RemoteWriteVersion, decoder::Request) {
    let message = snap::raw::Decoder::new().decompress_vec(&request.bytes).unwrap();
    assert_eq!(request.header("Content-Encoding"), Some("snappy"));
    let named = request.header("X-Prometheus-Remote-Write-Version").unwrap();
    match request.header("Content-Type").unwrap() {
        "application/x-protobuf" => {
            assert_eq!(named, "0.1.0");
            (RemoteWriteVersion::V1, decoder::request_v1(&message).unwrap())
        }
        "application/x-protobuf;proto=io.prometheus.write.v2.Request" => {
            assert_eq!(named, "2.0.0");
            (RemoteWriteVersion::V2, decoder::request_v2(&message).unwrap())
        }
        other => panic!("{other}"),
    }
}

/// The counter's values and times, its end without a value.
fn commits(request: &decoder::Request) -> Vec<(Option<u64>, u64)> {
    let series = request.series.iter().filter(|series| series.name() == "raft_commits_total");
    let samples = series.flat_map(|series| &series.samples);
    let read = samples.map(|&(value, time, _)| match value.to_bits() {
        STALE => (None, time),
        _ => (Some(value as u64), time),
    });
    read.collect()
}

/// The labels of `idle_total` series that a request ends.
fn ended(request: &decoder::Request) -> BTreeSet<String> {
    let series = request.series.iter().filter(|series| series.name() == "idle_total");
    let ended = series.filter(|series| series.samples[0].0.to_bits() == STALE);
    ended.map(|series| series.label("key").unwrap().to_owned()).collect()
}

fn target(server: &Fake) -> Target {
    eager(Target::remote_write(format!("http://{}/api/v1/write", server.address)))
}

/// What 2.0 and 1.0 both say.
fn both_say(request: &decoder::Request) -> String {
    let mut text = String::new();
    for series in &request.series {
        let samples: Vec<_> = series.samples.iter().map(|s| (s.0.to_bits(), s.1)).collect();
        let histograms = series.histograms.iter().map(|h| (h.count, h.sum.to_bits(), h.time));
        text += &format!("{:?} {samples:?} {:?}\n", series.labels, Vec::from_iter(histograms));
    }
    text
}

#[test]
fn whoever_knows_no_2_0_gets_all_of_it_as_1_0() {
    // One says so; older ones take it for an empty request of 1.0, and do not count what they wrote.
    for answer in ["HTTP/1.1 415 Unsupported Media Type\r\n\r\n", NOT_COUNTED] {
        let steps = Steps::new();
        let address = free_address();
        let url = format!("http://{address}/api/v1/write");
        let spool =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.spool", address.port()));
        let target =
            || eager(Target::remote_write(&url)).version(RemoteWriteVersion::V2).spool_file(&spool);
        // What waits is from an earlier process as well.
        let flush = Duration::from_millis(20);
        let earlier = Pusher::builder(&steps.engine).target("t", target().end_series(false));
        let earlier = earlier.flush_within(flush).start().unwrap();
        (1..=3).for_each(|_| steps.step(&earlier));
        // The last snapshot is the fourth.
        steps.work();
        assert!(!earlier.stop().is_complete());
        let pusher = steps.push(target());
        (1..=3).for_each(|_| steps.step(&pusher));
        // The first fourteen are each payload as 2.0 and again as 1.0, as is checked below.
        let server = Fake::answering(&address.to_string(), move |number, stream| {
            say(stream, if number < 14 && number % 2 == 0 { answer } else { NOT_COUNTED });
        });
        delivered(&pusher);
        (1..=2).for_each(|_| steps.step(&pusher));
        steps.work();
        assert!(pusher.stop().is_complete());
        let requests: Vec<_> = server.requests().iter().map(read).collect();
        let versions: Vec<_> = requests.iter().map(|request| request.0).collect();
        // Each of the seven was tried once as 2.0; then nothing is.
        use RemoteWriteVersion::{V1, V2};
        assert_eq!(versions, [[V2, V1]; 7].concat().into_iter().chain([V1; 4]).collect::<Vec<_>>());
        for pair in requests[..14].chunks(2) {
            assert_eq!(both_say(&pair[0].1), both_say(&pair[1].1));
            let families: Vec<_> = pair[1].1.metadata.iter().map(|family| &*family.0).collect();
            assert_eq!(families, ["raft_commit_latency_seconds", "raft_commits_total"]);
            let help: Vec<_> = pair[1].1.metadata.iter().map(|family| &*family.2).collect();
            assert_eq!(help, ["From proposal to commit.", "Log entries committed."]);
        }
        let old = requests.iter().filter(|request| request.0 == V1);
        let mut taken: Vec<_> = old.flat_map(|request| commits(&request.1)).collect();
        let end = taken.pop().unwrap();
        let wanted: Vec<_> = steps.samples(10).into_iter().map(|(n, at)| (Some(n), at)).collect();
        assert_eq!(taken, wanted);
        assert_eq!(end, (None, wanted[9].1 + 1), "and at the end all series end");
        let _ = std::fs::remove_file(&spool);
    }
}

#[test]
fn whoever_counts_what_was_written_knows_2_0() {
    let steps = Steps::new();
    let server = Fake::answering("127.0.0.1:0", |number, stream| match number {
        1 => say(stream, "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\n\r\n"),
        2 => say(stream, "no answer"),
        _ => say(stream, COUNTED),
    });
    let pusher = steps.push(target(&server).version(RemoteWriteVersion::V2).end_series(false));
    (1..=2).for_each(|_| steps.step(&pusher));
    steps.work();
    assert!(pusher.stop().is_complete());
    let requests = server.requests();
    // The time of a request is taken after it was read, so the first may be late; pauses of our own are far shorter.
    let pause = requests[2].at - requests[1].at;
    assert!(pause >= Duration::from_millis(500), "Retry-After: {pause:?}");
    assert_eq!(requests[1].bytes, requests[2].bytes);
    assert_eq!(requests[1].bytes, requests[3].bytes);
    let read: Vec<_> = requests.iter().map(read).collect();
    assert!(read.iter().all(|request| request.0 == RemoteWriteVersion::V2));
    let counts: Vec<_> = read.iter().flat_map(|request| commits(&request.1)).collect();
    let counts: Vec<u64> = counts.into_iter().map(|(count, _)| count.unwrap()).collect();
    assert_eq!(counts, [1, 2, 2, 2, 3]);
}

#[test]
fn what_was_written_of_a_request_is_told_from_what_was_rejected() {
    let steps = Steps::new();
    let server = Fake::answering("127.0.0.1:0", |number, stream| match number {
        0 => {
            let head = "HTTP/1.1 400 Bad\r\nX-Prometheus-Remote-Write-Samples-Written: 0\r\n\
                        X-Prometheus-Remote-Write-Histograms-Written: 1\r\n\r\n";
            say(stream, &format!("{head}out of order sample\n"));
        }
        // Nothing of it.
        1 => say(stream, &COUNTED.replace("204 No Content", "400 Bad").replace(": 1", ": 0")),
        _ => say(stream, COUNTED),
    });
    let pusher = steps.push(target(&server).version(RemoteWriteVersion::V2).end_series(false));
    (1..=2).for_each(|_| steps.step(&pusher));
    steps.work();
    let flush = pusher.stop();
    assert_eq!(server.requests().len(), 3);
    let status = &flush.targets[0];
    assert_eq!((status.sent, status.dropped, status.rejected), (2, 1, 1), "{status:?}");
    assert_eq!(status.last_rejection.as_deref(), Some("out of order sample"));
}

#[test]
fn markers_and_metadata_of_requests_that_were_given_up_are_said_again() {
    let steps = Steps::new();
    let idle = steps.registry.metric("idle_total", "Idle.");
    let idle = idle.expire_after(Duration::from_secs(10));
    let idle: Family<Counter, 1> = idle.family(["key"]).unwrap();
    ["gone", "back", "stays"].iter().for_each(|key| idle.at([key]).inc());
    let address = free_address();
    let server = Fake::answering(&address.to_string(), |_, stream| say(stream, NOT_COUNTED));
    let at = target(&server).spool(2, 1 << 20);
    let pusher = steps.push(at);
    steps.step(&pusher);
    delivered(&pusher);
    let first = read(&server.requests()[0]).1;
    assert_eq!(first.metadata.len(), 3);
    drop(server);

    // Two series go while the receiver is away; the payload that says so is dropped, and one of the two comes back.
    let later = |keys: &[&str], seconds: u64| {
        keys.iter().for_each(|key| idle.at([key]).inc());
        steps.clock.advance(Duration::from_secs(seconds));
        steps.step(&pusher);
    };
    [1, 10, 1, 1].into_iter().for_each(|seconds| later(&["stays"], seconds));
    let keys = |snapshot: &tachometer::Snapshot| snapshot.select("idle_total", &[]).count();
    assert_eq!(keys(&steps.engine.snapshot()), 1, "both are gone");
    steps.registry.gauge("another", "New, so that families are described.").unwrap().set(1.0);
    later(&["stays"], 1);
    // As many as push out whatever said it.
    (0..6).for_each(|_| later(&["stays", "back"], 1));
    let dropped = pusher.status()[0].dropped;
    assert!(dropped >= 7, "{dropped}");

    let server = Fake::answering(&address.to_string(), |_, stream| say(stream, NOT_COUNTED));
    delivered(&pusher);
    later(&["stays", "back"], 1);
    delivered(&pusher);
    let requests: Vec<_> = server.requests().iter().map(|request| read(request).1).collect();
    let all: Vec<String> = requests.iter().flat_map(ended).collect();
    assert!(!all.is_empty() && all.iter().all(|key| key == "gone"), "{all:?}");
    let described = requests.iter().filter(|request| !request.metadata.is_empty());
    assert!(described.into_iter().any(|request| request.metadata.len() == 4));

    // What was delivered is not said again.
    let before = server.requests().len();
    (0..3).for_each(|_| later(&["stays", "back"], 1));
    delivered(&pusher);
    let requests = server.requests().split_off(before);
    let requests: Vec<_> = requests.iter().map(|request| read(request).1).collect();
    assert!(requests.iter().all(|request| ended(request).is_empty()));
    assert!(requests.iter().all(|request| request.metadata.is_empty()));
    assert!(pusher.stop().is_complete());
    let last = read(server.requests().last().unwrap()).1;
    assert_eq!(ended(&last), ["back", "stays"].map(str::to_owned).into());
}

#[test]
fn requests_of_one_snapshot_come_in_order_and_each_once() {
    let steps = Steps::new();
    let many: Family<Counter, 1> =
        steps.registry.metric("many_total", "Many.").limit(5_000).family(["key"]).unwrap();
    (0..4_500).for_each(|key| many.at([&key.to_string()]).add(key));
    let server = Fake::answering("127.0.0.1:0", |number, stream| match number % 3 {
        0 => say(stream, "HTTP/1.1 500 Oops\r\n\r\n"),
        _ => say(stream, NOT_COUNTED),
    });
    let pusher = steps.push(target(&server).end_series(false));
    assert!(pusher.stop().is_complete());
    let requests = server.requests();
    let taken = requests.iter().enumerate().filter(|(number, _)| number % 3 != 0);
    let taken: Vec<_> = taken.map(|(_, request)| read(request).1).collect();
    assert_eq!(taken.len(), 3);
    let series = || taken.iter().flat_map(|request| &request.series);
    assert_eq!(series().count(), 4_502);
    let names: BTreeSet<_> = series().map(|series| series.labels.clone()).collect();
    assert_eq!(names.len(), 4_502);
    assert_eq!(requests[0].bytes, requests[1].bytes, "the same again");
}

#[test]
fn wrong_settings_say_so() {
    let steps = Steps::new();
    let target = || Target::remote_write("http://127.0.0.1:9090/api/v1/write");
    for (target, word) in [
        (target().gzip(true), "compression of its own"),
        (target().json(true), "only OTLP"),
        (Target::otlp("http://h").version(RemoteWriteVersion::V2), "only remote write"),
        (Target::otlp("http://h").end_series(false), "only remote write"),
        (Target::otlp("http://h").classic_histograms(true), "only remote write"),
    ] {
        let error = Pusher::builder(&steps.engine).target("t", target).start().unwrap_err();
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = folder.join(format!("push-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// What Prometheus has of a counter: values and times in ms.
fn raw(address: SocketAddr, name: &str) -> Vec<(u64, u64)> {
    let answer = get(address, &format!("/api/v1/query?query={name}%5B1h%5D"));
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let series = answer["data"]["result"].as_array().unwrap();
    assert!(series.len() <= 1, "{answer}");
    let pairs = series.iter().flat_map(|series| series["values"].as_array().unwrap());
    let pair = |pair: &serde_json::Value| {
        let value = pair[1].as_str().unwrap().parse().unwrap();
        (value, (pair[0].as_f64().unwrap() * 1000.0).round() as u64)
    };
    pairs.map(pair).collect()
}

#[test]
fn prometheus_that_was_away_has_each_snapshot_once_at_its_time() {
    if !servers::is_here("prometheus", "prometheus") {
        return;
    }
    let (address, folder) = (free_address(), folder("prometheus"));
    std::fs::write(folder.join("prometheus.yml"), "global: {}\n").unwrap();
    let at = |name: &str| folder.join(name).display().to_string();
    let arguments = [
        format!("--config.file={}", at("prometheus.yml")),
        format!("--storage.tsdb.path={}", at("data")),
        format!("--web.listen-address={address}"),
        "--web.enable-remote-write-receiver".to_owned(),
        "--enable-feature=native-histograms".to_owned(),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let start = || Real::start("prometheus", &arguments, address, "/-/ready");
    let steps = Steps::new();
    let url = format!("http://{address}/api/v1/write");
    // This version takes 2.0 for an empty request of 1.0: it gets the same as 1.0.
    let target = eager(Target::remote_write(url)).version(RemoteWriteVersion::V2);
    let server = start();
    let pusher = steps.push(target);
    (1..=10).for_each(|_| steps.step(&pusher));
    delivered(&pusher);
    assert_eq!(raw(address, "raft_commits_total"), steps.samples(10));
    drop(server);
    (1..=10).for_each(|_| steps.step(&pusher));
    assert_eq!(pusher.status()[0].waiting, 10);
    let _server = start();
    delivered(&pusher);
    (1..=9).for_each(|_| steps.step(&pusher));
    steps.work();
    let now = |query: &str, at: u64| {
        let seconds = at as f64 / 1000.0;
        let answer = get(address, &format!("/api/v1/query?query={query}&time={seconds}"));
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        answer["data"]["result"][0]["value"][1].as_str()?.parse::<f64>().ok()
    };
    assert!(pusher.stop().is_complete());
    assert_eq!(pusher.status()[0].dropped, 0, "{:?}", pusher.status());
    let wanted = steps.samples(30);
    assert_eq!(raw(address, "raft_commits_total"), wanted);
    let last = wanted[29].1;
    assert_eq!(now("histogram_count(raft_commit_latency_seconds)", last), Some(30.0));
    assert_eq!(now("raft_commits_total", last), Some(30.0));
    // Both ended with the pusher.
    assert_eq!(now("raft_commits_total", last + 1_000), None);
    assert_eq!(now("histogram_count(raft_commit_latency_seconds)", last + 1_000), None);
    let _ = std::fs::remove_dir_all(&folder);
}

#[test]
fn victoria_metrics_that_was_away_has_each_snapshot_once_at_its_time() {
    if !servers::is_here("victoria-metrics", "victoria-metrics") {
        return;
    }
    let (address, folder) = (free_address(), folder("victoria"));
    let data = format!("-storageDataPath={}", folder.display());
    let listen = format!("-httpListenAddr={address}");
    let start = || {
        let arguments = [&listen, &data, "-search.latencyOffset=0s", "-loggerLevel=ERROR"];
        Real::start("victoria-metrics", &arguments, address, "/health")
    };
    let stored = |name: &str| -> Vec<(u64, u64)> {
        get(address, "/internal/force_flush");
        let path = format!("/api/v1/export?match[]={name}&start=0&reduce_mem_usage=1");
        let page = get(address, &path);
        let samples = page.lines().flat_map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let list = |name: &str| line[name].as_array().unwrap().clone();
            // The end of a series has no value.
            let number = |value: &serde_json::Value| value.as_f64().map(|value| value as u64);
            let values: Vec<_> = list("values").iter().map(number).collect();
            let times: Vec<_> = list("timestamps").iter().map(|at| at.as_u64().unwrap()).collect();
            values.into_iter().zip(times).collect::<Vec<_>>()
        });
        let mut samples: Vec<_> =
            samples.filter_map(|(value, time)| Some((value?, time))).collect();
        samples.sort_unstable();
        samples
    };
    let steps = Steps::new();
    let url = format!("http://{address}/api/v1/write");
    let target = eager(Target::remote_write(url)).classic_histograms(true);
    let server = start();
    let pusher = steps.push(target);
    (1..=10).for_each(|_| steps.step(&pusher));
    delivered(&pusher);
    drop(server);
    (1..=10).for_each(|_| steps.step(&pusher));
    let _server = start();
    (1..=9).for_each(|_| steps.step(&pusher));
    steps.work();
    assert!(pusher.stop().is_complete());
    for name in ["raft_commits_total", "raft_commit_latency_seconds_count"] {
        // Samples can be asked for a moment after they were taken.
        wait_until("the samples", || stored(name).len() >= 30);
        assert_eq!(stored(name), steps.samples(30), "{name}");
    }
    let _ = std::fs::remove_dir_all(&folder);
}
