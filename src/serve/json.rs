//! As much JSON as the listener writes about itself: objects of numbers, texts and objects.

use std::fmt::Write as _;

/// A value of a field.
#[derive(Clone, Debug)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Integer(u64),
    /// Not a number and infinity, which JSON does not have, are written as null.
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

impl Json {
    /// A text of one line, with a line end.
    pub(super) fn line(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out.push('\n');
        out
    }

    fn write(&self, out: &mut String) {
        // Writing to a string does not fail.
        let _ = match self {
            Json::Null => write!(out, "null"),
            Json::Bool(value) => write!(out, "{value}"),
            Json::Integer(value) => write!(out, "{value}"),
            Json::Number(value) if value.is_finite() => write!(out, "{value}"),
            Json::Number(_) => write!(out, "null"),
            Json::Text(text) => {
                quote(text, out);
                Ok(())
            }
            Json::List(all) => {
                Self::between(out, '[', ']', all, |out, one| one.write(out));
                Ok(())
            }
            Json::Object(all) => {
                Self::between(out, '{', '}', all, |out, (name, value)| {
                    quote(name, out);
                    out.push(':');
                    value.write(out);
                });
                Ok(())
            }
        };
    }

    fn between<T>(
        out: &mut String,
        open: char,
        close: char,
        all: &[T],
        one: impl Fn(&mut String, &T),
    ) {
        out.push(open);
        for (index, item) in all.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            one(out, item);
        }
        out.push(close);
    }
}

pub(super) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        let _ = match char {
            '"' | '\\' => write!(out, "\\{char}"),
            ..' ' => write!(out, "\\u{:04x}", u32::from(char)),
            _ => {
                out.push(char);
                Ok(())
            }
        };
    }
    out.push('"');
}

impl From<bool> for Json {
    fn from(value: bool) -> Json {
        Json::Bool(value)
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Json {
        Json::Integer(value)
    }
}

impl From<usize> for Json {
    fn from(value: usize) -> Json {
        Json::Integer(value as u64)
    }
}

impl From<f64> for Json {
    fn from(value: f64) -> Json {
        Json::Number(value)
    }
}

impl From<std::time::Duration> for Json {
    /// Seconds.
    fn from(value: std::time::Duration) -> Json {
        Json::Number(value.as_secs_f64())
    }
}

impl From<&str> for Json {
    fn from(value: &str) -> Json {
        Json::Text(value.to_owned())
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Json {
        value.map_or(Json::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_what_is_no_number_is_null() {
        let all = vec![1_u64.into(), 0.25.into(), f64::NAN.into(), true.into(), Json::Null];
        let text = "a \"b\" \\ \n \u{1} ü";
        let json = Json::Object(vec![("text", text.into()), ("all", Json::List(all))]);
        let wanted = r#"{"text":"a \"b\" \\ \u000a \u0001 ü","all":[1,0.25,null,true,null]}"#;
        assert_eq!(json.line(), format!("{wanted}\n"));
    }
}
