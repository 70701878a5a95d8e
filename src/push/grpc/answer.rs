//! What a server's status means for a payload, as OTLP has it
//! (<https://opentelemetry.io/docs/specs/otlp/#failures>).

use super::super::attempt::Outcome;
use super::super::http::response::Response;
use super::super::own::Failure;
use super::details;
use http::HeaderMap;

/// Characters of a server's words that an error shows.
const SHOWN: usize = 200;

/// By their number.
const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// What the status in `headers` makes of a call that was answered with `message`; `None` if there is no status.
pub(super) fn outcome(headers: &HeaderMap, message: &[u8]) -> Option<Outcome> {
    let said = headers.get("grpc-status")?.as_bytes();
    let code = std::str::from_utf8(said).ok().and_then(|text| text.parse::<usize>().ok());
    let Some(code) = code else {
        let why = "its grpc-status is not a number".to_owned();
        return Some(Outcome::Failed(Failure::Malformed, why));
    };
    if code == 0 {
        // It has taken the payload, whatever it says beside that.
        let body = details::message(message).unwrap_or_default().to_vec();
        return Some(Outcome::Answered(Response { status: 200, headers: Vec::new(), body }));
    }
    let mut why = match NAMES.get(code) {
        Some(name) => format!("it answered {name}"),
        None => format!("it answered with the status {code}, which gRPC does not have"),
    };
    if let Some(said) = headers.get("grpc-message").filter(|said| !said.is_empty()) {
        why = format!("{why}: {}", details::text(said.as_bytes(), SHOWN));
    }
    let pause = headers.get("grpc-status-details-bin");
    let pause = pause.and_then(|details| details::retry_delay(details.as_bytes()));
    let retryable = match code {
        1 | 4 | 10 | 11 | 14 | 15 => true,
        8 => pause.is_some(),
        _ => false,
    };
    if retryable {
        return Some(Outcome::Later(why, pause));
    }
    let advice = match code {
        7 | 16 => "check the target's credentials",
        12 => "check the target's port: this server takes no OTLP metrics there",
        8 => "it does not say that it will have room again",
        _ => "it says that the payload is not what it takes",
    };
    Some(Outcome::Refused(format!("{why}; {advice}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&'static str, &'static str)]) -> Option<Outcome> {
        let headers = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
        });
        outcome(&headers.collect(), b"\0\0\0\0\x02ab")
    }

    #[test]
    fn statuses() {
        let taken = of(&[("grpc-status", "0")]);
        assert!(matches!(taken, Some(Outcome::Answered(r)) if r.status == 200 && r.body == b"ab"));
        assert!(of(&[("grpc-message", "x")]).is_none());
        assert!(matches!(
            of(&[("grpc-status", "x")]),
            Some(Outcome::Failed(Failure::Malformed, _))
        ));
        for (code, later) in [
            ("1", true),
            ("2", false),
            ("3", false),
            ("4", true),
            ("5", false),
            ("6", false),
            ("7", false),
            ("8", false),
            ("9", false),
            ("10", true),
            ("11", true),
            ("12", false),
            ("13", false),
            ("14", true),
            ("15", true),
            ("16", false),
            ("99", false),
        ] {
            match of(&[("grpc-status", code), ("grpc-message", "why%20not")]) {
                Some(Outcome::Later(why, None)) if later => assert!(why.contains(": why not")),
                Some(Outcome::Refused(why)) if !later => assert!(why.contains(": why not")),
                other => panic!("{code}: {other:?}"),
            }
        }
    }
}
