//! See `tachometer_fuzz::protobuf`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tachometer_fuzz::protobuf::{Plan, run};

fuzz_target!(|plan: Plan| run(&plan));
