//! See `tachometer_fuzz::artifact`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tachometer_fuzz::artifact::{Plan, run};

fuzz_target!(|plan: Plan| run(&plan));
