//! A PostgreSQL cluster of a test's own, which it may crash, or reach by TLS.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::server::repository;

/// Ends with its owner.
#[derive(Debug)]
pub struct Cluster {
    folder: TempDir,
    url: String,
}

impl Cluster {
    pub fn start() -> Self {
        Self::make(&[], "CURFEW_TEST_POSTGRES_URL")
    }

    /// With a certificate, and a URL that has it verified (`sslmode=verify-full`).
    pub fn with_tls() -> Self {
        Self::make(&["--tls"], "CURFEW_TEST_POSTGRES_TLS_URL")
    }

    fn make(options: &[&str], name: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("curfew-postgres-")
            .tempdir()
            .expect("a folder");
        let lines = script("start", folder.path(), options);
        let url = lines
            .split(&format!("{name}='"))
            .nth(1)
            .and_then(|rest| rest.split('\'').next());
        Self {
            url: url
                .unwrap_or_else(|| panic!("no {name} in {lines}"))
                .to_owned(),
            folder,
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// As a power cut would.
    pub fn crash(&self) {
        script("crash", self.folder.path(), &[]);
    }

    pub fn start_again(&self) {
        script("start", self.folder.path(), &[]);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        script("stop", self.folder.path(), &[]);
    }
}

fn script(verb: &str, folder: &Path, options: &[&str]) -> String {
    let script = repository().join("conformance-tests/postgres");
    let done = Command::new(script)
        .arg(verb)
        .arg(folder)
        .args(options)
        .output()
        .expect("the script runs");
    assert!(
        done.status.success(),
        "{verb}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8_lossy(&done.stdout).into_owned()
}
