//! Where metrics are served: `--listen`, bound before a run starts so that a busy port is told at
//! once.

use std::net::SocketAddr;
use std::str::FromStr;

use anyhow::Context;
use tachometer::config::ListenerConfig;
use tachometer::{Engine, Listener};

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
    /// Takes the address and serves `engine` there; `None` when nothing is to be served.
    pub fn serve(self, engine: &Engine) -> anyhow::Result<Option<Listener>> {
        match self {
            Self::Off => Ok(None),
            Self::At(address) => bind(engine, &address.to_string()).map(Some),
        }
    }

    /// As [`Listen::serve`]; `None` for what `settings` say.
    pub fn serve_as_configured(
        chosen: Option<Self>,
        settings: &ListenerConfig,
        engine: &Engine,
    ) -> anyhow::Result<Option<Listener>> {
        match chosen {
            Some(listen) => listen.serve(engine),
            None if settings.enabled => bind(engine, &settings.address).map(Some),
            None => Ok(None),
        }
    }
}

fn bind(engine: &Engine, address: &str) -> anyhow::Result<Listener> {
    Listener::bind(engine, address).with_context(|| {
        format!(
            "metrics cannot be served at {address}; choose another address with \
             --listen ADDRESS:PORT, or --listen off"
        )
    })
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
        let error = Listen::At(taken.local_addr().unwrap()).serve(&engine).unwrap_err();
        assert!(error.to_string().contains("--listen off"), "{error}");
    }
}
