//! The `tacho` command as a user runs it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

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
