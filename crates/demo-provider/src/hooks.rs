//! What a test may change before an answer leaves. Without hooks the provider is honest.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::keys::Key;
use crate::provider::Broken;
use crate::wire::{Answer, Received};

/// Signs the bytes of a JWS signing input (RFC 7515 §5.1).
pub type Signer = Arc<dyn Fn(&[u8]) -> Result<Vec<u8>, Broken> + Send + Sync>;

type Change<T> = Option<Arc<dyn Fn(&mut T) + Send + Sync>>;
type ChangeAnswer = Option<Arc<dyn Fn(&Received, &mut Answer) + Send + Sync>>;

/// A JWT that is about to be signed.
#[derive(Clone)]
pub struct JwtDraft {
    pub header: Value,
    pub claims: Value,
    /// Goes out in the place of `header`: JSON that no [`Value`] can hold, such as a member that comes twice.
    pub header_text: Option<String>,
    /// Goes out in the place of `claims`.
    pub claims_text: Option<String>,
    pub signer: Signer,
}

impl JwtDraft {
    /// A draft of type `kind` that this key signs.
    pub fn new(kind: &str, claims: Value, key: &Arc<Key>) -> Self {
        Self {
            header: json!({"typ": kind, "alg": key.algorithm().name(), "kid": key.id()}),
            claims,
            header_text: None,
            claims_text: None,
            signer: signer(key),
        }
    }

    /// Lets another key sign, and says so in the header.
    pub fn sign_with(&mut self, key: &Arc<Key>) {
        self.header["alg"] = key.algorithm().name().into();
        self.header["kid"] = key.id().into();
        self.signer = signer(key);
    }
}

fn signer(key: &Arc<Key>) -> Signer {
    let key = Arc::clone(key);
    Arc::new(move |message| key.sign(message))
}

impl fmt::Debug for JwtDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtDraft")
            .field("header", &self.header)
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}

/// One closure for each kind of answer. They run in the provider's thread, in the order of these fields: first what is said, then how.
#[derive(Clone, Default)]
pub struct Hooks {
    pub(crate) discovery: Change<Value>,
    pub(crate) jwks: Change<Value>,
    pub(crate) redirect: Change<Vec<(String, String)>>,
    pub(crate) id_token: Change<JwtDraft>,
    pub(crate) token: Change<Value>,
    pub(crate) userinfo: Change<Value>,
    pub(crate) logout_token: Change<JwtDraft>,
    pub(crate) answer: ChangeAnswer,
}

impl Hooks {
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes the provider's metadata.
    #[must_use]
    pub fn discovery(mut self, change: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        self.discovery = Some(Arc::new(change));
        self
    }

    /// Changes the published keys.
    #[must_use]
    pub fn jwks(mut self, change: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        self.jwks = Some(Arc::new(change));
        self
    }

    /// Changes the parameters with which the browser goes back to the client.
    #[must_use]
    pub fn redirect(
        mut self,
        change: impl Fn(&mut Vec<(String, String)>) + Send + Sync + 'static,
    ) -> Self {
        self.redirect = Some(Arc::new(change));
        self
    }

    /// Changes an ID token before it is signed, and who signs it.
    #[must_use]
    pub fn id_token(mut self, change: impl Fn(&mut JwtDraft) + Send + Sync + 'static) -> Self {
        self.id_token = Some(Arc::new(change));
        self
    }

    /// Changes the answer of the token endpoint.
    #[must_use]
    pub fn token(mut self, change: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        self.token = Some(Arc::new(change));
        self
    }

    /// Changes the claims of the userinfo endpoint.
    #[must_use]
    pub fn userinfo(mut self, change: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        self.userinfo = Some(Arc::new(change));
        self
    }

    /// Changes a logout token before it is signed, and who signs it.
    #[must_use]
    pub fn logout_token(mut self, change: impl Fn(&mut JwtDraft) + Send + Sync + 'static) -> Self {
        self.logout_token = Some(Arc::new(change));
        self
    }

    /// Changes any answer, whatever it is: status, headers, bytes and pace.
    #[must_use]
    pub fn answer(
        mut self,
        change: impl Fn(&Received, &mut Answer) + Send + Sync + 'static,
    ) -> Self {
        self.answer = Some(Arc::new(change));
        self
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks")
    }
}

/// Lets a hook at a value, where there is one.
pub(crate) fn apply<T>(change: &Change<T>, value: &mut T) {
    if let Some(change) = change {
        change(value);
    }
}
