//! See `tachometer_fuzz::push`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tachometer_fuzz::push::{Link, url};

fuzz_target!(|plan: Link| url(&plan));
