//! The provider itself: what it knows, and which part of it answers what.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::error::Unspecified;

use crate::back_channel;
use crate::config::{Client, Clock, Config, Person};
use crate::hooks::Hooks;
use crate::keys::{Algorithm, Key};
use crate::state::State;
use crate::wire::{Answer, Received};
use crate::{authorize, discovery, end_session, token, userinfo};

/// The machine gave no random bytes, no key or no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the machine's cryptography failed")
    }
}

impl std::error::Error for Broken {}

impl From<Unspecified> for Broken {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

/// How a client took the news that somebody signed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub client_id: String,
    /// The status of its answer; `None` where none came.
    pub status: Option<u16>,
}

/// One provider. Everything about it may be changed while it runs.
#[derive(Debug)]
pub struct Provider {
    issuer: String,
    pub(crate) name: String,
    es256: Arc<Key>,
    rs256: Arc<Key>,
    clock: Clock,
    people: Mutex<Vec<Person>>,
    clients: Mutex<Vec<Client>>,
    hooks: Mutex<Hooks>,
    state: Mutex<State>,
    /// Every request, where somebody wants to know.
    received: Option<Mutex<Vec<Received>>>,
}

/// Nothing here is left half-written by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Provider {
    /// A provider that tells the truth. `origin` is its issuer where the configuration names none.
    pub fn honest(config: Config, origin: &str) -> Result<Self, Broken> {
        Ok(Self {
            issuer: config.issuer.unwrap_or_else(|| origin.to_owned()),
            name: config.name,
            es256: Arc::new(Key::generate("es256-1", Algorithm::Es256)?),
            rs256: Arc::new(Key::generate("rs256-1", Algorithm::Rs256)?),
            clock: config.clock,
            people: Mutex::new(config.people),
            clients: Mutex::new(config.clients),
            hooks: Mutex::default(),
            state: Mutex::default(),
            received: None,
        })
    }

    /// Keeps every request for [`Provider::received`].
    #[must_use]
    pub fn watched(mut self) -> Self {
        self.received = Some(Mutex::default());
        self
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    pub fn key(&self, algorithm: Algorithm) -> &Arc<Key> {
        match algorithm {
            Algorithm::Es256 => &self.es256,
            Algorithm::Rs256 => &self.rs256,
        }
    }

    /// The people, for whoever wants to change them.
    pub fn people(&self) -> MutexGuard<'_, Vec<Person>> {
        lock(&self.people)
    }

    /// The clients, for whoever wants to change them.
    pub fn clients(&self) -> MutexGuard<'_, Vec<Client>> {
        lock(&self.clients)
    }

    /// From now on these change the answers, and no others.
    pub fn set_hooks(&self, hooks: Hooks) {
        *lock(&self.hooks) = hooks;
    }

    /// Every request since the start, of a provider that is watched.
    pub fn received(&self) -> Vec<Received> {
        self.received
            .as_ref()
            .map_or_else(Vec::new, |received| lock(received).clone())
    }

    /// Ends all sessions of a person, as if they had signed out everywhere, and tells the clients. Waits for their answers.
    pub fn sign_out(&self, subject: &str) -> Result<Vec<Told>, Broken> {
        let now = self.now();
        let ended = self
            .state()
            .sessions
            .take_all(|session| session.subject == subject, now);
        let mut told = Vec::new();
        for session in ended {
            let notices = back_channel::notices(self, &session)?;
            told.extend(notices.iter().map(back_channel::send));
        }
        Ok(told)
    }

    /// The logout token that a client would get about this subject and session.
    pub fn logout_token(
        &self,
        client_id: &str,
        subject: &str,
        sid: &str,
    ) -> Result<String, Broken> {
        back_channel::logout_token(self, client_id, subject, sid)
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now()
    }

    pub(crate) fn hooks(&self) -> Hooks {
        lock(&self.hooks).clone()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn client(&self, id: &str) -> Option<Client> {
        self.clients()
            .iter()
            .find(|client| client.id == id)
            .cloned()
    }

    pub(crate) fn person(&self, subject: &str) -> Option<Person> {
        self.people()
            .iter()
            .find(|person| person.subject == subject)
            .cloned()
    }

    /// The answer to a request, changed by the hooks.
    pub async fn answer(&self, received: &Received) -> Answer {
        if let Some(all) = &self.received {
            lock(all).push(received.clone());
        }
        let mut answer = self
            .honest_answer(received)
            .await
            .unwrap_or_else(|broken| Answer::text(500, &broken.to_string()));
        if let Some(change) = self.hooks().answer {
            change(received, &mut answer);
        }
        answer
    }

    async fn honest_answer(&self, received: &Received) -> Result<Answer, Broken> {
        let method = received.method.as_str();
        match (method, received.path.as_str()) {
            ("GET", "/.well-known/openid-configuration") => Ok(discovery::metadata(self)),
            ("GET", "/jwks") => Ok(discovery::keys(self)),
            ("GET", "/authorize") => authorize::ask(self, received),
            ("POST", "/authorize") => authorize::decide(self, received),
            ("POST", "/token") => token::exchange(self, received),
            ("GET" | "POST", "/userinfo") => Ok(userinfo::tell(self, received)),
            ("GET", "/" | "/end_session") => Ok(end_session::show(self, received)),
            ("POST", "/end_session") => end_session::leave(self, received).await,
            _ => Ok(Answer::text(404, "There is nothing here.")),
        }
    }
}
