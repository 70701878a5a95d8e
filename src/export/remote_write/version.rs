//! The two versions of the protocol: what a request says about itself, and what an answer means.

/// A version of Prometheus remote write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RemoteWriteVersion {
    /// 1.0: `prometheus.WriteRequest` (<https://prometheus.io/docs/specs/prw/remote_write_spec/>). Every receiver takes it.
    V1,
    /// 2.0: `io.prometheus.write.v2.Request` (<https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>), with each text
    /// once a request, help and unit with each series, and when a series began.
    V2,
}

/// What is to be done after a receiver's answer. See [`RemoteWriteVersion::answer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RemoteWriteAnswer {
    /// The receiver has it: go on.
    Written,
    /// The receiver does not know 2.0: set the encoder to [`RemoteWriteVersion::V1`], encode the same snapshot again and
    /// send that.
    FallBack,
    /// The receiver cannot take it now: send the same bytes again, later (after `Retry-After`, if there is one).
    TryAgain,
    /// The receiver will never take it: drop it, and say so.
    Refused,
}

impl RemoteWriteVersion {
    /// Names and values of the headers that each request must have.
    ///
    /// ```
    /// use tachometer::RemoteWriteVersion;
    /// let [content_type, encoding, version] = RemoteWriteVersion::V1.headers();
    /// assert_eq!(content_type, ("Content-Type", "application/x-protobuf"));
    /// assert_eq!(encoding, ("Content-Encoding", "snappy"));
    /// assert_eq!(version, ("X-Prometheus-Remote-Write-Version", "0.1.0"));
    /// ```
    pub const fn headers(self) -> [(&'static str, &'static str); 3] {
        let (content_type, version) = match self {
            RemoteWriteVersion::V1 => ("application/x-protobuf", "0.1.0"),
            RemoteWriteVersion::V2 => {
                ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0")
            }
        };
        [
            ("Content-Type", content_type),
            ("Content-Encoding", "snappy"),
            ("X-Prometheus-Remote-Write-Version", version),
        ]
    }

    /// What to do after an answer with `status` to a request of this version. `counted` tells whether the answer has one of
    /// the [headers](Self::COUNTED) that say how much was written.
    ///
    /// A receiver that knows 1.0 alone should answer 415 to 2.0. Older ones (Prometheus before 2.54, VictoriaMetrics) look
    /// at no header, find nothing that they know in the message, and say that all is well; that their answer counts nothing
    /// gives them away.
    ///
    /// ```
    /// use tachometer::{RemoteWriteAnswer, RemoteWriteVersion};
    /// assert_eq!(RemoteWriteVersion::V2.answer(204, true), RemoteWriteAnswer::Written);
    /// assert_eq!(RemoteWriteVersion::V2.answer(415, false), RemoteWriteAnswer::FallBack);
    /// assert_eq!(RemoteWriteVersion::V2.answer(204, false), RemoteWriteAnswer::FallBack);
    /// assert_eq!(RemoteWriteVersion::V1.answer(204, false), RemoteWriteAnswer::Written);
    /// assert_eq!(RemoteWriteVersion::V1.answer(503, false), RemoteWriteAnswer::TryAgain);
    /// ```
    pub const fn answer(self, status: u16, counted: bool) -> RemoteWriteAnswer {
        match (status, self) {
            (200..=299, RemoteWriteVersion::V2) if !counted => RemoteWriteAnswer::FallBack,
            (200..=299, _) => RemoteWriteAnswer::Written,
            (415, RemoteWriteVersion::V2) => RemoteWriteAnswer::FallBack,
            (429 | 500..=599, _) => RemoteWriteAnswer::TryAgain,
            _ => RemoteWriteAnswer::Refused,
        }
    }

    /// Headers of an answer that say how much of a request of 2.0 was written.
    pub const COUNTED: [&'static str; 3] = [
        "X-Prometheus-Remote-Write-Samples-Written",
        "X-Prometheus-Remote-Write-Histograms-Written",
        "X-Prometheus-Remote-Write-Exemplars-Written",
    ];
}
