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
    ("day_of_week(temperature)", "it has days of NaN and infinity"),
];
