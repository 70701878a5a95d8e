//! A `tower` layer for HTTP services, axum's among them: requests, durations, requests in flight.
//!
//! ```
//! use tachometer::{Registry, facade::tower::HttpLayer};
//! let registry = Registry::new();
//! // The template, never the path: what the router has left in the request's extensions.
//! struct Route(&'static str);
//! let layer = HttpLayer::new(&registry)?.route(|extensions| Some(extensions.get::<Route>()?.0));
//! # let _ = layer;
//! # Ok::<(), tachometer::Error>(())
//! ```
//!
//! With the feature `axum` the template is axum's `MatchedPath` by itself: `Router::new().route(…).layer(layer)`.
//!
//! | series | |
//! |---|---|
//! | `http_requests_total{method, route, status}` | requests answered; `status="error"` where the service gave an error instead |
//! | `http_request_duration_seconds{method, route, status}` | from the call to the head of the response, in nanoseconds |
//! | `http_requests_in_flight` | requests begun and not ended |
//! | `http_requests_dropped_total{method, route, reason}` | futures dropped before they answered: `reason="cancelled"`, the client has gone or a time limit struck; `reason="panicked"` |
//!
//! A raw path is never a label: a request without a template is `route="unmatched"`. A method that HTTP does not define is
//! `method="other"`. Templates past [the limit of a family](crate::limits::DEFAULT_FAMILY_LIMIT) share the series
//! `overflow="true"`.
//!
//! With [`HttpLayer::exemplars`] durations are recorded with the trace that the request belongs to, so that a page leads from
//! a slow bucket to one of its requests: `HttpLayer::new(registry)?.exemplars(traceparent)`.
//!
//! A host that has series of its own for this, of a bundle say, has the layer record into them: [`HttpLayer::recording`]; into the
//! catalogue's, under their original names, with [`HttpLayer::event_store`] and [`HttpLayer::control_plane`].
//!
//! Cost: two readings of the clock, an allocation for the template, look-ups of about ten nanoseconds each; with exemplars
//! the reading of a header, and a record that takes some nanoseconds more.

use super::TraceContext;
use crate::catalogue::event_store::{ControlPlaneMetrics, EventStoreMetrics};
use crate::{Counter, Error, Family, Histogram, Lookup, Registry, Unit, UpDownCounter};
use http::{Extensions, HeaderMap, Method, Request, Response};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// Finds a request's route template among its extensions.
pub type RouteOf = for<'a> fn(&'a Extensions) -> Option<&'a str>;

/// Finds the trace that a request belongs to.
pub type TraceOf = fn(&HeaderMap, &Extensions) -> Option<TraceContext>;

/// The trace of a request by its header `traceparent`, for [`HttpLayer::exemplars`]; see
/// [`TraceContext::from_traceparent`]. `None` if the header is there twice.
pub fn traceparent(headers: &HeaderMap, _: &Extensions) -> Option<TraceContext> {
    let mut all = headers.get_all("traceparent").iter();
    let header = all.next().filter(|_| all.next().is_none())?;
    TraceContext::from_traceparent(header)
}

/// The layer; see the [module](self). Clones record into the same series.
#[derive(Clone)]
pub struct HttpLayer {
    metrics: Arc<HttpMetrics>,
    route: RouteOf,
    trace: Option<TraceOf>,
}

impl fmt::Debug for HttpLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpLayer").finish_non_exhaustive()
    }
}

struct HttpMetrics {
    requests: Family<Counter, 3>,
    durations: Durations,
    in_flight: Option<UpDownCounter>,
    /// Without it, requests that were dropped are counted among the others.
    dropped: Option<Family<Counter, 3>>,
}

enum Durations {
    ByStatus(Family<Histogram, 3>),
    ByRoute(Family<Histogram, 2>),
}

impl HttpMetrics {
    fn begun(&self) {
        if let Some(in_flight) = &self.in_flight {
            in_flight.inc();
        }
    }

    fn ended(&self) {
        if let Some(in_flight) = &self.in_flight {
            in_flight.dec();
        }
    }
}

impl HttpLayer {
    /// A layer that records into `registry`.
    ///
    /// # Errors
    /// One of its metrics is registered there as something else, or there are too many series.
    pub fn new(registry: &Registry) -> Result<HttpLayer, Error> {
        let keys = ["method", "route", "status"];
        let duration = "From the call to the head of the response.";
        let dropped = "Requests whose future was dropped before it answered.";
        let metrics = HttpMetrics {
            requests: registry.metric("http_requests_total", "Requests answered.").family(keys)?,
            durations: Durations::ByStatus(
                registry
                    .metric("http_request_duration_seconds", duration)
                    .unit(Unit::Nanoseconds)
                    .family(keys)?,
            ),
            in_flight: Some(
                registry
                    .up_down_counter("http_requests_in_flight", "Requests begun and not ended.")?,
            ),
            dropped: Some(
                registry
                    .metric("http_requests_dropped_total", dropped)
                    .family(["method", "route", "reason"])?,
            ),
        };
        Ok(Self::of(metrics))
    }

    /// A layer that records into series that are there: requests by method, route template and status, in this order, and their
    /// durations, in nanoseconds, by method and template.
    ///
    /// A request whose future was dropped before it answered is counted with `cancelled` or `panicked` for the status.
    ///
    /// ```
    /// use tachometer::{Registry, Unit, facade::tower::HttpLayer};
    /// let registry = Registry::new();
    /// let requests = registry.metric("shop_requests_total", "Answered.").family(["verb", "page", "code"])?;
    /// let durations = registry.metric("shop_request_seconds", "To the answer.").unit(Unit::Nanoseconds);
    /// let in_flight = registry.up_down_counter("shop_requests", "Begun and not ended.")?;
    /// let layer = HttpLayer::recording(&requests, &durations.family(["verb", "page"])?).in_flight(&in_flight);
    /// # let _ = layer;
    /// # Ok::<(), tachometer::Error>(())
    /// ```
    pub fn recording(requests: &Family<Counter, 3>, durations: &Family<Histogram, 2>) -> HttpLayer {
        Self::of(HttpMetrics {
            requests: requests.clone(),
            durations: Durations::ByRoute(durations.clone()),
            in_flight: None,
            dropped: None,
        })
    }

    /// Has requests that have begun and not ended counted in `in_flight`.
    pub fn in_flight(mut self, in_flight: &UpDownCounter) -> HttpLayer {
        let HttpMetrics { requests, durations, dropped, .. } = &*self.metrics;
        let (requests, dropped) = (requests.clone(), dropped.clone());
        let durations = match durations {
            Durations::ByStatus(family) => Durations::ByStatus(family.clone()),
            Durations::ByRoute(family) => Durations::ByRoute(family.clone()),
        };
        let in_flight = Some(in_flight.clone());
        self.metrics = Arc::new(HttpMetrics { requests, durations, in_flight, dropped });
        self
    }

    /// A layer that records into the HTTP series of an event store, as [`HttpLayer::recording`].
    pub fn event_store(store: &EventStoreMetrics) -> HttpLayer {
        Self::recording(&store.http_requests, &store.http_request_duration)
            .in_flight(&store.http_requests_in_flight)
    }

    /// A layer that records into the HTTP series of a control plane, as [`HttpLayer::recording`].
    pub fn control_plane(control: &ControlPlaneMetrics) -> HttpLayer {
        Self::recording(&control.http_requests, &control.http_request_duration)
    }

    fn of(metrics: HttpMetrics) -> HttpLayer {
        HttpLayer { metrics: Arc::new(metrics), route: default_route, trace: None }
    }

    /// Sets how a request's route template is found; it must be one of a set that the program knows.
    pub fn route(mut self, route: RouteOf) -> Self {
        self.route = route;
        self
    }

    /// Records each request's duration with its trace as an [exemplar](crate::Exemplar), if the trace is sampled. Off unless
    /// set.
    ///
    /// `trace` is [`traceparent`] for the span of the client, or a function of the program's own that looks among the
    /// request's extensions for the span of the server.
    ///
    /// ```
    /// use tachometer::{Registry, facade::tower::{HttpLayer, traceparent}};
    /// let layer = HttpLayer::new(&Registry::new())?.exemplars(traceparent);
    /// # let _ = layer;
    /// # Ok::<(), tachometer::Error>(())
    /// ```
    pub fn exemplars(mut self, trace: TraceOf) -> Self {
        self.trace = Some(trace);
        self
    }
}

#[cfg(feature = "axum")]
fn default_route(extensions: &Extensions) -> Option<&str> {
    extensions.get::<axum::extract::MatchedPath>().map(|path| path.as_str())
}

#[cfg(not(feature = "axum"))]
fn default_route(_: &Extensions) -> Option<&str> {
    None
}

fn method_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "other",
    }
}

impl<S> tower_layer::Layer<S> for HttpLayer {
    type Service = HttpService<S>;

    fn layer(&self, inner: S) -> HttpService<S> {
        HttpService { inner, layer: self.clone() }
    }
}

/// A service that [`HttpLayer`] watches.
#[derive(Clone, Debug)]
pub struct HttpService<S> {
    inner: S,
    layer: HttpLayer,
}

impl<S, B, R> tower_service::Service<Request<B>> for HttpService<S>
where
    S: tower_service::Service<Request<B>, Response = Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = HttpFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let route = (self.layer.route)(request.extensions()).unwrap_or("unmatched").into();
        let trace = self.layer.trace.and_then(|of| of(request.headers(), request.extensions()));
        let metrics = self.layer.metrics.clone();
        metrics.begun();
        let (method, began) = (method_of(request.method()), Instant::now());
        // Inside a call of the service, until it has returned.
        let mut open = Open { metrics, method, route, trace, began, state: State::Inside };
        let inner = self.inner.call(request);
        open.state = State::Waiting;
        HttpFuture { inner, open }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// The service's own code runs: to be dropped now is to be unwound.
    Inside,
    Waiting,
    Answered,
}

/// A request in flight. What ends it, ends here.
struct Open {
    metrics: Arc<HttpMetrics>,
    method: &'static str,
    route: Box<str>,
    trace: Option<TraceContext>,
    began: Instant,
    state: State,
}

impl Open {
    fn answered(&mut self, status: &str) {
        let labels = [self.method, &self.route, status];
        let took = self.began.elapsed();
        match &self.metrics.durations {
            Durations::ByStatus(durations) => self.record(durations.at(labels), took),
            Durations::ByRoute(durations) => {
                self.record(durations.at([self.method, &self.route]), took);
            }
        }
        self.metrics.requests.at(labels).inc();
        self.state = State::Answered;
        self.metrics.ended();
    }

    fn record<const N: usize>(&self, durations: Lookup<'_, Histogram, N>, took: Duration) {
        match self.trace.and_then(TraceContext::exemplar) {
            Some((trace, span)) => {
                let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
                durations.record_with_exemplar(nanoseconds, trace, span);
            }
            None => durations.record_duration(took),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let reason = match self.state {
            State::Answered => return,
            State::Inside => "panicked",
            State::Waiting => "cancelled",
        };
        let counted = self.metrics.dropped.as_ref().unwrap_or(&self.metrics.requests);
        counted.at([self.method, &self.route, reason]).inc();
        self.metrics.ended();
    }
}

pin_project! {
    /// The response to come of an [`HttpService`].
    pub struct HttpFuture<F> {
        #[pin]
        inner: F,
        open: Open,
    }
}

impl<F> fmt::Debug for HttpFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpFuture").field("state", &self.open.state).finish_non_exhaustive()
    }
}

impl<F, R, E> Future for HttpFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.open.state = State::Inside;
        let polled = this.inner.poll(context);
        this.open.state = State::Waiting;
        let result = ready!(polled);
        match &result {
            Ok(response) => this.open.answered(response.status().as_str()),
            Err(_) => this.open.answered("error"),
        }
        Poll::Ready(result)
    }
}
