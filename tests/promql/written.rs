//! Queries written by hand: every function, operator, aggregation, matcher and edge, over the series of `data`.

/// All of them; most are families over lists of functions, selectors or operators.
pub fn queries() -> Vec<String> {
    let mut all: Vec<String> = SINGLE.lines().map(str::trim).map(str::to_owned).collect();
    all.retain(|line| !line.is_empty());
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

/// One a line.
const SINGLE: &str = r#"
    42
    -1
    --1
    +1
    0x1F
    017
    1e3
    .5
    5.
    1e-3
    Inf
    -inf
    nan
    "text"
    'text'
    `te\xt`
    "\u263a \" \n"
    1 + 2 * 3
    -2 ^ 2
    2 ^ 3 ^ 2
    (2 ^ 3) ^ 2
    2 * 3 % 4 / 5
    1 + 2 == bool 3
    10 - 2 - 3
    time()
    time() - 1
    pi()
    pi() * 2
    vector(1)
    vector(time())
    vector(scalar(temperature{room="kitchen"}))
    scalar(nothing)
    scalar(temperature)
    scalar(vector(NaN))
    temperature
    temperature[1m]
    temperature[1m] offset 30s
    temperature[1m] @ 1700004000
    pod_restarts_total[20m]
    nothing[5m]
    native_seconds[1m]
    rate(http_requests_total[1m])[5m:1m]
    temperature[5m:1m]
    temperature[5m:7s]
    temperature[5m:1m] offset 2m
    temperature[5m:1m] @ 1700004000
    temperature offset 5m
    temperature offset -5m
    temperature offset 1d
    temperature @ 1700004000
    temperature @ 1700004000.123
    temperature @ start()
    temperature @ end()
    temperature @ end() offset 5m
    temperature offset 5m @ end()
    temperature @ -1
    temperature @ 1e100
    temperature @ NaN
    stddev(temperature{room="kitchen"})
    stdvar(temperature{room!~"none|hall|attic"})
    timestamp(temperature)
    timestamp(rare)
    timestamp((rare))
    timestamp(rare offset 10m)
    timestamp(rare @ 1700004000)
    timestamp(rare + 0)
    timestamp(timestamp(rare))
    timestamp(irregular)
    timestamp(vector(1))
    time() - timestamp(rare)
    -http_requests_total
    -(temperature > 20)
    --temperature
    +temperature
    -vector(3)
    http_requests_total > 100 < 500
    http_requests_total > 100 and http_requests_total < 500
    http_requests_total == http_requests_total
    http_requests_total / ignoring (code) group_left sum without (code) (http_requests_total)
    sum by (job) (rate(http_requests_total{code=~"5.."}[5m])) / sum by (job) (rate(http_requests_total[5m]))
    sum(rate(http_requests_total[5m])) by (job, code)
    sum by (job) (sum by (job, instance) (rate(http_requests_total[5m])))
    avg(avg_over_time(temperature[5m]))
    max_over_time(sum(rate(http_requests_total[1m]))[10m:1m])
    max_over_time(rate(http_requests_total[1m])[10m:1m] offset 5m)
    max_over_time((max_over_time(temperature[1m]))[5m:30s])
    avg_over_time(min_over_time(temperature[2m:30s])[5m:1m])
    sum_over_time(vector(1)[5m:1m])
    sum_over_time((time() > bool 0)[5m:1m])
    rate(temperature @ 1700004000 [5m])
    sum_over_time(temperature[5m:1m] @ end())
    sum_over_time(temperature[5m:1m] @ start() offset 2m)
    count_over_time(temperature[1m:1s])
    count_over_time(rare[1h:5m])
    count_over_time(pod_restarts_total[1h:1m])
    label_replace(temperature, "floor", "$1", "room", "(.).*")
    label_replace(temperature, "floor", "${1}x$$", "room", "(.).*")
    label_replace(temperature, "floor", "$1x", "room", "(.).*")
    label_replace(temperature, "floor", "x$first-$2", "room", "(?P<first>.)(.).*")
    label_replace(temperature, "floor", "static", "room", "kitchen")
    label_replace(temperature, "floor", "static", "room", "kitch")
    label_replace(temperature, "room", "", "room", "kitchen")
    label_replace(temperature, "room", "same", "room", ".*")
    label_replace(temperature, "room", "same", "missing", "")
    label_replace(temperature, "__name__", "renamed", "room", ".*")
    label_replace(temperature, "new", "$1", "missing", "(.*)")
    label_replace(temperature, "bad-name", "x", "room", ".*")
    label_replace(temperature, "x", "x", "room", "(")
    label_replace(nothing, "x", "x", "room", ".*")
    label_replace(vector(1), "x", "y", "", "")
    label_join(http_requests_total, "all", "-", "job", "instance", "code")
    label_join(http_requests_total, "all", "", "job")
    label_join(http_requests_total, "all", ",", "job", "missing", "code")
    label_join(http_requests_total, "all", ",")
    label_join(http_requests_total, "job", "")
    label_join(http_requests_total, "code", "", "job")
    label_join(temperature, "bad name", "", "room")
    label_join(temperature, "x", "", "bad name")
    label_join(temperature, "__name__", "_", "__name__", "room")
    rate(label_replace(temperature, "a", "b", "room", ".*")[5m:1m])
    absent(nothing)
    absent(nothing{a="b"})
    absent(nothing{a="b", c!="d", e=~"f"})
    absent(nothing{a="b", a="c"})
    absent(nothing{a="b", a=~"c"})
    absent(temperature)
    absent(temperature{room="hall"} > 1e9)
    absent(sum(nothing))
    absent(nothing{a="b"} offset 5m)
    absent(rare)
    absent(lonely)
    absent_over_time(nothing[5m])
    absent_over_time(rare[1m])
    absent_over_time(lonely[5m])
    absent_over_time(pod_restarts_total{pod="p1"}[30s])
    absent_over_time(nothing{a="b"}[5m:1m])
    absent_over_time(rate(nothing[5m])[5m:1m])
    sort(temperature)
    sort_desc(temperature)
    sort(sum by (job) (queue_length))
    sort_desc(sum by (code) (http_requests_total))
    topk(3, sort(temperature{room!~"none|hall|attic"}))
    holt_winters(temperature[5m], 0, 0.5)
    holt_winters(temperature[5m], 0.5, 1)
    holt_winters(temperature[5m], 0.5, 1.5)
    holt_winters(queue_length[10m], 0.9, 0.1)
    predict_linear(queue_length[10m], 3600)
    predict_linear(queue_length[10m], -60)
    predict_linear(queue_length[10m] offset 5m, 60)
    predict_linear(queue_length[10m:1m], scalar(queue_length{job="web"}))
    quantile_over_time(scalar(queue_length{job="web"}) / 7, temperature[5m])
    clamp(temperature, scalar(queue_length{job="web"}), 20)
    round(temperature, scalar(queue_length{job="web"}))
    quantile by (job) (scalar(queue_length{job="web"}) / 7, http_requests_total)
    year(vector(1e9)) + month(vector(1e9)) / 100
    hour() * 60 + minute()
    day_of_week(vector(0)) or day_of_month()
    minute(vector(60 * 59))
    http_requests_total{job="api"} * 0 + 1
    queue_length % 3
    queue_length ^ 2 ^ 0.5
    queue_length atan2 on (job, instance) build_info
    1 / constant
    constant / constant
    constant * constant
    constant == 0
    constant{kind="minus_zero"} == constant{kind="zero"}
    constant > -Inf
    constant < Inf
    temperature != temperature
    temperature == temperature
    irregular
    irregular{text="ünï \"q\" \\ \n"}
    {text=~"ünï.*"}
    lonely
    lonely offset -50m
    rare
    rare[10m]
    sum(rare) by (le)
    sum(
        rate(http_requests_total[5m]) # a comment
    )
    http_requests_total{code=~`2\d\d`}
    http_requests_total{code=~`[45]\d+`, job=`api`}
    label_replace(temperature, "x", `\$1"`, "room", `(\w)\w*`)
    `\d "quoted"`
    foo bar
    sum(
    sum)
    (1
    temperature{
    temperature{room}
    temperature{room=hall}
    temperature{room="hall"
    {}
    {room=~".*"}
    {room=""}
    temperature{__name__="x"}
    temperature[5m
    temperature[]
    temperature[0s]
    temperature[-5m]
    temperature[5m:0s]
    temperature[5x]
    temperature[5m][5m]
    temperature[5m:1m][5m:1m]
    (temperature)[5m]
    temperature offset
    temperature offset 5m offset 5m
    temperature @ 1 @ 2
    temperature @ foo()
    sum(temperature) offset 5m
    1 offset 5m
    rate(temperature)
    rate(1)
    rate(temperature[5m], 1)
    rate()
    abs(1)
    abs(temperature[5m])
    abs("x")
    vector(temperature)
    scalar(1)
    time(1)
    nofunction(temperature)
    label_replace(temperature, "a", "b", "c")
    label_replace(temperature, a, "b", "c", "d")
    histogram_quantile(temperature, 0.5)
    histogram_quantile(0.5)
    sum(temperature[5m])
    sum(1)
    sum("x")
    sum(temperature, temperature)
    topk(temperature)
    topk(temperature, temperature)
    count_values(1, temperature)
    quantile("x", temperature)
    temperature + "x"
    "x" + "y"
    temperature[5m] + 1
    temperature and 1
    1 and temperature
    temperature + bool temperature
    temperature + group_left temperature
    temperature == on (room) group_left (room) temperature
    temperature and on (room) group_left temperature
    1 + on (a) 1
    temperature + on (a) 1
    -"x"
    -temperature[5m]
    temperature{room=~"("}
    temperature{room=~"*"}
    temperature =~ "x"
    temperature ! temperature
    1 == 1
    sum by job (temperature)
    sum by (1) (temperature)
    sum by ("x" (temperature)
    temperature{room="a" room="b"}
    temperature{,}
    temperature{room="hall",}
    sum by (room,) (temperature)
    abs(temperature,)
    $
    "unterminated
    # only a comment
    sum_over_time(1[5m:1m])
    "x"[5m:1m]
    sum_over_time("x"[5m:1m])
"#;
