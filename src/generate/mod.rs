//! Files for Grafana and Prometheus, made of what bundles declare: dashboards, rule files, a scrape configuration.
//!
//! ```
//! use tachometer::catalogue::raft::RaftMetrics;
//! use tachometer::generate;
//! let bundles = [RaftMetrics::declaration()];
//! let dashboards = generate::grafana(&bundles);
//! assert_eq!(dashboards[0].title(), "Consensus");
//! assert!(dashboards[0].to_json()["panels"].is_array());
//! let rules = generate::rules(&bundles)?;
//! assert_eq!(rules[0].name(), "raft.yml");
//! # Ok::<(), tachometer::rules::recipes::RecipeError>(())
//! ```
//!
//! A host's own bundle gets a dashboard of its own, and so does whatever [`Dashboard`] is put together by hand. `tacho
//! generate` writes the files for the bundles of [`catalogue`](crate::catalogue).

mod dashboard;
mod filter;
mod panel;
mod scrape;
mod shipped;

pub use dashboard::Dashboard;
pub use scrape::{Scrape, ScrapeError};
pub use shipped::grafana;

use crate::declare::Bundle;
use crate::rules::RuleFile;
use crate::rules::recipes::RecipeError;

/// The rules of each bundle that has any: what it derives and its alerts, as a file called by the bundle's
/// [id](Bundle::id).
///
/// # Errors
/// Those of [`RuleFile::of_bundles`].
pub fn rules<'a>(
    bundles: impl IntoIterator<Item = &'a Bundle>,
) -> Result<Vec<RuleFile>, RecipeError> {
    let files = bundles
        .into_iter()
        .map(|bundle| RuleFile::of_bundles(&format!("{}.yml", bundle.id()), [bundle]));
    let files: Result<Vec<_>, _> = files.collect();
    Ok(files?.into_iter().filter(|file| !file.groups().is_empty()).collect())
}
