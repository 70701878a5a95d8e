//! A real Prometheus scrapes an OpenMetrics page, and is asked for the numbers and for the exemplars.

mod common;
#[path = "prometheus/page.rs"]
mod page;
#[path = "prometheus/server.rs"]
mod server;
#[path = "common/servers.rs"]
mod servers;

use common::loopback::wait;
use page::Page;
use server::Prometheus;
use std::sync::Arc;
use tachometer::{Engine, Exemplar, OpenMetricsEncoder, Registry, StateSet, Unit, labels};

labels! { enum Role("role") { Follower = "follower", Leader = "leader" } }

/// What `/api/v1/query_exemplars` says of `query`, once it has every one of `wanted`.
fn wait_for_exemplars(prometheus: &Prometheus, query: &str, wanted: &[Exemplar]) -> String {
    let path = format!("/api/v1/query_exemplars?query={query}&start=0&end=4102444800");
    wait(|| {
        let (_, body) = servers::ask(prometheus.address(), "GET", &path, "", b"").unwrap();
        match wanted.iter().find(|exemplar| !has(&body, exemplar)) {
            None => Ok(body),
            Some(missing) => Err(format!("{missing:?} is not in {body}")),
        }
    })
}

/// Whether Prometheus shows an exemplar of nanoseconds: its trace, span, value and time.
fn has(body: &str, exemplar: &Exemplar) -> bool {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (span, trace) = (hex(&exemplar.span_id), hex(&exemplar.trace_id));
    let labels = format!(r#"{{"labels":{{"span_id":"{span}","trace_id":"{trace}"}},"value":""#);
    let Some((_, behind)) = body.split_once(&labels) else { return false };
    // `0.25","timestamp":1700000000.25}`
    let (value, behind) = behind.split_once("\",\"timestamp\":").unwrap();
    let time = &behind[..behind.find('}').unwrap()];
    let near =
        |text: &str, wanted: f64, by: f64| (text.parse::<f64>().unwrap() - wanted).abs() <= by;
    let seconds = exemplar.value as f64 * 1e-9;
    near(value, seconds, 1e-12 * seconds) && near(time, exemplar.unix_time.as_secs_f64(), 0.001)
}

#[test]
fn prometheus_stores_values_and_exemplars() {
    if !server::is_here() {
        return;
    }
    let registry = Registry::new();
    let requests = registry.counter("requests_total", "Requests.").unwrap();
    let commits = registry.counter("commits", "A counter without the suffix.").unwrap();
    let latency = registry.metric("latency_seconds", "Latency.").unit(Unit::Nanoseconds);
    let latency = latency.histogram().unwrap();
    let role: StateSet<Role> = registry.state_set("raft_role", "The role.").unwrap();
    registry.info("build_info", "What runs.", [("version", "1.2")]).unwrap();
    requests.add(42);
    commits.add(7);
    role.set(Role::Leader);
    let values = [500, 3_000, 70_000, 1_000_000, 250_000_000, 20_000_000_000];
    for (at, value) in values.into_iter().enumerate() {
        let trace = u128::from(value) << 64 | at as u128;
        latency.record_with_exemplar(value, trace.to_be_bytes(), (value + 1).to_be_bytes());
    }
    let engine = Arc::new(Engine::builder().registry(&registry).start().unwrap());
    let scraped = engine.clone();
    let page = Page::of(OpenMetricsEncoder::new(), move || scraped.refresh());
    let prometheus = Prometheus::scraping(page.address);
    prometheus.wait_for("up", 1.0);
    prometheus.wait_for("requests_total", 42.0);
    prometheus.wait_for("commits_total", 7.0);
    prometheus.wait_for("latency_seconds_count", 6.0);
    prometheus.wait_for("latency_seconds_bucket{le=\"1.0\"}", 5.0);
    prometheus.wait_for("latency_seconds_bucket{le=\"2.5e-06\"}", 1.0);
    prometheus.wait_for("raft_role{raft_role=\"leader\"}", 1.0);
    prometheus.wait_for("raft_role{raft_role=\"follower\"}", 0.0);
    prometheus.wait_for("build_info{version=\"1.2\"}", 1.0);
    prometheus.wait_for("tachometer_info", 1.0);
    let now = engine.refresh();
    let series = now.select("requests_total", &[]).next().unwrap();
    let created = prometheus.query("requests_created").unwrap();
    assert!((created - series.created.as_secs_f64()).abs() < 1e-3, "{created}");

    let exemplars = now.select("latency_seconds", &[]).next().unwrap().exemplars();
    assert_eq!(exemplars.len(), values.len());
    wait_for_exemplars(&prometheus, "latency_seconds_bucket", exemplars);
    // Another one takes a place, and comes too; those that stay are not stored again.
    latency.record_with_exemplar(71_000, [9; 16], [8; 8]);
    let now = engine.refresh();
    let newer = now.select("latency_seconds", &[]).next().unwrap().exemplars();
    let newest = newer.iter().find(|exemplar| exemplar.value == 71_000).copied().unwrap();
    let body = wait_for_exemplars(&prometheus, "latency_seconds_bucket", &[newest]);
    assert_eq!(body.matches("trace_id").count(), values.len() + 1, "{body}");
    assert_eq!(prometheus.query("min_over_time(up[1m])"), Some(1.0), "every page was accepted");
}
