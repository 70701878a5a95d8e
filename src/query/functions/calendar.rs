//! Functions of the calendar, in UTC.

use super::super::error::QueryError;
use super::super::eval::Evaluation;
use super::super::plan::Node;
use super::super::value::{Line, Point, Steps, assemble};
use super::math::mapped;

const DAY: i64 = 86_400;
/// Seconds of the years that are told apart: 100,000 of them to either side of 1970.
const RANGE: f64 = 100_000.0 * 365.0 * 86_400.0;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Calendar {
    DaysInMonth,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hour,
    Minute,
    Month,
    Year,
}

impl Calendar {
    pub(crate) fn named(name: &str) -> Option<Calendar> {
        Some(match name {
            "days_in_month" => Calendar::DaysInMonth,
            "day_of_month" => Calendar::DayOfMonth,
            "day_of_week" => Calendar::DayOfWeek,
            "day_of_year" => Calendar::DayOfYear,
            "hour" => Calendar::Hour,
            "minute" => Calendar::Minute,
            "month" => Calendar::Month,
            "year" => Calendar::Year,
            _ => return None,
        })
    }

    /// Of a time in seconds since 1970; NaN far from it.
    fn of(self, seconds: f64) -> f64 {
        if !(-RANGE..RANGE).contains(&seconds) {
            return f64::NAN;
        }
        let seconds = seconds as i64;
        let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        let (year, month, day) = date(days);
        (match self {
            Calendar::DaysInMonth => days_in_month(year, month),
            Calendar::DayOfMonth => day,
            // 1970 began on a Thursday.
            Calendar::DayOfWeek => (days + 4).rem_euclid(7),
            Calendar::DayOfYear => (1..month).map(|m| days_in_month(year, m)).sum::<i64>() + day,
            Calendar::Hour => second / 3600,
            Calendar::Minute => second / 60 % 60,
            Calendar::Month => month,
            Calendar::Year => year,
        }) as f64
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Year, month and day, from days since 1970. Years are counted from March, so that a leap day is a year's last.
fn date(days: i64) -> (i64, i64, i64) {
    const DAYS_OF_400_YEARS: i64 = 146_097;
    // Since 1 March of the year 0.
    let days = days + 719_468;
    let era = days.div_euclid(DAYS_OF_400_YEARS);
    let day_of_era = days.rem_euclid(DAYS_OF_400_YEARS);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

pub(crate) fn call(
    evaluation: &mut Evaluation<'_>,
    calendar: Calendar,
    args: &[Node],
    steps: &Steps,
) -> Result<Vec<Line>, QueryError> {
    let Some(arg) = args.first() else {
        let times = steps.times().enumerate();
        let points =
            times.map(|(step, ms)| Point::float(step, calendar.of(ms as f64 / 1000.0))).collect();
        return Ok(vec![Line { labels: Default::default(), points }]);
    };
    let lines = evaluation.vector(arg, steps)?;
    assemble(mapped(lines, |_, value| Some(calendar.of(value))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(-1), (1969, 12, 31));
        assert_eq!(date(19_782), (2024, 2, 29));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(-25_508), (1900, 3, 1));
        let of = |calendar: Calendar| calendar.of(1_709_251_199.0);
        assert_eq!(
            [Calendar::Year, Calendar::Month, Calendar::DayOfMonth].map(of),
            [2024.0, 2.0, 29.0]
        );
        assert_eq!(
            [Calendar::Hour, Calendar::Minute, Calendar::DayOfWeek].map(of),
            [23.0, 59.0, 4.0]
        );
        assert_eq!([Calendar::DayOfYear, Calendar::DaysInMonth].map(of), [60.0, 29.0]);
        assert!(Calendar::Year.of(f64::NAN).is_nan() && Calendar::Year.of(1e300).is_nan());
    }
}
