//! What OTLP receivers answer, and remote write requests that an older version of a receiver is to have: bytes from outside, and
//! from a file.

use arbitrary::Arbitrary;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use prost::Message as _;
use tachometer::push::outside;

/// An input.
#[derive(Arbitrary, Debug)]
pub enum Answer {
    /// Whatever, as protobuf or JSON.
    Raw(bool, Vec<u8>),
    Sound {
        json: bool,
        partial: Option<(i64, String)>,
    },
    /// Whatever, as a request.
    Request(Vec<u8>),
}

/// Reads it; panics if what is read is not what was put in.
pub fn run(plan: &Answer) {
    match plan {
        Answer::Raw(json, bytes) => _ = outside::otlp_answer(*json, bytes),
        Answer::Request(bytes) => {
            let _ = outside::older_request(bytes);
            let packed = snap::raw::Encoder::new().compress_vec(bytes).expect("memory");
            if let Some(older) = outside::older_request(&packed) {
                assert!(snap::raw::Decoder::new().decompress_vec(&older).is_ok());
            }
        }
        Answer::Sound { json, partial } => {
            let success = partial.clone().map(|(rejected_data_points, error_message)| {
                ExportMetricsPartialSuccess { rejected_data_points, error_message }
            });
            let answer = ExportMetricsServiceResponse { partial_success: success };
            let bytes = match json {
                true => serde_json::to_vec(&answer).expect("no map with odd keys"),
                false => answer.encode_to_vec(),
            };
            let wanted =
                partial.clone().map(|(rejected, message)| (rejected.max(0) as u64, message));
            assert_eq!(outside::otlp_answer(*json, &bytes), wanted);
        }
    }
}
