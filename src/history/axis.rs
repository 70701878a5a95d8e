//! The times of generations in history: the wall's, but never backwards.
//!
//! Where the wall's clock stepped back, time goes on from the last generation at the pace of the monotonic clock until
//! the wall has caught up. Generations are at least a millisecond apart, as that is what a time can tell.

use crate::Moment;
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct Axis {
    last: Option<(Moment, i64)>,
    /// How often the wall's clock went backwards.
    pub(super) steps_back: u64,
}

impl Axis {
    /// The time of a generation that was made at `moment`, in milliseconds since 1970-01-01 UTC.
    pub(super) fn place(&mut self, moment: Moment) -> i64 {
        let wall = millis(moment.unix);
        let time = match self.last {
            None => wall,
            Some((last, time)) => {
                self.steps_back += u64::from(moment.unix < last.unix);
                let passed = millis(moment.elapsed.saturating_sub(last.elapsed));
                if wall > time { wall } else { time.saturating_add(passed.max(1)) }
            }
        };
        self.last = Some((moment, time));
        time
    }

    /// Goes on from a generation of another process, whose monotonic clock is not known.
    pub(super) fn resume(&mut self, time: i64) {
        let unix = Duration::from_millis(time.max(0) as u64);
        self.last = Some((Moment { unix, elapsed: Duration::MAX }, time));
    }

    /// The time of the last generation.
    pub(super) fn last(&self) -> Option<i64> {
        self.last.map(|(_, time)| time)
    }
}

pub(super) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_where_the_wall_steps_back() {
        let mut axis = Axis::default();
        let mut at = |unix: u64, elapsed: u64| {
            let moment = Moment {
                unix: Duration::from_millis(unix),
                elapsed: Duration::from_millis(elapsed),
            };
            axis.place(moment)
        };
        assert_eq!(at(10_000, 0), 10_000);
        assert_eq!(at(11_000, 1_000), 11_000);
        assert_eq!(at(5_000, 2_000), 12_000, "stepped back");
        assert_eq!(at(6_000, 3_000), 13_000, "still behind");
        assert_eq!(at(6_000, 3_000), 13_001, "no time passed");
        assert_eq!(at(60_000, 4_000), 60_000, "the wall is ahead again");
        assert_eq!(at(59_000, 4_000), 60_001);
        assert_eq!(axis.steps_back, 2);
    }

    #[test]
    fn time_goes_on_from_another_process() {
        let at = |unix: u64| Moment {
            unix: Duration::from_millis(unix),
            elapsed: Duration::from_millis(unix + 7_000),
        };
        let mut axis = Axis::default();
        axis.resume(50_000);
        assert_eq!(axis.last(), Some(50_000));
        assert_eq!(axis.place(at(20_000)), 50_001, "the wall's clock was set back meanwhile");
        assert_eq!(axis.place(at(21_000)), 51_001, "at the pace of the new process's clock");
        assert_eq!(axis.steps_back, 1);
        axis.resume(50_000);
        assert_eq!(axis.place(at(90_000)), 90_000);
    }
}
