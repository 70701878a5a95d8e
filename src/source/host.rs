//! The machine, from `/proc`.

use super::{PollLimits, Sample, SampleFamily, SampleKind, Samples, Source, SourceError};
use crate::procfs::after;
use crate::sync::disk;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The machine that this process runs on: its CPU, memory, disk and network, under the names of the catalogue's node.
///
/// | series | from |
/// |---|---|
/// | `node_cpu_usage`: the part of all CPUs' time that was not idle since the poll before, 0–1 | `/proc/stat` |
/// | `node_memory_usage`: the part of memory that programs cannot have any more, 0–1 | `MemTotal`, `MemAvailable` of `/proc/meminfo` |
/// | `node_disk_usage`: the part of a file system that is full, for who is not root, 0–1 | `statvfs` of [`disk`](HostSource::disk) |
/// | `node_network_io_bytes_total{direction}`: over all interfaces but `lo`, in the procfs's network namespace | `/proc/net/dev` |
/// | `system_uptime_seconds` | `/proc/uptime` |
///
/// All carry the label `node_id`, if it is [given](HostSource::node_id). A poll reads four files, about 0.1 ms. What a machine
/// does not have has no series.
///
/// ```
/// use tachometer::source::{HostSource, PollLimits, Source};
/// let mut host = HostSource::new("host").node_id("n1");
/// let samples = host.poll(&PollLimits::default())?;
/// let memory = samples.get("node_memory_usage", &[("node_id", "n1")]).and_then(|series| series.as_number());
/// assert!(memory.is_some_and(|part| part > 0.0 && part < 1.0));
/// # Ok::<(), tachometer::source::SourceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct HostSource {
    name: String,
    root: PathBuf,
    disk: PathBuf,
    node_id: Option<String>,
    /// CPU time at the poll before: in all, and idle.
    last: Option<(f64, f64)>,
}

impl HostSource {
    /// The machine, of which `/proc` is mounted at `/proc`.
    pub fn new(name: impl Into<String>) -> HostSource {
        let mut source = HostSource {
            name: name.into(),
            root: "/proc".into(),
            disk: "/".into(),
            node_id: None,
            last: None,
        };
        source.begin();
        source
    }

    /// Where the machine's procfs is mounted, as a container may have it: `/host/proc`.
    #[must_use]
    pub fn root(mut self, root: impl Into<PathBuf>) -> HostSource {
        self.root = root.into();
        self.begin();
        self
    }

    /// A path on the file system whose use is shown; `/` by default.
    #[must_use]
    pub fn disk(mut self, path: impl Into<PathBuf>) -> HostSource {
        self.disk = path.into();
        self
    }

    /// Which node this is: the label `node_id` of all series.
    #[must_use]
    pub fn node_id(mut self, node: impl Into<String>) -> HostSource {
        self.node_id = Some(node.into());
        self
    }

    /// From here on the CPU's time counts.
    fn begin(&mut self) {
        self.last = self.text("stat", usize::MAX).ok().as_deref().and_then(cpu);
    }

    fn text(&self, file: &str, limit: usize) -> Result<String, SourceError> {
        let path = self.root.join(file);
        read(&path, limit).map_err(|error| match error {
            Some(error) => SourceError::Unreachable {
                reason: format!("{} cannot be read: {error}", path.display()),
            },
            None => SourceError::TooLarge { limit },
        })
    }
}

/// The text of a file that is not longer than `limit`; without an error if it is.
fn read(path: &Path, limit: usize) -> Result<String, Option<std::io::Error>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(None);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Source for HostSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn poll(&mut self, limits: &PollLimits) -> Result<Samples, SourceError> {
        let mut samples = Samples::new();
        let node = self.node_id.clone();
        let labels = |direction: Option<&str>| {
            let node = node.iter().map(|node| ("node_id".to_owned(), node.clone()));
            let direction = direction.map(|way| ("direction".to_owned(), way.to_owned()));
            node.chain(direction).collect::<Vec<_>>()
        };
        let number =
            |value, direction| Sample::new(labels(direction), super::SampleValue::Number(value));
        let mut gauge = |name: &str, help: &str, value: Option<f64>| {
            if let Some(value) = value {
                let family = samples.family(name, SampleKind::Gauge, help);
                family.series.push(number(value, None));
            }
        };
        // Without it this is no procfs.
        let now = cpu(&self.text("stat", limits.bytes)?);
        let help = "The part of all CPUs' time that was not idle, since the reading before.";
        gauge("node_cpu_usage", help, busy(self.last, now));
        self.last = now;
        let memory = self.text("meminfo", limits.bytes).unwrap_or_default();
        let help = "The part of the memory that programs cannot have any more.";
        gauge("node_memory_usage", help, used(&memory));
        let help = "The part of the file system that is full.";
        gauge("node_disk_usage", help, disk::usage(&self.disk));
        let uptime = self.text("uptime", limits.bytes).unwrap_or_default();
        let help = "How long the machine has run.";
        gauge("system_uptime_seconds", help, first(&uptime));
        let devices = self.text("net/dev", limits.bytes).unwrap_or_default();
        if let Some((received, sent)) = octets(&devices) {
            let help = "Bytes over all network interfaces but the loopback, by direction.";
            let family: &mut SampleFamily =
                samples.family("node_network_io_bytes_total", SampleKind::Counter, help);
            family.series.push(number(received, Some("receive")));
            family.series.push(number(sent, Some("transmit")));
        }
        Ok(samples)
    }

    fn is_distinct(&self) -> bool {
        self.node_id.is_some()
    }
}

fn first(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

/// All CPUs' time in ticks: in all, and idle or waiting for a disk.
fn cpu(stat: &str) -> Option<(f64, f64)> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<f64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
    // What guests use is in user and nice already.
    let all = ticks.iter().take(8).sum();
    Some((all, ticks.get(3)? + ticks.get(4).unwrap_or(&0.0)))
}

/// The part of the time between two readings that was not idle; `None` if there was none.
fn busy(then: Option<(f64, f64)>, now: Option<(f64, f64)>) -> Option<f64> {
    let ((all_then, idle_then), (all, idle)) = (then?, now?);
    let span = all - all_then;
    // The kernel's idle time may step back a little.
    (span > 0.0).then(|| (1.0 - (idle - idle_then) / span).clamp(0.0, 1.0))
}

fn used(meminfo: &str) -> Option<f64> {
    let all = after(meminfo, "MemTotal:").filter(|all| *all > 0.0)?;
    Some((1.0 - after(meminfo, "MemAvailable:")? / all).clamp(0.0, 1.0))
}

/// Bytes received and sent.
fn octets(devices: &str) -> Option<(f64, f64)> {
    let mut total = None;
    for line in devices.lines() {
        let Some((name, numbers)) = line.split_once(':') else { continue };
        if name.trim() == "lo" {
            continue;
        }
        let mut numbers = numbers.split_whitespace().map(|word| word.parse::<f64>().ok());
        let (Some(Some(received)), Some(Some(sent))) = (numbers.next(), numbers.nth(7)) else {
            continue;
        };
        let (all_received, all_sent) = total.unwrap_or((0.0, 0.0));
        total = Some((all_received + received, all_sent + sent));
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        let then = cpu("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3 4").unwrap();
        let now = cpu("cpu  160 0 70 900 60 5 5 0 60 0\n").unwrap();
        assert_eq!((then, now), ((1000.0, 850.0), (1200.0, 960.0)));
        assert_eq!(busy(Some(then), Some(now)), Some(1.0 - 110.0 / 200.0));
        assert_eq!((busy(None, Some(now)), busy(Some(now), Some(now))), (None, None));
        assert_eq!(busy(Some((0.0, 10.0)), Some((5.0, 0.0))), Some(1.0));
        assert_eq!(cpu("cpu  1 2\n"), None);
        let memory = "MemTotal:       1000 kB\nMemFree: 100 kB\nMemAvailable:   250 kB\n";
        assert_eq!((used(memory), used("MemTotal: 0 kB\nMemAvailable: 0 kB")), (Some(0.75), None));
        let devices = "Inter-|   Receive  |  Transmit\n face |bytes packets errs drop fifo frame\n\
            \u{20}   lo: 900 1 0 0 0 0 0 0 900 1 0 0 0 0 0 0\n\
            \u{20} eth0: 100 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n\
            \u{20} eth1:1 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n  bad: x\n";
        assert_eq!(octets(devices), Some((101.0, 22.0)));
        assert_eq!(octets("lo: 1 1 0 0 0 0 0 0 1"), None);
        assert_eq!((first("12.5 99.0\n"), first("")), (Some(12.5), None));
    }
}
