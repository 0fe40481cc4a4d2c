//! Where and how the server listens.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::raw::Raw;

#[derive(Clone, Debug)]
pub(crate) struct Listen {
    pub(crate) public: SocketAddr,
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) workers: usize,
}

/// More workers than this gain nothing on one database, and each costs memory.
const MOST_STANDARD_WORKERS: usize = 8;

impl Listen {
    pub(super) fn take(raw: &mut Raw) -> Option<Self> {
        let public = match raw.text("listen.public") {
            Some(text) => address(raw, "listen.public", &text),
            None => Some(SocketAddr::from(([127, 0, 0, 1], 8080))),
        };
        let metrics = raw
            .text("listen.metrics")
            .and_then(|text| address(raw, "listen.metrics", &text));
        if metrics.is_some() && metrics == public {
            raw.wrong(
                "listen.metrics",
                "it is the public address; metrics need an address or a port of their own",
            );
        }
        let workers = raw.number("listen.workers", 1..=256).map_or_else(
            || {
                std::thread::available_parallelism()
                    .map_or(2, |cores| cores.get().min(MOST_STANDARD_WORKERS))
            },
            |workers| workers as usize,
        );
        Some(Self {
            public: public?,
            metrics,
            workers,
        })
    }
}

fn address(raw: &mut Raw, key: &str, text: &str) -> Option<SocketAddr> {
    let parsed = text.parse().ok();
    if parsed.is_none() {
        raw.wrong(
            key,
            "it is not an address with a port; write 127.0.0.1:8080 or [::]:8080",
        );
    }
    parsed
}

/// The server's own TLS; without it a proxy ends TLS in front.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) private_key: PathBuf,
}

impl TlsFiles {
    pub(super) fn take(raw: &mut Raw, base: &Path) -> Option<Self> {
        match (raw.text("tls.certificate"), raw.text("tls.private_key")) {
            (Some(certificate), Some(private_key)) => Some(Self {
                certificate: base.join(certificate),
                private_key: base.join(private_key),
            }),
            (None, None) => None,
            (Some(_), None) => {
                raw.missing(
                    "tls.private_key",
                    "tls.certificate is set, and needs the key that belongs to it",
                );
                None
            }
            (None, Some(_)) => {
                raw.missing(
                    "tls.certificate",
                    "tls.private_key is set, and needs the certificate that belongs to it",
                );
                None
            }
        }
    }
}

/// What a peer may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    pub(crate) request_timeout: Duration,
    pub(crate) keep_alive: Duration,
    pub(crate) shutdown_timeout: u64,
}

impl Limits {
    pub(super) fn take(raw: &mut Raw) -> Self {
        let connections = raw
            .number("limits.connections", 16..=100_000)
            .unwrap_or(4096);
        let request_timeout = raw.number("limits.request_timeout", 1..=300).unwrap_or(10);
        let keep_alive = raw.number("limits.keep_alive", 0..=3_600).unwrap_or(75);
        let shutdown_timeout = raw.number("limits.shutdown_timeout", 0..=300).unwrap_or(20);
        Self {
            connections: connections as usize,
            request_timeout: Duration::from_secs(u64::from(request_timeout)),
            keep_alive: Duration::from_secs(u64::from(keep_alive)),
            shutdown_timeout: u64::from(shutdown_timeout),
        }
    }
}
