//! What the HTTP layer adds to a request: `cargo bench --bench http_layer --features axum`.
//!
//! "bare" is a service that answers at once; the others have the layer around it. "axum" is a request through a router, with
//! and without the layer: the route template is found in it, not given.

use axum::{Router, body::Body, routing::get};
use criterion::{Criterion, criterion_group, criterion_main};
use http::{Request, Response};
use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tachometer::catalogue::event_store::EventStoreMetrics;
use tachometer::{Registry, facade::tower::HttpLayer};
use tower::{Layer as _, Service};

#[derive(Clone)]
struct Bare;

impl Service<Request<()>> for Bare {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        black_box(request);
        ready(Ok(Response::new(())))
    }
}

/// Polls a future that is ready.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing is waited for"),
    }
}

fn layers(criterion: &mut Criterion) {
    let registry = Registry::new();
    let store = EventStoreMetrics::register(&registry).expect("an empty registry");
    let (plain, bundled) =
        (HttpLayer::new(&registry).expect("free names"), HttpLayer::event_store(&store));

    let mut bare = Bare;
    criterion.bench_function("bare", |b| {
        b.iter(|| now(bare.call(Request::new(()))).expect("it answers"));
    });
    for (name, layer) in [("layer", &plain), ("layer of the event store", &bundled)] {
        let mut service = layer.layer(Bare);
        criterion.bench_function(name, |b| {
            b.iter(|| now(service.call(Request::new(()))).expect("it answers"));
        });
    }

    let routes = || Router::new().route("/users/{id}", get(async || "a user"));
    for (name, mut router) in [("axum", routes()), ("axum with layer", routes().layer(bundled))] {
        criterion.bench_function(name, |b| {
            b.iter(|| {
                let request = Request::builder().uri("/users/7").body(Body::empty());
                now(router.call(request.expect("a request"))).expect("it answers")
            });
        });
    }
}

criterion_group!(benches, layers);
criterion_main!(benches);
