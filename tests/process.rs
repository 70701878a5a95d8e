//! The process's metrics against other readings of the same: /proc by hand, files that are missing, a page that is right.
#![cfg(feature = "process")]

mod common;

use common::{by_hand, by_hand_with_own_metrics, page, page_of};
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tachometer::{Registry, facade::process};

fn status(name: &str) -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn they_say_what_the_kernel_says() {
    let registry = Registry::new();
    process::register(&registry).unwrap();
    let engine = by_hand(&registry);
    let first = engine.refresh();
    let files: Vec<_> = (0..20).map(|_| fs::File::open("/dev/null").unwrap()).collect();
    let memory = black_box(vec![1_u8; 64 << 20]);
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(200) {
        black_box(memory.iter().map(|&byte| u64::from(byte)).sum::<u64>());
    }
    std::thread::sleep(Duration::from_millis(1));
    let now = engine.refresh();

    let cpu = now.since(&first).counter("process_cpu_seconds_total").unwrap();
    assert!((20_000_000..2_000_000_000).contains(&cpu), "{cpu} ns of CPU in 200 ms of work");
    let resident = now.gauge("process_resident_memory_bytes").unwrap();
    let difference = resident - status("VmRSS:") * 1024.0;
    assert!(difference.abs() < (8 << 20) as f64, "{difference} bytes from another reading");
    let virtual_memory = now.gauge("process_virtual_memory_bytes").unwrap();
    let difference = virtual_memory - status("VmSize:") * 1024.0;
    assert!(difference.abs() < (256 << 20) as f64, "{difference} bytes from another reading");
    let grown = resident - first.gauge("process_resident_memory_bytes").unwrap();
    assert!(grown > (48 << 20) as f64, "64 MiB were written: {grown}");
    let opened = now.gauge("process_open_fds").unwrap() - first.gauge("process_open_fds").unwrap();
    assert!((opened - 20.0).abs() <= 8.0, "{opened} more open files; other tests open some");
    let limit = fs::read_to_string("/proc/self/limits").unwrap();
    let limit = limit.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let limit: f64 = limit.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert_eq!(now.gauge("process_max_fds").unwrap(), limit);
    assert!((now.gauge("process_threads").unwrap() - status("Threads:")).abs() <= 2.0);
    let started = now.gauge("process_start_time_seconds").unwrap();
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((-5.0..600.0).contains(&(wall - started)), "started at {started}, now it is {wall}");
    let faults = now.since(&first).counter("process_minor_page_faults_total").unwrap();
    assert!(faults > 0, "64 MiB were touched");
    let voluntary = [("kind", "voluntary")];
    let switches = |snapshot: &tachometer::Snapshot| {
        snapshot.counter_with("process_context_switches_total", &voluntary).unwrap()
    };
    assert!(switches(&now) > switches(&first), "it slept");
    drop(files);

    let samples = page::parse(&page_of(&engine));
    let shown = page::value(&samples, "process_cpu_seconds_total", &[]).unwrap();
    assert!(shown.parse::<f64>().unwrap() < 3600.0, "seconds, not nanoseconds: {shown}");
}

#[test]
fn counters_keep_to_the_kernels_totals_over_many_snapshots() {
    let registry = Registry::new();
    process::register(&registry).unwrap();
    let engine = by_hand(&registry);
    (0..50).for_each(|_| _ = engine.refresh());
    let now = engine.refresh().counter("process_minor_page_faults_total").unwrap();
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = text.rsplit_once(')').unwrap();
    let direct: u64 = fields.split_whitespace().nth(7).unwrap().parse().unwrap();
    assert!(now <= direct && direct - now < 50_000, "{now}, then {direct}");
}

#[test]
fn what_is_missing_has_no_series() {
    let registry = Registry::new();
    process::register_at(&registry, Path::new("/nonexistent/proc/self")).unwrap();
    assert_eq!(page_of(&by_hand(&registry)), "");
}

#[test]
fn files_may_be_odd_and_may_go() {
    let directory =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("proc-{}", std::process::id()));
    let own = directory.join("1");
    fs::create_dir_all(own.join("net")).unwrap();
    let stat = "1 (a) b\u{fffd}) S 1 1 1 0 -1 4194560 11 0 22 0 100 50 0 0 20 0 7 0 300 4096 2";
    fs::write(own.join("stat"), stat).unwrap();
    fs::write(directory.join("stat"), "cpu 1 2\nbtime 1000\n").unwrap();
    fs::write(own.join("limits"), "Max open files unlimited unlimited files\n").unwrap();
    fs::write(own.join("io"), "read_bytes: x\nwrite_bytes: 77\n").unwrap();
    let netstat = "TcpExt: A\nTcpExt: 1\nIpExt: X InOctets OutOctets\nIpExt: 1 5\n";
    fs::write(own.join("net/netstat"), netstat).unwrap();
    let registry = Registry::new();
    process::register_at(&registry, &own).unwrap();
    let engine = by_hand_with_own_metrics(&registry);
    let now = engine.refresh();
    let samples = page::parse(&page_of(&engine));
    let shown = |name: &str| page::value(&samples, name, &[]).map(str::to_owned);
    assert_eq!(shown("process_threads").as_deref(), Some("7"));
    assert_eq!(shown("process_max_fds").as_deref(), Some("+Inf"));
    assert_eq!(shown("process_major_page_faults_total").as_deref(), Some("22"));
    assert_eq!(shown("process_disk_written_bytes_total").as_deref(), Some("77"));
    assert_eq!(shown("process_network_receive_bytes_total").as_deref(), Some("5"));
    assert_eq!(shown("process_virtual_memory_bytes").as_deref(), Some("4096"));
    let absent = [
        "process_disk_read_bytes_total",
        "process_network_transmit_bytes_total",
        "process_open_fds",
        "process_resident_memory_bytes",
    ];
    absent.iter().for_each(|name| assert_eq!(shown(name), None, "{name}"));
    assert!(now.counter("process_cpu_seconds_total").unwrap() > 1_000_000_000);

    fs::remove_dir_all(&directory).unwrap();
    let after = engine.refresh();
    assert!(after.gauge("process_threads").unwrap().is_nan());
    assert_eq!(after.counter("process_disk_written_bytes_total").unwrap(), 77);
    assert_eq!(after.counter("tachometer_callback_panics_total").unwrap(), 0);
}

#[test]
fn a_panic_before_a_snapshot_is_counted_and_stops_nothing() {
    let registry = Registry::new();
    registry.before_snapshots(|| panic!("on purpose"));
    let late = registry.counter("late_total", "Late.").unwrap();
    registry.before_snapshots(move || late.inc());
    let engine = by_hand_with_own_metrics(&registry);
    assert_eq!(engine.refresh().counter("late_total").unwrap(), 1, "in that very snapshot");
    let now = engine.refresh();
    assert_eq!(now.counter("late_total").unwrap(), 2);
    assert_eq!(now.counter("tachometer_callback_panics_total").unwrap(), 1);
}
