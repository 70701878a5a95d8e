//! Queries made at random from a grammar. What is discontinuous (rounding, comparisons, differences) is asked only of numbers
//! that both sides have exactly: Prometheus adds series up in an order of its own, and the last digit may differ.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;

fn shift() -> impl Strategy<Value = String> {
    select(vec![
        "",
        "",
        "",
        "",
        " offset 5m",
        " offset -3m",
        " @ 1700005500",
        " @ start()",
        " @ end() offset 90s",
    ])
    .prop_map(str::to_owned)
}

fn selector() -> impl Strategy<Value = String> {
    select(vec![
        "http_requests_total",
        "http_requests_total{job=\"api\"}",
        "http_requests_total{code!=\"404\"}",
        "http_requests_total{instance=~\"a|d\"}",
        "temperature",
        "temperature{room!~\"none|attic\"}",
        "queue_length",
        "queue_length{job=~\"api|web\"}",
        "build_info",
        "constant{kind!~\"huge|tiny\"}",
        "pod_restarts_total",
        "rare",
        "irregular",
        "lonely",
        "latency_seconds_bucket{job=\"api\"}",
        "latency_seconds_count",
        "nothing",
    ])
    .prop_map(str::to_owned)
}

fn range() -> impl Strategy<Value = String> {
    let length = select(vec!["20s", "1m", "5m", "9m", "30m"]);
    let resolution = select(vec!["", "15s", "1m", "37s"]);
    let plain =
        (selector(), length.clone(), shift()).prop_map(|(s, l, at)| format!("{s}[{l}]{at}"));
    let subquery = (selector(), length, resolution, shift())
        .prop_map(|(s, l, step, at)| format!("{s}[{l}:{step}]{at}"));
    prop_oneof![3 => plain, 1 => subquery]
}

/// Values that were stored, or counts of them.
fn exact() -> Union<BoxedStrategy<String>> {
    let functions = [
        "last_over_time",
        "min_over_time",
        "max_over_time",
        "count_over_time",
        "changes",
        "resets",
    ];
    Union::new([
        (selector(), shift()).prop_map(|(s, at)| format!("{s}{at}")).boxed(),
        (select(functions.to_vec()), range()).prop_map(|(f, r)| format!("{f}({r})")).boxed(),
    ])
}

fn grouping() -> impl Strategy<Value = String> {
    select(vec![
        "",
        "by (job)",
        "by (job, instance)",
        "by (le)",
        "without (code)",
        "without (instance, job)",
        "by (room)",
        "by (kind, pod)",
    ])
    .prop_map(str::to_owned)
}

fn matching() -> impl Strategy<Value = String> {
    select(vec![
        "",
        "",
        "on (job, instance)",
        "on (job)",
        "ignoring (code)",
        "ignoring (le)",
        "on (job, instance) group_left",
        "on (job, instance) group_right",
        "on (job) group_left (version)",
        "ignoring (code, version) group_left (version)",
        "on ()",
        "ignoring (room, kind, pod) group_left",
    ])
    .prop_map(str::to_owned)
}

/// Something that is discontinuous, of exact values.
fn sharp() -> BoxedStrategy<String> {
    let rounding = select(vec!["floor", "ceil", "round", "sgn", "sin", "tan", "abs", "timestamp"]);
    let compare = select(vec!["==", "!=", ">", "<", ">=", "<=", "> bool", "== bool", "<= bool"]);
    let arithmetic = select(vec!["-", "%", "+", "*", "/", "atan2"]);
    prop_oneof![
        (rounding, exact()).prop_map(|(f, v)| format!("{f}({v})")),
        (exact(), compare.clone(), select(vec!["0", "1", "3", "20", "NaN", "1e3"]))
            .prop_map(|(v, op, n)| format!("{v} {op} {n}")),
        (exact(), compare, matching(), exact())
            .prop_map(|(a, op, m, b)| format!("{a} {op} {m} {b}")),
        (exact(), arithmetic, matching(), exact())
            .prop_map(|(a, op, m, b)| format!("{a} {op} {m} {b}")),
        (grouping(), exact()).prop_map(|(g, v)| format!("count_values {g} (\"v\", {v})")),
        (exact(), exact()).prop_map(|(a, b)| format!("{a} offset 1m or {b}")),
    ]
    .boxed()
}

/// Any instant vector.
pub fn vector() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        2 => exact(),
        2 => sharp(),
        4 => (
            select(vec![
                "rate", "increase", "delta", "irate", "idelta", "deriv", "avg_over_time", "sum_over_time",
                "stddev_over_time", "stdvar_over_time", "present_over_time", "absent_over_time",
            ]),
            range()
        )
            .prop_map(|(f, r)| format!("{f}({r})")),
        1 => (select(vec!["0.1", "0.5", "0.99"]), range())
            .prop_map(|(q, r)| format!("quantile_over_time({q}, {r})")),
        // Not with `@`: see `different`.
        1 => (range().prop_filter("@", |r| !r.contains('@')), select(vec!["60", "-600"])).prop_map(|(r, t)| format!("predict_linear({r}, {t})")),
        1 => range().prop_map(|r| format!("holt_winters({r}, 0.4, 0.2)")),
        1 => select(vec!["vector(1)", "vector(time())", "vector(pi())"]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let aggregation = select(vec!["sum", "avg", "min", "max", "count", "group"]);
        let smooth = select(vec!["abs", "sqrt", "exp", "atan", "tanh", "deg", "rad", "scalar", "absent"]);
        let set = select(vec!["and", "or", "unless"]);
        let arithmetic = select(vec!["+", "*", "/"]);
        let inner_range = (inner.clone(), select(vec!["[5m:1m]", "[2m:20s]", "[10m:]"]))
            .prop_map(|(v, r)| format!("({v}){r}"));
        prop_oneof![
            3 => (aggregation, grouping(), inner.clone()).prop_map(|(op, g, v)| format!("{op} {g} ({v})")),
            1 => (select(vec!["0.25", "0.9"]), grouping(), inner.clone())
                .prop_map(|(q, g, v)| format!("quantile {g} ({q}, {v})")),
            1 => (smooth, inner.clone()).prop_map(|(f, v)| match f {
                "scalar" => format!("vector(scalar({v}))"),
                _ => format!("{f}({v})"),
            }),
            2 => (inner.clone(), set, matching(), inner.clone())
                .prop_map(|(a, op, m, b)| format!("({a}) {op} {} ({b})", m.split(" group").next().unwrap_or(""))),
            2 => (inner.clone(), arithmetic, matching(), inner.clone())
                .prop_map(|(a, op, m, b)| format!("({a}) {op} {m} ({b})")),
            1 => (select(vec!["2 *", "1 /", "-", "0.5 +"]), inner.clone()).prop_map(|(op, v)| format!("{op} ({v})")),
            1 => inner.clone().prop_map(|v| format!("clamp({v}, -5, 50)")),
            1 => inner.clone().prop_map(|v| format!("label_replace({v}, \"job\", \"$1\", \"instance\", \"(.*)\")")),
            2 => (select(vec!["max_over_time", "sum_over_time", "avg_over_time", "count_over_time", "last_over_time"]), inner_range)
                .prop_map(|(f, r)| format!("{f}({r})")),
        ]
    })
    .boxed()
}
