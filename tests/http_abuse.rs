//! What hostile clients may do to the listener, and what they may not: memory stays bounded, and an honest scraper gets its
//! page. In a process of its own, since it measures that process. What they cost threads that record:
//! `benches/abuse.rs`.
#![cfg(all(feature = "http", target_os = "linux"))]

#[path = "http/client.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod client;
#[path = "common/process.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod process;

use client::{Client, get};
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tachometer::{Counter, Engine, Listener, ManualClock, Registry, limits};

fn stress_time() -> Duration {
    Duration::ZERO
}

fn stand() -> (Counter, Engine, Listener) {
    let registry = Registry::new();
    let events = registry.counter("events_total", "Events.").unwrap();
    for index in 0..20 {
        let metric = registry.metric("wait_seconds", "Waits.").label("peer", index.to_string());
        metric.histogram().unwrap().record(index * 1_000);
    }
    let clock = ManualClock::at(Duration::ZERO);
    let builder = Engine::builder().registry(&registry).manual(&clock).own_metrics(true);
    let engine = builder.start().unwrap();
    let listener = Listener::bind(&engine, "127.0.0.1:0").unwrap();
    (events, engine, listener)
}

/// Resident memory may grow by so much whatever clients do: buffers of heads for all connections, pages, and what the
/// allocator keeps.
const GROWTH: u64 = 48 << 20;

/// Sends a byte, if it goes at once.
fn drip(client: &mut TcpStream, byte: u8) {
    let _ = client.write(&[byte]);
}

fn dripping(address: SocketAddr) -> Option<TcpStream> {
    let client = TcpStream::connect(address).ok()?;
    client.set_nonblocking(true).ok()?;
    Some(client)
}

#[test]
fn a_thousand_clients_that_send_a_byte_a_second_are_borne() {
    process::own_process("a_thousand_clients_that_send_a_byte_a_second_are_borne", || {
        let (_events, _engine, listener) = stand();
        let address = listener.local_addr();
        let mut honest = Client::connect(address);
        assert_eq!(honest.get("/metrics").status, 200);
        let memory = process::resident_bytes();
        let request = b"GET /metrics HTTP/1.1\r\nHost: slow\r\n\r\n";
        let mut slow: Vec<_> = (0..1_000).filter_map(|_| dripping(address)).collect();
        assert!(slow.len() > 900, "{}", slow.len());
        let began = Instant::now();
        // Past the time limit of a request: by then the first have been told to go, and come again.
        for byte in request.iter().cycle().take(8) {
            slow.iter_mut().for_each(|client| drip(client, *byte));
            assert_eq!(honest.get("/metrics").status, 200);
            for client in slow.iter_mut().step_by(10) {
                if let Some(again) = dripping(address) {
                    *client = again;
                }
            }
            std::thread::sleep(Duration::from_millis(700));
        }
        assert!(began.elapsed() > limits::HTTP_HEADER_TIMEOUT);
        let grown = process::resident_bytes().saturating_sub(memory);
        assert!(grown < GROWTH, "{grown} bytes");
        let page = honest.get("/metrics");
        let refused: u64 =
            page.value("tachometer_http_connections_refused_total").unwrap().parse().unwrap();
        assert!(refused >= 1_000 - limits::MAX_HTTP_CONNECTIONS as u64, "{refused}");
    });
}

#[test]
fn ten_thousand_scrapes_in_a_row_leave_nothing_behind() {
    process::own_process("ten_thousand_scrapes_in_a_row_leave_nothing_behind", || {
        let (events, _engine, listener) = stand();
        let address = listener.local_addr();
        let mut client = Client::connect(address);
        let mut memory = 0;
        for round in 1..=10_000_u32 {
            events.inc();
            let query = match round % 4 {
                0 => "?refresh=0",
                1 => "?name[]=events_total&label[none]=x",
                _ => "?name[]=events_total",
            };
            client.send(format!(
                "GET /metrics{query} HTTP/1.1\r\nHost: t\r\nAccept-Encoding: {}\r\n\r\n",
                if round % 3 == 0 { "gzip" } else { "identity" }
            ));
            let (answer, body) = client.answer_bytes();
            assert_eq!(answer.status, 200);
            if query.ends_with("events_total") && round % 3 != 0 {
                let text = String::from_utf8(body).unwrap();
                assert!(text.ends_with(&format!("\nevents_total {round}\n")), "{text}");
            }
            // The listener ends a connection after so many, and says so.
            if answer.header("Connection") == Some("close") {
                client = Client::connect(address);
            }
            if round == 1_000 {
                memory = process::resident_bytes();
            }
        }
        let grown = process::resident_bytes().saturating_sub(memory);
        assert!(grown < 8 << 20, "{grown} bytes since the first thousand");
    });
}

#[test]
fn garbage_huge_heads_and_requests_cut_off_are_borne() {
    process::own_process("garbage_huge_heads_and_requests_cut_off_are_borne", || {
        let (_events, _engine, listener) = stand();
        let address = listener.local_addr();
        let mut honest = Client::connect(address);
        assert_eq!(honest.get("/metrics").status, 200);
        let memory = process::resident_bytes();
        let noise: Vec<u8> =
            (0..100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let huge = format!("GET / HTTP/1.1\r\nHost: t\r\nX: {}", "x".repeat(1 << 20));
        let accept = format!(
            "GET /metrics HTTP/1.1\r\nHost: t\r\nAccept: {}\r\n\r\n",
            "a/b,;\"".repeat(1_300)
        );
        let names =
            format!("GET /metrics?{} HTTP/1.1\r\nHost: t\r\n\r\n", "name[]=%61&".repeat(700));
        let all: [&[u8]; 7] = [
            &noise,
            huge.as_bytes(),
            accept.as_bytes(),
            names.as_bytes(),
            b"GET /metrics HTTP/1.1\r\nHost: t\r\nAccept-Enc",
            b"GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n",
            b"\r\n\r\n\r\n",
        ];
        for (round, bytes) in all.iter().cycle().take(1_400).enumerate() {
            let mut client = Client::connect(address);
            client.send(bytes);
            // Some leave at once, some after the answer has begun.
            if round % 3 == 0 && round % 7 < 4 {
                client.read_a_little();
            }
            drop(client);
            if round % 50 == 0 {
                assert_eq!(honest.get("/metrics").status, 200);
            }
        }
        let grown = process::resident_bytes().saturating_sub(memory);
        assert!(grown < GROWTH, "{grown} bytes");
        assert_eq!(get(address, "/health").status, 200);
    });
}
