//! Parameters of a call: from the body of a POST and from behind the `?`, the body's first, as Go's `http.Request` has them.

use crate::limits::MAX_HTTP_PARAMETERS;
use crate::serve::query::decoded;

/// Names and values, percent-decoded.
#[derive(Debug)]
pub(in crate::serve) struct Form(Vec<(String, String)>);

impl Form {
    /// # Errors
    /// What is wrong, for the client to read.
    pub(in crate::serve) fn read(body: &[u8], query: &str) -> Result<Form, String> {
        let body = std::str::from_utf8(body).map_err(|_| "the body is not UTF-8".to_owned())?;
        let mut all = Vec::new();
        let pairs = body.split('&').chain(query.split('&'));
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            if all.len() == MAX_HTTP_PARAMETERS {
                return Err(format!("more than {MAX_HTTP_PARAMETERS} parameters"));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            all.push((decoded(name)?, decoded(value)?));
        }
        Ok(Form(all))
    }

    /// The first value of a parameter; nothing if there is none, or an empty one.
    pub(in crate::serve) fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next().filter(|value| !value.is_empty())
    }

    /// All values of a parameter.
    pub(in crate::serve) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |pair| pair.0 == name).map(|pair| &*pair.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_comes_first() {
        let form =
            Form::read(b"query=a%2Bb+c&match[]=x", "query=other&match%5B%5D=y&time=").unwrap();
        assert_eq!(form.first("query"), Some("a+b c"));
        assert_eq!(form.all("match[]").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!((form.first("time"), form.first("step")), (None, None));
    }

    #[test]
    fn what_cannot_be_decoded_is_refused() {
        assert!(Form::read(b"a=%zz", "").is_err() && Form::read(b"\xff", "").is_err());
        assert!(Form::read(b"", "a=%ff").is_err());
        assert!(Form::read(b"", &"a&".repeat(MAX_HTTP_PARAMETERS)).is_ok());
        assert!(Form::read(b"", &"a&".repeat(MAX_HTTP_PARAMETERS + 1)).is_err());
    }
}
