//! An engine that nobody but the listener drives, and its listener.

use crate::client::{Answer, Client, get};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tachometer::{Counter, Engine, Listener, ManualClock, Registry};

/// A scrape, as a connection that stays open makes it.
pub const SCRAPE: &str = "GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n";

/// An engine that nobody but the listener drives, with a counter, and its listener.
pub struct Stand {
    pub registry: Registry,
    pub events: Counter,
    pub engine: Engine,
    pub listener: Listener,
}

impl Stand {
    pub fn new() -> Stand {
        Stand::with(false)
    }

    pub fn with(own_metrics: bool) -> Stand {
        let registry = Registry::new();
        let events = registry.counter("events_total", "Events.").unwrap();
        let engine = Engine::builder()
            .registry(&registry)
            .manual(&ManualClock::at(Duration::ZERO))
            .own_metrics(own_metrics)
            .start()
            .unwrap();
        let listener = Listener::bind(&engine, "127.0.0.1:0").unwrap();
        Stand { registry, events, engine, listener }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    pub fn scrape(&self) -> Answer {
        let answer = get(self.address(), "/metrics");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }
}

/// Held by tests that need many descriptors, so that they do not need them at the same time.
pub fn many_descriptors() -> MutexGuard<'static, ()> {
    static MANY: Mutex<()> = Mutex::new(());
    MANY.lock().unwrap_or_else(PoisonError::into_inner)
}
