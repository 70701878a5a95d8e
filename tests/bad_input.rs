//! What a program gets for wrong names, second definitions, too many of anything and strange text: an error that says
//! what, where and what to do, or (where a record cannot fail) a series of its own that counts it. Nothing is lost, and
//! every page can be read by a scraper.

mod common;

use common::process::own_process;
use common::{by_hand, page, page_of};
use std::time::Duration;
use tachometer::limits::{
    MAX_BUCKETS, MAX_HELP_BYTES, MAX_HISTOGRAMS, MAX_LABEL_VALUE_BYTES, MAX_LABELS, MAX_NAME_BYTES,
    MAX_REJECTED, MAX_SCALARS,
};
use tachometer::{
    Buckets, Counter, Engine, EnumFamily, Error, Family, Gauge, Histogram, ManualClock, Precision,
    Registry, Unit, UpDownCounter,
};

fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// An engine driven by hand that also records its own metrics.
fn by_hand_with_own_metrics(registry: &Registry) -> Engine {
    let clock = ManualClock::at(Duration::ZERO);
    Engine::builder().registry(registry).manual(&clock).own_metrics(true).start().unwrap()
}

#[test]
fn metric_names_that_break_the_rules() {
    let registry = Registry::new();
    let long = "x".repeat(MAX_NAME_BYTES + 1);
    for (name, why) in [
        ("", "a metric name is not empty"),
        ("9lives_total", "'9' at byte 0; a metric name has ASCII letters"),
        ("requests-total", "'-' at byte 8"),
        ("requests total", "' ' at byte 8"),
        ("anfragen_größe", "'ö' at byte 11"),
        ("requests_total\n", "'\\n' at byte 14"),
        ("{}", "'{' at byte 0"),
        (&long, "it has 257 bytes, the limit is 256"),
    ] {
        let error = registry.counter(name, "Counted.").expect_err(name);
        let Error::InvalidName { name: named, .. } = &error else { panic!("{error:?}") };
        assert_eq!(named, name);
        let text = error.to_string();
        assert!(text.starts_with("invalid name \"") && text.contains(why), "{text}");
        assert!(text.len() < 400, "a page of text is cut short: {text}");
    }
    registry.counter("job:requests:rate5m", "A recording rule's name.").unwrap().inc();
    registry.counter("_x9", "Odd, and allowed.").unwrap().inc();
    assert_eq!(by_hand(&registry).refresh().len(), 2, "what was refused left nothing behind");
}

#[test]
fn label_names_that_break_the_rules() {
    let registry = Registry::new();
    let names = [
        ("", "a label name is not empty"),
        ("9", "'9' at byte 0"),
        ("peer-id", "'-' at byte 4"),
        ("job:name", "':' at byte 3"),
        ("größe", "'ö' at byte 2"),
        ("__name__", "Prometheus's own"),
        ("__x", "Prometheus's own"),
    ];
    for (name, why) in names {
        let errors = [
            registry.metric("a_total", "A.").label(name, "v").counter().unwrap_err(),
            registry.metric("b_total", "B.").family::<Counter, 1>([name]).unwrap_err(),
            registry.scope([(name, "v")]).unwrap_err(),
            Engine::builder().registry(&registry).label(name, "v").start().unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(&error, Error::InvalidName { name: n, .. } if n == name), "{error}");
            assert!(error.to_string().contains(why), "{error}");
        }
    }
    let le = registry.metric("size", "Sizes.").label("le", "1").histogram().unwrap_err();
    assert!(le.to_string().contains("le is the label of a histogram's buckets"), "{le}");
    let le = registry.metric("size", "Sizes.").family::<Histogram, 1>(["le"]).unwrap_err();
    assert!(le.to_string().contains("le is the label of a histogram's buckets"), "{le}");
    registry.metric("le_total", "A counter may.").label("le", "1").counter().unwrap();
}

#[test]
fn labels_that_are_there_twice() {
    let registry = Registry::new();
    let scope = registry.scope([("shard", "1")]).unwrap();
    let errors = [
        registry.metric("a_total", "A.").label("x", "1").label("x", "1").counter().unwrap_err(),
        scope.metric("b_total", "B.").label("shard", "2").counter().unwrap_err(),
        scope.metric("c_total", "C.").family::<Counter, 1>(["shard"]).unwrap_err(),
        registry.metric("d_total", "D.").family::<Counter, 2>(["k", "k"]).unwrap_err(),
        registry.metric("e_total", "E.").family::<Counter, 1>(["overflow"]).unwrap_err(),
        scope.scope([("shard", "2")]).unwrap_err(),
        registry.metric("f_total", "F.").enum_family::<Counter, (Color, Color)>().unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, Error::InvalidName { .. }), "{error:?}");
        assert!(error.to_string().contains("the label is there twice"), "{error}");
    }
}

#[test]
fn suffixes_and_units() {
    let registry = Registry::new();
    for suffix in ["_bucket", "_count", "_sum"] {
        let error = registry.histogram(&format!("size{suffix}"), "Sizes.").unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains(&format!("a histogram adds {suffix} by itself; leave it out")),
            "{text}"
        );
        registry.counter(&format!("alone{suffix}"), "Of no histogram.").unwrap();
    }
    for (name, unit, suffix) in [
        ("wait", Unit::Nanoseconds, "_seconds"),
        ("wait_ns", Unit::Nanoseconds, "_seconds"),
        ("wait_total", Unit::Seconds, "_seconds"),
        ("waitseconds", Unit::Seconds, "_seconds"),
        ("size_mb", Unit::Bytes, "_bytes"),
        ("megabytes", Unit::Bytes, "_bytes"),
        ("used", Unit::Ratio, "_ratio"),
    ] {
        let error = registry.metric(name, "Measured.").unit(unit).counter().expect_err(name);
        assert!(matches!(&error, Error::InvalidName { name: n, .. } if n == name), "{error}");
        let text = error.to_string();
        let advice = format!("must end in {suffix} (a counter: {suffix}_total)");
        assert!(text.contains(&advice) && text.contains(&format!("{unit:?}")), "{text}");
    }
    registry.metric("wait_seconds_total", "Waited.").unit(Unit::Nanoseconds).counter().unwrap();
    registry.metric("size_bytes", "Sizes.").unit(Unit::Bytes).histogram().unwrap();
}

#[test]
fn a_second_definition_is_refused_with_both() {
    let registry = Registry::new();
    let metric = |help| registry.metric("wait_seconds", help).unit(Unit::Nanoseconds);
    metric("Waited.").histogram().unwrap();
    metric("Waited.").histogram().expect("the same definition");
    metric("Waited.").label("queue", "in").histogram().expect("another series of it");
    const COARSE: Buckets = Buckets::Fixed(&[0.1, 1.0]);
    let refused = [
        (metric("Waited.").counter().unwrap_err(), "counter \"wait_seconds\""),
        (metric("Waited.").gauge().unwrap_err(), "gauge \"wait_seconds\""),
        (metric("Waited.").up_down_counter().unwrap_err(), "up-down counter \"wait_seconds\""),
        (metric("Waited.").gauge_from(|| 0.0).unwrap_err(), "gauge \"wait_seconds\""),
        (metric("Waited.").unit(Unit::Seconds).histogram().unwrap_err(), "unit Seconds"),
        (metric("Waited long.").histogram().unwrap_err(), "help \"Waited long.\""),
        (
            metric("Waited.").precision(Precision::Three).histogram().unwrap_err(),
            "3 significant figures",
        ),
        (metric("Waited.").buckets(COARSE).histogram().unwrap_err(), "[0.1, 1.0]"),
        (metric("Waited!").family::<Histogram, 1>(["q"]).unwrap_err(), "help \"Waited!\""),
        (metric("Waited?").enum_family::<Histogram, Color>().unwrap_err(), "help \"Waited?\""),
    ];
    for (error, difference) in refused {
        let Error::Conflict { existing, refused } = &error else { panic!("{error:?}") };
        assert!(existing.starts_with("histogram \"wait_seconds\", unit Nanoseconds"), "{existing}");
        assert!(existing.contains("help \"Waited.\""), "{existing}");
        assert!(refused.contains(difference), "{refused}");
        let text = error.to_string();
        assert!(text.contains(existing) && text.contains(refused), "{text}");
        assert!(text.contains("give one of them another name, or make both the same"), "{text}");
    }
    assert_eq!(by_hand(&registry).refresh().len(), 2);
}

#[test]
fn a_histograms_lines_belong_to_nobody_else() {
    for suffix in ["_bucket", "_count", "_sum"] {
        let registry = Registry::new();
        registry.histogram("size", "Sizes.").unwrap();
        let name = format!("size{suffix}");
        let error = registry.counter(&name, "Mine.").expect_err("it is the histogram's");
        let Error::Conflict { existing, refused } = &error else { panic!("{error:?}") };
        assert!(existing.contains("histogram \"size\""), "{existing}");
        assert!(refused.contains(&format!("counter \"{name}\"")), "{refused}");
        // And the other way round.
        let registry = Registry::new();
        registry.counter(&name, "Mine.").unwrap().inc();
        let error = registry.histogram("size", "Sizes.").expect_err("a line of it is taken");
        assert!(matches!(&error, Error::Conflict { existing, .. } if existing.contains(&name)));
        page::parse(&page_of(&by_hand(&registry)));
    }
}

#[test]
fn one_series_has_one_origin() {
    let registry = Registry::new();
    let gauge = || registry.metric("level", "Read.").label("tank", "a");
    gauge().gauge_from(|| 1.0).unwrap();
    assert!(matches!(gauge().gauge_from(|| 2.0).unwrap_err(), Error::Conflict { .. }));
    assert!(matches!(gauge().gauge().unwrap_err(), Error::Conflict { .. }));
    let metric = || registry.metric("by_color_total", "By color.");
    metric().label("color", "red").counter().unwrap().inc();
    let error = metric().enum_family::<Counter, Color>().unwrap_err();
    assert!(matches!(&error, Error::Conflict { .. }), "{error}");
    assert!(error.to_string().contains("some of the series as single ones"), "{error}");
    let keys = || registry.metric("by_peer_total", "By peer.");
    keys().family::<Counter, 1>(["peer"]).unwrap();
    let error = keys().family::<Counter, 1>(["node"]).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("[\"peer\"]") && text.contains("[\"node\"]"), "{text}");
    // Two values of an enum that read the same would be one line of the page for two series.
    let error = registry.metric("by_shade_total", "By shade.").enum_family::<Counter, Shade>();
    let error = error.expect_err("dark and dark");
    assert!(error.to_string().contains("dark"), "{error}");
}

tachometer::labels! {
    /// A closed set.
    enum Color("color") { Red = "red", Blue = "blue" }
}
tachometer::labels! {
    /// Two variants of one text.
    enum Shade("shade") { Dark = "dark", Darker = "dark" }
}

#[test]
fn bounds_that_are_no_buckets() {
    let registry = Registry::new();
    let many: &'static [f64] = (0..=MAX_BUCKETS).map(|i| i as f64).collect::<Vec<_>>().leak();
    for (bounds, why) in [
        (&[1.0, f64::NAN][..], "has the bound NaN"),
        (&[1.0, f64::INFINITY], "+Inf is added by itself"),
        (&[-1.0, 1.0], "has the bound -1"),
        (&[2.0, 1.0], "has 2 before 1; bounds ascend strictly"),
        (&[1.0, 1.0], "has 1 before 1"),
        (many, "has 513 bounds, the limit is 512"),
    ] {
        let metric = registry.metric("size", "Sizes.").buckets(Buckets::Fixed(bounds));
        let error = metric.histogram().unwrap_err();
        assert!(matches!(&error, Error::InvalidSetting { setting: "buckets", .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("size") && text.contains(why), "{text}");
    }
    let none = registry.metric("size", "Sizes.").buckets(Buckets::Fixed(&[]));
    none.histogram().unwrap().record(3);
    let samples = page::parse(&page_of(&by_hand(&registry)));
    assert_eq!(page::value(&samples, "size_bucket", &[("le", "+Inf")]), Some("1"));
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

/// Texts that break a page that does not escape, or a reader that splits it wrongly.
fn strange_texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        "\"",
        "\\",
        "\n",
        "\\n",
        "\\\"",
        "a\"} 1\nevil_total 5",
        "x\\",
        "{",
        "}",
        ",",
        "=",
        "a=\"b\",c=\"d\"",
        "# HELP x",
        "\r\n",
        "\t",
        "\0",
        "größe",
        "日本語",
        "🦀",
        "\u{2028}",
        "NaN",
        "+Inf",
        "\u{FEFF}",
        "true",
    ]
    .map(str::to_owned)
    .into();
    texts.push("y".repeat(MAX_LABEL_VALUE_BYTES));
    texts.push("\\\"\n".repeat(MAX_LABEL_VALUE_BYTES / 3));
    texts
}

#[test]
fn strange_label_values_and_helps_are_escaped() {
    let registry = Registry::new();
    let engine = by_hand(&registry);
    let family: Family<Counter, 2> =
        registry.metric("texts_total", "Texts.").family(["text", "again"]).unwrap();
    for (index, text) in strange_texts().iter().enumerate() {
        family.at([text, text]).add(index as u64 + 1);
        let help = format!("{text} is a \"help\" \\ with\na new line");
        let short =
            &help[..help.len().min(help.char_indices().nth(900).map_or(usize::MAX, |c| c.0))];
        let name = format!("helped_{index}");
        registry.metric(&name, short).label("text", text.as_str()).gauge().unwrap().set(0.5);
    }
    let text = page_of(&engine);
    let samples = page::parse(&text);
    for (index, text) in strange_texts().iter().enumerate() {
        let labels = [("text", text.as_str()), ("again", text.as_str())];
        let count = (index + 1).to_string();
        assert_eq!(page::value(&samples, "texts_total", &labels), Some(&*count), "{text:?}");
        let labels = [("text", text.as_str())];
        assert_eq!(page::value(&samples, &format!("helped_{index}"), &labels), Some("0.5"));
    }
    assert_eq!(samples.len(), 2 * strange_texts().len(), "nothing else crept in");
    // Values that only differ in where they are cut are different series.
    family.at(["ab", "c"]).inc();
    family.at(["a", "bc"]).add(2);
    let now = engine.refresh();
    assert_eq!(now.counter_with("texts_total", &[("text", "ab")]).unwrap(), 1);
    assert_eq!(now.counter_with("texts_total", &[("text", "a")]).unwrap(), 2);
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
fn callbacks_that_panic_or_have_no_number() {
    let registry = Registry::new();
    let engine = by_hand_with_own_metrics(&registry);
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let gauge = |name: &str| registry.metric(name, "Read after each cut.");
    gauge("panics").gauge_from(|| panic!("no sensor")).unwrap();
    gauge("works").gauge_from(|| 1.5).unwrap();
    gauge("infinite").gauge_from(|| f64::NEG_INFINITY).unwrap();
    gauge("huge").gauge_from(|| f64::MAX).unwrap();
    gauge("tiny").gauge_from(|| -f64::MIN_POSITIVE / 3.0).unwrap();
    let inner = registry.clone();
    // A callback may use everything but the snapshot that is being made.
    gauge("records")
        .gauge_from(move || {
            let counter = inner.counter("from_a_callback_total", "Counted.").unwrap();
            counter.inc();
            7.0
        })
        .unwrap();
    (0..3).for_each(|_| drop(engine.refresh()));
    let now = engine.refresh();
    std::panic::set_hook(quiet);
    assert!(now.gauge("panics").unwrap().is_nan());
    assert_eq!(now.gauge("works").unwrap(), 1.5);
    assert_eq!(now.counter("tachometer_callback_panics_total").unwrap(), 3);
    assert_eq!(now.counter("from_a_callback_total").unwrap(), 3);
    let mut text = Vec::new();
    tachometer::TextEncoder::new().encode(&now, &mut text);
    let samples = page::parse(std::str::from_utf8(&text).unwrap());
    let value = |name| page::value(&samples, name, &[]);
    assert_eq!((value("panics"), value("infinite")), (Some("NaN"), Some("-Inf")));
    let number = |name| value(name).unwrap().parse::<f64>().unwrap();
    assert_eq!((number("huge"), number("tiny")), (f64::MAX, -f64::MIN_POSITIVE / 3.0));
}

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
