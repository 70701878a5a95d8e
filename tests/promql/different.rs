//! Where the evaluator and Prometheus 2.42 differ on purpose; the documentation of `tachometer::query` has the same list.

/// Queries, and why.
pub const DIFFERENT: &[(&str, &str)] = &[
    (
        "predict_linear(queue_length[10m] @ 1700005000, 60)",
        "its window moves on with the steps, in spite of @",
    ),
    ("(\"text\")", "it takes no parentheses around texts"),
    ("temperature[5]", "durations without a unit are seconds, as in Prometheus 3"),
    ("ln(constant{kind=\"tiny\"})", "it has wrong logarithms of subnormal numbers"),
    ("stddev by (room) (temperature)", "its deviation of a single NaN or infinity is 0"),
    ("temperature atan2 3", "it keeps the name, other than after every other operator"),
    (
        "last_over_time(native_seconds[10m])",
        "it has no range functions of histograms but rate, increase and delta",
    ),
    ("resets(native_seconds{job=\"db\"}[1h])", "as above"),
    ("sum_over_time(native_seconds[5m])", "as above"),
    ("avg(native_seconds)", "it takes the first one"),
    ("native_seconds * 2", "it takes histograms for the number 0"),
    ("abs(native_seconds)", "as above"),
    ("sum(native_seconds)", "it makes all buckets as coarse as the coarsest schema has them"),
    ("day_of_week(temperature)", "it has days of NaN and infinity"),
];
