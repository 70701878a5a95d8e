//! Where metrics are served: `--listen`, bound before a run starts so that a busy port is told at
//! once.

use std::net::SocketAddr;
use std::str::FromStr;

use anyhow::Context;
use tachometer::config::ListenerConfig;
use tachometer::serve::{Address, ListenerBuilder};
use tachometer::{Engine, Error, Listener};

/// An address, or nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    Off,
    At(SocketAddr),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let hint = "write it as 127.0.0.1:9464, or as `off` to serve nothing";
        text.parse().map(Self::At).map_err(|error| format!("{error}; {hint}"))
    }
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::At(address) => address.fmt(f),
        }
    }
}

impl Listen {
    /// `settings`, with this place in the stead of theirs.
    pub fn instead_of(self, settings: &ListenerConfig) -> ListenerConfig {
        match self {
            Self::Off => ListenerConfig { enabled: false, ..settings.clone() },
            Self::At(address) => {
                ListenerConfig { enabled: true, address: address.to_string(), ..settings.clone() }
            }
        }
    }
}

/// Serves `engine` as `settings` say, and what `more` adds; `None` when nothing is to be served.
pub fn serve(
    settings: &ListenerConfig,
    engine: &Engine,
    more: impl FnOnce(ListenerBuilder) -> anyhow::Result<ListenerBuilder>,
) -> anyhow::Result<Option<Listener>> {
    if !settings.enabled {
        return Ok(None);
    }
    let builder = more(settings.builder()?)?;
    match settings.bind_builder(builder, engine) {
        Err(error @ Error::Io { .. }) => Err(error).with_context(|| {
            format!(
                "metrics cannot be served at {}; choose another address with \
                 --listen ADDRESS:PORT, or --listen off",
                settings.address
            )
        }),
        bound => Ok(Some(bound?)),
    }
}

/// Where `path` of `listener`, which was bound as `settings` say, is to be found.
pub fn place(settings: &ListenerConfig, listener: &Listener, path: &str) -> String {
    let scheme = if settings.is_encrypted() { "https" } else { "http" };
    let path = format!("{}{path}", settings.prefix.trim_end_matches('/'));
    match listener.address() {
        Address::Unix(socket) => format!("{path} on the socket {}", socket.display()),
        address => format!("{scheme}://{address}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_off_is_read() {
        assert_eq!("off".parse(), Ok(Listen::Off));
        assert_eq!("127.0.0.1:80".parse(), Ok(Listen::At(SocketAddr::from(([127, 0, 0, 1], 80)))));
        let error = "9464".parse::<Listen>().unwrap_err();
        assert!(error.contains("127.0.0.1:9464"), "{error}");
    }

    #[test]
    fn a_busy_port_says_what_to_do() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let registry = tachometer::Registry::new();
        let engine = Engine::builder().registry(&registry).start().unwrap();
        let listen = Listen::At(taken.local_addr().unwrap());
        let settings = listen.instead_of(&ListenerConfig::default());
        let error = serve(&settings, &engine, Ok).unwrap_err();
        assert!(error.to_string().contains("--listen off"), "{error}");
    }
}
