//! A `static` handle cannot report an error when it is first used. One that the registry refuses still counts: its records
//! are shown under another name, beside the reason, however many of them there are; those of others do not notice.

mod common;

use common::process::own_process;
use common::{by_hand_with_own_metrics, page, page_of};
use tachometer::limits::MAX_REJECTED;
use tachometer::{
    Counter, EnumFamily, Error, Family, Gauge, Histogram, Registry, Unit, UpDownCounter,
};

tachometer::labels! {
    /// A closed set.
    enum Color("color") { Red = "red", Blue = "blue" }
}
fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// An engine driven by hand that also records its own metrics.
static GOOD: Counter = Counter::new("good_total", "A definition.");
static BAD_HELP: Counter = Counter::new("good_total", "Another definition.");
static BAD_NAME: Histogram = Histogram::new("9-bad", "Its name is wrong.");
static BAD_UNIT: UpDownCounter = UpDownCounter::new("bad_unit", "No suffix.").unit(Unit::Bytes);
static BAD_GAUGE: Gauge = Gauge::new("bad gauge", "A space.");
static BAD_ENUM: EnumFamily<Counter, Color> = EnumFamily::new("bad-enum", "A dash.");
static BAD_FAMILY: Family<Counter, 1> = Family::new("bad-family", "A dash.", ["peer"]);
static BAD_LEVELS: Family<Gauge, 1> = Family::new("bad-levels", "A dash.", ["peer"]);
static BY_PEER: Family<Counter, 1> = Family::new("by_peer_total", "By peer.", ["peer"]);
static BY_NODE: Family<Counter, 1> = Family::new("by_peer_total", "By peer.", ["node"]);

#[test]
fn a_static_handle_that_is_refused_still_counts() {
    own_process("a_static_handle_that_is_refused_still_counts", || {
        let registry = Registry::global();
        let engine = by_hand_with_own_metrics(registry);
        GOOD.add(1);
        BAD_HELP.add(20);
        BAD_HELP.clone().add(1);
        (0..5).for_each(|value| BAD_NAME.record(value));
        BAD_UNIT.add(4);
        BAD_GAUGE.set(8.0);
        BAD_ENUM.at(Color::Red).add(6);
        BAD_ENUM.at(Color::Blue).add(7);
        BAD_ENUM.handle(Color::Blue).add(1);
        BAD_FAMILY.at(["a"]).add(8);
        BAD_FAMILY.at(["b"]).add(9);
        BAD_FAMILY.handle(["c"]).add(1);
        BAD_LEVELS.at(["a"]).set(1.0);
        BY_PEER.at(["a"]).add(2);
        BY_NODE.at(["a"]).add(3);
        for error in [BAD_HELP.register().unwrap_err(), BY_NODE.register().unwrap_err()] {
            assert!(matches!(error, Error::Conflict { .. }), "register() gives the error itself");
        }
        let rejected = registry.rejected();
        let reason = |name: &str| {
            let found = rejected.iter().find(|r| r.name == name);
            found.unwrap_or_else(|| panic!("{name} is not in {rejected:?}")).error.to_string()
        };
        assert!(reason("good_total").contains("Another definition."));
        assert!(reason("9-bad").contains("'9' at byte 0"));
        assert!(reason("bad_unit").contains("_bytes"));
        assert!(reason("bad gauge").contains("' ' at byte 3"));
        assert!(reason("bad-enum").contains("'-' at byte 3"));
        assert!(reason("bad-family").contains("'-' at byte 3"));
        assert!(reason("by_peer_total").contains("[\"node\"]"));
        assert_eq!(rejected.len(), 8);
        engine.refresh();
        let now = engine.refresh();
        assert_eq!(now.counter("good_total").unwrap(), 1, "only its own");
        assert_eq!(now.counter("by_peer_total").unwrap(), 2, "only its own");
        assert_eq!(now.gauge("tachometer_rejected_registrations").unwrap(), 8.0);
        let samples = page::parse(&page_of(&engine));
        for (name, count) in [
            ("good_total", "21"),
            ("9-bad", "5"),
            ("bad_unit", "4"),
            ("bad-enum", "14"),
            ("bad-family", "18"),
            ("by_peer_total", "3"),
        ] {
            let labels = [("metric", name)];
            let shown = page::value(&samples, "tachometer_rejected_records_total", &labels);
            assert_eq!(shown, Some(count), "{name}");
            let shown = now.rejected_records().iter().find(|(n, _)| n == name).unwrap().1;
            assert_eq!(shown.to_string(), count, "{name}");
        }
    });
}

/// Records through `count` refused handles of each type, beside good ones that must not notice.
fn flood_of_refused_handles(count: usize) {
    let registry = Registry::global();
    let good = registry.counter("beside_total", "Beside them.").unwrap();
    let values = registry.histogram("beside", "Beside them.").unwrap();
    for index in 0..count {
        let name = |kind: &str| leaked(format!("refused {kind} {index}"));
        let counter = Counter::new(name("counter"), "Refused.");
        let gauge = Gauge::new(name("gauge"), "Refused.");
        let histogram = Histogram::new(name("histogram"), "Refused.");
        let colors: EnumFamily<Counter, Color> = EnumFamily::new(name("enum"), "Refused.");
        let sizes: EnumFamily<Histogram, Color> = EnumFamily::new(name("sizes"), "Refused.");
        let peers: Family<Counter, 1> = Family::new(name("family"), "Refused.", ["peer"]);
        for round in 0..4 {
            counter.inc();
            gauge.set(1.0);
            histogram.record(1 << (round * 15));
            histogram.record(u64::MAX);
            colors.at(Color::Blue).inc();
            colors.handle(Color::Blue).inc();
            sizes.at(Color::Blue).record(5);
            sizes.handle(Color::Red).record(5);
            peers.at(["a"]).inc();
            peers.handle(["b"]).inc();
            let group = tachometer::group();
            group.add(&counter, 1);
            group.record(&histogram, 3);
            drop(group);
            histogram.start_sampled(std::num::NonZeroU32::MIN).stop();
            good.inc();
            values.record(100);
        }
        let copy = counter.clone();
        copy.inc();
    }
}

#[test]
fn more_refused_handles_than_are_listed_one_by_one() {
    own_process("more_refused_handles_than_are_listed_one_by_one", || {
        let engine = by_hand_with_own_metrics(Registry::global());
        let handles = MAX_REJECTED as u64;
        flood_of_refused_handles(MAX_REJECTED);
        let now = engine.refresh();
        assert!(now.is_complete());
        assert_eq!(now.counter("beside_total").unwrap(), 4 * handles);
        let values = now.histogram("beside").unwrap();
        assert_eq!((values.count(), values.sum()), (4 * handles, u128::from(400 * handles)));
        assert_eq!((values.min(), values.max()), (Some(100), Some(100)));
        let listed = Registry::global().rejected().len();
        assert!((MAX_REJECTED..MAX_REJECTED + 4).contains(&listed), "{listed} of the many");
        // Counters 4 + 4 + 1, histograms 8 + 4 + 4, enums 8 + 8, families 8: all are counted somewhere. Gauges count nothing.
        let counted: u64 = now.rejected_records().iter().map(|(_, count)| count).sum();
        assert_eq!(counted, (9 + 16 + 16 + 8) * handles);
        page::parse(&page_of(&engine));
        // A gauge that shares its place keeps no value, and spoils nobody's count.
        let level: Gauge = Gauge::new("refused level", "Refused.");
        let levels: Family<Gauge, 1> = Family::new("refused levels", "Refused.", ["peer"]);
        level.set(1e300);
        level.add(1.0);
        levels.at(["a"]).set(1e300);
        let now = engine.refresh();
        let after: u64 = now.rejected_records().iter().map(|(_, count)| count).sum();
        assert!((counted..=counted + 1).contains(&after), "{after} after {counted}");
        assert_eq!(now.counter("beside_total").unwrap(), 4 * handles);
    });
}
