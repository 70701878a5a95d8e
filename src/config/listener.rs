//! The HTTP listener, as far as an operator sets it.

use super::error::Problem;
use super::{Secret, Span};
use crate::limits::{
    HTTP_HEADER_TIMEOUT, MAX_HTTP_CONNECTIONS, MAX_HTTP_HEADER_BYTES, MAX_HTTP_RENDERS,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
#[cfg(feature = "http")]
use {
    crate::serve::{InvalidNetwork, Network},
    crate::{Engine, Error, Listener, ListenerBuilder},
};

/// What stands before the path of a Unix socket in `address`.
const UNIX: &str = "unix:";

/// The HTTP listener: see `ListenerBuilder`, feature `http`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table of settings")]
pub struct ListenerConfig {
    /// Whether there is one.
    pub enabled: bool,
    /// Where it listens: address and port, or `unix:` and the path of a socket.
    pub address: String,
    /// The mode of a Unix socket's file.
    pub socket_mode: u32,
    /// What stands before every path.
    pub prefix: String,
    /// Whether the live page is at `/`, where a program answers queries; needs feature `page`, and does nothing without it.
    pub page: bool,
    /// Networks whose clients are let in; all, if there is none.
    pub allow: Vec<String>,
    /// Passwords of users.
    pub users: BTreeMap<String, Secret>,
    /// Tokens that open.
    pub bearer_tokens: Vec<Secret>,
    /// Whether the health endpoints too ask for credentials.
    pub protect_health: bool,
    /// Encryption; needs feature `tls`.
    pub tls: ListenerTls,
    /// Connections served at once.
    pub connections: usize,
    /// Bytes of a request's head.
    pub header_bytes: usize,
    /// How long a request may take.
    pub request_time: Span,
    /// Different pages made at once.
    pub concurrent_renders: usize,
}

/// Certificate and key of the listener: both, or neither.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table of `certificate` and `key`")]
pub struct ListenerTls {
    /// A PEM file with the certificate, and those that vouch for it behind it.
    pub certificate: Option<PathBuf>,
    /// A PEM file with its key.
    pub key: Option<PathBuf>,
}

impl Default for ListenerConfig {
    fn default() -> Self {
        ListenerConfig {
            enabled: true,
            address: "127.0.0.1:9464".to_owned(),
            socket_mode: 0o600,
            prefix: String::new(),
            page: true,
            allow: Vec::new(),
            users: BTreeMap::new(),
            bearer_tokens: Vec::new(),
            protect_health: false,
            tls: ListenerTls::default(),
            connections: MAX_HTTP_CONNECTIONS,
            header_bytes: MAX_HTTP_HEADER_BYTES,
            request_time: Span(HTTP_HEADER_TIMEOUT),
            concurrent_renders: MAX_HTTP_RENDERS,
        }
    }
}

impl ListenerConfig {
    /// The path of the Unix socket that it listens on, if it is one.
    pub(super) fn socket(&self) -> Option<&str> {
        self.address.strip_prefix(UNIX)
    }

    /// Whether what it sends is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.tls.certificate.is_some()
    }

    /// Whether it asks for credentials.
    pub fn asks_for_credentials(&self) -> bool {
        !self.users.is_empty() || !self.bearer_tokens.is_empty()
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        let wrong = |key: &str, reason: &str| Err(Problem::at(&["listener", key], reason));
        let is_port = |port: &str| port.parse::<u16>().is_ok();
        let is_fine = match self.socket() {
            Some(path) => !path.is_empty(),
            None => self.address.rsplit_once(':').is_some_and(|(host, port)| {
                let bracketed = host.starts_with('[') && host.ends_with(']');
                !host.is_empty() && is_port(port) && (bracketed || !host.contains(':'))
            }),
        };
        if !is_fine {
            let reason = format!(
                "{:?} is none; expected an address and a port, as \"127.0.0.1:9464\" or \"[::1]:9464\", or the path of a \
                 socket, as \"unix:/run/tachometer.sock\"",
                self.address
            );
            return wrong("address", &reason);
        }
        if self.socket_mode > 0o777 {
            return wrong("socket_mode", "expected a file's mode, from 0o000 to 0o777, as 0o660");
        }
        if self.tls.certificate.is_some() != self.tls.key.is_some() {
            return wrong("tls", "expected both `certificate` and `key`, or neither");
        }
        if self.is_encrypted() && cfg!(not(feature = "tls")) {
            return wrong("tls", NO_TLS);
        }
        #[cfg(feature = "http")]
        self.check_builder()?;
        Ok(())
    }
}

const NO_TLS: &str = "this program was built without encryption: build it with the feature `tls` of tachometer, or leave \
                      `certificate` and `key` out";

/// With feature `http`.
#[cfg(feature = "http")]
impl ListenerConfig {
    /// A listener of these settings, still to be bound. Secrets are looked up now; `enabled` and `address` are not in it,
    /// see [`ListenerConfig::bind`].
    ///
    /// # Errors
    /// A secret is not where it should be; a network is none; encryption is wanted, and feature `tls` is off.
    pub fn builder(&self) -> Result<ListenerBuilder, Error> {
        self.assemble(|secret| secret.reveal()).map_err(as_error)
    }

    /// Listens as configured, and serves `engine`'s snapshots; `None` if it is not enabled.
    ///
    /// ```
    /// use tachometer::config::Config;
    /// use tachometer::{Engine, Registry};
    /// let config = Config::parse(
    ///     r#"
    ///     [listener]
    ///     address = "127.0.0.1:0"
    ///     prefix = "/internal"
    ///     allow = ["127.0.0.0/8"]
    ///     [listener.users]
    ///     prometheus = "hunter2"
    ///     "#,
    /// )?;
    /// let engine = Engine::builder().registry(&Registry::new()).start()?;
    /// let listener = config.listener.bind(&engine)?.expect("it is enabled");
    /// assert_ne!(listener.local_addr().port(), 0);
    /// assert!(!format!("{config:?}").contains("hunter2"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`ListenerConfig::builder`] and [`ListenerBuilder::bind`].
    pub fn bind(&self, engine: &Engine) -> Result<Option<Listener>, Error> {
        if !self.enabled {
            return Ok(None);
        }
        self.bind_builder(self.builder()?, engine).map(Some)
    }

    /// Listens at the configured place with `builder`, to which a program added what cannot be configured (a source of queries,
    /// rules, health), whether it is enabled or not.
    ///
    /// # Errors
    /// As [`ListenerBuilder::bind`].
    pub fn bind_builder(
        &self,
        builder: ListenerBuilder,
        engine: &Engine,
    ) -> Result<Listener, Error> {
        match self.socket() {
            Some(path) => builder.bind_unix(engine, path),
            None => builder.bind(engine, self.address.as_str()),
        }
    }

    /// Whether a builder takes all of it, without a look at any secret.
    fn check_builder(&self) -> Result<(), Problem> {
        let builder = self.assemble(|_| Ok("-".to_owned()))?;
        builder.check_settings().map_err(|error| match error {
            Error::InvalidSetting { setting: "basic_auth", reason } => {
                Problem::at(&["listener", "users"], reason)
            }
            Error::InvalidSetting { setting, reason } => {
                Problem::at(&["listener", setting], reason)
            }
            other => Problem::at(&["listener"], other.to_string()),
        })
    }

    /// Whether secrets, certificate and key are where they should be.
    pub(super) fn check_outside(&self) -> Result<(), Problem> {
        if !self.enabled {
            return Ok(());
        }
        let builder = self.assemble(|secret| secret.reveal())?;
        // A password or token that cannot be one is told of by its key.
        builder.check_settings().map_err(|error| Problem::at(&["listener"], error.to_string()))?;
        builder.check_files().map_err(|error| Problem::at(&["listener", "tls"], error.to_string()))
    }

    fn assemble(
        &self,
        reveal: impl Fn(&Secret) -> Result<String, String>,
    ) -> Result<ListenerBuilder, Problem> {
        let mut builder = Listener::builder()
            .prefix(&*self.prefix)
            .socket_mode(self.socket_mode)
            .protect_health(self.protect_health)
            .connections(self.connections)
            .header_bytes(self.header_bytes)
            .request_time(self.request_time.0)
            .concurrent_renders(self.concurrent_renders);
        #[cfg(feature = "page")]
        {
            builder = builder.page(self.page);
        }
        for network in &self.allow {
            let network: Network = network.parse().map_err(|error: InvalidNetwork| {
                Problem::at(&["listener", "allow"], error.to_string())
            })?;
            builder = builder.allow(network);
        }
        for (user, password) in &self.users {
            let password = reveal(password)
                .map_err(|reason| Problem::at(&["listener", "users", user], reason))?;
            builder = builder.basic_auth(user, &password);
        }
        for token in &self.bearer_tokens {
            let token = reveal(token)
                .map_err(|reason| Problem::at(&["listener", "bearer_tokens"], reason))?;
            builder = builder.bearer_token(&token);
        }
        self.encrypt(builder)
    }

    #[cfg(feature = "tls")]
    fn encrypt(&self, builder: ListenerBuilder) -> Result<ListenerBuilder, Problem> {
        Ok(match (&self.tls.certificate, &self.tls.key) {
            (Some(certificate), Some(key)) => builder.tls_pem_files(certificate, key),
            _ => builder,
        })
    }

    #[cfg(not(feature = "tls"))]
    fn encrypt(&self, builder: ListenerBuilder) -> Result<ListenerBuilder, Problem> {
        match self.is_encrypted() {
            true => Err(Problem::at(&["listener", "tls"], NO_TLS)),
            false => Ok(builder),
        }
    }
}

#[cfg(feature = "http")]
fn as_error(problem: Problem) -> Error {
    let reason = problem.anywhere().reason;
    Error::InvalidSetting { setting: "listener", reason }
}
