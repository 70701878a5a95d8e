//! Many clients, slow ones, and ones that do not read: the honest one is served all the same.

use crate::client::Client;
use crate::stand::{SCRAPE, Stand, many_descriptors};
use std::thread;
use std::time::{Duration, Instant};
use tachometer::{Registry, limits};

#[test]
fn connections_that_are_cut_leave_nothing_behind() {
    let _alone = many_descriptors();
    let stand = Stand::new();
    let mut honest = stand.connect();
    // More of them, one after the other, than may be open at once.
    for round in 0..2 * limits::MAX_HTTP_CONNECTIONS {
        let mut client = stand.connect();
        match round % 4 {
            0 => {}
            1 => client.send("GET /met"),
            2 => client.send(SCRAPE),
            _ => client.send(format!("{SCRAPE}GET /metrics")),
        }
        drop(client);
        if round % 16 == 0 {
            assert_eq!(honest.get("/metrics").status, 200);
        }
    }
    // Every place is free again.
    let deadline = Instant::now() + Duration::from_secs(60);
    let others = limits::MAX_HTTP_CONNECTIONS - 1;
    loop {
        let mut clients: Vec<_> = (0..others).map(|_| stand.connect()).collect();
        clients.iter_mut().for_each(|client| client.send(SCRAPE));
        let served =
            |client: &mut Client| client.answer_if_whole().is_some_and(|a| a.status == 200);
        if clients.iter_mut().all(served) {
            break;
        }
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn slow_clients_do_not_stop_an_honest_scraper() {
    let _alone = many_descriptors();
    let stand = Stand::new();
    let slow: Vec<_> = (0..200)
        .map(|_| {
            let mut client = stand.connect();
            client.send("G");
            client
        })
        .collect();
    let began = Instant::now();
    let mut scraper = stand.connect();
    for _ in 0..10 {
        stand.events.inc();
        assert_eq!(scraper.get("/metrics").status, 200);
    }
    assert_eq!(stand.scrape().value("events_total"), Some("10"));
    // All that while the slow ones were there.
    assert!(began.elapsed() < limits::HTTP_HEADER_TIMEOUT, "{:?}", began.elapsed());
    drop(slow);
}

/// Makes the page so large (16 MB) that the buffers of two sockets do not take it.
fn make_large(registry: &Registry) {
    let text = "x".repeat(limits::MAX_LABEL_VALUE_BYTES - 8);
    for index in 0..4_000 {
        let text = format!("{text}{index}");
        registry.metric("large", "Large.").label("text", text).gauge().unwrap();
    }
}

#[test]
fn a_client_that_does_not_read_does_not_stop_an_honest_scraper() {
    let stand = Stand::new();
    make_large(&stand.registry);
    let mut lazy: Vec<_> = (0..4).map(|_| stand.connect()).collect();
    for client in &mut lazy {
        client.send(SCRAPE.repeat(3));
    }
    lazy.iter_mut().for_each(Client::read_a_little);
    stand.events.inc();
    let honest = stand.scrape();
    assert!(honest.body.len() > 15 << 20);
    assert_eq!(honest.value("events_total"), Some("1"));
    // What the lazy ones were being sent is whole, and of its own generation.
    for client in &mut lazy {
        let answer = client.answer();
        assert_eq!(answer.value("events_total"), Some("0"));
        assert!(answer.generation() < honest.generation());
        assert_eq!(client.answer().value("events_total"), Some("1"));
    }
}

#[test]
fn clients_that_do_not_read_hold_a_bounded_number_of_pages() {
    let stand = Stand::with(true);
    make_large(&stand.registry);
    let mut lazy: Vec<_> = (0..limits::MAX_HTTP_PAGES)
        .map(|_| {
            let mut client = stand.connect();
            client.send(SCRAPE);
            client.read_a_little();
            client
        })
        .collect();
    // An honest scraper takes the place of the one who has been reading for longest.
    let honest = stand.scrape();
    let closed = "tachometer_http_connections_closed_total{limit=\"pages\"}";
    assert_eq!(honest.value(closed), Some("1"));
    for (index, client) in lazy.iter_mut().enumerate() {
        assert_eq!(client.answer_if_whole().is_some(), index > 0, "{index}");
    }
    assert_eq!(stand.scrape().value(closed), Some("1"));
}

#[test]
fn connections_over_the_limit_are_told_so_and_counted() {
    let _alone = many_descriptors();
    let stand = Stand::with(true);
    let mut clients: Vec<_> = (0..limits::MAX_HTTP_CONNECTIONS).map(|_| stand.connect()).collect();
    // Whoever has asked once may stay for longer than this test takes.
    assert!(clients.iter_mut().all(|client| client.get("/").status == 200));
    let over = 10;
    for _ in 0..over {
        let mut client = stand.connect();
        // Whether it asks or not.
        client.send(SCRAPE);
        let answer = client.answer();
        assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("1")));
        assert!(client.has_ended());
    }
    let refused = "tachometer_http_connections_refused_total";
    assert_eq!(clients[0].get("/metrics").value(refused), Some(&*over.to_string()));

    // Past the limit on refusals they are closed without a word, and counted all the same.
    let mute: Vec<_> = (0..2 * limits::MAX_HTTP_REFUSALS).map(|_| stand.connect()).collect();
    let counted = (over + mute.len()).to_string();
    let deadline = Instant::now() + Duration::from_secs(60);
    while clients[0].get("/metrics").value(refused) != Some(&counted) {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(100));
    }
    // A place that becomes free can be taken.
    clients.truncate(clients.len() / 2);
    loop {
        let mut client = stand.connect();
        client.send(SCRAPE);
        if client.answer_if_whole().is_some_and(|answer| answer.status == 200) {
            break;
        }
        assert!(Instant::now() < deadline);
    }
}
