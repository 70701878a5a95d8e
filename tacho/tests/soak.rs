//! `tacho soak` and `tacho artifact` as a user runs them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tachometer::JsonValue;
use tachometer::testing::artifact::{Fact, Run, Status};

fn tacho(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacho"));
    command.args(line.split_whitespace());
    command
}

fn output(command: &mut Command) -> (Output, String, String) {
    let output = command.output().expect("the command runs");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}

/// A short soak of the engine itself, with its report.
fn record(line: &str, file: &Path) -> (Output, Value, String) {
    let line = format!("soak --for 2s --workload record --rate 400 --json {line} --artifact");
    let (output, out, err) = output(tacho(&line).arg(file));
    let report = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    (output, report, err)
}

fn show(line: &str, files: &[&Path]) -> String {
    let (output, out, err) = output(tacho(&format!("artifact {line}")).args(files));
    assert!(output.status.success(), "{err}");
    out
}

#[test]
fn a_soak_counts_measures_and_leaves_an_artifact() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("run.json");
    let (output, report, err) = record("--seed 7", &file);
    assert!(output.status.success(), "{err}");
    assert!(err.starts_with("soak of record, seed 7\n") && err.contains(" left  "), "{err}");
    assert_eq!((&report["status"], &report["seed"]), (&"passed".into(), &7.into()));
    let number = |value: &Value| value.as_f64().expect("a number");
    let succeeded = number(&report["succeeded"]);
    // 400 a second for two seconds; a busy machine may be late, but not early.
    assert!((50.0..1_000.0).contains(&succeeded), "{report}");
    let latency = &report["latency"];
    assert_eq!(number(&latency["count"]), succeeded);
    assert!(0.0 < number(&latency["p50"]) && number(&latency["p50"]) <= number(&latency["p99"]));
    let memory = report["memory"].as_array().expect("readings");
    assert!(memory.len() >= 3, "at the start, when it was warm, at the end: {report}");
    for reading in memory {
        assert!(number(&reading["resident_bytes"]) > 1e6 && number(&reading["threads"]) >= 3.0);
        assert!(number(&reading["virtual_bytes"]) > number(&reading["resident_bytes"]));
    }

    let run = Run::read(&file).expect("an artifact");
    assert_eq!((run.status, run.seed, &*run.name), (Status::Passed, Some(7), "soak record"));
    assert_eq!(run.facts["succeeded"], Fact::Number(succeeded));
    assert_eq!((&run.facts["clients"], run.facts.get("log")), (&Fact::Number(2.0), None));
    assert_eq!((run.memory.len(), run.panics, run.failed_writes), (memory.len(), 0, 0));
    let metrics = run.metrics.as_ref().expect("metrics");
    let family =
        |name: &str| metrics.families.iter().find(|one| one.name == name).expect("a family");
    let JsonValue::Histogram(found) = &family("soak_operation_duration_seconds").series[0].value
    else {
        panic!("{metrics:?}")
    };
    assert_eq!(found.count() as f64, succeeded, "the last snapshot is in it");

    let text = show("show", &[&file]);
    assert!(text.starts_with("soak record: passed\n"), "{text}");
    for part in [
        "seed                        7\n",
        "soak_operation_duration_seconds",
        "resident",
        "soak_pair",
    ] {
        let part = if part == "soak_pair" { "soak_first_of_pair_total" } else { part };
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("tachometer_generations_total"));
    assert!(show("show --all", &[&file]).contains("tachometer_generations_total"));

    let other = folder.path().join("other.json");
    let (output, report, _) = record("--seed 8 --max-p99 1ns", &other);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(report["status"], "failed");
    let diff = show("diff", &[&file, &other]);
    assert!(
        diff.contains("        passed\n") && diff.contains("        failed: the 99th percentile"),
        "{diff}"
    );
    let line = |name: &str| {
        let found = diff.lines().find(|line| line.trim_start().starts_with(name));
        found.unwrap_or_else(|| panic!("{name} in {diff}")).to_owned()
    };
    let seed = line("seed");
    assert!(seed.contains(" 7 ") && seed.ends_with(" 8"), "{seed}");
    assert!(line("soak_operation_duration_seconds, count").contains('%'), "{diff}");
    assert!(line("p99.9").contains("µs") || line("p99.9").contains("ms"), "{diff}");
    assert!(line("resident, last").contains("MiB"), "{diff}");
    let same = show("diff", &[&file, &file]);
    assert!(same.contains('=') && !same.contains(" % "), "{same}");
}

#[test]
fn a_limit_that_is_broken_fails_the_run_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("run.json");
    let (output, report, err) = record("--max-p99 1ns --max-error-rate 0.1% --seed 1", &file);
    assert_eq!(output.status.code(), Some(1));
    let error = report["errors"][0].as_str().expect("an error");
    assert!(
        error.starts_with("the 99th percentile of latency is ")
            && error.ends_with("the limit is 1 ns")
    );
    assert!(err.contains("tacho: the soak failed: the 99th percentile"), "{err}");
    let run = Run::read(&file).expect("an artifact");
    assert_eq!((run.status, run.error.as_deref()), (Status::Failed, Some(error)));
}

#[test]
fn what_cannot_be_done_is_told_before_anything_is_started() {
    let lines = [
        ("soak --for 0s", "must not be zero"),
        ("soak --max-memory-growth much", "write it as 20% or 64MiB"),
        ("soak --max-error-rate 2", "write it as 0.1% or 0.001"),
        ("soak --faults 1ms", "give 2s or more, or `off`"),
        ("soak --rate 0", "give a number from 0.001"),
        ("soak --workload sleep", "[possible values: raft, hotstuff, record]"),
    ];
    for (line, part) in lines {
        let (output, _, err) = output(&mut tacho(line));
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(err.contains(part), "{line}: {err}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("nowhere/run.json");
    let (output, _, err) =
        output(tacho("soak --for 1h --workload record --artifact").arg(&missing));
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("nowhere/run.json") && err.contains("make it first"), "{err}");
    for command in ["show", "diff"] {
        let mut command = tacho(&format!("artifact {command}"));
        let file = folder.path().join("broken.json");
        std::fs::write(&file, "{\"format\":\"tachometer-artifact\",").expect("it is written");
        let (output, _, err) = self::output(command.arg(&file).arg(&file));
        assert_ne!(output.status.code(), Some(0));
        assert!(!err.contains("panicked"), "{err}");
    }
    let file = folder.path().join("broken.json");
    let (output, _, err) = self::output(tacho("artifact show").arg(&file));
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("broken.json, line 1 column 32: EOF while parsing"), "{err}");
}

/// Whether the artifact shows operations.
fn has_worked(file: &Path) -> bool {
    let metrics = Run::read(file).ok().and_then(|run| run.metrics);
    let families = metrics.map(|metrics| metrics.families).unwrap_or_default();
    let mut counted = families
        .iter()
        .filter(|one| one.name == "soak_operations_total")
        .flat_map(|one| &one.series);
    counted.any(|series| matches!(series.value, JsonValue::Counter(1..)))
}

/// Starts a soak and waits until its artifact shows that it works.
fn under_way(line: &str, file: &Path) -> Child {
    let mut command = tacho(line);
    command.arg("--artifact").arg(file).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command runs");
    let errors = child.stderr.take().expect("a pipe");
    // Read to its end, so that the run can go on writing.
    std::thread::spawn(move || BufReader::new(errors).lines().for_each(drop));
    let began = std::time::Instant::now();
    while !has_worked(file) {
        assert!(began.elapsed() < Duration::from_secs(60), "no operations in a minute");
        std::thread::sleep(Duration::from_millis(50));
    }
    child
}

#[test]
fn an_interrupt_ends_a_soak_cleanly() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("run.json");
    let child = under_way("soak --for 1h --workload record --rate 100", &file);
    assert_eq!(Run::read(&file).expect("an artifact").status, Status::Running);
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.is_ok_and(|status| status.success()));
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains(": stopped before its time\n") && text.contains("succeeded"), "{text}");
    assert_eq!(Run::read(&file).expect("an artifact").status, Status::Stopped);
}

#[test]
fn a_kill_leaves_an_artifact_that_can_be_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("run.json");
    let mut child = under_way("soak --for 1h --workload record --rate 100", &file);
    child.kill().expect("our own child");
    child.wait().expect("our own child");
    let text = show("show", &[&file]);
    assert!(text.starts_with("soak record: running (it goes on, or was killed)\n"), "{text}");
    assert!(text.contains("soak_operations_total"), "{text}");
}

#[test]
fn a_raft_cluster_is_soaked_with_the_faults_of_a_seed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("run.json");
    let line =
        "soak --for 8s --seed 3 --clients 8 --log memory --rate 300 --faults 2s --json --artifact";
    let (output, out, err) = output(tacho(line).arg(&file));
    assert!(output.status.success(), "{err}");
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        (&report["status"], &report["workload"]),
        (&"passed".into(), &"raft".into()),
        "{out}"
    );
    assert!(report["succeeded"].as_u64() > Some(100), "{out}");
    let names: Vec<&str> = report["events"]
        .as_array()
        .expect("events")
        .iter()
        .filter_map(|one| one["event"].as_str())
        .collect();
    let is_fault = |name: &&str| ["leader_killed", "follower_isolated"].contains(name);
    assert!(names.iter().any(is_fault), "{out}");
    let run = Run::read(&file).expect("an artifact");
    assert_eq!(run.facts["faults"], Fact::Text("2s".to_owned()));
    let told: Vec<&str> = run.events.iter().map(|event| &*event.name).collect();
    assert_eq!(told, names, "the artifact has the same events");
    assert!(show("show", &[&file]).contains("raft_commit_latency_seconds"));
}
