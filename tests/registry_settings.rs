//! What a registry says of metrics that leave it open: precision of histograms, limit of families; and that it comes in
//! time or not at all.

use std::time::Duration;
use tachometer::{
    Counter, Engine, EnumFamily, Error, Family, Histogram, ManualClock, Precision, Registry,
    RegistrySettings, Snapshot,
};

tachometer::labels! { enum Side("side") { Left = "left", Right = "right" } }

static PLAIN: Histogram = Histogram::new("settings_plain", "Leaves it open.");
static OWN: Histogram = Histogram::new("settings_own", "Says it.").precision(Precision::Three);
static NAMED: Histogram =
    Histogram::new("settings_named", "Is overruled.").precision(Precision::Three);
static SIDES: EnumFamily<Histogram, Side> = EnumFamily::new("settings_sides", "By side.");
static PEERS: Family<Histogram, 1> = Family::new("settings_peers", "By peer.", ["peer"]);
static FEW: Family<Counter, 1> = Family::new("settings_few_total", "By peer.", ["peer"]);
static SOME: Family<Counter, 1> = Family::new("settings_some_total", "By peer.", ["peer"]).limit(3);

fn snapshot(registry: &Registry) -> std::sync::Arc<Snapshot> {
    let clock = ManualClock::at(Duration::ZERO);
    let engine = Engine::builder().registry(registry).own_metrics(false).manual(&clock);
    engine.start().unwrap().refresh()
}

/// The one test that uses the global registry: its settings are the process's.
#[test]
fn statics_take_what_the_global_registry_says() {
    let settings = RegistrySettings::new()
        .precision(Precision::One)
        .precision_of("settings_named", Precision::Two)
        .family_limit(2);
    Registry::global().configure(settings.clone()).unwrap();
    // Many threads at once, each of which may be the one that registers; all values tell one shape's bucket from another's.
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            scope.spawn(move || {
                for value in (1..2_000).map(|at| at * 37 + thread) {
                    PLAIN.record(value);
                    OWN.record_n(value, 2);
                    NAMED.clone().record(value);
                    SIDES.at(Side::Left).record(value);
                    SIDES.handle(Side::Right).record(value);
                    PEERS.at(["one"]).record(value);
                    PEERS.handle(["two"]).record(value);
                }
            });
        }
    });
    for peer in ["a", "b", "c", "d"] {
        FEW.at([peer]).inc();
        SOME.at([peer]).inc();
    }
    let snapshot = snapshot(Registry::global());
    let precisions = [
        ("settings_plain", Precision::One, 1),
        ("settings_own", Precision::Three, 2),
        ("settings_named", Precision::Two, 1),
        ("settings_sides", Precision::One, 2),
        ("settings_peers", Precision::One, 2),
    ];
    let sum: u64 = (0..8).flat_map(|thread| (1..2_000).map(move |at| at * 37 + thread)).sum();
    for (name, precision, times) in precisions {
        let found = snapshot.histogram(name).unwrap();
        assert_eq!(found.precision(), precision, "{name}");
        assert_eq!(
            (found.count(), found.sum()),
            (8 * 1_999 * times, u128::from(sum * times)),
            "{name}"
        );
        let exact = f64::from(1_000_u32 * 37);
        let error = (found.quantile(0.5).unwrap() as f64 - exact).abs() / exact;
        let width = [0.0625, 0.008, 0.001][usize::from(precision.figures()) - 1];
        assert!(error <= width + 0.002, "{name}: {error}");
    }
    for (name, limit) in [("settings_few_total", 2), ("settings_some_total", 3)] {
        let series = snapshot.series().filter(|s| s.definition.name == name);
        assert_eq!(series.count(), limit + 1, "{name}: those, and the overflow series");
    }
    assert!(Registry::global().rejected().is_empty());

    // The same again does nothing; others are too late, and say for which metric.
    Registry::global().configure(settings.clone()).unwrap();
    let error = Registry::global().configure(settings.precision(Precision::Two)).unwrap_err();
    let Error::InvalidSetting { reason, .. } = &error else { panic!("{error}") };
    assert!(reason.contains("too late") && reason.contains("settings_"), "{error}");
}

#[test]
fn what_a_registry_makes_takes_it_and_views_of_it_too() {
    let registry = Registry::new();
    let settings =
        RegistrySettings::new().precision(Precision::Three).precision_of("raft_*", Precision::One);
    let view = registry.scope([("group", "g")]).unwrap();
    // A counter asks for nothing.
    registry.counter("events_total", "Events.").unwrap();
    view.configure(settings).unwrap();
    view.histogram("raft_batch", "Batches.").unwrap().record(1_000_003);
    registry.histogram("size", "Sizes.").unwrap().record(1_000_003);
    let family = view.metric("wait", "Waits.").family::<Histogram, 1>(["peer"]).unwrap();
    family.clone().at(["p"]).record(1_000_003);
    let sides = registry.metric("raft_sides", "By side.").enum_family::<Histogram, Side>().unwrap();
    sides.clone().at(Side::Right).record(7);
    let snapshot = snapshot(&registry);
    let precision = |name: &str| snapshot.histogram(name).unwrap().precision();
    assert_eq!(
        (precision("raft_batch"), precision("raft_sides")),
        (Precision::One, Precision::One)
    );
    assert_eq!((precision("size"), precision("wait")), (Precision::Three, Precision::Three));
    assert_eq!(snapshot.histogram("wait").unwrap().max(), Some(1_000_003));
    // The same definition again is the same series, however its precision came about.
    let again = registry.metric("size", "Sizes.").precision(Precision::Three).histogram();
    again.unwrap().record(1);
}

#[test]
fn an_engine_s_own_histograms_make_settings_late() {
    let registry = Registry::new();
    let _engine = Engine::builder().registry(&registry).start().unwrap();
    let error = registry.configure(RegistrySettings::new().family_limit(7)).unwrap_err();
    assert!(error.to_string().contains("before its engine starts"), "{error}");
    for wrong in [0, tachometer::limits::MAX_FAMILY_LIMIT + 1] {
        let error =
            Registry::new().configure(RegistrySettings::new().family_limit(wrong)).unwrap_err();
        assert!(error.to_string().contains("family_limit"), "{error}");
    }
    let bad = RegistrySettings::new().precision_of("a*b", Precision::One);
    assert!(Registry::new().configure(bad).unwrap_err().to_string().contains("\"a*b\""));
}
