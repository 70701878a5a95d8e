//! The machine from `/proc`: a tree that was written, and the real one.

use crate::Stand;
use std::fs;
use std::path::PathBuf;
use tachometer::source::{
    HostSource, PollLimits, PollSettings, Sample, Samples, Source, SourceError,
};

fn tree(name: &str) -> PathBuf {
    let root =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    fs::create_dir_all(root.join("net")).unwrap();
    fs::write(root.join("stat"), "cpu  100 0 100 700 100 0 0 0 0 0\n").unwrap();
    fs::write(root.join("meminfo"), "MemTotal: 4000 kB\nMemFree: 1 kB\nMemAvailable: 1000 kB\n")
        .unwrap();
    fs::write(root.join("uptime"), "3600.25 7000.00\n").unwrap();
    let devices =
        "Inter-| Receive\n face |bytes\n lo: 5 0 0 0 0 0 0 0 5 0\neth0: 70 0 0 0 0 0 0 0 30 0\n";
    fs::write(root.join("net/dev"), devices).unwrap();
    root
}

fn number(samples: &Samples, name: &str) -> Option<f64> {
    samples.get(name, &[("node_id", "n1")]).and_then(Sample::as_number)
}

#[test]
fn a_written_tree_is_read() {
    let root = tree("host");
    let mut host = HostSource::new("host").root(&root).node_id("n1");
    // Half of what passed since it was made was idle.
    fs::write(root.join("stat"), "cpu  150 0 150 750 150 0 0 0 0 0\nbtime 1\n").unwrap();
    let samples = host.poll(&PollLimits::default()).unwrap();
    assert_eq!(number(&samples, "node_cpu_usage"), Some(0.5));
    assert_eq!(number(&samples, "node_memory_usage"), Some(0.75));
    assert_eq!(number(&samples, "system_uptime_seconds"), Some(3600.25));
    assert!((0.0..=1.0).contains(&number(&samples, "node_disk_usage").unwrap()));
    let bytes = |direction| {
        let labels = [("node_id", "n1"), ("direction", direction)];
        samples.get("node_network_io_bytes_total", &labels).and_then(Sample::as_number)
    };
    assert_eq!((bytes("receive"), bytes("transmit")), (Some(70.0), Some(30.0)));
    // What is not there has no series; without the first file it is no procfs.
    fs::remove_file(root.join("meminfo")).unwrap();
    let samples = host.poll(&PollLimits::default()).unwrap();
    assert_eq!(number(&samples, "node_memory_usage"), None);
    assert_eq!(number(&samples, "node_cpu_usage"), None, "no time has passed");
    fs::remove_file(root.join("stat")).unwrap();
    let error = host.poll(&PollLimits::default()).unwrap_err();
    assert!(
        matches!(&error, SourceError::Unreachable { reason } if reason.contains("stat")),
        "{error}"
    );
    fs::remove_dir_all(&root).unwrap();
}

/// The rows of the catalogue, on a page of the engine.
#[test]
fn this_machine_is_on_the_page() {
    let stand = Stand::new(false);
    stand.sources.add(HostSource::new("host").node_id("n1"), PollSettings::new()).unwrap();
    // The kernel counts in hundredths of a second.
    crate::common::loopback::wait_until("time to pass", || {
        stand.sources.poll_all();
        stand.page().contains("node_cpu_usage{node_id=\"n1\"} ")
    });
    let page = stand.page();
    for series in [
        "node_memory_usage{node_id=\"n1\"} 0.",
        "node_disk_usage{node_id=\"n1\"} 0.",
        "node_network_io_bytes_total{direction=\"receive\",node_id=\"n1\"} ",
        "node_network_io_bytes_total{direction=\"transmit\",node_id=\"n1\"} ",
        "system_uptime_seconds{node_id=\"n1\"} ",
        "# TYPE node_network_io_bytes_total counter",
    ] {
        assert!(page.contains(series), "{series}\n{page}");
    }
}
