//! OTLP: one request for each snapshot, and what a receiver says about points that it will not have.
//!
//! With delta temporality the encoder's history moves on when the receiver has a request, and only then: a request that
//! is given up is covered by the next one.

use super::protocol::{Answer, Part, Payload, Protocol, Verdict};
use crate::export::fields::Fields;
use crate::{Encoder, OtlpEncoder, Snapshot};
use serde_json::Value as Json;
use std::sync::Arc;

/// What is sent to an OTLP receiver: an `ExportMetricsServiceRequest` for each snapshot, as its encoder makes it.
///
/// With [`Temporality::Delta`](crate::Temporality::Delta) a snapshot is encoded only when the request before it was
/// answered or given up; what a request that was given up had is in the next one. With
/// [`Temporality::Cumulative`](crate::Temporality::Cumulative) each snapshot is encoded at its time, and waits in the
/// spool.
///
/// An answer may say that the receiver rejected some points of a request that it took (`partial_success`). They are
/// counted and never sent again, as the specification has it; with deltas what they had is lost.
///
/// ```
/// use tachometer::push::OtlpProtocol;
/// use tachometer::{OtlpEncoder, Target};
/// let encoder = OtlpEncoder::json().resource("service.name", "orders")?;
/// let protocol = OtlpProtocol::new(encoder);
/// # let target =
/// Target::http_with("http://127.0.0.1:4318/v1/metrics", protocol);
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Debug)]
pub struct OtlpProtocol {
    encoder: OtlpEncoder,
    /// Bytes of the last request.
    last: usize,
}

impl OtlpProtocol {
    /// Requests of `encoder`, which must not have encoded anything for another receiver.
    pub fn new(encoder: OtlpEncoder) -> OtlpProtocol {
        OtlpProtocol { encoder, last: 0 }
    }
}

impl Protocol for OtlpProtocol {
    fn prepare(&mut self, snapshot: &Arc<Snapshot>, payloads: &mut Vec<Payload>) {
        let mut body = Vec::with_capacity(self.last + self.last / 8);
        self.encoder.encode(snapshot, &mut body);
        self.last = body.len();
        // Without a metric there is nothing to say.
        if body.is_empty() {
            return;
        }
        payloads.push(Payload::new(body, self.encoder.content_type()));
    }

    fn waits(&self) -> bool {
        self.encoder.is_delta()
    }

    fn acknowledged(&mut self, _part: Part, _answer: &[u8]) {
        self.encoder.commit();
    }

    fn answered(&mut self, part: Option<Part>, payload: &Payload, answer: &Answer<'_>) -> Verdict {
        if !answer.is_success() {
            return Verdict::Refused;
        }
        if let Some(part) = part {
            self.acknowledged(part, answer.body);
        }
        let json = payload.headers.iter().any(|(_, value)| value == OtlpEncoder::JSON);
        let partial = if json { of_json(answer.body) } else { of_protobuf(answer.body) };
        match partial {
            Some((0, message)) if message.is_empty() => Verdict::Taken,
            Some((rejected, message)) => Verdict::Partly { rejected, message },
            None => Verdict::Taken,
        }
    }

    fn lost(&mut self, _part: Part) {
        self.encoder.rollback();
    }
}

/// The points that a receiver rejected, and its message. `None` if there is nothing of it in the answer, or the answer
/// is none: the status has said that the request was taken.
fn of_protobuf(answer: &[u8]) -> Option<(u64, String)> {
    let (mut rejected, mut message, mut is_there) = (0, String::new(), false);
    // A field that is there twice counts as its last value, and a message as both together.
    for partial in Fields::of(answer).filter_map(|field| field.bytes(1)) {
        is_there = true;
        for field in Fields::of(partial) {
            rejected = field.uint(1).unwrap_or(rejected);
            if let Some(text) = field.bytes(2) {
                message = String::from_utf8_lossy(text).into_owned();
            }
        }
    }
    is_there.then(|| (at_least_zero(rejected as i64), message))
}

/// As [`of_protobuf`], of a JSON answer.
fn of_json(answer: &[u8]) -> Option<(u64, String)> {
    let answer: Json = serde_json::from_slice(answer).ok()?;
    // Null is not there.
    let partial = answer.get("partialSuccess").filter(|partial| !partial.is_null())?;
    // 64 bits are a string in protobuf's JSON; numbers are to be read all the same.
    let rejected = match partial.get("rejectedDataPoints") {
        Some(Json::String(number)) => number.parse().unwrap_or(0),
        Some(number) => number.as_i64().unwrap_or(0),
        None => 0,
    };
    let message = partial.get("errorMessage").and_then(Json::as_str).unwrap_or_default();
    Some((at_least_zero(rejected), message.to_owned()))
}

fn at_least_zero(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// For fuzzing: what is read out of an answer.
pub(super) fn partial_success(json: bool, answer: &[u8]) -> Option<(u64, String)> {
    if json { of_json(answer) } else { of_protobuf(answer) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::wire::Wire as _;

    #[test]
    fn a_partial_success_in_both_encodings() {
        let mut answer = Vec::new();
        answer.message(1, |out| {
            out.uint(1, 3);
            out.bytes(2, b"too old");
        });
        let wanted = Some((3, "too old".to_owned()));
        assert_eq!(of_protobuf(&answer), wanted);
        for number in ["3", "\"3\""] {
            let answer = format!(
                r#"{{"partialSuccess":{{"rejectedDataPoints":{number},"errorMessage":"too old"}}}}"#
            );
            assert_eq!(of_json(answer.as_bytes()), wanted);
        }
    }

    #[test]
    fn what_says_nothing_of_it() {
        for answer in [&b""[..], b"\x0a", b"\x0a\x7f", b"<html>", &[0xff; 40], b"\x12\x00"] {
            assert_eq!(of_protobuf(answer), None, "{answer:?}");
        }
        let null = b"{\"partialSuccess\":null}";
        for answer in [&b""[..], b"{}", null, b"[1]", b"<html>", b"{\"partialSuccess\":", b"\xff"] {
            assert_eq!(of_json(answer), None, "{answer:?}");
        }
        // Empty, cut off, and below zero.
        for partial in [&b"\x0a\x00"[..], b"\x0a\x02\x08\x80", b"\x0a\x02\x12\x05"] {
            assert_eq!(of_protobuf(partial), Some((0, String::new())), "{partial:?}");
        }
        let below = [&b"\x0a\x0b\x08"[..], &[0xff; 9], &[1]].concat();
        assert_eq!(of_protobuf(&below), Some((0, String::new())));
        let below = br#"{"partialSuccess":{"rejectedDataPoints":-1,"errorMessage":7}}"#;
        assert_eq!(of_json(below), Some((0, String::new())));
    }
}
