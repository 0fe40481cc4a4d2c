//! One's tokens.

use actix_web::HttpResponse;
use curfew_http::{Problem, answer};
use curfew_protocol::{Audiences, ErrorCode, Lifetime, OAuthError, OwnScope, ScopeSet};
use serde::Deserialize;
use utoipa::ToSchema;

use super::answers::{Error, MadeToken, Token, Tokens, Tree, TreeRow};
use super::paging::Page;
use super::{Call, created, done};
use crate::holdings::{self, HeldToken, HoldingRefusal, MakeRefusal, OwnTreeRow, Wish};

/// The living tokens, newest first.
#[utoipa::path(
    get, path = "/api/v1/me/tokens", tag = "tokens",
    security(("bearer" = ["curfew:account:read"])),
    params(
        ("limit" = Option<u32>, Query, description = "At most so many, 100 unless told, 500 at most"),
        ("before" = Option<String>, Query, description = "The `next` of the page before"),
    ),
    responses(
        (status = 200, description = "The tokens; what has expired is not among them", body = Tokens),
        (status = 401, description = "No token, or not a good one", body = Error),
        (status = 403, description = "The token lacks the scope", body = Error),
    ),
)]
pub(super) async fn list(call: Call) -> Result<HttpResponse, Problem> {
    let page = Page::of(&call)?;
    let id = call.caller.user_id();
    let held = call.read(move |read| holdings::tokens(read, id)).await?;
    let (tokens, next) = page.cut(held.items, |token| token.id.to_string());
    Ok(answer::json(&Tokens {
        tokens: tokens.into_iter().map(Token::from).collect(),
        next,
        complete: !held.more,
    }))
}

impl From<HeldToken> for Token {
    fn from(own: HeldToken) -> Self {
        Self {
            id: own.id.to_string(),
            kind: own.kind,
            name: own.name,
            client_id: own.client.map(|client| client.client_id),
            scope: own.scopes,
            audience: identifiers(own.audiences),
            created_at: own.created_at.seconds(),
            expires_at: own.expires_at.seconds(),
            idle_at: own.idle_at.map(|at| at.seconds()),
            last_used_at: own.last_used_at.map(|at| at.seconds()),
            approved: own.approved.into(),
            parent: own.parent.map(|id| id.to_string()),
        }
    }
}

fn identifiers(audiences: Audiences) -> Vec<String> {
    let own = audiences.0.into_iter();
    own.map(|audience| audience.identifier).collect()
}

/// What a personal access token is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    /// What its owner will know it by
    name: String,
    /// What it may do
    scopes: Vec<String>,
    /// In seconds
    requested_token_lifetime: Option<u32>,
}

const MEMBERS: &str = "the body is an object of name (text), scopes (list of texts) and, if wanted, requested_token_lifetime \
                       (seconds), each once, and nothing else";

/// Makes a personal access token below the one that asks: it dies with it, ends no later and may do no more.
#[utoipa::path(
    post, path = "/api/v1/me/tokens", tag = "tokens",
    security(("bearer" = ["curfew:tokens:create"])),
    request_body = NewToken,
    responses(
        (status = 201, description = "The token, told only now", body = MadeToken),
        (status = 400, description = "Not a token that can be made: `invalid_request`, `invalid_scope`", body = Error),
        (status = 401, description = "No token, or not a good one", body = Error),
        (status = 403, description = "The token lacks the scope", body = Error),
    ),
)]
pub(super) async fn make(mut call: Call) -> Result<HttpResponse, Problem> {
    let wanted: NewToken = call.body(MEMBERS).await?;
    let wish = wanted.wish()?;
    let rules = call.edge.lifetimes;
    let made = call
        .write(move |write, actor| {
            holdings::personal_access_token_make(write, actor, &rules, &wish)
        })
        .await?;
    let location = call.realm.path(&format!("/api/v1/me/tokens/{}", made.id));
    let body = MadeToken {
        id: made.id.to_string(),
        token: made.token.reveal(),
        token_type: "Bearer",
        name: made.name,
        scope: made.scopes.to_string(),
        audience: identifiers(made.audiences),
        created_at: made.created_at.seconds(),
        expires_at: made.expires_at.seconds(),
    };
    Ok(created(&location, &body))
}

impl NewToken {
    fn wish(self) -> Result<Wish, Problem> {
        let scopes = ScopeSet::parse(&self.scopes.join(" "))
            .map_err(|error| OAuthError::new(ErrorCode::InvalidScope, error.to_string()))?;
        Ok(Wish {
            name: self.name,
            scopes,
            lifetime: self.requested_token_lifetime.map(Lifetime::from_seconds),
        })
    }
}

impl From<MakeRefusal> for Problem {
    fn from(refusal: MakeRefusal) -> Self {
        let code = match refusal {
            MakeRefusal::SignedOut => return Self::invalid_token(),
            MakeRefusal::MayNotMake => return Self::insufficient_scope(OwnScope::CreateTokens),
            MakeRefusal::Name | MakeRefusal::TooLong { .. } | MakeRefusal::Zero => {
                ErrorCode::InvalidRequest
            }
            MakeRefusal::NoScope
            | MakeRefusal::Scope(_)
            | MakeRefusal::Withheld(_)
            | MakeRefusal::NoAudience => ErrorCode::InvalidScope,
        };
        OAuthError::new(code, refusal.to_string()).into()
    }
}

/// A token of the person's, dead or alive, with its tree.
#[utoipa::path(
    get, path = "/api/v1/me/tokens/{id}", tag = "tokens",
    security(("bearer" = ["curfew:account:read"])),
    params(("id" = String, Path, description = "The id of a token, refresh family, approval or session")),
    responses(
        (status = 200, description = "What it hangs on and what hangs on it", body = Tree),
        (status = 401, description = "No token, or not a good one", body = Error),
        (status = 403, description = "The token lacks the scope", body = Error),
        (status = 404, description = "There is none of the person's by that id", body = Error),
    ),
)]
pub(super) async fn show(call: Call) -> Result<HttpResponse, Problem> {
    let (user, id) = (call.caller.user_id(), call.part("id"));
    let asked = id.clone();
    let tree = call
        .read(move |read| holdings::tree(read, user, &asked))
        .await?;
    let tree = tree.ok_or(HoldingRefusal::NotFound)?;
    Ok(answer::json(&Tree {
        id,
        tree: tree.rows.into_iter().map(TreeRow::from).collect(),
        complete: !tree.cut,
    }))
}

impl From<OwnTreeRow> for TreeRow {
    fn from(own: OwnTreeRow) -> Self {
        Self {
            depth: own.depth,
            edge: own.edge,
            kind: own.kind,
            id: own.id,
            name: own.name,
            client_id: own.client.map(|client| client.client_id),
            provider: own.through.map(|identity| identity.provider.slug),
            alive: own.standing.alive,
            dead_because: own.standing.dead_because,
            created_at: own.created_at.seconds(),
            expires_at: own.expires_at.seconds(),
            asked: own.asked,
        }
    }
}

/// Ends a token, refresh family or approval with everything below it.
#[utoipa::path(
    delete, path = "/api/v1/me/tokens/{id}", tag = "tokens",
    security(("bearer" = ["curfew:account:write"])),
    params(("id" = String, Path, description = "The id of a token, refresh family or approval")),
    responses(
        (status = 204, description = "It is dead, and so is what hung on it"),
        (status = 401, description = "No token, or not a good one", body = Error),
        (status = 403, description = "The token lacks the scope", body = Error),
        (status = 404, description = "There is no living one of the person's by that id", body = Error),
    ),
)]
pub(super) async fn end(call: Call) -> Result<HttpResponse, Problem> {
    let id = call.part("id");
    call.write(move |write, actor| holdings::token_end(write, actor, &id))
        .await?;
    Ok(done())
}

/// Ends every token of the person, this one too; the browser sessions stay.
#[utoipa::path(
    delete, path = "/api/v1/me/tokens", tag = "tokens",
    security(("bearer" = ["curfew:account:write"])),
    responses(
        (status = 204, description = "All tokens are dead, this one too"),
        (status = 401, description = "No token, or not a good one", body = Error),
        (status = 403, description = "The token lacks the scope", body = Error),
    ),
)]
pub(super) async fn end_all(call: Call) -> Result<HttpResponse, Problem> {
    call.write(holdings::tokens_end).await?;
    Ok(done())
}
