//! The `tacho` command as a user runs it.

#[path = "common/page.rs"]
mod page;

use std::io::{BufRead, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use page::Page;

fn tacho(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacho"));
    command.args(line.split_whitespace());
    command
}

fn output(mut command: Command) -> (Output, String, String) {
    let output = command.output().expect("the command runs");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).expect("the folder can be read").next().is_none()
}

#[test]
fn a_run_ends_with_a_summary_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = tacho("raft --clients 8 --for 1200ms --listen off --folder");
    command.arg(folder.path());
    let (output, out, err) = output(command);
    assert!(output.status.success(), "{err}");
    assert!(out.contains("8 clients, log on disk, with metrics"), "{out}");
    assert!(err.contains("writes/s  leader"), "{err}");
    assert!(is_empty(folder.path()));
}

#[test]
fn the_summary_can_be_json() {
    let line = "--clients 8 --log memory --for 500ms --listen off --json --no-metrics";
    let (output, out, err) = output(tacho(line));
    assert!(output.status.success(), "{err}");
    let summary: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(summary["metrics"], false);
    assert!(summary["acknowledged"].as_u64().is_some_and(|writes| writes > 0), "{out}");
}

#[test]
fn a_measured_run_has_figures_in_its_summary() {
    let line = "--clients 8 --log memory --for 1500ms --listen off --json";
    let (output, out, err) = output(tacho(line));
    assert!(output.status.success(), "{err}");
    let summary: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let rows = summary["distributions"].as_array().expect("rows");
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).expect(name);
    let commit = row("proposal to commit, sampled");
    assert_eq!(commit["unit"], "seconds");
    // One in eight counts as eight: some thousand commands come out within a few percent.
    let acknowledged = summary["acknowledged"].as_f64().expect("a number");
    let ratio = commit["count"].as_f64().expect("a number") / acknowledged;
    assert!((0.7..1.4).contains(&ratio), "{ratio} of {out}");
    let [p50, p99, max] = ["p50", "p99", "max"].map(|name| commit[name].as_f64().expect(name));
    assert!(0.0 < p50 && p50 <= p99 && p99 <= max && max < 1.5, "{commit}");
    for name in ["client write", "apply", "log append", "append_entries call"] {
        let name = format!("{name}, sampled");
        assert!(row(&name)["count"].as_u64() > Some(0), "{out}");
    }
    let facts = summary["engine"].as_array().expect("facts");
    let fact = |name| facts.iter().find(|fact| fact["name"] == name).expect(name)["value"].clone();
    assert_eq!((fact("incomplete cuts"), fact("overflow records")), ("0".into(), "0".into()));
    assert!(err.contains("commit p99"), "{err}");
}

/// Starts a run and waits for the line of its standard error that `wanted` finds something in.
fn started<T>(line: &str, wanted: impl Fn(&str) -> Option<T>) -> (Child, T) {
    let mut command = tacho(line);
    let mut child =
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the command runs");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let found = lines.find_map(|line| wanted(&line.expect("text"))).expect("the line comes");
    // The rest is read too, so that the run can go on writing.
    std::thread::spawn(move || lines.for_each(drop));
    (child, found)
}

#[test]
fn metrics_are_served_while_a_run_goes_on() {
    let line = "--clients 8 --log memory --for 3s --listen 127.0.0.1:0";
    let (mut child, address) = started(line, served);
    // Served before there is a cluster, and all the time that there is one.
    let is_filled = |page: &Page| page.sum("raft_commit_latency_seconds_count") > 0.0;
    let page = loop {
        std::thread::sleep(Duration::from_millis(50));
        let page = Page::scrape(address);
        if is_filled(&page) {
            break page;
        }
    };
    page.assert_histograms_hold_together();
    assert!(Page::scrape(address).sum("tachometer_generations_total") > 0.0);
    assert!(child.wait().expect("it ends").success());
    assert!(TcpStream::connect(address).is_err());
}

/// The address that a run serves at, from the line in which it says so.
fn served(line: &str) -> Option<SocketAddr> {
    let address = line.strip_prefix("metrics at http://")?.strip_suffix("/metrics")?;
    Some(address.parse().expect("an address"))
}

#[test]
fn rules_fire_and_resolve_while_a_follower_is_cut_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rules.yml");
    let rules = "groups: [{name: test, rules: [{alert: Lonely, \
                 expr: raft_current_leader < 0 and raft_running == 1, labels: {severity: page}}]}]";
    std::fs::write(&file, rules).expect("the file is written");
    let line =
        "--clients 8 --log memory --for 8s --isolate-follower 2500ms --listen off --json --rules";
    let mut command = tacho(line);
    command.arg(&file);
    let (output, out, err) = output(command);
    assert!(output.status.success(), "{err}");
    let summary: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let events = summary["events"].as_array().expect("events");
    let first = |wanted: &dyn Fn(&serde_json::Value) -> bool| {
        let found = events.iter().position(wanted);
        found.unwrap_or_else(|| panic!("{out}"))
    };
    let isolated = first(&|event| event["event"] == "follower_isolated");
    let node = events[isolated]["node"].to_string();
    let alert = |event: &serde_json::Value, state: &str| {
        let here = format!("replica=\"{node}\"");
        let labels = event["labels"].as_str().unwrap_or_default();
        event["event"] == "alert" && event["state"] == state && labels.contains(&here)
    };
    let firing = first(&|event| alert(event, "firing"));
    let resolved = first(&|event| alert(event, "resolved"));
    assert!(isolated < firing && firing < resolved, "{out}");
    assert_eq!(
        (&events[firing]["name"], &events[firing]["severity"]),
        (&"Lonely".into(), &"page".into())
    );
    assert!(
        err.contains("alert firing: Lonely{") && err.contains("alert resolved: Lonely{"),
        "{err}"
    );
}

#[test]
fn a_run_is_asked_while_it_goes_on() {
    let line = "--clients 8 --log memory --for 8s --listen 127.0.0.1:0";
    let (mut child, address) = started(line, served);
    let asked = |expression: &str| {
        let mut command = tacho(&format!("query --url http://{address} --json"));
        command.arg(expression);
        let (output, out, err) = output(command);
        assert!(output.status.success(), "{err}");
        serde_json::from_str::<serde_json::Value>(&out).expect("JSON").to_string()
    };
    // What rules record is there after the first evaluation.
    while !asked("count(raft:leader_changes:increase5m)").contains("\"3\"") {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(asked("sum(raft_running)").contains("\"3\""));
    let page = |path: &str| {
        let mut stream = TcpStream::connect(address).expect("it is served");
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("it is taken");
        std::io::read_to_string(stream).expect("an answer")
    };
    assert!(page("/api/v1/rules").contains("RaftNoLeader"));
    assert!(page("/api/v1/alerts").contains("\"alerts\":"));
    let health = page("/health");
    assert!(health.contains("\"consensus\"") && health.contains("200 OK"), "{health}");
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn a_wrong_rule_file_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rules.yml");
    std::fs::write(&file, "groups:\n- name: x\n  rules:\n  - alert: A\n").expect("it is written");
    let mut command = tacho("--listen off --rules");
    command.arg(&file);
    let (output, _, err) = output(command);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err.contains("rules.yml") && err.contains("expr") && !err.contains("panicked"),
        "{err}"
    );
}

#[test]
fn without_metrics_nothing_is_served() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("its address");
    drop(free);
    let line = format!("--clients 8 --log memory --for 2s --no-metrics --listen {address}");
    let (mut child, line) =
        started(&line, |line| line.contains("writes/s").then(|| line.to_owned()));
    assert!(!line.contains("commit p99"), "{line}");
    assert!(TcpStream::connect(address).is_err());
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn a_comparison_prints_the_ratio() {
    let line = "--compare --rounds 1 --clients 8 --log memory --for 100ms --json";
    let (output, out, err) = output(tacho(line));
    assert!(output.status.success(), "{err}");
    let comparison: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert!(comparison["median_ratio"].as_f64().is_some_and(|ratio| ratio > 0.0), "{out}");
    assert_eq!(err.matches("metrics:").count(), 4, "{err}");
}

#[test]
fn an_interrupt_ends_a_run_cleanly() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = tacho("--clients 8 --listen off --folder");
    command.arg(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the command runs");
    std::thread::sleep(Duration::from_millis(1_500));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.is_ok_and(|status| status.success()));
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("writes acknowledged"));
    assert!(is_empty(folder.path()));
}

#[test]
fn a_busy_port_is_told_at_once() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address");
    let (output, _, err) = output(tacho(&format!("--listen {address}")));
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains(&address.to_string()) && err.contains("--listen off"), "{err}");
    assert!(!err.contains("panicked") && !err.contains("backtrace"), "{err}");
}

#[test]
fn a_folder_that_cannot_be_used_is_told() {
    let (output, _, err) = output(tacho("--listen off --folder /nowhere/at/all"));
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("/nowhere/at/all") && err.contains("--folder"), "{err}");
}

#[test]
fn a_wrong_flag_is_told() {
    let (output, _, err) = output(tacho("--clients many"));
    assert_eq!(output.status.code(), Some(2));
    assert!(err.contains("--clients"), "{err}");
}

#[test]
fn a_configuration_is_checked_printed_and_used() {
    let (output, example, err) = output(tacho("config example"));
    assert!(output.status.success(), "{err}");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("engine.toml");
    let with_file = |line: &str| {
        let mut command = tacho(line);
        command.arg(&file);
        command
    };
    std::fs::write(&file, &example).expect("the file is written");
    let (output, out, err) = self::output(with_file("config check"));
    assert!(output.status.success() && out.contains("engine.toml is valid"), "{out}{err}");

    std::fs::write(&file, "[engine]\nintervall = \"1s\"\n").expect("the file is written");
    let (output, _, err) = self::output(with_file("config check"));
    assert!(!output.status.success());
    assert!(err.contains("engine.toml, line 2, column 1: unknown field `intervall`"), "{err}");

    let settings = "[engine]\ninterval = \"100ms\"\n[listener]\nenabled = false\n";
    std::fs::write(&file, settings).expect("the file is written");
    let line = "raft --clients 8 --log memory --for 1500ms --json --config";
    let (output, out, err) = self::output(with_file(line));
    assert!(output.status.success(), "{err}");
    assert!(!err.contains("metrics at"), "{err}");
    let summary: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let facts = summary["engine"].as_array().expect("facts");
    let cuts = facts.iter().find(|fact| fact["name"] == "cuts").expect("cuts");
    let cuts: u64 = cuts["value"].as_str().and_then(|n| n.parse().ok()).expect("a number");
    assert!(cuts >= 8, "{cuts} cuts in 1.5 s at 100 ms");
}
