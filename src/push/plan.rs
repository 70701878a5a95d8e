//! A target whose settings were checked: all that its lane needs to know.

use super::attempt::Transport;
#[cfg(feature = "grpc")]
use super::grpc;
use super::http::{self, Method};
use super::protocol::{Payload, Protocol};
use super::secret::Secret;
use super::spool::Bounds;
use super::stream::Tls;
use crate::url::{Authority, Url};
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) destination: Destination,
    pub(super) protocol: Box<dyn Protocol>,
    pub(super) headers: Vec<(String, Secret)>,
    pub(super) every: Duration,
    pub(super) time_limit: Duration,
    pub(super) retry_first: Duration,
    pub(super) retry_longest: Duration,
    pub(super) spool: Bounds,
    pub(super) file: Option<PathBuf>,
    pub(super) replaces: bool,
}

#[derive(Debug)]
pub(super) enum Destination {
    Http {
        url: Url,
        method: Method,
        tls: Option<Tls>,
    },
    #[cfg(feature = "grpc")]
    Grpc {
        uri: ::http::Uri,
        authority: Authority,
        tls: Option<Tls>,
    },
    Lines(Authority),
    Datagrams(Authority, usize),
}

impl Destination {
    pub(super) fn authority(&self) -> &Authority {
        match self {
            Destination::Http { url, .. } => &url.authority,
            #[cfg(feature = "grpc")]
            Destination::Grpc { authority, .. } => authority,
            Destination::Lines(authority) | Destination::Datagrams(authority, _) => authority,
        }
    }

    /// How `payload` goes there, in an attempt that `ends` then.
    #[cfg_attr(
        not(feature = "grpc"),
        expect(unused_variables, reason = "only gRPC tells the server")
    )]
    pub(super) fn transport(
        &self,
        headers: &[(String, Secret)],
        payload: &Payload,
        ends: Option<Instant>,
    ) -> Transport {
        match self {
            Destination::Http { url, method, tls } => {
                Transport::Http(http::head(*method, url, headers, payload), tls.clone())
            }
            #[cfg(feature = "grpc")]
            Destination::Grpc { uri, tls, .. } => {
                let order = grpc::Order::new(uri.clone(), headers, payload, ends);
                Transport::Grpc(order, tls.clone())
            }
            Destination::Lines(_) => Transport::Lines,
            Destination::Datagrams(_, most) => Transport::Datagrams(*most),
        }
    }
}
