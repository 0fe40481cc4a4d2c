//! Certificates: whose are believed.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::loopback::{Loopback, read_request};
use super::{get, rules};
use crate::outbound::{Outbound, OutboundRefusal, OutboundRules};

/// A certificate for 127.0.0.1 that signs itself, and its key.
fn certificate(folder: &Path) -> (Vec<u8>, Vec<u8>) {
    let path = |name: &str| folder.join(name);
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=provider.test"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(path("key.pem"))
        .arg("-out")
        .arg(path("certificate.pem"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let read = |name: &str| std::fs::read(path(name)).unwrap();
    (read("certificate.pem"), read("key.pem"))
}

fn serve(certificate: &[u8], key: &[u8]) -> Loopback {
    let certificate = CertificateDer::from_pem_slice(certificate).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    Loopback::start_raw(move |stream| {
        let connection = ServerConnection::new(config.clone()).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        read_request(&mut stream)?;
        stream.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
        )?;
        stream.conn.send_close_notify();
        stream.flush()
    })
}

#[actix_web::test]
async fn a_certificate_is_believed_when_the_configuration_adds_its_authority() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path());
    let server = serve(&certificate, &key);
    let url = format!("https://{}/", server.address);
    let strict = Outbound::new(&rules(&["127.0.0.1"])).unwrap();
    let refused = get(&strict, &url).await.unwrap_err();
    assert_eq!(refused.as_str(), "unreachable");
    assert!(refused.to_string().contains("certificate"), "{refused}");
    let trusting = Outbound::new(&OutboundRules {
        roots: certificate,
        ..rules(&["127.0.0.1"])
    });
    assert_eq!(get(&trusting.unwrap(), &url).await.unwrap().body, b"{}");
}

#[test]
fn a_file_without_certificates_is_refused() {
    for (text, expected) in [
        ("no certificate", "no certificate in PEM"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "cannot be used",
        ),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", "cannot be used"),
    ] {
        let rules = OutboundRules {
            roots: text.as_bytes().to_vec(),
            ..OutboundRules::default()
        };
        let refusal: OutboundRefusal = Outbound::new(&rules).unwrap_err();
        assert!(refusal.to_string().contains(expected), "{refusal}");
    }
}

#[test]
fn without_authorities_of_the_system_there_is_a_client_all_the_same() {
    let config = super::super::trust::compiled_in(Vec::new()).unwrap();
    let client = reqwest::Client::builder().tls_backend_preconfigured(config);
    assert!(client.build().is_ok());
}
