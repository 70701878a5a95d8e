//! Calls that a backend answers: their parameters are looked at here, its answers are handed on as they are.
//!
//! Of the parameters only those of the API's table are handed on, and at most one value of those that have one: what else a backend
//! understands (another tenant, another source) is for the operator to set. The text of a query is the backend's to judge: its
//! language may be larger.

use super::form::Form;
use super::{Call, Endpoint, Failure, bounds, is_label_name, limit, range_of, time};
use crate::backend::{Backend, BackendError, Shape};
use crate::limits::MAX_QUERY_BYTES;
use crate::query::Settings;
use crate::serve::own::Code;
use crate::serve::query::shown;
use crate::serve::site::Reply;

/// The backend's answer; nothing to calls that are answered here.
pub(super) fn answer(
    backend: &Backend,
    call: &Call,
    settings: Settings,
    form: &Form,
) -> Option<Result<Reply, Failure>> {
    let question = match question(call, settings, form) {
        Ok(question) => question?,
        Err(failure) => return Some(Err(failure)),
    };
    let Question { path, shape, parameters, time_limit } = question;
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| (*name, &**value)).collect();
    let post = call.endpoint.takes_forms();
    let answer = backend.call(&path, &parameters, post, time_limit, |text| shape.check(text));
    Some(match answer {
        Ok(body) => Ok(Reply::text(Code::Ok, "application/json", body.text)),
        Err(said) => match (&said.error, said.text) {
            (BackendError::Answered { status, .. }, Some(text)) => {
                Ok(Reply::text(code(*status), "application/json", text))
            }
            (error, _) => Err(Failure { kind: kind(error), why: error.to_string() }),
        },
    })
}

/// What the backend is asked.
struct Question {
    path: String,
    shape: Shape,
    parameters: Vec<(&'static str, String)>,
    time_limit: std::time::Duration,
}

fn question(call: &Call, mut settings: Settings, form: &Form) -> Result<Option<Question>, Failure> {
    let (path, shape, names): (_, _, &[&'static str]) = match &call.endpoint {
        Endpoint::Query => ("query".to_owned(), Shape::Result, &["query", "time"]),
        Endpoint::QueryRange => {
            range_of(form)?;
            ("query_range".to_owned(), Shape::Result, &["query", "start", "end", "step"])
        }
        Endpoint::Series => ("series".to_owned(), Shape::List, &["start", "end", "limit"]),
        Endpoint::Labels => ("labels".to_owned(), Shape::List, &["start", "end", "limit"]),
        Endpoint::LabelValues(name) if !is_label_name(name) => {
            return Err(Failure::bad_data(format!("invalid label name: {}", shown(name))));
        }
        Endpoint::LabelValues(name) => {
            (format!("label/{name}/values"), Shape::List, &["start", "end", "limit"])
        }
        Endpoint::Metadata => ("metadata".to_owned(), Shape::Object, &["metric", "limit"]),
        Endpoint::BuildInfo => ("status/buildinfo".to_owned(), Shape::Object, &[]),
        // Those are this process's.
        #[cfg(all(feature = "history", feature = "rules"))]
        Endpoint::Rules | Endpoint::Alerts => return Ok(None),
        // The host answers before anybody is asked.
        Endpoint::Aggregated | Endpoint::Host(_) => return Ok(None),
        // Made of samples that are fetched.
        #[cfg(feature = "page")]
        Endpoint::Bundles | Endpoint::Heatmap | Endpoint::Live => return Ok(None),
    };
    let one = |name: &&'static str| Some((*name, form.first(name)?.to_owned()));
    let mut parameters: Vec<_> = names.iter().filter_map(one).collect();
    if call.endpoint == Endpoint::Metadata {
        super::metadata_limit(form)?;
    }
    for name in ["time", "start", "end"].iter().filter(|name| names.contains(name)) {
        time(form, name)?;
    }
    if names.contains(&"query") {
        if form.first("query").is_some_and(|query| query.len() > MAX_QUERY_BYTES) {
            let why = format!("more than {MAX_QUERY_BYTES} bytes in a query; split it");
            return Err(Failure::parameter("query", why));
        }
        bounds(&mut settings, form)?;
        // It gives up when we do.
        parameters.push(("timeout", format!("{}ms", settings.time_limit.as_millis().max(1))));
        let lookback = form.first("lookback_delta");
        parameters.extend(lookback.map(|text| ("lookback_delta", text.to_owned())));
    }
    if matches!(shape, Shape::List) {
        limit(form)?;
        parameters.extend(form.all("match[]").map(|text| ("match[]", text.to_owned())));
        if call.endpoint == Endpoint::Series && form.all("match[]").next().is_none() {
            return Err(Failure::bad_data("no match[] parameter provided"));
        }
    }
    let path = format!("/api/v1/{path}");
    Ok(Some(Question { path, shape, parameters, time_limit: settings.time_limit }))
}

/// The status with which a backend's error is handed on: its own, where the listener has it.
fn code(status: u16) -> Code {
    match status {
        400 => Code::BadRequest,
        404 => Code::NotFound,
        422 => Code::Unprocessable,
        500 => Code::Internal,
        429 | 501.. => Code::Unavailable,
        _ => Code::Unprocessable,
    }
}

fn kind(error: &BackendError) -> &'static str {
    match error {
        BackendError::TimedOut { .. } => "timeout",
        BackendError::TooLarge { .. } => "execution",
        BackendError::Malformed { .. } => "internal",
        _ => "unavailable",
    }
}
