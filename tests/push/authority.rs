//! A certificate authority of a test's own, by `openssl`, and servers' ends of TLS.
#![allow(dead_code, reason = "each test binary uses some of it")]

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// When a certificate is of use, as `openssl ca` takes it.
pub const NOW: [&str; 2] = ["20200101000000Z", "20900101000000Z"];
pub const LONG_AGO: [&str; 2] = ["20200101000000Z", "20200102000000Z"];

pub struct Authority {
    folder: PathBuf,
    name: String,
    pub certificate: PathBuf,
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    pub fn new(folder: &Path, name: &str) -> Authority {
        let at = |end: &str| folder.join(format!("{name}{end}"));
        let config = format!(
            "[req]\ndistinguished_name = dn\nx509_extensions = ext\nprompt = no\n[dn]\n\
             CN = {name}\n[ext]\nbasicConstraints = critical,CA:TRUE\n[ca]\ndefault_ca = d\n[d]\n\
             database = {0}.index\nserial = {0}.serial\nnew_certs_dir = {1}\ndefault_md = sha256\n\
             policy = p\nunique_subject = no\n[p]\ncommonName = supplied\n",
            at("").display(),
            folder.display()
        );
        std::fs::write(at(".cnf"), config).unwrap();
        std::fs::write(at(".index"), "").unwrap();
        std::fs::write(at(".serial"), "01").unwrap();
        let (certificate, key) = (at(".crt"), at(".key"));
        let new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
        let into = ["-nodes", "-days", "2", "-keyout", text(&key), "-out", text(&certificate)];
        openssl(&[&new[..], &into, &["-config", text(&at(".cnf"))]].concat());
        Authority { folder: folder.to_owned(), name: name.to_owned(), certificate }
    }

    /// A certificate for `subject` (`IP:127.0.0.1`, `DNS:localhost`), and its key.
    pub fn issue(&self, name: &str, subject: &str, valid: [&str; 2]) -> Identity {
        let own = |end: &str| self.folder.join(format!("{}{end}", self.name));
        let at = |end: &str| self.folder.join(format!("{name}{end}"));
        let (certificate, key, request) = (at(".crt"), at(".key"), at(".csr"));
        let new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let into = ["-subj", "/CN=test", "-keyout", text(&key), "-out", text(&request)];
        openssl(&[&new[..], &into].concat());
        let extensions = format!("subjectAltName = {subject}\nbasicConstraints = CA:FALSE\n");
        std::fs::write(at(".ext"), extensions).unwrap();
        let (config, extensions) = (own(".cnf"), at(".ext"));
        let (signer, signing) = (own(".crt"), own(".key"));
        let by = ["-config", text(&config), "-cert", text(&signer), "-keyfile", text(&signing)];
        let what = ["-in", text(&request), "-out", text(&certificate), "-notext"];
        let when = ["-startdate", valid[0], "-enddate", valid[1], "-extfile", text(&extensions)];
        openssl(&[&["ca", "-batch"][..], &by, &what, &when].concat());
        Identity { certificate, key }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn openssl(arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A server's end that offers `protocols` inside, in the given versions.
pub fn server(
    identity: &Identity,
    protocols: &[&[u8]],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(&identity.certificate).unwrap();
    let chain = chain.collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(versions).unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}
