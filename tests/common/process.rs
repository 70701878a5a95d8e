//! A test in a process of its own: for settings and limits of the whole process, and for tests that stop threads.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Says to the process that is started which test it is for.
const VARIABLE: &str = "TACHOMETER_TEST_PROCESS";
/// When a process counts as hanging. Generous: it guards the whole run, it measures nothing.
const HANG: Duration = Duration::from_secs(240);

/// Runs `body` in a process that runs nothing else. `test` is the name of the calling test.
///
/// # Panics
/// The process fails or hangs; the message carries what it wrote.
pub fn own_process(test: &str, body: impl FnOnce()) {
    if std::env::var(VARIABLE).is_ok_and(|wanted| wanted == test) {
        return body();
    }
    let mut process = Command::new(std::env::current_exe().expect("a test has a path"))
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(VARIABLE, test)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a second process of this test");
    let mut errors = process.stderr.take().expect("it is piped");
    let mut output = process.stdout.take().expect("it is piped");
    let errors = std::thread::spawn(move || text_of(&mut errors));
    let output = std::thread::spawn(move || text_of(&mut output));
    let deadline = Instant::now() + HANG + super::stress_time();
    let status = loop {
        if let Some(status) = process.try_wait().expect("our own child") {
            break Some(status);
        }
        if Instant::now() > deadline {
            process.kill().expect("our own child");
            process.wait().expect("our own child");
            break None;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let errors = errors.join().expect("reading does not panic");
    let output = output.join().expect("reading does not panic");
    let ran = output.contains("1 passed");
    match status {
        Some(status) if status.success() && ran => {}
        Some(status) if status.success() => panic!("no test is called {test}:\n{output}"),
        Some(status) => panic!("the process of {test} ended with {status}:\n{errors}"),
        None => panic!("the process of {test} hung:\n{errors}"),
    }
}

fn text_of(from: &mut impl std::io::Read) -> String {
    let mut bytes = Vec::new();
    let _ = from.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Memory that the process has resident, in bytes.
#[cfg(target_os = "linux")]
pub fn resident_bytes() -> u64 {
    pages(1)
}

/// Address space that the process uses, in bytes.
#[cfg(target_os = "linux")]
pub fn virtual_bytes() -> u64 {
    pages(0)
}

/// One of the numbers of `/proc/self/statm`, in bytes.
#[cfg(target_os = "linux")]
fn pages(at: usize) -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages: u64 = statm.split(' ').nth(at).and_then(|s| s.parse().ok()).expect("a number");
    // SAFETY: asks for a constant.
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) as u64 }
}
