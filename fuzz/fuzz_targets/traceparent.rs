//! See `tachometer_fuzz::traceparent`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tachometer_fuzz::traceparent::{Plan, run};

fuzz_target!(|plan: Plan| run(&plan));
