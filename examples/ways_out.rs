//! All ways out. The README shows these lines. Prints a snapshot in every format; with the word `pull`, `push`, `notify` or `configured`
//! behind it, does that for ten seconds: `cargo run --example ways_out --all-features -- pull`.

use std::error::Error;
use std::time::Duration;
use tachometer::config::Config;
use tachometer::notify::{Alertmanager, Callback, Log, Notifier, Webhook};
use tachometer::{
    CsvEncoder, Encoder, Engine, GraphiteEncoder, InfluxEncoder, JsonEncoder, Listener,
    OpenMetricsEncoder, OtlpEncoder, ProtobufEncoder, Pusher, Registry, RemoteWriteEncoder,
    RemoteWriteVersion, StatsdEncoder, Target, Temporality, TextEncoder, Unit,
};

/// Keeps what it is given for a while.
fn run<T>(running: T) -> Result<(), Box<dyn Error>> {
    std::thread::sleep(Duration::from_secs(10));
    drop(running);
    Ok(())
}

fn formats(engine: &Engine) -> Result<(), Box<dyn Error>> {
    let snapshot = engine.refresh();
    let mut page = Vec::new(); // used again and again: once warm, a page costs no allocation
    TextEncoder::new().encode(&snapshot, &mut page); // keep the encoder too: it remembers names

    let delta = OtlpEncoder::protobuf().resource("service.name", "orders")?;
    let encoders: [(&str, Box<dyn Encoder>); 10] = [
        ("Prometheus text 0.0.4", Box::new(TextEncoder::new())),
        ("OpenMetrics 1.0", Box::new(OpenMetricsEncoder::new())),
        ("Prometheus protobuf", Box::new(ProtobufEncoder::new())),
        ("OTLP, JSON", Box::new(OtlpEncoder::json())),
        ("OTLP, protobuf, deltas", Box::new(delta.temporality(Temporality::Delta))),
        ("InfluxDB lines", Box::new(InfluxEncoder::new())),
        ("Graphite", Box::new(GraphiteEncoder::new())),
        ("DogStatsD", Box::new(StatsdEncoder::new())),
        ("CSV", Box::new(CsvEncoder::new())),
        ("JSON", Box::new(JsonEncoder::new())),
    ];
    for (name, mut encoder) in encoders {
        let page = encoder.to_vec(&snapshot);
        println!("{name}: {} bytes of {}", page.len(), encoder.content_type());
    }
    let mut remote = RemoteWriteEncoder::new(RemoteWriteVersion::V2);
    let bodies = remote.encode(&snapshot).map(<[u8]>::len).collect::<Vec<_>>();
    println!("remote write 2.0: requests of {bodies:?} bytes");
    Ok(())
}

fn pull(engine: &Engine) -> Result<(), Box<dyn Error>> {
    let listener = Listener::bind(engine, "127.0.0.1:9464")?; // `/metrics`, `/health`, `/stats`
    run(listener)
}

fn pull_guarded(engine: &Engine, password: &str) -> Result<(), Box<dyn Error>> {
    let listener = Listener::builder()
        .tls_pem_files("tls.crt", "tls.key") // feature `tls`
        .basic_auth("prometheus", password)
        .allow("10.0.0.0/8".parse()?)
        .bind(engine, "[::]:9464")?;
    run(listener)
}

fn push(engine: &Engine, token: &str) -> Result<(), Box<dyn Error>> {
    let otlp = Target::otlp("http://127.0.0.1:4318").resource("service.name", "orders");
    let remote = Target::remote_write("https://store:8428/api/v1/write").ca_file("ca.pem");
    let influx_2 = Target::influx_v2("http://127.0.0.1:8087", "org", "bucket").token(token);
    let pusher = Pusher::builder(engine)
        .target("collector", otlp.temporality(Temporality::Delta))
        .target("collector by gRPC", Target::otlp_grpc("http://127.0.0.1:4317"))
        .target("store", remote.version(RemoteWriteVersion::V2).spool_file("store.spool"))
        .target("influx 1", Target::influx("http://127.0.0.1:8086", "db"))
        .target("influx 2", influx_2)
        .target("gateway", Target::pushgateway("http://127.0.0.1:9091", "nightly"))
        .target("graphite", Target::graphite("127.0.0.1:2003"))
        .target("statsd", Target::statsd("127.0.0.1:8125"))
        .start()?;
    run(pusher)
}

fn notify(engine: &Engine, token: &str) -> Result<(), Box<dyn Error>> {
    let notifier = Notifier::builder(engine)
        .handler("on call", Alertmanager::new(["http://am-1:9093", "http://am-2:9093"]))
        .handler("pager", Webhook::new("https://pager.example.com/hook").bearer_token(token))
        .handler("log", Log::new()) // standard error
        .handler("mine", Callback::new(|notice| println!("{} {:?}", notice.rule, notice.to)))
        .start()?;
    run(notifier)
}

fn configured(path: &str) -> Result<(), Box<dyn Error>> {
    let config = Config::load(path)?; // an error names file, line, key and what was expected
    config.recording.apply(Registry::global())?; // precision, limits: before anything is registered
    let engine = config.engine.builder().start()?;
    let listener = config.listener.bind(&engine)?; // `None` if it is switched off
    let pusher = config.pusher(&engine)?.map(|pusher| pusher.start()).transpose()?;
    run((listener, pusher))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let way = arguments.next();
    let mut more = || arguments.next().ok_or("one more argument, please");
    if way.as_deref() == Some("configured") {
        return configured(&more()?);
    }
    let registry = Registry::new();
    registry.counter("orders_total", "Orders placed.")?.add(3);
    let latency = registry.metric("order_seconds", "From click to mail.").unit(Unit::Nanoseconds);
    let latency = latency.histogram()?;
    (1..=1_000).for_each(|value| latency.record(value * 1_000));
    let engine = Engine::builder().registry(&registry).start()?;
    match way.as_deref() {
        None => formats(&engine),
        Some("pull") => pull(&engine),
        Some("pull-guarded") => pull_guarded(&engine, &more()?),
        Some("push") => push(&engine, &more()?),
        Some("notify") => notify(&engine, &more()?),
        Some(other) => {
            Err(format!("{other}: pull, pull-guarded, push, notify or configured").into())
        }
    }
}
