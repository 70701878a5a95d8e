//! Where a recorded value came from: the trace and span of an exemplar, read from what a request or a span carries.

/// A trace and a span in it, neither of all zeros, for an [exemplar](crate::Exemplar).
///
/// ```
/// use tachometer::facade::TraceContext;
/// let context = TraceContext::from_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
/// assert_eq!(context.span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
/// assert!(context.sampled);
/// assert!(TraceContext::from_traceparent("no trace").is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: [u8; 16],
    /// The span.
    pub span_id: [u8; 8],
    /// Whether somebody keeps the trace: an exemplar of one that nobody keeps leads nowhere, and is not recorded.
    pub sampled: bool,
}

impl TraceContext {
    /// A sampled trace; `None` if one of the identifiers is all zeros, which means that there is none.
    pub fn new(trace_id: [u8; 16], span_id: [u8; 8]) -> Option<TraceContext> {
        let is_valid = trace_id != [0; 16] && span_id != [0; 8];
        is_valid.then_some(TraceContext { trace_id, span_id, sampled: true })
    }

    /// Reads a `traceparent` header by the letter of <https://www.w3.org/TR/trace-context/#traceparent-header>: small
    /// hexadecimal digits only, no blanks, nothing behind a version 00; a version to come may have more behind a `-`.
    ///
    /// The span is that of whoever sent the header. Cost: some tens of nanoseconds, no allocation.
    pub fn from_traceparent(header: impl AsRef<[u8]>) -> Option<TraceContext> {
        let (fields, rest) = header.as_ref().split_first_chunk::<55>()?;
        let [v0, v1, b'-', ids @ .., b'-', f0, f1] = fields else { return None };
        let version = hex_small(&[*v0, *v1])?;
        let is_known = match version {
            [0] => rest.is_empty(),
            [0xff] => false,
            _ => rest.first().is_none_or(|&byte| byte == b'-'),
        };
        let (trace, span) = ids.split_first_chunk::<32>()?;
        let (b'-', span) = span.split_first()? else { return None };
        let [flags] = hex_small(&[*f0, *f1])?;
        let context = TraceContext::new(hex_small(trace)?, hex_small(span)?)?;
        is_known.then_some(TraceContext { sampled: flags & 1 == 1, ..context })
    }

    /// Reads the identifiers as they stand in logs and fields: 32 and 16 hexadecimal digits, large or small.
    pub fn from_hex(trace_id: impl AsRef<[u8]>, span_id: impl AsRef<[u8]>) -> Option<TraceContext> {
        TraceContext::new(hex(trace_id.as_ref())?, hex(span_id.as_ref())?)
    }

    /// The identifiers, if the trace is kept.
    #[cfg(any(feature = "tracing", feature = "tower"))]
    pub(crate) fn exemplar(self) -> Option<([u8; 16], [u8; 8])> {
        self.sampled.then_some((self.trace_id, self.span_id))
    }
}

/// `N` bytes from exactly as many pairs of hexadecimal digits.
pub(crate) fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_chunks::<2>().0) {
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(bytes)
}

/// As [`hex`], of small digits only.
fn hex_small<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    hex(text).filter(|_| !text.iter().any(u8::is_ascii_uppercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn headers_are_read_by_the_letter() {
        let read = |text: &str| TraceContext::from_traceparent(text);
        let context = read(&format!("00-{TRACE}-{SPAN}-01")).unwrap();
        assert_eq!(context.trace_id, 0x4bf92f3577b34da6a3ce929d0e0e4736_u128.to_be_bytes());
        assert_eq!(context.exemplar(), Some((context.trace_id, context.span_id)));
        let unsampled = read(&format!("00-{TRACE}-{SPAN}-fe")).unwrap();
        assert_eq!((unsampled.sampled, unsampled.exemplar()), (false, None));
        let later = read(&format!("cc-{TRACE}-{SPAN}-01-what-will-be"));
        assert_eq!(later, Some(context));
        assert_eq!(read(&format!("cc-{TRACE}-{SPAN}-01")), Some(context));
        let zeros = "0".repeat(32);
        for wrong in [
            String::new(),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("cc-{TRACE}-{SPAN}-01more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("0-{TRACE}-{SPAN}-001"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-0g"),
            format!("00-{TRACE}_{SPAN}-01"),
            format!("00_{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}_01"),
            format!(" 00-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-01 "),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00-{SPAN}-{TRACE}-01"),
            format!("00-é{}-{SPAN}-01", &TRACE[2..]),
        ] {
            assert_eq!(read(&wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn identifiers_from_fields() {
        assert!(TraceContext::from_hex(TRACE, SPAN.to_uppercase()).is_some());
        assert!(TraceContext::from_hex(SPAN, SPAN).is_none());
        assert!(TraceContext::from_hex(&TRACE[1..], SPAN).is_none());
        assert!(TraceContext::from_hex("0".repeat(32), SPAN).is_none());
        assert!(TraceContext::from_hex(format!("+{}", &TRACE[1..]), SPAN).is_none());
    }
}
