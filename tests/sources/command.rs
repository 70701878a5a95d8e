//! What programs print, and what becomes of those that do not end.

use crate::common::loopback::wait_until;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use tachometer::source::{
    CommandSource, Mapping, MetricMapping, PollLimits, Sample, SampleKind, Samples, Source,
    SourceError,
};

fn limits(time: Duration) -> PollLimits {
    let mut limits = PollLimits::default();
    limits.time = time;
    limits
}

/// A script is a program like any other; a source itself has no shell.
fn script(text: &str) -> CommandSource {
    CommandSource::new("script", "/bin/sh", ["-c", text]).unwrap()
}

fn poll(text: &str, time: Duration) -> Result<Samples, SourceError> {
    script(text).poll(&limits(time))
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn what_is_printed_is_read() {
    let text = "echo talking >&2; echo '# TYPE a gauge'; echo 'a{b=\"c\"} 2'";
    let samples = poll(text, LONG).unwrap();
    assert_eq!(samples.families[0].kind, SampleKind::Gauge);
    assert_eq!(samples.get("a", &[("b", "c")]).and_then(Sample::as_number), Some(2.0));
    let mapping = Mapping::new([MetricMapping::new("a", SampleKind::Gauge, "x.y")]).unwrap();
    let mut json = script("echo '{\"x\":{\"y\":3}}'").mapping(mapping);
    let samples = json.poll(&limits(LONG)).unwrap();
    assert_eq!(samples.get("a", &[]).and_then(Sample::as_number), Some(3.0));
    // Arguments are handed on as they are.
    let mut echo = CommandSource::new("echo", "/bin/echo", ["a{b=\"$HOME *\"}", "1"]).unwrap();
    assert!(echo.poll(&limits(LONG)).unwrap().get("a", &[("b", "$HOME *")]).is_some());
    // More on the error output than a pipe holds.
    assert!(poll("head -c 300000 /dev/zero >&2; echo 'a 1'", LONG).is_ok());
}

#[test]
fn what_goes_wrong_is_said() {
    let failed = |text| poll(text, LONG).unwrap_err();
    let error = failed("echo 'a 1'; echo first >&2; echo no such disk >&2; exit 3");
    let said = error.to_string();
    assert!(said.contains("3") && said.ends_with(": no such disk"), "{said}");
    assert_eq!(error.reason(), "failed");
    assert!(failed("kill -9 $$").to_string().contains("signal: 9"));
    let error = failed("echo 'a 1'; echo 'b c'");
    assert!(matches!(error, SourceError::Malformed { line: Some(2), .. }), "{error}");
    let mut limits = limits(LONG);
    limits.bytes = 100_000;
    let error = script("cat /dev/zero").poll(&limits).unwrap_err();
    assert_eq!(error, SourceError::TooLarge { limit: 100_000 });
    let nothing: [&str; 0] = [];
    let mut missing = CommandSource::new("missing", "/no/such/program", nothing).unwrap();
    let error = missing.poll(&limits).unwrap_err();
    assert!(
        matches!(&error, SourceError::Unreachable { reason } if reason.contains("/no/such")),
        "{error}"
    );
    for relative in ["", "echo", "./echo"] {
        let error = CommandSource::new("r", relative, nothing).unwrap_err().to_string();
        assert!(error.contains("absolute"), "{error}");
    }
}

#[test]
fn one_that_does_not_end_is_killed_with_all_that_it_started() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("command-{}", std::process::id()));
    let text = format!("sleep 600 & echo $! > {0}.part; mv {0}.part {0}; wait", file.display());
    // Long enough for the file to be there.
    let began = Instant::now();
    let error = poll(&text, Duration::from_secs(3)).unwrap_err();
    assert_eq!(error, SourceError::TimedOut { limit: Duration::from_secs(3) });
    assert!(began.elapsed() < LONG);
    let child = fs::read_to_string(&file).unwrap().trim().to_owned();
    // A zombie, for somebody else to bury, is dead.
    wait_until("the end of what it started", || {
        let stat = fs::read_to_string(format!("/proc/{child}/stat"));
        stat.map_or(true, |stat| stat.contains(") Z ") || !stat.contains("(sleep)"))
    });
    fs::remove_file(&file).unwrap();
    // It has closed its output, and does not end; or it has ended, and somebody else holds the output.
    for text in ["exec >&-; sleep 600", "(sleep 600 &)"] {
        let error = poll(text, Duration::from_millis(300)).unwrap_err();
        assert!(matches!(error, SourceError::TimedOut { .. }), "{text}: {error}");
    }
}
