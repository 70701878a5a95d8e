//! See `tachometer_fuzz::push_grpc`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tachometer_fuzz::push_grpc::{Answer, run};

fuzz_target!(|plan: Answer| run(&plan));
