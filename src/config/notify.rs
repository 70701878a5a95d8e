//! Who is told of alerts, as far as an operator sets it.

use super::error::Problem;
use super::{Secret, Span, TargetUrl};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
#[cfg(feature = "notify")]
use {
    super::Config,
    crate::notify::{Alertmanager, Handler, Log, Notifier, NotifierBuilder, Webhook},
    crate::{Engine, Error},
};

/// A handler of alerts, by its name: see `notify::Notifier`, feature `notify`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table of settings")]
pub struct NotifyConfig {
    /// What kind of handler it is.
    #[serde(rename = "type")]
    pub kind: Option<NotifyType>,
    /// Where: of a webhook one, of Alertmanager all of a cluster.
    pub urls: Vec<TargetUrl>,
    /// Headers of each request.
    pub headers: BTreeMap<String, Secret>,
    /// For basic authentication, with `password`.
    pub user: Option<String>,
    /// For basic authentication, with `user`.
    pub password: Option<Secret>,
    /// For bearer authentication.
    pub bearer_token: Option<Secret>,
    /// Certificate authorities to trust, in the place of the system's.
    pub ca_file: Option<PathBuf>,
    /// How long one attempt may take.
    pub time_limit: Option<Span>,
    /// After how long Alertmanager is told again.
    pub resend_delay: Option<Span>,
    /// How many alerts may wait.
    pub queue: Option<usize>,
    /// Whether a log has pending alerts, too.
    pub pending: Option<bool>,
}

/// A kind of handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NotifyType {
    /// Alertmanagers, by their API v2.
    Alertmanager,
    /// An address that takes what Alertmanager's webhooks send.
    Webhook,
    /// Lines on the process's error output.
    Log,
}

use NotifyType::{Alertmanager as Manager, Log as Lines, Webhook as Hook};

impl NotifyType {
    /// The name, as a configuration has it.
    pub fn name(self) -> &'static str {
        match self {
            Manager => "alertmanager",
            Hook => "webhook",
            Lines => "log",
        }
    }
}

impl NotifyConfig {
    pub(super) fn check(&self, name: &str) -> Result<(), Problem> {
        let wrong = |key: &str, reason: String| Err(Problem::at(&["notify", name, key], reason));
        let Some(kind) = self.kind else {
            let reason = "has no `type`; expected one of \"alertmanager\", \"webhook\", \"log\"";
            return Err(Problem::at(&["notify", name], reason));
        };
        let over_http: &[NotifyType] = &[Manager, Hook];
        let keys = [
            ("urls", !self.urls.is_empty(), over_http),
            ("headers", !self.headers.is_empty(), over_http),
            ("user", self.user.is_some(), over_http),
            ("password", self.password.is_some(), over_http),
            ("bearer_token", self.bearer_token.is_some(), over_http),
            ("ca_file", self.ca_file.is_some(), over_http),
            ("time_limit", self.time_limit.is_some(), over_http),
            ("resend_delay", self.resend_delay.is_some(), &[Manager]),
            ("pending", self.pending.is_some(), &[Lines]),
        ];
        if let Some((key, ..)) = keys.iter().find(|(_, set, of)| *set && !of.contains(&kind)) {
            return wrong(key, format!("a handler of type {:?} does not have it", kind.name()));
        }
        match (kind, self.urls.len()) {
            (Manager | Hook, 0) => {
                let reason = format!("has no `urls`, which type {:?} needs", kind.name());
                return Err(Problem::at(&["notify", name], reason));
            }
            (Hook, 2..) => {
                let reason = "a webhook has one; give each a handler of its own".to_owned();
                return wrong("urls", reason);
            }
            _ => {}
        }
        if self.user.is_some() != self.password.is_some() {
            return wrong("user", "expected both `user` and `password`, or neither".to_owned());
        }
        let authorized =
            self.headers.keys().any(|header| header.eq_ignore_ascii_case("authorization"));
        let ways = [self.user.is_some(), self.bearer_token.is_some(), authorized];
        if ways.iter().filter(|way| **way).count() > 1 {
            let reason = "expected one of `user` with `password`, `bearer_token`, and the header Authorization";
            return wrong("bearer_token", reason.to_owned());
        }
        #[cfg(feature = "notify")]
        self.assemble(name, |_| Ok("-".to_owned()))?
            .check()
            .map_err(|error| blamed(name, error))?;
        Ok(())
    }

    pub(super) fn line(&self, name: &str) -> String {
        let kind = self.kind.map_or("none", NotifyType::name);
        // Paths of webhooks often are the secret.
        let hosts = self.urls.iter().map(|url| {
            let shown = url.to_string();
            let authority = shown.split('/').take(3).collect::<Vec<_>>().join("/");
            authority.split('?').next().unwrap_or_default().to_owned()
        });
        let hosts: Vec<_> = hosts.collect();
        match hosts.is_empty() {
            true => format!("alerts are told to {name}: {kind}"),
            false => format!("alerts are told to {name}: {kind} at {}", hosts.join(", ")),
        }
    }
}

#[cfg(feature = "notify")]
fn blamed(name: &str, error: Error) -> Problem {
    match error {
        Error::InvalidSetting { setting: "url", reason } => {
            Problem::at(&["notify", name, "urls"], reason)
        }
        Error::InvalidSetting { setting, reason } => {
            Problem::at(&["notify", name, setting], reason)
        }
        other => Problem::at(&["notify", name], other.to_string()),
    }
}

/// With feature `notify`.
#[cfg(feature = "notify")]
impl NotifyConfig {
    /// Whether secrets are where they should be.
    pub(super) fn check_outside(&self, name: &str) -> Result<(), Problem> {
        let handler = self.assemble(name, |secret| secret.reveal())?;
        handler.check().map_err(|error| blamed(name, error))
    }

    fn assemble(
        &self,
        name: &str,
        reveal: impl Fn(&Secret) -> Result<String, String>,
    ) -> Result<Handler, Problem> {
        let reveal = |key: &str, secret: &Secret| {
            reveal(secret).map_err(|reason| Problem::at(&["notify", name, key], reason))
        };
        // Handlers over HTTP have these settings in common, but no trait.
        macro_rules! over_http {
            ($handler:expr) => {{
                let mut handler = $handler;
                for (header, value) in &self.headers {
                    handler = handler.header(header, reveal("headers", value)?);
                }
                if let (Some(user), Some(password)) = (&self.user, &self.password) {
                    handler = handler.basic_auth(user, &reveal("password", password)?);
                }
                if let Some(token) = &self.bearer_token {
                    handler = handler.bearer_token(&reveal("bearer_token", token)?);
                }
                if let Some(file) = &self.ca_file {
                    handler = handler.ca_file(file);
                }
                if let Some(limit) = self.time_limit {
                    handler = handler.time_limit(limit.0);
                }
                if let Some(queue) = self.queue {
                    handler = handler.queue(queue);
                }
                handler
            }};
        }
        let mut urls = self.urls.iter().map(|url| url.reveal());
        Ok(match self.kind {
            None => return Err(Problem::at(&["notify", name], "has no `type`")),
            Some(Manager) => {
                let mut handler = over_http!(Alertmanager::new(urls));
                if let Some(delay) = self.resend_delay {
                    handler = handler.resend_delay(delay.0);
                }
                handler.into()
            }
            Some(Hook) => over_http!(Webhook::new(urls.next().unwrap_or_default())).into(),
            Some(Lines) => {
                let mut handler = Log::new().pending(self.pending == Some(true));
                if let Some(queue) = self.queue {
                    handler = handler.queue(queue);
                }
                handler.into()
            }
        })
    }
}

/// With feature `notify`.
#[cfg(feature = "notify")]
impl Config {
    /// A notifier of all handlers in `[notify]`, still to be started; `None` if there is none. Secrets are looked up now.
    ///
    /// ```
    /// use tachometer::{Engine, Registry, config::Config};
    /// let config = Config::parse("[notify.am]\ntype = \"alertmanager\"\nurls = [\"http://127.0.0.1:9093\"]")?;
    /// let engine = Engine::builder().registry(&Registry::new()).start()?;
    /// let notifier = config.notifier(&engine)?.expect("there is a handler").start()?;
    /// assert_eq!(notifier.status().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A secret is not where it should be; a setting is wrong.
    pub fn notifier(&self, engine: &Engine) -> Result<Option<NotifierBuilder>, Error> {
        if self.notify.is_empty() {
            return Ok(None);
        }
        let mut builder = Notifier::builder(engine);
        for (name, handler) in &self.notify {
            let handler =
                handler.check(name).and_then(|()| handler.assemble(name, |secret| secret.reveal()));
            let handler = handler.map_err(|problem| Error::InvalidSetting {
                setting: "notify",
                reason: problem.anywhere().reason,
            })?;
            builder = builder.handler(name, handler);
        }
        Ok(Some(builder))
    }
}
