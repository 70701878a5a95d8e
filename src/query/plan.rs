//! A query as the evaluator walks it: types checked, names resolved, regular expressions compiled.

use super::functions::Function;
use super::matcher::Matcher;
use std::sync::Arc;

/// An expression.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Number(f64),
    Text(String),
    Selector(Selector),
    /// A range of samples for each series.
    Matrix(Selector, i64),
    Subquery(Box<Subquery>),
    Negate(Box<Node>),
    Binary(Box<Binary>),
    Aggregate(Box<Aggregate>),
    Call(Function, Vec<Node>),
}

/// What an expression evaluates to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Scalar,
    Text,
    Vector,
    Matrix,
}

impl Type {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Type::Scalar => "scalar",
            Type::Text => "string",
            Type::Vector => "instant vector",
            Type::Matrix => "range vector",
        }
    }
}

impl Node {
    pub(crate) fn returns(&self) -> Type {
        match self {
            Node::Number(_) => Type::Scalar,
            Node::Text(_) => Type::Text,
            Node::Selector(_) | Node::Aggregate(_) => Type::Vector,
            Node::Matrix(..) | Node::Subquery(_) => Type::Matrix,
            Node::Negate(inner) => inner.returns(),
            Node::Binary(binary) => match (binary.lhs.returns(), binary.rhs.returns()) {
                (Type::Scalar, Type::Scalar) => Type::Scalar,
                _ => Type::Vector,
            },
            Node::Call(function, _) => function.returns(),
        }
    }
}

#[cfg(all(feature = "health", feature = "rules"))]
impl Node {
    pub(crate) fn threshold(&self) -> Option<(&'static str, f64)> {
        let Node::Binary(binary) = self else { return None };
        let Binary { op, lhs, rhs, return_bool, .. } = &**binary;
        if matches!(op, Op::And | Op::Unless) {
            return lhs.threshold();
        }
        let (right, left) = op.comparison().filter(|_| !return_bool)?;
        match (lhs.number(), rhs.number()) {
            (None, Some(number)) => Some((right, number)),
            (Some(number), None) => Some((left, number)),
            _ => None,
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Node::Number(number) => Some(*number),
            Node::Negate(inner) => inner.number().map(|number| -number),
            _ => None,
        }
    }
}

/// Which series, and when.
#[derive(Clone, Debug)]
pub(crate) struct Selector {
    pub(crate) matchers: Arc<[Matcher]>,
    pub(crate) shift: Shift,
}

/// `offset` and `@`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shift {
    pub(crate) offset_ms: i64,
    pub(crate) at: Option<At>,
}

impl Shift {
    /// Whether there is neither.
    #[cfg(any(feature = "http", feature = "rules"))]
    pub(crate) fn is_none(&self) -> bool {
        self.offset_ms == 0 && self.at.is_none()
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum At {
    Start,
    End,
    Time(i64),
}

#[derive(Clone, Debug)]
pub(crate) struct Subquery {
    pub(crate) inner: Node,
    pub(crate) range_ms: i64,
    pub(crate) step_ms: Option<i64>,
    pub(crate) shift: Shift,
}

#[derive(Clone, Debug)]
pub(crate) struct Binary {
    pub(crate) op: Op,
    pub(crate) lhs: Node,
    pub(crate) rhs: Node,
    /// A comparison gives 0 or 1 rather than filtering.
    pub(crate) return_bool: bool,
    pub(crate) matching: Matching,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    And,
    Or,
    Unless,
}

impl Op {
    pub(crate) fn is_comparison(self) -> bool {
        use Op::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
        matches!(self, Equal | NotEqual | Greater | Less | GreaterEqual | LessEqual)
    }

    /// A comparison as it is written, and as it is once both sides have changed places.
    #[cfg(all(feature = "health", feature = "rules"))]
    fn comparison(self) -> Option<(&'static str, &'static str)> {
        match self {
            Op::Equal => Some(("==", "==")),
            Op::NotEqual => Some(("!=", "!=")),
            Op::Greater => Some((">", "<")),
            Op::Less => Some(("<", ">")),
            Op::GreaterEqual => Some((">=", "<=")),
            Op::LessEqual => Some(("<=", ">=")),
            _ => None,
        }
    }

    pub(crate) fn is_set(self) -> bool {
        matches!(self, Op::And | Op::Or | Op::Unless)
    }
}

/// How the series of two vectors find each other.
#[derive(Clone, Debug)]
pub(crate) struct Matching {
    pub(crate) labels: Grouping,
    pub(crate) side: ManySide,
    /// Labels that results get from the side that has one series.
    pub(crate) include: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ManySide {
    None,
    /// `group_left`
    Left,
    /// `group_right`
    Right,
}

/// A choice of labels.
#[derive(Clone, Debug)]
pub(crate) enum Grouping {
    /// `by`, `on`
    Only(Vec<String>),
    /// `without`, `ignoring`
    Without(Vec<String>),
}

#[derive(Clone, Debug)]
pub(crate) struct Aggregate {
    pub(crate) op: AggregateOp,
    pub(crate) inner: Node,
    pub(crate) param: Option<Node>,
    pub(crate) grouping: Grouping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AggregateOp {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    Quantile,
    Topk,
    Bottomk,
    Limitk,
    CountValues,
}

#[cfg(all(test, feature = "health", feature = "rules"))]
mod tests {
    use crate::query::Query;

    #[test]
    fn the_threshold_is_what_values_are_compared_with() {
        let of = |text: &str| Query::parse(text).unwrap().threshold();
        assert_eq!(of("a > 0.25"), Some((">", 0.25)));
        assert_eq!(of("(sum(rate(a[1m]))) <= -5"), Some(("<=", -5.0)));
        assert_eq!(of("5 < a"), Some((">", 5.0)), "the values are above five");
        assert_eq!(of("a == 0 and on() b > 3"), Some(("==", 0.0)));
        assert_eq!(of("a != 1 unless b"), Some(("!=", 1.0)));
        for text in
            ["a", "a > b", "a > bool 5", "a > 1 or b > 2", "a + 5", "1 > bool 2", "absent(a)"]
        {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
