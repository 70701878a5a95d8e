//! The endpoints as an axum router. Feature `axum`.

#[cfg(all(feature = "history", feature = "rules"))]
mod events;

use super::{Answer, ListenerBuilder, Responder};
use crate::limits::MAX_HTTP_FORM_BYTES;
use crate::{Engine, Error};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header::HeaderName};
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;

/// The endpoints of a [`Listener`](crate::Listener) as an axum router, to mount in a server of the host's: `/metrics`,
/// `/health`, `/stats` and `/`; those of queries if the builder has a source for them, those of rules if it has some. Feature
/// `axum`.
///
/// Pages are made where blocking is allowed (`spawn_blocking`), so the server goes on meanwhile. To have it below a path of
/// its own, where the host needs `/` itself, use [`ListenerBuilder::prefix`] and [`ListenerBuilder::router`] and
/// [`merge`](axum::Router::merge) the result; not `nest`, which takes the path away.
///
/// ```
/// use tachometer::{Engine, Registry, serve};
/// let engine = Engine::builder().registry(&Registry::new()).start()?;
/// let app: axum::Router = axum::Router::new()
///     .route("/hello", axum::routing::get(|| async { "hello" }))
///     .merge(serve::router(&engine)?);
/// # Ok::<(), tachometer::Error>(())
/// ```
///
/// # Errors
/// The engine is not running, or a name of the endpoints' own metrics is registered with another definition.
pub fn router(engine: &Engine) -> Result<Router, Error> {
    ListenerBuilder::default().router(engine)
}

impl ListenerBuilder {
    /// As [`router`], with this builder's prefix, formats and credentials. What is about connections (limits, allow list,
    /// TLS) is the host's server's business.
    ///
    /// # Errors
    /// As [`router`]; a setting makes no sense.
    pub fn router(self, engine: &Engine) -> Result<Router, Error> {
        let prefix = self.rules.prefix.clone();
        #[cfg(feature = "promql")]
        let has_queries = self.api.is_some();
        #[cfg(feature = "promql")]
        let hosts = self.rules.hosts.clone();
        #[cfg(all(feature = "history", feature = "rules"))]
        let has_rules = self.rules.alerts;
        #[cfg(feature = "page")]
        let has_page = self.rules.has_page();
        let responder = self.responder(engine)?;
        let paths = ["/metrics", "/health", "/health/live", "/health/ready", "/stats"];
        let mut router = Router::new();
        for path in paths {
            router = router.route(&format!("{prefix}{path}"), axum::routing::any(answer));
        }
        #[cfg(feature = "promql")]
        if has_queries {
            for path in ["/api/v1/{*rest}", "/metrics/aggregated"] {
                router = router.route(&format!("{prefix}{path}"), axum::routing::any(answer));
            }
        }
        #[cfg(feature = "promql")]
        for path in hosts.paths().filter(|path| !(has_queries && path.starts_with("/api/v1/"))) {
            router = router.route(&format!("{prefix}{path}"), axum::routing::any(answer));
        }
        #[cfg(all(feature = "history", feature = "rules"))]
        if has_rules {
            let path = format!("{prefix}/api/v1/events");
            router = router.route(&path, axum::routing::any(events::answer));
        }
        #[cfg(feature = "page")]
        if has_page {
            let path = format!("{prefix}/page/{{file}}");
            router = router.route(&path, axum::routing::any(answer));
            if !prefix.is_empty() {
                router = router.route(&format!("{prefix}/"), axum::routing::any(answer));
            }
        }
        let index = if prefix.is_empty() { "/" } else { &prefix };
        Ok(router.route(index, axum::routing::any(answer)).with_state(responder))
    }
}

/// One request.
async fn answer(State(responder): State<Responder>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // Only a query's parameters come in a body; the listener leaves all others unread as well.
    let is_call = parts.method == "POST" && parts.uri.path().contains("/api/v1/");
    let body = match is_call {
        true => axum::body::to_bytes(body, MAX_HTTP_FORM_BYTES).await,
        false => Ok(Bytes::new()),
    };
    let Ok(body) = body else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    let body = body.to_vec();
    let respond = move || {
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        responder.respond_with(parts.method.as_str(), target, headers, body)
    };
    match tokio::task::spawn_blocking(respond).await {
        Ok(answer) => response(answer),
        // The runtime ends, or making the page panicked, which the panic hook has shown.
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn response(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    for (name, value) in answer.headers() {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        {
            response.headers_mut().append(name, value);
        }
    }
    *response.body_mut() = Body::from(Bytes::from_owner(Shared(answer.into_body())));
    response
}

/// Bytes that all who get the page share.
struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
