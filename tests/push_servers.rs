//! Pushing to a real Pushgateway, a real VictoriaMetrics and a real carbon, which are stopped for a while and started again: what they have
//! then is what was recorded, all of it, once.
#![cfg(feature = "push")]

mod common;
#[path = "push/fake.rs"]
mod fake;
#[path = "push/real.rs"]
mod real;
#[path = "common/servers.rs"]
mod servers;

use fake::{free_address, wait_until};
use real::{Real, get};
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;
use tachometer::{
    Counter, Encoder, Engine, Histogram, Pusher, Registry, Sink, Snapshot, Target, Unit,
};

struct Node {
    engine: Engine,
    clock: tachometer::ManualClock,
    commits: Counter,
    latency: Histogram,
}

/// An engine that makes a snapshot when the test says so, at a time of the test's choice.
fn node() -> Node {
    let registry = Registry::new();
    let commits = registry.counter("raft_commits_total", "Log entries committed.").unwrap();
    let latency = registry.metric("raft_commit_latency_seconds", "From proposal to commit.");
    let latency = latency.unit(Unit::Nanoseconds).histogram().unwrap();
    // A while ago, so that a sample with another time than its snapshot's would show.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let clock = tachometer::ManualClock::at(now - Duration::from_secs(3600));
    let engine = Engine::builder().registry(&registry).manual(&clock).label("node", "n1");
    Node { engine: engine.start().unwrap(), clock, commits, latency }
}

impl Node {
    /// Commits once more, a second later.
    fn work(&self) {
        self.commits.inc();
        self.latency.record(1_000_000);
        self.clock.advance(Duration::from_secs(1));
    }

    /// Works, and makes a snapshot, which the target gets as a payload.
    fn step(&self, pusher: &Pusher) {
        let seen = || pusher.status().iter().map(|s| s.waiting as u64 + s.sent).sum::<u64>();
        let before = seen();
        self.work();
        self.engine.refresh();
        wait_until("a payload", || seen() > before);
    }
}

fn eager(target: Target) -> Target {
    target
        .every(Duration::from_millis(10))
        .retry(Duration::from_millis(20), Duration::from_millis(200))
}

#[test]
fn pushgateway_has_the_last_page_of_each_group() {
    if !servers::is_here("prometheus-pushgateway", "prometheus-pushgateway") {
        return;
    }
    let address = free_address();
    let start = || {
        let listen = format!("--web.listen-address={address}");
        Real::start("prometheus-pushgateway", &[&listen], address, "/-/ready")
    };
    let gateway = start();
    let node = node();
    let instance = "a/b c \u{e9}";
    let url = format!("http://{address}/");
    let target = Target::pushgateway(url, "batch").grouping("instance", instance);
    let pusher = Pusher::builder(&node.engine).target("gateway", eager(target)).start().unwrap();
    let commits = |page: &str| -> Option<u64> {
        let series =
            format!("raft_commits_total{{instance=\"{instance}\",job=\"batch\",node=\"n1\"}} ");
        page.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok())
    };
    for at in 1..=5 {
        node.step(&pusher);
        wait_until("the page", || commits(&get(address, "/metrics")) == Some(at));
    }
    let page = get(address, "/metrics");
    let failed = "push_failure_time_seconds{instance=\"a/b c \u{e9}\",job=\"batch\"} 0\n";
    assert!(page.contains(failed), "{page}");
    let count = "raft_commit_latency_seconds_count{instance=\"a/b c \u{e9}\",job=\"batch\",node=\"n1\"} 5\n";
    assert!(page.contains(count), "{page}");

    // Stopped for a while. Only the latest page is of use then.
    drop(gateway);
    node.step(&pusher);
    wait_until("a refused connection", || pusher.status()[0].last_error.is_some());
    for _ in 0..4 {
        node.commits.inc();
        node.engine.refresh();
        std::thread::sleep(Duration::from_millis(30));
    }
    assert!(pusher.status()[0].waiting <= 2, "{:?}", pusher.status());
    let _gateway = start();
    wait_until("the page", || commits(&get(address, "/metrics")) == Some(10));
    node.commits.add(90);
    assert!(pusher.stop().is_complete());
    assert_eq!(commits(&get(address, "/metrics")), Some(100));
}

/// Value and time of each sample of the counter that VictoriaMetrics has.
fn stored(address: std::net::SocketAddr) -> Vec<(u64, u64)> {
    let page = get(address, "/api/v1/export?match[]=raft_commits_total&start=0&reduce_mem_usage=1");
    // Lines of `{"metric":{…},"values":[1,2],"timestamps":[1700000000000,…]}`.
    let numbers = |line: &str, name: &str| -> Vec<u64> {
        let list = line.split(&format!("\"{name}\":[")).nth(1).unwrap().split(']').next().unwrap();
        list.split(',').map(|number| number.parse().unwrap()).collect()
    };
    let samples = page.lines().flat_map(|line| {
        assert!(line.contains("\"node\":\"n1\""), "{line}");
        let times = numbers(line, "timestamps");
        numbers(line, "values").into_iter().zip(times).collect::<Vec<_>>()
    });
    let mut samples: Vec<_> = samples.collect();
    samples.sort_unstable();
    samples
}

#[test]
fn victoria_metrics_has_each_snapshot_once_at_its_time() {
    if !servers::is_here("victoria-metrics", "victoria-metrics") {
        return;
    }
    let address = free_address();
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("victoria-{}", std::process::id()));
    let data = format!("-storageDataPath={}", folder.display());
    let listen = format!("-httpListenAddr={address}");
    let start = || {
        let arguments = [&listen, &data, "-search.latencyOffset=0s", "-loggerLevel=ERROR"];
        Real::start("victoria-metrics", &arguments, address, "/health")
    };
    let node = node();
    let url = format!("http://{address}");
    let spool = folder.with_extension("spool");
    let target = || eager(Target::victoria_metrics(&url)).spool_file(&spool);
    let began = node.engine.refresh().unix_time().as_millis() as u64;
    let wanted =
        |upto: u64| -> Vec<(u64, u64)> { (1..=upto).map(|at| (at, began + at * 1000)).collect() };
    let push = |within| {
        let pusher = Pusher::builder(&node.engine).target("store", target()).flush_within(within);
        pusher.start().unwrap()
    };
    let delivered = |pusher: &Pusher| wait_until("delivery", || pusher.status()[0].waiting == 0);
    let all_stored = |upto| {
        // Samples can be asked for a moment after they were taken.
        wait_until("the samples", || {
            get(address, "/internal/force_flush");
            stored(address).iter().any(|sample| sample.0 == upto)
        });
        assert_eq!(stored(address), wanted(upto));
    };

    let server = start();
    let pusher = push(Duration::from_millis(500));
    (1..=20).for_each(|_| node.step(&pusher));
    delivered(&pusher);
    all_stored(20);

    // The server stops for a while. So does this program: what waits is in the spool's file.
    drop(server);
    (1..=19).for_each(|_| node.step(&pusher));
    // With a last snapshot.
    node.work();
    assert!(!pusher.stop().is_complete());
    let pusher = push(Duration::from_secs(10));
    assert_eq!(pusher.status()[0].waiting, 20);
    let server = start();
    (1..=20).for_each(|_| node.step(&pusher));
    delivered(&pusher);
    all_stored(60);

    // Stopped in the middle of it, again and again.
    let stopping = std::thread::spawn(move || drop(server));
    (1..=20).for_each(|_| node.step(&pusher));
    stopping.join().unwrap();
    let server = start();
    (1..=19).for_each(|_| node.step(&pusher));
    node.work();
    assert!(pusher.stop().is_complete());
    wait_until("the samples", || {
        get(address, "/internal/force_flush");
        stored(address).iter().any(|sample| sample.0 == 100)
    });
    let mut samples = stored(address);
    // A server that is killed between storing a page and answering gets it once more, with the same time.
    samples.dedup();
    assert_eq!(samples, wanted(100));
    assert!(stored(address).len() <= 101);
    drop(server);
    let _ = std::fs::remove_dir_all(&folder);
    let _ = std::fs::remove_file(&spool);
}

/// The counter, as Graphite's plaintext.
#[derive(Debug)]
struct Plaintext;

impl Encoder for Plaintext {
    fn content_type(&self) -> &str {
        "text/plain"
    }

    fn encode_into(&mut self, snapshot: &Snapshot, sink: &mut Sink<'_>) -> std::io::Result<()> {
        let commits = snapshot.counter("raft_commits_total").unwrap_or(0);
        writeln!(sink.buffer, "raft.commits {commits} {}", snapshot.unix_time().as_secs())
    }
}

#[test]
fn carbon_has_each_snapshot_at_its_time() {
    if !servers::is_here("carbon-cache", "graphite-carbon") {
        return;
    }
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("carbon-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("whisper")).unwrap();
    let [address, pickle, query] = [(); 3].map(|()| free_address());
    let at = folder.display();
    let config = format!(
        "[cache]\nSTORAGE_DIR = {at}\nLOCAL_DATA_DIR = {at}/whisper\nCONF_DIR = {at}\n\
         LOG_DIR = {at}\nPID_DIR = {at}\nUSER =\nMAX_CREATES_PER_MINUTE = inf\n\
         LINE_RECEIVER_INTERFACE = 127.0.0.1\nLINE_RECEIVER_PORT = {}\n\
         PICKLE_RECEIVER_INTERFACE = 127.0.0.1\nPICKLE_RECEIVER_PORT = {}\n\
         CACHE_QUERY_INTERFACE = 127.0.0.1\nCACHE_QUERY_PORT = {}\n",
        address.port(),
        pickle.port(),
        query.port()
    );
    std::fs::write(folder.join("carbon.conf"), config).unwrap();
    let schemas = "[all]\npattern = .*\nretentions = 1s:6h\n";
    std::fs::write(folder.join("storage-schemas.conf"), schemas).unwrap();
    let config = format!("--config={at}/carbon.conf");
    let start = || Real::start("carbon-cache", &[&config, "--nodaemon", "start"], address, "");
    let file = folder.join("whisper/raft/commits.wsp");
    let node = node();
    let began = node.engine.refresh().unix_time().as_secs();
    let stored = || -> Vec<(u64, u64)> {
        let mut fetch = Command::new("whisper-fetch");
        let output = fetch.arg(format!("--from={began}")).arg(&file).output().unwrap();
        let page = String::from_utf8(output.stdout).unwrap();
        let sample = |line: &str| {
            let (time, value) = line.split_once('\t')?;
            Some((value.trim().parse::<f64>().ok()? as u64, time.parse().ok()?))
        };
        page.lines().filter(|line| !line.contains("None")).filter_map(sample).collect()
    };
    let wanted = |upto: u64| -> Vec<(u64, u64)> { (1..=upto).map(|at| (at, began + at)).collect() };

    let target = eager(Target::lines(address.to_string(), Plaintext));
    let server = start();
    let pusher = Pusher::builder(&node.engine).target("carbon", target).start().unwrap();
    (1..=10).for_each(|_| node.step(&pusher));
    wait_until("what was sent", || stored() == wanted(10));
    drop(server);
    let _ = std::fs::remove_file(folder.join("carbon-cache-a.pid"));
    (1..=10).for_each(|_| node.step(&pusher));
    assert_eq!(pusher.status()[0].waiting, 10);
    let _server = start();
    (1..=9).for_each(|_| node.step(&pusher));
    node.work();
    assert!(pusher.stop().is_complete());
    wait_until("what was sent", || stored() == wanted(30));
    let _ = std::fs::remove_dir_all(&folder);
}
