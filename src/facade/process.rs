//! Metrics of the process itself, under the names that Prometheus's client libraries give them.
//!
//! ```
//! use std::time::Duration;
//! use tachometer::{Engine, ManualClock, Registry, facade::process};
//! let registry = Registry::new();
//! process::register(&registry)?;
//! let engine = Engine::builder().registry(&registry).manual(&ManualClock::at(Duration::ZERO)).start()?;
//! assert!(engine.refresh().gauge("process_resident_memory_bytes")? > 0.0);
//! # Ok::<(), tachometer::Error>(())
//! ```
//!
//! | series | from |
//! |---|---|
//! | `process_cpu_seconds_total` | `getrusage`, to the microsecond; of another process `stat`, to the tick |
//! | `process_resident_memory_bytes`, `process_virtual_memory_bytes` | `status`, `stat` |
//! | `process_virtual_memory_max_bytes`, `process_max_fds` | `limits`; +Inf for no limit |
//! | `process_open_fds` | entries of `fd`, less the one that reads them |
//! | `process_start_time_seconds` | `stat`, and the boot time of `/proc/stat` |
//! | `process_threads` | `stat` |
//! | `process_minor_page_faults_total`, `process_major_page_faults_total` | `stat` |
//! | `process_context_switches_total{kind}` | `getrusage`; not for another process |
//! | `process_disk_read_bytes_total`, `process_disk_written_bytes_total` | `io`: what reached a device |
//! | `process_network_receive_bytes_total`, `process_network_transmit_bytes_total` | `net/netstat`: IP, of the whole network namespace |
//!
//! Each file is read once a snapshot, before its cut: about 100 µs in all, and more with very many open files, which the
//! kernel has to list. What a machine does not have, or does not let us read, has no series; what fails later leaves its
//! gauges at NaN and its counters where they were.

use crate::catalogue::process::ProcessMetrics;
use crate::declare::Series;
use crate::sync::usage::{ticks_per_second, usage};
use crate::{Counter, Error, Gauge, Kind, Registry, Unit};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const OWN: &str = "/proc/self";

/// Registers the metrics of this process. Registering them again with the same labels is an error.
///
/// # Errors
/// A name is registered already with another definition, or there are too many series.
pub fn register(registry: &Registry) -> Result<(), Error> {
    register_at(registry, Path::new(OWN))
}

/// Registers the metrics of the process whose directory in a procfs is `directory`: another one of this machine (give the
/// `registry` a [scope](Registry::scope) that says which), or this one where procfs is mounted elsewhere.
///
/// # Errors
/// As [`register`].
pub fn register_at(registry: &Registry, directory: &Path) -> Result<(), Error> {
    let source = Source { directory: directory.to_owned(), own: directory == Path::new(OWN) };
    let reading = source.read();
    let mut shown = Vec::new();
    let declared = ProcessMetrics::declaration();
    for (metric, value) in METRICS.iter().zip(reading) {
        let series = declared.series().iter().find(|series| series.name() == metric.name);
        shown.push(match series.filter(|_| value.is_some()) {
            Some(series) => metric.register(registry, series)?,
            None => Shown::Absent,
        });
    }
    registry.declare(declared.name(), declared.prefix(), || declared.clone());
    let state = Mutex::new(State { process: std::process::id(), shown });
    registry.before_snapshots(move || {
        let reading = source.read();
        state.lock().unwrap_or_else(PoisonError::into_inner).show(&reading);
    });
    Ok(())
}

/// A series of [`ProcessMetrics`]: its name there, and its label's value if it has one.
struct Metric {
    name: &'static str,
    label: Option<&'static str>,
}

/// How a metric is shown.
enum Shown {
    Absent,
    Gauge(Gauge),
    /// With the value that it shows so far.
    Counter(Counter, u64),
}

struct State {
    process: u32,
    shown: Vec<Shown>,
}

/// One value of each metric, in the order of [`METRICS`]; counters in the recorded unit.
type Reading = [Option<f64>; METRICS.len()];

const fn metric(name: &'static str) -> Metric {
    Metric { name, label: None }
}

const fn switches(kind: &'static str) -> Metric {
    Metric { name: "context_switches_total", label: Some(kind) }
}

const METRICS: [Metric; 16] = [
    metric("cpu_seconds_total"),
    switches("voluntary"),
    switches("involuntary"),
    metric("minor_page_faults_total"),
    metric("major_page_faults_total"),
    metric("disk_read_bytes_total"),
    metric("disk_written_bytes_total"),
    metric("network_receive_bytes_total"),
    metric("network_transmit_bytes_total"),
    metric("threads"),
    metric("start_time_seconds"),
    metric("virtual_memory_bytes"),
    metric("resident_memory_bytes"),
    metric("max_fds"),
    metric("virtual_memory_max_bytes"),
    metric("open_fds"),
];

impl Metric {
    fn register(&self, registry: &Registry, series: &Series) -> Result<Shown, Error> {
        let builder = registry.metric(series.full_name(), series.help());
        let mut builder = builder.unit(series.recorded_unit());
        for (label, value) in series.labels().iter().zip(self.label) {
            builder = builder.label(&label.name, value);
        }
        Ok(match series.kind() {
            Kind::Counter => Shown::Counter(builder.counter()?, 0),
            _ => Shown::Gauge(builder.gauge()?),
        })
    }
}

impl State {
    fn show(&mut self, reading: &Reading) {
        // A forked child counts from zero, as its counters do.
        let process = std::process::id();
        let forked = std::mem::replace(&mut self.process, process) != process;
        for (shown, value) in self.shown.iter_mut().zip(reading) {
            match shown {
                Shown::Absent => {}
                Shown::Gauge(gauge) => gauge.set(value.unwrap_or(f64::NAN)),
                Shown::Counter(counter, last) => {
                    *last = if forked { 0 } else { *last };
                    let Some(now) = *value else { continue };
                    counter.add((now as u64).saturating_sub(*last));
                    *last = now as u64;
                }
            }
        }
    }
}

struct Source {
    directory: PathBuf,
    own: bool,
}

impl Source {
    fn text(&self, file: &str) -> Option<String> {
        // A process may give itself a name that is no UTF-8.
        let bytes = fs::read(self.directory.join(file)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn read(&self) -> Reading {
        let ticks = ticks_per_second() as f64;
        let stat = self.text("stat").unwrap_or_default();
        // The name, in brackets, may hold anything; the numbers begin behind its last one. The first is field 3.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or(vec![], |(_, rest)| rest.split_whitespace().collect());
        let field = |n: usize| fields.get(n - 3)?.parse::<f64>().ok();
        let used = self.own.then(usage).flatten();
        let in_ticks = || {
            Some(((field(14)? + field(15)?) / ticks * Unit::Nanoseconds.divisor() as f64).floor())
        };
        let io = self.text("io").unwrap_or_default();
        let status = self.text("status").unwrap_or_default();
        let limits = self.text("limits").unwrap_or_default();
        let netstat = self.text("net/netstat").unwrap_or_default();
        let boot = self.text("../stat").or_else(|| fs::read_to_string("/proc/stat").ok());
        let boot = boot.as_deref().and_then(|text| after(text, "btime "));
        [
            used.map(|used| used.cpu_ns as f64).or_else(in_ticks),
            used.map(|used| used.voluntary_switches as f64),
            used.map(|used| used.involuntary_switches as f64),
            field(10),
            field(12),
            after(&io, "read_bytes:"),
            after(&io, "write_bytes:"),
            ip_octets(&netstat, "InOctets"),
            ip_octets(&netstat, "OutOctets"),
            field(20),
            boot.and_then(|boot| Some(boot + field(22)? / ticks)),
            field(23),
            after(&status, "VmRSS:").map(|kib| kib * 1024.0),
            after(&limits, "Max open files"),
            after(&limits, "Max address space"),
            self.open_files(),
        ]
    }

    fn open_files(&self) -> Option<f64> {
        let entries = fs::read_dir(self.directory.join("fd")).ok()?.count();
        Some(entries.saturating_sub(usize::from(self.own)) as f64)
    }
}

/// The first number behind `name` at the beginning of a line.
fn after(text: &str, name: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    match rest.split_whitespace().next()? {
        "unlimited" => Some(f64::INFINITY),
        number => number.parse().ok(),
    }
}

/// A column of `IpExt`: a line of names and one of numbers.
fn ip_octets(netstat: &str, column: &str) -> Option<f64> {
    let mut lines = netstat.lines().filter_map(|line| line.strip_prefix("IpExt:"));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let at = names.split_whitespace().position(|name| name == column)?;
    numbers.split_whitespace().nth(at)?.parse().ok()
}
