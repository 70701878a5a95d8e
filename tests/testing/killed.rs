//! A process that is killed while it writes its artifact, many times: the file is there, and parses.

use crate::Folder;
use crate::common::random::Random;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tachometer::JsonValue;
use tachometer::testing::artifact::{Artifact, Run, Status};
use tachometer::testing::{Collector, ProcessMemory};

/// Says to the process that is started where its artifact is.
const FILE: &str = "TACHOMETER_TEST_ARTIFACT";
const LIVES: u64 = 24;

/// Writes for ever, and tells what is in the file.
fn write(file: &Path) {
    let test = Collector::new();
    let steps = test.registry().counter("steps_total", "Steps.").unwrap();
    // Pages of some hundred kilobytes, so that a write takes its time.
    let metric = |at: usize| test.registry().metric("size", "Sizes.").label("at", at.to_string());
    let sizes: Vec<_> = (0..200).map(|at| metric(at).histogram().unwrap()).collect();
    let mut output = std::io::stdout().lock();
    let artifact = Artifact::builder("to be killed").seed(3).create(file).unwrap();
    writeln!(output, "\nwritten 0").unwrap();
    for step in 1u64.. {
        steps.inc();
        sizes.iter().for_each(|size| size.record(step * 1_000));
        artifact.event("step", step.to_string());
        artifact.memory(ProcessMemory::read().unwrap());
        artifact.metrics(test.total().snapshot());
        artifact.flush().unwrap();
        writeln!(output, "written {step}").unwrap();
        output.flush().unwrap();
    }
}

#[test]
fn killed_at_any_moment_it_leaves_an_artifact_that_parses() {
    if let Some(file) = std::env::var_os(FILE) {
        return write(Path::new(&file));
    }
    let folder = Folder::new();
    let file = folder.file();
    let mut random = Random::new(17);
    for life in 0..LIVES {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "killed::killed_at_any_moment_it_leaves_an_artifact_that_parses",
                "--exact",
                "--nocapture",
            ])
            .env(FILE, &file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut written =
            lines.filter_map(|line| line.ok()?.strip_prefix("written ")?.parse().ok());
        let after = random.below(6);
        let mut last: u64 = written.by_ref().find(|step| *step >= after).expect("it writes");
        // In the middle of whatever it does then.
        std::thread::sleep(Duration::from_micros(random.below(8_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        last = written.last().unwrap_or(0).max(last);

        let run = Run::read(&file).unwrap_or_else(|error| panic!("life {life}: {error}"));
        assert_eq!((run.status, run.error, run.seed), (Status::Running, None, Some(3)));
        let steps = run.events.len() as u64;
        assert!(steps >= last, "life {life}: {last} steps were written, {steps} are there");
        assert!(run.memory.len() as u64 + 1 >= steps);
        if let Some(metrics) = run.metrics {
            let family = |name: &str| metrics.families.iter().find(|one| one.name == name).unwrap();
            let JsonValue::Counter(counted) = family("steps_total").series[0].value else {
                panic!()
            };
            for series in &family("size").series {
                let JsonValue::Histogram(size) = &series.value else { panic!("{series:?}") };
                assert_eq!(size.count(), counted);
            }
            // The writer's own thread may have written between an event and its metrics.
            assert!(counted == steps || counted + 1 == steps, "{counted} of {steps}");
        }
        let names = folder.names();
        assert!(names.iter().all(|name| name == "run.json" || name == "run.json.new"), "{names:?}");
    }
}
