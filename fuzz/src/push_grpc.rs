//! What a gRPC server answers beside HTTP/2 itself: a message behind its length, a text, and how long to wait.

use arbitrary::Arbitrary;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use prost::Message as _;
use std::time::Duration;
use tachometer::push::outside;

#[derive(Arbitrary, Debug)]
pub enum Answer {
    /// Whatever.
    Raw(Vec<u8>),
    Message(Vec<u8>, Harm),
    Text(String, u8),
    Details(Details),
}

#[derive(Arbitrary, Debug)]
pub enum Harm {
    None,
    Cut(u8),
    Grown(Vec<u8>),
    Packed(u8),
}

#[derive(Arbitrary, Debug)]
pub struct Details {
    code: i32,
    message: String,
    before: Vec<(Vec<u8>, Vec<u8>)>,
    retry: Option<Option<(i64, i32)>>,
    padded: bool,
    cut: Option<u16>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(bytes = "vec", tag = "1")]
    type_url: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Span>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Span {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

const KIND: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// Reads an answer.
pub fn run(plan: &Answer) {
    match plan {
        Answer::Raw(bytes) => raw(bytes),
        Answer::Message(message, harm) => framed(message, harm),
        Answer::Text(text, most) => percent_encoded(text, usize::from(*most)),
        Answer::Details(details) => retry_delay(details),
    }
}

fn raw(bytes: &[u8]) {
    if let Some(message) = outside::grpc_message(bytes) {
        let len = u32::try_from(message.len()).expect("four bytes of length");
        assert_eq!(bytes, [&[0][..], &len.to_be_bytes(), message].concat());
    }
    let text = outside::grpc_text(bytes, 50);
    assert!(!text.contains(char::is_control), "{text:?}");
    outside::grpc_retry_delay(bytes);
    let encoded = STANDARD.encode(bytes);
    if outside::grpc_retry_delay(encoded.as_bytes()).is_some() {
        let kind = b"google.rpc.RetryInfo";
        assert!(bytes.windows(kind.len()).any(|window| window == kind));
    }
}

fn framed(message: &[u8], harm: &Harm) {
    let len = u32::try_from(message.len()).expect("short").to_be_bytes();
    let mut bytes = [&[0][..], &len, message].concat();
    match harm {
        Harm::None => assert_eq!(outside::grpc_message(&bytes), Some(message)),
        Harm::Cut(at) => {
            bytes.truncate(usize::from(*at).min(bytes.len() - 1));
            assert_eq!(outside::grpc_message(&bytes), None);
        }
        Harm::Grown(more) if more.is_empty() => {}
        Harm::Grown(more) => {
            bytes.extend_from_slice(more);
            assert_eq!(outside::grpc_message(&bytes), None);
        }
        Harm::Packed(flag) => {
            bytes[0] = *flag;
            assert_eq!(outside::grpc_message(&bytes).is_some(), *flag == 0);
        }
    }
}

/// As gRPC has it: what is not printable ASCII, and the percent sign.
fn percent_encoded(text: &str, most: usize) {
    let byte = |byte: u8| match byte {
        b' '..=b'~' if byte != b'%' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    let encoded: String = text.bytes().map(byte).collect();
    let shown: String = text.chars().take(most).collect();
    let wanted = shown.escape_debug().to_string();
    assert_eq!(outside::grpc_text(encoded.as_bytes(), most), wanted);
    assert_eq!(outside::grpc_text(encoded.to_lowercase().as_bytes(), 0), "");
}

fn retry_delay(plan: &Details) {
    let others = plan.before.iter().filter(|(kind, _)| !kind.ends_with(b"/google.rpc.RetryInfo"));
    let any =
        |(kind, value): &(Vec<u8>, Vec<u8>)| Any { type_url: kind.clone(), value: value.clone() };
    let mut details: Vec<Any> = others.map(any).collect();
    if let Some(delay) = plan.retry {
        let delay = delay.map(|(seconds, nanos)| Span { seconds, nanos });
        let value = RetryInfo { retry_delay: delay }.encode_to_vec();
        details.push(Any { type_url: KIND.into(), value });
    }
    let status = Status { code: plan.code, message: plan.message.clone(), details };
    let mut bytes = status.encode_to_vec();
    let whole = bytes.len();
    if let Some(at) = plan.cut {
        bytes.truncate(usize::from(at));
    }
    let encoded =
        if plan.padded { STANDARD.encode(&bytes) } else { STANDARD_NO_PAD.encode(&bytes) };
    let read = outside::grpc_retry_delay(encoded.as_bytes());
    let wanted = plan.retry.filter(|_| bytes.len() == whole).map(|delay| {
        let (seconds, nanos) = delay.unwrap_or_default();
        let nanos = nanos.clamp(0, 999_999_999).unsigned_abs();
        Duration::new(seconds.max(0).unsigned_abs(), nanos)
    });
    // It is the last of all, so nothing of it is read if anything is cut off.
    assert_eq!(read, wanted);
}

#[cfg(test)]
mod tests {
    use super::*;
    use arbitrary::Unstructured;

    /// A few thousand inputs of a generator's making, for those who have no libFuzzer.
    #[test]
    fn random_inputs_agree_with_their_oracles() {
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        for round in 0..5_000 {
            let bytes: Vec<u8> = (0..round % 200)
                .map(|_| {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    (random >> 32) as u8
                })
                .collect();
            if let Ok(plan) = Answer::arbitrary_take_rest(Unstructured::new(&bytes)) {
                run(&plan);
            }
        }
    }
}
