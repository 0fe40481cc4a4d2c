//! This program as a public client of one server: what it sends to the token and revocation endpoints.

use curfew_protocol::{Clock, Timestamp};
use serde::Deserialize;
use url::Url;

use super::credentials::Tokens;
use super::http::{Http, HttpFailure};
use super::metadata::{Metadata, discover, issuer, spelling};
use crate::clock::SystemClock;
use crate::failure::Failure;

/// The client, ready to ask.
pub(super) struct Client {
    pub(super) http: Http,
    pub(super) issuer: String,
    pub(super) metadata: Metadata,
    pub(super) id: String,
}

/// What a token endpoint gave.
pub(super) struct Granted {
    pub(super) tokens: Tokens,
    /// By this machine's clock.
    pub(super) expires_at: Option<Timestamp>,
    /// `None`: what was asked for (RFC 6749 §5.1).
    pub(super) scope: Option<String>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    token_type: String,
    expires_in: Option<u32>,
    refresh_token: Option<String>,
    scope: Option<String>,
}

impl Client {
    pub(super) async fn of(text: &str, id: &str) -> Result<Self, Failure> {
        let issuer = issuer(text)?;
        let http = Http::new(&issuer)?;
        let metadata = discover(&http, &issuer).await?;
        Ok(Self {
            http,
            issuer: spelling(&issuer),
            metadata,
            id: id.to_owned(),
        })
    }

    /// An address of the server's own API.
    pub(super) fn api(&self, path: &str) -> Result<Url, Failure> {
        Url::parse(&format!("{}/api/v1{path}", self.issuer))
            .map_err(|error| Failure::told(format!("{path} makes no address: {error}")))
    }

    /// Asks the token endpoint.
    pub(super) async fn token(&self, fields: &[(&str, &str)]) -> Result<Granted, HttpFailure> {
        let url = &self.metadata.token_endpoint;
        let asked_at = SystemClock.now();
        let answer = self.http.form(url, fields).await?;
        let answer: TokenAnswer = serde_json::from_value(answer).map_err(|_| {
            HttpFailure::NotAllowed(format!("{url} answered something that is no token"))
        })?;
        if !answer.token_type.eq_ignore_ascii_case("bearer") || answer.access_token.is_empty() {
            return Err(HttpFailure::NotAllowed(format!(
                "{url} gave a token of a kind that this program cannot use"
            )));
        }
        Ok(Granted {
            expires_at: answer
                .expires_in
                .map(|seconds| asked_at.after(curfew_protocol::Lifetime::from_seconds(seconds))),
            tokens: Tokens {
                access_token: answer.access_token,
                refresh_token: answer.refresh_token,
            },
            scope: answer.scope,
        })
    }

    /// Ends tokens at the server (RFC 7009). True when the server said so for each.
    pub(super) async fn revoke(&self, tokens: &Tokens) -> bool {
        let Some(url) = &self.metadata.revocation_endpoint else {
            return false;
        };
        let mut done = true;
        // The refresh token first: it takes along what was made from it.
        let refresh = tokens.refresh_token.as_deref();
        for token in refresh.into_iter().chain([tokens.access_token.as_str()]) {
            let fields = [("token", token), ("client_id", &self.id)];
            done &= self.http.form(url, &fields).await.is_ok();
        }
        done
    }

    /// A refusal with what to do about it.
    pub(super) fn explained(&self, failure: HttpFailure) -> Failure {
        match failure.code() {
            "invalid_client" | "unauthorized_client" => Failure::told(format!(
                "{} does not know this program as a client that may do this. Its operator registers it by\n\n  \
                 curfew client add {} --public --grant device_code --grant refresh_token \
                 --scope curfew:account:read --scope curfew:account:write --scope offline_access\n\n\
                 or names the client that is to be used, for --client-id",
                self.issuer, self.id
            )),
            _ => failure.into(),
        }
    }
}
