//! Which quantiles of a histogram a format without histograms shows, and under which names.

use crate::Error;
use crate::limits::MAX_QUANTILES;

/// Quantiles with their names, in the order in which they were given.
#[derive(Clone, Debug)]
pub(crate) struct Quantiles(Vec<(f64, String)>);

impl Default for Quantiles {
    /// p50, p90, p99 and p999.
    fn default() -> Self {
        Quantiles([0.5, 0.9, 0.99, 0.999].map(|q| (q, name(q))).to_vec())
    }
}

impl Quantiles {
    pub(crate) fn new(list: &[f64]) -> Result<Self, Error> {
        let invalid = |reason| Err(Error::InvalidSetting { setting: "quantiles", reason });
        if list.len() > MAX_QUANTILES {
            return invalid(format!("there are {}, the limit is {MAX_QUANTILES}", list.len()));
        }
        let mut all = Quantiles(Vec::with_capacity(list.len()));
        for &q in list {
            if !(0.0..=1.0).contains(&q) {
                return invalid(format!("{q} is not from 0 to 1; the median is 0.5"));
            }
            let name = name(q);
            if all.0.iter().any(|(_, other)| *other == name) {
                return invalid(format!("{q} is there twice"));
            }
            all.0.push((q, name));
        }
        Ok(all)
    }

    /// Each quantile and its name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (f64, &str)> {
        self.0.iter().map(|(q, name)| (*q, name.as_str()))
    }
}

/// The digits of the percentage without a point: `p50`, `p05`, `p999`; `p0` and `p100` for the extremes.
fn name(q: f64) -> String {
    if q == 0.0 {
        return "p0".to_owned();
    }
    if q == 1.0 {
        return "p100".to_owned();
    }
    format!("p{:0<2}", format!("{q}").trim_start_matches("0."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_people_use() {
        let names = [0.0, 0.01, 0.05, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0].map(name);
        let wanted =
            ["p0", "p01", "p05", "p10", "p50", "p90", "p95", "p99", "p999", "p9999", "p100"];
        assert_eq!(names, wanted);
    }

    #[test]
    fn what_is_no_quantile_is_refused() {
        for bad in [-0.1, 1.1, 99.0, f64::NAN, f64::INFINITY] {
            let error = Quantiles::new(&[0.5, bad]).unwrap_err().to_string();
            assert!(error.contains("from 0 to 1"), "{error}");
        }
        assert!(Quantiles::new(&[0.5, 0.5]).unwrap_err().to_string().contains("twice"));
        let many: Vec<f64> = (0..=MAX_QUANTILES).map(|i| i as f64 / 100.0).collect();
        assert!(Quantiles::new(&many).unwrap_err().to_string().contains("the limit is"));
        assert!(Quantiles::new(&many[1..]).is_ok());
    }
}
