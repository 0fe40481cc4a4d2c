//! Who the people and the clients are.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::keys::Algorithm;

/// Somebody who can sign in here, without a password.
#[derive(Clone, Debug)]
pub struct Person {
    /// The `sub` of the ID token.
    pub subject: String,
    pub name: String,
    pub email: String,
    /// Any JSON: what other providers write here is not always a boolean.
    pub email_verified: Value,
}

impl Person {
    /// Somebody whose address this provider has verified.
    pub fn new(subject: &str, name: &str, email: &str) -> Self {
        Self {
            subject: subject.to_owned(),
            name: name.to_owned(),
            email: email.to_owned(),
            email_verified: Value::Bool(true),
        }
    }
}

/// An application that people sign in to through this provider. All of its addresses are compared as they are.
#[derive(Clone, Debug)]
pub struct Client {
    pub id: String,
    pub secret: String,
    pub redirect_uris: Vec<String>,
    pub post_logout_redirect_uris: Vec<String>,
    /// Where a logout token is sent when a person signs out here; an `http` URL.
    pub backchannel_logout_uri: Option<String>,
    /// What its tokens are signed with.
    pub algorithm: Algorithm,
}

impl Client {
    pub fn new(id: &str, secret: &str, redirect_uri: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
            redirect_uris: vec![redirect_uri.to_owned()],
            post_logout_redirect_uris: Vec::new(),
            backchannel_logout_uri: None,
            algorithm: Algorithm::Es256,
        }
    }
}

/// Where the time comes from: seconds since 1970.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    pub fn new(now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The machine's clock.
    pub fn system() -> Self {
        Self::new(|| {
            #[expect(clippy::disallowed_methods, reason = "this is the injected clock")]
            let now = SystemTime::now();
            now.duration_since(UNIX_EPOCH).map_or(0, |since| {
                i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
            })
        })
    }

    pub(crate) fn now(&self) -> i64 {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// A provider as it is at the start.
#[derive(Clone, Debug)]
pub struct Config {
    /// The issuer identifier, an origin; the address it listens on where none is named.
    pub issuer: Option<String>,
    /// What its pages call it.
    pub name: String,
    pub people: Vec<Person>,
    pub clients: Vec<Client>,
    pub clock: Clock,
}

impl Config {
    pub fn new(name: &str, people: Vec<Person>, clients: Vec<Client>) -> Self {
        Self {
            issuer: None,
            name: name.to_owned(),
            people,
            clients,
            clock: Clock::system(),
        }
    }
}
