//! What the provider remembers, in memory and not for long.

use std::collections::{BTreeSet, HashMap};

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::provider::Broken;

/// Nobody needs more at a time; whoever asks for more loses the oldest.
const ROOM: usize = 4_096;

/// Seconds that a person has to choose who they are.
pub(crate) const PENDING: i64 = 600;
/// Seconds in which a code is redeemed.
pub(crate) const CODE: i64 = 60;
/// Seconds in which an access token tells about its person.
pub(crate) const ACCESS_TOKEN: i64 = 300;
/// Seconds that a person stays signed in here.
pub(crate) const SESSION: i64 = 12 * 3_600;

/// 256 random bits.
pub(crate) fn random() -> Result<String, Broken> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What a client asked for (RFC 6749 §4.1.1), checked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) scope: Vec<String>,
    pub(crate) challenge: String,
}

/// A request that waits for its person, and the browser that brought it.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) asked: Asked,
    pub(crate) browser: String,
}

/// Who is signed in in a browser.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) subject: String,
    pub(crate) sid: String,
    pub(crate) auth_time: i64,
    /// The clients that were told about the person.
    pub(crate) clients: BTreeSet<String>,
}

/// A code and all that hangs on it.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) asked: Asked,
    pub(crate) subject: String,
    pub(crate) sid: String,
    pub(crate) auth_time: i64,
}

/// What an access token may tell, and about whom.
#[derive(Clone, Debug)]
pub(crate) struct AccessToken {
    pub(crate) subject: String,
    pub(crate) scope: Vec<String>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) pending: Shelf<Pending>,
    pub(crate) codes: Shelf<Code>,
    pub(crate) access_tokens: Shelf<AccessToken>,
    /// By the browser's cookie.
    pub(crate) sessions: Shelf<Session>,
}

/// Things with an end, found by a secret.
#[derive(Debug)]
pub(crate) struct Shelf<T>(HashMap<String, (i64, T)>);

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Shelf<T> {
    /// Keeps something under `key` until `until`.
    pub(crate) fn put(&mut self, key: &str, value: T, until: i64, now: i64) {
        if self.0.len() >= ROOM {
            self.0.retain(|_, (end, _)| *end > now);
        }
        if self.0.len() >= ROOM {
            let oldest = self.0.iter().min_by_key(|(_, (end, _))| *end);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.0.remove(&oldest);
            }
        }
        self.0.insert(key.to_owned(), (until, value));
    }

    pub(crate) fn get(&self, key: &str, now: i64) -> Option<&T> {
        self.0
            .get(key)
            .filter(|(end, _)| *end > now)
            .map(|(_, value)| value)
    }

    /// Takes away all that `wanted` names.
    pub(crate) fn take_all(&mut self, wanted: impl Fn(&T) -> bool, now: i64) -> Vec<T> {
        let keys = self.0.iter().filter(|(_, (_, value))| wanted(value));
        let keys: Vec<_> = keys.map(|(key, _)| key.clone()).collect();
        keys.iter().filter_map(|key| self.take(key, now)).collect()
    }

    /// Takes something away: nobody gets it twice.
    pub(crate) fn take(&mut self, key: &str, now: i64) -> Option<T> {
        let (end, value) = self.0.remove(key)?;
        (end > now).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_is_gone_and_what_was_taken_is_gone() {
        let mut shelf = Shelf::default();
        shelf.put("a", 1, 10, 0);
        assert_eq!(shelf.get("a", 9), Some(&1));
        assert_eq!(shelf.get("a", 10), None);
        assert_eq!(shelf.take("a", 9), Some(1));
        assert_eq!(shelf.take("a", 9), None);
    }

    #[test]
    fn a_full_shelf_loses_its_oldest() {
        let mut shelf = Shelf::default();
        for number in 0..=ROOM {
            let until = i64::try_from(number).unwrap() + 100;
            shelf.put(&number.to_string(), number, until, 0);
        }
        assert_eq!(shelf.0.len(), ROOM);
        assert_eq!(shelf.get("0", 0), None);
        assert_eq!(shelf.get("1", 0), Some(&1));
    }
}
