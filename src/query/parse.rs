//! From text to [`Node`]s: `promql-parser` reads, this checks, resolves and compiles.

use super::error::QueryError;
use super::functions::Function;
use super::labels::METRIC_NAME;
use super::matcher::{MatchOp, Matcher};
use super::plan::{
    Aggregate, AggregateOp, At, Binary, Grouping, ManySide, Matching, Node, Op, Selector, Shift,
    Subquery, Type,
};
use super::scan::{self, MAX_DURATION_SECONDS};
use crate::limits::MAX_QUERY_DEPTH;
use promql_parser::label::{MatchOp as ParsedOp, Matchers};
use promql_parser::parser::token::{self, TokenType};
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{
    self, AggregateExpr, AtModifier, BinModifier, BinaryExpr, Expr, LabelModifier, Offset,
    VectorMatchCardinality, VectorSelector,
};
use std::panic::catch_unwind;
use std::sync::Once;
use std::time::{Duration, SystemTime};

pub(crate) fn parse(text: &str) -> Result<Node, QueryError> {
    let text = scan::prepare(text)?;
    know_old_names();
    // Whatever the parser still panics at: its findings are errors of the query, not of the process.
    let parsed = catch_unwind(|| parser::parse(&text));
    let parsed = parsed.map_err(|_| QueryError::invalid("the parser cannot read it"))?;
    let parsed = parsed.map_err(QueryError::invalid)?;
    lower(&parsed, 0)
}

/// A query as Prometheus's API shows rules' expressions: with one blank here and none there, whatever it was written like.
/// `None` if the parser does not take it.
#[cfg(feature = "rules")]
pub(crate) fn formatted(text: &str) -> Option<String> {
    let text = scan::prepare(text).ok()?;
    know_old_names();
    catch_unwind(|| Some(parser::parse(&text).ok()?.to_string())).ok().flatten()
}

/// Prometheus 3 calls it `double_exponential_smoothing`, and so does the parser, which would refuse the old name.
fn know_old_names() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let types = vec![ValueType::Matrix, ValueType::Scalar, ValueType::Scalar];
        let function = parser::Function::new("holt_winters", types, 0, ValueType::Vector, false);
        // Somebody else in the process may have made it known before.
        let _ = parser::register_extra_functions(vec![function]);
    });
}

fn lower(expr: &Expr, depth: usize) -> Result<Node, QueryError> {
    if depth > MAX_QUERY_DEPTH {
        return Err(QueryError::TooMany {
            what: "expressions within each other",
            limit: MAX_QUERY_DEPTH as u64,
            advice: "use parentheses to make chains of operators balanced, or split the query",
        });
    }
    let depth = depth + 1;
    Ok(match expr {
        Expr::NumberLiteral(number) => Node::Number(number.val),
        Expr::StringLiteral(text) => Node::Text(text.val.clone()),
        Expr::Paren(paren) => lower(&paren.expr, depth)?,
        Expr::VectorSelector(selected) => Node::Selector(selector(selected)?),
        Expr::MatrixSelector(matrix) => {
            Node::Matrix(selector(&matrix.vs)?, positive(matrix.range, "a range")?)
        }
        Expr::Subquery(subquery) => {
            let inner = lower(&subquery.expr, depth)?;
            expect(&inner, &[Type::Vector, Type::Scalar], "a subquery")?;
            Node::Subquery(Box::new(Subquery {
                inner,
                range_ms: positive(subquery.range, "a subquery's range")?,
                step_ms: subquery
                    .step
                    .map(|step| positive(step, "a subquery's step"))
                    .transpose()?,
                shift: shift(&subquery.offset, &subquery.at)?,
            }))
        }
        Expr::Unary(unary) => {
            let inner = lower(&unary.expr, depth)?;
            expect(&inner, &[Type::Scalar, Type::Vector], "unary -")?;
            Node::Negate(Box::new(inner))
        }
        Expr::Binary(expr) => Node::Binary(Box::new(binary(expr, depth)?)),
        Expr::Aggregate(expr) => Node::Aggregate(Box::new(aggregate(expr, depth)?)),
        Expr::Call(call) => {
            let function = Function::named(call.func.name)?;
            let args = call.args.args.iter().map(|arg| lower(arg, depth));
            let args = args.collect::<Result<Vec<_>, _>>()?;
            function.check(call.func.name, &args)?;
            Node::Call(function, args)
        }
        Expr::Extension(_) => return Err(QueryError::unsupported("an extension of the parser")),
    })
}

fn expect(node: &Node, types: &[Type], place: &str) -> Result<(), QueryError> {
    let found = node.returns();
    if types.contains(&found) {
        return Ok(());
    }
    let names: Vec<_> = types.iter().map(|wanted| wanted.name()).collect();
    let (names, found) = (names.join(" or "), found.name());
    Err(QueryError::invalid(format!("expected {names} in {place}, got {found}")))
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}

fn positive(duration: Duration, what: &str) -> Result<i64, QueryError> {
    match milliseconds(duration) {
        0 => Err(QueryError::invalid(format!("{what} must be at least a millisecond"))),
        ms => Ok(ms),
    }
}

fn shift(offset: &Option<Offset>, at: &Option<AtModifier>) -> Result<Shift, QueryError> {
    let offset_ms = match offset {
        None => 0,
        Some(Offset::Pos(duration)) => milliseconds(*duration),
        Some(Offset::Neg(duration)) => -milliseconds(*duration),
    };
    let at = match at {
        None => None,
        Some(AtModifier::Start) => Some(At::Start),
        Some(AtModifier::End) => Some(At::End),
        Some(AtModifier::At(time)) => {
            let time_ms = match time.duration_since(SystemTime::UNIX_EPOCH) {
                Ok(since) => milliseconds(since),
                Err(before) => -milliseconds(before.duration()),
            };
            // What the parser makes of numbers that are no times.
            if time_ms.unsigned_abs() > MAX_DURATION_SECONDS as u64 * 1000 {
                return Err(QueryError::invalid("timestamp out of bounds for @ modifier"));
            }
            Some(At::Time(time_ms))
        }
    };
    Ok(Shift { offset_ms, at })
}

fn selector(selector: &VectorSelector) -> Result<Selector, QueryError> {
    let Matchers { matchers, or_matchers } = &selector.matchers;
    if !or_matchers.is_empty() {
        return Err(QueryError::unsupported("`or` between the matchers of a selector"));
    }
    let mut out = Vec::with_capacity(matchers.len() + 1);
    if let Some(name) = &selector.name {
        out.push(Matcher::new(METRIC_NAME, MatchOp::Equal, name)?);
    }
    for matcher in matchers {
        let (op, pattern) = match &matcher.op {
            ParsedOp::Equal => (MatchOp::Equal, None),
            ParsedOp::NotEqual => (MatchOp::NotEqual, None),
            ParsedOp::Re(regex) => (MatchOp::Regex, Some(regex.as_str())),
            ParsedOp::NotRe(regex) => (MatchOp::NotRegex, Some(regex.as_str())),
        };
        out.push(Matcher::parsed(&matcher.name, op, &matcher.value, pattern)?);
    }
    Ok(Selector { matchers: out.into(), shift: shift(&selector.offset, &selector.at)? })
}

fn grouping(modifier: &Option<LabelModifier>, none: Grouping) -> Grouping {
    match modifier {
        None => none,
        Some(LabelModifier::Include(labels)) => Grouping::Only(labels.labels.clone()),
        Some(LabelModifier::Exclude(labels)) => Grouping::Without(labels.labels.clone()),
    }
}

fn binary(expr: &BinaryExpr, depth: usize) -> Result<Binary, QueryError> {
    let op = operator(expr.op)?;
    let (lhs, rhs) = (lower(&expr.lhs, depth)?, lower(&expr.rhs, depth)?);
    for side in [&lhs, &rhs] {
        expect(side, &[Type::Scalar, Type::Vector], "a binary expression")?;
    }
    let none = BinModifier::default();
    let modifier = expr.modifier.as_ref().unwrap_or(&none);
    if modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some() {
        return Err(QueryError::unsupported("the modifier fill"));
    }
    let scalars = [&lhs, &rhs].iter().filter(|side| side.returns() == Type::Scalar).count();
    if op.is_set() && scalars > 0 {
        return Err(QueryError::invalid("set operators are for instant vectors, not for scalars"));
    }
    if scalars == 2 && op.is_comparison() && !modifier.return_bool {
        return Err(QueryError::invalid("comparisons between scalars must use the modifier bool"));
    }
    let (side, include) = match &modifier.card {
        VectorMatchCardinality::ManyToOne(labels) => (ManySide::Left, labels.labels.clone()),
        VectorMatchCardinality::OneToMany(labels) => (ManySide::Right, labels.labels.clone()),
        VectorMatchCardinality::OneToOne | VectorMatchCardinality::ManyToMany => {
            (ManySide::None, Vec::new())
        }
    };
    let labels = grouping(&modifier.matching, Grouping::Without(Vec::new()));
    let return_bool = modifier.return_bool;
    Ok(Binary { op, lhs, rhs, return_bool, matching: Matching { labels, side, include } })
}

fn operator(op: TokenType) -> Result<Op, QueryError> {
    Ok(match op.id() {
        token::T_ADD => Op::Add,
        token::T_SUB => Op::Sub,
        token::T_MUL => Op::Mul,
        token::T_DIV => Op::Div,
        token::T_MOD => Op::Mod,
        token::T_POW => Op::Pow,
        token::T_ATAN2 => Op::Atan2,
        token::T_EQLC => Op::Equal,
        token::T_NEQ => Op::NotEqual,
        token::T_GTR => Op::Greater,
        token::T_LSS => Op::Less,
        token::T_GTE => Op::GreaterEqual,
        token::T_LTE => Op::LessEqual,
        token::T_LAND => Op::And,
        token::T_LOR => Op::Or,
        token::T_LUNLESS => Op::Unless,
        _ => return Err(QueryError::unsupported(format!("the operator {op}"))),
    })
}

fn aggregate(expr: &AggregateExpr, depth: usize) -> Result<Aggregate, QueryError> {
    let op = match expr.op.id() {
        token::T_SUM => AggregateOp::Sum,
        token::T_AVG => AggregateOp::Avg,
        token::T_MIN => AggregateOp::Min,
        token::T_MAX => AggregateOp::Max,
        token::T_COUNT => AggregateOp::Count,
        token::T_GROUP => AggregateOp::Group,
        token::T_STDDEV => AggregateOp::Stddev,
        token::T_STDVAR => AggregateOp::Stdvar,
        token::T_QUANTILE => AggregateOp::Quantile,
        token::T_TOPK => AggregateOp::Topk,
        token::T_BOTTOMK => AggregateOp::Bottomk,
        token::T_LIMITK => AggregateOp::Limitk,
        token::T_COUNT_VALUES => AggregateOp::CountValues,
        _ => return Err(QueryError::unsupported(format!("the aggregation {}", expr.op))),
    };
    let inner = lower(&expr.expr, depth)?;
    expect(&inner, &[Type::Vector], "an aggregation")?;
    let param = expr.param.as_ref().map(|param| lower(param, depth)).transpose()?;
    if let Some(param) = &param {
        let wanted = if op == AggregateOp::CountValues { Type::Text } else { Type::Scalar };
        expect(param, &[wanted], "an aggregation's parameter")?;
    }
    let grouping = grouping(&expr.modifier, Grouping::Only(Vec::new()));
    Ok(Aggregate { op, inner, param, grouping })
}
