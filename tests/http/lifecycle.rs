//! Where the listener begins and ends: the port, the engine, and stopping.

use crate::client::{Client, get};
use crate::stand::Stand;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};
use tachometer::{Engine, Error, Listener};

#[test]
fn a_busy_port_is_an_error_that_says_what_to_do() {
    let stand = Stand::new();
    let address = stand.address();
    let error = Listener::bind(&stand.engine, address).unwrap_err();
    assert!(matches!(error, Error::Io { kind: std::io::ErrorKind::AddrInUse, .. }));
    let text = error.to_string();
    for part in [
        &format!("cannot listen on {address}: "),
        "in use",
        &format!("`ss -ltnp 'sport = :{}'`", address.port()),
        "choose another port",
    ] {
        assert!(text.contains(part), "no {part:?} in {text:?}");
    }
    assert_eq!(stand.scrape().status, 200, "the first listener goes on");
}

#[test]
fn an_address_that_cannot_be_is_an_error_that_says_what_could() {
    let stand = Stand::new();
    // 192.0.2.0/24 is for documentation; no machine has it.
    let text = Listener::bind(&stand.engine, "192.0.2.1:0").unwrap_err().to_string();
    assert!(text.contains("192.0.2.1:0") && text.contains("127.0.0.1"), "{text}");
    let text = Listener::bind(&stand.engine, "9464").unwrap_err().to_string();
    assert!(text.contains("\"9464\"") && text.contains("127.0.0.1:9464"), "{text}");
}

#[test]
fn stopping_closes_everything_at_once_and_frees_the_port() {
    let stand = Stand::new();
    let address = stand.address();
    let mut idle = stand.connect();
    idle.get("/");
    let mut half = stand.connect();
    half.send("GET /metrics HT");
    let mut silent = stand.connect();
    let began = Instant::now();
    stand.listener.stop();
    stand.listener.stop();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(idle.has_ended() && half.has_ended() && silent.has_ended());
    assert!(TcpStream::connect(address).is_err());
    // Neither does the engine care, nor the next listener.
    assert!(stand.engine.is_running());
    let again = Listener::bind(&stand.engine, address).unwrap();
    assert_eq!(get(again.local_addr(), "/metrics").status, 200);
    drop(again);
    assert!(TcpListener::bind(address).is_ok());
}

#[test]
fn stopping_from_many_threads_and_from_a_callback_is_stopping_once() {
    let stand = Stand::new();
    let address = stand.address();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                stand.listener.stop();
                assert!(TcpStream::connect(address).is_err(), "stopped when `stop` returns");
            });
        }
    });

    let listener = std::sync::Arc::new(Listener::bind(&stand.engine, "127.0.0.1:0").unwrap());
    let address = listener.local_addr();
    let weak = std::sync::Arc::downgrade(&listener);
    let stop = move || weak.upgrade().map_or(0.0, |listener| (listener.stop(), 1.0).1);
    stand.registry.metric("stops", "Stops the listener.").gauge_from(stop).unwrap();
    let mut client = Client::connect(address);
    assert_eq!(client.get("/metrics").value("stops"), Some("1"));
    assert!(client.has_ended());
}

#[test]
fn an_engine_that_ended_is_said_to_have_ended() {
    let Stand { registry, engine, listener, .. } = Stand::new();
    let mut client = Client::connect(listener.local_addr());
    assert_eq!(client.get("/metrics").status, 200);
    let stopped = |client: &mut Client| {
        let answer = client.get("/metrics");
        assert_eq!(answer.status, 503);
        assert!(answer.body.contains("engine of this process was stopped"), "{}", answer.body);
    };
    engine.stop();
    stopped(&mut client);
    drop(engine);
    stopped(&mut client);
    assert_eq!(client.get("/").status, 200, "the listener itself lives");

    // The listener does not hold the registry's one engine, and does not take the next one for its
    // own.
    let next = Engine::builder().registry(&registry).start().unwrap();
    stopped(&mut client);
    let listener = Listener::bind(&next, "127.0.0.1:0").unwrap();
    assert_eq!(get(listener.local_addr(), "/metrics").status, 200);
    next.stop();
    assert!(matches!(Listener::bind(&next, "127.0.0.1:0"), Err(Error::NotRunning(_))));
}

#[test]
fn dropping_the_engine_while_clients_scrape_harms_nobody() {
    for _ in 0..20 {
        let Stand { engine, listener, .. } = Stand::new();
        let address = listener.local_addr();
        let scrapers: Vec<_> = (0..4)
            .map(|_| {
                thread::spawn(move || {
                    let mut client = Client::connect(address);
                    while client.get("/metrics").status == 200 {}
                    assert_eq!(client.get("/metrics").status, 503);
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(5));
        drop(engine);
        scrapers.into_iter().for_each(|scraper| scraper.join().unwrap());
    }
}
