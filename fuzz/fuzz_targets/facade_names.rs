//! See `tachometer_fuzz::facade_names`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tachometer_fuzz::facade_names::{Plan, run};

fuzz_target!(|plan: Plan| run(&plan));
