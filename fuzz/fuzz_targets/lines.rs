//! See `tachometer_fuzz::lines`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tachometer_fuzz::lines::{Plan, run};

fuzz_target!(|plan: Plan| run(&plan));
