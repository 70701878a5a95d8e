//! See `tachometer_fuzz::push_answer`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tachometer_fuzz::push_answer::{Answer, run};

fuzz_target!(|plan: Answer| run(&plan));
