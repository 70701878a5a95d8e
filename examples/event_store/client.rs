//! The load: clients that ask over real connections, and remember what they asked and what they were answered.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use ureq::http::Request;

/// Rounds that each client works at least.
const ROUNDS: u64 = 100;

pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// An answered request as the page should count it: method, route template, status.
pub type Seen = (&'static str, &'static str, u16);

/// One client, and what it did.
pub struct Client {
    agent: ureq::Agent,
    base: String,
    pub done: BTreeMap<Seen, u64>,
}

impl Client {
    pub fn new(base: String) -> Client {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .timeout_global(Some(Duration::from_secs(30)));
        Client { agent: config.build().into(), base, done: BTreeMap::new() }
    }

    /// Asks for `path`, which `route` is the template of.
    pub fn ask(
        &mut self,
        method: &'static str,
        (route, path): (&'static str, &str),
        body: &str,
    ) -> Result<(u16, String), Error> {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        let mut response = match body {
            "" => self.agent.run(request.body(())?)?,
            _ => self.agent.run(request.body(body.to_owned())?)?,
        };
        let status = response.status().as_u16();
        let answer = response.body_mut().read_to_string()?;
        let method = if method == "BREW" { "other" } else { method };
        *self.done.entry((method, route, status)).or_default() += 1;
        Ok((status, answer))
    }

    /// Everything that a user does with the store, again and again until `end`.
    pub fn work(mut self, number: u64, end: Instant) -> Result<BTreeMap<Seen, u64>, Error> {
        const EVENTS: &str = "/api/v1/events";
        let entity = format!("order-{number}");
        let of = |action: &str| format!("/api/v1/entities/{entity}/{action}");
        let (total, snapshots) = (of("total"), of("snapshots"));
        self.ask("POST", ("/api/v1/schemas/{subject}", "/api/v1/schemas/placed"), "[\"amount\"]")?;
        for round in 0_u64.. {
            let amount = (round * 37 + number) % 1_000;
            let placed =
                format!("{{\"type\":\"placed\",\"entity\":\"{entity}\",\"amount\":{amount}}}");
            let (_, count) = self.ask("POST", (EVENTS, EVENTS), &placed)?;
            let shipped = format!("{{\"type\":\"shipped\",\"entity\":\"{entity}\"}}");
            self.ask("POST", (EVENTS, EVENTS), &shipped)?;
            self.ask("GET", ("/api/v1/entities/{entity}/total", &total), "")?;
            self.ask("GET", (EVENTS, &format!("{EVENTS}?entity={entity}")), "")?;
            if round % 16 == 0 {
                self.rare(round, &entity, &snapshots, count.parse::<u64>()?)?;
            }
            // A slow machine takes the time that it takes for all to have happened.
            if round >= ROUNDS && Instant::now() >= end {
                break;
            }
        }
        Ok(self.done)
    }

    /// What is asked now and then, mistakes among it.
    fn rare(&mut self, round: u64, entity: &str, snapshots: &str, count: u64) -> Result<(), Error> {
        const EVENTS: &str = "/api/v1/events";
        const LISTEN: &str = "/api/v1/listen/{from}";
        let without = format!("{{\"type\":\"placed\",\"entity\":\"{entity}\"}}");
        self.ask("POST", (EVENTS, EVENTS), &without)?;
        self.ask("POST", (EVENTS, EVENTS), "no event")?;
        self.ask("GET", (EVENTS, &format!("{EVENTS}?type=shipped")), "")?;
        self.ask("GET", (EVENTS, EVENTS), "")?;
        self.ask("POST", ("/api/v1/entities/{entity}/snapshots", snapshots), "")?;
        self.ask("POST", ("/api/v1/replays/{projection}", "/api/v1/replays/totals"), "")?;
        self.ask("POST", ("/api/v1/replays/{projection}", "/api/v1/replays/none"), "")?;
        self.ask("POST", ("/api/v1/compactions", "/api/v1/compactions"), "")?;
        self.ask("GET", (LISTEN, &format!("/api/v1/listen/{}", count - 1)), "")?;
        self.ask("GET", (LISTEN, "/api/v1/listen/1000000000"), "")?;
        // No route, and no method: neither may make a series of its own.
        self.ask("GET", ("unmatched", &format!("/nowhere/{entity}/{round}")), "")?;
        self.ask("BREW", (EVENTS, EVENTS), "")?;
        Ok(())
    }
}
