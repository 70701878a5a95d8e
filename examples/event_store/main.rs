//! An event store with axum whose HTTP is recorded by the `tower` layer and everything else by its handlers, all through the
//! catalogue's bundle, under load from clients over real connections:
//!
//! `cargo run --release --example event_store --features axum -- --for 10s`
//!
//! Its page is served at `/metrics` meanwhile. At the end it is read once more: every count on it has to be what the clients
//! did, or the example fails. In the place of WebSockets, which axum has only with a stack of crates, clients listen by long
//! polls.

mod client;
mod page;
mod routes;
mod store;

use client::{Client, Error, Seen};
use page::Page;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tachometer::catalogue::event_store::{ControlPlaneMetrics, EventStoreMetrics};
use tachometer::{Engine, Registry, serve};

/// Clients that ask at the same time.
const CLIENTS: u64 = 4;

const OVERVIEW: &str = "/api/v1/dashboard/overview";

fn main() -> Result<(), Error> {
    let span = span()?;
    let registry = Registry::new();
    let engine = Engine::builder().registry(&registry).start()?;
    let store = EventStoreMetrics::register(&registry)?;
    let control = ControlPlaneMetrics::register(&registry)?;

    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    // The page's own requests are not the store's: they are merged outside of its layer.
    let core = serve_on(&runtime, routes::store(&store).merge(serve::router(&engine)?))?;
    let plane = serve_on(&runtime, routes::control_plane(&control))?;
    println!("http://{core}/metrics");

    let began = Instant::now();
    let mut done = work(core, began + span)?;
    let asked: u64 = done.values().sum();
    let seconds = began.elapsed().as_secs_f64();
    println!("{asked} requests in {seconds:.1} s: {:.0} a second", asked as f64 / seconds);

    // The control plane looks at the one core node there is.
    let node = control.core_node("core-1");
    let mut client = Client::new(format!("http://{core}"));
    let (status, count) = client.ask("GET", ("/api/v1/events", "/api/v1/events"), "")?;
    node.health_status.set(f64::from(u8::from(status == 200)));
    node.events.set(count.parse()?);
    add(&mut done, client.done);
    let mut client = Client::new(format!("http://{plane}"));
    client.ask("GET", (OVERVIEW, OVERVIEW), "")?;

    engine.refresh();
    let (_, text) =
        Client::new(format!("http://{core}")).ask("GET", ("/metrics", "/metrics"), "")?;
    let page = Page::read(&text);
    check_http(&page, &done)?;
    page.equals("allsource_control_plane_http_requests_total", &[OVERVIEW, "200"], 1)?;
    check_store(&page, &done)?;
    check_names(&page)?;
    println!("{} counts on the page are what the clients did", page.compared());
    Ok(())
}

/// The argument of `--for`, in seconds: 2 unless given.
fn span() -> Result<Duration, Error> {
    let mut arguments = std::env::args().skip(1);
    let text = match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => "2s".to_owned(),
        (Some("--for"), Some(span)) => span,
        _ => return Err("usage: event_store [--for 10s]".into()),
    };
    let seconds = text.strip_suffix('s').unwrap_or(&text).parse::<f64>();
    Ok(Duration::try_from_secs_f64(seconds.map_err(|_| format!("{text} is no time: 10s is"))?)?)
}

fn serve_on(runtime: &tokio::runtime::Runtime, router: axum::Router) -> Result<SocketAddr, Error> {
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    runtime.spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

/// Has all clients work until `end`; returns what they did together.
fn work(address: SocketAddr, end: Instant) -> Result<BTreeMap<Seen, u64>, Error> {
    let mut done = BTreeMap::new();
    std::thread::scope(|scope| {
        let client = |number| {
            let client = Client::new(format!("http://{address}"));
            scope.spawn(move || client.work(number, end))
        };
        let clients: Vec<_> = (0..CLIENTS).map(client).collect();
        for client in clients {
            add(&mut done, client.join().map_err(|_| "a client panicked")??);
        }
        Ok(done)
    })
}

fn add(all: &mut BTreeMap<Seen, u64>, more: BTreeMap<Seen, u64>) {
    for (seen, count) in more {
        *all.entry(seen).or_default() += count;
    }
}

/// Every request is there once, by route template; none without its time, none still in flight.
fn check_http(page: &Page, done: &BTreeMap<Seen, u64>) -> Result<(), Error> {
    let mut by_route = BTreeMap::<_, u64>::new();
    for ((method, route, status), count) in done {
        let labels = [*method, route, &status.to_string()];
        page.equals("allsource_http_requests_total", &labels, *count)?;
        *by_route.entry((*method, *route)).or_default() += count;
    }
    for ((method, route), count) in &by_route {
        page.equals("allsource_http_request_duration_seconds_count", &[method, route], *count)?;
    }
    page.equals("allsource_http_requests_in_flight", &[], 0)?;
    // And nothing else: a path or a method of a client's making is no series.
    page.has_series("allsource_http_requests_total", done.len())?;
    page.has_series("allsource_http_request_duration_seconds_count", by_route.len())
}

/// What the store did is what its clients were answered.
fn check_store(page: &Page, done: &BTreeMap<Seen, u64>) -> Result<(), Error> {
    let of = |method: &str, route: &str, wanted: u16| -> u64 {
        let of = done.iter().filter(|((m, r, s), _)| (*m, *r, *s) == (method, route, wanted));
        of.map(|(_, count)| *count).sum()
    };
    let events = of("POST", "/api/v1/events", 201);
    let (invalid, no_event) =
        (of("POST", "/api/v1/events", 422), of("POST", "/api/v1/events", 400));
    let replays = of("POST", "/api/v1/replays/{projection}", 200);
    let failed = of("POST", "/api/v1/replays/{projection}", 404);
    let listened = of("GET", "/api/v1/listen/{from}", 200);
    let conflicts = of("GET", "/api/v1/listen/{from}", 409);
    let waited = of("GET", "/api/v1/listen/{from}", 204);
    let replayed = page.sum("allsource_replay_events_processed");
    for (name, expected) in [
        ("events_ingested_total", events),
        ("events_ingested_by_type", events),
        ("ingestion_errors_total", invalid + no_event),
        ("ingestion_duration_seconds_count", events + invalid + no_event),
        ("queries_total", of("GET", "/api/v1/events", 200)),
        ("query_duration_seconds_count", of("GET", "/api/v1/events", 200)),
        ("storage_events_total", events),
        ("storage_entities_total", CLIENTS),
        ("schemas_registered_total", 1),
        ("pipeline_events_processed", events),
        ("projection_events_processed", events + replayed),
        ("replays_started_total", replays + failed),
        ("replays_completed_total", replays),
        ("replays_failed_total", failed),
        ("replay_duration_seconds_count", replays),
        ("snapshots_created_total", of("POST", "/api/v1/entities/{entity}/snapshots", 200)),
        ("snapshots_total", CLIENTS),
        ("compactions_total", of("POST", "/api/v1/compactions", 200)),
        ("websocket_connections_total", listened + conflicts + waited),
        ("websocket_connections_active", 0),
        ("websocket_messages_sent", listened),
        ("websocket_errors_total", conflicts),
        ("control_plane_core_events_total", events),
        ("control_plane_core_health_status", 1),
    ] {
        page.adds_up(&format!("allsource_{name}"), expected)?;
    }
    page.equals("allsource_schema_validations_total", &["placed", "invalid"], invalid)
}

/// Every series of both bundles tells something.
fn check_names(page: &Page) -> Result<(), Error> {
    // Nothing is in flight, and nobody listens, when all is over.
    let is_zero =
        |name: &&str| matches!(*name, "http_requests_in_flight" | "websocket_connections_active");
    let names = EventStoreMetrics::NAMES.iter().chain(ControlPlaneMetrics::NAMES);
    let silent: Vec<&str> = names
        .filter(|name| !is_zero(name) && !page.tells(&format!("allsource_{name}")))
        .copied()
        .collect();
    if silent.is_empty() { Ok(()) } else { Err(format!("never recorded: {silent:?}").into()) }
}
