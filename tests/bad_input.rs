//! What a program gets for wrong names, second definitions, wrong bounds, callbacks that panic and strange text: an error
//! that says what, where and what to do, and in every case a page that a scraper can read.

mod common;

use common::{by_hand, by_hand_with_own_metrics, page, page_of};
use tachometer::limits::{MAX_BUCKETS, MAX_LABEL_VALUE_BYTES, MAX_NAME_BYTES};
use tachometer::{Buckets, Counter, Engine, Error, Family, Histogram, Precision, Registry, Unit};

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
