//! A listener whose queries a server elsewhere answers: real Prometheus and VictoriaMetrics, fed by remote write; another
//! listener, over TLS and over a socket in the file system; and servers that mean no good.
#![cfg(all(feature = "backend", feature = "push", feature = "remote-write"))]

#[path = "../http/client.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod client;
#[path = "../common/mod.rs"]
mod common;
#[path = "../promql/data.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod data;
#[path = "../push/fake.rs"]
mod fake;
mod hostile;
#[path = "../promql/memory.rs"]
mod memory;
mod other;
mod real;
#[path = "../promql/remote.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod remote;
#[path = "../prometheus/server.rs"]
mod server;
#[path = "../common/servers.rs"]
mod servers;
#[path = "../push/steps.rs"]
mod steps;
#[path = "../http/tools.rs"]
mod tools;

use serde_json::Value;
use servers::{ask, encoded};
use std::net::SocketAddr;
use tachometer::backend::BackendBuilder;
use tachometer::{Backend, Engine, Listener, ManualClock, Registry};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// A listener in front of a backend.
struct Front {
    _registry: Registry,
    _engine: Engine,
    listener: Listener,
}

impl Front {
    fn new(backend: BackendBuilder) -> Front {
        let registry = Registry::new();
        registry.counter("events_total", "Events.").unwrap().add(7);
        let clock = ManualClock::at(std::time::Duration::from_secs(1_700_000_000));
        let engine = Engine::builder().registry(&registry).manual(&clock).own_metrics(true);
        let engine = engine.start().unwrap();
        let builder = Listener::builder().query_backend(backend.build().unwrap());
        let listener = builder.bind(&engine, "127.0.0.1:0").unwrap();
        Front { _registry: registry, _engine: engine, listener }
    }

    /// Before a server at this address.
    fn of(address: SocketAddr) -> Front {
        Front::new(Backend::builder(format!("http://{address}")))
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    fn get(&self, target: &str) -> (u16, String) {
        ask(self.address(), "GET", target, "", b"").unwrap()
    }

    /// How many calls to the backend went so.
    fn counted(&self, outcome: &str) -> u64 {
        let page = self.get("/metrics?name[]=tachometer_backend_calls_total").1;
        let series = format!("tachometer_backend_calls_total{{outcome=\"{outcome}\"}} ");
        let value = page.lines().find_map(|line| line.strip_prefix(&series)).unwrap_or("0");
        value.parse().unwrap()
    }
}

fn form(parameters: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{}={}", encoded(name), encoded(value));
    parameters.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// Asks the listener and the server behind it the same: the answers are equal, but for the order of an instant query's
/// series.
fn agree(
    front: &Front,
    behind: SocketAddr,
    path: &str,
    parameters: &[(&str, &str)],
) -> (u16, Value) {
    let parameters = form(parameters);
    let target = format!("/api/v1/{path}?{parameters}");
    let read = |(status, body): (u16, String)| -> (u16, Value) {
        let mut answer: Value =
            serde_json::from_str(&body).unwrap_or_else(|error| panic!("{target}: {error}: {body}"));
        if answer["status"] == "error" {
            assert!(answer["error"].as_str().unwrap().len() > 10, "{answer}");
        }
        if answer["data"]["resultType"] == "vector" {
            let all = answer["data"]["result"].as_array_mut().unwrap();
            all.sort_by_key(|series| series["metric"].to_string());
        }
        (status, answer)
    };
    let own = read(front.get(&target));
    let theirs = read(ask(behind, "GET", &target, "", b"").unwrap());
    assert_eq!(own, theirs, "{target}");
    if ["query", "query_range", "series", "labels"].contains(&path) {
        let path = format!("/api/v1/{path}");
        let posted =
            read(ask(front.address(), "POST", &path, FORM, parameters.as_bytes()).unwrap());
        assert_eq!(posted, own, "POST {target}");
    }
    own
}
