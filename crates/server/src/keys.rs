//! The folder of the server keys: `1.key`, `2.key`, … with 64 hexadecimal digits each, and the mark of the highest installation epoch.
//!
//! Keys are made by `init` and `demo` only, and never beside a database that already holds something: new keys would make every
//! token and client secret in it worthless without a word.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use curfew_protocol::Entropy;
use curfew_store::{KeyId, ServerKeys, StoreError};
use zeroize::Zeroizing;

/// What is wrong with the keys.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysFailure {
    #[error(
        "the keys folder {path} cannot be read; put the keys of this installation in place, or run `curfew init` for a new one"
    )]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "there is no key in {0}; put the keys of this installation in place, or run `curfew init` for a new one"
    )]
    Empty(PathBuf),
    #[error("{path} may be read by others (mode {mode:03o}); run `chmod {remedy} {path}`")]
    TooOpen {
        path: PathBuf,
        mode: u32,
        remedy: &'static str,
    },
    #[error("{0} is no key; a key file is called 1.key, 2.key, … and holds 64 hexadecimal digits")]
    Malformed(PathBuf),
    #[error("{path} exists already; keys are never overwritten")]
    Exists { path: PathBuf },
    #[error("{path} cannot be written")]
    Unwritable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the keys cannot be used")]
    Store(#[from] StoreError),
}

/// Where the mark of the highest installation epoch lies.
pub(crate) fn epoch_mark(directory: &Path) -> PathBuf {
    directory.join("epoch")
}

/// Reads all keys.
pub(crate) fn load(directory: &Path) -> Result<ServerKeys, KeysFailure> {
    let unreadable = |source| KeysFailure::Unreadable {
        path: directory.to_owned(),
        source,
    };
    check_mode(directory, "700")?;
    let mut masters: BTreeMap<KeyId, Zeroizing<[u8; 32]>> = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_none_or(|extension| extension != "key") {
            continue;
        }
        check_mode(&path, "600")?;
        let id = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .and_then(|stem| stem.parse::<KeyId>().ok());
        let id = id
            .filter(|id| *id > 0)
            .ok_or_else(|| KeysFailure::Malformed(path.clone()))?;
        let text = fs::read_to_string(&path)
            .map(Zeroizing::new)
            .map_err(|source| KeysFailure::Unreadable {
                path: path.clone(),
                source,
            })?;
        masters.insert(id, decode(text.trim()).ok_or(KeysFailure::Malformed(path))?);
    }
    ServerKeys::new(&masters)?.ok_or_else(|| KeysFailure::Empty(directory.to_owned()))
}

fn check_mode(path: &Path, remedy: &'static str) -> Result<(), KeysFailure> {
    let metadata = fs::metadata(path).map_err(|source| KeysFailure::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(KeysFailure::TooOpen {
        path: path.to_owned(),
        mode,
        remedy,
    })
}

fn decode(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut key = Zeroizing::new([0u8; 32]);
    for (byte, pair) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digits = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(digits, 16)
            .ok()
            .filter(|_| !digits.starts_with('+'))?;
    }
    Some(key)
}

/// Makes the folder and the first key. Refuses when there is a key already.
pub(crate) fn create(directory: &Path, entropy: &dyn Entropy) -> Result<(), KeysFailure> {
    let unwritable = |path: &Path| {
        let path = path.to_owned();
        move |source| KeysFailure::Unwritable { path, source }
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(unwritable(directory))?;
    check_mode(directory, "700")?;
    let mut key = Zeroizing::new([0u8; 32]);
    entropy.fill(&mut *key);
    let mut text = Zeroizing::new(String::with_capacity(65));
    for byte in key.iter() {
        text.push_str(&format!("{byte:02x}"));
    }
    text.push('\n');
    let path = directory.join("1.key");
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(|source| {
            if source.kind() == std::io::ErrorKind::AlreadyExists {
                KeysFailure::Exists { path: path.clone() }
            } else {
                KeysFailure::Unwritable {
                    path: path.clone(),
                    source,
                }
            }
        })?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(unwritable(&path))?;
    // The name must survive a power cut as well as the contents.
    fs::File::open(directory)
        .and_then(|folder| folder.sync_all())
        .map_err(unwritable(directory))
}
