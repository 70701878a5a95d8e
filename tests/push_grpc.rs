//! OTLP over gRPC: to a real collector that is stopped for a while and started again, and to servers that answer with every
//! status, with nonsense, too much, or nothing.
#![cfg(all(feature = "push", feature = "grpc", feature = "tls"))]

#[path = "push/authority.rs"]
mod authority;
mod common;
#[path = "push/fake.rs"]
mod fake;
#[path = "push/grpc_server.rs"]
mod grpc_server;
#[path = "push/node.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod node;
#[path = "rotel/server.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod rotel;
#[path = "common/servers.rs"]
mod servers;
#[path = "http/tools.rs"]
mod tools;

use authority::{Authority, NOW};
use base64::Engine as _;
use fake::{Fake, wait_until};
use grpc_server::{Call, Reply, Server, status};
use node::{Node, SOON, quick, start};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use prost::Message as _;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tachometer::{Pusher, Target, Temporality};

/// What the counter of the test has in a request.
fn value(call: &Call) -> i64 {
    let request = ExportMetricsServiceRequest::decode(call.message()).unwrap();
    let metrics = request.resource_metrics.iter().flat_map(|r| &r.scope_metrics);
    let mut metrics = metrics.flat_map(|scope| &scope.metrics);
    let metric = metrics.find(|metric| metric.name == "n_total").unwrap();
    let Some(metric::Data::Sum(sum)) = &metric.data else { panic!("{metric:?}") };
    match sum.data_points[0].value {
        Some(number_data_point::Value::AsInt(value)) => value,
        other => panic!("{other:?}"),
    }
}

fn grpc(server: &Server) -> Target {
    quick(Target::otlp_grpc(server.url())).time_limit(fake::PATIENCE)
}

fn taken() -> Reply {
    Reply::Taken(Vec::new())
}

#[test]
fn a_call_is_what_grpc_and_otlp_want() {
    let node = Node::new();
    let server = Server::start(None, |_| taken());
    let target = Target::otlp_grpc(server.url()).resource("service.name", "orders");
    let target = target.header("X-Scope-OrgID", "team a").basic_auth("Aladdin", "open sesame");
    let target = quick(target).time_limit(Duration::from_secs(25));
    let pusher = start(&node, target);
    (1..=5).for_each(|_| node.step(&pusher));
    wait_until("five answers", || pusher.status()[0].sent == 5);
    let calls = server.calls();
    assert_eq!(calls.iter().map(value).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let call = &calls[0];
    assert_eq!(call.head.method(), "POST");
    let path = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
    assert_eq!(call.head.uri().path(), path);
    assert_eq!(call.head.uri().authority().unwrap().as_str(), server.address.to_string());
    assert_eq!(call.header("content-type"), "application/grpc");
    assert_eq!(call.header("te"), "trailers");
    assert!(call.header("user-agent").starts_with("tachometer/"));
    assert_eq!(call.header("x-scope-orgid"), "team a");
    assert_eq!(call.header("authorization"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    let limit = call.header("grpc-timeout").strip_suffix('m').unwrap().parse::<u32>().unwrap();
    assert!((1..=25_000).contains(&limit), "{limit}");
    assert_eq!(node.own("tachometer_push_sent_total", &[("target", "t")]), 5);
    assert_eq!(pusher.status()[0].last_error, None);
}

#[test]
fn each_status_means_what_otlp_says() {
    let retry_info = |seconds: u8| {
        let info = [0x0A, 2, 0x08, seconds];
        let kind = b"type.googleapis.com/google.rpc.RetryInfo";
        let any = [&[0x0A, kind.len() as u8][..], kind, &[0x12, 4], &info].concat();
        let details = [&[0x08, 8, 0x1A, any.len() as u8][..], &any].concat();
        let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(details);
        ("grpc-status-details-bin", encoded)
    };
    let full = || status(8);
    let full_until = move || [full(), vec![retry_info(1)]].concat();
    let mut script: Vec<Reply> = [1, 4, 10, 11, 14, 15].map(|s| Reply::Trailers(status(s))).into();
    script.push(Reply::AtOnce(status(14)));
    script.push(Reply::Trailers(full_until()));
    let later = script.len();
    script.push(taken());
    // As the head of an answer that has nothing else.
    script.push(Reply::AtOnce(vec![("grpc-status", "0".to_owned())]));
    let refused: Vec<Reply> =
        [2, 3, 5, 6, 7, 8, 9, 12, 13, 16].map(|s| Reply::Trailers(status(s))).into();
    let ended = refused.len() + 1;
    script.extend(refused);
    script.push(Reply::AtOnce(status(3)));
    script.push(taken());
    let (node, all) = (Node::new(), script.len());
    let server = Server::start(None, move |number| script[number].clone());
    let pusher = start(&node, grpc(&server));
    node.step(&pusher);
    wait_until("the first", || pusher.status()[0].sent == 1);
    assert_eq!(server.calls().len(), later + 1);
    let calls = server.calls();
    // The one that was answered before it was read has none.
    let bodies = calls[..=later].iter().filter(|call| !call.body.is_empty());
    assert!(bodies.clone().count() >= later);
    bodies.for_each(|call| assert!(call.body == calls[later].body));
    let pause = calls[later].at - calls[later - 1].at;
    assert!(pause >= Duration::from_secs(1), "{pause:?}");
    assert_eq!(node.failures("t", "status"), later as u64);
    // That asked for a snapshot, which has gone too.
    wait_until("the second", || pusher.status()[0].sent == 2);

    let mut errors = Vec::new();
    for done in 1..=ended {
        node.step(&pusher);
        wait_until("a refusal", || pusher.status()[0].dropped == done as u64);
        errors.push(pusher.status()[0].last_error.clone().unwrap());
    }
    assert_eq!(server.calls().len(), all - 1);
    assert!(errors[0].contains("UNKNOWN: so it is; "), "{errors:?}");
    assert!(errors[4].contains("PERMISSION_DENIED") && errors[4].contains("credentials"));
    assert!(errors[5].contains("RESOURCE_EXHAUSTED"), "{errors:?}");
    assert!(errors[7].contains("UNIMPLEMENTED") && errors[7].contains("port"), "{errors:?}");
    node.step(&pusher);
    wait_until("the last", || pusher.status()[0].sent == 3);
    drop(pusher);
    assert_eq!(node.failures("t", "refused"), ended as u64);
    assert_eq!(node.dropped("t", "refused"), ended as u64);
}

#[test]
fn points_that_are_rejected_are_counted_and_words_that_repeat_a_secret_are_not_shown() {
    let partial = ExportMetricsPartialSuccess {
        rejected_data_points: 3,
        error_message: "too old".to_owned(),
    };
    let message = ExportMetricsServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    let telling = vec![
        ("grpc-status", "16".to_owned()),
        ("grpc-message", "nobody has the token hunter2%21".to_owned()),
    ];
    let server = Server::start(None, move |number| match number {
        0 => Reply::Taken(message.clone()),
        _ => Reply::Trailers(telling.clone()),
    });
    let node = Node::new();
    let pusher = start(&node, grpc(&server).header("authorization", "Bearer hunter2!"));
    node.step(&pusher);
    wait_until("an answer", || pusher.status()[0].sent == 1);
    assert_eq!(pusher.status()[0].rejected, 3);
    assert_eq!(pusher.status()[0].last_rejection.as_deref(), Some("too old"));
    node.step(&pusher);
    wait_until("a refusal", || pusher.status()[0].dropped == 1);
    let error = pusher.status()[0].last_error.clone().unwrap();
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn answers_that_are_none_are_told_apart_and_the_call_is_made_again() {
    use h2::Reason;
    let huge = vec![("grpc-status", "0".to_owned()), ("grpc-message", "x".repeat(60 << 10))];
    let html = vec![("content-type", "text/html".to_owned())];
    let script = [
        (Reply::NoTrailers, "malformed", "without a grpc-status"),
        (Reply::Trailers(Vec::new()), "malformed", "without a grpc-status"),
        (Reply::Trailers(vec![("grpc-status", "x".into())]), "malformed", "not a number"),
        (Reply::Http(200, html.clone()), "malformed", "is not gRPC"),
        (Reply::Http(503, html.clone()), "status", "503"),
        (Reply::Endless, "malformed", "longer than"),
        (Reply::AtOnce(huge.clone()), "malformed", "too long"),
        (Reply::Reset(Reason::REFUSED_STREAM), "closed", "broke off the call"),
        (Reply::Reset(Reason::INTERNAL_ERROR), "closed", "broke off the call"),
        (Reply::GoAway(Reason::ENHANCE_YOUR_CALM), "closed", "ended the connection"),
        (Reply::GoAway(Reason::NO_ERROR), "closed", ""),
    ];
    for (reply, reason, word) in script {
        let node = Node::new();
        let healed = Arc::<AtomicBool>::default();
        let (is_healed, bad) = (healed.clone(), reply.clone());
        let server = Server::start(None, move |_| match is_healed.load(Ordering::SeqCst) {
            true => taken(),
            false => bad.clone(),
        });
        let pusher = start(&node, grpc(&server));
        node.step(&pusher);
        wait_until("an error", || pusher.status()[0].last_error.is_some());
        let error = pusher.status()[0].last_error.clone().unwrap();
        assert!(error.contains(word), "{reply:?}: {error}");
        healed.store(true, Ordering::SeqCst);
        wait_until("an answer", || pusher.status()[0].sent >= 1);
        let calls = server.calls();
        assert!(calls.iter().any(|call| !call.body.is_empty() && value(call) == 1), "{reply:?}");
        assert!(node.failures("t", reason) >= 1, "{reply:?}: {error}");
        assert_eq!(pusher.status()[0].dropped, 0, "{reply:?}");
    }
    // Behind the status, only so much is kept; it stands.
    let node = Node::new();
    let server = Server::start(None, move |_| Reply::Trailers(huge.clone()));
    let pusher = start(&node, grpc(&server));
    node.step(&pusher);
    wait_until("an answer", || pusher.status()[0].sent == 1);
    // From somebody before the server, who does not speak gRPC.
    let node = Node::new();
    let server = Server::start(None, |_| Reply::Http(404, Vec::new()));
    let pusher = start(&node, grpc(&server));
    node.step(&pusher);
    wait_until("a refusal", || pusher.status()[0].dropped == 1);
    assert!(pusher.status()[0].last_error.as_ref().unwrap().contains("404"));
}

#[test]
fn no_server_holds_up_another_one() {
    let node = Node::new();
    let good = Server::start(None, |_| taken());
    let mute = Server::start(None, |_| Reply::Silence);
    let endless = Server::start(None, |_| Reply::Endless);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let http = Fake::answering("127.0.0.1:0", |_, _| {});
    let plain = Fake::start(
        "127.0.0.1:0",
        |_, stream| {
            fake::say(stream, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            // To the end: to close with something unread would take the answer back.
            while std::io::Read::read(stream, &mut [0; 4096]).is_ok_and(|len| len > 0) {}
            false
        },
        |_, _| {},
    );
    let at = |address: SocketAddr| format!("http://{address}");
    let mut builder = Pusher::builder(&node.engine).flush_within(SOON);
    let silent_at = at(silent.local_addr().unwrap());
    for (name, url, limit) in [
        ("good", good.url(), 30_000),
        ("mute", mute.url(), 200),
        ("silent", silent_at, 200),
        ("endless", endless.url(), 30_000),
        ("http", at(http.address), 200),
        ("plain", at(plain.address), 30_000),
    ] {
        let target = quick(Target::otlp_grpc(url)).time_limit(Duration::from_millis(limit));
        builder = builder.target(name, target);
    }
    let pusher = builder.start().unwrap();
    for _ in 0..30 {
        let sent = pusher.status()[0].sent;
        node.count.inc();
        node.engine.refresh();
        wait_until("the good one", || pusher.status()[0].sent > sent);
    }
    // The last error of each, at some time: a busy machine may end an attempt somewhere else than most.
    for (at, words) in [
        (1, "time limit was over while waiting for its answer"),
        (2, "time limit was over"),
        (3, "longer than"),
        // Speaks HTTP/1.1, and hangs up on what is none.
        (4, ""),
        (5, "port for gRPC"),
    ] {
        let said = || pusher.status()[at].last_error.clone();
        wait_until(words, || said().is_some_and(|error| error.contains(words)));
    }
    assert_eq!(pusher.status()[0].last_error, None);
    pusher.stop();
    assert!(node.failures("mute", "timeout") > 0 && node.failures("silent", "timeout") > 0);
    assert!(node.failures("endless", "malformed") > 0 && node.failures("plain", "malformed") > 0);
    let values: Vec<i64> = good.calls().iter().map(value).collect();
    assert!(values.is_sorted() && values.len() >= 30, "{values:?}");
}

#[test]
fn over_tls_a_server_must_offer_http_2() {
    if !tools::is_here("openssl", "openssl") {
        return;
    }
    let folder = tools::folder("push-grpc-tls");
    let authority = Authority::new(&folder, "ca");
    let other = Authority::new(&folder, "other");
    let identity = authority.issue("server", "IP:127.0.0.1", NOW);
    let versions = [&rustls::version::TLS12, &rustls::version::TLS13];
    let node = Node::new();
    for (protocols, ca, wanted) in [
        (&[&b"h2"[..]][..], &authority, ""),
        (&[], &authority, "ALPN"),
        (&[b"http/1.1"], &authority, "does not speak this protocol"),
        (&[b"h2"], &other, "UnknownIssuer"),
    ] {
        let config = authority::server(&identity, protocols, &versions);
        let server = Server::start(Some(config), |_| taken());
        let target = Target::otlp_grpc(format!("https://{}", server.address));
        let target = quick(target).ca_file(&ca.certificate).header("X-Key", "k");
        let pusher = Pusher::builder(&node.engine).target("t", target).flush_within(SOON);
        let pusher = pusher.start().unwrap();
        node.step(&pusher);
        let status = || pusher.status()[0].clone();
        wait_until("an end", || status().sent > 0 || status().last_error.is_some());
        let error = status().last_error.unwrap_or_default();
        assert!(error.contains(wanted) && error.is_empty() == wanted.is_empty(), "{error}");
        match wanted.is_empty() {
            true => assert_eq!(server.calls()[0].head.uri().scheme_str(), Some("https")),
            false => assert_eq!(server.calls().len(), 0),
        }
    }
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn settings_that_cannot_be_are_errors_that_say_why() {
    let node = Node::new();
    let to = |url: &str| Target::otlp_grpc(url);
    for (target, parts) in [
        (to("http://h:4317/v1/metrics"), ["url", "path of its own"]),
        (to("http://h:4317/?a=b"), ["url", "path of its own"]),
        (to("h:4317"), ["url", "scheme"]),
        (to("http://h:4317").json(true), ["json", "protobuf"]),
        (to("http://h:4317").header("grpc-timeout", "1S"), ["grpc-timeout", "its own"]),
        (to("http://h:4317").header("TE", "x"), ["TE", "its own"]),
        (to("http://h:4317").header("a", "\u{e9}"), ["header", "ASCII"]),
        (to("http://h:4317").header("connection", "x"), ["connection", "itself"]),
        (to("http://h:4317").ca_file("x"), ["ca_file", "https"]),
    ] {
        let error = Pusher::builder(&node.engine).target("odd", target).start().unwrap_err();
        let text = error.to_string();
        assert!(parts.iter().all(|part| text.contains(part)), "{parts:?}: {text}");
    }
}

/// A real collector at addresses of the test's choice, which prints what it decodes, behind what it printed before.
struct Collector {
    running: servers::Running,
}

impl Collector {
    fn start(program: &Path, folder: &Path, [http, grpc]: [SocketAddr; 2]) -> Collector {
        let at = |name: &str| folder.join(name).display().to_string();
        let output = File::options().create(true).append(true).open(at("output")).unwrap();
        let mut command = Command::new(program);
        command
            .args(["start", "--exporter", "blackhole", "--debug-log", "metrics"])
            .args(["--debug-log-verbosity", "detailed"])
            .args(["--otlp-http-endpoint", &http.to_string()])
            .args(["--otlp-grpc-endpoint", &grpc.to_string()])
            .args(["--pid-file", &at("pid"), "--log-file", &at("log")])
            .stdout(output)
            .stderr(Stdio::null());
        let running = servers::Running::start(&mut command, &[http, grpc], "");
        Collector { running: running.expect("rotel starts") }
    }
}

/// What a point of the counter is for: from when to when, and its value.
type Point = (u64, u64, u64);

/// The points of `service`'s counter that were printed, in their order.
fn printed(folder: &Path, service: &str) -> Vec<Point> {
    let text = std::fs::read_to_string(folder.join("output")).unwrap();
    let resource = format!("     -> service.name: Str({service})\n");
    let mut points = Vec::new();
    for part in text.split("ResourceMetrics #").filter(|part| part.contains(&resource)) {
        let metrics = part.split("\nMetric #").skip(1);
        for metric in metrics.filter(|metric| metric.contains("-> Name: n_total\n")) {
            let number = |key: &str| {
                let begin = format!("{key}: ");
                let line = metric.lines().find_map(|line| line.strip_prefix(&begin));
                // Cut off, as long as it is being printed.
                line.and_then(|number| number.parse::<u64>().ok())
            };
            if let Some(value) = number("Value").filter(|_| metric.matches('\n').count() > 8) {
                points.push((
                    number("StartTimestamp").unwrap(),
                    number("Timestamp").unwrap(),
                    value,
                ));
            }
        }
    }
    points
}

#[test]
fn a_collector_that_is_away_for_a_while_has_everything_once() {
    let Some(program) = rotel::program() else { return };
    let folder = tools::folder("push-grpc-rotel");
    let addresses: [SocketAddr; 2] =
        common::loopback::free_addresses(2).try_into().expect("two of them");
    let start = || Collector::start(program, &folder, addresses);
    let clock = tachometer::ManualClock::at(Duration::from_secs(1_700_000_000));
    let registry = tachometer::Registry::new();
    let count = registry.counter("n_total", "Counted.").unwrap();
    let engine = common::by_hand_with(&registry, &clock);
    let target = |service: &str, temporality: Temporality| {
        let target = Target::otlp_grpc(format!("http://{}", addresses[1]));
        let target = target.resource("service.name", service).temporality(temporality);
        quick(target).retry(SOON, SOON * 5).time_limit(fake::PATIENCE)
    };
    let builder = Pusher::builder(&engine)
        .target("all", target("all", Temporality::Cumulative))
        .target("rises", target("rises", Temporality::Delta).gzip(true));
    let pusher = builder.flush_within(fake::PATIENCE).start().unwrap();
    let work = || {
        count.add(3);
        clock.advance(Duration::from_secs(1));
    };
    let push = |snapshots: usize| {
        for _ in 0..snapshots {
            let seen = || pusher.status()[0].waiting as u64 + pusher.status()[0].sent;
            let before = seen();
            work();
            engine.refresh();
            wait_until("a payload", || seen() > before);
        }
    };
    let mut collector = start();
    push(10);
    wait_until("delivery", || pusher.status().iter().all(|status| status.waiting == 0));
    // What it has taken it prints in its own time.
    let all_printed = |snapshots: u64| {
        wait_until("cumulative points", || printed(&folder, "all").len() as u64 >= snapshots);
        let sum = || printed(&folder, "rises").iter().map(|point| point.2).sum::<u64>();
        wait_until("deltas", || sum() >= 3 * snapshots);
        assert_eq!(sum(), 3 * snapshots);
    };
    all_printed(10);
    collector.running.stop();
    push(10);
    assert!(pusher.status()[0].waiting == 10 && pusher.status()[1].waiting >= 1);
    let _collector = start();
    push(9);
    // The last snapshot is made by `stop`.
    work();
    assert!(pusher.stop().is_complete());
    all_printed(30);

    let all = printed(&folder, "all");
    assert_eq!(all.iter().map(|point| point.2).collect::<Vec<_>>(), series(30, 3));
    assert!(all.is_sorted_by(|a, b| a.1 < b.1 && a.0 == b.0), "{all:?}");
    // Each delta begins where the one before it ended.
    let rises = printed(&folder, "rises");
    assert!(rises.windows(2).all(|pair| pair[0].1 == pair[1].0), "{rises:?}");
    assert_eq!(rises.last().unwrap().1, all.last().unwrap().1);
    let _ = std::fs::remove_dir_all(folder);
}

/// The first `count` multiples of `step`.
fn series(count: u64, step: u64) -> Vec<u64> {
    (1..=count).map(|at| at * step).collect()
}

#[test]
fn a_collector_behind_tls_takes_large_requests() {
    let Some(program) = rotel::program() else { return };
    if !tools::is_here("openssl", "openssl") {
        return;
    }
    let folder = tools::folder("push-grpc-rotel-tls");
    let authority = Authority::new(&folder, "ca");
    let identity = authority.issue("server", "DNS:localhost", NOW);
    let versions = [&rustls::version::TLS12, &rustls::version::TLS13];
    let config = authority::server(&identity, &[b"h2"], &versions);
    let addresses: [SocketAddr; 2] =
        common::loopback::free_addresses(2).try_into().expect("two of them");
    let _collector = Collector::start(program, &folder, addresses);
    let (_runtime, proxy) = grpc_server::proxy(config, addresses[1]);

    let registry = tachometer::Registry::new();
    let count = registry.counter("n_total", "Counted.").unwrap();
    let text = "x".repeat(4_000);
    for at in 0..500 {
        let metric = registry.metric("large", "L.").label("text", format!("{text}{at}"));
        metric.gauge().unwrap().set(f64::from(at));
    }
    let engine = common::by_hand(&registry);
    let target = Target::otlp_grpc(format!("https://localhost:{}", proxy.port()));
    let target = target.resource("service.name", "large").ca_file(&authority.certificate);
    let target = quick(target).time_limit(fake::PATIENCE);
    let builder = Pusher::builder(&engine).target("t", target).flush_within(fake::PATIENCE);
    let pusher = builder.start().unwrap();
    count.add(7);
    let flush = pusher.stop();
    assert!(flush.is_complete(), "{flush:?}");
    wait_until("the point", || !printed(&folder, "large").is_empty());
    let points = printed(&folder, "large");
    assert!(points.len() == 1 && points[0].2 == 7, "{points:?}");
    let _ = std::fs::remove_dir_all(folder);
}
