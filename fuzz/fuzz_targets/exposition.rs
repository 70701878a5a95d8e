//! See `tachometer_fuzz::exposition`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tachometer_fuzz::exposition::{Plan, run};

fuzz_target!(|plan: Plan| run(&plan));
