//! The Influx line protocol: what is written, and what a real InfluxDB and a real VictoriaMetrics make of it.

mod common;
#[path = "common/servers.rs"]
mod servers;

use common::{by_hand, by_hand_with};
use serde_json::Value as Json;
use servers::{Server, encoded, is_here, odd_registry, wait_for};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;
use tachometer::{
    Encoder, HistogramSnapshot, InfluxEncoder, ManualClock, Registry, Snapshot, Value, limits,
};

fn text(encoder: &mut InfluxEncoder, snapshot: &Snapshot) -> String {
    String::from_utf8(encoder.to_vec(snapshot)).unwrap()
}

#[test]
fn lines_are_typed_and_escaped() {
    let engine = by_hand(&odd_registry());
    let page = text(&mut InfluxEncoder::new().with_buckets(true), &engine.refresh());
    let time = " 1700000000000000000";
    for line in [
        "odd_total,odd=plain value=1i",
        r"odd_total,odd=a\,b\=c\ d value=3i",
        r"odd_total,odd=ends\ in\ \_ value=4i",
        r#"odd_total,odd=back\slash\,\ \_\,\ \_\ \_\=\ and\ "quotes" value=5i"#,
        r"odd_total,odd=a\nline value=6i",
        r"reserved_total,name=n,time_=t,value=v value=7i",
        "large_total value=9223372036854775807i",
        "huge_total value=18446744073709551615",
        "low value=-9223372036854775808i",
        "negative value=-17i",
        "spent_seconds_total value=2.500000001",
        "vast value=1.5e300",
        "empty count=0i,sum=0,le_1=0i,le_2=0i,le_5=0i,le_10=0i,le_20=0i,le_50=0i,le_100=0i,\
         le_200=0i,le_500=0i,le_1000=0i,le_2000=0i,le_5000=0i,le_10000=0i,le_20000=0i,\
         le_50000=0i,le_100000=0i",
        "size count=7i,sum=18446745173221179418,min=0,max=18446744073709551615,p50=10,\
         p90=18446744073709551615,p99=18446744073709551615,p999=18446744073709551615,\
         le_1=2i,le_10=4i,le_1000000=5i",
    ] {
        assert!(page.contains(&format!("{line}{time}\n")), "{line}\n{page}");
    }
    assert!(!page.contains("nan") && !page.contains("infinite"), "{page}");
    let keys: Vec<_> = page.lines().map(|line| line.split(" value=").next().unwrap()).collect();
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "no two series in one");
}

#[test]
fn quantiles_are_a_choice() {
    let registry = Registry::new();
    let histogram = registry.histogram("size", "Sizes.").unwrap();
    (1..=100).for_each(|value| histogram.record(value));
    let engine = by_hand(&registry);
    let mut encoder = InfluxEncoder::new().quantiles(&[0.05, 1.0]).unwrap();
    let page = text(&mut encoder, &engine.refresh());
    assert_eq!(page, "size count=100i,sum=5050,min=1,max=100,p05=5,p100=100 1700000000000000000\n");
    let error = InfluxEncoder::new().quantiles(&[99.0]).unwrap_err().to_string();
    assert_eq!(error, "setting quantiles: 99 is not from 0 to 1; the median is 0.5");
}

#[test]
fn a_key_that_is_too_long_goes_by_its_hash() {
    let registry = Registry::new();
    let mut metric = registry.metric("long_total", "Long labels.");
    for index in 0..20 {
        metric = metric.label(format!("l{index}"), "x,".repeat(limits::MAX_LABEL_VALUE_BYTES / 2));
    }
    metric.counter().unwrap().add(3);
    let page = text(&mut InfluxEncoder::new(), &by_hand(&registry).refresh());
    let hash = page.strip_prefix("long_total,collision=").unwrap();
    assert_eq!(&hash[16..], " value=3i 1700000000000000000\n");
}

#[test]
fn a_changed_layout_is_rendered_anew() {
    let registry = Registry::new();
    registry.counter("a_total", "A.").unwrap().add(1);
    let engine = by_hand(&registry);
    let mut encoder = InfluxEncoder::new();
    assert_eq!(text(&mut encoder, &engine.refresh()).lines().count(), 1);
    registry.counter("b_total", "B.").unwrap().add(2);
    let page = text(&mut encoder, &engine.refresh());
    assert!(page.contains("b_total value=2i") && page.lines().count() == 2, "{page}");
}

/// What a server stored: fields by measurement and tags.
type Stored = BTreeMap<(String, BTreeMap<String, String>), BTreeMap<String, Json>>;

/// The tag that stands for a value of [`ODD`].
fn tag(value: &str) -> String {
    let mut out = String::new();
    let mut rest = value.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\\' if rest.peek().is_none_or(|next| ",= ".contains(*next)) => out.push_str("\\_"),
            c => out.push(c),
        }
    }
    out
}

/// Checks every series of `snapshot` against what was stored; `field` gives a series' field.
fn check(
    snapshot: &Snapshot,
    tolerance: f64,
    field: impl Fn(&str, &BTreeMap<String, String>, &str) -> Option<Json>,
) {
    let same = |found: Option<Json>, wanted: f64, what: &str| {
        let found = found.unwrap_or_else(|| panic!("{what} is not there"));
        let found: f64 = found.as_f64().unwrap_or_else(|| panic!("{what}: {found}"));
        assert!(
            (found - wanted).abs() <= wanted.abs() * tolerance + tolerance * 1e-300,
            "{what}: {found}, not {wanted}"
        );
    };
    let mut checked = 0;
    for series in snapshot.series() {
        let name = series.definition.name.as_str();
        let labels = series.labels.iter().filter(|(_, value)| !value.is_empty());
        let reserved =
            |name: &str| if name == "time" { "time_".to_owned() } else { name.to_owned() };
        let mut tags: BTreeMap<_, _> =
            labels.map(|(name, value)| (reserved(name), tag(value))).collect();
        let what = format!("{name}{tags:?}");
        // Of those that are alike the first keeps its name.
        if ["", "a\\nline"].iter().any(|odd| series.label("odd") == Some(odd)) {
            tags.insert("collision".to_owned(), "*".to_owned());
        }
        checked += 1;
        match series.value {
            Value::Counter(count) if name == "spent_seconds_total" => {
                same(field(name, &tags, "value"), count as f64 / 1e9, &what);
            }
            Value::Counter(count) => {
                same(field(name, &tags, "value"), count as f64, &what);
            }
            Value::UpDownCounter(count) => {
                same(field(name, &tags, "value"), count as f64, &what);
            }
            Value::Gauge(value) if value.is_finite() => {
                same(field(name, &tags, "value"), value, &what);
            }
            Value::Gauge(_) => assert_eq!(field(name, &tags, "value"), None, "{what}"),
            Value::Histogram(histogram) => {
                for (key, value) in statistics(histogram) {
                    same(field(name, &tags, key), value, &format!("{what} {key}"));
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(checked, snapshot.len());
}

fn statistics(histogram: &HistogramSnapshot) -> Vec<(&'static str, f64)> {
    let divisor = histogram.unit().divisor() as f64;
    let mut all = vec![("count", histogram.count() as f64), ("sum", histogram.sum_exported())];
    let quantiles = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)];
    let values = quantiles.map(|(name, q)| (name, histogram.quantile(q)));
    let ends = [("min", histogram.min()), ("max", histogram.max())];
    for (name, value) in values.into_iter().chain(ends) {
        all.extend(value.map(|value| (name, value as f64 / divisor)));
    }
    all
}

/// Finds a field by its tags, where `*` stands for any value.
fn find(stored: &Stored, name: &str, tags: &BTreeMap<String, String>, field: &str) -> Option<Json> {
    let fits = |found: &BTreeMap<String, String>| {
        found.len() == tags.len()
            && tags.iter().all(|(k, v)| found.get(k).is_some_and(|found| v == "*" || found == v))
    };
    let found = stored.iter().find(|((n, found), _)| n == name && fits(found));
    found.and_then(|(_, fields)| fields.get(field).cloned())
}

fn influxd(folder: &std::path::Path, ports: &[std::net::SocketAddr]) -> Command {
    let at = |name: &str| folder.join(name).display().to_string();
    let config = format!(
        "reporting-disabled = true\nbind-address = \"{}\"\n[meta]\ndir = \"{}\"\n[data]\n\
         dir = \"{}\"\nwal-dir = \"{}\"\n[http]\nbind-address = \"{}\"\nlog-enabled = false\n",
        ports[1],
        at("meta"),
        at("data"),
        at("wal"),
        ports[0]
    );
    std::fs::write(folder.join("config"), config).unwrap();
    let mut command = Command::new("influxd");
    command.arg("-config").arg(folder.join("config"));
    command
}

/// Everything from `what` in the database `test`.
fn stored(influx: &Server, what: &str) -> (Stored, BTreeSet<i64>) {
    let query = encoded(&format!("SELECT * FROM {what} GROUP BY *"));
    let path = format!("/query?db=test&epoch=ns&q={query}");
    let (status, body) = influx.ask("GET", &path, "", b"");
    assert_eq!(status, 200, "{body}");
    let answer: Json = serde_json::from_str(&body).unwrap();
    let (mut stored, mut times) = (Stored::new(), BTreeSet::new());
    let none = Vec::new();
    for series in answer["results"][0]["series"].as_array().unwrap_or(&none) {
        // A tag that only other series of the measurement have is empty.
        let tags = series["tags"].as_object().into_iter().flatten();
        let tags = tags.map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned()));
        let tags = tags.filter(|(_, value)| !value.is_empty()).collect();
        let rows = series["values"].as_array().unwrap();
        assert_eq!(rows.len(), 1, "{series}");
        let columns = series["columns"].as_array().unwrap().iter().map(|c| c.as_str().unwrap());
        let mut fields = BTreeMap::new();
        for (column, value) in columns.zip(rows[0].as_array().unwrap()) {
            match column {
                "time" => _ = times.insert(value.as_i64().unwrap()),
                _ if value.is_null() => {}
                column => _ = fields.insert(column.to_owned(), value.clone()),
            }
        }
        stored.insert((series["name"].as_str().unwrap().to_owned(), tags), fields);
    }
    (stored, times)
}

#[test]
fn influxdb_stores_what_was_recorded() {
    if !is_here("influxd", "influxdb") {
        return;
    }
    let registry = odd_registry();
    let snapshot = by_hand(&registry).refresh();
    let body = InfluxEncoder::new().to_vec(&snapshot);
    let influx = Server::start("influxd", 2, influxd);
    let create = format!("/query?q={}", encoded("CREATE DATABASE test"));
    assert_eq!(influx.ask("POST", &create, "", b"").0, 200);
    let (status, said) = influx.ask("POST", "/write?db=test", "", &body);
    assert_eq!((status, &*said), (204, ""), "{}", String::from_utf8_lossy(&body));
    let (first, times) = stored(&influx, "/.*/");
    assert_eq!(times, BTreeSet::from([1_700_000_000_000_000_000]));
    check(&snapshot, 0.0, |name, tags, field| find(&first, name, tags, field));
    // Integers are stored as such, to the last digit. Asked alone: an answer over several measurements has floats.
    let exact = |name: &str| find(&stored(&influx, name).0, name, &BTreeMap::new(), "value");
    assert_eq!(exact("large_total").unwrap().as_i64(), Some(i64::MAX));
    assert_eq!(exact("low").unwrap().as_i64(), Some(i64::MIN));
    let lines = String::from_utf8(body.clone()).unwrap().lines().count();
    assert_eq!(first.len(), lines, "each line is a series of its own");

    // The same once more, packed, with buckets: no field has another type than before.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&InfluxEncoder::new().with_buckets(true).to_vec(&snapshot)).unwrap();
    let packed = gzip.finish().unwrap();
    let answer = influx.ask("POST", "/write?db=test", "Content-Encoding: gzip\r\n", &packed);
    assert_eq!(answer, (204, String::new()));
    let (second, _) = stored(&influx, "/.*/");
    assert_eq!(second.len(), first.len());
    let size = &second[&("size".to_owned(), BTreeMap::new())];
    assert_eq!(size["le_10"].as_i64(), Some(4));
    assert_eq!(size["le_1000000"].as_i64(), Some(5));
}

#[test]
fn victoria_metrics_takes_both_write_paths() {
    if !is_here("victoria-metrics", "victoria-metrics") {
        return;
    }
    let clock = ManualClock::at(servers::now());
    let engine = by_hand_with(&odd_registry(), &clock);
    let victoria = servers::victoria_metrics();
    for path in ["/write?db=v1", "/api/v2/write?bucket=b&org=o&db=v2"] {
        clock.advance(Duration::from_millis(1));
        let snapshot = engine.refresh();
        let mut body = InfluxEncoder::new().to_vec(&snapshot);
        // The last line, which says when all of them are there.
        let time = snapshot.unix_time().as_nanos();
        body.extend_from_slice(format!("zz_last value=1 {time}\n").as_bytes());
        let (status, said) = victoria.ask("POST", path, "", &body);
        assert_eq!(status, 204, "{said}");
        let db = path.rsplit('=').next().unwrap();
        let stored = wait_for("the last line", || {
            let stored = exported(&victoria, db);
            stored.contains_key(&("zz_last".to_owned(), BTreeMap::new())).then_some(stored)
        });
        // It keeps decimal numbers, of twelve digits where they do not end before.
        check(&snapshot, 2e-12, |name, tags, field| find(&stored, name, tags, field));
    }
}

/// Everything that was written to `db`.
fn exported(victoria: &Server, db: &str) -> Stored {
    let selector = encoded(&format!("{{db=\"{db}\"}}"));
    let (_, _) = victoria.ask("GET", "/internal/force_flush", "", b"");
    let (status, body) =
        victoria.ask("GET", &format!("/api/v1/export?match[]={selector}"), "", b"");
    assert_eq!(status, 200, "{body}");
    let mut stored = Stored::new();
    for line in body.lines() {
        let series: Json = serde_json::from_str(line).unwrap();
        let mut tags = BTreeMap::new();
        for (name, value) in series["metric"].as_object().unwrap() {
            tags.insert(name.clone(), value.as_str().unwrap().to_owned());
        }
        tags.remove("db");
        let full = tags.remove("__name__").unwrap();
        let (name, field) = full.rsplit_once('_').unwrap();
        let value = series["values"].as_array().unwrap().last().unwrap().clone();
        let name = name.to_owned();
        stored.entry((name, tags)).or_default().insert(field.to_owned(), value);
    }
    stored
}
