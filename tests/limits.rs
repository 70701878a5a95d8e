//! Too many of anything: set-up gets an error that names the limit and what to do; what records cannot fail, so it goes to
//! a series that is there for it, counted as such and never lost.

mod common;

use common::process::own_process;
use common::{by_hand, by_hand_with_own_metrics, page, page_of};
use tachometer::limits::{
    MAX_HELP_BYTES, MAX_HISTOGRAMS, MAX_LABEL_VALUE_BYTES, MAX_LABELS, MAX_SCALARS,
};
use tachometer::{
    Counter, Engine, EnumFamily, Error, Family, Gauge, Histogram, Precision, Registry,
    UpDownCounter,
};

tachometer::labels! {
    /// A closed set.
    enum Color("color") { Red = "red", Blue = "blue" }
}

#[test]
fn too_much_of_it() {
    let registry = Registry::new();
    let labelled = |count: usize| {
        let metric = registry.metric("wide_total", "Wide.");
        (0..count).fold(metric, |metric, i| metric.label(format!("l{i}"), "v"))
    };
    labelled(MAX_LABELS).counter().expect("as many as there may be");
    let error = labelled(MAX_LABELS + 1).counter().unwrap_err();
    let Error::TooMany { limit, .. } = error else { panic!("{error:?}") };
    assert_eq!(limit, MAX_LABELS);
    let text = error.to_string();
    assert!(text.contains("labels on one series (33): the limit is 32; each label"), "{text}");
    let scope = registry.scope((0..20).map(|i| (format!("s{i}"), "v"))).unwrap();
    let inner = scope.scope((0..13).map(|i| (format!("t{i}"), "v"))).unwrap_err();
    assert!(matches!(inner, Error::TooMany { limit: MAX_LABELS, .. }), "{inner}");

    let error = registry.counter("helped_total", &"x".repeat(MAX_HELP_BYTES + 1)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("bytes of help for \"helped_total\": the limit is 4096"), "{text}");

    let value = "v".repeat(MAX_LABEL_VALUE_BYTES + 1);
    let error = registry.metric("a_total", "A.").label("text", &*value).counter().unwrap_err();
    let text = error.to_string();
    assert!(text.contains("in the value of label \"text\" (4097): the limit is 4096"), "{text}");
    assert!(registry.scope([("text", &value)]).is_err());
    assert!(Engine::builder().registry(&registry).label("text", &*value).start().is_err());
    page::parse(&page_of(&by_hand(&registry)));
}

#[test]
fn a_family_past_its_limit_counts_in_its_overflow_series() {
    let registry = Registry::new();
    let engine = by_hand_with_own_metrics(&registry);
    let metric = |name: &str| registry.metric(name, "By peer.").limit(3);
    let counters: Family<Counter, 1> = metric("count_total").family(["peer"]).unwrap();
    let up_down: Family<UpDownCounter, 1> = metric("balance").family(["peer"]).unwrap();
    let gauges: Family<Gauge, 1> = metric("level").family(["peer"]).unwrap();
    let histograms: Family<Histogram, 1> = metric("size").family(["peer"]).unwrap();
    assert!(!page_of(&engine).contains("overflow=\"true\""), "not before it is needed");
    for round in 0..4 {
        for peer in 0..10 {
            let peer = format!("p{peer}");
            counters.at([&peer]).add(2);
            up_down.at([&peer]).add(-1);
            gauges.at([&peer]).set(f64::from(round));
            histograms.at([&peer]).record(100);
        }
    }
    engine.refresh();
    let now = engine.refresh();
    let overflow = [("overflow", "true")];
    assert_eq!(now.counter_with("count_total", &overflow).unwrap(), 2 * 7 * 4);
    assert_eq!(now.counter("count_total").unwrap(), 2 * 10 * 4);
    assert_eq!(now.up_down_counter_with("balance", &overflow).unwrap(), -7 * 4);
    assert_eq!(now.up_down_counter("balance").unwrap(), -10 * 4);
    assert_eq!(now.gauge_with("level", &overflow).unwrap(), 3.0);
    assert_eq!(now.histogram_with("size", &overflow).unwrap().count(), 7 * 4);
    assert_eq!(now.histogram("size").unwrap().sum(), 100 * 10 * 4);
    // Counted for the whole process, so other tests of this binary may have added to it.
    assert!(now.counter("tachometer_overflow_series_records_total").unwrap() >= 4 * 7 * 4);
    let series = now.select("count_total", &[]).count();
    assert_eq!(series, 4, "three and the overflow");
    let handle = counters.handle(["another"]);
    handle.add(5);
    assert_eq!(engine.refresh().counter_with("count_total", &overflow).unwrap(), 61);
    page::parse(&page_of(&engine));
    let none: Family<Counter, 1> =
        registry.metric("none_total", "No room.").limit(0).family(["peer"]).unwrap();
    none.at(["a"]).inc();
    assert_eq!(engine.refresh().counter_with("none_total", &overflow).unwrap(), 1);
}

#[test]
fn a_label_value_that_is_too_long_counts_in_the_overflow_series() {
    let registry = Registry::new();
    let engine = by_hand_with_own_metrics(&registry);
    let family: Family<Counter, 2> =
        registry.metric("count_total", "By peer.").family(["peer", "kind"]).unwrap();
    let text = "z".repeat(10_000);
    (0..5).for_each(|_| family.at([&text, "a"]).inc());
    family.at(["a", &text]).inc();
    family.handle([&text, &text]).inc();
    family.at(["a", "b"]).inc();
    engine.refresh();
    let now = engine.refresh();
    assert_eq!(now.counter_with("count_total", &[("overflow", "true")]).unwrap(), 7);
    assert_eq!(now.counter("count_total").unwrap(), 8);
    assert!(now.counter("tachometer_overflow_series_records_total").unwrap() >= 6);
    let page = page_of(&engine);
    assert!(!page.contains("zzz"), "the text is nowhere on the page");
    page::parse(&page);
}

#[test]
fn a_process_without_slots_left() {
    own_process("a_process_without_slots_left", || {
        let registry = Registry::new();
        let engine = by_hand_with_own_metrics(&registry);
        let of_statics = by_hand(Registry::global());
        let kept = registry.counter("kept_total", "From before.").unwrap();
        let family: Family<Counter, 1> =
            registry.metric("by_peer_total", "By peer.").family(["peer"]).unwrap();
        family.at(["early"]).inc();
        let full = Registry::new();
        let error = (0..).find_map(|index: usize| {
            let metric = full.metric("fill_total", "Fills.").label("index", index.to_string());
            metric.counter().map(drop).err()
        });
        let error = error.unwrap();
        let Error::TooMany { limit, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*limit, MAX_SCALARS);
        let text = error.to_string();
        assert!(text.contains("counters and gauges in the process: the limit is 131072"), "{text}");
        assert!(text.contains("let idle series expire"), "{text}");
        let error = (0..).find_map(|index: usize| {
            let metric = full.metric("fill", "Fills.").precision(Precision::One);
            metric.label("index", index.to_string()).histogram().map(drop).err()
        });
        let Some(Error::TooMany { limit, .. }) = &error else { panic!("{error:?}") };
        assert!((1..=MAX_HISTOGRAMS).contains(limit), "{limit}");
        // What records cannot fail: it goes to series that exist.
        kept.add(5);
        family.at(["late"]).add(7);
        static_handles_without_slots(&of_statics);
        kept.add(64);
        let now = engine.refresh();
        assert!(now.is_complete(), "nothing of a thread's own words was overwritten");
        assert_eq!(now.counter("kept_total").unwrap(), 5 + 64);
        assert_eq!(now.counter_with("by_peer_total", &[("overflow", "true")]).unwrap(), 7);
        assert_eq!(now.counter_with("by_peer_total", &[("peer", "early")]).unwrap(), 1);
        // What was refused for want of room can be had, as anything, once there is room.
        let refused = registry.counter("refused_total", "A first attempt.").unwrap_err();
        assert!(matches!(refused, Error::TooMany { .. }));
        drop(full);
        let taken = registry.gauge("refused_total", "Another attempt.").expect("room again");
        taken.set(3.0);
        let fresh = registry.counter("fresh_total", "In a slot that was used.").unwrap();
        let now = engine.refresh();
        assert_eq!(now.counter("fresh_total").unwrap(), 0, "from zero");
        assert_eq!(now.gauge("refused_total").unwrap(), 3.0);
        fresh.add(2);
        assert_eq!(engine.refresh().counter("fresh_total").unwrap(), 2);
        page::parse(&page_of(&engine));
    });
}

fn static_handles_without_slots(engine: &Engine) {
    let late: &'static Counter = Box::leak(Box::new(Counter::new("late_total", "No slot.")));
    let values: &'static Histogram = Box::leak(Box::new(Histogram::new("late", "No slot.")));
    let colors: EnumFamily<Counter, Color> = EnumFamily::new("late_colors_total", "No slot.");
    for bit in 0..64 {
        late.inc();
        values.record(1 << bit);
        colors.at(Color::Blue).inc();
        colors.handle(Color::Blue).inc();
    }
    let now = engine.refresh();
    let rejected = Registry::global().rejected();
    let names: Vec<_> = rejected.iter().map(|refused| refused.name.as_str()).collect();
    assert_eq!(names, ["late_total", "late"], "all that share a place are shown as its first");
    assert!(rejected.iter().all(|refused| matches!(refused.error, Error::TooMany { .. })));
    let counts: Vec<_> = now.rejected_records().iter().map(|(_, count)| *count).collect();
    assert_eq!(counts, [3 * 64, 64]);
}
