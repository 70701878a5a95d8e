//! Requests from outside: nothing panics, and what is answered is what a second, naive reading asks for: which series, in
//! which format, packed or not. Networks contain what a comparison bit by bit says.

use arbitrary::Arbitrary;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;
use tachometer::rules::RuleManager;
use tachometer::serve::{Answer, Network, Responder};
use tachometer::{Encoder, Engine, History, Listener, ManualClock, Registry, Sink, Snapshot};

/// An input.
#[derive(Arbitrary, Debug)]
pub struct Input {
    wild: Wild,
    filter: Filter,
    ranges: Vec<Range>,
    codings: Vec<(u8, u16)>,
    networks: Vec<(bool, u128, u8, u128)>,
}

/// A request that nobody says makes sense.
#[derive(Arbitrary, Debug)]
struct Wild {
    method: u8,
    path: u8,
    query: String,
    headers: Vec<(u8, Vec<u8>)>,
    network: String,
}

/// Series to choose.
#[derive(Arbitrary, Debug)]
struct Filter {
    names: Vec<u8>,
    labels: Vec<(u8, u8)>,
    /// Which bytes are percent-encoded although they need not be.
    encoded: u64,
}

/// A media range, and its weight in thousandths.
#[derive(Arbitrary, Debug)]
struct Range {
    what: u8,
    weight: u16,
}

const NAMES: [&str; 4] = ["a_total", "b_total", "ab_total", "none"];
const KEYS: [&str; 3] = ["peer", "zone", "none"];
const VALUES: [&str; 4] = ["", "a b", "ü&=+%", "x"];
const OWN: &str = "application/x-own";
const CODINGS: [&str; 4] = ["identity", "gzip", "br", "*"];

/// Each series on a line, as no format of the crate's does it.
#[derive(Debug)]
struct Plain;

impl Encoder for Plain {
    fn content_type(&self) -> &str {
        OWN
    }

    fn encode_into(&mut self, snapshot: &Snapshot, sink: &mut Sink<'_>) -> std::io::Result<()> {
        for series in snapshot.series() {
            let (name, labels) = (&*series.definition.name, series.labels);
            sink.buffer.extend_from_slice(format!("{name} {labels:?}\n").as_bytes());
        }
        Ok(())
    }
}

fn stand() -> &'static (Registry, Engine, Responder, RuleManager) {
    static STAND: OnceLock<(Registry, Engine, Responder, RuleManager)> = OnceLock::new();
    STAND.get_or_init(|| {
        let registry = Registry::new();
        for name in &NAMES[..3] {
            for peer in VALUES {
                for zone in VALUES {
                    let metric = registry.metric(*name, "Help.").label("peer", peer);
                    metric.label("zone", zone).counter().expect("they are all different");
                }
            }
        }
        let clock = ManualClock::at(std::time::Duration::ZERO);
        let engine = Engine::builder().registry(&registry).manual(&clock);
        let engine = engine.start().expect("a registry of its own");
        let history = History::builder().start(&engine).expect("a history");
        let manager = RuleManager::builder().start(&engine, &history).expect("rules");
        let builder = Listener::builder().format(OWN, || Box::new(Plain)).rules(&manager);
        let responder = builder.responder(&engine).expect("settings that are right");
        (registry, engine, responder, manager)
    })
}

/// Runs an input against the oracle.
pub fn run(input: &Input) {
    wild(&input.wild);
    filtered(&input.filter);
    chosen(&input.ranges);
    packed(&input.codings);
    input.networks.iter().for_each(network);
}

fn ask(target: &str, headers: &[(&str, &[u8])]) -> Answer {
    stand().2.respond("GET", target, headers.iter().copied())
}

fn wild(wild: &Wild) {
    let method = ["GET", "HEAD", "POST", ""][usize::from(wild.method % 4)];
    let path =
        ["/metrics", "/", "/health", "/stats", "", "http://h/metrics", "//", "*", "/api/v1/events"];
    let path = path[usize::from(wild.path % 9)];
    let names = ["Accept", "accept-encoding", "Authorization", "Last-Event-ID"];
    let headers = wild.headers.iter().map(|(name, value)| (names[usize::from(name % 4)], &**value));
    let answer = stand().2.respond(method, &format!("{path}?{}", wild.query), headers);
    assert!([200, 400, 404, 405, 406, 501].contains(&answer.status()), "{}", answer.status());
    // A stream is for whoever keeps connections.
    assert!(answer.status() != 501 || path == "/api/v1/events");
    assert!(answer.headers().all(|(_, value)| !value.contains(['\r', '\n'])));
    if let Ok(network) = wild.network.parse::<Network>() {
        assert_eq!(network.to_string().parse(), Ok(network));
    }
}

fn filtered(filter: &Filter) {
    let mut byte = 0;
    let mut encoded = |text: &str| -> String {
        let encode = |char: u8| {
            byte += 1;
            let plain = char.is_ascii_alphanumeric() || b"_[]".contains(&char);
            if plain && filter.encoded >> (byte % 64) & 1 == 0 {
                char::from(char).to_string()
            } else {
                format!("%{char:02X}")
            }
        };
        text.bytes().map(encode).collect()
    };
    let names: Vec<_> = filter.names.iter().take(20).map(|at| NAMES[usize::from(at % 4)]).collect();
    let label =
        |(key, value): &(u8, u8)| (KEYS[usize::from(key % 3)], VALUES[usize::from(value % 4)]);
    let labels: Vec<_> = filter.labels.iter().take(20).map(label).collect();
    let mut query = String::from("refresh=0");
    for name in &names {
        query += &format!("&{}={}", encoded("name[]"), encoded(name));
    }
    for (key, value) in &labels {
        query += &format!("&{}={}", encoded(&format!("label[{key}]")), encoded(value));
    }
    let answer = ask(&format!("/metrics?{query}"), &[("accept", OWN.as_bytes())]);
    assert_eq!(answer.status(), 200, "{query}");
    let good = |key: &str, has: Option<&str>| {
        let mut wanted = labels.iter().filter(|(wanted, _)| *wanted == key).peekable();
        wanted.peek().is_none() || wanted.any(|(_, value)| Some(*value) == has)
    };
    let mut page = String::new();
    for series in stand().1.snapshot().series() {
        let (name, labels) = (&*series.definition.name, series.labels);
        let named = names.is_empty() || names.contains(&name);
        if named && KEYS.iter().all(|key| good(key, series.label(key))) {
            page += &format!("{name} {labels:?}\n");
        }
    }
    assert_eq!(String::from_utf8_lossy(answer.body()), page, "{query}");
}

fn weight_text(weight: u16) -> (u16, String) {
    let weight = weight % 1_001;
    (weight, format!("{}.{:03}", weight / 1_000, weight % 1_000))
}

/// The page is in the text format or in ours: the one that weighs more, by the closest range.
fn chosen(ranges: &[Range]) {
    const RANGES: [&str; 6] =
        ["text/plain", OWN, "text/*", "application/*", "*/*", "text/plain;version=1"];
    let mut accept = Vec::new();
    // By format: how close, and how heavy.
    let mut best = [(-1, 0); 2];
    for range in ranges.iter().take(20) {
        let what = usize::from(range.what % 6);
        let (weight, text) = weight_text(range.weight);
        accept.push(format!("{};q={text}", RANGES[what]));
        for (format, best) in best.iter_mut().enumerate() {
            let closeness = match (what, format) {
                (0, 0) | (1, 1) => 2,
                (2, 0) | (3, 1) => 1,
                (4, _) => 0,
                _ => continue,
            };
            *best = (*best).max((closeness, weight));
        }
    }
    // Other formats may be what `*` means as well.
    let answer = ask("/metrics?refresh=0", &[("Accept", accept.join(", ").as_bytes())]);
    let got = answer.headers().find(|(name, _)| *name == "Content-Type").expect("one").1;
    let weights = best.map(|(_, weight)| weight);
    match got {
        OWN => assert!(weights[1] > 0 && weights[1] >= weights[0], "{accept:?}"),
        text if text.starts_with("text/plain") => assert!(weights[0] >= weights[1], "{accept:?}"),
        _ => {}
    }
}

fn packed(codings: &[(u8, u16)]) {
    let mut accept = Vec::new();
    let mut weights = [None; 4];
    for (what, weight) in codings.iter().take(8) {
        let what = usize::from(what % 4);
        let (weight, text) = weight_text(*weight);
        accept.push(format!("{};q={text}", CODINGS[what]));
        // The first counts.
        weights[what].get_or_insert(weight);
    }
    let answer = ask("/metrics?refresh=0", &[("accept-encoding", accept.join(",").as_bytes())]);
    let gzip = weights[1].or(weights[3]).unwrap_or(0);
    let identity = weights[0].or(weights[3]);
    let coding = answer.headers().find(|(name, _)| *name == "Content-Encoding");
    match (answer.status(), coding.map(|header| header.1)) {
        (406, _) => assert!(gzip == 0 && identity == Some(0), "{accept:?}"),
        (200, None) => assert!(identity != Some(0) && identity.unwrap_or(0) >= gzip, "{accept:?}"),
        (200, Some("gzip")) => assert!(gzip > 0 && gzip >= identity.unwrap_or(0), "{accept:?}"),
        other => panic!("{other:?} for {accept:?}"),
    }
}

fn network(&(six, address, prefix, probe): &(bool, u128, u8, u128)) {
    let ip = |bits: u128| match six {
        true => IpAddr::from(Ipv6Addr::from(bits)),
        false => IpAddr::from(Ipv4Addr::from(bits as u32)),
    };
    let width = if six { 128 } else { 32 };
    let (address, probe) = (ip(address), ip(probe));
    // IPv4 in the clothes of IPv6 is another matter.
    if address != address.to_canonical() || probe != probe.to_canonical() {
        return;
    }
    let bits = |address: IpAddr| -> Vec<bool> {
        let octets = match address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        octets.iter().flat_map(|octet| (0..8).rev().map(move |at| octet >> at & 1 == 1)).collect()
    };
    let prefix = usize::from(prefix) % (width + 1);
    let parsed = format!("{address}/{prefix}").parse::<Network>();
    if bits(address)[prefix..].contains(&true) {
        // The error says the network that was meant.
        let error = parsed.expect_err("bits behind the prefix").to_string();
        let meant = error.rsplit(' ').next().expect("a word").parse::<Network>();
        let contained = meant.expect("what the error says").contains(address);
        return assert!(contained, "{error}");
    }
    let contained = bits(probe)[..prefix] == bits(address)[..prefix];
    assert_eq!(parsed.expect("a network").contains(probe), contained, "{address}/{prefix} {probe}");
}
