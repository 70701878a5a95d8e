//! Exemplars on the protobuf page and in remote write requests, as a decoder of our own reads them; and what a real
//! Prometheus gives back of both.
#![cfg(feature = "remote-write")]

#[path = "http/client.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod client;
mod common;
#[path = "protobuf/decoder.rs"]
mod decoder;
#[path = "prometheus/page.rs"]
mod page;
#[path = "prometheus/server.rs"]
mod server;
#[path = "common/servers.rs"]
mod servers;

use client::Client;
use common::by_hand_with;
use common::loopback;
use decoder::{Request, Series};
use page::Page;
use server::Prometheus;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};
use tachometer::RemoteWriteVersion::{V1, V2};
use tachometer::{
    Encoder as _, Exemplar, Family, Histogram, ManualClock, ProtobufEncoder, Registry,
    RemoteWriteEncoder, RemoteWriteVersion, Snapshot, Unit,
};

const SECOND: Duration = Duration::from_secs(1);
const NATIVE: &str = "--enable-feature=native-histograms,exemplar-storage";

fn ids(value: u64) -> ([u8; 16], [u8; 8]) {
    ((u128::from(value) << 64 | 1).to_be_bytes(), (!value).to_be_bytes())
}

fn record(histogram: &Histogram, value: u64) {
    let (trace, span) = ids(value);
    histogram.record_with_exemplar(value, trace, span);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A histogram of nanoseconds with the default bounds, 1 µs to 10 s.
fn wait(registry: &Registry) -> Histogram {
    let wait = registry.metric("wait_seconds", "Waited.").unit(Unit::Nanoseconds);
    wait.histogram().unwrap()
}

fn exemplars(snapshot: &Snapshot) -> Vec<Exemplar> {
    let series = snapshot.select("wait_seconds", &[]).next();
    series.map_or_else(Vec::new, |series| series.exemplars().to_vec())
}

/// The value of a decoded exemplar, whose ids must be its own.
fn value_of(exemplar: &decoder::Exemplar, unit: f64) -> u64 {
    let value = (exemplar.value * unit).round() as u64;
    let (trace, span) = ids(value);
    let mut labels = exemplar.labels.clone();
    labels.sort();
    let label = |name: &str, bytes: &[u8]| (name.to_owned(), hex(bytes));
    assert_eq!(labels, [label("span_id", &span), label("trace_id", &trace)]);
    value
}

#[test]
fn a_page_has_them_in_the_buckets_and_beside_the_native_histogram() {
    let registry = Registry::new();
    let clock = ManualClock::at(Duration::new(1_700_000_000, 250_000_001));
    let engine = by_hand_with(&registry, &clock);
    let wait = wait(&registry);
    let plain = registry.histogram("plain", "Without.").unwrap();
    plain.record(7);
    let mut encoder = ProtobufEncoder::new();
    let mut page = |snapshot: &Snapshot| {
        let families = decoder::families(&encoder.to_vec(snapshot)).unwrap();
        let of = |family: usize| families[family].metrics[0].histogram.clone().unwrap();
        (of(0), of(1))
    };
    // Two in the bucket up to 5 ms, of which the later one is shown; one above all bounds.
    for value in [600, 2_600_000, 20_000_000_000] {
        record(&wait, value);
    }
    engine.refresh();
    clock.advance(SECOND);
    record(&wait, 4_500_000);
    let now = engine.refresh();
    for _ in 0..4 {
        let (plain, wait) = page(&now);
        assert!(plain.exemplars.is_empty() && plain.classic_exemplars.is_empty());
        let shown = |(bound, exemplar): &(f64, decoder::Exemplar)| {
            (*bound, value_of(exemplar, 1e9), exemplar.time)
        };
        let first = 1_700_000_000_250_000_001;
        let second = first + 1_000_000_000;
        assert_eq!(
            Vec::from_iter(wait.classic_exemplars.iter().map(shown)),
            [
                (1e-6, 600, first),
                (0.005, 4_500_000, second),
                (f64::INFINITY, 20_000_000_000, first)
            ]
        );
        let native = wait.exemplars.iter().map(|one| (value_of(one, 1e9), one.time));
        assert_eq!(
            Vec::from_iter(native),
            [(600, first), (2_600_000, first), (4_500_000, second), (20_000_000_000, first)]
        );
        assert_eq!((wait.count, wait.classic.len()), (4, 22));
    }
    // What was kept of a histogram goes when only its exemplar is another.
    record(&wait, 4_500_000);
    clock.advance(SECOND);
    let (_, wait) = page(&engine.refresh());
    assert_eq!(wait.classic_exemplars[1].1.time, 1_700_000_002_250_000_001);
}

fn read(version: RemoteWriteVersion, message: &[u8]) -> Request {
    match version {
        V1 => decoder::request_v1(message).unwrap(),
        V2 => decoder::request_v2(message).unwrap(),
    }
}

fn requests(encoder: &mut RemoteWriteEncoder, snapshot: &Snapshot) -> Vec<Request> {
    let version = encoder.version();
    let mut requests = Vec::new();
    encoder.encode_messages(snapshot, |message| requests.push(read(version, message)));
    let unpack = |body: &[u8]| snap::raw::Decoder::new().decompress_vec(body).unwrap();
    let again = encoder.encode(snapshot).map(|body| read(version, &unpack(body)));
    assert_eq!(Vec::from_iter(again), requests, "one snapshot gives the same requests twice");
    requests
}

/// Series (by name and `le`), value and milliseconds of each exemplar that goes with a snapshot.
fn sent(encoder: &mut RemoteWriteEncoder, snapshot: &Snapshot) -> Vec<(String, u64, u64)> {
    let series = requests(encoder, snapshot).into_iter().flat_map(|request| request.series);
    let of = |series: Series| {
        let le = series.label("le").map_or(String::new(), |le| format!(" {le}"));
        let name = format!("{}{le}", series.name());
        let unit = if name.starts_with("wait") { 1e9 } else { 1.0 };
        let of = move |one: &decoder::Exemplar| (name.clone(), value_of(one, unit), one.time);
        series.exemplars.iter().map(of).collect::<Vec<_>>()
    };
    series.flat_map(of).collect()
}

#[test]
fn each_is_sent_once_and_again_after_a_loss() {
    for version in [V1, V2] {
        let (registry, clock) = (Registry::new(), ManualClock::at(1_700_000_000 * SECOND));
        let engine = by_hand_with(&registry, &clock);
        let wait = wait(&registry);
        let mut encoder = RemoteWriteEncoder::new(version);
        let next = || {
            clock.advance(SECOND);
            engine.refresh()
        };
        let sent = |encoder: &mut RemoteWriteEncoder, snapshot: &Snapshot| {
            let all = sent(encoder, snapshot).into_iter();
            all.map(|(_, value, time)| (value, time - 1_700_000_000_000)).collect::<Vec<_>>()
        };
        record(&wait, 3_000);
        record(&wait, 600);
        let first = next();
        // A receiver takes one for each time.
        assert_eq!(sent(&mut encoder, &first), [(600, 1_000), (3_000, 1_001)]);
        assert_eq!(sent(&mut encoder, &next()), []);
        record(&wait, 3_500);
        record(&wait, 90_000);
        engine.refresh();
        let second = next();
        assert_eq!(exemplars(&second).len(), 3);
        assert_eq!(sent(&mut encoder, &second), [(3_500, 2_000), (90_000, 2_001)]);
        // Of the first, one is still there to be said again, at its time.
        encoder.lost(first.generation());
        assert_eq!(sent(&mut encoder, &second), [(3_500, 2_000), (90_000, 2_001)]);
        let third = next();
        assert_eq!(sent(&mut encoder, &third), [(600, 1_000)]);
        encoder.lost(second.generation());
        encoder.lost(third.generation());
        assert_eq!(sent(&mut encoder, &next()), [(600, 1_000), (3_500, 2_000), (90_000, 2_001)]);
        assert_eq!(sent(&mut encoder, &next()), []);

        // Another layout changes nothing; a version that was not understood says it again.
        record(&wait, 5);
        registry.gauge("another", "Another.").unwrap().set(1.0);
        let other = next();
        assert_eq!(sent(&mut encoder, &other).len(), 1);
        encoder.set_version(if version == V1 { V2 } else { V1 });
        assert_eq!(sent(&mut encoder, &other).len(), 1);
        assert_eq!(sent(&mut encoder, &next()), []);

        // After the end everything begins anew.
        assert!(encoder.end(other.unix_time() + 10 * SECOND).len() > 0);
        clock.advance(20 * SECOND);
        assert_eq!(sent(&mut encoder, &next()).len(), 4);
    }
}

#[test]
fn those_of_classic_histograms_are_with_their_buckets() {
    for version in [V1, V2] {
        let (registry, clock) = (Registry::new(), ManualClock::at(1_700_000_000 * SECOND));
        let engine = by_hand_with(&registry, &clock);
        let wait = wait(&registry);
        for value in [600, 2_600_000, 4_500_000, 20_000_000_000] {
            record(&wait, value);
        }
        let mut encoder = RemoteWriteEncoder::new(version).classic_histograms(true);
        let sent = sent(&mut encoder, &engine.refresh());
        let places = sent.iter().map(|(name, value, _)| (name.as_str(), *value));
        assert_eq!(
            Vec::from_iter(places),
            [
                ("wait_seconds_bucket 0.000001", 600),
                ("wait_seconds_bucket 0.005", 2_600_000),
                ("wait_seconds_bucket 0.005", 4_500_000),
                ("wait_seconds_bucket +Inf", 20_000_000_000),
            ]
        );
    }
}

/// Ids that are a label's value too are one symbol, and a request that is cut short forgets those that it did not use.
#[test]
fn symbols_are_there_once_however_requests_are_cut() {
    let (registry, clock) = (Registry::new(), ManualClock::at(1_700_000_000 * SECOND));
    let engine = by_hand_with(&registry, &clock);
    let peers: Family<Histogram, 1> = registry.metric("peers", "By.").family(["peer"]).unwrap();
    for peer in 0..40u64 {
        // Several have the same ids.
        let (trace, span) = ids(peer / 3 + 64);
        let own = if peer % 2 == 0 { hex(&trace) } else { hex(&span) };
        peers.handle([&format!("{own}{peer}")]).record_with_exemplar(1, trace, span);
        peers.handle([&own]).record_with_exemplar(peer / 3 + 64, trace, span);
    }
    let snapshot = engine.refresh();
    let of = |version, bytes: usize, series: usize| {
        let encoder = RemoteWriteEncoder::new(version).max_bytes(bytes).max_series(series);
        let mut encoder = encoder;
        let requests = requests(&mut encoder, &snapshot);
        (requests.len(), Vec::from_iter(requests.into_iter().flat_map(|request| request.series)))
    };
    let (one, whole) = of(V1, 1 << 20, 1_000);
    let with: usize = whole.iter().map(|series| series.exemplars.len()).sum();
    assert!(one == 1 && with >= 40, "{with} exemplars");
    let ids_of = |all: &[Series]| -> Vec<_> {
        let of = |series: &Series| {
            let exemplars = series.exemplars.iter().cloned().map(|mut one| {
                one.labels.sort();
                one
            });
            (series.labels.clone(), exemplars.collect::<Vec<_>>())
        };
        all.iter().map(of).collect()
    };
    for (bytes, series) in [(1 << 20, 1_000), (1 << 20, 7), (2_000, 1_000), (900, 5), (1, 1_000)] {
        let (count, all) = of(V2, bytes, series);
        assert!((count > 1) == (bytes < 1 << 20 || series < 1_000), "{count} requests");
        assert_eq!(ids_of(&all), ids_of(&whole));
    }
}

/// What `/api/v1/query_exemplars` says, once it has every one of `wanted`, each so many milliseconds later than it was found.
fn wait_for(address: SocketAddr, query: &str, wanted: &[(Exemplar, u64)]) -> String {
    let path = format!("/api/v1/query_exemplars?query={query}&start=0&end=4102444800");
    loopback::wait(|| {
        let body = Client::connect(address).get_once(&path).body;
        match wanted.iter().find(|(exemplar, later)| !has(&body, exemplar, *later)) {
            None => Ok(body),
            Some(missing) => Err(format!("{missing:?} is not in {body}")),
        }
    })
}

fn has(body: &str, exemplar: &Exemplar, later: u64) -> bool {
    let (span, trace) = (hex(&exemplar.span_id), hex(&exemplar.trace_id));
    let labels = format!(r#"{{"labels":{{"span_id":"{span}","trace_id":"{trace}"}},"value":""#);
    let Some((_, behind)) = body.split_once(&labels) else { return false };
    // `0.25","timestamp":1700000000.25}`
    let (value, behind) = behind.split_once("\",\"timestamp\":").unwrap();
    let time: f64 = behind[..behind.find('}').unwrap()].parse().unwrap();
    let wanted = (exemplar.unix_time.as_millis() as u64 + later) as f64 / 1e3;
    let (value, seconds) = (value.parse::<f64>().unwrap(), exemplar.value as f64 * 1e-9);
    (value - seconds).abs() <= 1e-12 * seconds && (time - wanted).abs() < 0.000_6
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
}

#[test]
fn prometheus_scrapes_them_from_the_protobuf_page() {
    if !server::is_here() {
        return;
    }
    let (registry, clock) = (Registry::new(), ManualClock::at(now() - 10 * SECOND));
    let engine = by_hand_with(&registry, &clock);
    // This version takes the first of the buckets' for a native histogram, so each has one, up to +Inf.
    let wait = registry.metric("wait_seconds", "Waited.").unit(Unit::Nanoseconds);
    let wait: Family<Histogram, 1> = wait.family(["peer"]).unwrap();
    let values = [600, 70_000, 2_600_000, 20_000_000_000];
    values.iter().for_each(|&value| record(&wait.handle([&value.to_string()]), value));
    let now = engine.refresh();
    let all = now.select("wait_seconds", &[]).flat_map(|series| series.exemplars());
    let wanted: Vec<_> = all.map(|&one| (one, 0)).collect();
    assert_eq!(wanted.len(), 4);
    let page = Page::of(ProtobufEncoder::new(), move || engine.snapshot());
    let prometheus = Prometheus::with(Some(page.address), &[NATIVE]);
    let body = wait_for(prometheus.address(), "wait_seconds", &wanted);
    assert_eq!(body.matches("span_id").count(), 4, "{body}");
    prometheus.wait_for("sum(histogram_count(wait_seconds))", 4.0);
}

fn post<'a>(address: SocketAddr, bodies: impl Iterator<Item = &'a [u8]>) {
    for body in bodies {
        let mut client = Client::connect(address);
        let headers = V1.headers().map(|(name, value)| format!("{name}: {value}\r\n"));
        client.send(format!(
            "POST /api/v1/write HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{}Content-Length: {}\r\n\r\n",
            headers.concat(),
            body.len()
        ));
        client.send(body);
        assert_eq!(client.bare_answer().status, 204);
    }
}

#[test]
fn prometheus_takes_them_by_remote_write_and_drops_none() {
    if !server::is_here() {
        return;
    }
    let prometheus = Prometheus::with(None, &["--web.enable-remote-write-receiver", NATIVE]);
    let address = prometheus.address();
    for classic in [false, true] {
        let (registry, clock) = (Registry::new(), ManualClock::at(now() - 60 * SECOND));
        let engine = by_hand_with(&registry, &clock);
        let wait = wait(&registry);
        let mut encoder = RemoteWriteEncoder::new(V1).classic_histograms(classic);
        let mut next = |values: &[u64], is_lost: bool| {
            values.iter().for_each(|&value| record(&wait, value));
            clock.advance(SECOND);
            let now = engine.refresh();
            let bodies = encoder.encode(&now);
            if is_lost {
                encoder.lost(now.generation());
            } else {
                post(address, bodies);
            }
            exemplars(&now)
        };
        // Three of one time; then nothing new; then one, and a request that is lost and said again.
        let first = next(&[600, 70_000, 20_000_000_000], false);
        next(&[], false);
        let second = next(&[80_000], false);
        next(&[3_000_000], true);
        let third = next(&[], false);
        let of =
            |list: &[Exemplar], value: u64| *list.iter().find(|one| one.value == value).unwrap();
        // A series of a bucket has a time for each of its own; that of a native histogram needs others.
        let wanted = [
            (of(&first, 600), 0),
            (of(&first, 70_000), 1),
            (of(&first, 20_000_000_000), 2),
            (of(&second, 80_000), 0),
            (of(&third, 3_000_000), 0),
        ];
        let query = if classic { "wait_seconds_bucket" } else { "wait_seconds" };
        let body = wait_for(address, query, &wanted);
        assert_eq!(body.matches("span_id").count(), wanted.len(), "{body}");
    }
    // Nothing was refused for its time, nor as known already.
    let metrics = Client::connect(address).get_once("/metrics").body;
    let refused = "prometheus_tsdb_exemplar_out_of_order_exemplars_total 0\n";
    assert!(metrics.contains(refused), "{metrics}");
    assert!(
        metrics.contains("prometheus_tsdb_exemplar_exemplars_appended_total 10\n"),
        "{metrics}"
    );
}
