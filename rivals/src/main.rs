//! Measures tachometer's workloads through the crates a user would choose instead, and prints one
//! table, in two parts.
//!
//! `cargo run --release` runs everything; `-- --help` lists what else there is. The README says
//! what each row uses of its crate and why.

mod harness;

mod baseline;
mod contatori;
mod facade;
mod fast_telemetry;
mod hdrhistogram;
mod measured;
mod metrics;
mod metriken;
mod nm;
mod opentelemetry;
mod prerendered;
mod prometheus;
mod prometheus_client;
mod tachometer;

use std::process::ExitCode;
use std::time::Duration;

use harness::report::{self, Cell, Row, Run};
use harness::workload::WORKLOADS;
use harness::{Rival, allocations, machine, measure};

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

/// The rows from top to bottom: the hardware's own limits, then the crates.
fn rivals() -> Vec<Box<dyn Rival>> {
    vec![
        Box::new(baseline::EmptyLoop),
        Box::new(baseline::ThreadLocalSlot),
        Box::new(baseline::SharedAtomic),
        Box::new(prerendered::Prerendered),
        Box::new(baseline::HdrHistogramMut),
        Box::new(baseline::HistogramMut),
        Box::new(contatori::Contatori),
        Box::new(fast_telemetry::FastTelemetry),
        Box::new(hdrhistogram::Recorder),
        Box::new(measured::Measured),
        Box::new(metrics::Metrics),
        Box::new(metriken::Metriken),
        Box::new(nm::Pull),
        Box::new(nm::Push),
        Box::new(opentelemetry::Bound),
        Box::new(opentelemetry::Plain),
        Box::new(prometheus::Shared),
        Box::new(prometheus::Local),
        Box::new(prometheus_client::PrometheusClient),
        Box::new(tachometer::Tachometer),
        Box::new(facade::Facade),
    ]
}

const USAGE: &str = "\
usage: cargo run --release -- [OPTIONS]

  --quick          3 rounds with short laps: does everything run? Not for results.
  --rounds N       rounds, of which the table shows the median (default 7)
  --lap-ms N       length of a lap in milliseconds (default 100)
  --only TEXT      only rows whose name contains TEXT; may be given more than once
  --json FILE      write machine, versions and every sample to FILE
";

struct Options {
    quick: bool,
    rounds: usize,
    lap: Duration,
    only: Vec<String>,
    json: Option<String>,
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        quick: false,
        rounds: 7,
        lap: Duration::from_millis(100),
        only: Vec::new(),
        json: None,
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        let number = |text: String| match text.parse::<u32>() {
            Ok(number @ 1..) => Ok(number),
            _ => Err(format!("{text} is not a positive number")),
        };
        match argument.as_str() {
            "--quick" => {
                options.quick = true;
                options.rounds = 3;
                options.lap = Duration::from_millis(5);
            }
            "--rounds" => options.rounds = number(value()?)? as usize,
            "--lap-ms" => options.lap = Duration::from_millis(number(value()?)?.into()),
            "--only" => options.only.push(value()?),
            "--json" => options.json = Some(value()?),
            other => return Err(format!("unknown option {other}")),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--help") {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprint!("{error}\n\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let run = Run {
        quick: options.quick,
        rounds: options.rounds,
        lap_ms: options.lap.as_secs_f64() * 1e3,
        started: machine::now(),
        load_at_start: machine::load(),
    };
    let mut rows = calibrated(&options);
    for round in 0..options.rounds {
        eprintln!("round {} of {}", round + 1, options.rounds);
        measure_round(&mut rows, round);
    }
    print!("{}", report::table(&rows));
    print_legend(&run);
    if let Some(file) = &options.json {
        let raw = format!("{:#}\n", report::raw(&run, &rows));
        if let Err(error) = std::fs::write(file, raw) {
            eprintln!("cannot write {file}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// The rows that were asked for, each workload with its number of calls and no sample yet.
fn calibrated(options: &Options) -> Vec<Row> {
    let wanted = |rival: &dyn Rival| {
        options.only.is_empty() || options.only.iter().any(|text| rival.name().contains(text))
    };
    let calibrate = |rival: Box<dyn Rival>| {
        eprintln!("calibrating {}", rival.name());
        let cell = |workload| {
            let calls = measure::calibrate(&*rival, workload, options.lap)?;
            Some(Cell { calls, samples: Vec::with_capacity(options.rounds) })
        };
        let cells = WORKLOADS.iter().map(cell).collect();
        Row { rival, cells }
    };
    rivals().into_iter().filter(|rival| wanted(&**rival)).map(calibrate).collect()
}

/// One lap for every cell. All rivals run the same workload one after the other, and each round
/// starts with another of them, so that a slow moment of the machine does not hit the same row
/// every time.
fn measure_round(rows: &mut [Row], round: usize) {
    for (column, workload) in WORKLOADS.iter().enumerate() {
        for position in 0..rows.len() {
            let row = (position + round) % rows.len();
            let row = &mut rows[row];
            if let Some(cell) = &mut row.cells[column] {
                cell.samples.push(measure::measure(&*row.rival, workload, cell.calls));
            }
        }
    }
}

fn print_legend(run: &Run) {
    println!();
    println!("ns per call and thread, and ms per page; the median of {} rounds.", run.rounds);
    println!("+Na: N allocations per call or page. —: the crate has no such feature.");
    println!("{} on {}, load {}.", run.started, machine::cpu_model(), run.load_at_start);
    if run.quick {
        println!("A quick run: the numbers mean little.");
    }
}
