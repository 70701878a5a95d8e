//! A real Prometheus, started on loopback, asked through its query API.
#![allow(dead_code, reason = "each test binary uses some of it")]

use crate::common::loopback::wait;
use crate::servers::{self, Server, encoded};
use std::net::SocketAddr;
use std::process::Command;

/// Whether there is a Prometheus to test with; see [`servers::is_here`].
pub fn is_here() -> bool {
    servers::is_here("prometheus promtool", "prometheus")
}

/// The value of a query that gives one series; `None` while it gives none.
pub fn query(address: SocketAddr, query: &str) -> Option<f64> {
    let path = format!("/api/v1/query?query={}", encoded(query));
    let (status, body) = servers::ask(address, "GET", &path, "", b"").unwrap();
    assert_eq!(status, 200, "{query}: {body}");
    let mut values = body.split("\"value\":[").skip(1);
    // `1700000000.123,"42"]}`
    let value = values.next()?.split('"').nth(1).unwrap().parse().unwrap();
    assert!(values.next().is_none(), "{query} gives several: {body}");
    Some(value)
}

/// A running Prometheus; ends with the value.
pub struct Prometheus(Server);

impl Prometheus {
    /// One that scrapes `target` five times a second.
    pub fn scraping(target: SocketAddr) -> Prometheus {
        Prometheus::scraping_with(target, "")
    }

    /// As [`Prometheus::scraping`], with further settings of the scrape: `, scheme: https`.
    pub fn scraping_with(target: SocketAddr, settings: &str) -> Prometheus {
        Prometheus::configured(Some((target, settings)), None, &[])
    }

    /// As [`Prometheus::scraping_with`], with a rule file, evaluated five times a second unless it says otherwise.
    pub fn with_rules(target: SocketAddr, settings: &str, rules: &str) -> Prometheus {
        Prometheus::configured(Some((target, settings)), Some(rules), &[])
    }

    /// Where its rule file is, as it says itself.
    pub fn rule_file(&self) -> String {
        self.0.folder.join("rules.yml").display().to_string()
    }

    /// One that scrapes `target`, if there is one, and has more arguments.
    pub fn with(target: Option<SocketAddr>, arguments: &[&str]) -> Prometheus {
        Prometheus::configured(target.map(|target| (target, "")), None, arguments)
    }

    fn configured(
        target: Option<(SocketAddr, &str)>,
        rules: Option<&str>,
        arguments: &[&str],
    ) -> Prometheus {
        let mut config = "global: {scrape_interval: 200ms, scrape_timeout: 200ms".to_owned();
        // Only then: it is also the step of subqueries that have none.
        config += match rules {
            Some(_) => ", evaluation_interval: 200ms}\nrule_files: [rules.yml]\n",
            None => "}\n",
        };
        if let Some((target, settings)) = target {
            config += &format!(
                "scrape_configs:\n\
                 - {{job_name: tachometer, static_configs: [{{targets: ['{target}']}}]{settings}}}\n"
            );
        }
        Prometheus(Server::start_with("prometheus", 1, "/-/ready", |folder, ports| {
            let file = folder.join("prometheus.yml");
            std::fs::write(&file, &config).unwrap();
            if let Some(rules) = rules {
                std::fs::write(folder.join("rules.yml"), rules).unwrap();
            }
            let mut command = Command::new("prometheus");
            command
                .arg(format!("--config.file={}", file.display()))
                .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
                .arg(format!("--web.listen-address={}", ports[0]))
                .arg("--enable-feature=exemplar-storage")
                .args(arguments);
            command
        }))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// See [`query`].
    pub fn query(&self, asked: &str) -> Option<f64> {
        query(self.address(), asked)
    }

    /// Waits until a query gives `wanted`.
    pub fn wait_for(&self, query: &str, wanted: f64) {
        wait(|| match self.query(query) {
            value if value == Some(wanted) => Ok(()),
            value => Err(format!("{query} is {value:?}, not {wanted}")),
        });
    }
}
