//! See `tachometer_fuzz::histogram`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tachometer_fuzz::histogram::{Plan, run};

fuzz_target!(|plan: Plan| run(&plan));
