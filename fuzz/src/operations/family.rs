//! The members of a family with dynamic labels, by the rules that its documentation states.
//!
//! A member joins when it is first asked for, if there is room. It is idle when a generation finds it as the last did, and
//! nobody holds a handle. Idle for long enough, it is leaving: to ask for it brings it back, and if nobody has until the
//! next complete cut, it is gone after that.

use super::metrics::FamilyRule;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

type Labels = Vec<&'static str>;

#[derive(Debug)]
pub struct FamilyModel {
    limit: usize,
    expire_after: Option<Duration>,
    members: BTreeMap<Labels, Member>,
    /// Series registered by themselves, with the handle kept: so they are in use for ever.
    singles: BTreeSet<Labels>,
}

#[derive(Debug, Default)]
struct Member {
    handles: usize,
    /// Times it was looked up, which is what tells whether a gauge is in use.
    touched: u64,
    /// What the last generation saw of it.
    seen: u64,
    /// When a generation last found it active; none before the first.
    active: Option<Duration>,
    leaving: bool,
}

/// Where an asker is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    Member,
    Overflow,
}

impl FamilyModel {
    pub fn new(rule: &FamilyRule) -> Self {
        let FamilyRule { limit, expire_after, .. } = *rule;
        FamilyModel { limit, expire_after, members: BTreeMap::new(), singles: BTreeSet::new() }
    }

    /// Somebody asks for the series of `values`.
    pub fn ask(&mut self, values: &Labels) -> Joined {
        if let Some(member) = self.members.get_mut(values) {
            member.leaving = false;
            return Joined::Member;
        }
        if self.members.len() >= self.limit {
            return Joined::Overflow;
        }
        self.members.insert(values.clone(), Member::default());
        Joined::Member
    }

    /// Somebody registers the series of `values` by itself.
    pub fn register(&mut self, values: Labels) {
        self.singles.insert(values);
    }

    pub fn touch(&mut self, values: &Labels) {
        self.members.get_mut(values).expect("asked for just now").touched += 1;
    }

    pub fn hold(&mut self, values: &Labels) {
        self.members.get_mut(values).expect("asked for just now").handles += 1;
    }

    pub fn let_go(&mut self, values: &Labels) {
        self.members.get_mut(values).expect("held until now").handles -= 1;
    }

    /// After a generation at `now`; `activity` says what it saw of a member, `None` for a gauge. Returns those that are
    /// gone.
    pub fn expire(
        &mut self,
        now: Duration,
        complete: bool,
        activity: impl Fn(&Labels) -> Option<u64>,
    ) -> Vec<Labels> {
        let Some(idle) = self.expire_after else { return Vec::new() };
        // A moment that is not the "none" of the beginning.
        let now = now.max(Duration::from_nanos(1));
        let mut gone = Vec::new();
        for (values, member) in &mut self.members {
            let seen = activity(values).unwrap_or(member.touched);
            let held = member.handles > 0 || self.singles.contains(values);
            match member.active {
                Some(active) if seen == member.seen && !held => {
                    if member.leaving && complete {
                        gone.push(values.clone());
                    } else if now.saturating_sub(active) >= idle {
                        member.leaving = true;
                    }
                }
                _ => *member = Member { seen, active: Some(now), leaving: false, ..*member },
            }
        }
        self.members.retain(|values, _| !gone.contains(values));
        gone
    }
}
