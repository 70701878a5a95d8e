//! See `tachometer_fuzz::history_log`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tachometer_fuzz::history_log::{Plan, run};

fuzz_target!(|plan: Plan| run(&plan));
