//! See `tachometer_fuzz::push`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tachometer_fuzz::push::{Response, response};

fuzz_target!(|plan: Response| response(&plan));
