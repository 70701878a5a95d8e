//! See `tachometer_fuzz::operations`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tachometer_fuzz::operations::{Plan, run};

fuzz_target!(|plan: Plan| run(&plan));
