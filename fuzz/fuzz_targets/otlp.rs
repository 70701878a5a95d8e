//! See `tachometer_fuzz::otlp`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tachometer_fuzz::otlp::{Plan, run};

fuzz_target!(|plan: Plan| run(&plan));
