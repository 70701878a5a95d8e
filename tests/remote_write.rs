//! Remote write: what a decoder of our own reads in the requests, and what a real Prometheus and a real VictoriaMetrics
//! make of them.
#![cfg(feature = "remote-write")]

#[path = "http/client.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod client;
mod common;
#[path = "protobuf/decoder.rs"]
mod decoder;
#[path = "prometheus/server.rs"]
mod server;
#[path = "common/servers.rs"]
mod servers;

use client::Client;
use common::loopback::wait;
use common::{by_hand, by_hand_with};
use decoder::{Request, Series};
use server::{Prometheus, query};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};
use tachometer::{
    Buckets, Engine, Family, Histogram, ManualClock, ProtobufEncoder, Registry, RemoteWriteAnswer,
    RemoteWriteEncoder, RemoteWriteVersion, Snapshot, Unit,
};

const ODD: &str = "a \"quoted\" back\\slash, a\nline and ünïcödé";
const STALE: u64 = 0x7ff0_0000_0000_0002;
const SECOND: Duration = Duration::from_secs(1);

use RemoteWriteVersion::{V1, V2};

/// One metric of each kind.
fn registry() -> Registry {
    let registry = Registry::new();
    for kind in ["a", ODD] {
        let metric = registry.metric("odd_total", "Odd.").label("kind", kind).label("A", "b");
        metric.counter().unwrap().add(1 << 40);
    }
    registry.up_down_counter("lag_entries", "").unwrap().add(-17);
    registry.metric("load_ratio", "Load.").unit(Unit::Ratio).gauge().unwrap().set(0.625);
    let wait = registry.metric("wait_seconds", "Waited.").unit(Unit::Nanoseconds);
    let wait = wait.label("peer", "n2").histogram().unwrap();
    // From 1 ns to an hour.
    (0..4_000).for_each(|at| wait.record((41.7 * f64::from(at) / 4e3).exp2() as u64));
    let sizes = registry.metric("sizes", "Sizes.").buckets(Buckets::Fixed(&[0.0, 2.5, 1e30]));
    let sizes = sizes.histogram().unwrap();
    [0, 0, 0, 1, 2, 3, u64::MAX].iter().for_each(|&size| sizes.record(size));
    registry.histogram("unused", "Nothing in it.").unwrap();
    registry
}

fn read(version: RemoteWriteVersion, message: &[u8]) -> Request {
    match version {
        V1 => decoder::request_v1(message).unwrap(),
        V2 => decoder::request_v2(message).unwrap(),
    }
}

fn unpacked(body: &[u8]) -> Vec<u8> {
    snap::raw::Decoder::new().decompress_vec(body).unwrap()
}

/// The requests for a snapshot.
fn requests(encoder: &mut RemoteWriteEncoder, snapshot: &Snapshot) -> Vec<Request> {
    let version = encoder.version();
    let mut messages = Vec::new();
    encoder.encode_messages(snapshot, |message| messages.push(message.to_vec()));
    let bodies: Vec<_> = encoder.encode(snapshot).map(unpacked).collect();
    assert!(bodies == messages, "one snapshot gives the same requests twice");
    messages.iter().map(|message| read(version, message)).collect()
}

fn all_series(encoder: &mut RemoteWriteEncoder, snapshot: &Snapshot) -> Vec<Series> {
    requests(encoder, snapshot).into_iter().flat_map(|request| request.series).collect()
}

/// The names of series that end with a marker.
fn gone(series: &[Series]) -> Vec<String> {
    let marker = |series: &&Series| {
        let samples = series.samples.iter().map(|sample| sample.0);
        let sums = series.histograms.iter().map(|histogram| histogram.sum);
        samples.chain(sums).any(|value| value.to_bits() == STALE)
    };
    let name = |series: &Series| match series.label("le").or(series.label("key")) {
        Some(label) => format!("{}/{label}", series.name()),
        None => series.name().to_owned(),
    };
    series.iter().filter(marker).map(name).collect()
}

#[test]
fn both_versions_have_what_the_protobuf_page_has() {
    let snapshot = by_hand(&registry()).refresh();
    let page = tachometer::Encoder::to_vec(&mut ProtobufEncoder::new(), &snapshot);
    let families = decoder::families(&page).unwrap();
    let time = snapshot.unix_time().as_millis() as u64;
    for version in [V1, V2] {
        let [request] = &requests(&mut RemoteWriteEncoder::new(version), &snapshot)[..] else {
            panic!("more than one request")
        };
        let mut series = request.series.iter();
        for (index, family) in families.iter().enumerate() {
            let kind = [1, 2, 0, 0, 3][family.kind as usize];
            let said = (kind, family.help.clone(), family.unit.clone());
            match version {
                V1 => {
                    let all = (family.name.clone(), said.0, said.1.clone(), said.2.clone());
                    assert_eq!(request.metadata[index], all);
                }
                V2 => assert!(request.metadata.is_empty()),
            }
            for metric in &family.metrics {
                let seen = series.next().unwrap();
                let mut labels = metric.labels.clone();
                labels.push(("__name__".to_owned(), family.name.clone()));
                labels.sort();
                assert_eq!(seen.labels, labels);
                let created = match (version, metric.created) {
                    (V2, Some(created)) => created / 1_000_000,
                    _ => 0,
                };
                assert_eq!(seen.created, created);
                assert_eq!(seen.metadata, (version == V2).then(|| said.clone()));
                if let Some(value) = metric.counter.or(metric.gauge) {
                    assert_eq!(seen.samples, [(value, time, created)]);
                    assert!(seen.histograms.is_empty());
                }
                if let Some(mut histogram) = metric.histogram.clone() {
                    histogram.classic.clear();
                    (histogram.time, histogram.created) = (time, created);
                    assert_eq!(seen.histograms, [histogram]);
                    assert!(seen.samples.is_empty());
                }
            }
        }
        assert_eq!(series.next(), None);
    }
}

#[test]
fn a_classic_histogram_is_a_series_for_each_bound() {
    let snapshot = by_hand(&registry()).refresh();
    let page = tachometer::Encoder::to_vec(&mut ProtobufEncoder::new(), &snapshot);
    for version in [V1, V2] {
        let mut encoder = RemoteWriteEncoder::new(version).classic_histograms(true);
        let mut values = BTreeMap::new();
        for series in all_series(&mut encoder, &snapshot) {
            assert!(series.histograms.is_empty());
            let le = series.label("le").map(str::to_owned);
            values.insert((series.name().to_owned(), le), series.samples[0].0);
        }
        for family in decoder::families(&page).unwrap().iter().filter(|family| family.kind == 4) {
            let histogram = family.metrics[0].histogram.as_ref().unwrap();
            let mut take = |suffix: &str, le: Option<String>| {
                values.remove(&(format!("{}{suffix}", family.name), le)).unwrap()
            };
            for &(bound, count) in &histogram.classic {
                assert_eq!(take("_bucket", Some(bound.to_string())), count as f64);
            }
            assert_eq!(take("_bucket", Some("+Inf".to_owned())), histogram.count as f64);
            assert_eq!(take("_count", None), histogram.count as f64);
            assert_eq!(take("_sum", None), histogram.sum);
        }
        assert!(values.keys().all(|(name, _)| !name.contains("wait") && !name.contains("sizes")));
    }
}

#[test]
fn many_series_are_split_into_requests_within_the_limits() {
    let registry = registry();
    for peer in 0..500 {
        let metric = registry.metric("sent_total", "Sent.").label("peer", format!("peer-{peer}"));
        metric.counter().unwrap().add(peer);
    }
    let snapshot = by_hand(&registry).refresh();
    for version in [V1, V2] {
        let whole = all_series(&mut RemoteWriteEncoder::new(version), &snapshot);
        assert_eq!(whole.len(), snapshot.len());
        let mut few = RemoteWriteEncoder::new(version).max_series(7);
        let split = requests(&mut few, &snapshot);
        assert!(split.iter().all(|request| request.series.len() + request.metadata.len() <= 7));
        assert!(split.len() >= whole.len() / 7);
        assert_eq!(Vec::from_iter(split.into_iter().flat_map(|request| request.series)), whole);

        let mut small = RemoteWriteEncoder::new(version).max_bytes(4_000);
        let (mut sizes, mut split) = (Vec::new(), Vec::new());
        small.encode_messages(&snapshot, |message| {
            let request = read(version, message);
            sizes.push((message.len(), request.series.len() + request.metadata.len()));
            split.extend(request.series);
        });
        assert_eq!(split, whole);
        // One series alone has more.
        let large: Vec<_> = sizes.iter().filter(|size| size.0 > 4_000).collect();
        assert!(large.iter().all(|size| size.1 == 1), "{large:?}");
        assert!(sizes.len() > 5 && large.len() <= 3, "{sizes:?}");

        let mut alone = RemoteWriteEncoder::new(version).max_bytes(1);
        let alone = requests(&mut alone, &snapshot);
        let of = |request: &Request| request.series.len() + request.metadata.len();
        assert!(alone.iter().all(|request| of(request) == 1));
        assert_eq!(Vec::from_iter(alone.into_iter().flat_map(|request| request.series)), whole);
    }
}

#[test]
fn a_series_that_goes_is_ended_once() {
    for version in [V1, V2] {
        for classic in [false, true] {
            let (registry, clock) = (registry(), ManualClock::at(1_700_000_000 * SECOND));
            let family = registry.metric("idle", "Idle.").expire_after(10 * SECOND);
            let family: Family<Histogram, 1> =
                family.buckets(Buckets::Fixed(&[5.0])).family(["key"]).unwrap();
            let engine = by_hand_with(&registry, &clock);
            let after = |time: Duration| {
                clock.advance(time);
                engine.refresh()
            };
            let mut encoder = RemoteWriteEncoder::new(version).classic_histograms(classic);
            family.at(["x"]).record(7);
            let first = all_series(&mut encoder, &engine.refresh());
            assert!(gone(&first).is_empty());
            // Idle, noticed, told to leave, gone.
            let let_go = || {
                let [.., last] = [1, 10, 1, 1].map(|seconds| after(seconds * SECOND));
                last
            };
            let second = let_go();
            assert_eq!(second.select("idle", &[]).count(), 0);
            let series = all_series(&mut encoder, &second);
            let ended: &[&str] = match classic {
                true => &["idle_bucket/5", "idle_bucket/+Inf", "idle_sum/x", "idle_count/x"],
                false => &["idle/x"],
            };
            assert_eq!(gone(&series), ended);
            assert_eq!(series.len(), first.len());
            let times = series.iter().flat_map(|s| s.samples.iter().map(|s| s.1));
            assert!(times.into_iter().all(|time| time == second.unix_time().as_millis() as u64));
            assert!(gone(&all_series(&mut encoder, &after(SECOND))).is_empty());

            // Another one with the same labels is no end, but a reset.
            family.at(["x"]).record(7);
            all_series(&mut encoder, &after(SECOND));
            assert_eq!(let_go().select("idle", &[]).count(), 0);
            family.at(["x"]).record(7);
            let series = all_series(&mut encoder, &after(SECOND));
            assert!(gone(&series).is_empty());
            let histograms = series.iter().filter(|s| s.name() == "idle");
            let resets = histograms.map(|s| s.histograms[0].reset);
            assert_eq!(Vec::from_iter(resets), if classic { vec![] } else { vec![1] });
            let series = all_series(&mut encoder, &after(SECOND));
            assert!(series.iter().flat_map(|s| &s.histograms).all(|h| h.reset == 0));

            // All of them end at the end, and then there is nothing left to end.
            let ends: Vec<_> = encoder.end(clock_time(&engine) + SECOND).map(unpacked).collect();
            let ends = ends.iter().flat_map(|message| read(version, message).series);
            assert_eq!(gone(&Vec::from_iter(ends)).len(), series.len());
            assert_eq!(encoder.end(clock_time(&engine) + 2 * SECOND).len(), 0);
        }
    }
}

fn clock_time(engine: &Engine) -> Duration {
    engine.snapshot().unix_time()
}

#[test]
fn falling_back_says_again_what_was_not_understood() {
    let (registry, clock) = (registry(), ManualClock::at(1_700_000_000 * SECOND));
    let with = by_hand_with(&registry, &clock).refresh();
    let without = Registry::new();
    without.gauge("load_ratio", "Load.").unwrap().set(1.0);
    clock.advance(SECOND);
    let without = by_hand_with(&without, &clock).refresh();
    let mut encoder = RemoteWriteEncoder::new(V2);
    all_series(&mut encoder, &with);
    let refused = gone(&all_series(&mut encoder, &without));
    assert_eq!(V2.answer(415, false), RemoteWriteAnswer::FallBack);
    encoder.set_version(V1);
    let again = requests(&mut encoder, &without);
    assert_eq!(gone(&again[0].series), refused);
    assert_eq!(again[0].metadata.len(), 1);
    assert_eq!(refused.len(), with.len() - 1);
}

#[test]
fn answers_mean_what_the_specification_says() {
    use RemoteWriteAnswer::*;
    for version in [V1, V2] {
        for status in [200, 202, 204] {
            assert_eq!(version.answer(status, true), Written);
        }
        for status in [429, 500, 502, 503, 504] {
            assert_eq!(version.answer(status, false), TryAgain);
        }
        for status in [301, 400, 401, 403, 404, 413, 422] {
            assert_eq!(version.answer(status, false), Refused);
        }
    }
    assert_eq!([V1, V2].map(|version| version.answer(415, false)), [Refused, FallBack]);
    assert_eq!([V1, V2].map(|version| version.answer(204, false)), [Written, FallBack]);
}

#[test]
fn two_snapshots_never_have_the_same_time_and_metadata_comes_each_minute() {
    let (registry, clock) = (registry(), ManualClock::at(1_700_000_000 * SECOND));
    let engine = by_hand_with(&registry, &clock);
    let mut encoder = RemoteWriteEncoder::new(V1);
    let mut sent = |engine: &Engine| {
        let request = requests(&mut encoder, &engine.refresh()).remove(0);
        (request.series[0].samples.first().unwrap().1, request.metadata.len())
    };
    assert_eq!(sent(&engine), (1_700_000_000_000, 6));
    assert_eq!(sent(&engine), (1_700_000_000_001, 0));
    assert_eq!(sent(&engine), (1_700_000_000_002, 0));
    clock.advance(59 * SECOND);
    assert_eq!(sent(&engine), (1_700_000_059_000, 0));
    clock.advance(SECOND);
    assert_eq!(sent(&engine), (1_700_000_060_000, 6));
    registry.gauge("another", "Another.").unwrap().set(1.0);
    assert_eq!(sent(&engine).1, 7);
}

#[test]
fn labels_without_a_value_are_none_and_the_first_of_the_same_series_is_sent() {
    let registry = Registry::new();
    for (key, count) in [("", 1), ("x", 2)] {
        let metric = registry.metric("sent_total", "Sent.").label("key", key);
        metric.counter().unwrap().add(count);
    }
    registry.counter("sent_total", "Sent.").unwrap().add(5);
    let snapshot = by_hand(&registry).refresh();
    for version in [V1, V2] {
        let series = all_series(&mut RemoteWriteEncoder::new(version), &snapshot);
        let sent: Vec<_> = series.iter().map(|s| (s.label("key"), s.samples[0].0)).collect();
        assert_eq!(sent, [(None, 5.0), (Some("x"), 2.0)]);
    }
}

/// Sends bodies to a receiver; its answers: status, and whether it counts what it wrote.
fn post<'a>(
    address: SocketAddr,
    version: RemoteWriteVersion,
    bodies: impl Iterator<Item = &'a [u8]>,
) -> Vec<(u16, bool)> {
    let send = |body: &[u8]| {
        let mut client = Client::connect(address);
        let headers = version.headers().map(|(name, value)| format!("{name}: {value}\r\n"));
        client.send(format!(
            "POST /api/v1/write HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{}Content-Length: {}\r\n\r\n",
            headers.concat(),
            body.len()
        ));
        client.send(body);
        let answer = client.bare_answer();
        (
            answer.status,
            RemoteWriteVersion::COUNTED.iter().any(|name| answer.header(name).is_some()),
        )
    };
    bodies.map(send).collect()
}

/// A clock that is some time before now, so that what it says is not the future when it is advanced.
fn clock_before(before: Duration) -> ManualClock {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    ManualClock::at(now - before)
}

fn wait_for(address: SocketAddr, asked: &str, wanted: Option<f64>) {
    wait(|| {
        let value = query(address, asked);
        // VictoriaMetrics keeps some twelve digits.
        let near = |(value, wanted): (f64, f64)| (value - wanted).abs() <= 1e-11 * wanted.abs();
        let is_it = value == wanted || value.zip(wanted).is_some_and(near);
        is_it.then_some(()).ok_or_else(|| format!("{asked} is {value:?}, not {wanted:?}"))
    });
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[test]
fn prometheus_takes_native_histograms_and_markers() {
    if !server::is_here() {
        return;
    }
    let prometheus = Prometheus::with(
        None,
        &["--web.enable-remote-write-receiver", "--enable-feature=native-histograms"],
    );
    let address = prometheus.address();
    let (registry, clock) = (registry(), clock_before(60 * SECOND));
    let idle = registry.metric("idle", "Idle.").expire_after(10 * SECOND);
    let idle: Family<Histogram, 1> = idle.family(["key"]).unwrap();
    let idle_total = registry.metric("idle_total", "Idle.").expire_after(10 * SECOND);
    let idle_total: Family<tachometer::Counter, 1> = idle_total.family(["key"]).unwrap();
    idle.at(["x"]).record(7);
    idle_total.at(["x"]).inc();
    let engine = by_hand_with(&registry, &clock);
    let first = engine.refresh();

    // This version looks at no header, and takes 2.0 for an empty request of 1.0.
    let mut encoder = RemoteWriteEncoder::new(V2).max_series(3);
    let answers = post(address, V2, encoder.encode(&first));
    assert!(answers.len() > 2);
    for (status, counted) in answers {
        assert_eq!(V2.answer(status, counted), RemoteWriteAnswer::FallBack, "{status}");
    }
    assert_eq!(query(address, "load_ratio"), None);
    encoder.set_version(V1);
    for (status, counted) in post(address, V1, encoder.encode(&first)) {
        assert_eq!(V1.answer(status, counted), RemoteWriteAnswer::Written, "{status}");
    }
    wait_for(address, "load_ratio", Some(0.625));
    wait_for(address, "lag_entries", Some(-17.0));
    let odd = format!("odd_total{{kind=\"{}\",A=\"b\"}}", escaped(ODD));
    wait_for(address, &odd, Some((1u64 << 40) as f64));
    wait_for(address, "histogram_count(sizes)", Some(7.0));
    wait_for(address, "histogram_count(unused)", Some(0.0));
    wait_for(address, "histogram_count(idle{key=\"x\"})", Some(1.0));
    let wait = first.histogram("wait_seconds").unwrap();
    wait_for(address, "histogram_count(wait_seconds)", Some(wait.count() as f64));
    wait_for(address, "histogram_sum(wait_seconds)", Some(wait.sum_exported()));
    for q in [0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999] {
        let asked = format!("histogram_quantile({q}, wait_seconds)");
        let ratio = query(address, &asked).unwrap() * 1e9 / wait.quantile(q).unwrap() as f64;
        assert!((0.98..=1.02).contains(&ratio), "{asked}: {ratio}");
    }

    // The idle series go, the others stay.
    for seconds in [1, 10, 1] {
        clock.advance(seconds * SECOND);
        engine.refresh();
    }
    clock.advance(SECOND);
    let second = engine.refresh();
    assert_eq!(second.select("idle", &[]).count(), 0);
    assert!(post(address, V1, encoder.encode(&second)).iter().all(|a| a.0 / 100 == 2));
    wait_for(address, "idle_total", None);
    wait_for(address, "histogram_count(idle)", None);
    wait_for(address, "count({__name__=~\".+\"})", Some(second.len() as f64));
    // And at the end all.
    assert!(post(address, V1, encoder.end(clock_time(&engine) + SECOND)).iter().all(|a| a.0 < 300));
    wait_for(address, "count({__name__=~\".+\"})", None);
}

#[test]
fn victoria_metrics_takes_classic_histograms_and_markers() {
    if !servers::is_here("victoria-metrics", "victoria-metrics") {
        return;
    }
    let victoria = servers::victoria_metrics();
    let address = victoria.address;
    let (registry, clock) = (registry(), clock_before(60 * SECOND));
    let first = by_hand_with(&registry, &clock).refresh();
    let mut encoder = RemoteWriteEncoder::new(V2).classic_histograms(true);
    for (status, counted) in post(address, V2, encoder.encode(&first)) {
        assert_eq!(V2.answer(status, counted), RemoteWriteAnswer::FallBack, "{status}");
    }
    encoder.set_version(V1);
    assert!(post(address, V1, encoder.encode(&first)).iter().all(|answer| answer.0 == 204));
    wait_for(address, "load_ratio", Some(0.625));
    wait_for(address, "lag_entries", Some(-17.0));
    let odd = format!("odd_total{{kind=\"{}\",A=\"b\"}}", escaped(ODD));
    wait_for(address, &odd, Some((1u64 << 40) as f64));
    let page = tachometer::Encoder::to_vec(&mut ProtobufEncoder::new(), &first);
    for family in decoder::families(&page).unwrap().iter().filter(|family| family.kind == 4) {
        let (name, histogram) = (&family.name, family.metrics[0].histogram.as_ref().unwrap());
        wait_for(address, &format!("{name}_count"), Some(histogram.count as f64));
        wait_for(address, &format!("{name}_sum"), Some(histogram.sum));
        for (bound, count) in &histogram.classic {
            let asked = format!("{name}_bucket{{le=\"{bound}\"}}");
            wait_for(address, &asked, Some(*count as f64));
        }
    }

    // Another registry has one of the series only.
    let fewer = Registry::new();
    fewer.metric("load_ratio", "Load.").unit(Unit::Ratio).gauge().unwrap().set(0.5);
    clock.advance(10 * SECOND);
    let fewer = by_hand_with(&fewer, &clock).refresh();
    assert!(post(address, V1, encoder.encode(&fewer)).iter().all(|answer| answer.0 == 204));
    wait_for(address, "load_ratio", Some(0.5));
    wait_for(address, "count({__name__=~\".+\"})", Some(1.0));
}
