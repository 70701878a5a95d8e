//! Numbers and `printf` as Go writes them.

use super::value::Value;

/// The longest width or precision that is taken, as Go has it up to a million: here what no message exceeds.
const WIDEST: usize = 1_000;

/// What is not finite, as Go writes it.
fn special(value: f64) -> Option<&'static str> {
    match value {
        _ if value.is_nan() => Some("NaN"),
        f64::INFINITY => Some("+Inf"),
        f64::NEG_INFINITY => Some("-Inf"),
        _ => None,
    }
}

/// `%v` of a number: as many digits as make it.
pub(crate) fn shortest(value: f64) -> String {
    general(value, None)
}

/// `%g`: with an exponent where it is below -4, or not below the precision (6 for as many digits as needed).
pub(crate) fn general(value: f64, precision: Option<usize>) -> String {
    if let Some(text) = special(value) {
        return text.to_owned();
    }
    let scientific = match precision {
        Some(precision) => format!("{value:.*e}", precision.max(1) - 1),
        None => format!("{value:e}"),
    };
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let limit = precision.map_or(6, |precision| precision.max(1) as i32);
    if exponent < -4 || exponent >= limit {
        let mantissa = trimmed(mantissa);
        return format!("{mantissa}{}", power(exponent));
    }
    match precision {
        None => format!("{value}"),
        Some(precision) => {
            let decimals = (precision.max(1) as i32 - 1 - exponent).max(0) as usize;
            trimmed(&format!("{value:.decimals$}")).to_owned()
        }
    }
}

/// Without zeros at the end of its decimals.
fn trimmed(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}

/// An exponent, of at least two digits.
fn power(exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("e{sign}{:02}", exponent.abs())
}

fn exponential(value: f64, precision: usize) -> String {
    if let Some(text) = special(value) {
        return text.to_owned();
    }
    let text = format!("{value:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{mantissa}{}", power(exponent.parse().unwrap_or(0)))
}

fn fixed(value: f64, precision: usize) -> String {
    special(value).map_or_else(|| format!("{value:.precision$}"), str::to_owned)
}

/// Flags, width and precision of a verb.
#[derive(Default)]
struct Verb {
    minus: bool,
    plus: bool,
    zero: bool,
    space: bool,
    sharp: bool,
    width: usize,
    precision: Option<usize>,
}

/// `printf`.
pub(crate) fn printf(format: &str, args: &[Value]) -> String {
    let mut out = String::new();
    let mut rest = format;
    let mut used = 0;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let mut verb = Verb::default();
        while let Some(flag) = rest.chars().next() {
            match flag {
                '-' => verb.minus = true,
                '+' => verb.plus = true,
                '0' => verb.zero = true,
                ' ' => verb.space = true,
                '#' => verb.sharp = true,
                _ => break,
            }
            rest = &rest[1..];
        }
        verb.width = number(&mut rest).unwrap_or(0);
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            verb.precision = Some(number(&mut rest).unwrap_or(0));
        }
        let Some(letter) = rest.chars().next() else {
            out.push_str("%!(NOVERB)");
            break;
        };
        rest = &rest[letter.len_utf8()..];
        if letter == '%' {
            out.push('%');
            continue;
        }
        match args.get(used) {
            Some(arg) => out.push_str(&one(letter, &verb, arg)),
            None => out.push_str(&format!("%!{letter}(MISSING)")),
        }
        used += 1;
    }
    // What is left has no verb, or is one that did not end.
    if !rest.contains('%') {
        out.push_str(rest);
    }
    if used < args.len() {
        let extra: Vec<_> =
            args[used..].iter().map(|arg| format!("{}={}", arg.type_name(), arg.plain())).collect();
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    out
}

fn number(rest: &mut &str) -> Option<usize> {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let number = rest[..digits].parse::<usize>().ok();
    *rest = &rest[digits..];
    number.map(|number| number.min(WIDEST))
}

fn one(letter: char, verb: &Verb, arg: &Value) -> String {
    let text = match (letter, arg) {
        ('v', Value::Float(value)) => signed(
            verb,
            verb.precision.map_or_else(|| shortest(*value), |p| general(*value, Some(p))),
        ),
        ('v', Value::Int(value)) => signed(verb, value.to_string()),
        ('v' | 's', Value::Text(text)) => cut(text, verb.precision),
        ('v', other) => other.plain(),
        ('s', Value::Map(_) | Value::List(_)) => arg.plain(),
        ('q', Value::Text(text)) => format!("{:?}", cut(text, verb.precision)),
        ('t', Value::Bool(value)) => value.to_string(),
        ('T', other) => other.type_name().to_owned(),
        ('d', Value::Int(value)) => signed(verb, value.to_string()),
        ('x', Value::Int(value)) => format!("{value:x}"),
        ('X', Value::Int(value)) => format!("{value:X}"),
        ('o', Value::Int(value)) => format!("{value:o}"),
        ('b', Value::Int(value)) => format!("{value:b}"),
        ('c', Value::Int(value)) => {
            u32::try_from(*value).ok().and_then(char::from_u32).unwrap_or('\u{fffd}').to_string()
        }
        ('x', Value::Text(text)) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        ('f' | 'F', Value::Float(value)) => {
            signed(verb, fixed(*value, verb.precision.unwrap_or(6)))
        }
        ('e', Value::Float(value)) => {
            signed(verb, exponential(*value, verb.precision.unwrap_or(6)))
        }
        ('g', Value::Float(value)) => signed(verb, general(*value, verb.precision)),
        (_, Value::Nil) => format!("%!{letter}(<nil>)"),
        _ => format!("%!{letter}({}={})", arg.type_name(), arg.plain()),
    };
    padded(text, verb, matches!(arg, Value::Float(_) | Value::Int(_)))
}

/// The first `precision` characters.
fn cut(text: &str, precision: Option<usize>) -> String {
    precision.map_or_else(|| text.to_owned(), |most| text.chars().take(most).collect())
}

fn signed(verb: &Verb, text: String) -> String {
    if verb.plus && !text.starts_with(['-', '+']) {
        format!("+{text}")
    } else if verb.space && !text.starts_with(['-', '+']) {
        format!(" {text}")
    } else {
        text
    }
}

fn padded(text: String, verb: &Verb, is_number: bool) -> String {
    let missing = verb.width.saturating_sub(text.chars().count());
    if missing == 0 {
        return text;
    }
    if verb.minus {
        return text + &" ".repeat(missing);
    }
    let finite = text.bytes().any(|byte| byte.is_ascii_digit());
    if verb.zero && is_number && finite {
        let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+', ' '])));
        return format!("{sign}{}{digits}", "0".repeat(missing));
    }
    let pad = if verb.zero && !is_number { "0" } else { " " };
    pad.repeat(missing) + &text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_in_go() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.5, "1.5"),
            (100_000.0, "100000"),
            (1_234_567.0, "1.234567e+06"),
            (1e21, "1e+21"),
            (1e-5, "1e-05"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(shortest(value), text);
        }
        for (value, text) in
            [(1234.5678, "1235"), (12345.0, "1.234e+04"), (0.00012, "0.00012"), (100.0, "100")]
        {
            assert_eq!(general(value, Some(4)), text);
        }
    }

    #[test]
    fn printf_is_as_in_go() {
        let (f, i, t) = (Value::Float(12.345), Value::Int(7), Value::Text("a\"b".into()));
        for (format, args, text) in [
            ("%.2f%%", vec![f.clone()], "12.35%"),
            ("%08.1f|%-6d|%+d", vec![f.clone(), i.clone(), i.clone()], "000012.3|7     |+7"),
            ("%s %q %v", vec![t.clone(), t.clone(), t.clone()], "a\"b \"a\\\"b\" a\"b"),
            ("%d", vec![f.clone()], "%!d(float64=12.345)"),
            ("%d %d", vec![i.clone()], "7 %!d(MISSING)"),
            ("x", vec![i.clone()], "x%!(EXTRA int=7)"),
            ("%e %g", vec![f.clone(), f], "1.234500e+01 12.345"),
            ("100%", vec![], "100%!(NOVERB)"),
        ] {
            assert_eq!(printf(format, &args), text, "{format}");
        }
    }
}
