//! The HTTP layer around services that answer, fail, panic and are abandoned; with feature `axum`, around a real router.
#![cfg(feature = "tower")]

mod common;

use common::by_hand;
use http::{Request, Response};
use std::convert::Infallible;
use std::time::Duration;
use tachometer::facade::TraceContext;
use tachometer::facade::tower::{HttpLayer, traceparent};
use tachometer::{Encoder as _, Engine, OpenMetricsEncoder, Registry, Snapshot};
use tower::{Layer as _, ServiceExt as _, service_fn};

fn set_up() -> (Engine, HttpLayer) {
    let registry = Registry::new();
    let layer = HttpLayer::new(&registry).unwrap();
    (by_hand(&registry), layer)
}

fn in_flight(now: &Snapshot) -> i64 {
    now.up_down_counter("http_requests_in_flight").unwrap()
}

fn request(method: &str, path: &str) -> Request<()> {
    Request::builder().method(method).uri(path).body(()).unwrap()
}

#[derive(Clone)]
struct Template(String);

#[tokio::test]
async fn answers_by_method_template_and_status() {
    let (engine, layer) = set_up();
    let layer = layer.route(|extensions| Some(&extensions.get::<Template>()?.0));
    let service = layer.layer(service_fn(|request: Request<()>| async move {
        let status = if request.uri().path() == "/users/0" { 404 } else { 200 };
        Ok::<_, Infallible>(Response::builder().status(status).body(()).unwrap())
    }));
    for user in 0..10 {
        let mut request = request("GET", &format!("/users/{user}"));
        request.extensions_mut().insert(Template("/users/{id}".to_owned()));
        service.clone().oneshot(request).await.unwrap();
    }
    service.clone().oneshot(request("BREW", "/secret/path")).await.unwrap();
    let now = engine.refresh();
    let users = [("method", "GET"), ("route", "/users/{id}")];
    let of = |status| [&users[..], &[("status", status)]].concat();
    assert_eq!(now.counter_with("http_requests_total", &of("200")).unwrap(), 9);
    assert_eq!(now.counter_with("http_requests_total", &of("404")).unwrap(), 1);
    assert_eq!(now.histogram_with("http_request_duration_seconds", &users).unwrap().count(), 10);
    let other = [("method", "other"), ("route", "unmatched"), ("status", "200")];
    assert_eq!(now.counter_with("http_requests_total", &other).unwrap(), 1);
    assert_eq!(in_flight(&now), 0);
    assert!(!common::page_of(&engine).contains("secret"), "a raw path is never a label");
}

#[tokio::test]
async fn what_does_not_answer_is_counted_and_leaves_no_flight_behind() {
    let (engine, layer) = set_up();
    let service = layer.layer(service_fn(|request: Request<()>| async move {
        match request.uri().path() {
            "/panic" => panic!("on purpose"),
            "/error" => Err("refused"),
            _ => {
                tokio::time::sleep(Duration::from_secs(3600)).await;
                Ok(Response::new(()))
            }
        }
    }));
    let hung: Vec<_> =
        (0..3).map(|_| tokio::spawn(service.clone().oneshot(request("GET", "/hang")))).collect();
    tokio::task::yield_now().await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(in_flight(&engine.refresh()), 3);
    for task in hung {
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }
    let panicked = tokio::spawn(service.clone().oneshot(request("POST", "/panic"))).await;
    assert!(panicked.unwrap_err().is_panic());
    assert_eq!(service.clone().oneshot(request("GET", "/error")).await.unwrap_err(), "refused");
    let now = engine.refresh();
    assert_eq!(in_flight(&now), 0);
    let dropped = |reason| now.counter_with("http_requests_dropped_total", &[("reason", reason)]);
    assert_eq!(dropped("cancelled").unwrap(), 3);
    assert_eq!(dropped("panicked").unwrap(), 1);
    assert_eq!(now.counter_with("http_requests_total", &[("status", "error")]).unwrap(), 1);
    assert_eq!(now.counter("http_requests_total").unwrap(), 1, "what did not answer is not there");
}

#[tokio::test]
async fn durations_lead_to_the_trace_of_the_request() {
    const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let answer = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) });
    let exemplar = "{trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\",span_id=\"00f067aa0ba902b7\"} ";
    for (headers, expected) in [
        (&[SAMPLED][..], true),
        (&[SAMPLED, SAMPLED], false),
        (&["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"], false),
        (&["garbage"], false),
        (&[], false),
    ] {
        let (engine, layer) = set_up();
        let service = layer.clone().exemplars(traceparent).layer(answer);
        let mut traced = request("GET", "/");
        for header in headers {
            traced.headers_mut().append("traceparent", header.parse().unwrap());
        }
        service.oneshot(traced.clone()).await.unwrap();
        let page = |engine: &Engine| {
            let mut page = Vec::new();
            OpenMetricsEncoder::new().encode(&engine.refresh(), &mut page);
            String::from_utf8(page).unwrap()
        };
        assert_eq!(page(&engine).contains(exemplar), expected, "{headers:?}");
        let now = engine.refresh();
        assert_eq!(now.histogram("http_request_duration_seconds").unwrap().count(), 1);
        // Off unless it is asked for.
        let (engine, layer) = set_up();
        layer.layer(answer).oneshot(traced).await.unwrap();
        assert!(!page(&engine).contains("trace_id"));
    }
    // By a function of the program's own, from what it left with the request.
    let (engine, layer) = set_up();
    let layer = layer.exemplars(|_, extensions| extensions.get::<TraceContext>().copied());
    let mut traced = request("GET", "/");
    traced.extensions_mut().insert(TraceContext::from_traceparent(SAMPLED).unwrap());
    layer.layer(answer).oneshot(traced).await.unwrap();
    let now = engine.refresh();
    let series = now.select("http_request_duration_seconds", &[]).next().unwrap();
    assert_eq!(series.exemplars().len(), 1);
    assert_eq!(series.exemplars()[0].span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn a_real_router_gives_its_templates() {
    use axum::{Router, body::Body, extract::Path, routing::get};
    let (engine, layer) = set_up();
    let api = Router::new()
        .route("/items/{id}", get(|Path(id): Path<u32>| async move { id.to_string() }));
    let app = Router::new()
        .route("/users/{id}", get(|| async { "a user" }))
        .nest("/api", api)
        .layer(layer);
    let call = async |path: &str| {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap().status().as_u16()
    };
    for id in 0..20 {
        assert_eq!(call(&format!("/users/{id}")).await, 200);
        assert_eq!(call(&format!("/api/items/{id}")).await, 200);
        assert_eq!(call(&format!("/wp-admin/{id}")).await, 404);
    }
    assert_eq!(call("/api/items/x").await, 400);
    let now = engine.refresh();
    let count = |route, status| {
        now.counter_with("http_requests_total", &[("route", route), ("status", status)]).unwrap()
    };
    assert_eq!(count("/users/{id}", "200"), 20);
    assert_eq!(count("/api/items/{id}", "200"), 20);
    assert_eq!(count("/api/items/{id}", "400"), 1);
    assert_eq!(count("unmatched", "404"), 20);
    assert_eq!(now.select("http_requests_total", &[]).count(), 4);
    assert_eq!(in_flight(&now), 0);
}

/// A bundle's own series: by method, template and status, whatever their labels are called there.
#[tokio::test]
async fn the_series_of_a_bundle_are_recorded_into() {
    use tachometer::catalogue::event_store::{ControlPlaneMetrics, EventStoreMetrics};
    let registry = Registry::new();
    let store = EventStoreMetrics::register(&registry).unwrap();
    let control = ControlPlaneMetrics::register(&registry).unwrap();
    let engine = by_hand(&registry);
    let route: tachometer::facade::tower::RouteOf =
        |extensions| Some(&extensions.get::<Template>()?.0);
    let to_users = |method: &str| {
        let mut request = request(method, "/users/7");
        request.extensions_mut().insert(Template("/users/{id}".to_owned()));
        request
    };
    for layer in [HttpLayer::event_store(&store), HttpLayer::control_plane(&control)] {
        let service = layer.route(route).layer(service_fn(|request: Request<()>| async move {
            if request.method() == "PUT" {
                std::future::pending::<()>().await;
            }
            Ok::<_, Infallible>(Response::builder().status(204).body(()).unwrap())
        }));
        service.clone().oneshot(to_users("GET")).await.unwrap();
        service.clone().oneshot(to_users("GET")).await.unwrap();
        service.clone().oneshot(request("BREW", "/secret/path")).await.unwrap();
        // One that is given up before it is answered is not lost.
        let unanswered = service.clone().oneshot(to_users("PUT"));
        assert!(tokio::time::timeout(Duration::from_millis(1), unanswered).await.is_err());
    }
    let now = engine.refresh();
    for prefix in ["allsource_", "allsource_control_plane_"] {
        let of = |method, endpoint, status| {
            let labels = [("method", method), ("endpoint", endpoint), ("status", status)];
            now.counter_with(&format!("{prefix}http_requests_total"), &labels).unwrap()
        };
        assert_eq!(of("GET", "/users/{id}", "204"), 2);
        assert_eq!(of("other", "unmatched", "204"), 1);
        assert_eq!(of("PUT", "/users/{id}", "cancelled"), 1);
        let labels = [("method", "GET"), ("endpoint", "/users/{id}")];
        let durations = format!("{prefix}http_request_duration_seconds");
        assert_eq!(now.histogram_with(&durations, &labels).unwrap().count(), 2);
    }
    assert_eq!(now.up_down_counter("allsource_http_requests_in_flight").unwrap(), 0);
    assert!(!common::page_of(&engine).contains("secret"), "a raw path is never a label");
}
