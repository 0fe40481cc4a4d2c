//! A login in use: the access token as long as it lives, then a new one, and calls of the server's API with it.

use curfew_protocol::{Clock, Lifetime, Timestamp};
use reqwest::Method;
use serde_json::Value;

use super::client::{Client, Granted};
use super::credentials::{Keeper, Locked, Login, Tokens};
use super::http::HttpFailure;
use crate::clock::SystemClock;
use crate::failure::Failure;

/// A token that ends within this time is replaced before it is used.
const MARGIN: Lifetime = Lifetime::from_seconds(10);

pub(super) struct Session {
    keeper: Keeper,
    pub(super) login: Login,
    pub(super) client: Client,
    tokens: Tokens,
}

impl Session {
    pub(super) async fn open(issuer: Option<&str>) -> Result<Self, Failure> {
        let keeper = Keeper::find()?;
        let login = keeper.login(issuer)?;
        let tokens = login.tokens()?;
        let client = Client::of(&login.issuer, &login.client_id).await?;
        let mut session = Self {
            keeper,
            login,
            client,
            tokens,
        };
        if session.has_expired() {
            session.refresh().await?;
        }
        Ok(session)
    }

    fn has_expired(&self) -> bool {
        has_expired(&self.login, SystemClock.now())
    }

    /// Calls the API. A token that the server finds dead before its time is replaced, once.
    pub(super) async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let url = self.client.api(path)?;
        let first = self.send(&method, &url, body).await;
        let answer = match first {
            Err(failure) if failure.code() == "invalid_token" => {
                self.refresh().await?;
                self.send(&method, &url, body).await
            }
            other => other,
        };
        answer.map_err(|failure| self.explained(failure))
    }

    async fn send(
        &self,
        method: &Method,
        url: &url::Url,
        body: Option<&Value>,
    ) -> Result<Value, HttpFailure> {
        let http = &self.client.http;
        http.call((method.clone(), url), &self.tokens.access_token, body)
            .await
    }

    fn explained(&self, failure: HttpFailure) -> Failure {
        match failure.code() {
            "insufficient_scope" => Failure::told(format!(
                "this login may not do that; sign in again with the scope that it takes, such as\n\n  \
                 curfew login --issuer {} --scope \"{} curfew:tokens:create\"",
                self.login.issuer, self.login.scope
            )),
            _ => failure.into(),
        }
    }

    /// Replaces the access token. The lock is held until the successor is kept; who waited for it finds the work done.
    async fn refresh(&mut self) -> Result<(), Failure> {
        let keeper = self.keeper.clone();
        let locked = keeper.lock()?;
        let Some(now) = locked.login(&self.login.issuer)? else {
            return Err(self.over());
        };
        let tokens = now.tokens()?;
        let replaced = tokens.access_token != self.tokens.access_token;
        (self.login, self.tokens) = (now, tokens);
        if replaced && !self.has_expired() {
            return Ok(());
        }
        let Some(refresh_token) = self.tokens.refresh_token.clone() else {
            return Err(self.over());
        };
        match self.ask_for_successor(&refresh_token).await {
            Ok(granted) => self.keep(&locked, granted),
            Err(failure) if failure.code() == "invalid_grant" => {
                locked.forget(&self.login)?;
                Err(self.over())
            }
            Err(failure) => Err(self.client.explained(failure)),
        }
    }

    /// An answer that got lost may have been a successor; asking again at once is what the server's grace is for.
    async fn ask_for_successor(&self, refresh_token: &str) -> Result<Granted, HttpFailure> {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
            ("client_id", &self.client.id),
        ];
        match self.client.token(&fields).await {
            Err(failure) if failure.is_hiccup() => self.client.token(&fields).await,
            other => other,
        }
    }

    fn keep(&mut self, locked: &Locked<'_>, granted: Granted) -> Result<(), Failure> {
        let in_keyring = self.login.is_in_keyring();
        let refresh_token = granted
            .tokens
            .refresh_token
            .or_else(|| self.tokens.refresh_token.take());
        self.tokens = Tokens {
            access_token: granted.tokens.access_token,
            refresh_token,
        };
        self.login.expires_at = granted.expires_at.map(Timestamp::seconds);
        if let Some(scope) = granted.scope {
            self.login.scope = scope;
        }
        let refused = locked.keep(self.login.clone(), &self.tokens, in_keyring)?;
        if let Some(reason) = refused {
            super::tell_of_file(&self.keeper, &reason);
        }
        if let Some(login) = locked.login(&self.login.issuer)? {
            self.login = login;
        }
        Ok(())
    }

    fn over(&self) -> Failure {
        let issuer = &self.login.issuer;
        Failure::told(format!(
            "the login at {issuer} is over; run `curfew login --issuer {issuer}`"
        ))
    }
}

fn has_expired(login: &Login, now: Timestamp) -> bool {
    let end = login.expires_at.map(Timestamp::from_seconds);
    end.is_some_and(|end| now.after(MARGIN).has_reached(end))
}
