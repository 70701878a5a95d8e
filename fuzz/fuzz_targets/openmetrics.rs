//! See `tachometer_fuzz::openmetrics`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tachometer_fuzz::openmetrics::{Plan, run};

fuzz_target!(|plan: Plan| run(&plan));
