#![allow(dead_code, reason = "the bundles here are declared, not recorded through")]

use super::prefix::Rename;
use super::*;
use crate::{Counter, EnumFamily, Family, Gauge, Histogram, Kind, Unit};
use std::time::Duration;

crate::labels! {
    enum Outcome("outcome") { Ok = "ok", Failed = "failed" }
}

crate::bundle! {
    /// What a store
    /// records.
    struct StoreMetrics("store_", "Event store") {
        "Reads":
        /// Reads by outcome.
        reads: EnumFamily<Counter, Outcome> = "reads_total" => asks("Do reads fail?"), headline();
        /// Reads by table.
        tables: Family<Counter, 2> = "table_bytes_total", unit(Unit::Bytes), keys(["table", "kind"]);
        "State":
        /// What it is.
        state: Gauge = "state" => states(&[(0.0, "down"), (1.0, "up")]);
        /// Waited.
        wait: Histogram = "wait_seconds", unit(Unit::Nanoseconds)
            => titled("Waiting"),
               alert(Alert::when_beyond("StoreSlow", "store:wait:p99", Bound::Above(0.25)).hold(Duration::from_secs(5))),
               alert(Alert::when("StoreGone", "absent(store_state) or store_wait_seconds_count == 0"));
    }
    derived {
        /// 99th percentile.
        "store:wait:p99" = "histogram_quantile(0.99, rate(store_wait_seconds_bucket[1m]))";
        "Throughput":
        /// Reads a second.
        "read_throughput" = "sum without (outcome) (rate(store_reads_total[10s]))";
    }
}

#[test]
fn a_declaration_has_types_labels_and_sections() {
    let store = StoreMetrics::declaration();
    assert_eq!(
        (store.name(), store.title(), store.id().as_str()),
        ("StoreMetrics", "Event store", "event_store")
    );
    assert_eq!(store.help(), "What a store records.");
    let sections: Vec<_> =
        store.sections().into_iter().map(|(name, series)| (name, series.len())).collect();
    assert_eq!(sections, [("Reads", 2), ("State", 3), ("Throughput", 1)]);
    let [reads, tables, state, wait, p99, throughput] = store.series() else { panic!("{store:?}") };
    assert_eq!(reads.labels(), [Label { name: "outcome".into(), values: Some(&["ok", "failed"]) }]);
    let open = |name: &str| Label { name: name.into(), values: None };
    assert_eq!(tables.labels(), [open("table"), open("kind")]);
    assert_eq!(
        store.series().iter().map(Series::kind).collect::<Vec<_>>(),
        [Kind::Counter, Kind::Counter, Kind::Gauge, Kind::Histogram, Kind::Gauge, Kind::Gauge]
    );
    assert_eq!(p99.full_name(), "store:wait:p99");
    assert_eq!(throughput.full_name(), "store_read_throughput");
    assert_eq!(reads.panel().title, "Reads");
    assert_eq!(reads.panel().targets[0].expression("2m"), "rate(store_reads_total[2m])");
    assert_eq!(tables.panel().unit, PanelUnit::BytesPerSecond);
    assert_eq!((state.panel().kind, state.panel().states.len()), (PanelKind::Timeline, 2));
    let panel = wait.panel();
    assert_eq!(
        (panel.kind, panel.unit, panel.targets.len()),
        (PanelKind::Heatmap, PanelUnit::Seconds, 4)
    );
    assert_eq!(panel.targets[0].expression("1m"), "store:wait:p99");
    let bounds: Vec<_> =
        panel.thresholds.iter().map(|one| (one.alert, one.bound.to_string())).collect();
    assert_eq!(bounds, [("StoreSlow", "> 0.25".to_owned())]);
    assert_eq!(panel.histogram.as_deref(), Some("store_wait_seconds"));
}

#[test]
fn another_prefix_is_in_every_name_and_expression() {
    let orders = StoreMetrics::declaration_as("orders_");
    let [.., wait, p99, throughput] = orders.series() else { panic!() };
    assert_eq!(wait.alerts()[0].expression(), "orders:wait:p99");
    assert_eq!(
        wait.alerts()[1].expression(),
        "absent(orders_state) or orders_wait_seconds_count == 0"
    );
    assert_eq!(p99.full_name(), "orders:wait:p99");
    assert_eq!(
        p99.expression(),
        Some("histogram_quantile(0.99, rate(orders_wait_seconds_bucket[1m]))")
    );
    assert_eq!(throughput.full_name(), "orders_read_throughput");
    assert_eq!(
        throughput.expression(),
        Some("sum without (outcome) (rate(orders_reads_total[10s]))")
    );
}

#[test]
fn only_names_of_the_bundle_are_renamed() {
    let names = ["reads_total", "store:wait:p99"];
    let rename = Rename::new("store_", "s_", &names);
    assert_eq!(
        rename.of(r#"store_reads_total{a="store_reads_total",b='\'store_reads_total'} + store_writes_total + xstore_reads_total"#),
        r#"s_reads_total{a="store_reads_total",b='\'store_reads_total'} + store_writes_total + xstore_reads_total"#
    );
    assert_eq!(
        rename.of("store:wait:p99 > store:wait:p50 and \"é"),
        "s:wait:p99 > store:wait:p50 and \"é"
    );
}

#[test]
fn a_registry_knows_what_was_registered() {
    let registry = crate::Registry::new();
    StoreMetrics::register(&registry.scope([("shard", "1")]).unwrap()).unwrap();
    StoreMetrics::register(&registry.scope([("shard", "2")]).unwrap()).unwrap();
    StoreMetrics::register_as(&registry, "orders_", |metric| metric).unwrap();
    let known = registry.bundles();
    let prefixes: Vec<_> = known.iter().map(|bundle| (bundle.name(), bundle.prefix())).collect();
    assert_eq!(prefixes, [("StoreMetrics", "store_"), ("StoreMetrics", "orders_")]);
}
