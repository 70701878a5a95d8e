//! The query API over HTTP: the answers of the listener and those of a real Prometheus, given the same samples; and `promtool`.
#![cfg(all(feature = "http", feature = "promql"))]

mod common;
#[path = "promql/data.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod data;
#[path = "promql/memory.rs"]
mod memory;
#[path = "promql/remote.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod remote;
#[path = "prometheus/server.rs"]
mod server;
#[path = "common/servers.rs"]
mod servers;

use data::{SPAN, START};
use serde_json::Value;
use server::Prometheus;
use servers::{ask, encoded};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tachometer::query::Settings;
use tachometer::{Engine, Listener, ManualClock, Registry};

const FEATURES: &str =
    "--enable-feature=native-histograms,promql-at-modifier,promql-negative-offset";
/// Where the listener's clock stands.
const NOW: i64 = START + 3_600_000;
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// A listener and a Prometheus with the same samples.
struct Both {
    _engine: Engine,
    listener: Listener,
    prometheus: Prometheus,
}

impl Both {
    fn new() -> Both {
        let sent = data::series();
        let prometheus = Prometheus::with(None, &["--web.enable-remote-write-receiver", FEATURES]);
        remote::Connection::new(prometheus.address()).write(&sent);
        let clock = ManualClock::at(Duration::from_millis(NOW as u64));
        let engine = Engine::builder().registry(&Registry::new()).manual(&clock).start().unwrap();
        let settings = Settings { clock: Arc::new(clock), ..Settings::default() };
        let source = Arc::new(data::memory(&sent));
        let listener =
            Listener::builder().query(source, settings).bind(&engine, "127.0.0.1:0").unwrap();
        Both { _engine: engine, listener, prometheus }
    }

    fn addresses(&self) -> [SocketAddr; 2] {
        [self.listener.local_addr(), self.prometheus.address()]
    }

    /// Asks both for the same, by GET and, where they take one, with a form; fails where they differ.
    fn agree(&self, path: &str, form: &str) -> (u16, Value) {
        let target = format!("{path}?{form}");
        let [own, theirs] =
            self.addresses().map(|address| ask(address, "GET", &target, "", b"").unwrap());
        let answer = same(&target, &own, &theirs);
        if ["query", "query_range", "series", "labels"].iter().any(|end| path.ends_with(end)) {
            let posted = ask(self.addresses()[0], "POST", path, FORM, form.as_bytes()).unwrap();
            assert_eq!(posted, own, "POST {target}");
        }
        (own.0, answer)
    }
}

/// The listener's answer, if Prometheus's is the same.
fn same(target: &str, own: &(u16, String), theirs: &(u16, String)) -> Value {
    assert_eq!(own.0, theirs.0, "{target}\n{}\n{}", own.1, theirs.1);
    let [mut own, mut theirs]: [Value; 2] =
        [&own.1, &theirs.1].map(|body| serde_json::from_str(body).unwrap());
    for answer in [&mut own, &mut theirs] {
        // Both have one, in words of their own.
        if answer["status"] == "error" {
            assert!(answer["error"].as_str().unwrap().len() > 10, "{answer}");
            answer["error"] = Value::Null;
        }
        // Of an instant query the order is any.
        if answer["data"]["resultType"] == "vector" {
            let all = answer["data"]["result"].as_array_mut().unwrap();
            all.sort_by_key(|series| series["metric"].to_string());
        }
    }
    if let Some(difference) = difference(&own, &theirs, "") {
        panic!("{target}: {difference}");
    }
    own
}

/// Where two answers differ by more than rounding.
fn difference(own: &Value, theirs: &Value, at: &str) -> Option<String> {
    let differ = || Some(format!("{at}: {own:.300}, not {theirs:.300}"));
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(b.abs());
    match (own, theirs) {
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(index, (a, b))| difference(a, b, &format!("{at}/{index}")))
        }
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().find_map(|(key, a)| difference(a, &b[key], &format!("{at}/{key}")))
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => None,
        (Value::String(a), Value::String(b)) if a != b => {
            match (a.parse::<f64>(), b.parse::<f64>()) {
                // The same number is to be written the same way.
                (Ok(a), Ok(b)) if a != b && near(a, b) => None,
                _ => differ(),
            }
        }
        (a, b) if a == b => None,
        _ => differ(),
    }
}

fn form(parameters: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{}={}", encoded(name), encoded(value));
    parameters.iter().map(pair).collect::<Vec<_>>().join("&")
}

#[test]
fn answers_are_those_of_prometheus() {
    if !server::is_here() {
        return;
    }
    let both = Both::new();
    let seconds = |ms: i64| (ms as f64 / 1000.0).to_string();
    let (start, end, now) = (seconds(START), seconds(START + SPAN), seconds(NOW));
    let mut points = 0;
    for query in [
        "1",
        "-1e300",
        "1e-7",
        "0/0",
        "1/0",
        "-1/0",
        "\"a text with \\\"quotes\\\", \\\\ and \\n <lines> ü\"",
        "time()",
        "temperature",
        "temperature{room=\"none\"}",
        "constant",
        "constant / 3e7",
        "nothing",
        "irregular",
        "sort_desc(queue_length)",
        "sum by (job) (rate(http_requests_total[5m]))",
        "native_seconds",
        "rate(native_seconds[5m])",
        "histogram_quantile(0.9, native_seconds)",
        "temperature[2m]",
        "native_seconds{job=\"web\"}[1m]",
        "pod_restarts_total",
        "http_requests_total and on (job) build_info",
    ] {
        let at = form(&[("query", query), ("time", &now)]);
        let (status, answer) = both.agree("/api/v1/query", &at);
        assert_eq!(status, 200, "{query}");
        points += answer["data"]["result"].as_array().unwrap().len();
        let range = [("query", query), ("start", &start), ("end", &end), ("step", "1m30s")];
        let (_, answer) = both.agree("/api/v1/query_range", &form(&range));
        points += answer["data"]["result"].as_array().map_or(0, Vec::len);
    }
    assert!(points > 100, "too little to compare: {points}");
    for time in ["2023-11-14T23:40:00Z", "2023-11-15T01:40:00.5+02:00", &now] {
        let at = [("query", "rare"), ("time", time), ("timeout", "5s")];
        assert_eq!(both.agree("/api/v1/query", &form(&at)).0, 200);
    }
    for step in ["1", "0.5", "1m", "1h1m1s1ms", "2d"] {
        let range = [("query", "temperature"), ("start", &now), ("end", &end), ("step", step)];
        assert_eq!(both.agree("/api/v1/query_range", &form(&range)).0, 200);
    }
}

#[test]
fn series_and_labels_are_those_of_prometheus() {
    if !server::is_here() {
        return;
    }
    let both = Both::new();
    for matchers in [
        &["temperature"][..],
        &["{job=\"api\"}"],
        &["{__name__=~\"n.*|rare\"}", "build_info{job!=\"db\"}", "rare"],
        &["nothing"],
        &["irregular"],
    ] {
        let matchers: Vec<_> = matchers.iter().map(|matcher| ("match[]", *matcher)).collect();
        let between = [("start", "2023-11-14T00:00:00Z"), ("end", "2023-11-16T00:00:00Z")];
        for form in [form(&matchers), form(&[&matchers[..], &between].concat())] {
            for path in [
                "series",
                "labels",
                "label/__name__/values",
                "label/job/values",
                "label/none/values",
            ] {
                assert_eq!(both.agree(&format!("/api/v1/{path}"), &form).0, 200);
            }
        }
    }
    let (_, answer) = both.agree("/api/v1/label/__name__/values", "");
    assert!(answer["data"].as_array().unwrap().len() > 10, "{answer}");
    both.agree("/api/v1/labels", "");
    // Neither knows types of what was written to it.
    for form in ["", "limit=3", "metric=temperature", "metric=temperature&limit=0"] {
        assert_eq!(both.agree("/api/v1/metadata", form).0, 200);
    }
    let [own, theirs] = both.addresses().map(|address| {
        let (status, body) = ask(address, "GET", "/api/v1/status/buildinfo", "", b"").unwrap();
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<Value>(&body).unwrap()
    });
    let keys =
        |answer: &Value| answer["data"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&own), keys(&theirs));
    assert!(theirs["data"]["version"].as_str().unwrap().starts_with("2."), "{theirs}");
    assert_eq!(own["data"]["version"], "2.42.0");
}

#[test]
fn what_is_wrong_is_refused_as_by_prometheus() {
    if !server::is_here() {
        return;
    }
    let both = Both::new();
    let labels = "label_replace(temperature, \"room\", \"x\", \"\", \"\")";
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], u16);
    let cases: [Case; 38] = [
        ("query", &[], 400),
        ("query", &[("query", "")], 400),
        ("query", &[("query", "sum(")], 400),
        ("query", &[("query", "no_function(up)")], 400),
        ("query", &[("query", "{}")], 400),
        ("query", &[("query", "rate(temperature)")], 400),
        ("query", &[("query", "a{b=~\"(\"}")], 400),
        ("query", &[("query", "1"), ("time", "yesterday")], 400),
        ("query", &[("query", "1"), ("time", "2023-11-14")], 400),
        ("query", &[("query", "1"), ("timeout", "long")], 400),
        ("query", &[("query", labels), ("time", "1700006400")], 422),
        ("query", &[("query", "queue_length + on (job) build_info"), ("time", "1700006400")], 422),
        ("query", &[("query", "temperature"), ("timeout", "0")], 503),
        ("query_range", &[], 400),
        ("query_range", &[("query", "1"), ("start", "1"), ("end", "2")], 400),
        ("query_range", &[("query", "1"), ("start", "1"), ("step", "1")], 400),
        ("query_range", &[("query", "1"), ("end", "1"), ("step", "1")], 400),
        ("query_range", &[("query", "1"), ("start", "2"), ("end", "1"), ("step", "1")], 400),
        ("query_range", &[("query", "1"), ("start", "1"), ("end", "2"), ("step", "0")], 400),
        ("query_range", &[("query", "1"), ("start", "1"), ("end", "2"), ("step", "-1")], 400),
        ("query_range", &[("query", "1"), ("start", "1"), ("end", "2"), ("step", "1x")], 400),
        ("query_range", &[("query", "1"), ("start", "0"), ("end", "11001"), ("step", "1")], 400),
        ("query_range", &[("query", "a[1m]"), ("start", "1"), ("end", "2"), ("step", "1")], 400),
        ("query_range", &[("query", "\"a\""), ("start", "1"), ("end", "2"), ("step", "1")], 400),
        ("query_range", &[("query", "su("), ("start", "1"), ("end", "2"), ("step", "1")], 400),
        ("series", &[], 400),
        ("series", &[("match[]", "")], 400),
        ("series", &[("match[]", "{a=\"\"}")], 400),
        ("series", &[("match[]", "{a=~\".*\"}")], 400),
        ("series", &[("match[]", "sum(a)")], 400),
        ("series", &[("match[]", "(a)")], 400),
        ("series", &[("match[]", "a[5m]")], 400),
        ("series", &[("match[]", "a"), ("start", "x")], 400),
        ("labels", &[("match[]", "{")], 400),
        ("labels", &[("end", "x")], 400),
        ("label/0a/values", &[], 400),
        ("label/a-b/values", &[], 400),
        ("metadata", &[("limit", "x")], 400),
    ];
    for (path, parameters, wanted) in cases {
        let (status, answer) = both.agree(&format!("/api/v1/{path}"), &form(parameters));
        assert_eq!(status, wanted, "{path} {parameters:?}: {answer}");
        assert_eq!(answer["status"], "error");
    }
}

/// Runs promtool's `query` against a server: whether it succeeds, and its lines in order.
fn promtool(address: SocketAddr, arguments: &[&str], rest: &[&str]) -> (bool, Vec<String>) {
    let mut command = Command::new("promtool");
    command.arg("query").args(arguments).arg(format!("http://{address}")).args(rest);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort();
    (output.status.success(), lines)
}

#[test]
fn promtool_reads_both_alike() {
    if !server::is_here() {
        return;
    }
    let both = Both::new();
    let (now, start, end) =
        ((NOW / 1000).to_string(), (START / 1000).to_string(), (START / 1000 + 600).to_string());
    let (time, from, to) =
        (format!("--time={now}"), format!("--start={start}"), format!("--end={end}"));
    let cases: [(&[&str], &[&str], bool); 7] = [
        (&["instant", &time], &["temperature"], true),
        (&["instant", &time], &["max by (job) (queue_length)"], true),
        (&["instant", &time], &["sum("], false),
        (&["range", &from, &to, "--step=1m"], &["queue_length"], true),
        (&["series", "--match=temperature", "--match=rare", &from, &to], &[], true),
        (&["labels", &from, &to], &["__name__"], true),
        (&["labels", &from, &to], &["room"], true),
    ];
    for (arguments, rest, wanted) in cases {
        let [own, theirs] = both.addresses().map(|address| promtool(address, arguments, rest));
        assert_eq!(own, theirs, "{arguments:?} {rest:?}");
        assert_eq!(own.0, wanted, "{arguments:?} {rest:?}");
        assert_eq!(!own.1.is_empty(), wanted, "{arguments:?} {rest:?}");
    }
}

/// The value of a line of a page.
fn on_page(page: &str, series: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in {page}")).parse().unwrap()
}

#[test]
fn the_aggregated_page_has_what_prometheus_says_of_each_series() {
    if !server::is_here() {
        return;
    }
    let both = Both::new();
    let page = |parameters: &str| {
        let path = format!("/metrics/aggregated?{parameters}");
        let (status, page) = ask(both.addresses()[0], "GET", &path, "", b"").unwrap();
        assert_eq!(status, 200, "{page}");
        page
    };
    // `$` in a query is the window at the listener's time.
    let check = |page: &str, window: &str, series: &str, query: &str| {
        let query = query.replace('$', &format!("[{window}] @ {}", NOW / 1000));
        let (own, theirs) = (on_page(page, series), both.prometheus.query(&query).unwrap());
        let near = own == theirs || (own - theirs).abs() <= 1e-9 * own.abs();
        assert!(near || (own.is_nan() && theirs.is_nan()), "{series}: {own}; {query}: {theirs}");
    };
    for (parameters, window) in [("", "5m"), ("window=1h", "1h"), ("window=90", "90s")] {
        let page = page(parameters);
        for room in ["kitchen", "hall", "attic"] {
            for (name, function) in [
                ("avg", "avg_over_time("),
                ("min", "min_over_time("),
                ("max", "max_over_time("),
                ("sum", "sum_over_time("),
                ("p50", "quantile_over_time(0.5, "),
                ("p95", "quantile_over_time(0.95, "),
                ("p99", "quantile_over_time(0.99, "),
            ] {
                let series = format!("temperature_{name}{{room=\"{room}\"}}");
                check(
                    &page,
                    window,
                    &series,
                    &format!("{function}temperature{{room=\"{room}\"}}$)"),
                );
            }
        }
        // Values that were recorded in the window: extrapolation changes neither their mean nor their quantiles.
        let native = "native_seconds{job=\"web\"}";
        let rise = format!("increase({native}$)");
        let mean = format!("histogram_sum({rise}) / histogram_count({rise})");
        check(&page, window, "native_seconds_avg{job=\"web\"}", &mean);
        for (name, q) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
            let quantile = format!("histogram_quantile({q}, {rise})");
            check(&page, window, &format!("native_seconds_{name}{{job=\"web\"}}"), &quantile);
        }
    }
    let by_job = page("by=job");
    check(
        &by_job,
        "5m",
        "queue_length_sum{job=\"api\"}",
        "sum(sum_over_time(queue_length{job=\"api\"}$))",
    );
    check(
        &by_job,
        "5m",
        "queue_length_max{job=\"api\"}",
        "max(max_over_time(queue_length{job=\"api\"}$))",
    );
    check(&by_job, "5m", "temperature_min", "min(min_over_time(temperature$))");
    let counter = "http_requests_total{job=\"db\",instance=\"a\",code=\"500\"}";
    let rise = format!(
        "(max_over_time({counter}$) - min_over_time({counter}$)) / (resets({counter}$) == bool 0)"
    );
    check(
        &page("window=2m"),
        "2m",
        "http_requests_total_sum{code=\"500\",instance=\"a\",job=\"db\"}",
        &rise,
    );
    for bad in ["window=0", "window=x", "by=a-b", "time=x", "window=%zz"] {
        let path = format!("/metrics/aggregated?{bad}");
        let (status, body) = ask(both.addresses()[0], "GET", &path, "", b"").unwrap();
        assert!(status == 400 && body.contains("bad_data"), "{bad}: {status} {body}");
    }
    // Prometheus reads the page: 3 is what promtool says of names that it would not have chosen.
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("aggregated-{}", std::process::id()));
    std::fs::write(&file, page("")).unwrap();
    let mut command = Command::new("promtool");
    let input = std::fs::File::open(&file).unwrap();
    let output = command.args(["check", "metrics"]).stdin(input).output().unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{output:?}");
}
