//! The listener and a real Prometheus: what it scrapes, stores and answers is what was recorded.
#![cfg(feature = "http")]

#[path = "http/client.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod client;
mod common;
#[path = "prometheus/server.rs"]
mod server;
#[path = "common/servers.rs"]
mod servers;
#[cfg(feature = "tls")]
#[path = "http/tools.rs"]
mod tools;

use client::{Answer, get};
use server::Prometheus;
use std::io::Write as _;
use std::process::{Command, Stdio};
use tachometer::{
    Counter, Encoder, Engine, Histogram, Listener, OpenMetricsEncoder, Registry, Unit,
};

/// An engine with its own metrics, and one metric of each kind.
struct Node {
    commits: Counter,
    latency: Histogram,
    engine: Engine,
    listener: Listener,
}

/// A label's value with everything that a page must escape.
const ODD: &str = "a \"quoted\" back\\slash, a\nline and ünïcödé";

fn node() -> Node {
    let registry = Registry::new();
    let commits = registry.counter("raft_commits_total", "Log entries committed.").unwrap();
    let latency = registry.metric("raft_commit_latency_seconds", "From proposal to commit.");
    let latency = latency.unit(Unit::Nanoseconds).histogram().unwrap();
    let lag = registry.metric("raft_follower_lag_entries", "Entries behind.").label("peer", ODD);
    lag.up_down_counter().unwrap().add(-17);
    let load = registry.metric("raft_load_ratio", "Load.").unit(Unit::Ratio).gauge().unwrap();
    load.set(0.625);
    let engine = Engine::builder().registry(&registry).label("node", "n1").start().unwrap();
    let listener = Listener::bind(&engine, "127.0.0.1:0").unwrap();
    Node { commits, latency, engine, listener }
}

impl Node {
    fn page(&self) -> Answer {
        get(self.listener.local_addr(), "/metrics")
    }

    /// Records commits with latencies from 10 µs to some milliseconds, few of them long.
    fn work(&self, commits: u64) {
        for index in 0..commits {
            self.commits.inc();
            let spread = index.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54;
            self.latency.record(10_000 + spread * spread * 5);
        }
    }
}

/// The cumulative counts of the latency's buckets on a page: upper bound and count.
fn buckets(page: &Answer) -> Vec<(f64, f64)> {
    let lines =
        page.body.lines().filter_map(|l| l.strip_prefix("raft_commit_latency_seconds_bucket{"));
    lines
        .map(|line| {
            let (labels, count) = line.rsplit_once("} ").unwrap();
            let bound = labels.split("le=\"").nth(1).unwrap().split('"').next().unwrap();
            (bound.parse().unwrap(), count.parse().unwrap())
        })
        .collect()
}

/// The bucket that holds quantile `q`, and the quantile as `histogram_quantile` is defined: on a
/// straight line through the bucket.
fn quantile(buckets: &[(f64, f64)], q: f64) -> (f64, f64, f64) {
    let rank = q * buckets.last().unwrap().1;
    let at = buckets.iter().position(|bucket| bucket.1 >= rank).unwrap();
    let (from, below) = if at == 0 { (0.0, 0.0) } else { buckets[at - 1] };
    let (to, count) = buckets[at];
    (from, to, from + (to - from) * (rank - below) / (count - below))
}

#[test]
fn prometheus_reads_what_was_recorded() {
    if !server::is_here() {
        return;
    }
    let node = node();
    node.work(100_000);
    let prometheus = Prometheus::scraping(node.listener.local_addr());
    prometheus.wait_for("up", 1.0);
    prometheus.wait_for("raft_commits_total{node=\"n1\"}", 100_000.0);
    prometheus.wait_for("raft_load_ratio", 0.625);
    let odd = ODD.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    prometheus.wait_for(&format!("raft_follower_lag_entries{{peer=\"{odd}\"}}"), -17.0);

    // The histogram: count, sum and every bucket as on the page, and quantiles that follow from
    // them.
    let (page, snapshot) = (node.page(), node.engine.snapshot());
    let histogram = snapshot.histogram("raft_commit_latency_seconds").unwrap();
    let near = |value: f64, wanted: f64| (value - wanted).abs() <= 1e-9 * wanted.abs();
    let sum = prometheus.query("raft_commit_latency_seconds_sum").unwrap();
    assert!(near(sum, histogram.sum_exported()), "{sum}");
    prometheus.wait_for("raft_commit_latency_seconds_count", histogram.count() as f64);
    let buckets = buckets(&page);
    assert_eq!(buckets.len(), 23);
    // Prometheus asks for OpenMetrics, and keeps a bound as it is written there.
    let open_metrics = OpenMetricsEncoder::new().to_vec(&snapshot);
    let open_metrics = String::from_utf8(open_metrics).unwrap();
    let bounds = open_metrics.lines().filter_map(|line| {
        let labels = line.strip_prefix("raft_commit_latency_seconds_bucket{")?;
        labels.split_once("le=\"")?.1.split_once('"').map(|(bound, _)| bound)
    });
    for (bound, &(number, count)) in bounds.zip(&buckets) {
        assert_eq!(bound.parse::<f64>().unwrap(), number, "{bound}");
        let query = format!("raft_commit_latency_seconds_bucket{{le=\"{bound}\"}}");
        prometheus.wait_for(&query, count);
    }
    for q in [0.01, 0.25, 0.5, 0.9, 0.99, 0.999] {
        let query = format!("histogram_quantile({q}, raft_commit_latency_seconds_bucket)");
        let answered = prometheus.query(&query).unwrap();
        let (from, to, wanted) = quantile(&buckets, q);
        assert!(near(answered, wanted), "{q}: {answered}, not {wanted}");
        // The engine's own quantile, which knows more, lies in the same bucket.
        let own = histogram.quantile(q).unwrap() as f64 * 1e-9;
        assert!(from * 0.992 <= own && own <= to * 1.008, "{q}: {own} not in {from}..{to}");
    }

    // It goes on scraping over its connection, and counters only rise.
    for round in 2..=5 {
        node.work(100_000);
        prometheus.wait_for("raft_commits_total", f64::from(round) * 100_000.0);
    }
    assert_eq!(prometheus.query("resets(raft_commits_total[5m])"), Some(0.0));
    assert_eq!(prometheus.query("sum(tachometer_http_requests_total{code!=\"200\"})"), Some(0.0));
    let scrapes = "tachometer_http_requests_total{code=\"200\",path=\"/metrics\"}";
    assert!(prometheus.query(scrapes).unwrap() >= 5.0);
    let page = OpenMetricsEncoder::new().to_vec(&node.engine.snapshot());
    let page = String::from_utf8(page).unwrap();
    let samples = page.lines().filter(|line| !line.starts_with('#')).count();
    prometheus.wait_for("scrape_samples_scraped", samples as f64);

    // A process whose engine was stopped is down, and does not report old numbers as new.
    node.engine.stop();
    prometheus.wait_for("up", 0.0);
}

#[test]
fn prometheus_brings_credentials_and_takes_packed_pages() {
    if !server::is_here() {
        return;
    }
    let Node { commits, engine, .. } = node();
    commits.add(12);
    let builder = Listener::builder().basic_auth("prom", "pass:word").prefix("/internal");
    let listener = builder.bind(&engine, "127.0.0.1:0").unwrap();
    let settings =
        ", metrics_path: /internal/metrics, basic_auth: {username: prom, password: 'pass:word'}";
    let prometheus = Prometheus::scraping_with(listener.local_addr(), settings);
    prometheus.wait_for("up", 1.0);
    prometheus.wait_for("raft_commits_total", 12.0);
    // It asks for gzip, as it always does, and for some of the series.
    let builder = Listener::builder().bearer_token("t0ken");
    let listener = builder.bind(&engine, "127.0.0.1:0").unwrap();
    let settings = ", authorization: {credentials: t0ken}, \
                    params: {'name[]': [raft_commits_total, raft_load_ratio], refresh: ['0']}";
    let prometheus = Prometheus::scraping_with(listener.local_addr(), settings);
    prometheus.wait_for("raft_commits_total", 12.0);
    // The gauge, and of the counter its value and when it was created.
    prometheus.wait_for("scrape_samples_scraped", 3.0);
    let wrong = ", authorization: {credentials: token}";
    let prometheus = Prometheus::scraping_with(listener.local_addr(), wrong);
    prometheus.wait_for("up", 0.0);
}

#[cfg(feature = "tls")]
#[test]
fn prometheus_reads_an_encrypted_page() {
    if !server::is_here() || !tools::is_here("openssl", "openssl") {
        return;
    }
    let Node { commits, engine, .. } = node();
    commits.add(12);
    let (certificate, key) = tools::certificate(&tools::folder("tls-prometheus"), "server");
    let builder = Listener::builder().tls_pem_files(&certificate, &key).basic_auth("p", "w");
    let listener = builder.bind(&engine, "127.0.0.1:0").unwrap();
    let trusted = certificate.display();
    let settings = format!(
        ", scheme: https, tls_config: {{ca_file: '{trusted}'}}, basic_auth: {{username: p, password: w}}"
    );
    let prometheus = Prometheus::scraping_with(listener.local_addr(), &settings);
    prometheus.wait_for("up", 1.0);
    prometheus.wait_for("raft_commits_total", 12.0);
    commits.add(30);
    prometheus.wait_for("raft_commits_total", 42.0);
    // Nobody vouches for it.
    let settings = ", scheme: https, basic_auth: {username: p, password: w}";
    Prometheus::scraping_with(listener.local_addr(), settings).wait_for("up", 0.0);
}

#[test]
fn promtool_has_nothing_to_say_about_the_page() {
    if !server::is_here() {
        return;
    }
    let node = node();
    node.work(1_000);
    node.page();
    let page = node.page();
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(page.body.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.is_empty(), "{said}\n{}", page.body);
}
