//! What a deployment of several replicas serves, under the names of fog-compute.
//!
//! Rates are not set but derived, by rules, from what is counted:
//!
//! ```
//! use tachometer::Registry;
//! use tachometer::catalogue::deployment::DeploymentMetrics;
//! let deployments = DeploymentMetrics::register(&Registry::new())?;
//! let api = deployments.deployment("api");
//! api.replicas.set(3.0);
//! api.requests.inc();
//! api.latency.record(4_200_000);
//! # Ok::<(), tachometer::Error>(())
//! ```

use crate::declare::{Alert, Bound, PanelUnit, Severity};
use crate::{Counter, Family, Gauge, Histogram, Unit, bundle};
use std::time::Duration;

bundle! {
    /// What deployments serve.
    pub struct DeploymentMetrics("deployment_", "Deployments") {
        /// Replicas that run.
        pub replica_count: Family<Gauge, 1> = "replica_count", keys(["deployment_id"])
            => asks("How many replicas run?"), titled("Replicas"),
               alert(Alert::when_beyond("DeploymentDown", "deployment_replica_count", Bound::Below(1.0))
                   .hold(Duration::from_secs(30))
                   .severity(Severity::Critical)
                   .component("deployment")
                   .summary("No replica of {{ $labels.deployment_id }} runs")
                   .description("The deployment has had no replica for 30 s.")
                   .action("Look why its replicas end, and whether a node has room for them."));
        /// Requests to the deployment. The engine adds it to the original list, to derive rates from it.
        pub requests: Family<Counter, 1> = "requests_total", keys(["deployment_id"])
            => asks("How much is asked of each deployment?"), titled("Requests");
        /// Requests that failed. The engine adds it to the original list, to derive the rate of errors from it.
        pub errors: Family<Counter, 1> = "errors_total", keys(["deployment_id"])
            => asks("Which deployment fails?"), titled("Failed requests");
        /// From a request to its answer.
        pub latency: Family<Histogram, 1> =
            "latency_seconds", unit(Unit::Nanoseconds), keys(["deployment_id"])
            => asks("How long do requests take?"), titled("Request latency"), headline();
    }
    derived {
        /// Requests a second, over a minute.
        "request_rate" = "rate(deployment_requests_total[1m])", keys(["deployment_id"])
            => asks("How many requests are there?"), titled("Request rate"), headline(), shown_in(PanelUnit::PerSecond);
        /// The part of a minute's requests that failed.
        "error_rate" =
            "(rate(deployment_errors_total[1m]) or 0 * rate(deployment_requests_total[1m])) \
             / (rate(deployment_requests_total[1m]) > 0)",
            keys(["deployment_id"])
            => asks("How many requests fail?"), titled("Error rate"), headline(), shown_in(PanelUnit::Ratio),
               alert(Alert::when_beyond("DeploymentErrors", "deployment_error_rate", Bound::Above(0.05))
                   .hold(Duration::from_secs(60))
                   .severity(Severity::Critical)
                   .component("deployment")
                   .summary("Requests to {{ $labels.deployment_id }} fail")
                   .description("{{ $value | humanizePercentage }} of the requests of a minute failed.")
                   .action("Look at the logs of its replicas, and what was deployed last."));
    }
}

/// The handles of one deployment. Made by [`DeploymentMetrics::deployment`].
#[derive(Clone, Debug)]
pub struct DeploymentHandles {
    /// Replicas that run.
    pub replicas: Gauge,
    /// Requests.
    pub requests: Counter,
    /// Requests that failed.
    pub errors: Counter,
    /// From a request to its answer, in nanoseconds.
    pub latency: Histogram,
}

impl DeploymentMetrics {
    /// The handles of the deployment `deployment`. Its series live as long as they do: keep them for as long as the deployment is there.
    pub fn deployment(&self, deployment: &str) -> DeploymentHandles {
        DeploymentHandles {
            replicas: self.replica_count.member([deployment]),
            requests: self.requests.member([deployment]),
            errors: self.errors.member([deployment]),
            latency: self.latency.member([deployment]),
        }
    }
}
