//! Local passwords: Argon2id, off the workers, never more at once than there are cores.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use curfew_protocol::{Entropy, Redacted};
use tokio::sync::Semaphore;

/// 19 MiB, two passes, one lane (OWASP's first choice for Argon2id).
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// What a hash that was made elsewhere may cost: a larger one would let one sign-in take the machine's memory.
const MOST_MEMORY_KIB: u32 = 256 * 1024;
const MOST_PASSES: u32 = 16;
const MOST_LANES: u32 = 16;

/// Hashing did not happen: the server is shutting down or out of memory.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct HashFailure;

/// Hashes and verifies passwords.
pub struct PasswordHasher {
    turns: Arc<Semaphore>,
    /// Verified against when there is no account, so that the answer takes as long.
    decoy: String,
}

impl std::fmt::Debug for PasswordHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHasher")
    }
}

fn argon2() -> Result<Argon2<'static>, HashFailure> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|_| HashFailure)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Hashes on the calling thread, which takes some 25 ms.
pub fn hash(password: &str, entropy: &dyn Entropy) -> Result<Redacted<String>, HashFailure> {
    let mut salt = [0u8; 16];
    entropy.fill(&mut salt);
    let hash = argon2()?
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|_| HashFailure)?;
    Ok(Redacted(hash.to_string()))
}

fn verify(password: &str, hash: &str) -> Result<bool, HashFailure> {
    let Ok(parsed) = PasswordHash::new(hash) else {
        return Ok(false);
    };
    Ok(argon2()?
        .verify_password(password.as_bytes(), &parsed)
        .is_ok())
}

/// Was `stored` made with other parameters than today's? Then it is made anew at the next sign-in.
pub fn is_outdated(stored: &Redacted<String>) -> bool {
    !stored
        .0
        .starts_with(&format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1$"))
}

/// Can passwords be compared with `text`, which was made elsewhere? It is an Argon2id hash in the PHC form whose comparison costs no
/// more than [`MOST_MEMORY_KIB`] and [`MOST_PASSES`].
pub fn is_usable_hash(text: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(text) else {
        return false;
    };
    let Ok(params) = Params::try_from(&parsed.params) else {
        return false;
    };
    let bounded = params.m_cost() <= MOST_MEMORY_KIB
        && params.t_cost() <= MOST_PASSES
        && params.p_cost() <= MOST_LANES;
    let known = parsed.algorithm.as_str() == "argon2id"
        && parsed.version.is_none_or(|version| version == 0x13);
    let long = |bytes: &[u8], least: usize| bytes.len() >= least;
    known
        && bounded
        && parsed.salt.is_some_and(|salt| long(salt.as_ref(), 8))
        && parsed.hash.is_some_and(|hash| long(hash.as_ref(), 16))
}

impl PasswordHasher {
    pub fn new(cores: usize) -> Self {
        // Nothing hashes to all zeroes; the parameters are what costs the time.
        let decoy = format!(
            "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        );
        Self {
            turns: Arc::new(Semaphore::new(cores.max(1))),
            decoy,
        }
    }

    /// Does `password` belong to `stored`? Without a stored hash the answer is no, after the same time.
    pub async fn verify(
        &self,
        password: Redacted<String>,
        stored: Option<Redacted<String>>,
    ) -> Result<bool, HashFailure> {
        let exists = stored.is_some();
        let hash = stored.map_or_else(|| self.decoy.clone(), |hash| hash.0);
        let verified = self.in_turn(move || verify(&password.0, &hash)).await?;
        Ok(exists && verified)
    }

    pub async fn hash(
        &self,
        password: Redacted<String>,
        store: &curfew_store::Store,
    ) -> Result<Redacted<String>, HashFailure> {
        let store = store.clone();
        self.in_turn(move || hash(&password.0, store.entropy()))
            .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashFailure> + Send + 'static,
    ) -> Result<T, HashFailure> {
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(|_| HashFailure)?;
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        })
        .await
        .map_err(|_| HashFailure)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_verifies_its_own_password_only_and_the_decoy_none() {
        let hashed = hash("correct horse", &curfew_store::SystemEntropy).unwrap();
        assert!(hashed.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(!is_outdated(&hashed));
        assert!(is_outdated(&Redacted(
            "$argon2id$v=19$m=8192,t=1,p=1$".to_owned()
        )));
        assert!(verify("correct horse", &hashed.0).unwrap());
        assert!(!verify("correct hors", &hashed.0).unwrap());
        let decoy = PasswordHasher::new(1).decoy;
        assert!(PasswordHash::new(&decoy).is_ok());
        assert!(!verify("", &decoy).unwrap());
    }
    #[test]
    fn a_hash_from_elsewhere_is_argon2id_and_costs_no_more_than_it_may() {
        let made = hash("correct horse", &curfew_store::SystemEntropy).unwrap();
        assert!(is_usable_hash(&made.0));
        let (salt, out) = ("c29tZXNhbHQ", "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc");
        let phc = |head: &str| format!("${head}${salt}${out}");
        for usable in [
            "argon2id$v=19$m=65536,t=3,p=4",
            "argon2id$v=19$m=262144,t=16,p=16",
        ] {
            assert!(is_usable_hash(&phc(usable)), "{usable}");
        }
        for refused in [
            "argon2i$v=19$m=65536,t=3,p=4",
            "argon2id$v=16$m=65536,t=3,p=4",
            "argon2id$v=19$m=4194304,t=3,p=4",
            "argon2id$v=19$m=65536,t=4000,p=4",
            "argon2id$v=19$m=65536,t=3,p=200",
            "pbkdf2-sha256$i=10000",
        ] {
            assert!(!is_usable_hash(&phc(refused)), "{refused}");
        }
        let bcrypt = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW";
        for text in [
            "",
            "correct horse",
            bcrypt,
            "$argon2id$v=19$m=65536,t=3,p=4",
            &format!("$argon2id$v=19$m=65536,t=3,p=4${salt}"),
        ] {
            assert!(!is_usable_hash(text), "{text}");
        }
    }
}
