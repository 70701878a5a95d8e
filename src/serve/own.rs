//! What the listener counts about itself: in the engine's registry, if the engine records its own
//! metrics.

use crate::registry::{Registry, Unit};
use crate::{Counter, EnumFamily, Error, Histogram};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

crate::labels! {
    /// What was asked for. A closed set: clients cannot add series.
    #[cfg_attr(
        not(all(feature = "history", feature = "rules")),
        allow(dead_code, reason = "only queries and rules need some of it")
    )]
    pub(super) enum Path("path") {
        Root = "/",
        Metrics = "/metrics",
        /// And what is below it.
        Health = "/health",
        Stats = "/stats",
        /// A file of the live page.
        Page = "/page",
        /// And what is below it.
        Api = "/api/v1",
        /// A stream that began, or could not.
        Events = "/api/v1/events",
        Aggregated = "/metrics/aggregated",
        /// Any endpoint of the host's own.
        Host = "host",
        /// Another path, or a request that could not be read.
        Other = "other",
    }
}

crate::labels! {
    /// How it was answered.
    #[cfg_attr(
        not(all(feature = "history", feature = "rules")),
        allow(dead_code, reason = "only queries and rules need some of it")
    )]
    pub(super) enum Code("code") {
        Ok = "200",
        /// A file that the client has already.
        NotModified = "304",
        BadRequest = "400",
        Unauthorized = "401",
        NotFound = "404",
        MethodNotAllowed = "405",
        NotAcceptable = "406",
        RequestTimeout = "408",
        LengthRequired = "411",
        ContentTooLarge = "413",
        Unprocessable = "422",
        HeaderTooLarge = "431",
        Internal = "500",
        NotImplemented = "501",
        Unavailable = "503",
    }
}

crate::labels! {
    /// The limit at which the listener closed a connection.
    #[cfg_attr(
        not(all(feature = "history", feature = "rules")),
        allow(dead_code, reason = "only streams of events need some of it")
    )]
    pub(super) enum Limit("limit") {
        Idle = "idle",
        Write = "write",
        Pages = "pages",
        Requests = "requests",
        /// Its address is not on the list of those that are let in.
        Network = "network",
        /// It did not take the events that it asked for.
        Slow = "slow",
    }
}

/// The listener's own metrics. Registered ones record nothing if they are off; the tally is always kept, for `/stats`.
#[derive(Debug, Default)]
pub(super) struct OwnMetrics {
    handles: Option<Handles>,
    pub(super) tally: Tally,
}

/// Plain counts since the listener began. All relaxed: they publish nothing but themselves.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) requests: AtomicU64,
    pub(super) errors: AtomicU64,
    pub(super) pages: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) closed: AtomicU64,
    /// Connections that are open now.
    pub(super) open: AtomicU64,
}

#[derive(Debug)]
struct Handles {
    requests: EnumFamily<Counter, (Path, Code)>,
    scrape: Histogram,
    refused: Counter,
    closed: EnumFamily<Counter, Limit>,
}

impl OwnMetrics {
    /// Registers them beside the engine's own metrics, if those are there.
    pub(super) fn register(registry: &Registry) -> Result<OwnMetrics, Error> {
        if !registry.has_own_metrics() {
            return Ok(OwnMetrics::default());
        }
        let handles = Handles {
            requests: registry
                .metric("tachometer_http_requests_total", "Requests by path and status code.")
                .enum_family()?,
            scrape: registry
                .metric(
                    "tachometer_http_scrape_duration_seconds",
                    "From a request for the metrics to the last byte of the page.",
                )
                .unit(Unit::Nanoseconds)
                .histogram()?,
            refused: registry.counter(
                "tachometer_http_connections_refused_total",
                "Connections over the limit on their number.",
            )?,
            closed: registry
                .metric(
                    "tachometer_http_connections_closed_total",
                    "Connections closed because they met a limit.",
                )
                .enum_family()?,
        };
        Ok(OwnMetrics { handles: Some(handles), tally: Tally::default() })
    }

    pub(super) fn answered(&self, path: Path, code: Code) {
        self.tally.requests.fetch_add(1, Ordering::Relaxed);
        self.tally
            .errors
            .fetch_add(u64::from(!matches!(code, Code::Ok | Code::NotModified)), Ordering::Relaxed);
        if let Some(own) = &self.handles {
            own.requests.at((path, code)).inc();
        }
    }

    pub(super) fn scraped(&self, took: Duration) {
        if let Some(own) = &self.handles {
            own.scrape.record_duration(took);
        }
    }

    pub(super) fn refused(&self) {
        self.tally.refused.fetch_add(1, Ordering::Relaxed);
        if let Some(own) = &self.handles {
            own.refused.inc();
        }
    }

    pub(super) fn closed(&self, limit: Limit) {
        self.tally.closed.fetch_add(1, Ordering::Relaxed);
        if let Some(own) = &self.handles {
            own.closed.at(limit).inc();
        }
    }
}
