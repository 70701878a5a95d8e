//! Queries written by hand: every function, operator, aggregation, matcher and edge, over the series of `data`.

/// All of them; most are families over lists of functions, selectors or operators.
pub fn queries() -> Vec<String> {
    let single = include_str!("written.promql");
    let mut all: Vec<String> = single.lines().map(str::to_owned).collect();
    all.push("sum(\n  rate(http_requests_total[5m]) # a comment\n)".to_owned());
    families(&mut all);
    all
}

fn families(all: &mut Vec<String>) {
    let ranges = [
        "http_requests_total[5m]",
        "http_requests_total{job=\"api\",code=\"200\"}[1m]",
        "http_requests_total[20s]",
        "temperature[3m]",
        "constant[10m]",
        "queue_length[7m30s]",
        "pod_restarts_total[15m]",
        "rare[30m]",
        "rare[4m]",
        "irregular[2m]",
        "lonely[1h]",
        "start_time_seconds[5m]",
        "latency_seconds_bucket{path=\"/x\"}[5m]",
        "http_requests_total[5m] offset 10m",
        "http_requests_total[5m] offset -10m",
        "http_requests_total[5m] @ 1700005000",
        "http_requests_total[5m] @ end() offset 3m",
        "http_requests_total[5m] @ start()",
        "nothing[5m]",
        "temperature[10m:]",
        "temperature[10m:30s]",
        "temperature[10m:45s] offset 2m",
        "temperature[5m:20s] @ 1700005001.5",
        "rate(http_requests_total[1m])[10m:1m]",
        "sum by (job) (http_requests_total)[5m:15s]",
        "max_over_time(queue_length[2m])[10m:40s]",
    ];
    let over_ranges = [
        "rate",
        "increase",
        "delta",
        "irate",
        "idelta",
        "deriv",
        "resets",
        "changes",
        "avg_over_time",
        "sum_over_time",
        "min_over_time",
        "max_over_time",
        "count_over_time",
        "last_over_time",
        "present_over_time",
        "stddev_over_time",
        "stdvar_over_time",
        "absent_over_time",
    ];
    for range in ranges {
        all.extend(over_ranges.map(|function| format!("{function}({range})")));
        if !range.contains('@') {
            all.push(format!("predict_linear({range}, 600)"));
        }
        all.push(format!("holt_winters({range}, 0.3, 0.6)"));
        for q in ["-1", "0", "0.25", "0.9", "1", "2", "NaN"] {
            all.push(format!("quantile_over_time({q}, {range})"));
        }
    }
    let vectors =
        ["temperature", "constant", "queue_length", "-temperature * 1e3", "temperature > 20"];
    let maths = [
        "abs",
        "ceil",
        "floor",
        "exp",
        "sqrt",
        "ln",
        "log2",
        "log10",
        "sgn",
        "deg",
        "rad",
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "tanh",
        "asinh",
        "acosh",
        "atanh",
        "round",
        "timestamp",
        "absent",
        "scalar",
        "sort",
        "sort_desc",
    ];
    for vector in vectors {
        // For logarithms of numbers next to zero see `different`.
        let exact = |function: &&str| vector != "constant" || !["ln", "log10"].contains(function);
        let maths = maths.into_iter().filter(exact);
        all.extend(maths.map(|function| format!("{function}({vector})")));
        all.extend(
            ["1", "0.5", "7", "0", "-2", "NaN", "Inf"].map(|to| format!("round({vector}, {to})")),
        );
        for (min, max) in
            [("0", "10"), ("10", "0"), ("-Inf", "+Inf"), ("NaN", "5"), ("5", "NaN"), ("3", "3")]
        {
            all.push(format!("clamp({vector}, {min}, {max})"));
            all.push(format!("clamp_min({vector}, {min})"));
            all.push(format!("clamp_max({vector}, {max})"));
        }
    }
    let calendar = [
        "days_in_month",
        "day_of_month",
        "day_of_week",
        "day_of_year",
        "hour",
        "minute",
        "month",
        "year",
    ];
    for function in calendar {
        all.push(format!("{function}()"));
        for vector in [
            "start_time_seconds",
            "vector(951782400)",
            "vector(-1)",
            "vector(1709164800.7)",
            "vector(4107542399)",
            "timestamp(rare)",
            "queue_length * 86400 * 29",
        ] {
            all.push(format!("{function}({vector})"));
        }
    }
    aggregations(all);
    operators(all);
    matchers(all);
    histograms(all);
}

fn aggregations(all: &mut Vec<String>) {
    let groupings = [
        "",
        "by (job)",
        "by (job, instance)",
        "without (code)",
        "without (job, instance, code)",
        "by ()",
        "without ()",
        "by (__name__)",
        "by (missing)",
        "by (job, job)",
    ];
    let inner = [
        "http_requests_total",
        "queue_length",
        "rate(http_requests_total[5m])",
        "temperature",
        "constant",
        "nothing",
    ];
    for grouping in groupings {
        for inner in inner {
            for op in ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"] {
                // Squares of 1e300 are infinite in one order and not in another; for NaN see `different`.
                if !["constant", "temperature"].contains(&inner) || !op.starts_with("std") {
                    all.push(format!("{op} {grouping} ({inner})"));
                }
            }
            for q in ["0.5", "0", "1", "-0.1", "1.1", "0.37", "NaN"] {
                all.push(format!("quantile {grouping} ({q}, {inner})"));
            }
        }
        // Of numbers that differ: which of equals is taken is nobody's promise.
        for k in ["1", "3", "0", "-1", "100", "2.9", "NaN", "1e300", "scalar(vector(2))"] {
            all.push(format!("topk {grouping} ({k}, temperature{{room!~\"none|attic|hall\"}})"));
            all.push(format!("bottomk {grouping} ({k}, temperature{{room!~\"none|attic|hall\"}})"));
        }
        all.push(format!("count_values {grouping} (\"value\", queue_length)"));
        all.push(format!("count_values {grouping} (\"job\", queue_length)"));
        all.push(format!("count_values {grouping} (\"value\", constant)"));
        all.push(format!("count_values {grouping} (\"not a label\", queue_length)"));
    }
    all.push("topk(2, temperature{room=~\"kitchen|none|cellar\"})".to_owned());
    all.push("bottomk(2, temperature{room=~\"kitchen|none|cellar\"})".to_owned());
}

fn operators(all: &mut Vec<String>) {
    let arithmetic = ["+", "-", "*", "/", "%", "^", "atan2"];
    let comparisons = ["==", "!=", ">", "<", ">=", "<="];
    let sets = ["and", "or", "unless"];
    for op in arithmetic {
        for (a, b) in [
            ("7", "2.5"),
            ("-7", "3"),
            ("0", "0"),
            ("1", "0"),
            ("NaN", "1"),
            ("Inf", "-Inf"),
            ("2", "-3"),
        ] {
            all.push(format!("{a} {op} {b}"));
        }
        // For names after `atan2` see `different`.
        let [temperature, constant, requests] = ["temperature", "constant", "http_requests_total"]
            .map(|name| match op {
                "atan2" => format!("(0 + {name})"),
                _ => name.to_owned(),
            });
        all.push(format!("{temperature} {op} 3"));
        all.push(format!("3 {op} {temperature}"));
        all.push(format!("{constant} {op} {constant}"));
        all.push(format!("{constant} {op} 0"));
        all.push(format!("queue_length {op} on (job, instance) queue_length offset 5m"));
        all.push(format!("{requests} {op} {requests}"));
        all.push(format!("temperature {op} nothing"));
    }
    for op in comparisons {
        for (a, b) in [("7", "2.5"), ("3", "3"), ("NaN", "NaN"), ("Inf", "Inf")] {
            all.push(format!("{a} {op} bool {b}"));
        }
        all.push(format!("1 {op} 2"));
        for boolean in ["", "bool"] {
            all.push(format!("queue_length {op} {boolean} 3"));
            all.push(format!("3 {op} {boolean} queue_length"));
            all.push(format!("temperature {op} {boolean} temperature offset 1m"));
            all.push(format!("temperature {op} {boolean} NaN"));
            all.push(format!("queue_length {op} {boolean} on (job, instance) build_info"));
            all.push(format!("queue_length {op} {boolean} on (job) group_left build_info"));
            all.push(format!("constant {op} {boolean} ignoring (kind) group_left vector(1)"));
        }
    }
    for op in ["+", "*", "==", "> bool", "<"] {
        for matching in [
            "",
            "on ()",
            "on (job)",
            "on (job, instance)",
            "ignoring ()",
            "ignoring (code)",
            "ignoring (version)",
            "ignoring (code, version)",
            "on (job, instance) group_left",
            "on (job, instance) group_left (version)",
            "on (job, instance) group_left (version, missing)",
            "on (job, instance) group_right",
            "ignoring (code, version) group_left ()",
            "ignoring (code, version) group_left (version)",
            "on (job) group_left (instance)",
            "on (job, instance) group_left (job)",
            "on (missing)",
            "on (job, instance) group_left (__name__)",
            "on (instance) group_right (job)",
        ] {
            for (a, b) in [
                ("http_requests_total", "build_info"),
                ("build_info", "http_requests_total"),
                ("http_requests_total{code=\"200\"}", "build_info"),
                ("queue_length", "sum by (job) (queue_length)"),
                ("sum by (job, instance) (http_requests_total)", "queue_length"),
            ] {
                all.push(format!("{a} {op} {matching} {b}"));
            }
        }
    }
    for op in sets {
        for matching in [
            "",
            "on ()",
            "on (job)",
            "on (job, instance)",
            "ignoring (code)",
            "ignoring (code, version)",
            "on (x)",
        ] {
            for (a, b) in [
                ("http_requests_total", "build_info"),
                ("build_info", "http_requests_total{code=\"500\"}"),
                ("http_requests_total{code=~\"2..\"}", "http_requests_total{instance=\"a\"}"),
                ("temperature > 20", "temperature < 15"),
                ("nothing", "queue_length"),
                ("queue_length", "nothing"),
                ("pod_restarts_total", "pod_restarts_total > 30"),
            ] {
                all.push(format!("{a} {op} {matching} {b}"));
            }
        }
        all.push(format!("1 {op} 2"));
        all.push(format!("temperature {op} 2"));
        all.push(format!("temperature {op} on (room) group_left temperature"));
    }
}

fn matchers(all: &mut Vec<String>) {
    for matcher in [
        "job=\"api\"",
        "job!=\"api\"",
        "job=~\"api|db\"",
        "job!~\"api|db\"",
        "job=~\"a.*\"",
        "job=~\"p\"",
        "job!~\".*\"",
        "job=\"\"",
        "job!=\"\"",
        "job=~\"\"",
        "job!~\"\"",
        "missing=\"\"",
        "missing!=\"\"",
        "missing=~\".*\"",
        "missing=~\".+\"",
        "job=~\"(?i)API\"",
        "job=~\"^api$\"",
        "job=\"api\",instance!=\"a\"",
        "job=\"api\",job=\"db\"",
        "job=~\".+\",job!=\"db\"",
        "instance=~\"[a-b]\"",
        "code=~\"[45]..\"",
        "code=~\"2{1}0{2}\"",
        "job='api'",
        "job=`api`",
        "job=\"\\x61pi\"",
    ] {
        all.push(format!("http_requests_total{{{matcher}}}"));
        all.push(format!("count({{{matcher}}})"));
        all.push(format!("absent(http_requests_total{{{matcher},instance=\"nobody\"}})"));
        all.push(format!("absent_over_time(nothing{{{matcher}}}[5m])"));
    }
    for name in [
        "__name__=\"rare\"",
        "__name__=~\"r.*|temperature\"",
        "__name__!~\".*a.*\",job=\"web\"",
        "__name__=~\".+\",room=\"hall\"",
    ] {
        all.push(format!("{{{name}}}"));
        all.push(format!("rate({{{name}}}[10m])"));
        all.push(format!("-{{{name}}}"));
        all.push(format!("last_over_time({{{name}}}[10m])"));
    }
}

fn histograms(all: &mut Vec<String>) {
    for q in ["-0.1", "0", "0.1", "0.5", "0.9", "0.99", "1", "1.5", "NaN", "scalar(vector(0.5))"] {
        all.push(format!("histogram_quantile({q}, latency_seconds_bucket)"));
        all.push(format!("histogram_quantile({q}, rate(latency_seconds_bucket[5m]))"));
        all.push(format!(
            "histogram_quantile({q}, sum by (le) (rate(latency_seconds_bucket[5m])))"
        ));
        all.push(format!("histogram_quantile({q}, sum by (le, job) (latency_seconds_bucket))"));
        all.push(format!("histogram_quantile({q}, latency_seconds_bucket{{le!=\"+Inf\"}})"));
        all.push(format!("histogram_quantile({q}, latency_seconds_bucket{{le=\"+Inf\"}})"));
        all.push(format!("histogram_quantile({q}, negative_bucket)"));
        all.push(format!("histogram_quantile({q}, temperature)"));
        for of in [
            "native_seconds",
            "rate(native_seconds[5m])",
            "increase(native_seconds[10m])",
            "sum(rate(native_seconds[5m]))",
        ] {
            if q != "0" {
                all.push(format!("histogram_quantile({q}, {of})"));
            }
            all.push(format!("histogram_fraction({q}, 3, {of})"));
            all.push(format!("histogram_fraction(-2, {q}, {of})"));
        }
    }
    for of in [
        "native_seconds",
        "native_seconds offset 7m",
        "native_seconds @ 1700004000",
        "rate(native_seconds[5m])",
        "rate(native_seconds[7m] offset 1m)",
        "increase(native_seconds[1m])",
        "delta(native_seconds{job=\"web\"}[5m])",
        "sum(native_seconds{job!=\"web\"})",
        "sum by (job) (rate(native_seconds[2m]))",
        "sum without (job) (native_seconds{job=~\"api|db\"})",
        "native_seconds + native_seconds",
        "native_seconds{job=\"api\"} + ignoring (job) native_seconds{job=\"web\"}",
        "rate(native_seconds[1m])[5m:1m]",
        "native_seconds or temperature",
        "native_seconds and on () temperature{room=\"hall\"}",
        "native_seconds unless on (job) queue_length",
    ] {
        all.push(of.to_owned());
        if !of.ends_with("[5m:1m]")
            && !of.contains("temperature{")
            && !of.contains("or temperature")
        {
            all.push(format!("histogram_count({of})"));
            all.push(format!("histogram_sum({of})"));
        }
    }
    all.extend(["count", "group"].map(|op| format!("{op}(native_seconds)")));
    all.extend(
        ["count", "present", "absent"].map(|op| format!("{op}_over_time(native_seconds[5m])")),
    );
    all.extend(["absent", "timestamp"].map(|op| format!("{op}(native_seconds)")));
    all.extend(["histogram_count", "histogram_sum"].map(|op| format!("{op}(temperature)")));
}
