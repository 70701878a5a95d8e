//! Who is told of evaluations.

use super::{Evaluation, Rules};

/// Who is told of each evaluation of rules: handlers of notifications, the roll-up of health.
///
/// It is called on the thread that evaluates, which has the rules to itself meanwhile: whoever has more to do than to take
/// what he needs does it elsewhere.
pub trait RuleObserver: Send + Sync {
    /// `rules` were evaluated at `now_ms`, in milliseconds since 1970, and `evaluation` is what came of it. Called for each
    /// evaluation, also when nothing changed.
    fn evaluated(&self, now_ms: i64, evaluation: &Evaluation, rules: &Rules);
}
