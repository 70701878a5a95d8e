//! Functions over windows of samples: which there are, and how windows slide over a series.

use super::super::distribution::Distribution;
use super::super::error::QueryError;
use super::super::eval::Evaluation;
use super::super::plan::{Node, Type};
use super::super::select::{Windows, weight};
use super::super::source::{Content, Series, is_stale};
use super::super::value::{Line, Point, Sample, Steps, distinct};
use super::label::missing;
use super::{over_time, rate};
use std::sync::Arc;

/// A function of one window of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RangeFunction {
    Rate,
    Increase,
    Delta,
    Irate,
    Idelta,
    Deriv,
    PredictLinear,
    DoubleExponentialSmoothing,
    Resets,
    Changes,
    Avg,
    Sum,
    Min,
    Max,
    Count,
    First,
    Last,
    TimeOfFirst,
    TimeOfLast,
    TimeOfMin,
    TimeOfMax,
    Present,
    Stddev,
    Stdvar,
    Quantile,
    MedianDeviation,
}

/// What a function wants of a window's histograms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    Nothing,
    /// What they add up to.
    Increase,
    Each,
}

impl RangeFunction {
    pub(crate) fn named(name: &str) -> Option<RangeFunction> {
        Some(match name {
            "rate" => RangeFunction::Rate,
            "increase" => RangeFunction::Increase,
            "delta" => RangeFunction::Delta,
            "irate" => RangeFunction::Irate,
            "idelta" => RangeFunction::Idelta,
            "deriv" => RangeFunction::Deriv,
            "predict_linear" => RangeFunction::PredictLinear,
            "holt_winters" | "double_exponential_smoothing" => {
                RangeFunction::DoubleExponentialSmoothing
            }
            "resets" => RangeFunction::Resets,
            "changes" => RangeFunction::Changes,
            "avg_over_time" => RangeFunction::Avg,
            "sum_over_time" => RangeFunction::Sum,
            "min_over_time" => RangeFunction::Min,
            "max_over_time" => RangeFunction::Max,
            "count_over_time" => RangeFunction::Count,
            "first_over_time" => RangeFunction::First,
            "last_over_time" => RangeFunction::Last,
            "ts_of_first_over_time" => RangeFunction::TimeOfFirst,
            "ts_of_last_over_time" => RangeFunction::TimeOfLast,
            "ts_of_min_over_time" => RangeFunction::TimeOfMin,
            "ts_of_max_over_time" => RangeFunction::TimeOfMax,
            "present_over_time" => RangeFunction::Present,
            "stddev_over_time" => RangeFunction::Stddev,
            "stdvar_over_time" => RangeFunction::Stdvar,
            "quantile_over_time" => RangeFunction::Quantile,
            "mad_over_time" => RangeFunction::MedianDeviation,
            _ => return None,
        })
    }

    pub(crate) fn parameters(self) -> &'static [Type] {
        use Type::{Matrix, Scalar};
        match self {
            RangeFunction::PredictLinear => &[Matrix, Scalar],
            RangeFunction::DoubleExponentialSmoothing => &[Matrix, Scalar, Scalar],
            RangeFunction::Quantile => &[Scalar, Matrix],
            _ => &[Matrix],
        }
    }

    fn wants(self) -> Wants {
        match self {
            RangeFunction::Rate | RangeFunction::Increase => Wants::Increase,
            RangeFunction::Delta
            | RangeFunction::Resets
            | RangeFunction::Changes
            | RangeFunction::Avg
            | RangeFunction::Sum
            | RangeFunction::Count
            | RangeFunction::First
            | RangeFunction::Last
            | RangeFunction::TimeOfFirst
            | RangeFunction::TimeOfLast
            | RangeFunction::Present => Wants::Each,
            _ => Wants::Nothing,
        }
    }
}

/// What a function sees of a series at one step: its samples without stale markers.
pub(crate) struct Window<'a> {
    pub(crate) floats: &'a [(i64, f64)],
    /// Only for functions that want each.
    pub(crate) histograms: &'a [(i64, Arc<Distribution>)],
    pub(crate) series: &'a dyn Series,
    /// Where it begins and ends.
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
    /// The oldest time that belongs to it.
    pub(crate) oldest_ms: i64,
    /// The moment of evaluation.
    pub(crate) time_ms: i64,
    /// The function's other arguments.
    pub(crate) parameters: [f64; 2],
}

impl Window<'_> {
    /// Its length in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.to_ms.saturating_sub(self.from_ms) as f64 / 1000.0
    }
}

fn apply(function: RangeFunction, window: &Window<'_>) -> Result<Option<Sample>, QueryError> {
    Ok(match function {
        RangeFunction::Rate => rate::rate(window),
        RangeFunction::Increase => rate::increase(window),
        RangeFunction::Delta => rate::delta(window),
        RangeFunction::Irate => rate::between_last_two(window, true),
        RangeFunction::Idelta => rate::between_last_two(window, false),
        RangeFunction::Deriv => rate::deriv(window),
        RangeFunction::PredictLinear => rate::predict_linear(window),
        RangeFunction::DoubleExponentialSmoothing => over_time::smoothed(window)?,
        RangeFunction::Resets => over_time::resets(window),
        RangeFunction::Changes => over_time::changes(window),
        RangeFunction::Avg => over_time::avg(window),
        RangeFunction::Sum => over_time::sum(window),
        RangeFunction::Min => over_time::extreme(window, |value, least| value < least),
        RangeFunction::Max => over_time::extreme(window, |value, most| value > most),
        RangeFunction::Count => over_time::count(window),
        RangeFunction::First => over_time::first(window).map(|(_, value)| value),
        RangeFunction::Last => over_time::last(window).map(|(_, value)| value),
        RangeFunction::TimeOfFirst => over_time::time_of(over_time::first(window)),
        RangeFunction::TimeOfLast => over_time::time_of(over_time::last(window)),
        RangeFunction::TimeOfMin => {
            over_time::time_of_extreme(window, |value, least| value <= least)
        }
        RangeFunction::TimeOfMax => over_time::time_of_extreme(window, |value, most| value >= most),
        RangeFunction::Present => over_time::count(window).map(|_| Sample::Float(1.0)),
        RangeFunction::Stdvar => over_time::variance(window).map(Sample::Float),
        RangeFunction::Stddev => over_time::variance(window).map(f64::sqrt).map(Sample::Float),
        RangeFunction::Quantile => over_time::quantile(window),
        RangeFunction::MedianDeviation => over_time::median_deviation(window),
    })
}

pub(crate) fn call(
    evaluation: &mut Evaluation<'_>,
    function: RangeFunction,
    args: &[Node],
    steps: &Steps,
) -> Result<Vec<Line>, QueryError> {
    let mut parameters = Vec::new();
    for arg in args.iter().filter(|arg| arg.returns() == Type::Scalar) {
        parameters.push(evaluation.scalar(arg, steps)?);
    }
    let Some(matrix) = args.iter().find(|arg| arg.returns() == Type::Matrix) else {
        return Err(QueryError::invalid("expected a range vector"));
    };
    let windows = evaluation.windows(matrix, steps)?;
    let mut lines = Vec::with_capacity(windows.series.len());
    let mut slide = Slide::default();
    for series in &windows.series {
        slide.load(evaluation, &windows, &**series, steps, function.wants())?;
        let mut points = Vec::new();
        for (step, time) in steps.times().enumerate() {
            let parameter =
                |index: usize| parameters.get(index).and_then(|values| values.get(step)).copied();
            let parameters = [0, 1].map(|index| parameter(index).unwrap_or(f64::NAN));
            let window = slide.window(evaluation, &windows, &**series, time, parameters);
            evaluation.worked(window.floats.len() + window.histograms.len())?;
            if let Some(value) = apply(function, &window)? {
                points.push(Point { step: step as u32, value });
            }
        }
        if points.is_empty() {
            continue;
        }
        let labels = match function {
            RangeFunction::First | RangeFunction::Last => series.labels().clone(),
            _ => series.labels().without_name(),
        };
        lines.push(Line { labels, points });
    }
    distinct(lines)
}

/// One where no series has a sample in its window.
pub(crate) fn absent_over_time(
    evaluation: &mut Evaluation<'_>,
    arg: &Node,
    steps: &Steps,
) -> Result<Vec<Line>, QueryError> {
    let windows = evaluation.windows(arg, steps)?;
    let mut present = vec![false; steps.count];
    let mut slide = Slide::default();
    for series in &windows.series {
        slide.load(evaluation, &windows, &**series, steps, Wants::Each)?;
        evaluation.worked(steps.count)?;
        for (step, time) in steps.times().enumerate() {
            let window = slide.window(evaluation, &windows, &**series, time, [f64::NAN; 2]);
            present[step] |= !window.floats.is_empty() || !window.histograms.is_empty();
        }
    }
    Ok(missing(arg, &present))
}

/// All samples of a series that any window has, and which of them are in the one of the current step.
#[derive(Default)]
struct Slide {
    floats: Vec<(i64, f64)>,
    histograms: Vec<(i64, Arc<Distribution>)>,
    /// First and end of the window, in both.
    at: [(usize, usize); 2],
}

impl Slide {
    fn load(
        &mut self,
        evaluation: &mut Evaluation<'_>,
        windows: &Windows,
        series: &dyn Series,
        steps: &Steps,
        wants: Wants,
    ) -> Result<(), QueryError> {
        let from = evaluation.settings.oldest(windows.end(steps.start_ms), windows.range_ms);
        let to = windows.end(steps.end_ms());
        self.floats.clear();
        self.histograms.clear();
        self.at = [(0, 0); 2];
        let content = series.content();
        if content != Content::Histograms {
            series.floats(from, to, &mut self.floats);
        }
        if content != Content::Floats && wants == Wants::Each {
            series.histograms(from, to, &mut self.histograms);
        }
        evaluation.read(self.floats.len() + weight(&self.histograms))?;
        self.floats.retain(|(_, value)| !is_stale(*value));
        Ok(())
    }

    fn window<'a>(
        &'a mut self,
        evaluation: &Evaluation<'_>,
        windows: &Windows,
        series: &'a dyn Series,
        time_ms: i64,
        parameters: [f64; 2],
    ) -> Window<'a> {
        let to_ms = windows.end(time_ms);
        let oldest_ms = evaluation.settings.oldest(to_ms, windows.range_ms);
        let [floats, histograms] = &mut self.at;
        advance(&self.floats, floats, oldest_ms, to_ms);
        advance(&self.histograms, histograms, oldest_ms, to_ms);
        Window {
            floats: &self.floats[floats.0..floats.1],
            histograms: &self.histograms[histograms.0..histograms.1],
            series,
            from_ms: to_ms.saturating_sub(windows.range_ms),
            to_ms,
            oldest_ms,
            time_ms,
            parameters,
        }
    }
}

/// Moves a window's first and end on: windows come by ascending time.
fn advance<T>(all: &[(i64, T)], (first, end): &mut (usize, usize), from: i64, to: i64) {
    *end += all[*end..].iter().take_while(|(time, _)| *time <= to).count();
    *first += all[*first..*end].iter().take_while(|(time, _)| *time < from).count();
}
