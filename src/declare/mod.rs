//! What a bundle says of itself, once: series, the question that each answers, its panel and its alerts.
//!
//! [`bundle!`](crate::bundle) declares a struct of handles; behind `=>` stands what people want to know of a series. From
//! that one place come the handles, the series on every page, the panels of the live page and of Grafana, the rules for
//! this process and for Prometheus, and a page of documentation. [`Bundle`] is that declaration as data:
//!
//! ```
//! use std::time::Duration;
//! use tachometer::declare::{Alert, Bound, PanelKind, Severity};
//! use tachometer::{Counter, Histogram, Unit};
//! tachometer::bundle! {
//!     /// What a store records.
//!     pub struct StoreMetrics("store_", "Store") {
//!         "Writes":
//!         /// Writes that failed.
//!         pub failed: Counter = "write_errors_total"
//!             => asks("Do writes fail?"), titled("Failed writes"),
//!                alert(Alert::when_beyond("StoreWritesFail", "rate(store_write_errors_total[1m])", Bound::Above(0.0))
//!                    .hold(Duration::from_secs(10))
//!                    .severity(Severity::Critical)
//!                    .component("storage")
//!                    .summary("Writes fail")
//!                    .description("{{ $value }} writes a second failed in the last minute.")
//!                    .action("Look at the disk, and at the log."));
//!         /// How long a write took.
//!         pub write: Histogram = "write_duration_seconds", unit(Unit::Nanoseconds)
//!             => asks("How long does a write take?"), titled("Write latency"), headline();
//!     }
//!     derived {
//!         /// Writes a second.
//!         "write_throughput" = "rate(store_write_duration_seconds_count[10s])"
//!             => asks("How many writes are there?"), titled("Writes");
//!     }
//! }
//! let store = StoreMetrics::declaration();
//! assert_eq!(store.series()[1].full_name(), "store_write_duration_seconds");
//! let latency = store.series()[1].panel();
//! assert_eq!((latency.title.as_str(), latency.kind), ("Write latency", PanelKind::Heatmap));
//! // A panel of a series with an alert has the alert's own expression, and its threshold.
//! let failed = store.series()[0].panel();
//! assert_eq!(failed.targets[0].expression("1m"), "rate(store_write_errors_total[1m])");
//! assert_eq!(failed.thresholds[0].bound, Bound::Above(0.0));
//! // Under another prefix, expressions say that prefix.
//! let orders = StoreMetrics::declaration_as("orders_");
//! assert_eq!(orders.series()[2].expression(), Some("rate(orders_write_duration_seconds_count[10s])"));
//! ```
//!
//! A bundle that was registered is known to its registry ([`Registry::bundles`](crate::Registry::bundles)), under the prefix that
//! it was registered with: so whoever serves the registry knows what to show.

mod alert;
mod markdown;
mod panel;
mod prefix;
mod series;

pub use alert::{Alert, Bound, Condition, Severity};
pub use panel::{Panel, PanelKind, PanelUnit, Target, Threshold, WINDOW};
pub use series::{Label, Series};

use prefix::Rename;

/// The declaration of a bundle. Made by the functions `declaration` and `declaration_as` that [`bundle!`](crate::bundle)
/// writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    name: &'static str,
    title: String,
    help: String,
    prefix: String,
    series: Vec<Series>,
}

impl Bundle {
    /// Puts a declaration together: what the macro calls. Names and expressions are given as declared, under `declared`,
    /// and say `prefix` afterwards; so do the names of the bundles `beside` it.
    #[doc(hidden)]
    pub fn new(
        (name, title, help): (&'static str, &'static str, &str),
        (declared, prefix, beside): (&str, &str, &[&[&'static str]]),
        mut series: Vec<Series>,
    ) -> Bundle {
        let stem = declared.trim_end_matches('_');
        let mut names: Vec<&str> = beside.concat();
        names.extend(series.iter().map(Series::name));
        let rename = Rename::new(declared, prefix, &names);
        let mut section = String::new();
        for one in &mut series {
            one.place(prefix, &rename, &mut section);
        }
        let title = match title {
            "" => stem.to_owned(),
            title => title.to_owned(),
        };
        Bundle { name, title, help: series::text(help), prefix: prefix.to_owned(), series }
    }

    /// The name of its struct, as `RaftMetrics`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What people call it, as `Raft`.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// A name for files, rule groups and addresses: the title in small letters, anything but letters and digits as `_`.
    pub fn id(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        self.title.chars().map(plain).collect()
    }

    /// What it is about, from the struct's documentation.
    pub fn help(&self) -> &str {
        &self.help
    }

    /// What all names of recorded series begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Its series in the order of the declaration; those that rules derive come last.
    pub fn series(&self) -> &[Series] {
        &self.series
    }

    /// Its alerts, in the order of their series.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.series.iter().flat_map(Series::alerts)
    }

    /// Its sections in order, each with its series; a declaration without sections has one, without a name.
    pub fn sections(&self) -> Vec<(&str, Vec<&Series>)> {
        let mut sections: Vec<(&str, Vec<&Series>)> = Vec::new();
        for series in &self.series {
            match sections.iter_mut().find(|(section, _)| *section == series.section()) {
                Some((_, members)) => members.push(series),
                None => sections.push((series.section(), vec![series])),
            }
        }
        sections
    }
}

#[cfg(test)]
mod tests;
