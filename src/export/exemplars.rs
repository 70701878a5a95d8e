//! What the formats of Prometheus show of exemplars: which one a bucket has, and under which labels.

use crate::Exemplar;

/// The labels, whose values are hexadecimal: 63 characters in all, where OpenMetrics allows 128.
pub(crate) const TRACE_ID: &str = "trace_id";
pub(crate) const SPAN_ID: &str = "span_id";

/// The latest exemplar with a value in bucket `at`: above the bound before, and not above its own.
pub(crate) fn of_bucket<'a>(
    exemplars: &'a [Exemplar],
    bounds: &[u64],
    at: usize,
) -> Option<&'a Exemplar> {
    in_bucket(exemplars, bounds, at).iter().max_by_key(|one| (one.unix_time, one.value))
}

/// All exemplars with a value in bucket `at`.
pub(crate) fn in_bucket<'a>(
    exemplars: &'a [Exemplar],
    bounds: &[u64],
    at: usize,
) -> &'a [Exemplar] {
    // They ascend.
    let upto = |bound: u64| exemplars.partition_point(|one| one.value <= bound);
    let from = at.checked_sub(1).map_or(0, |before| upto(bounds[before]));
    &exemplars[from..bounds.get(at).map_or(exemplars.len(), |&bound| upto(bound))]
}

/// Writes `bytes` as hexadecimal digits: two for each.
pub(crate) fn hex(out: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

/// The values of both labels.
pub(crate) fn ids(exemplar: &Exemplar) -> ([u8; 32], [u8; 16]) {
    let (mut trace, mut span) = ([0; 32], [0; 16]);
    hex(&mut trace, &exemplar.trace_id);
    hex(&mut span, &exemplar.span_id);
    (trace, span)
}
