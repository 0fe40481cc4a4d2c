//! Whose certificates are believed: the system's authorities and those that the configuration adds. Where the system knows none (a
//! slim container), Mozilla's, which are compiled in.

use std::sync::Arc;

use reqwest::{Certificate, Client, ClientBuilder};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::error::OutboundRefusal;

/// A client by `builder`, which trusts the certificates in `pem` as well.
pub(super) fn client(
    pem: &[u8],
    builder: impl Fn() -> ClientBuilder,
) -> Result<Client, OutboundRefusal> {
    let extra = certificates(pem)?;
    let merged = extra
        .iter()
        .map(|certificate| Certificate::from_der(certificate))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| OutboundRefusal::Certificates(error.to_string()))?;
    // This fails when the system has no certificate of any authority.
    if let Ok(client) = builder().tls_certs_merge(merged).build() {
        return Ok(client);
    }
    builder()
        .tls_backend_preconfigured(compiled_in(extra)?)
        .build()
        .map_err(|error| OutboundRefusal::Client(error.to_string()))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, OutboundRefusal> {
    let unusable = |error: String| OutboundRefusal::Certificates(error);
    let found = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(error.to_string()))?;
    if found.is_empty() && !pem.is_empty() {
        return Err(OutboundRefusal::NoCertificate);
    }
    let mut tried = RootCertStore::empty();
    for certificate in &found {
        tried
            .add(certificate.clone())
            .map_err(|error| unusable(error.to_string()))?;
    }
    Ok(found)
}

pub(super) fn compiled_in(
    extra: Vec<CertificateDer<'static>>,
) -> Result<ClientConfig, OutboundRefusal> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    roots.add_parsable_certificates(extra);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| OutboundRefusal::Client(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
