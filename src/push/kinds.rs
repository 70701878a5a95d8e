//! Targets by format: what each needs beside an address, and the options that it alone has.

use super::gzip::Gzip;
#[cfg(feature = "remote-write")]
use super::http::Method;
use super::otlp::OtlpProtocol;
use super::protocol::{Page, Protocol};
#[cfg(feature = "remote-write")]
use super::remote_write::RemoteWrite;
use super::secret::Secret;
use super::statsd::Statsd;
use super::target::{Place, Target};
use crate::limits::DEFAULT_PUSH_DATAGRAM_BYTES;
use crate::url::{Url, percent_encode};
use crate::{Error, GraphiteEncoder, InfluxEncoder, OtlpEncoder, StatsdEncoder, Temporality};
#[cfg(feature = "remote-write")]
use crate::{RemoteWriteEncoder, RemoteWriteVersion};

/// What makes the payloads, until the target's settings are all known.
#[derive(Debug)]
pub(super) enum Format {
    /// Made by whoever made the target.
    Given(Box<dyn Protocol>),
    Otlp(Otlp),
    Statsd(StatsdEncoder),
    #[cfg(feature = "remote-write")]
    RemoteWrite(Remote),
}

/// Settings of an [`OtlpEncoder`].
#[derive(Debug, Default)]
pub(super) struct Otlp {
    json: bool,
    temporality: Temporality,
    resource: Vec<(String, String)>,
}

/// Settings of a [`RemoteWriteEncoder`], and of what is sent of it.
#[cfg(feature = "remote-write")]
#[derive(Debug)]
pub(super) struct Remote {
    version: RemoteWriteVersion,
    classic: bool,
    ends: bool,
}

impl Format {
    /// # Errors
    /// The setting that is wrong, and what is wrong with it.
    pub(super) fn protocol(
        self,
        gzip: bool,
        place: &Place,
    ) -> Result<Box<dyn Protocol>, (&'static str, String)> {
        let protocol = match self {
            Format::Given(protocol) => protocol,
            Format::Statsd(mut encoder) => {
                if let Place::Datagrams(_, bytes) = place {
                    let wrong = |error: Error| ("datagram_bytes", error.to_string());
                    encoder = encoder.datagram_bytes(*bytes).map_err(wrong)?;
                }
                Box::new(Statsd::new(encoder))
            }
            #[cfg(feature = "remote-write")]
            Format::RemoteWrite(_) if gzip => {
                return Err(("gzip", "remote write has a compression of its own".to_owned()));
            }
            #[cfg(feature = "remote-write")]
            Format::RemoteWrite(Remote { version, classic, ends }) => {
                let encoder = RemoteWriteEncoder::new(version).classic_histograms(classic);
                Box::new(RemoteWrite::new(encoder, ends))
            }
            #[cfg(feature = "grpc")]
            Format::Otlp(Otlp { json: true, .. }) if matches!(place, Place::Grpc { .. }) => {
                return Err(("json", "OTLP over gRPC is protobuf".to_owned()));
            }
            Format::Otlp(settings) => Box::new(OtlpProtocol::new(settings.encoder()?)),
        };
        Ok(if gzip { Box::new(Gzip(protocol)) } else { protocol })
    }
}

impl Otlp {
    fn encoder(self) -> Result<OtlpEncoder, (&'static str, String)> {
        let encoder = if self.json { OtlpEncoder::json() } else { OtlpEncoder::protobuf() };
        let mut encoder = encoder.temporality(self.temporality);
        for (key, value) in self.resource {
            encoder =
                encoder.resource(&key, &value).map_err(|error| ("resource", error.to_string()))?;
        }
        Ok(encoder)
    }
}

/// Where under a server's URL a format is taken.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    path: &'static str,
    query: String,
}

impl Endpoint {
    fn new(path: &'static str, parameters: &[(&str, &str)]) -> Endpoint {
        let mut query = String::new();
        for (name, value) in parameters {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(name);
            query.push('=');
            percent_encode(value, &mut query);
        }
        Endpoint { path, query }
    }

    /// The URL of the endpoint at the server at `base`, which may have a path in front of it.
    ///
    /// # Errors
    /// The endpoint is there already.
    pub(super) fn at(&self, mut base: Url) -> Result<Url, String> {
        base.path.truncate(base.path.trim_end_matches('/').len());
        if base.path.ends_with(self.path) {
            return Err(format!("give the server's URL without {}: it is added to it", self.path));
        }
        base.path.push_str(self.path);
        if !self.query.is_empty() {
            let query = base.query.take().filter(|query| !query.is_empty());
            base.query = Some(query.map_or(String::new(), |query| query + "&") + &self.query);
        }
        Ok(base)
    }
}

/// Formats.
impl Target {
    fn under(url: impl Into<String>, endpoint: Endpoint, format: Format) -> Target {
        Target::of(Place::Under { url: Secret::new(url), endpoint }, format)
    }

    /// Pushes OTLP over HTTP to the receiver at `url` (`http://host:4318`; `/v1/metrics` is added to it): protobuf, and
    /// cumulative, unless set otherwise with [`json`](Target::json) and [`temporality`](Target::temporality). Name the
    /// service with [`resource`](Target::resource).
    ///
    /// Points that the receiver rejects out of a request that it takes are counted
    /// (`tachometer_push_rejected_points_total`), and [`TargetStatus`](super::TargetStatus) has its words. With deltas
    /// each request is prepared when the one before it was answered or given up, so nothing is lost however long the
    /// receiver is away; a request whose answer was lost on the way is sent again as it was, and a receiver that does
    /// not look at start times counts it twice.
    ///
    /// ```
    /// use tachometer::{Target, Temporality};
    /// let target = Target::otlp("http://127.0.0.1:4318")
    ///     .resource("service.name", "orders")
    ///     .temporality(Temporality::Delta)
    ///     .gzip(true);
    /// ```
    pub fn otlp(url: impl Into<String>) -> Target {
        Self::under(url, Endpoint::new("/v1/metrics", &[]), Format::Otlp(Otlp::default()))
    }

    /// Pushes Prometheus remote write to `url`, all of it: `http://host:9090/api/v1/write` for Prometheus (started with
    /// `--web.enable-remote-write-receiver`) and VictoriaMetrics. Feature `remote-write`.
    ///
    /// Version 1.0, which every receiver takes, unless set otherwise with [`version`](Target::version). Histograms are
    /// native ones; set [`classic_histograms`](Target::classic_histograms) for VictoriaMetrics. A series that goes is
    /// ended by a staleness marker, and so are all when the pusher stops ([`end_series`](Target::end_series)). A
    /// marker, or what a family is, that was in a request that was given up is sent again with the next snapshot.
    ///
    /// A snapshot of more than 2,000 series is several requests, and each is a payload in the [spool](Target::spool).
    ///
    /// ```
    /// use tachometer::{RemoteWriteVersion, Target};
    /// let target = Target::remote_write("http://127.0.0.1:9090/api/v1/write")
    ///     .version(RemoteWriteVersion::V2)
    ///     .header("X-Scope-OrgID", "team-a");
    /// ```
    #[cfg(feature = "remote-write")]
    pub fn remote_write(url: impl Into<String>) -> Target {
        let place = Place::Http { url: Secret::new(url), method: Method::Post };
        let remote = Remote { version: RemoteWriteVersion::V1, classic: false, ends: true };
        Self::of(place, Format::RemoteWrite(remote))
    }

    /// Pushes OTLP over gRPC to the receiver at `url` (`http://host:4317`, or `https://`, without a path): like
    /// [`Target::otlp`], but for [JSON](Target::json). Feature `grpc`.
    ///
    /// Each request is a call on a connection of its own, and the attempt's [time limit](Target::time_limit) is its deadline.
    /// Delivered is what was answered with the status OK; CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE
    /// and DATA_LOSS, and RESOURCE_EXHAUSTED if the receiver says when it will have room (`RetryInfo`), are tried again, no
    /// sooner than it says; all others end a request. [Headers](Target::header) are sent as metadata. With
    /// [`gzip`](Target::gzip) messages are packed.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tachometer::{Engine, Pusher, Registry, Target, Temporality};
    /// let engine = Engine::builder().registry(&Registry::new()).start()?;
    /// let target = Target::otlp_grpc("http://127.0.0.1:4317")
    ///     .resource("service.name", "orders")
    ///     .temporality(Temporality::Delta)
    ///     .header("X-Scope-OrgID", "team-a");
    /// let pusher = Pusher::builder(&engine).target("collector", target);
    /// let pusher = pusher.flush_within(Duration::from_millis(10)).start()?;
    /// # Ok::<(), tachometer::Error>(())
    /// ```
    #[cfg(feature = "grpc")]
    pub fn otlp_grpc(url: impl Into<String>) -> Target {
        Self::of(Place::Grpc { url: Secret::new(url) }, Format::Otlp(Otlp::default()))
    }

    /// Pushes the InfluxDB line protocol to InfluxDB 1.x, or what understands it, at `url` (`http://host:8086`), for
    /// `database`: to `/write`, packed with gzip unless [set otherwise](Target::gzip).
    ///
    /// For other quantiles, or buckets, push an [`InfluxEncoder`] of your own with [`Target::http`].
    pub fn influx(url: impl Into<String>, database: &str) -> Target {
        let endpoint = Endpoint::new("/write", &[("db", database), ("precision", "ns")]);
        Self::influx_at(url, endpoint)
    }

    /// As [`Target::influx`], to InfluxDB 2.x: to `bucket` of `org`, at `/api/v2/write`, with a
    /// [`token`](Target::token).
    pub fn influx_v2(url: impl Into<String>, org: &str, bucket: &str) -> Target {
        let parameters = [("org", org), ("bucket", bucket), ("precision", "ns")];
        Self::influx_at(url, Endpoint::new("/api/v2/write", &parameters))
    }

    fn influx_at(url: impl Into<String>, endpoint: Endpoint) -> Target {
        let format = Format::Given(Box::new(Page::new(InfluxEncoder::new())));
        Self::under(url, endpoint, format).gzip(true)
    }

    /// Sends Graphite's plaintext with tags to the carbon at `address` (`host:2003`), as [`Target::lines`] does:
    /// counters as they stand, so nothing is lost or counted twice if carbon gets a line twice or never.
    pub fn graphite(address: impl Into<String>) -> Target {
        Self::lines(address, GraphiteEncoder::new())
    }

    /// Sends DogStatsD's datagrams to `address` (`host:8125`), or those of [plain](Target::plain) StatsD: what counters
    /// and histograms rose by.
    ///
    /// What was handed to the system counts as sent, since nobody answers; what was not, because the host's name has no
    /// address or the network is away, is in the next datagrams. So nothing is counted twice, and what is lost is what
    /// the network loses, or what is sent while nobody listens.
    pub fn statsd(address: impl Into<String>) -> Target {
        let place = Place::Datagrams(address.into(), DEFAULT_PUSH_DATAGRAM_BYTES);
        Self::of(place, Format::Statsd(StatsdEncoder::new()))
    }
}

/// Options that not all kinds of targets have: with others they are refused when the pusher starts.
impl Target {
    fn otlp_settings(&mut self, setting: &'static str, set: impl FnOnce(&mut Otlp)) {
        match &mut self.format {
            Format::Otlp(settings) => set(settings),
            _ => self.misused = Some((setting, "only OTLP has it")),
        }
    }

    /// Sends [OTLP](Target::otlp) as JSON, or as protobuf.
    pub fn json(mut self, json: bool) -> Target {
        self.otlp_settings("json", |otlp| otlp.json = json);
        self
    }

    /// From when on counters and histograms of [OTLP](Target::otlp) count.
    pub fn temporality(mut self, temporality: Temporality) -> Target {
        self.otlp_settings("temporality", |otlp| otlp.temporality = temporality);
        self
    }

    /// Sets an attribute of [OTLP](Target::otlp)'s resource, the process that is measured: `service.name`,
    /// `service.instance.id`.
    pub fn resource(mut self, key: impl Into<String>, value: impl Into<String>) -> Target {
        self.otlp_settings("resource", |otlp| otlp.resource.push((key.into(), value.into())));
        self
    }

    #[cfg(feature = "remote-write")]
    fn remote(&mut self, setting: &'static str, set: impl FnOnce(&mut Remote)) {
        match &mut self.format {
            Format::RemoteWrite(remote) => set(remote),
            _ => self.misused = Some((setting, "only remote write has it")),
        }
    }

    /// In which version [remote write](Target::remote_write) begins. A receiver that turns out not to know 2.0 (it
    /// answers 415, or does not say how much it wrote) gets the same as 1.0, and from then on nothing else.
    #[cfg(feature = "remote-write")]
    pub fn version(mut self, version: RemoteWriteVersion) -> Target {
        self.remote("version", |remote| remote.version = version);
        self
    }

    /// Sends histograms by [remote write](Target::remote_write) as classic ones, for receivers that know no native
    /// histograms.
    #[cfg(feature = "remote-write")]
    pub fn classic_histograms(mut self, classic: bool) -> Target {
        self.remote("classic_histograms", |remote| remote.classic = classic);
        self
    }

    /// Whether all series of [remote write](Target::remote_write) are ended when the pusher stops, as the specification
    /// wants it; they are unless this says otherwise. Then queries for the present find nothing from that moment on:
    /// set it to false for a short job whose last values are to be seen for the five minutes of the receiver's
    /// lookback.
    #[cfg(feature = "remote-write")]
    pub fn end_series(mut self, end: bool) -> Target {
        self.remote("end_series", |remote| remote.ends = end);
        self
    }

    /// Sends plain [StatsD](Target::statsd), which has no tags: labels go behind the name.
    pub fn plain(mut self) -> Target {
        match &mut self.format {
            Format::Statsd(encoder) => *encoder = StatsdEncoder::plain(),
            _ => self.misused = Some(("plain", "only StatsD has dialects")),
        }
        self
    }

    /// The token of [InfluxDB 2](Target::influx_v2), as an `Authorization` header. It appears in no message.
    pub fn token(mut self, token: &str) -> Target {
        match &self.place {
            Place::Under { endpoint, .. } if endpoint.path == "/api/v2/write" => {
                self.header("Authorization", format!("Token {token}"))
            }
            _ => {
                self.misused = Some(("token", "only InfluxDB 2 has it; give others with `header`"));
                self
            }
        }
    }

    /// Packs bodies with gzip, or not; off by default, but for [InfluxDB](Target::influx). For targets over HTTP.
    ///
    /// Cost: some milliseconds a megabyte, and a tenth of the bytes on the wire and in the spool.
    pub fn gzip(mut self, gzip: bool) -> Target {
        if !self.place.is_http() {
            self.misused = Some(("gzip", "only HTTP has packed bodies"));
        }
        self.gzip = gzip;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_added_to_urls() {
        let endpoint = Endpoint::new("/write", &[("db", "a b&c"), ("precision", "ns")]);
        for (base, url) in [
            ("http://h:1", "http://h:1/write?db=a%20b%26c&precision=ns"),
            ("http://h:1/p/?x=y", "http://h:1/p/write?x=y&db=a%20b%26c&precision=ns"),
        ] {
            let url_of = endpoint.at(Url::parse(base).unwrap()).unwrap();
            assert_eq!(url_of.to_string(), url);
        }
        let error = endpoint.at(Url::parse("http://h:1/write").unwrap()).unwrap_err();
        assert!(error.contains("without /write"), "{error}");
        let bare = Endpoint::new("/v1/metrics", &[]);
        let url = bare.at(Url::parse("http://h:4318/").unwrap()).unwrap();
        assert_eq!(url.to_string(), "http://h:4318/v1/metrics");
    }
}
