//! TLS by rustls, from PEM files.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::TlsFiles;
use crate::failure::Failure;

/// Reads certificate and key, and checks that they belong together.
pub(crate) fn load(files: &TlsFiles) -> Result<ServerConfig, Failure> {
    refuse_open_key(&files.private_key)?;
    let unusable = |path: &Path, error: &dyn std::fmt::Display| {
        Failure::told(format!(
            "{} cannot be used for TLS: {error}",
            path.display()
        ))
    };
    let certificates = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
        .map_err(|error| unusable(&files.certificate, &error))?;
    let key = PrivateKeyDer::from_pem_file(&files.private_key)
        .map_err(|error| unusable(&files.private_key, &error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(certificates, key)
        })
        .map_err(|error| unusable(&files.certificate, &error))
}

fn refuse_open_key(path: &Path) -> Result<(), Failure> {
    let metadata = std::fs::metadata(path)
        .map_err(|source| Failure::io(format!("{} cannot be read", path.display()), source))?;
    if metadata.permissions().mode() & 0o007 == 0 {
        return Ok(());
    }
    let path = path.display();
    Err(Failure::told(format!(
        "{path} may be read by everybody; run `chmod 600 {path}`"
    )))
}
