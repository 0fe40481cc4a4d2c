//! Where logins are kept: `credentials.json` in the person's configuration folder says who is signed in where, and the keyring of the
//! operating system holds the tokens. Where there is no keyring, the file holds them too; it is readable by its owner only.
//!
//! * The file is replaced in one step, so that a reader finds the old one or the new one.
//! * Whoever changes it holds the lock beside it. A refresh holds it too, from reading the token to keeping its successor: a refresh
//!   token that two processes present counts as stolen (RFC 9700 §4.14).

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::keyring;
use crate::failure::Failure;

const FILE: &str = "credentials.json";
const LOCK: &str = "credentials.lock";
const NEXT: &str = "credentials.next";

/// The secrets of a login. No `Debug`, so that no message shows them.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct Tokens {
    pub(super) access_token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refresh_token: Option<String>,
}

/// Who is signed in, and where.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct Login {
    pub(super) issuer: String,
    pub(super) client_id: String,
    /// As the server told; it may not have been asked successfully.
    pub(super) username: Option<String>,
    pub(super) scope: String,
    /// The end of the access token, in seconds since 1970.
    pub(super) expires_at: Option<i64>,
    /// `None`: the keyring holds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tokens: Option<Tokens>,
}

impl Login {
    pub(super) const fn new(issuer: String, client_id: String, scope: String) -> Self {
        Self {
            issuer,
            client_id,
            username: None,
            scope,
            expires_at: None,
            tokens: None,
        }
    }

    pub(super) const fn is_in_keyring(&self) -> bool {
        self.tokens.is_none()
    }

    /// The secrets, from where they are.
    pub(super) fn tokens(&self) -> Result<Tokens, Failure> {
        match &self.tokens {
            Some(tokens) => Ok(tokens.clone()),
            None => keyring::read(&self.issuer),
        }
    }
}

#[derive(Default, Deserialize, Serialize)]
struct Contents {
    logins: Vec<Login>,
}

/// The person's folder.
#[derive(Clone)]
pub(super) struct Keeper {
    folder: PathBuf,
}

/// The folder while nobody else changes it.
pub(super) struct Locked<'k> {
    keeper: &'k Keeper,
    _lock: File,
}

impl Keeper {
    /// `$XDG_CONFIG_HOME/curfew`, or `~/.config/curfew`.
    pub(super) fn find() -> Result<Self, Failure> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let base = match (set("XDG_CONFIG_HOME"), set("HOME")) {
            (Some(base), _) if Path::new(&base).is_absolute() => PathBuf::from(base),
            (_, Some(home)) => Path::new(&home).join(".config"),
            (_, None) => {
                return Err(Failure::told(
                    "there is no place to keep a login: neither HOME nor XDG_CONFIG_HOME is set",
                ));
            }
        };
        Ok(Self {
            folder: base.join("curfew"),
        })
    }

    pub(super) fn file(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// Waits until nobody else holds the lock.
    pub(super) fn lock(&self) -> Result<Locked<'_>, Failure> {
        let cannot = |source| cannot_keep(&self.folder, source);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(cannot)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.folder.join(LOCK))
            .map_err(cannot)?;
        lock.lock().map_err(cannot)?;
        Ok(Locked {
            keeper: self,
            _lock: lock,
        })
    }

    fn contents(&self) -> Result<Contents, Failure> {
        let file = self.file();
        let text = match std::fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Contents::default()),
            Err(source) => {
                let what = format!("{} cannot be read", file.display());
                return Err(Failure::io(what, source));
            }
        };
        let mode = std::fs::metadata(&file).map_or(0, |metadata| metadata.permissions().mode());
        if mode & 0o077 != 0 {
            let file = file.display();
            return Err(Failure::told(format!(
                "{file} may be read by others, and it may hold tokens; run `chmod 600 {file}`, and `curfew logout` if \
                 somebody may have read it"
            )));
        }
        serde_json::from_slice(&text).map_err(|error| {
            Failure::told(format!(
                "{} is damaged ({error}); remove it and sign in again",
                file.display()
            ))
        })
    }

    pub(super) fn logins(&self) -> Result<Vec<Login>, Failure> {
        Ok(self.contents()?.logins)
    }

    /// The login at `issuer`, or the only one there is.
    pub(super) fn login(&self, issuer: Option<&str>) -> Result<Login, Failure> {
        let mut logins = self.logins()?;
        let known = |logins: &[Login]| {
            let issuers: Vec<_> = logins.iter().map(|login| login.issuer.as_str()).collect();
            issuers.join(", ")
        };
        if let Some(issuer) = issuer {
            let issuer = super::metadata::spelling(&super::metadata::issuer(issuer)?);
            let found = logins.iter().find(|login| login.issuer == issuer);
            return found.cloned().ok_or_else(|| {
                Failure::told(format!(
                    "nobody is signed in at {issuer}; run `curfew login --issuer {issuer}`"
                ))
            });
        }
        match logins.len() {
            0 => Err(Failure::told(
                "nobody is signed in; run `curfew login --issuer URL`",
            )),
            1 => Ok(logins.remove(0)),
            _ => Err(Failure::told(format!(
                "there are several logins ({}); choose one with --issuer",
                known(&logins)
            ))),
        }
    }
}

impl Locked<'_> {
    /// The login as it is now: another process may have refreshed it, or ended it.
    pub(super) fn login(&self, issuer: &str) -> Result<Option<Login>, Failure> {
        let logins = self.keeper.logins()?;
        Ok(logins.into_iter().find(|login| login.issuer == issuer))
    }

    /// Keeps a login and its tokens in place of an earlier one. `Some`: why the keyring does not hold the tokens, though it was wished.
    pub(super) fn keep(
        &self,
        mut login: Login,
        tokens: &Tokens,
        in_keyring: bool,
    ) -> Result<Option<String>, Failure> {
        let refused = if in_keyring {
            keyring::write(&login.issuer, tokens).err()
        } else {
            None
        };
        login.tokens = (!in_keyring || refused.is_some()).then(|| tokens.clone());
        let mut contents = self.keeper.contents()?;
        contents.logins.retain(|own| own.issuer != login.issuer);
        contents.logins.push(login);
        self.replace(&contents)?;
        Ok(refused)
    }

    /// Forgets a login, wherever it is kept.
    pub(super) fn forget(&self, login: &Login) -> Result<(), Failure> {
        if login.is_in_keyring() {
            keyring::remove(&login.issuer)?;
        }
        let mut contents = self.keeper.contents()?;
        contents.logins.retain(|own| own.issuer != login.issuer);
        if contents.logins.is_empty() {
            let file = self.keeper.file();
            return match std::fs::remove_file(&file) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(cannot_keep(&file, error)),
                _ => Ok(()),
            };
        }
        self.replace(&contents)
    }

    fn replace(&self, contents: &Contents) -> Result<(), Failure> {
        let next = self.keeper.folder.join(NEXT);
        let text = serde_json::to_vec_pretty(contents)
            .map_err(|error| Failure::told(format!("the login cannot be written: {error}")))?;
        // A left-over of a process that was killed may have any mode: a new file gets ours.
        let _ = std::fs::remove_file(&next);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&next)
            .and_then(|mut file| {
                file.write_all(&text)?;
                file.sync_all()
            })
            .and_then(|()| std::fs::rename(&next, self.keeper.file()));
        written.map_err(|source| cannot_keep(&self.keeper.file(), source))
    }
}

fn cannot_keep(path: &Path, source: std::io::Error) -> Failure {
    Failure::io(
        format!("the login cannot be kept in {}", path.display()),
        source,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Tokens {
        Tokens {
            access_token: text.to_owned(),
            refresh_token: None,
        }
    }

    fn login(issuer: &str) -> Login {
        Login::new(issuer.to_owned(), "curfew-cli".to_owned(), String::new())
    }

    fn keeper(folder: &tempfile::TempDir) -> Keeper {
        Keeper {
            folder: folder.path().join("curfew"),
        }
    }

    #[test]
    fn the_file_is_its_owners_only_whatever_lay_there() {
        let folder = tempfile::tempdir().unwrap();
        let keeper = keeper(&folder);
        let locked = keeper.lock().unwrap();
        let next = keeper.folder.join(NEXT);
        std::fs::write(&next, "left over").unwrap();
        std::fs::set_permissions(&next, std::fs::Permissions::from_mode(0o666)).unwrap();
        locked
            .keep(login("https://a.example"), &tokens("one"), false)
            .unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&keeper.file()), 0o600);
        assert_eq!(mode(&keeper.folder), 0o700);
        assert!(!next.exists());

        std::fs::set_permissions(keeper.file(), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(keeper.logins().is_err(), "what others can read is refused");
    }

    #[test]
    fn a_login_is_chosen_by_its_issuer_and_only_then_where_there_are_several() {
        let folder = tempfile::tempdir().unwrap();
        let keeper = keeper(&folder);
        assert!(keeper.login(None).is_err());
        let locked = keeper.lock().unwrap();
        for issuer in [
            "https://a.example",
            "https://b.example/t/x",
            "https://a.example",
        ] {
            locked.keep(login(issuer), &tokens(issuer), false).unwrap();
        }
        assert!(keeper.login(None).is_err());
        let chosen = keeper.login(Some("https://b.example/t/x/")).unwrap();
        assert_eq!(
            chosen.tokens().ok().unwrap().access_token,
            "https://b.example/t/x"
        );
        locked.forget(&chosen).unwrap();
        assert_eq!(keeper.login(None).unwrap().issuer, "https://a.example");
        locked.forget(&keeper.login(None).unwrap()).unwrap();
        assert!(!keeper.file().exists());
    }
}
