//! Pages over HTTP: another engine's listener in all of its formats, into an engine here.

use crate::Stand;
use crate::common::by_hand;
use crate::fake::{Fake, say};
use tachometer::source::{
    JsonSource, Mapping, MetricMapping, PageFormat, PageSource, PollLimits, PollSettings, Sample,
    SampleKind, SampleValue, Source,
};
use tachometer::{Engine, Listener, Registry, Unit};

/// An engine with a listener.
struct Node {
    _registry: Registry,
    engine: Engine,
    listener: Listener,
}

fn node() -> Node {
    let registry = Registry::new();
    registry.metric("sent_total", "Sent.").label("peer", "a").counter().unwrap().add(7);
    registry.gauge("level", "A level.").unwrap().set(2.5);
    let wait = registry.metric("wait_seconds", "Waited.").unit(Unit::Nanoseconds);
    let wait = wait.histogram().unwrap();
    (1..5_000u64).for_each(|i| wait.record(i * i * 311));
    // Enough for it to be packed.
    for at in 0..200 {
        registry.metric("many", "Many.").label("at", at.to_string()).gauge().unwrap().set(1.0);
    }
    let engine = by_hand(&registry);
    engine.refresh();
    let listener = Listener::bind(&engine, "127.0.0.1:0").unwrap();
    Node { _registry: registry, engine, listener }
}

impl Node {
    fn url(&self) -> String {
        format!("http://{}/metrics", self.listener.local_addr())
    }
}

#[test]
fn another_engine_is_read_in_every_format() {
    let node = node();
    let wait = node.engine.snapshot().histogram("wait_seconds").unwrap();
    for format in
        [PageFormat::Text, PageFormat::OpenMetrics, PageFormat::Protobuf, PageFormat::Json]
    {
        let mut source = PageSource::builder("node", node.url()).formats([format]).build().unwrap();
        // Twice, over one connection.
        for _ in 0..2 {
            let samples = source.poll(&PollLimits::default()).unwrap();
            let number = |name, labels: &[_]| samples.get(name, labels).and_then(Sample::as_number);
            assert_eq!(number("sent_total", &[("peer", "a")]), Some(7.0), "{format:?}");
            assert_eq!(number("level", &[]), Some(2.5), "{format:?}");
            let value = &samples.get("wait_seconds", &[]).unwrap().value;
            assert_eq!(value.count(), Some(wait.count() as f64), "{format:?}");
            match (format, value) {
                (PageFormat::Json, SampleValue::Hdr(read)) => assert_eq!(*read, wait),
                (PageFormat::Protobuf, SampleValue::Native(read)) => assert!(read.schema > 0),
                (PageFormat::Text | PageFormat::OpenMetrics, SampleValue::Classic(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn its_series_are_series_here_and_its_histograms_lose_nothing() {
    let node = node();
    let stand = Stand::new(false);
    let source = PageSource::new("node", node.url()).unwrap();
    stand.sources.add(source, PollSettings::new().label("zone", "b")).unwrap();
    stand.after(0);
    assert_eq!(stand.sources.status()[0].error, None);
    let (here, there) = (stand.engine.refresh(), node.engine.snapshot());
    assert_eq!(here.len(), there.len());
    assert_eq!(here.histogram("wait_seconds").unwrap(), there.histogram("wait_seconds").unwrap());
    let labels = [("peer", "a"), ("source", "node"), ("zone", "b")];
    assert_eq!(here.counter_with("sent_total", &labels), Ok(7));
    // Its page is what it would be there, but for the labels.
    let page = stand.page();
    assert!(page.contains("# TYPE wait_seconds histogram\n"), "{page}");
    let Node { listener, .. } = node;
    drop(listener);
    stand.after(15);
    assert_eq!(stand.sources.status()[0].error.as_ref().unwrap().reason(), "unreachable");
}

fn answer(kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

#[test]
fn one_with_json_of_its_own_is_asked_for_something_else() {
    let fake = Fake::answering("127.0.0.1:0", |at, stream| match at {
        0 => say(stream, &answer("application/json", "{\"hello\":1}")),
        _ => say(stream, &answer("text/plain", "up 1\n")),
    });
    let mut source = PageSource::new("s", format!("http://{}/metrics", fake.address)).unwrap();
    for _ in 0..2 {
        let samples = source.poll(&PollLimits::default()).unwrap();
        assert_eq!(samples.get("up", &[]).and_then(Sample::as_number), Some(1.0));
    }
    let requests = fake.requests();
    assert_eq!(requests.len(), 3, "it is not asked for JSON again");
    let accepts: Vec<_> = requests.iter().map(|one| one.header("accept").unwrap()).collect();
    assert!(accepts[0].starts_with("application/json;q=0.9,application/vnd.google.protobuf"));
    assert!(!accepts[1].contains("json") && !accepts[2].contains("json"), "{accepts:?}");
    assert_eq!(requests[0].header("accept-encoding"), Some("gzip"));
}

#[test]
fn the_api_of_a_service_is_read_by_a_mapping() {
    let body = r#"{"packets":{"processed":1200,"dropped":"3"},"connections":[1,2],
        "latency":{"count":4,"sum":0.5,"buckets":{"0.1":1,"+Inf":4}}}"#;
    let fake =
        Fake::answering("127.0.0.1:0", move |_, stream| say(stream, &answer("text/html", body)));
    let metric = MetricMapping::new;
    let mapping = Mapping::new([
        metric("betanet_packets_processed_total", SampleKind::Counter, "packets.processed"),
        metric("betanet_packets_dropped_total", SampleKind::Counter, "packets.dropped"),
        metric("betanet_latency_seconds", SampleKind::Histogram, "latency"),
        metric("betanet_connections", SampleKind::Gauge, "connections[*]")
            .label_path("peer", "connections[*]"),
    ])
    .unwrap();
    let url = format!("http://{}/status?secret=hunter2", fake.address);
    let source =
        JsonSource::builder("mixnet", url, mapping).bearer_token("hunter3").build().unwrap();
    assert!(!format!("{source:?}").contains("hunter"), "{source:?}");
    let stand = Stand::new(false);
    stand.add(source);
    stand.after(0);
    assert_eq!(stand.sources.status()[0].error, None);
    let page = stand.page();
    for line in [
        "betanet_packets_processed_total{source=\"mixnet\"} 1200",
        "betanet_packets_dropped_total{source=\"mixnet\"} 3",
        "betanet_latency_seconds_bucket{le=\"0.1\",source=\"mixnet\"} 1",
        "betanet_connections{peer=\"1\",source=\"mixnet\"} 2",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    let request = fake.requests().remove(0);
    assert_eq!(request.header("authorization"), Some("Bearer hunter3"));
    assert!(request.head.starts_with("GET /status?secret=hunter2 "), "{}", request.head);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let of = |url: &str| PageSource::builder("s", url);
    let json = || Mapping::new([MetricMapping::new("a", SampleKind::Gauge, "a")]).unwrap();
    for (error, word) in [
        (of("localhost").build().unwrap_err(), "scheme"),
        (of("http://u:p@h/").build().unwrap_err(), "credentials"),
        (of("http://h/").header("a b", "c").build().unwrap_err(), "a b"),
        (of("http://h/").header("Host", "c").build().unwrap_err(), "by itself"),
        (of("http://h/").formats([]).build().unwrap_err(), "format"),
        (of("http://h/").ca_file("/x").build().unwrap_err(), "TLS"),
        (JsonSource::builder("s", "ftp://h/", json()).build().unwrap_err(), "scheme"),
    ] {
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
    let fine = of("http://h/").basic_auth("u", "hunter2").build().unwrap();
    assert!(!format!("{fine:?}").contains("hunter2"));
}
