//! One recording path, so many times: what `.ci/instructions` runs under callgrind to count instructions a call.
//!
//! `hot_paths PATH N`; the difference between two values of N leaves start-up and loops' ends out.

use std::hint::black_box;
use std::process::ExitCode;
use tachometer::{Counter, EnumFamily, Error, Family, Histogram, Registry, Unit, group, labels};

labels! { enum Outcome("outcome") { Ok = "ok", Failed = "failed" } }

static STATIC: Counter = Counter::new("static_total", "A static counter.");

struct Handles {
    counters: [Counter; 4],
    histogram: Histogram,
    by_enum: EnumFamily<Counter, Outcome>,
    by_name: Family<Counter, 2>,
}

impl Handles {
    fn register() -> Result<Handles, Error> {
        let registry = Registry::new();
        let counter = |name| registry.counter(name, "A counter.");
        Ok(Handles {
            counters: [counter("a")?, counter("b")?, counter("c")?, counter("d")?],
            histogram: registry.metric("h_seconds", "H.").unit(Unit::Nanoseconds).histogram()?,
            by_enum: registry.metric("e_total", "E.").enum_family()?,
            by_name: registry.metric("f_total", "F.").family(["peer", "kind"])?,
        })
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, path, n] = &arguments[..] else {
        eprintln!("hot_paths PATH N");
        return ExitCode::FAILURE;
    };
    match (Handles::register(), n.parse()) {
        (Ok(handles), Ok(n)) => run(&handles, path, n),
        (handles, n) => {
            eprintln!("hot_paths: {:?} {:?}", handles.err(), n.err());
            ExitCode::FAILURE
        }
    }
}

fn run(handles: &Handles, path: &str, n: u64) -> ExitCode {
    let Handles { counters, histogram, by_enum, by_name } = handles;
    // Every value once before, so that what is counted is never a first record.
    (0..1_000).for_each(|value| histogram.record(value));
    let repeat = |f: &mut dyn FnMut(u64)| (0..n).for_each(f);
    match path {
        "empty" => repeat(&mut |i| _ = black_box(i)),
        "counter_static" => repeat(&mut |_| STATIC.inc()),
        "counter" => repeat(&mut |_| black_box(&counters[0]).inc()),
        "histogram" => repeat(&mut |i| black_box(histogram).record(i % 1_000)),
        "group_4_counters_1_histogram" => repeat(&mut |i| {
            let group = group();
            counters.iter().for_each(|counter| group.add(counter, 1));
            group.record(histogram, i % 1_000);
        }),
        "family_enum" => repeat(&mut |_| black_box(by_enum).at(black_box(Outcome::Failed)).inc()),
        "family_dynamic" => {
            repeat(&mut |_| black_box(by_name).at(black_box(["peer-2", "append"])).inc());
        }
        _ => {
            eprintln!("hot_paths: no path {path}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
