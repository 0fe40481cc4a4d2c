//! A provider that is honest until a test makes it hostile.

mod check;
mod flow;
mod logout;
mod tokens;
mod userinfo;

use std::sync::{Arc, Mutex};

use curfew_http::outbound::Outbound;
use curfew_policy::status::ProviderKind;
use curfew_protocol::Timestamp;
use serde_json::{Value, json};

use crate::client::{Callback, Contact, UpstreamClient};
use crate::failure::UpstreamFailure;
use crate::identity::UpstreamIdentity;
use crate::provider::UpstreamProvider;
use crate::testing::keys::Key;
use crate::testing::server::{Reply, Request, Server};
use crate::testing::{CALLBACK, NOW, outbound, provider};

const METADATA: &str = "GET /.well-known/openid-configuration";
const KEYS: &str = "GET /jwks";
const TOKEN: &str = "POST /token";
const USERINFO: &str = "GET /userinfo";

/// What the provider answers.
#[derive(Debug)]
struct Answers {
    metadata: Value,
    keys: Vec<Value>,
    token: (u16, Value),
    /// The text of the answer, for what no JSON value can be.
    userinfo: (u16, String),
}

struct Idp {
    server: Server,
    answers: Arc<Mutex<Answers>>,
    key: Key,
    provider: UpstreamProvider,
    client: UpstreamClient,
    outbound: Outbound,
    now: Timestamp,
}

fn reply(answers: &Mutex<Answers>, request: &Request) -> Reply {
    let answers = answers.lock().unwrap();
    match request.line.as_str() {
        METADATA => Reply::json(200, &answers.metadata),
        KEYS => Reply::json(200, &json!({"keys": answers.keys})),
        TOKEN => Reply::json(answers.token.0, &answers.token.1),
        USERINFO => Reply::text(answers.userinfo.0, answers.userinfo.1.clone()),
        _ => Reply::json(404, &json!({})),
    }
}

fn metadata(url: &str) -> Value {
    json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize?tenant=1"),
        "token_endpoint": format!("{url}/token"),
        "userinfo_endpoint": format!("{url}/userinfo"),
        "jwks_uri": format!("{url}/jwks"),
        "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
        "code_challenge_methods_supported": ["S256"],
    })
}

impl Idp {
    fn start() -> Self {
        Self::with_key(Key::p256())
    }

    fn with_key(key: Key) -> Self {
        let answers = Arc::new(Mutex::new(Answers {
            metadata: Value::Null,
            keys: vec![key.jwk("k1")],
            token: (200, Value::Null),
            userinfo: (200, json!({"sub": "u-1"}).to_string()),
        }));
        let script = answers.clone();
        let server = Server::start(move |_, request| reply(&script, request));
        answers.lock().unwrap().metadata = metadata(&server.url);
        let idp = Self {
            provider: provider(ProviderKind::OpenId, &server.url),
            server,
            answers,
            key,
            client: UpstreamClient::default(),
            outbound: outbound(),
            now: NOW,
        };
        idp.issue(&idp.claims());
        idp
    }

    fn change(&self, change: impl FnOnce(&mut Answers)) {
        change(&mut self.answers.lock().unwrap());
    }

    fn contact(&self) -> Contact<'_> {
        Contact {
            outbound: &self.outbound,
            provider: &self.provider,
            now: self.now,
        }
    }

    /// Those of an honest ID token.
    fn claims(&self) -> Value {
        json!({
            "iss": self.server.url, "sub": "u-1", "aud": "curfew", "nonce": "n-1",
            "exp": NOW.seconds() + 300, "iat": NOW.seconds(),
            "email": "ada@harbour.example", "email_verified": true, "name": "Ada", "sid": "s-1",
        })
    }

    /// The token endpoint gives out an ID token with these claims.
    fn issue(&self, claims: &Value) {
        let header = json!({"alg": "ES256", "kid": "k1", "typ": "JWT"});
        self.hand_out(&self.key.token(&header, &claims.to_string()));
    }

    fn issue_with(&self, change: impl FnOnce(&mut Value)) {
        let mut claims = self.claims();
        change(&mut claims);
        self.issue(&claims);
    }

    fn hand_out(&self, id_token: &str) {
        let answer = json!({
            "access_token": "at-1", "token_type": "Bearer", "expires_in": 60, "id_token": id_token,
        });
        self.change(|answers| answers.token = (200, answer));
    }

    async fn identify(&self) -> Result<UpstreamIdentity, UpstreamFailure> {
        self.identify_with(CALLBACK).await
    }

    async fn identify_with(
        &self,
        callback: Callback<'_>,
    ) -> Result<UpstreamIdentity, UpstreamFailure> {
        self.client.identify(self.contact(), callback).await
    }

    /// The word of a login that fails.
    async fn failure(&self) -> &'static str {
        self.identify().await.unwrap_err().as_str()
    }
}

/// Does the failure become 400?
const fn is_invalid(failure: &UpstreamFailure) -> bool {
    matches!(failure, UpstreamFailure::Invalid(_))
}

/// Does the failure become 503?
const fn is_unavailable(failure: &UpstreamFailure) -> bool {
    matches!(failure, UpstreamFailure::Unavailable(_))
}
