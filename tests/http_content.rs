//! What a scraper may choose: format, coding, series, and how fresh. Against the real listener.
#![cfg(feature = "http")]

#[path = "http/client.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod client;

use client::{Answer, Client};
use std::io::Read as _;
use std::time::Duration;
use tachometer::{Engine, Listener, ManualClock, Registry, TextEncoder};

struct Stand {
    registry: Registry,
    engine: Engine,
    clock: ManualClock,
    listener: Listener,
}

fn stand() -> Stand {
    let registry = Registry::new();
    for peer in ["a", "b & c", "ü"] {
        let of = |name| registry.metric(name, "Help.").label("peer", peer);
        of("events_total").counter().unwrap().add(5);
        of("wait_seconds").histogram().unwrap().record(3);
    }
    registry.counter("other_total", "Other.").unwrap();
    let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
    let engine = Engine::builder().registry(&registry).manual(&clock).start().unwrap();
    let listener = Listener::bind(&engine, "127.0.0.1:0").unwrap();
    Stand { registry, engine, clock, listener }
}

impl Stand {
    fn get(&self, path: &str, headers: &str) -> (Answer, Vec<u8>) {
        let mut client = Client::connect(self.listener.local_addr());
        client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n"));
        client.answer_bytes()
    }

    fn text(&self, path: &str) -> String {
        let (answer, bytes) = self.get(path, "");
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&bytes));
        String::from_utf8(bytes).unwrap()
    }
}

fn unpacked(answer: &Answer, bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match answer.header("Content-Encoding") {
        None => plain.extend_from_slice(bytes),
        Some("gzip") => {
            flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
        }
        #[cfg(feature = "zstd")]
        Some("zstd") => plain = zstd::stream::decode_all(bytes).unwrap(),
        Some(other) => panic!("{other}"),
    }
    plain
}

#[test]
fn a_page_is_packed_as_the_client_would_rather_have_it() {
    let stand = stand();
    let plain = stand.text("/metrics");
    let best = if cfg!(feature = "zstd") { "zstd" } else { "gzip" };
    for (accept, wanted) in [
        ("gzip", Some("gzip")),
        ("gzip, zstd, br", Some(best)),
        ("zstd;q=0.2, gzip;q=0.8", Some("gzip")),
        ("gzip;q=0.2, identity", None),
        ("br", None),
        ("gzip;q=0", None),
        ("identity;q=0, *", Some(best)),
    ] {
        let (answer, bytes) = stand.get("/metrics", &format!("Accept-Encoding: {accept}\r\n"));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("Content-Encoding"), wanted, "{accept}");
        assert_eq!(answer.header("Vary"), Some("Accept, Accept-Encoding"));
        assert_eq!(answer.header("Content-Length"), Some(&*bytes.len().to_string()));
        assert_eq!(unpacked(&answer, &bytes), plain.as_bytes(), "{accept}");
        assert!(wanted.is_none() || bytes.len() < plain.len() / 2, "{}", bytes.len());
    }
    let (answer, why) = stand.get("/metrics", "Accept-Encoding: *;q=0\r\n");
    assert_eq!(answer.status, 406);
    assert!(String::from_utf8(why).unwrap().contains("Accept-Encoding refuses"));
    // Two lines of one header are one list.
    let two = "Accept-Encoding: identity;q=0.5\r\nAccept-Encoding: gzip\r\n";
    assert_eq!(stand.get("/metrics", two).0.header("Content-Encoding"), Some("gzip"));
}

#[test]
fn whoever_accepts_nothing_that_there_is_gets_the_text() {
    let stand = stand();
    for accept in
        ["", "*/*", "text/html", "image/png;q=1", "text/plain;q=0", ";;;,,,/", "text/plain"]
    {
        let (answer, _) = stand.get("/metrics", &format!("Accept: {accept}\r\n"));
        assert_eq!(answer.status, 200, "{accept}");
        assert_eq!(answer.header("Content-Type"), Some(TextEncoder::CONTENT_TYPE), "{accept}");
    }
}

#[test]
fn names_and_labels_choose_series() {
    let stand = stand();
    let whole = stand.text("/metrics");
    let lines = |wanted: &dyn Fn(&str) -> bool| -> String {
        whole.lines().filter(|line| wanted(line)).flat_map(|line| [line, "\n"]).collect()
    };
    assert_eq!(stand.text("/metrics?name[]=other_total"), lines(&|line| line.contains("other")));
    assert_eq!(
        stand.text("/metrics?name%5B%5D=other_total&name[]=events_total"),
        lines(&|line| !line.contains("wait"))
    );
    assert_eq!(
        stand.text("/metrics?label[peer]=b+%26%20c"),
        lines(&|line| line.starts_with('#') && !line.contains("other") || line.contains("b & c"))
    );
    assert_eq!(
        stand.text("/metrics?name[]=events_total&label[peer]=a&label[peer]=%C3%BC"),
        lines(&|line| line.contains("events") && !line.contains("b & c"))
    );
    assert_eq!(stand.text("/metrics?name[]=none"), "");
    assert_eq!(stand.text("/metrics?label[none]=a"), "");
    // Packed as any other page.
    let (answer, bytes) = stand.get("/metrics?name[]=other_total", "Accept-Encoding: gzip\r\n");
    assert_eq!(unpacked(&answer, &bytes), lines(&|line| line.contains("other")).as_bytes());
    // And the whole page is none the worse for it.
    assert_eq!(stand.text("/metrics"), whole);
}

#[test]
fn a_query_that_cannot_be_read_is_told_why() {
    let stand = stand();
    for (query, wanted) in [
        ("refresh=maybe", "refresh is \"maybe\""),
        ("name=x", "\"name\" is no parameter here"),
        ("name[]=", "name[] needs the name of a metric"),
        ("label[]=x", "label[] needs a name"),
        ("name[]=%zz", "has a % without two hexadecimal digits"),
        ("name[]=%c3", "is not UTF-8"),
    ] {
        let (answer, why) = stand.get(&format!("/metrics?{query}"), "");
        let why = String::from_utf8(why).unwrap();
        assert_eq!(answer.status, 400, "{query}");
        assert!(why.contains(wanted), "{query}: {why}");
    }
    assert_eq!(stand.engine.snapshot().generation(), 0, "no page was made for it");
}

#[test]
fn without_refresh_the_latest_snapshot_is_shown_with_its_age() {
    let stand = stand();
    // There is none yet: one is made.
    let (first, _) = stand.get("/metrics?refresh=0", "");
    assert_eq!(first.generation(), 1);
    let late = stand.registry.counter("late_total", "Late.").unwrap();
    late.inc();
    stand.clock.advance(Duration::from_secs(30));
    let (again, bytes) = stand.get("/metrics?refresh=0", "");
    assert_eq!(again.generation(), 1);
    assert!(!String::from_utf8(bytes).unwrap().contains("late_total"));
    let age = |answer: &Answer| -> f64 {
        answer.header("X-Tachometer-Age-Seconds").unwrap().parse().unwrap()
    };
    assert!((30.0..40.0).contains(&age(&again)), "{again:?}");
    let (fresh, _) = stand.get("/metrics?refresh=1", "");
    assert_eq!(fresh.generation(), 2);
    assert!(age(&fresh) < 10.0, "{fresh:?}");
}
