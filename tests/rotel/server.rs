//! A real OTLP collector, `rotel` from PyPI: started on loopback, asked by reading what it says that it decoded.

use crate::common::debian;
use crate::common::loopback::wait;
use crate::servers::Server;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const VERSION: &str = "rotel==0.0.1a15";

/// The collector's program; installs it if it may. See [`debian::missing`] for where there is none.
pub fn program() -> Option<&'static Path> {
    static HERE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let here = HERE.get_or_init(|| debian::virtual_environment("rotel", VERSION, inside));
    here.as_deref().map_err(|why| debian::missing("rotel", why)).ok()
}

/// The program itself, not the script that starts it: ended, it leaves no child behind.
fn inside(environment: &Path) -> Option<PathBuf> {
    let pythons = std::fs::read_dir(environment.join("lib")).ok()?;
    let mut programs =
        pythons.flatten().map(|python| python.path().join("site-packages/rotel/rotel-agent"));
    programs.find(|program| {
        Command::new(program).arg("--version").output().is_ok_and(|out| out.status.success())
    })
}

/// A running collector; ends with the value.
pub struct Rotel {
    server: Server,
    pub http: SocketAddr,
    pub grpc: SocketAddr,
}

impl Rotel {
    pub fn start(program: &Path) -> Rotel {
        let server = Server::start("rotel", 2, |folder, ports| {
            let at = |name: &str| folder.join(name).display().to_string();
            let mut command = Command::new(program);
            command
                .args(["start", "--exporter", "blackhole", "--debug-log", "metrics"])
                .args(["--debug-log-verbosity", "detailed"])
                .args(["--otlp-http-endpoint", &ports[0].to_string()])
                .args(["--otlp-grpc-endpoint", &ports[1].to_string()])
                .args(["--pid-file", &at("pid"), "--log-file", &at("log")]);
            command
        });
        let (http, grpc) = (server.addresses[0], server.addresses[1]);
        Rotel { server, http, grpc }
    }

    /// What it printed, once `enough` says that all is there.
    pub fn printed(&self, enough: impl Fn(&str) -> bool) -> String {
        wait(|| match self.server.output() {
            text if enough(&text) => Ok(text),
            text => Err(format!("rotel printed only\n{text}")),
        })
    }
}
