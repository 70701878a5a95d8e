//! See `tachometer_fuzz::json`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tachometer_fuzz::json::{Plan, run};

fuzz_target!(|plan: Plan| run(&plan));
