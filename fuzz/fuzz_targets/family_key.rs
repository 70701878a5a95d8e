//! See `tachometer_fuzz::family_key`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tachometer_fuzz::family_key::{Plan, run};

fuzz_target!(|plan: Plan| run(&plan));
