//! What tests are given: collectors, assertions, waits, load, networks, accuracy, and artifacts of runs.

#![cfg(all(feature = "testing", feature = "json", target_os = "linux"))]

#[path = "../common/mod.rs"]
mod common;

mod artifacts;
mod assertions;
mod damage;
mod killed;
mod loads;
mod networks;
mod waits;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// A folder of one test's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        // Relaxed: only unique.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tachometer-testing-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Folder(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("run.json")
    }

    /// The names of what is in it.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("it is there");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<String> =
            entries.map(|entry| name(entry).into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a panic of `body` says, and the line of this file's callers that it names.
fn panic_of(body: impl FnOnce()) -> String {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
    let payload = caught.expect_err("it should have panicked");
    payload.downcast_ref::<String>().expect("a formatted message").clone()
}
