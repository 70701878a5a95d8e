//! Graphite's lines: what is written, and what a real carbon stores of it.

mod common;
#[path = "common/servers.rs"]
mod servers;

use common::{by_hand, by_hand_with};
use servers::{Server, is_here, odd_registry, wait_for};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use tachometer::{
    Encoder, Engine, GraphiteEncoder, ManualClock, Registry, Snapshot, Value, limits,
};

fn page(engine: &Engine) -> String {
    String::from_utf8(GraphiteEncoder::new().to_vec(&engine.refresh())).unwrap()
}

#[test]
fn lines_are_plain_and_escaped() {
    let page = page(&by_hand(&odd_registry()));
    for line in [
        "odd_total;odd=plain 1",
        "odd_total;odd=/api/v1/a%20b 2",
        "odd_total;odd=ends%20in%20%5C 4",
        "odd_total;odd=a%0Aline 6",
        "odd_total;odd=a%5Cnline 7",
        "odd_total;odd=%C3%BCn%C3%AFc%C3%B6d%C3%A9%20%E2%98%83 8",
        "odd_total;odd=%7Etilde%3Bsemi%2525:colon%7Cpipe#hash@at 9",
        "odd_total;odd=%7Bbrace=%22x%22%7D 10",
        "odd_total;odd=%20%20blanks%20%20 12",
        "odd_total;odd=a%2520b 14",
        "odd_total 101",
        "reserved_total;name_=n;time=t;value=v 7",
        "huge_total 18446744073709551615",
        "low -9223372036854775808",
        "spent_seconds_total 2.500000001",
        "vast 1.5e300",
        "empty.count 0",
        "empty.sum 0",
        "size.sum 18446745173221179418",
        "size.p50 10",
        "wait_seconds.max;peer=n%201 3.7",
    ] {
        assert!(page.contains(&format!("{line} 1700000000\n")), "{line}\n{page}");
    }
    for missing in ["nan", "infinite", "empty.p50", "empty.min"] {
        assert!(!page.contains(missing), "{missing}\n{page}");
    }
    assert!(page.is_ascii());
    let paths: Vec<_> = page.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(paths.iter().collect::<BTreeSet<_>>().len(), paths.len(), "no two series in one");
    assert!(page.lines().all(|line| line.split(' ').count() == 3));
}

#[test]
fn a_path_that_carbon_would_not_read_goes_by_its_hash() {
    let registry = Registry::new();
    let mut metric = registry.metric("long", "Long labels.");
    for index in 0..4 {
        metric = metric.label(format!("l{index}"), "ü".repeat(limits::MAX_LABEL_VALUE_BYTES / 2));
    }
    metric.histogram().unwrap().record(3);
    let page = page(&by_hand(&registry));
    let hash = page.strip_prefix("long.count;collision=").unwrap();
    assert_eq!(&hash[16..28], " 1 170000000");
    assert!(page.lines().all(|line| line.len() < 60), "{page}");
}

#[test]
fn quantiles_are_a_choice() {
    let registry = Registry::new();
    registry.histogram("size", "Sizes.").unwrap().record(3);
    let snapshot = by_hand(&registry).refresh();
    let mut encoder = GraphiteEncoder::new().quantiles(&[0.75]).unwrap();
    let page = String::from_utf8(encoder.to_vec(&snapshot)).unwrap();
    let names: Vec<_> = page.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["size.count", "size.sum", "size.min", "size.max", "size.p75"]);
    assert!(GraphiteEncoder::new().quantiles(&[0.5, 0.5]).is_err());
}

/// Prints what carbon's own code and the Whisper files say of each line `path time` of its input.
const READER: &str = r#"
import os, sys, whisper
from carbon.util import TaggedSeries
for line in sys.stdin:
    path, time = line.split()
    series = TaggedSeries.parse(path)
    file = os.path.join(sys.argv[1], TaggedSeries.encode(series.path, os.sep, hash_only=True) + '.wsp')
    if not os.path.exists(file):
        print(path, 'none')
        continue
    (begin, end, step), values = whisper.fetch(file, int(time) - 1, int(time))
    found = [value for value in values if value is not None]
    print(path, repr(found[0]) if len(found) == 1 else 'none')
"#;

/// The values that carbon stored, by path.
fn stored(folder: &std::path::Path, page: &str) -> BTreeMap<String, f64> {
    let mut reader = Command::new("/usr/bin/python3")
        .args(["-c", READER, &folder.join("whisper").display().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = reader.stdin.take().unwrap();
    for line in page.lines() {
        let mut parts = line.split(' ');
        writeln!(input, "{} {}", parts.next().unwrap(), parts.nth(1).unwrap()).unwrap();
    }
    drop(input);
    let output = reader.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter_map(|line| {
        let (path, value) = line.split_once(' ').unwrap();
        Some((path.to_owned(), value.parse().ok()?))
    });
    lines.collect()
}

fn carbon(folder: &std::path::Path, ports: &[std::net::SocketAddr]) -> Command {
    let at = folder.display();
    let [lines, pickle, query] = [0, 1, 2].map(|index| ports[index].port());
    let config = format!(
        "[cache]\nSTORAGE_DIR = {at}/\nLOCAL_DATA_DIR = {at}/whisper/\nCONF_DIR = {at}/\n\
         LOG_DIR = {at}/\nPID_DIR = {at}/\nUSER =\nDATABASE = whisper\nMAX_CACHE_SIZE = inf\n\
         MAX_UPDATES_PER_SECOND = inf\nMAX_CREATES_PER_MINUTE = inf\nENABLE_TAGS = False\n\
         TAG_HASH_FILENAMES = True\nLINE_RECEIVER_INTERFACE = 127.0.0.1\n\
         LINE_RECEIVER_PORT = {lines}\nPICKLE_RECEIVER_INTERFACE = 127.0.0.1\n\
         PICKLE_RECEIVER_PORT = {pickle}\nCACHE_QUERY_INTERFACE = 127.0.0.1\n\
         CACHE_QUERY_PORT = {query}\nCACHE_WRITE_STRATEGY = naive\n"
    );
    std::fs::write(folder.join("carbon.conf"), config).unwrap();
    let schemas = "[all]\npattern = .*\nretentions = 1s:10m\n";
    std::fs::write(folder.join("storage-schemas.conf"), schemas).unwrap();
    let mut command = Command::new("carbon-cache");
    command.arg(format!("--config={at}/carbon.conf")).args(["--nodaemon", "start"]);
    command
}

/// Every number of a snapshot, by what stands before the labels and by the labels' values.
fn expected(snapshot: &Snapshot) -> BTreeMap<(String, Vec<String>), f64> {
    let mut all = BTreeMap::new();
    for series in snapshot.series() {
        let labels = series.labels.iter().filter(|(_, value)| !value.is_empty());
        let labels: Vec<_> = labels.map(|(_, value)| value.clone()).collect();
        let name = series.definition.name.clone();
        let mut put = |suffix: &str, value: f64| {
            let labels = match series.label("odd") {
                Some("") => vec!["*".to_owned()],
                _ => labels.clone(),
            };
            assert!(all.insert((format!("{name}{suffix}"), labels), value).is_none());
        };
        let divisor = series.definition.unit.divisor() as f64;
        match series.value {
            Value::Counter(count) => put("", count as f64 / divisor),
            Value::UpDownCounter(count) => put("", count as f64),
            Value::Gauge(value) if value.is_finite() => put("", value),
            Value::Gauge(_) => {}
            Value::Histogram(histogram) => {
                put(".count", histogram.count() as f64);
                put(".sum", histogram.sum_exported());
                let quantiles = [(".p50", 0.5), (".p90", 0.9), (".p99", 0.99), (".p999", 0.999)];
                let quantiles = quantiles.map(|(name, q)| (name, histogram.quantile(q)));
                let ends = [(".min", histogram.min()), (".max", histogram.max())];
                for (suffix, value) in quantiles.into_iter().chain(ends) {
                    if let Some(value) = value {
                        put(suffix, value as f64 / divisor);
                    }
                }
            }
            other => panic!("{other:?}"),
        }
    }
    all
}

/// Name and labels' values of a path.
fn read_path(path: &str) -> (String, Vec<String>) {
    let mut parts = path.split(';');
    let name = parts.next().unwrap().to_owned();
    let label = |part: &str| {
        let (name, value) = part.split_once('=').unwrap();
        let mut bytes = Vec::new();
        let mut rest = value.as_bytes();
        while let [first, behind @ ..] = rest {
            rest = behind;
            bytes.push(match first {
                b'%' => {
                    let digits = std::str::from_utf8(&behind[..2]).unwrap();
                    rest = &behind[2..];
                    u8::from_str_radix(digits, 16).unwrap()
                }
                byte => *byte,
            });
        }
        if name == "collision" { "*".to_owned() } else { String::from_utf8(bytes).unwrap() }
    };
    (name, parts.map(label).collect())
}

#[test]
fn carbon_stores_what_was_recorded() {
    if !is_here("carbon-cache", "graphite-carbon") {
        return;
    }
    let engine = by_hand_with(&odd_registry(), &ManualClock::at(servers::now()));
    let snapshot = engine.refresh();
    let page = String::from_utf8(GraphiteEncoder::new().to_vec(&snapshot)).unwrap();
    let carbon = Server::start("carbon", 3, carbon);
    let mut stream = TcpStream::connect(carbon.address).unwrap();
    stream.write_all(page.as_bytes()).unwrap();
    drop(stream);
    let lines = page.lines().count();
    let stored = wait_for("all values", || {
        let stored = stored(&carbon.folder, &page);
        (stored.len() == lines).then_some(stored)
    });
    let mut expected = expected(&snapshot);
    assert_eq!(expected.len(), lines);
    for (path, value) in stored {
        let wanted = expected.remove(&read_path(&path)).unwrap_or_else(|| panic!("{path}"));
        assert!((value - wanted).abs() <= wanted.abs() * 1e-15, "{path}: {value}, not {wanted}");
    }
    assert!(expected.is_empty(), "{expected:?}");
}
