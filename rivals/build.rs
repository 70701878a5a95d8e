//! Hands the program the compiler's version and flags, so that results can say what built them.

use std::env;
use std::process::Command;

fn main() {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = Command::new(rustc)
        .arg("--version")
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=RIVALS_RUSTC={}", version.trim());
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    println!("cargo::rustc-env=RIVALS_RUSTFLAGS={}", flags.replace('\u{1f}', " "));
    let profile = env::var("PROFILE").unwrap_or_default();
    println!("cargo::rustc-env=RIVALS_PROFILE={profile}");
    println!("cargo::rerun-if-changed=build.rs");
}
