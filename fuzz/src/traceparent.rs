//! Any bytes as a `traceparent` header: what a second reading, field by field as the recommendation's grammar has them
//! (<https://www.w3.org/TR/trace-context/#traceparent-header>), gives; and what was put into a sound one.

use arbitrary::Arbitrary;
use http::{HeaderMap, HeaderValue};
use tachometer::facade::TraceContext;

/// An input.
#[derive(Arbitrary, Debug)]
pub enum Plan {
    Bytes(Vec<u8>),
    Made { version: u8, trace: u128, span: u64, flags: u8, tail: Option<String>, change: Change },
}

#[derive(Arbitrary, Debug)]
pub enum Change {
    None,
    /// A byte in the place of another.
    Byte(u8, u8),
    Capitals,
    CutAt(u8),
}

/// Runs one input.
pub fn run(plan: &Plan) {
    let header = match plan {
        Plan::Bytes(bytes) => bytes.clone(),
        Plan::Made { version, trace, span, flags, tail, change } => {
            let mut text = format!("{version:02x}-{trace:032x}-{span:016x}-{flags:02x}");
            tail.iter().for_each(|tail| {
                text.push('-');
                text.push_str(tail);
            });
            let mut header = text.into_bytes();
            match *change {
                Change::None => {
                    let sound = *trace != 0
                        && *span != 0
                        && match version {
                            0 => tail.is_none(),
                            255 => false,
                            _ => true,
                        };
                    let expected = sound.then(|| TraceContext {
                        trace_id: trace.to_be_bytes(),
                        span_id: span.to_be_bytes(),
                        sampled: flags % 2 == 1,
                    });
                    assert_eq!(TraceContext::from_traceparent(&header), expected);
                }
                Change::Byte(at, byte) => {
                    let at = usize::from(at) % header.len();
                    header[at] = byte;
                }
                Change::Capitals => header.make_ascii_uppercase(),
                Change::CutAt(at) => header.truncate(usize::from(at)),
            }
            header
        }
    };
    let read = TraceContext::from_traceparent(&header);
    assert_eq!(read, naive(&header));
    // As the layer for HTTP reads it.
    if let Ok(value) = HeaderValue::from_bytes(&header) {
        let mut headers = HeaderMap::new();
        headers.append("traceparent", value.clone());
        let of = |headers: &HeaderMap| {
            tachometer::facade::tower::traceparent(headers, &http::Extensions::new())
        };
        assert_eq!(of(&headers), read);
        headers.append("traceparent", value);
        assert_eq!(of(&headers), None, "of two, neither");
    }
}

/// The header by its fields.
fn naive(header: &[u8]) -> Option<TraceContext> {
    let mut fields = header.splitn(5, |&byte| byte == b'-');
    let mut field = |length: usize| {
        let field = std::str::from_utf8(fields.next()?).ok()?;
        let digits = field.chars().all(|c| "0123456789abcdef".contains(c));
        (field.len() == length && digits).then(|| field.to_owned())
    };
    let (version, trace, span, flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
    let more = fields.next().is_some();
    if version == "ff" || (version == "00" && more) {
        return None;
    }
    let trace = u128::from_str_radix(&trace, 16).ok().filter(|&trace| trace != 0)?;
    let span = u64::from_str_radix(&span, 16).ok().filter(|&span| span != 0)?;
    let sampled = u8::from_str_radix(&flags, 16).ok()? & 1 == 1;
    Some(TraceContext { trace_id: trace.to_be_bytes(), span_id: span.to_be_bytes(), sampled })
}
