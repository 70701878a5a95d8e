//! `/stats`: what the engine costs and holds, for an operator to read. Nothing here is secret: no addresses of clients, no
//! credentials, no label values.
//!
//! What the engine records about itself is taken from the latest snapshot, and null where it records nothing.

use super::json::Json;
use super::site::Site;
use crate::aggregate::engine::Core;
use crate::aggregate::generation::shared_value;
use crate::shard::layout::{OVERFLOW_RECORDS, OVERFLOW_SERIES};
use crate::shard::{DOMAIN, domain};
use crate::{Snapshot, limits};
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) fn of(site: &Site, core: Option<&Core>) -> Json {
    let engine = core.map(|core| engine(core, &core.latest()));
    Json::Object(vec![
        ("version", env!("CARGO_PKG_VERSION").into()),
        ("engine", engine.unwrap_or(Json::Null)),
        ("shards", shards()),
        ("overflow", overflow()),
        ("listener", listener(site)),
        ("limits", all_limits(site)),
    ])
}

fn engine(core: &Core, latest: &Snapshot) -> Json {
    let state = core.vital().state();
    let counter = |name: &str| Json::from(latest.counter(name).ok());
    Json::Object(vec![
        ("state", state.into()),
        ("generation", latest.generation().into()),
        ("age_seconds", core.age(latest).into()),
        ("complete", latest.is_complete().into()),
        ("interval_seconds", core.interval().into()),
        ("series", latest.len().into()),
        ("histograms", latest.layout.histograms.into()),
        ("families", latest.layout.families.len().into()),
        ("rejected_registrations", latest.rejected_records().len().into()),
        ("incomplete_cuts", counter("tachometer_incomplete_cuts_total")),
        ("dropped_ticks", counter("tachometer_dropped_ticks_total")),
        ("callback_panics", counter("tachometer_callback_panics_total")),
        ("cut_wait_seconds", spread(latest, "tachometer_cut_wait_seconds")),
        ("generation_seconds", spread(latest, "tachometer_generation_seconds")),
    ])
}

/// Median, tail and count of one of the engine's histograms.
fn spread(latest: &Snapshot, name: &str) -> Json {
    let Ok(histogram) = latest.histogram(name) else { return Json::Null };
    Json::Object(vec![
        ("count", histogram.count().into()),
        ("p50", histogram.quantile_duration(0.5).into()),
        ("p99", histogram.quantile_duration(0.99).into()),
        ("max", histogram.quantile_duration(1.0).into()),
    ])
}

fn shards() -> Json {
    let all = DOMAIN.shards.iter().count();
    let taken = DOMAIN.shards.iter().filter(|node| node.is_taken()).count();
    Json::Object(vec![
        ("all", all.into()),
        ("in_use", taken.into()),
        ("arena_bytes", domain::arena_bytes().into()),
        ("reserved_bytes", (all * domain::arena_bytes()).into()),
    ])
}

fn overflow() -> Json {
    Json::Object(vec![
        ("records", shared_value(OVERFLOW_RECORDS).into()),
        ("series_records", shared_value(OVERFLOW_SERIES).into()),
    ])
}

fn listener(site: &Site) -> Json {
    let tally = &site.own.tally;
    let count = |counter: &AtomicU64| Json::from(counter.load(Ordering::Relaxed));
    let formats = site.rules.formats.names().map(Json::from).collect();
    Json::Object(vec![
        ("connections", count(&tally.open)),
        ("requests", count(&tally.requests)),
        ("errors", count(&tally.errors)),
        ("pages", count(&tally.pages)),
        ("refused", count(&tally.refused)),
        ("closed_at_a_limit", count(&tally.closed)),
        ("authentication", site.rules.auth.is_on().into()),
        ("formats", Json::List(formats)),
    ])
}

fn all_limits(site: &Site) -> Json {
    let mut all = vec![
        ("shards", domain::max_shards().into()),
        ("scalars", limits::MAX_SCALARS.into()),
        ("histograms", limits::MAX_HISTOGRAMS.into()),
    ];
    all.extend(site.limits.iter().cloned());
    Json::Object(all)
}
