//! Health over HTTP: status codes, JSON, who is told what, the listener and the axum router.

use crate::client::{Answer, Client, get};
use crate::common::by_hand_with;
use crate::common::loopback::{wait, wait_until};
use crate::stand::Stand;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tachometer::health::{CheckOutcome, HealthBuilder, HealthState};
use tachometer::{Engine, Health, Listener, ManualClock, Registry};

const HOUR: Duration = Duration::from_secs(3_600);

fn read(answer: &Answer) -> Value {
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body))
}

/// The status codes of `/health`, `/health/ready` and `/health/live`.
fn codes(address: SocketAddr) -> [u16; 3] {
    ["/health", "/health/ready", "/health/live"].map(|path| get(address, path).status)
}

/// A host whose one check says what it is told to.
struct Host {
    clock: ManualClock,
    engine: Engine,
    health: Health,
    says: Arc<Mutex<CheckOutcome>>,
}

impl Host {
    fn new(settings: impl FnOnce(HealthBuilder) -> HealthBuilder) -> Host {
        let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
        let engine = by_hand_with(&Registry::new(), &clock);
        let says = Arc::new(Mutex::new(CheckOutcome::healthy()));
        let heard = says.clone();
        let builder = settings(Health::builder());
        let builder =
            builder.check("ledger", "books", HOUR, HOUR, move || heard.lock().unwrap().clone());
        let health = builder.start(&engine).unwrap();
        Host { clock, engine, health, says }
    }

    fn say(&self, outcome: CheckOutcome) {
        *self.says.lock().unwrap() = outcome;
        self.engine.refresh();
        self.health.run_checks();
    }

    fn listener(&self) -> Listener {
        Listener::builder().health(&self.health).bind(&self.engine, "127.0.0.1:0").unwrap()
    }
}

#[test]
fn the_state_is_the_status_code() {
    let host = Host::new(|builder| builder);
    let listener = host.listener();
    let address = listener.local_addr();
    assert_eq!(codes(address), [503, 503, 200], "nothing is known yet");
    let all = |host: &Host, address| {
        let outcomes = [
            CheckOutcome::healthy(),
            CheckOutcome::warning("w"),
            CheckOutcome::critical("c"),
            CheckOutcome::failing("f"),
        ];
        outcomes.map(|outcome| {
            host.say(outcome);
            codes(address)
        })
    };
    let expected = [[200, 200, 200], [200, 200, 200], [503, 200, 200], [503, 503, 200]];
    assert_eq!(all(&host, address), expected);
    host.say(CheckOutcome::healthy());
    host.engine.stop();
    assert_eq!(codes(address), [503, 503, 200]);

    let strict = |builder: HealthBuilder| {
        builder.unhealthy_from(HealthState::Warning).unready_from(HealthState::Critical)
    };
    let host = Host::new(strict);
    let listener = host.listener();
    let expected = [[200, 200, 200], [503, 200, 200], [503, 503, 200], [503, 503, 200]];
    assert_eq!(all(&host, listener.local_addr()), expected);
}

#[test]
fn the_report_is_json_with_all_there_is_to_know() {
    let mut stand = Stand::with(
        "groups: [{name: raft, rules: [{alert: Slow, expr: latency > 0.25, labels: {severity: warning, component: consensus}, annotations: {summary: slow}}]}]",
        Health::builder().check("storage", "disk", HOUR, HOUR, || {
            CheckOutcome::critical("full").value(0.99).threshold(">=", 0.95)
        }),
    )
    .series("latency", &[0.1, 0.5, 0.5]);
    stand.health.run_checks();
    stand.until(2);
    let listener =
        Listener::builder().health(&stand.health).bind(&stand.engine, "127.0.0.1:0").unwrap();
    stand.clock.advance(Duration::from_millis(250));
    let answer = get(listener.local_addr(), "/health");
    assert_eq!(answer.status, 503);
    assert!(answer.body.starts_with("{\"status\":\"critical\",\"state\":\"by hand\",\"why\":"));
    let lists = |issues: Value| {
        json!({
            "issues": issues, "issues_left_out": 0, "pending": [], "pending_left_out": 0,
            "silenced": [], "silenced_left_out": 0, "informational": [],
            "informational_left_out": 0, "checks": [],
        })
    };
    let component = |name: &str, state: &str, since: f64, issues: Value| {
        let mut all = lists(issues);
        all["name"] = name.into();
        all["state"] = state.into();
        all["since"] = since.into();
        all
    };
    let threshold = json!({"operator": ">=", "value": 0.95});
    let mut storage = component(
        "storage",
        "critical",
        1_700_000_000.0,
        json!([{
            "what": "full", "state": "critical", "since": 1_700_000_000.0, "value": 0.99,
            "threshold": threshold, "check": "disk",
        }]),
    );
    storage["checks"] = json!([{
        "name": "disk", "state": "critical", "what": "full", "since": 1_700_000_000.0, "value": 0.99,
        "threshold": threshold, "answered_at": 1_700_000_000.0, "took_seconds": 0.0, "runs": 1,
        "timeouts": 0, "panics": 0,
    }]);
    let slow = json!([{
        "what": "slow", "state": "warning", "since": 1_700_000_001.0, "value": 0.5,
        "threshold": {"operator": ">", "value": 0.25}, "labels": {"node": "n1"},
        "rule": {
            "group": "raft", "name": "Slow", "expression": "latency > 0.25", "severity": "warning",
        },
    }]);
    let expected = json!({
        "status": "critical", "state": "by hand", "why": "consensus is warning, storage is critical",
        "ready": true, "since": 1_700_000_000.0, "generated_at": 1_700_000_002.25, "generation": 3,
        "age_seconds": 0.25, "interval_seconds": 1.0,
        "rules": {
            "evaluated_at": 1_700_000_002.0, "age_seconds": 0.25, "firing": 1, "pending": 0,
            "silenced": 0, "informational": 0, "failing_rules": 0, "unknown_severities": 0,
            "components_left_out": 0,
        },
        "components": [
            component("consensus", "warning", 1_700_000_001.0, slow),
            component("metrics", "healthy", 1_700_000_000.0, json!([])),
            storage,
        ],
    });
    assert_eq!(read(&answer), expected);
    // What a program in the same process gets is the same.
    for own in [stand.health.report().to_json(), stand.health.to_json()] {
        assert_eq!(serde_json::from_str::<Value>(&own).unwrap(), expected);
    }
    let mut summary = expected;
    summary.as_object_mut().unwrap().remove("components");
    assert_eq!(read(&get(listener.local_addr(), "/health/ready")), summary);
    let live = read(&get(listener.local_addr(), "/health/live"));
    assert_eq!((&live["status"], live.get("since")), (&"ok".into(), None), "the aggregator alone");
}

#[test]
fn who_brings_no_credentials_learns_no_more_than_the_state() {
    let host = Host::new(|builder| builder);
    host.say(CheckOutcome::warning("a secret"));
    let builder = || Listener::builder().health(&host.health).bearer_token("t0ken");
    let listener = builder().bind(&host.engine, "127.0.0.1:0").unwrap();
    let address = listener.local_addr();
    let answer = get(address, "/health");
    assert_eq!((answer.status, read(&answer)["status"].as_str()), (200, Some("warning")));
    assert!(!answer.body.contains("a secret") && !answer.body.contains("components"));
    let known = |address| {
        let mut client = Client::connect(address);
        client.send("GET /health HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer t0ken\r\n\r\n");
        client.answer()
    };
    assert!(known(address).body.contains("a secret"));
    let listener = builder().protect_health(true).bind(&host.engine, "127.0.0.1:0").unwrap();
    assert_eq!(codes(listener.local_addr()), [401; 3]);
    assert!(known(listener.local_addr()).body.contains("a secret"));
}

#[test]
fn stale_data_are_503_whatever_the_checks_say() {
    let host = Host::new(|builder| builder);
    host.say(CheckOutcome::healthy());
    let listener = host.listener();
    assert_eq!(codes(listener.local_addr()), [200; 3]);
    host.clock.advance(Duration::from_secs(5));
    host.health.run_checks();
    let answer = get(listener.local_addr(), "/health/ready");
    assert_eq!((answer.status, read(&answer)["state"].as_str()), (503, Some("late")));
    host.engine.refresh();
    assert_eq!(codes(listener.local_addr()), [200; 3]);
}

#[test]
fn an_aggregator_that_is_held_up_fails_the_node_until_it_is_back() {
    let registry = Registry::new();
    let interval = Duration::from_millis(200);
    let engine = Engine::builder().registry(&registry).interval(interval).start().unwrap();
    let health = Health::builder().start(&engine).unwrap();
    let listener = Listener::builder().health(&health).bind(&engine, "127.0.0.1:0").unwrap();
    let address = listener.local_addr();
    wait_until("the node is ready", || get(address, "/health/ready").status == 200);
    let (go_on, may_go_on) = channel::<()>();
    let end = Mutex::new(may_go_on);
    let block = move || (end.lock().unwrap().recv().is_ok(), 1.0).1;
    registry.metric("gate", "A gate.").gauge_from(block).unwrap();
    let report = wait(|| {
        let answer = get(address, "/health");
        let report = read(&answer);
        let is_late = answer.status == 503 && report["state"] == "late";
        if is_late { Ok(report) } else { Err(answer.body) }
    });
    assert_eq!(report["status"], "failing");
    let metrics = &report["components"][0];
    assert_eq!((&metrics["name"], &metrics["state"]), (&"metrics".into(), &"failing".into()));
    drop(go_on);
    wait_until("it is back", || get(address, "/health").status == 200);
}

#[test]
fn the_health_of_another_engine_is_refused() {
    let (host, other) = (Host::new(|builder| builder), Host::new(|builder| builder));
    let builder = Listener::builder().health(&other.health);
    let error = builder.bind(&host.engine, "127.0.0.1:0").unwrap_err().to_string();
    assert!(error.contains("the health of another engine"), "{error}");
}

#[test]
fn many_ask_while_rules_and_checks_say_something() {
    let mut stand = Stand::new(
        "groups: [{name: g, rules: [{alert: A, expr: up == 0, labels: {component: network}}]}]",
    )
    .series("up", &[0.0; 100]);
    stand.step();
    let listener =
        Listener::builder().health(&stand.health).bind(&stand.engine, "127.0.0.1:0").unwrap();
    let address = listener.local_addr();
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(move || {
                    let mut client = Client::connect(address);
                    (0..50).map(|_| read(&client.get("/health"))).collect::<Vec<_>>()
                })
            })
            .collect();
        stand.until(50);
        for report in asking.into_iter().flat_map(|thread| thread.join().unwrap()) {
            assert_eq!(report["components"][1]["issues"][0]["rule"]["name"], "A");
        }
    });
}

#[cfg(feature = "axum")]
#[test]
fn the_router_says_the_same() {
    let host = Host::new(|builder| builder);
    host.say(CheckOutcome::critical("c"));
    let listener = host.listener();
    let builder = Listener::builder().health(&host.health);
    let router = builder.router(&host.engine).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_io().build();
    let runtime = runtime.unwrap();
    let socket = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = socket.local_addr().unwrap();
    runtime.spawn(async move { axum::serve(socket, router).await });
    assert_eq!(codes(address), [503, 200, 200]);
    for path in ["/health", "/health/ready", "/health/live"] {
        assert_eq!(
            get(address, path).body.trim_end(),
            get(listener.local_addr(), path).body.trim_end()
        );
    }
}
