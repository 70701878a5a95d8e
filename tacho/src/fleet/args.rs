//! The command line of `tacho fleet`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::targets::Target;
use crate::access;
use crate::listen::Listen;

#[derive(Clone, Debug, Args)]
pub struct FleetArgs {
    /// Who is read: a URL, HOST:PORT (with the page at /metrics), or NAME=URL. Its series carry the name, or else HOST:PORT, as
    /// `instance`. May be repeated; further targets are in the configuration, under [sources.NAME].
    #[arg(long = "target", value_name = "[NAME=]URL")]
    pub targets: Vec<Target>,

    /// How often each target is read, unless the configuration says it.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = access::duration)]
    pub interval: Duration,

    /// Where to serve all of it, or `off` [default: as configured, else 127.0.0.1:9464].
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<Listen>,

    /// A file of settings: see `tacho config example`. Its [sources.NAME] are targets, too, and are read again when the
    /// file changes.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Files of Prometheus rules, or `off` [default: as configured, else those of all bundles].
    #[arg(long, value_name = "FILE")]
    pub rules: Vec<PathBuf>,

    /// Keep no history, and answer queries from this Prometheus, or what is compatible with it.
    #[arg(long, value_name = "URL", value_parser = access::url)]
    pub backend: Option<String>,

    /// What the names of event stores' series begin with.
    #[arg(long, value_name = "PREFIX", default_value = "allsource_")]
    pub event_store_prefix: String,
}
