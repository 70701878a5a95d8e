//! Another listener behind the listener: with credentials, over TLS, and over a socket in the file system.

use crate::memory::Memory;
use crate::{Front, tools};
use std::sync::Arc;
use std::time::Duration;
use tachometer::backend::BackendError;
use tachometer::query::{Answer, Settings};
use tachometer::{Backend, Engine, Listener, ListenerBuilder, ManualClock, Registry};

const END: i64 = 1_700_000_600;

fn engine() -> Engine {
    let clock = ManualClock::at(Duration::from_secs(END as u64));
    Engine::builder().registry(&Registry::new()).manual(&clock).start().unwrap()
}

fn behind() -> ListenerBuilder {
    let samples: Vec<_> = (0..=600).map(|i| ((END - 600 + i) * 1_000, i as f64)).collect();
    let memory = Memory::default().with(&[("__name__", "a"), ("x", "ü \"1\"")], &samples);
    Listener::builder().query(Arc::new(memory), Settings::default())
}

fn value(backend: &Backend) -> Result<f64, BackendError> {
    match backend.instant("sum(a)", Some(END * 1_000))? {
        Answer::Vector(samples) => Ok(samples[0].value.as_float().unwrap()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_listener_is_a_backend_with_a_prefix_and_credentials() {
    let engine = engine();
    let builder = behind().prefix("/in").basic_auth("node", "pass:word").bearer_token("token");
    let listener = builder.bind(&engine, "127.0.0.1:0").unwrap();
    let at = || Backend::builder(format!("http://{}/in/", listener.local_addr()));
    assert_eq!(value(&at().basic_auth("node", "pass:word").build().unwrap()), Ok(600.0));
    let backend = at().bearer_token("token");
    assert_eq!(value(&backend.clone().build().unwrap()), Ok(600.0));
    let denied = value(&at().bearer_token("other").build().unwrap()).unwrap_err();
    assert!(matches!(&denied, BackendError::Denied { status: 401, .. }), "{denied}");
    assert!(!format!("{backend:?}{denied}").contains("token\""));
    let lost = Backend::builder(format!("http://{}/in/out", listener.local_addr()));
    let lost = value(&lost.bearer_token("token").build().unwrap()).unwrap_err().to_string();
    assert!(lost.contains("404") && lost.contains("/api/v1"), "{lost}");
    // Through two of them, and what a backend's error is.
    let front = Front::new(backend);
    let query = format!("/api/v1/query?query=a&time={END}");
    assert!(front.get(&query).1.contains(r#"{"metric":{"__name__":"a","x":"ü \"1\""}"#));
    let (status, body) = front.get("/api/v1/query?query=sum(");
    assert!(status == 400 && body.contains("bad_data"), "{body}");
    listener.stop();
    let (status, body) = front.get(&query);
    assert!(status == 503 && body.contains("unavailable") && body.contains("127.0.0.1"), "{body}");
    assert_eq!(front.get("/metrics").0, 200);
    assert_eq!((front.counted("unreachable"), front.counted("answered")), (1, 1));
}

#[test]
fn a_connection_that_the_backend_closed_is_opened_again() {
    let engine = engine();
    let listener = behind().bind(&engine, "127.0.0.1:0").unwrap();
    let address = listener.local_addr();
    let backend = Backend::new(format!("http://{address}")).unwrap();
    for _ in 0..3 {
        assert_eq!(value(&backend), Ok(600.0));
    }
    listener.stop();
    assert!(matches!(value(&backend), Err(BackendError::Unreachable { .. })));
    let _again = behind().bind(&engine, address).unwrap();
    assert_eq!(value(&backend), Ok(600.0));
}

#[test]
fn a_socket_in_the_file_system_is_a_backend() {
    let engine = engine();
    let folder = tools::folder("backend-socket");
    let path = folder.join("a.sock");
    let listener = behind().bind_unix(&engine, &path).unwrap();
    let url = format!("unix:{}", path.display());
    let backend = Backend::new(&url).unwrap();
    assert_eq!((value(&backend), value(&backend)), (Ok(600.0), Ok(600.0)));
    listener.stop();
    let gone = value(&backend).unwrap_err().to_string();
    assert!(gone.contains(&url), "{gone}");
    // One that takes connections and says nothing.
    let _silent = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let limit = Duration::from_millis(200);
    let impatient = Backend::builder(&url).time_limit(limit).build().unwrap();
    let late = value(&impatient).unwrap_err();
    assert!(matches!(late, BackendError::TimedOut { .. }), "{late}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[cfg(feature = "tls")]
#[test]
fn a_backend_over_tls_shows_who_it_is() {
    if !tools::is_here("openssl", "openssl") {
        return;
    }
    let engine = engine();
    let folder = tools::folder("backend-tls");
    let (certificate, key) = tools::certificate(&folder, "server");
    let builder = behind().tls_pem_files(&certificate, &key);
    let listener = builder.bind(&engine, "127.0.0.1:0").unwrap();
    let at = || Backend::builder(format!("https://{}", listener.local_addr()));
    let backend = at().ca_file(&certificate);
    assert_eq!(value(&backend.clone().build().unwrap()), Ok(600.0));
    let (other, _) = tools::certificate(&folder, "other");
    let error = value(&at().ca_file(&other).build().unwrap()).unwrap_err();
    assert!(matches!(&error, BackendError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
    let missing = at().ca_file(folder.join("none.pem")).build().unwrap_err().to_string();
    assert!(missing.contains("none.pem"), "{missing}");
    let plain = Backend::new(format!("http://{}", listener.local_addr())).unwrap();
    assert!(value(&plain).is_err());
    std::fs::remove_dir_all(&folder).unwrap();
}
