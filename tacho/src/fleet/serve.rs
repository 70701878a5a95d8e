//! The fleet's own endpoints at its listener.

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use tachometer::ListenerBuilder;
use tachometer::catalogue::event_store::ControlPlaneMetrics;
use tachometer::serve::{EndpointAnswer, EndpointError, EndpointRequest};

use super::Shared;
use super::dashboard::Dashboard;

/// Adds them. Each request is recorded in the control plane's series.
pub(super) fn add(
    builder: ListenerBuilder,
    dashboard: Dashboard,
    shared: Arc<Shared>,
    control_plane: ControlPlaneMetrics,
) -> ListenerBuilder {
    let dashboard = Arc::new(dashboard);
    let of = |name: &'static str| (format!("/api/v1/dashboard/{name}"), dashboard.clone());
    let (path, answers) = of("overview");
    let builder = builder.endpoint(
        path,
        recorded(&control_plane, move |_| {
            let nodes = shared.nodes.lock().clone();
            answers.overview(&nodes)
        }),
    );
    let (path, answers) = of("timeseries");
    let builder = builder
        .endpoint(path, recorded(&control_plane, move |request| answers.timeseries(request)));
    let (path, answers) = of("top_entities");
    builder.endpoint(path, recorded(&control_plane, move |request| answers.top_entities(request)))
}

/// Answers in JSON, and records the request.
fn recorded<A: Fn(&EndpointRequest<'_>) -> Result<Value, EndpointError>>(
    control_plane: &ControlPlaneMetrics,
    answer: A,
) -> impl Fn(&EndpointRequest<'_>) -> Result<EndpointAnswer, EndpointError> + use<A> {
    let metrics = control_plane.clone();
    move |request| {
        let began = Instant::now();
        let answered = answer(request).map(|json| EndpointAnswer::json(json.to_string()));
        // HEAD is answered as GET is.
        let (method, path) = ("GET", request.path());
        let status = answered.as_ref().err().map_or(200, EndpointError::status).to_string();
        metrics.http_requests.at([method, path, &status]).inc();
        metrics.http_request_duration.at([method, path]).record_duration(began.elapsed());
        answered
    }
}
