//! A fleet over real engines and hostile servers, asked as its users ask it: over HTTP.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tacho::fleet::{Fleet, FleetArgs};
use tachometer::catalogue::event_store::EventStoreMetrics;
use tachometer::catalogue::raft::RaftMetrics;
use tachometer::{Engine, Listener, Registry};

const PATIENCE: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(200);

/// A process of its own, as far as the fleet sees.
struct Node {
    raft: RaftMetrics,
    store: EventStoreMetrics,
    listener: Listener,
    _engine: Engine,
}

impl Node {
    fn start() -> Node {
        let registry = Registry::new();
        let raft = RaftMetrics::register(&registry).expect("a registry of its own");
        let store = EventStoreMetrics::register(&registry).expect("a registry of its own");
        let engine = Engine::builder().registry(&registry).start().expect("an engine");
        let listener = Listener::bind(&engine, "127.0.0.1:0").expect("a port");
        Node { raft, store, listener, _engine: engine }
    }

    fn target(&self, name: &str) -> String {
        format!("{name}={}", self.listener.local_addr())
    }
}

fn args(targets: &[String]) -> FleetArgs {
    FleetArgs {
        targets: targets.iter().map(|target| target.parse().expect(target)).collect(),
        interval: INTERVAL,
        listen: Some("127.0.0.1:0".parse().expect("an address")),
        config: None,
        rules: Vec::new(),
        backend: None,
        event_store_prefix: "allsource_".to_owned(),
    }
}

fn get(fleet: &Fleet, path: &str) -> (u16, Value) {
    let address = fleet.address().expect("it is served");
    let mut stream = TcpStream::connect(address).expect("the fleet listens");
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("the request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer is text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).unwrap_or_else(|_| panic!("{path}: {body}")))
}

/// The one number of a query; `None` while it has none.
fn number(fleet: &Fleet, query: &str) -> Option<f64> {
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let (status, answer) = get(fleet, &format!("/api/v1/query?query={encoded}"));
    assert_eq!(status, 200, "{query}: {answer}");
    answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn wait_for_number(fleet: &Fleet, query: &str, expected: f64) {
    let mut seen = None;
    let deadline = Instant::now() + PATIENCE;
    while seen != Some(expected) {
        assert!(Instant::now() < deadline, "{query} is {seen:?}, not {expected}");
        thread::sleep(Duration::from_millis(20));
        seen = number(fleet, query);
    }
}

/// Answers every connection by `answer`, on a thread of its own, until the process ends.
fn server(answer: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || answer(stream));
        }
    });
    address
}

#[test]
fn the_p99_of_all_is_that_of_all_values_and_not_the_mean_of_p99s() {
    let nodes = [Node::start(), Node::start(), Node::start()];
    let targets: Vec<_> = (0..3).map(|at| nodes[at].target(&format!("n{at}"))).collect();
    let fleet = Fleet::start(&args(&targets)).expect("it starts");
    wait_for_number(&fleet, "sum(fleet_target_up)", 3.0);
    // Wait until the empty histograms are there: what comes later is what rates are about.
    wait_for_number(&fleet, "count(raft_commit_latency_seconds)", 3.0);
    // One that is asked much and is fast, one that is slower, one that is asked little and is very slow.
    let mut all = Vec::new();
    let mut p99s = Vec::new();
    for (node, (count, least)) in
        nodes.iter().zip([(20_000u64, 500_000u64), (10_000, 2_000_000), (90, 700_000_000)])
    {
        let mut values: Vec<u64> = (0..count).map(|at| least + least * at / count).collect();
        values.iter().for_each(|value| node.raft.commit_latency.record(*value));
        all.append(&mut values.clone());
        values.sort_unstable();
        p99s.push(values[values.len() * 99 / 100] as f64 / 1e9);
    }
    all.sort_unstable();
    let exact = all[all.len() * 99 / 100] as f64 / 1e9;
    let mean = p99s.iter().sum::<f64>() / 3.0;
    assert!((mean / exact) > 10.0, "the mean of p99s, {mean}, is far from {exact}");
    wait_for_number(&fleet, "histogram_count(sum(raft_commit_latency_seconds))", 30_090.0);
    for query in [
        "histogram_quantile(0.99, sum(raft_commit_latency_seconds))",
        "histogram_quantile(0.99, sum(rate(raft_commit_latency_seconds[1m])))",
    ] {
        let p99 = number(&fleet, query).expect("a number");
        assert!((p99 / exact - 1.0).abs() < 0.02, "{query} is {p99}, of all values it is {exact}");
    }
    fleet.stop();
}

#[test]
fn one_that_is_killed_hangs_lies_or_floods_disturbs_nobody() {
    let (one, two, killed) = (Node::start(), Node::start(), Node::start());
    one.raft.follower_lag_seconds.at(["2"]).set(0.01);
    one.raft.follower_lag_seconds.at(["3"]).set(0.5);
    one.raft.follower_lag_seconds.at(["4"]).set(0.01);
    let hangs = server(|stream| {
        thread::sleep(PATIENCE);
        drop(stream);
    });
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n";
    let floods = server(move |mut stream| {
        let _ = stream.write_all(head.as_bytes());
        let line = [b'#'; 1 << 16];
        // 100 MB, or as much as is taken.
        for _ in 0..1_600 {
            if stream.write_all(&line).is_err() {
                return;
            }
        }
    });
    let lies = server(move |mut stream| {
        let mut request = [0; 4_096];
        let _ = stream.read(&mut request);
        let page =
            "# TYPE raft_commit_latency_seconds gauge\nraft_commit_latency_seconds 7\nfine 1\n";
        let _ = stream.write_all(format!("{head}{page}").as_bytes());
    });
    let targets = [
        one.target("one"),
        two.target("two"),
        killed.target("killed"),
        format!("hangs={hangs}"),
        format!("floods={floods}"),
        format!("lies={lies}"),
    ];
    let fleet = Fleet::start(&args(&targets)).expect("it starts");
    wait_for_number(
        &fleet,
        "count(raft_commit_latency_seconds{instance=~\"one|two|killed\"})",
        3.0,
    );
    wait_for_number(&fleet, "fleet_target_up{instance=\"killed\"}", 1.0);
    for bad in ["hangs", "floods"] {
        wait_for_number(&fleet, &format!("fleet_target_up{{instance=\"{bad}\"}}"), 0.0);
        wait_until("polls of it have failed", || {
            let status = fleet.sources().status();
            status.iter().any(|one| one.name == bad && one.failures > 1)
        });
    }
    wait_for_number(&fleet, "fine{instance=\"lies\"}", 1.0);
    wait_until("its contradiction is counted", || {
        let query = "fleet_target_contradicting_series_total{instance=\"lies\"}";
        number(&fleet, query).is_some_and(|series| series >= 1.0)
    });
    wait_for_number(&fleet, "fleet_peer_slowness_ratio{instance=\"one\",peer=\"3\"}", 50.0);
    drop(killed);
    wait_for_number(&fleet, "fleet_target_up{instance=\"killed\"}", 0.0);
    wait_for_number(&fleet, "fleet_target_stale{instance=\"killed\"}", 1.0);
    wait_until("its series have ended", || {
        number(&fleet, "raft_commit_latency_seconds{instance=\"killed\"}").is_none()
            && number(&fleet, "count(raft_commit_latency_seconds)") == Some(2.0)
    });
    // The others were read all the time.
    for good in ["one", "two"] {
        wait_for_number(&fleet, &format!("fleet_target_up{{instance=\"{good}\"}}"), 1.0);
        let stale = format!("max_over_time(fleet_target_stale{{instance=\"{good}\"}}[5m])");
        wait_for_number(&fleet, &stale, 0.0);
    }
    // A bundle is declared as soon as a target has series of it.
    wait_until("Raft's bundle is declared", || {
        let bundles = fleet.engine().registry().bundles();
        bundles.iter().any(|bundle| bundle.name() == "RaftMetrics")
    });
    let of_hotstuff = |title: &str| title.starts_with("HotStuff");
    assert!(!fleet.engine().registry().bundles().iter().any(|bundle| of_hotstuff(bundle.title())));
    let (_, rules) = get(&fleet, "/api/v1/rules");
    assert!(rules.to_string().contains("FleetTargetDown"), "{rules}");
    fleet.stop();
}

#[test]
fn the_dashboards_numbers_add_up() {
    let nodes = [Node::start(), Node::start()];
    for (node, events) in nodes.iter().zip([1_000.0, 234.0]) {
        node.store.storage_events.set(events);
        node.store.storage_size.set(events * 10.0);
        node.store.wal_segments.set(2.0);
    }
    let targets = [nodes[0].target("a"), nodes[1].target("b")];
    let fleet = Fleet::start(&args(&targets)).expect("it starts");
    let overview = || get(&fleet, "/api/v1/dashboard/overview").1;
    wait_until("both nodes are known", || overview()["cluster"]["healthy_nodes"] == 2);
    wait_until("both have given events", || overview()["cluster"]["total_events"] == 1_234.0);
    wait_for_number(&fleet, "sum(allsource_control_plane_core_health_status)", 2.0);
    wait_for_number(&fleet, "sum(allsource_control_plane_core_events_total)", 1_234.0);
    for _ in 0..30 {
        nodes[0].store.events_ingested_by_type.at(["order"]).add(3);
        nodes[1].store.events_ingested_by_type.at(["user"]).add(1);
        nodes[0].store.ingestion_duration.record(2_000_000);
        nodes[1].store.query_duration.at(["entity"]).record(5_000_000);
        nodes[0].store.events_ingested.add(4);
        thread::sleep(Duration::from_millis(20));
    }
    wait_until("latencies and rates are known", || {
        let performance = overview()["performance"].clone();
        let near = |name: &str, value: f64| {
            performance[name].as_f64().is_some_and(|seen| (seen / value - 1.0).abs() < 0.02)
        };
        near("avg_ingestion_latency_ms", 2.0)
            && near("p95_query_latency_ms", 5.0)
            && performance["events_per_second"].as_f64().is_some_and(|rate| rate > 0.0)
    });
    let all = overview();
    assert_eq!(all["cluster"]["total_nodes"], 2, "{all}");
    assert_eq!(all["health"]["status"], "healthy", "{all}");
    assert_eq!(all["health"]["storage_size_bytes"], 12_340.0, "{all}");
    assert_eq!(all["health"]["wal_segments"], 4.0, "{all}");
    wait_until("entities are ranked", || {
        let (status, top) = get(&fleet, "/api/v1/dashboard/top_entities?limit=5");
        assert_eq!(status, 200, "{top}");
        let entity = |at: usize| top["entities"][at]["entity"].clone();
        entity(0) == "order" && entity(1) == "user"
    });
    let (status, series) =
        get(&fleet, "/api/v1/dashboard/timeseries?metric=storage_events_total&range=1m");
    assert_eq!(status, 200, "{series}");
    let points = series["points"].as_array().expect("points");
    assert!(points.iter().any(|point| point["value"] == 1_234.0), "{series}");
    for (path, code, word) in [
        ("timeseries", 400, "metric"),
        ("timeseries?metric=nothing", 404, "events_ingested_total"),
        ("timeseries?metric=queries_total&range=soon", 400, "15m"),
        ("timeseries?metric=queries_total&range=1s", 400, "1m to 30d"),
        ("top_entities?by=colour", 400, "event_type"),
        ("top_entities?limit=0", 400, "1 to 100"),
    ] {
        let (status, answer) = get(&fleet, &format!("/api/v1/dashboard/{path}"));
        assert_eq!(status, code, "{path}: {answer}");
        let why = answer["error"].as_str().expect("an error");
        assert!(why.contains(word), "{path}: {why}");
    }
    // The control plane records its own requests.
    let refused = "sum(allsource_control_plane_http_requests_total{status=\"400\"})";
    wait_for_number(&fleet, refused, 5.0);
    fleet.stop();
}

#[test]
fn targets_come_and_go_with_the_configuration() {
    let (fixed, comes) = (Node::start(), Node::start());
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("fleet.toml");
    let write = |text: &str| fs::write(&file, text).expect("it can be written");
    write("");
    let mut args = args(&[fixed.target("fixed")]);
    args.config = Some(file.clone());
    let fleet = Fleet::start(&args).expect("it starts");
    wait_for_number(&fleet, "fleet_targets", 1.0);
    let polls = |name: &str| {
        let status = fleet.sources().status();
        status.iter().find(|one| one.name == name).map(|one| one.polls)
    };
    wait_until("the first poll", || polls("fixed") > Some(0));
    let before = polls("fixed");
    let page = format!(
        "[sources.comes]\ntype = \"page\"\nurl = \"http://{}/metrics\"\n",
        comes.listener.local_addr()
    );
    write(&page);
    wait_for_number(&fleet, "count(raft_commit_latency_seconds{instance=\"comes\"})", 1.0);
    // What cannot be read changes nothing.
    write("[sources.comes\n");
    wait_for_number(&fleet, "fleet_configuration_reloads_total{result=\"refused\"}", 1.0);
    assert_eq!(fleet.sources().names(), ["fixed", "comes"]);
    write("");
    wait_until("it is gone", || fleet.sources().names() == ["fixed"]);
    wait_until("its series have ended", || {
        number(&fleet, "count(raft_commit_latency_seconds)") == Some(1.0)
    });
    // The same source as before: it never lost its place.
    assert!(polls("fixed") > before);
    wait_for_number(&fleet, "max_over_time(fleet_target_stale{instance=\"fixed\"}[5m])", 0.0);
    fleet.stop();
}
