//! Reading what a server says beside its status: one message behind five bytes, a text in percent-encoding, and how long to
//! wait, from `google.rpc.Status` with `google.rpc.RetryInfo` in `grpc-status-details-bin`.

use crate::export::fields::Fields;
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::time::Duration;

/// The bytes before a message: whether it is compressed, and its length.
pub(crate) const PREFIX: usize = 5;

/// What goes before a message of `len` bytes.
pub(crate) fn prefix(compressed: bool, len: u32) -> [u8; PREFIX] {
    let [a, b, c, d] = len.to_be_bytes();
    [u8::from(compressed), a, b, c, d]
}

/// The one message of an answer; `None` if it is cut short, compressed though we cannot read that, or not alone.
pub(crate) fn message(bytes: &[u8]) -> Option<&[u8]> {
    let (prefix, message) = bytes.split_first_chunk::<PREFIX>()?;
    let [0, a, b, c, d] = *prefix else { return None };
    let len = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    (message.len() == len).then_some(message)
}

/// A `grpc-message`, at most `most` characters of it, with nothing that could end a line.
pub(crate) fn text(encoded: &[u8], most: usize) -> String {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let [first, behind @ ..] = rest {
        let hex = |at: usize| behind.get(at).and_then(|&digit| char::from(digit).to_digit(16));
        rest = behind;
        match (first, hex(0), hex(1)) {
            // Two digits of 16 make a byte.
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &behind[2..];
            }
            _ => bytes.push(*first),
        }
    }
    let text: String = String::from_utf8_lossy(&bytes).chars().take(most).collect();
    text.escape_debug().to_string()
}

/// How long the server asks to be left alone, if `encoded` (base 64, padded or not) says so: the first `RetryInfo`.
pub(crate) fn retry_delay(encoded: &[u8]) -> Option<Duration> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
    retry_delay_of_status(&ENGINE.decode(encoded).ok()?)
}

fn retry_delay_of_status(status: &[u8]) -> Option<Duration> {
    let details = Fields::of(status).filter_map(|field| field.bytes(3));
    details.filter_map(delay_of_detail).next()
}

/// `Any { type_url = 1, value = 2 }`.
fn delay_of_detail(detail: &[u8]) -> Option<Duration> {
    let (mut kind, mut value) = (&[][..], &[][..]);
    for field in Fields::of(detail) {
        kind = field.bytes(1).unwrap_or(kind);
        value = field.bytes(2).unwrap_or(value);
    }
    if !kind.ends_with(b"/google.rpc.RetryInfo") {
        return None;
    }
    // `RetryInfo { retry_delay = 1 }`, `Duration { seconds = 1, nanos = 2 }`.
    let (mut seconds, mut nanos) = (0, 0);
    for field in Fields::of(value).filter_map(|field| field.bytes(1)).flat_map(Fields::of) {
        seconds = field.uint(1).unwrap_or(seconds);
        nanos = field.uint(2).unwrap_or(nanos);
    }
    // Both are signed; less than nothing is nothing.
    let seconds = u64::try_from(seconds as i64).unwrap_or(0);
    let nanos = u32::try_from(nanos as i64).unwrap_or(0).min(999_999_999);
    Some(Duration::new(seconds, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::wire::Wire as _;

    #[test]
    fn one_message_and_nothing_else() {
        let framed = |message: &[u8]| [&prefix(false, message.len() as u32), message].concat();
        assert_eq!(message(&framed(b"")), Some(&b""[..]));
        assert_eq!(message(&framed(b"abc")), Some(&b"abc"[..]));
        assert_eq!(prefix(true, 0x0102_0304), [1, 1, 2, 3, 4]);
        for bad in [&b""[..], b"\0\0\0\0", b"\0\0\0\0\x02a", b"\0\0\0\0\x01ab", b"\x01\0\0\0\0"] {
            assert_eq!(message(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn texts() {
        assert_eq!(text(b"plain 100%", 99), "plain 100%");
        assert_eq!(text(b"a%20b%0A%e2%98%83 %zz%4", 99), "a b\\n\u{2603} %zz%4");
        assert_eq!(text(b"%ff", 99), "\u{fffd}");
        assert_eq!(text(b"abcdef", 3), "abc");
    }

    /// `google.rpc.Status`, with a detail of another kind before the last one.
    fn status(kind: &str, value: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut status = Vec::new();
        status.uint(1, 8);
        status.bytes(2, b"slow");
        status.message(3, |any| any.bytes(1, b"type.googleapis.com/google.rpc.ErrorInfo"));
        status.message(3, |any| {
            any.bytes(1, kind.as_bytes());
            any.message(2, value);
        });
        status
    }

    #[test]
    fn pauses() {
        const KIND: &str = "type.googleapis.com/google.rpc.RetryInfo";
        let delay = |seconds: i64, nanos: i64| {
            status(KIND, |info| {
                info.message(1, |delay| {
                    delay.uint(1, seconds as u64);
                    delay.uint(2, nanos as u64);
                });
            })
        };
        let of = |status: &[u8]| retry_delay_of_status(status);
        let wanted = Some(Duration::from_millis(1_500));
        let whole = delay(1, 500_000_000);
        assert_eq!(of(&whole), wanted);
        assert_eq!(of(&delay(-1, 0)), Some(Duration::ZERO));
        assert_eq!(of(&delay(1, -1)), Some(Duration::from_secs(1)));
        assert_eq!(of(&delay(i64::MAX, i64::MAX)).unwrap().as_secs(), i64::MAX as u64);
        assert_eq!(of(&status(KIND, |_| {})), Some(Duration::ZERO));
        assert_eq!(of(&status("type.googleapis.com/x.Y", |_| {})), None);
        assert_eq!(of(&whole[..whole.len() - 1]), None);
        assert_eq!(of(b""), None);
        let encoded = base64::engine::general_purpose::STANDARD.encode(&whole);
        assert_eq!(retry_delay(encoded.as_bytes()), wanted);
        assert_eq!(retry_delay(encoded.trim_end_matches('=').as_bytes()), wanted);
        assert_eq!(retry_delay(b"!"), None);
    }
}
