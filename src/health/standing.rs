//! The checks of the host: which there are, what each said last, and which of them does not answer. Pure: the time is an
//! argument.

use super::issue::Issue;
use super::outcome::CheckOutcome;
use super::report::CheckReport;
use super::state::HealthState;
use crate::Moment;
use std::time::Duration;

/// What a check is of.
#[derive(Clone, Debug)]
pub(super) struct CheckSpec {
    pub(super) component: String,
    pub(super) name: String,
    /// From one answer to the next question.
    pub(super) interval: Duration,
    pub(super) time_limit: Duration,
}

/// A check, and what it says.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) spec: CheckSpec,
    /// Since when it is being asked.
    asked: Option<Asked>,
    said: Option<Said>,
    runs: u64,
    timeouts: u64,
    panics: u64,
}

#[derive(Debug)]
struct Asked {
    at: Moment,
    /// It did not answer in time, and that was counted.
    hangs: bool,
}

#[derive(Debug)]
struct Said {
    outcome: CheckOutcome,
    since_ms: i64,
    /// When it answered, and how long that took; `None` while it hangs for the first time.
    answered: Option<(i64, Duration)>,
}

/// What happened at an answer, for the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) took: Duration,
    pub(super) timed_out: bool,
}

impl Check {
    pub(super) fn new(spec: CheckSpec) -> Check {
        Check { spec, asked: None, said: None, runs: 0, timeouts: 0, panics: 0 }
    }

    /// It is asked from now on.
    pub(super) fn begin(&mut self, now: Moment) {
        self.asked = Some(Asked { at: now, hangs: false });
        self.runs += 1;
    }

    /// It was not asked after all.
    pub(super) fn give_up(&mut self) {
        self.asked = None;
        self.runs -= 1;
    }

    pub(super) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// Whether it said something, if only by its silence.
    pub(super) fn has_said(&self) -> bool {
        self.said.is_some()
    }

    pub(super) fn hangs(&self) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.hangs)
    }

    /// It answered. What comes too late does not count as an answer, or a check that is always too slow would be well most
    /// of the time.
    pub(super) fn answer(
        &mut self,
        now: Moment,
        outcome: CheckOutcome,
        panicked: bool,
    ) -> Answered {
        let asked = self.asked.take();
        let (began, known) = asked.map_or((now, false), |asked| (asked.at, asked.hangs));
        let took = now.elapsed.saturating_sub(began.elapsed);
        let late = took > self.spec.time_limit;
        self.panics += u64::from(panicked);
        let timed_out = late && !known;
        self.timeouts += u64::from(timed_out);
        let outcome = match late {
            true => CheckOutcome::failing(format!(
                "the answer took {took:?}, more than the time limit of {:?}",
                self.spec.time_limit
            )),
            false => outcome,
        };
        let onset = if late { began } else { now };
        self.say(outcome, onset, Some((millis(now), took)));
        Answered { took, timed_out }
    }

    /// Finds out whether it should have answered by now; `true` if that is news.
    pub(super) fn look(&mut self, now: Moment) -> bool {
        let limit = self.spec.time_limit;
        let Some(asked) = &mut self.asked else { return false };
        if asked.hangs || now.elapsed.saturating_sub(asked.at.elapsed) <= limit {
            return false;
        }
        asked.hangs = true;
        let began = asked.at;
        self.timeouts += 1;
        let answered = self.said.as_ref().and_then(|said| said.answered);
        let outcome = CheckOutcome::failing(format!("no answer for more than {limit:?}"));
        self.say(outcome, began, answered);
        true
    }

    /// `since` goes on for as long as the state stays what it is, whatever the texts and values.
    fn say(&mut self, outcome: CheckOutcome, onset: Moment, answered: Option<(i64, Duration)>) {
        let same = self.said.as_ref().filter(|said| said.outcome.state == outcome.state);
        let since_ms = same.map_or(millis(onset), |said| said.since_ms);
        self.said = Some(Said { outcome, since_ms, answered });
    }

    /// What is wrong, if something is.
    pub(super) fn issue(&self) -> Option<Issue> {
        let said = self.said.as_ref()?;
        let CheckOutcome { state, what, value, threshold } = &said.outcome;
        (*state != HealthState::Healthy).then(|| Issue {
            value: *value,
            threshold: *threshold,
            check: Some(self.spec.name.clone()),
            ..Issue::new(what, *state, said.since_ms)
        })
    }

    pub(super) fn report(&self) -> CheckReport {
        let said = self.said.as_ref();
        let outcome = said.map(|said| &said.outcome);
        let answered = said.and_then(|said| said.answered);
        CheckReport {
            name: self.spec.name.clone(),
            state: outcome.map(|outcome| outcome.state),
            what: outcome.map(|outcome| outcome.what.clone()).unwrap_or_default(),
            since_ms: said.map(|said| said.since_ms),
            value: outcome.and_then(|outcome| outcome.value),
            threshold: outcome.and_then(|outcome| outcome.threshold),
            answered_at_ms: answered.map(|(at_ms, _)| at_ms),
            took: answered.map(|(_, took)| took),
            runs: self.runs,
            timeouts: self.timeouts,
            panics: self.panics,
        }
    }
}

/// The wall's time in milliseconds.
pub(super) fn millis(at: Moment) -> i64 {
    i64::try_from(at.unix.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check() -> Check {
        let second = Duration::from_secs(1);
        let (component, name) = ("storage".to_owned(), "disk".to_owned());
        Check::new(CheckSpec { component, name, interval: second, time_limit: 2 * second })
    }

    fn at(seconds: u64) -> Moment {
        let elapsed = Duration::from_secs(seconds);
        Moment { unix: Duration::from_secs(1_000) + elapsed, elapsed }
    }

    #[test]
    fn since_goes_on_while_the_state_stays() {
        let mut check = check();
        assert!(check.issue().is_none() && !check.has_said());
        let mut say = |second, outcome| {
            check.begin(at(second));
            check.answer(at(second), outcome, false);
            (check.issue(), check.report().since_ms.unwrap())
        };
        assert_eq!(say(0, CheckOutcome::healthy()), (None, 1_000_000));
        assert_eq!(say(5, CheckOutcome::healthy()), (None, 1_000_000));
        let (issue, since) = say(7, CheckOutcome::warning("80 %").value(0.8));
        assert_eq!((issue.unwrap().what.as_str(), since), ("80 %", 1_007_000));
        let (issue, since) = say(9, CheckOutcome::warning("81 %").value(0.81));
        assert_eq!((issue.unwrap().value, since), (Some(0.81), 1_007_000));
        assert_eq!(say(11, CheckOutcome::critical("96 %")).1, 1_011_000);
        assert_eq!(say(13, CheckOutcome::healthy()), (None, 1_013_000));
    }

    #[test]
    fn one_that_hangs_is_failing_until_it_answers_in_time() {
        let mut check = check();
        check.begin(at(0));
        check.answer(at(1), CheckOutcome::healthy(), false);
        check.begin(at(10));
        assert!(!check.look(at(12)), "at the limit it may still answer");
        assert!(check.look(at(13)) && !check.look(at(14)), "it is news once");
        let issue = check.issue().unwrap();
        assert_eq!(
            (issue.what.as_str(), issue.since_ms),
            ("no answer for more than 2s", 1_010_000)
        );
        assert_eq!(check.report().answered_at_ms, Some(1_001_000), "the one before");
        let answered = check.answer(at(15), CheckOutcome::healthy(), false);
        assert_eq!(answered, Answered { took: Duration::from_secs(5), timed_out: false });
        let issue = check.issue().unwrap();
        assert_eq!(issue.what, "the answer took 5s, more than the time limit of 2s");
        assert_eq!((issue.since_ms, check.report().timeouts), (1_010_000, 1), "counted once");
        check.begin(at(20));
        // Nobody looked meanwhile.
        assert!(check.answer(at(23), CheckOutcome::healthy(), false).timed_out);
        check.begin(at(30));
        assert!(!check.answer(at(32), CheckOutcome::healthy(), false).timed_out);
        assert_eq!((check.issue(), check.report().timeouts, check.report().runs), (None, 2, 4));
    }
}
