//! JSON and back: nothing is lost, the buckets are what the `hdrhistogram` crate reads, and whatever else is on a page is an
//! error that says where.
#![cfg(feature = "json")]

mod common;
#[path = "common/servers.rs"]
mod servers;

use common::by_hand;
use common::random::Random;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use servers::odd_registry;
use std::time::Duration;
use tachometer::{
    Encoder, Error, HistogramSnapshot, JsonEncoder, JsonSnapshot, JsonValue, Precision, Registry,
    Snapshot, Unit, Value, limits,
};

fn page(snapshot: &Snapshot) -> Vec<u8> {
    JsonEncoder::new().to_vec(snapshot)
}

/// Checks that `read` is `snapshot`.
fn check(read: &JsonSnapshot, snapshot: &Snapshot) {
    assert_eq!(read.generation, snapshot.generation());
    assert_eq!(read.unix_time, snapshot.unix_time());
    assert_eq!(read.complete, snapshot.is_complete());
    assert_eq!(read.rejected, snapshot.rejected_records());
    let series = read.families.iter().flat_map(|f| f.series.iter().map(move |series| (f, series)));
    assert_eq!(series.clone().count(), snapshot.len());
    for ((family, read), series) in series.zip(snapshot.series()) {
        let definition = series.definition;
        assert_eq!((&family.name, &family.help), (&definition.name, &definition.help));
        assert_eq!((family.kind, family.unit), (definition.kind, definition.unit));
        assert_eq!((&read.labels[..], read.created), (series.labels, series.created));
        match (&read.value, series.value) {
            (JsonValue::Counter(read), Value::Counter(count)) => assert_eq!(*read, count),
            (JsonValue::UpDownCounter(read), Value::UpDownCounter(count)) => {
                assert_eq!(*read, count);
            }
            (JsonValue::Gauge(read), Value::Gauge(value)) if value.is_nan() => {
                assert!(read.is_nan());
            }
            (JsonValue::Gauge(read), Value::Gauge(value)) => {
                assert_eq!(read.to_bits(), value.to_bits());
            }
            (JsonValue::Histogram(read), Value::Histogram(value)) => assert_eq!(read, &**value),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_snapshot_comes_back_whole() {
    let registry = odd_registry();
    registry.gauge("zero", "Minus zero.").unwrap().set(-0.0);
    let help = "Quotes \" and \\, a\nline, \t, \u{1}, \u{7f} and ünïcödé.";
    registry.counter("helped_total", help).unwrap();
    let engine = by_hand(&registry);
    let snapshot = engine.refresh();
    check(&JsonSnapshot::parse(&page(&snapshot)).unwrap(), &snapshot);
    // The encoder keeps what it rendered, and renders it anew when there is more.
    let mut encoder = JsonEncoder::new();
    for round in 0..3 {
        registry.counter(&format!("late_{round}_total"), "Late.").unwrap().add(1);
        registry.histogram("size", "Sizes.").err();
        let snapshot = engine.refresh();
        check(&JsonSnapshot::parse(&encoder.to_vec(&snapshot)).unwrap(), &snapshot);
    }
    let none = by_hand(&Registry::new()).refresh();
    check(&JsonSnapshot::parse(&page(&none)).unwrap(), &none);
}

#[test]
fn numbers_that_floats_do_not_hold_are_strings() {
    let text = String::from_utf8(page(&by_hand(&odd_registry()).refresh())).unwrap();
    for value in [
        "\"value\":\"18446744073709551615\"}",
        "\"value\":\"-9223372036854775808\"}",
        "\"value\":2500000001}",
        "\"value\":-17}",
        "\"value\":\"NaN\"}",
        "\"value\":\"-Inf\"}",
        "\"sum\":\"18446745173221179418\",\"min\":0,\"max\":\"18446744073709551615\"",
        "\"value\":{\"count\":0,\"sum\":\"0\",\"min\":null,\"max\":null,\"octave_sums\":[]",
    ] {
        assert!(text.contains(value), "{value}\n{text}");
    }
    let exact = registry_with_counters([1 << 53, (1 << 53) + 1]);
    let text = String::from_utf8(page(&by_hand(&exact).refresh())).unwrap();
    assert!(text.contains("\"value\":9007199254740992}"), "{text}");
    assert!(text.contains("\"value\":\"9007199254740993\"}"), "{text}");
}

fn registry_with_counters<const N: usize>(values: [u64; N]) -> Registry {
    let registry = Registry::new();
    for (index, value) in values.into_iter().enumerate() {
        registry.counter(&format!("c{index}_total"), "A counter.").unwrap().add(value);
    }
    registry
}

/// Histograms of every precision, each with values from everywhere.
fn histograms() -> Vec<HistogramSnapshot> {
    let mut random = Random::new(7);
    let mut all = Vec::new();
    for precision in [Precision::One, Precision::Two, Precision::Three] {
        for values in [1, 10, 1_000, 50_000] {
            let registry = Registry::new();
            let metric = registry.metric("all", "All.").precision(precision);
            let histogram = metric.histogram().unwrap();
            for _ in 0..values {
                let value = random.next() >> (random.next() % 64);
                histogram.record_n(value, 1 << (random.next() % 20));
            }
            all.push((*by_hand(&registry).refresh().histogram("all").unwrap()).clone());
        }
        all.push(HistogramSnapshot::empty(precision, Unit::None));
    }
    all
}

#[test]
fn the_compressed_form_is_hdrhistograms() {
    for histogram in histograms() {
        let hdr: hdrhistogram::Histogram<u64> =
            Deserializer::new().deserialize(&mut &histogram.to_hdr_v2()[..]).unwrap();
        assert_eq!(hdr, histogram.to_hdr());
        let mut theirs = Vec::new();
        V2DeflateSerializer::new().serialize(&hdr, &mut theirs).unwrap();
        for bytes in [&theirs, &histogram.to_hdr_v2()] {
            let read = HistogramSnapshot::from_hdr_v2(bytes, Unit::None).unwrap();
            assert!(read.buckets().eq(histogram.buckets()));
            assert_eq!(read, HistogramSnapshot::from_hdr(&histogram.to_hdr(), Unit::None).unwrap());
        }
    }
}

#[test]
fn pages_of_two_processes_merge() {
    let (one, two, both) = (Registry::new(), Registry::new(), Registry::new());
    let mut random = Random::new(1);
    let register = |registry: &Registry| {
        let metric = registry.metric("wait_seconds", "Waited.").unit(Unit::Nanoseconds);
        metric.histogram().unwrap()
    };
    let (mine, theirs, all) = (register(&one), register(&two), register(&both));
    for round in 0..10_000 {
        let value = random.next() >> (random.next() % 64);
        (if round % 3 == 0 { &mine } else { &theirs }).record(value);
        all.record(value);
    }
    let read = |registry: &Registry| {
        let page = page(&by_hand(registry).refresh());
        let mut families = JsonSnapshot::parse(&page).unwrap().families;
        match families.remove(0).series.remove(0).value {
            JsonValue::Histogram(histogram) => histogram,
            other => panic!("{other:?}"),
        }
    };
    let mut merged = read(&one);
    merged.merge(&read(&two)).unwrap();
    let all = by_hand(&both).refresh().histogram("wait_seconds").unwrap();
    assert_eq!(merged, *all);
    assert_eq!(merged.quantile(0.99), all.quantile(0.99));
    // And what was subtracted again is what was there.
    let since = merged.since(&read(&one)).unwrap();
    assert_eq!((since.count(), since.sum()), (read(&two).count(), read(&two).sum()));
}

const HDR: &str = "\"hdr\":\"";

/// A page of one histogram as another program might write it: `{}` stands for the fields of its value.
fn foreign(fields: &str) -> Vec<u8> {
    format!(
        "{{\"format\":\"tachometer\",\"version\":1,\"generation\":1,\"unix_time_ns\":\"5\",\"complete\":\
         true,\"moving_shards\":0,\"rejected\":[],\"more\":1,\"families\":[{{\"name\":\"a\",\"type\":\
         \"histogram\",\"unit\":\"bytes\",\"help\":\"\",\"series\":[{{\"labels\":{{}},\"created_ns\":0,\
         \"value\":{{{fields}}}}}]}}]}}"
    )
    .into_bytes()
}

#[test]
fn what_other_programs_leave_out_is_worked_out() {
    let histogram = &histograms()[6];
    let hdr =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, histogram.to_hdr_v2());
    let (count, sum) = (histogram.count(), histogram.sum());
    let page = foreign(&format!("\"count\":\"{count}\",\"sum\":\"{sum}\",{HDR}{hdr}\""));
    let read = JsonSnapshot::parse(&page).unwrap();
    assert_eq!(read.unix_time, Duration::from_nanos(5));
    let JsonValue::Histogram(read) = &read.families[0].series[0].value else { panic!() };
    assert_eq!((read.count(), read.sum(), read.unit()), (count, sum, Unit::Bytes));
    assert!(read.buckets().eq(histogram.buckets()));
    let ends = (read.buckets().next().unwrap().0, read.buckets().last().unwrap().1);
    assert_eq!((read.min(), read.max()), (Some(ends.0), Some(ends.1)));
    let wrong = [
        (format!("\"count\":1,\"sum\":\"{sum}\",{HDR}{hdr}\""), ".count: the buckets in hdr have"),
        (format!("\"count\":\"{count}\",{HDR}{hdr}\""), ": it has no \"sum\""),
        (
            format!("\"count\":\"{count}\",\"sum\":\"-1\",{HDR}{hdr}\""),
            ".sum: an integer, as a string, was expected, not \"-1\"",
        ),
        (
            format!("\"count\":\"{count}\",\"sum\":\"{}\",{HDR}{hdr}\"", u128::MAX),
            ".sum: it is above",
        ),
        (
            format!("\"count\":\"{count}\",\"sum\":\"{sum}\",\"octave_sums\":[\"1\"],{HDR}{hdr}\""),
            ".octave_sums: the buckets in hdr lie in",
        ),
        (
            format!("\"count\":\"{count}\",\"sum\":\"{sum}\",\"min\":5,\"max\":4,{HDR}{hdr}\""),
            ".min: it is above the maximum, 4",
        ),
        (format!("\"count\":0,\"sum\":\"0\",{HDR}!!\""), ".hdr: no Base64"),
        (format!("\"count\":0,\"sum\":\"0\",{HDR}AAAA\""), ".hdr: it is cut off"),
        (
            format!("\"count\":0,\"sum\":\"0\",{HDR}AAAAAAAAAAA=\""),
            ".hdr: it begins with 0x00000000",
        ),
    ];
    for (fields, reason) in wrong {
        let error = JsonSnapshot::parse(&foreign(&fields)).unwrap_err().to_string();
        let at = "cannot read this JSON snapshot at $.families[0].series[0].value";
        assert!(error.starts_with(&format!("{at}{reason}")) || error.contains(reason), "{error}");
        assert!(error.starts_with(at), "{error}");
    }
}

#[test]
fn what_is_no_page_is_refused_with_its_place() {
    let error = |page: &str| JsonSnapshot::parse(page.as_bytes()).unwrap_err().to_string();
    let at = "cannot read this JSON snapshot at";
    assert_eq!(error(""), format!("{at} line 1 column 0: EOF while parsing a value"));
    assert_eq!(error("{\n\"a\":]"), format!("{at} line 2 column 5: expected value"));
    assert_eq!(error("[]"), format!("{at} $: an object was expected, not []"));
    assert_eq!(error("{}"), format!("{at} $: it has no \"format\""));
    let newer = "{\"format\":\"tachometer\",\"version\":2}";
    assert_eq!(error(newer), format!("{at} $: it does not say format \"tachometer\", version 1"));
    assert!(error(&"[".repeat(100_000)).contains("recursion limit"));
    let long = vec![b' '; limits::MAX_JSON_BYTES + 1];
    assert!(matches!(JsonSnapshot::parse(&long), Err(Error::Unreadable { .. })));
}

#[test]
fn damaged_pages_and_histograms_never_panic() {
    let whole = page(&by_hand(&odd_registry()).refresh());
    for end in (0..whole.len() - 2).step_by(31) {
        assert!(JsonSnapshot::parse(&whole[..end]).is_err(), "cut at {end}");
    }
    let mut random = Random::new(3);
    let mut below = |most: usize| (random.next() % most as u64) as usize;
    let mut read = 0;
    for _ in 0..500 {
        let mut page = whole.clone();
        for _ in 0..=below(3) {
            let at = below(page.len());
            page[at] = b"0123456789-.\"{}[],:eAn\\"[below(23)];
        }
        if let Ok(snapshot) = JsonSnapshot::parse(&page) {
            read += 1;
            use_all(&snapshot);
        }
    }
    assert!(read > 0, "some damage is in a text or a digit");
    for histogram in histograms() {
        let whole = histogram.to_hdr_v2();
        for _ in 0..30 {
            let mut bytes = whole.clone();
            let at = below(bytes.len());
            bytes[at] = below(256) as u8;
            bytes.truncate(below(2 * whole.len()).max(1));
            if let Ok(read) = HistogramSnapshot::from_hdr_v2(&bytes, Unit::None) {
                assert!(read.quantile(0.5).is_some() || read.is_empty());
            }
        }
    }
}

/// Does with what was read what one does.
fn use_all(snapshot: &JsonSnapshot) {
    for series in snapshot.families.iter().flat_map(|family| &family.series) {
        if let JsonValue::Histogram(histogram) = &series.value {
            let mut twice = histogram.clone();
            twice.merge(histogram).unwrap();
            assert_eq!((twice.count(), twice.sum()), (2 * histogram.count(), 2 * histogram.sum()));
            assert!(histogram.quantile(0.5) <= histogram.max());
        }
    }
}

/// The compressed form of a payload, with any header.
fn packed(payload: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    zlib.write_all(payload).unwrap();
    let zlib = zlib.finish().unwrap();
    let head = [0x1C84_9314u32.to_be_bytes(), (zlib.len() as u32).to_be_bytes()];
    [&head.concat()[..], &zlib].concat()
}

fn payload(cookie: u32, offset: u32, figures: u32, low: u64, counts: &[u8]) -> Vec<u8> {
    let words = [cookie, counts.len() as u32, offset, figures].map(u32::to_be_bytes).concat();
    let bounds = [low, i64::MAX as u64, 1f64.to_bits()].map(u64::to_be_bytes).concat();
    [&words[..], &bounds, counts].concat()
}

#[test]
fn histograms_of_other_makes_are_refused_with_a_reason() {
    const COOKIE: u32 = 0x1C84_9313;
    let error = |bytes: &[u8]| match HistogramSnapshot::from_hdr_v2(bytes, Unit::None) {
        Err(error) => error.to_string(),
        Ok(read) => panic!("{} values", read.count()),
    };
    // 2 in zigzag is one value; 1 and what follows are minus 2^63, a run of zeros.
    let run = [0xFF; 9];
    for (bytes, reason) in [
        (packed(&payload(COOKIE, 0, 4, 1, &[2])), "it has 4 significant figures"),
        (packed(&payload(COOKIE, 0, 0, 1, &[2])), "it has 0 significant figures"),
        (packed(&payload(COOKIE, 0, 2, 1000, &[2])), "its lowest discernible value is not 1"),
        (packed(&payload(COOKIE, 7, 2, 1, &[2])), "its buckets are shifted"),
        (packed(&payload(1, 0, 2, 1, &[2])), "what was compressed begins with 0x00000001"),
        (packed(&payload(COOKIE, 0, 2, 1, &run)), "it has more than 7424 buckets"),
        (packed(&payload(COOKIE, 0, 2, 1, &[2; 8000])), "it has more than 7424 buckets"),
        (packed(&payload(COOKIE, 0, 2, 1, &[0x80])), "its last count is cut off"),
        (
            packed(&payload(
                COOKIE,
                0,
                2,
                1,
                &[0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
            )),
            "it has more than 36028797018963968 values",
        ),
        (packed(&[0; 12]), "its header is cut off"),
        // A bomb: 8 MB of zeros in 8 kB.
        (packed(&vec![0; 8 << 20]), "it is longer than"),
        ([packed(&payload(COOKIE, 0, 2, 1, &[2])), vec![0]].concat(), "it says"),
    ] {
        let error = error(&bytes);
        assert!(error.starts_with("cannot read this HdrHistogram at its bytes: "), "{error}");
        assert!(error.contains(reason), "{error}, not {reason}");
    }
}
