//! Artifacts: what is written is read back; each end has its status; what the system refuses is said.

use crate::Folder;
use crate::common::loopback::{PATIENCE, wait_until};
use crate::common::process::own_process;
use std::path::Path;
use std::time::Duration;
use tachometer::testing::artifact::{Artifact, Fact, Run, Status};
use tachometer::testing::{Collector, ProcessMemory};
use tachometer::{JsonValue, ManualClock};

const START: Duration = Duration::from_secs(1_700_000_000);

fn second(number: u64) -> Duration {
    Duration::from_secs(number)
}

#[test]
fn what_is_written_is_read_back_whole() {
    let (folder, test, clock) = (Folder::new(), Collector::new(), ManualClock::at(START));
    let size = test.registry().histogram("size", "Sizes.").unwrap();
    (0..10_000).for_each(|value| size.record(value * value));
    let builder =
        Artifact::builder("a \"run\"\n").seed(u64::MAX).run_id("r-1").clock(clock.clone());
    let artifact = builder.fact("clients", 3).fact("log", "memory").create(folder.file()).unwrap();
    let begun = Run::read(folder.file()).unwrap();
    assert_eq!((begun.status, begun.error, begun.metrics), (Status::Running, None, None));
    clock.advance(second(5));
    artifact.event("killed", "node 2\u{7}");
    let memory = ProcessMemory { resident_bytes: u64::MAX, virtual_bytes: 2, threads: 3 };
    artifact.memory(memory);
    artifact.fact("operations", 1.5);
    artifact.fact("steady", true);
    let total = test.total();
    artifact.metrics(total.snapshot());
    clock.advance(second(2));
    assert_eq!(
        (artifact.elapsed(), artifact.panics(), artifact.path()),
        (second(7), 0, &*folder.file())
    );
    artifact.pass().unwrap();

    let run = Run::read(folder.file()).unwrap();
    assert_eq!((&*run.name, &*run.run_id, run.seed), ("a \"run\"\n", "r-1", Some(u64::MAX)));
    assert_eq!((run.status, run.error, run.panics), (Status::Passed, None, 0));
    assert_eq!((run.started, run.written, run.duration), (START, START + second(7), second(7)));
    let facts: Vec<(&str, &Fact)> = run.facts.iter().map(|(name, fact)| (&**name, fact)).collect();
    let expected = [
        ("clients", &Fact::Number(3.0)),
        ("log", &Fact::Text("memory".into())),
        ("operations", &Fact::Number(1.5)),
        ("steady", &Fact::Flag(true)),
    ];
    assert_eq!(facts, expected);
    assert_eq!((run.memory.len(), run.memory[0].at, run.memory[0].memory), (1, second(5), memory));
    assert_eq!(
        (run.events.len(), run.events[0].at, &*run.events[0].text),
        (1, second(5), "node 2\u{7}")
    );
    let metrics = run.metrics.expect("they were given");
    let JsonValue::Histogram(read) = &metrics.families[0].series[0].value else {
        panic!("{metrics:?}")
    };
    assert_eq!(read, &*total.snapshot().histogram("size").unwrap(), "nothing is lost");
    assert_eq!(folder.names(), ["run.json"], "nothing is left beside it");
}

#[test]
fn what_is_added_reaches_the_file_by_itself() {
    let folder = Folder::new();
    let artifact = Artifact::builder("run").create(folder.file()).unwrap();
    for number in 0..3 {
        artifact.event("step", number.to_string());
        // Nothing follows it: the writer must not wait for more.
        wait_until("the event is in the file", || {
            Run::read(folder.file()).unwrap().events.len() == number + 1
        });
    }
    artifact.event("last", "");
    artifact.flush().unwrap();
    assert_eq!(Run::read(folder.file()).unwrap().events.len(), 4);
    artifact.stop().unwrap();
    assert_eq!(Run::read(folder.file()).unwrap().status, Status::Stopped);
}

#[test]
fn each_end_has_its_status() {
    let folder = Folder::new();
    let end = |end: &dyn Fn(Artifact)| {
        end(Artifact::builder("run").create(folder.file()).unwrap());
        let run = Run::read(folder.file()).unwrap();
        (run.status, run.error.unwrap_or_default())
    };
    assert_eq!(end(&|run| run.pass().unwrap()), (Status::Passed, String::new()));
    let failed = end(&|run| run.fail("p99 of 30 ms is above 20 ms").unwrap());
    assert_eq!(failed, (Status::Failed, "p99 of 30 ms is above 20 ms".into()));
    let dropped = (Status::Failed, "it was dropped without a verdict".into());
    assert_eq!(end(&drop), dropped);
}

#[test]
fn a_panic_is_in_the_file_whatever_becomes_of_the_process() {
    own_process("artifacts::a_panic_is_in_the_file_whatever_becomes_of_the_process", || {
        let folder = Folder::new();
        let file = folder.file();
        let run = |builder: tachometer::testing::artifact::ArtifactBuilder, body: fn(&Artifact)| {
            let artifact = builder.create(&file).unwrap();
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
                body(&artifact);
                artifact.pass().unwrap();
            }));
            (caught.is_err(), Run::read(&file).unwrap())
        };
        let builder = || Artifact::builder("run");
        let (panicked, read) = run(builder(), |_| panic!("42 is not {}", 43));
        assert!(panicked && read.status == Status::Failed && read.panics == 1);
        let error = read.error.unwrap();
        assert!(
            error.starts_with("42 is not 43 (thread ") && error.contains("artifacts.rs"),
            "{error}"
        );
        assert_eq!((&*read.events[0].name, &read.events[0].text), ("panic", &error));

        // While it unwinds, the file says it already: an abort after it would lose nothing.
        struct Look<'a>(&'a Path);
        impl Drop for Look<'_> {
            fn drop(&mut self) {
                let read = Run::read(self.0).unwrap();
                assert_eq!((read.status, read.panics), (Status::Failed, 1));
            }
        }
        let (panicked, _) = run(builder(), |artifact| {
            let _look = Look(artifact.path());
            panic!("now");
        });
        assert!(panicked);

        fn elsewhere(_: &Artifact) {
            let thread = std::thread::Builder::new().name("worker".into());
            let ended = thread.spawn(|| panic!("of a worker")).unwrap().join();
            assert!(ended.is_err());
        }
        let (panicked, read) = run(builder(), elsewhere);
        assert!(!panicked && read.status == Status::Passed);
        assert_eq!(
            (read.panics, read.events.len()),
            (0, 0),
            "another thread's is not told unless asked for"
        );
        let (_, read) = run(builder().watch_process(), elsewhere);
        assert_eq!((read.status, read.panics), (Status::Passed, 1));
        assert!(
            read.events[0].text.starts_with("of a worker (thread worker, at "),
            "{:?}",
            read.events
        );
    });
}

#[test]
fn what_cannot_be_written_is_said_at_once() {
    let folder = Folder::new();
    let said = |path: &Path| Artifact::builder("run").create(path).unwrap_err().to_string();
    let missing = said(&folder.0.join("nowhere/run.json"));
    assert!(missing.contains("nowhere/run.json") && missing.contains("make it first"), "{missing}");
    let directory = said(&folder.0);
    assert!(directory.contains("is no file; choose another"), "{directory}");
    std::fs::write(folder.file(), "my thesis").unwrap();
    let foreign = said(&folder.file());
    assert!(foreign.contains("something that no run wrote"), "{foreign}");
    assert_eq!(std::fs::read(folder.file()).unwrap(), b"my thesis", "it is as it was");
    std::fs::write(folder.file(), "").unwrap();
    Artifact::builder("run").create(folder.file()).unwrap().pass().unwrap();
    // An artifact of an earlier run makes way.
    Artifact::builder("next").create(folder.file()).unwrap().pass().unwrap();
    assert_eq!(Run::read(folder.file()).unwrap().name, "next");
}

/// Lets files grow to so many bytes.
fn limit(bytes: libc::rlim_t) {
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a valid place for the answer.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut now) }, 0);
    now.rlim_cur = bytes.min(now.rlim_max);
    // SAFETY: reads the value.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &now) }, 0);
}

#[test]
fn a_disk_that_is_full_leaves_the_file_whole_and_is_told() {
    own_process("artifacts::a_disk_that_is_full_leaves_the_file_whole_and_is_told", || {
        // SAFETY: so that a write that is refused is an error, and no signal.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
        let folder = Folder::new();
        limit(100);
        let error = Artifact::builder("run").create(folder.file()).unwrap_err().to_string();
        assert!(
            error.contains("cannot write the artifact") && error.contains("ulimit -f"),
            "{error}"
        );
        limit(libc::RLIM_INFINITY);
        let artifact = Artifact::builder("run").create(folder.file()).unwrap();
        artifact.event("before", "");
        artifact.flush().unwrap();
        limit(std::fs::metadata(folder.file()).unwrap().len());
        artifact.event("meanwhile", "what has no room");
        assert!(artifact.flush().is_err() && artifact.last_error().is_some());
        let run = Run::read(folder.file()).unwrap();
        assert_eq!(
            (run.status, run.events.len()),
            (Status::Running, 1),
            "the one before is there, and whole"
        );
        limit(libc::RLIM_INFINITY);
        wait_until("it is written again by itself", || artifact.last_error().is_none());
        let run = Run::read(folder.file()).unwrap();
        assert!(run.events.len() == 2 && run.failed_writes >= 1, "{run:?}");
        limit(10);
        assert!(artifact.pass().is_err(), "a verdict that is not in the file is no verdict");
        limit(libc::RLIM_INFINITY);
        assert_eq!(Run::read(folder.file()).unwrap().status, Status::Running);
    });
}

#[test]
fn runs_that_write_the_same_file_leave_it_whole() {
    let folder = Folder::new();
    Artifact::builder("first").create(folder.file()).unwrap().pass().unwrap();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let file = folder.file();
            scope.spawn(move || {
                for round in 0..40 {
                    // One at a time may write; the others are told so.
                    let Ok(artifact) = Artifact::builder(number.to_string()).create(&file) else {
                        continue;
                    };
                    artifact.event("round", "x".repeat(round * 20));
                    let _ = artifact.pass();
                }
            });
        }
        let began = std::time::Instant::now();
        let mut reads = 0;
        while reads < 200 && began.elapsed() < PATIENCE {
            Run::read(folder.file()).unwrap();
            reads += 1;
        }
        assert_eq!(reads, 200);
    });
}
