//! Pushing OTLP over HTTP: what a receiver says about the points it rejects, deltas that add up to what was recorded
//! whatever became of requests, and a real collector that is stopped for a while and started again.
#![cfg(feature = "push")]

#[path = "http/client.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod client;
mod common;
#[path = "push/fake.rs"]
mod fake;
#[path = "push/real.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod real;
#[path = "rotel/server.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod server;
#[path = "common/servers.rs"]
mod servers;
#[path = "push/steps.rs"]
mod steps;

use fake::{Fake, Request, free_address, say, wait_until};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point::Value};
use prost::Message as _;
use real::Real;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use steps::{Steps, delivered, eager};
use tachometer::{Pusher, Target, Temporality};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
/// `{partial_success: {rejected_data_points: 3, error_message: "too old"}}`
const PARTIAL: &[u8] = b"\x0a\x0b\x08\x03\x12\x07too old";

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// Start, end and value of each point of the counter in a request.
fn points(request: &Request) -> Vec<(u64, u64, u64)> {
    let body = match request.header("Content-Encoding") {
        Some("gzip") => {
            let mut body = Vec::new();
            flate2::read::GzDecoder::new(&request.bytes[..]).read_to_end(&mut body).unwrap();
            body
        }
        _ => request.bytes.clone(),
    };
    let request = match request.header("Content-Type") {
        Some("application/json") => serde_json::from_slice(&body).unwrap(),
        _ => ExportMetricsServiceRequest::decode(&body[..]).unwrap(),
    };
    let scopes = request.resource_metrics.into_iter().flat_map(|part| part.scope_metrics);
    let metrics = scopes.flat_map(|scope| scope.metrics);
    let commits = metrics.filter(|metric| metric.name == "raft_commits_total");
    let of = |data| match data {
        Some(Data::Sum(sum)) => sum.data_points,
        other => panic!("{other:?}"),
    };
    let points = commits.flat_map(|metric| of(metric.data)).map(|point| match point.value {
        Some(Value::AsInt(value)) => {
            (point.start_time_unix_nano, point.time_unix_nano, value.try_into().unwrap())
        }
        other => panic!("{other:?}"),
    });
    points.collect()
}

/// The points of deltas follow each other without gap or overlap; returns their sum.
fn sum(points: &[(u64, u64, u64)]) -> u64 {
    let follows = |pair: &[(u64, u64, u64)]| pair[0].1 == pair[1].0;
    assert!(points.windows(2).all(follows), "{points:?}");
    points.iter().map(|point| point.2).sum()
}

#[test]
fn what_a_receiver_rejects_is_counted_and_never_sent_again() {
    let steps = Steps::with_own_metrics();
    let partial = |json: bool| {
        let json_body = r#"{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"too old"}}"#;
        let body = if json { json_body.as_bytes() } else { PARTIAL }.to_vec();
        move |number: usize, stream: &mut std::net::TcpStream| {
            if number > 0 {
                return say(stream, OK);
            }
            say(stream, &format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()));
            stream.write_all(&body).unwrap();
        }
    };
    let servers = [false, true].map(|json| Fake::answering("127.0.0.1:0", partial(json)));
    let target = |at: usize| eager(Target::otlp(url(servers[at].address)).json(at == 1));
    let pusher = Pusher::builder(&steps.engine);
    let pusher = pusher.target("protobuf", target(0)).target("json", target(1)).start().unwrap();
    (1..=3).for_each(|_| steps.step(&pusher));
    delivered(&pusher);
    for (status, server) in pusher.status().iter().zip(&servers) {
        assert_eq!((status.sent, status.dropped, status.rejected), (3, 0, 3), "{status:?}");
        assert_eq!(status.last_rejection.as_deref(), Some("too old"));
        assert_eq!(status.last_error, None);
        let times: Vec<u64> =
            server.requests().iter().flat_map(points).map(|point| point.1).collect();
        let wanted = steps.samples(3).into_iter().map(|(_, time)| time * 1_000_000);
        assert!(times.into_iter().eq(wanted), "each snapshot once");
        let now = steps.engine.refresh();
        let rejected = "tachometer_push_rejected_points_total";
        assert_eq!(now.counter_with(rejected, &[("target", &status.name)]).unwrap(), 3);
    }
    for (server, wanted) in servers.iter().zip(["application/x-protobuf", "application/json"]) {
        let first = server.requests().remove(0);
        assert!(first.head.starts_with("POST /v1/metrics HTTP/1.1\r\n"), "{}", first.head);
        assert_eq!(first.header("Content-Type"), Some(wanted));
    }
}

#[test]
fn deltas_add_up_to_what_was_recorded_whatever_becomes_of_requests() {
    let steps = Steps::new();
    let server = Fake::answering("127.0.0.1:0", |number, stream| match number {
        0 => say(stream, "HTTP/1.1 400 Bad\r\n\r\n"),
        1 => say(stream, "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\n\r\n"),
        2 => say(stream, "this is no answer"),
        3 => {}
        // Garbage, but it was taken.
        4 => say(stream, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\n\u{7f}x"),
        _ => say(stream, OK),
    });
    let target = Target::otlp(url(server.address)).temporality(Temporality::Delta).gzip(true);
    let pusher = steps.push(eager(target));
    for _ in 0..100 {
        steps.work();
        steps.engine.refresh();
        std::thread::sleep(Duration::from_millis(4));
    }
    server.wait_for(6);
    steps.work();
    assert!(pusher.stop().is_complete());
    let requests = server.requests();
    // The first was refused; what it had is in the second, which came four times as it was.
    assert_eq!(points(&requests[0])[0].0, points(&requests[1])[0].0);
    requests[1..4].iter().for_each(|request| assert_eq!(request.bytes, requests[4].bytes));
    // The time of a request is taken after it was read, so the first may be late; pauses of our own are far shorter.
    let pause = requests[2].at - requests[1].at;
    assert!(pause >= Duration::from_millis(500), "Retry-After: {pause:?}");
    let taken: Vec<_> = requests[4..].iter().flat_map(points).collect();
    assert_eq!(sum(&taken), 101);
    assert!(taken.len() > 1, "{taken:?}");
    let status = pusher.status().remove(0);
    assert_eq!((status.dropped, status.rejected, status.last_rejection), (1, 0, None));
}

#[test]
fn options_of_other_formats_are_refused() {
    let steps = Steps::new();
    let refused = |target: Target| {
        let error = Pusher::builder(&steps.engine).target("t", target).start().unwrap_err();
        error.to_string()
    };
    let otlp = || Target::otlp("http://127.0.0.1:4318");
    for (target, word) in [
        (otlp().token("x"), "token"),
        (otlp().plain(), "plain"),
        (otlp().resource("", "x"), "resource"),
        (otlp().datagram_bytes(9), "datagram"),
        (Target::otlp("http://127.0.0.1:4318/v1/metrics"), "without /v1/metrics"),
        (Target::graphite("127.0.0.1:2003").gzip(true), "gzip"),
        (Target::graphite("127.0.0.1:2003").json(true), "json"),
        (Target::influx("http://h", "d").temporality(Temporality::Delta), "temporality"),
        (Target::influx("http://h", "d").resource("a", "b"), "resource"),
        (Target::influx("http://h", "d").token("hunter2"), "token"),
        (Target::influx("http://h/write", "d"), "without /write"),
        (Target::statsd("h:1").datagram_bytes(100), "datagram_bytes"),
    ] {
        let error = refused(target);
        assert!(error.contains(word) && !error.contains("hunter2"), "{word}: {error}");
    }
}

/// A collector that writes what it decodes behind what one before it wrote.
struct Collector {
    address: SocketAddr,
    folder: PathBuf,
    program: &'static Path,
}

impl Collector {
    fn start(&self) -> Real {
        let at = |name: &str| self.folder.join(name).display().to_string();
        let command = format!(
            "exec '{}' start --exporter blackhole --debug-log metrics \
             --debug-log-verbosity detailed --otlp-http-endpoint {} --otlp-grpc-endpoint {} \
             --pid-file '{}' --log-file '{}' >> '{}' 2>/dev/null",
            self.program.display(),
            self.address,
            free_address(),
            at("pid"),
            at("log"),
            at("out")
        );
        Real::start("sh", &["-c", &command], self.address, "")
    }

    /// Start, end and value of each point of the counter that it printed.
    fn printed(&self) -> Vec<(u64, u64, u64)> {
        let text = std::fs::read_to_string(self.folder.join("out")).unwrap();
        let metrics = text.split("\nMetric #").filter(|part| part.contains("raft_commits_total\n"));
        let number = |metric: &str, key: &str| -> Option<u64> {
            let line = metric.lines().find_map(|line| line.trim().strip_prefix(key))?;
            line.trim_start_matches(": ").parse::<f64>().ok().map(|number| number as u64)
        };
        let exact = |metric: &str, key: &str| -> Option<u64> {
            metric.lines().find_map(|line| line.trim().strip_prefix(key))?.parse().ok()
        };
        let point = |metric: &str| {
            let start = exact(metric, "StartTimestamp: ")?;
            Some((start, exact(metric, "Timestamp: ")?, number(metric, "Value")?))
        };
        metrics.filter_map(point).collect()
    }
}

fn collector() -> Option<Collector> {
    let program = server::program()?;
    let address = free_address();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = folder.join(format!("rotel-{}-{}", std::process::id(), address.port()));
    std::fs::create_dir_all(&folder).unwrap();
    Some(Collector { address, folder, program })
}

#[test]
fn a_collector_that_was_away_has_every_delta_once() {
    let Some(collector) = collector() else { return };
    let running = collector.start();
    let steps = Steps::new();
    let target = Target::otlp(url(collector.address)).temporality(Temporality::Delta);
    let target = target.resource("service.name", "orders").gzip(true);
    let pusher = steps.push(eager(target));
    (1..=10).for_each(|_| steps.step(&pusher));
    delivered(&pusher);
    wait_until("the points", || collector.printed().len() == 10);

    // Away: what is counted meanwhile is one delta when it comes back.
    drop(running);
    steps.step(&pusher);
    wait_until("a failure", || pusher.status()[0].last_error.is_some());
    for _ in 0..19 {
        steps.work();
        steps.engine.refresh();
    }
    assert_eq!(pusher.status()[0].waiting, 1);
    let _running = collector.start();
    delivered(&pusher);
    (1..=10).for_each(|_| steps.step(&pusher));
    steps.commits.add(60);
    assert!(pusher.stop().is_complete());
    wait_until("the last point", || sum(&collector.printed()) == 100);
    assert!(collector.printed().len() <= 24, "{:?}", collector.printed());
    let _ = std::fs::remove_dir_all(&collector.folder);
}

#[test]
fn a_collector_that_was_away_has_every_snapshot_once() {
    let Some(collector) = collector() else { return };
    let running = collector.start();
    let steps = Steps::new();
    let pusher = steps.push(eager(Target::otlp(url(collector.address))));
    (1..=10).for_each(|_| steps.step(&pusher));
    delivered(&pusher);
    wait_until("the points", || collector.printed().len() == 10);
    drop(running);
    (1..=10).for_each(|_| steps.step(&pusher));
    assert_eq!(pusher.status()[0].waiting, 10);
    let _running = collector.start();
    (1..=9).for_each(|_| steps.step(&pusher));
    steps.work();
    assert!(pusher.stop().is_complete());
    let wanted: Vec<_> = steps.samples(30).iter().map(|at| (at.0, at.1 * 1_000_000)).collect();
    let printed = || -> Vec<_> { collector.printed().iter().map(|at| (at.2, at.1)).collect() };
    wait_until("the points", || printed().len() >= 30);
    assert_eq!(printed(), wanted);
    let starts: BTreeSet<u64> = collector.printed().iter().map(|point| point.0).collect();
    assert_eq!(starts.len(), 1, "they count from when the series began");
    let _ = std::fs::remove_dir_all(&collector.folder);
}
