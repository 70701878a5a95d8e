//! What nobody may read who reads a log, and where it is looked up.

use super::keys::SECRET;
use crate::secret;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::path::PathBuf;

/// A password or token, or where it is: a text, `{ file = "…" }`, or `{ env = "…" }`.
///
/// Its text is in no `Debug` output, error or serialized form.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Source);

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Place {
    File(PathBuf),
    Env(String),
}

#[derive(Clone, PartialEq, Eq)]
enum Source {
    Text(secret::Secret),
    Place(Place),
}

impl Secret {
    /// A secret that is `text` itself.
    pub fn text(text: impl Into<String>) -> Self {
        Secret(Source::Text(secret::Secret::new(text)))
    }

    /// A secret that stands in a file; white space at its end does not belong to it.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Secret(Source::Place(Place::File(path.into())))
    }

    /// A secret that an environment variable has.
    pub fn env(name: impl Into<String>) -> Self {
        Secret(Source::Place(Place::Env(name.into())))
    }

    /// Where it is looked up; nothing of a text that stands in the configuration itself.
    pub(super) fn place(&self) -> String {
        match &self.0 {
            Source::Text(_) => "in the configuration".to_owned(),
            Source::Place(Place::File(path)) => format!("in the file {}", path.display()),
            Source::Place(Place::Env(name)) => format!("in the variable {name}"),
        }
    }

    /// Looks the secret up.
    ///
    /// # Errors
    /// The file cannot be read, or the variable is not set; or what is there is empty.
    pub fn reveal(&self) -> Result<String, String> {
        let (place, text) = match &self.0 {
            Source::Text(text) => ("the configuration".to_owned(), text.reveal().to_owned()),
            Source::Place(Place::File(path)) => {
                let read = std::fs::read_to_string(path);
                let text =
                    read.map_err(|e| format!("no secret in the file {}: {e}", path.display()))?;
                (format!("the file {}", path.display()), text.trim_end().to_owned())
            }
            Source::Place(Place::Env(name)) => {
                let read = std::env::var(name);
                let text = read.map_err(|e| format!("no secret in the variable {name}: {e}"))?;
                (format!("the variable {name}"), text)
            }
        };
        if text.is_empty() { Err(format!("the secret in {place} is empty")) } else { Ok(text) }
    }
}

const UNQUOTED: &str = "a number or truth value (not shown), expected a text in quotes, { file = \"…\" } or { env = \"…\" }";

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Text(_) => f.write_str("Secret"),
            Source::Place(Place::File(path)) => write!(f, "Secret in {path:?}"),
            Source::Place(Place::Env(name)) => write!(f, "Secret in ${name}"),
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, { file = \"…\" } or { env = \"…\" }")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                inner: D,
            ) -> Result<Secret, D::Error> {
                inner.deserialize_any(self)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret::text(text))
            }

            // Without the value: a password of digits alone is one too.
            fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Secret, E> {
                Err(E::custom(UNQUOTED))
            }

            fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Secret, E> {
                Err(E::custom(UNQUOTED))
            }

            fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Secret, E> {
                Err(E::custom(UNQUOTED))
            }

            fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Secret, E> {
                Err(E::custom(UNQUOTED))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Secret, A::Error> {
                let map = serde::de::value::MapAccessDeserializer::new(map);
                Place::deserialize(map).map(|place| Secret(Source::Place(place)))
            }
        }
        deserializer.deserialize_newtype_struct(SECRET, Visitor)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Source::Text(_) => serializer.serialize_str("********"),
            Source::Place(place) => place.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    struct Holder {
        password: Secret,
    }

    #[test]
    fn a_secret_is_read_from_where_it_is_and_shown_nowhere() {
        let folder = std::env::temp_dir().join(format!("tachometer-secret-{}", std::process::id()));
        std::fs::write(&folder, "hunter2\n").unwrap();
        let places =
            ["password = \"hunter2\"".to_owned(), format!("password = {{ file = {folder:?} }}")];
        for text in places {
            let holder: Holder = toml::from_str(&text).unwrap();
            assert_eq!(holder.password.reveal().unwrap(), "hunter2");
            assert!(!format!("{holder:?}").contains("hunter2"));
            assert!(!toml::to_string(&holder).unwrap().contains("hunter2"));
        }
        std::fs::write(&folder, "\n").unwrap();
        let error = Secret::file(&folder).reveal().unwrap_err();
        assert!(error.contains("is empty"), "{error}");
        std::fs::remove_file(&folder).unwrap();
        let error = Secret::file(&folder).reveal().unwrap_err();
        assert!(error.contains(folder.to_str().unwrap()), "{error}");
        let error = Secret::env("TACHOMETER_NO_SUCH_VARIABLE").reveal().unwrap_err();
        assert!(error.contains("TACHOMETER_NO_SUCH_VARIABLE"), "{error}");
        for number in ["12345678", "1.25", "true", "-7", "[7]", "1979-05-27"] {
            let error = toml::from_str::<Holder>(&format!("password = {number}")).unwrap_err();
            let message = error.message();
            assert!(message.contains("expected") && !message.contains(number), "{message}");
        }
        let error = toml::from_str::<Holder>("password = { fil = \"x\" }").unwrap_err();
        assert!(error.to_string().contains("expected `file` or `env`"), "{error}");
    }
}
