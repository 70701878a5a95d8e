//! Settings of handlers that send over HTTP.

use crate::Error;
use crate::secret::Secret;
use crate::url::Url;
use std::path::PathBuf;

/// What Alertmanager and webhooks have in common.
#[derive(Clone, Debug, Default)]
pub(super) struct Http {
    pub(super) headers: Vec<(String, Secret)>,
    pub(super) ca: Option<PathBuf>,
}

/// An URL that a handler was given. An error shows nothing of it: its path may be secret.
pub(super) fn parse(url: &str) -> Result<Url, Error> {
    Url::parse(url).map_err(|reason| Error::InvalidSetting { setting: "url", reason })
}

/// The settings, on a type with a field `http`.
macro_rules! http_settings {
    ($handler:ident) => {
        impl $handler {
            /// Sends a name and a password with each request.
            #[must_use]
            pub fn basic_auth(self, user: &str, password: &str) -> Self {
                self.header("Authorization", super::client::basic(user, password))
            }

            /// Sends a token with each request: `Authorization: Bearer …`.
            #[must_use]
            pub fn bearer_token(self, token: &str) -> Self {
                self.header("Authorization", format!("Bearer {token}"))
            }

            /// Sends a header with each request, in the place of another one of that name. Its value is shown nowhere.
            #[must_use]
            pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
                self.http.headers.push((name.into(), $crate::secret::Secret::new(value)));
                self
            }

            /// Trusts the certificate authorities in a PEM file, and no others; those of the system if it is not
            /// called. For `https://`, with feature `tls`. The file is read once, by
            /// [`start`](super::NotifierBuilder::start).
            #[must_use]
            pub fn ca_file(mut self, path: impl Into<std::path::PathBuf>) -> Self {
                self.http.ca = Some(path.into());
                self
            }
        }
    };
}

pub(super) use http_settings;
