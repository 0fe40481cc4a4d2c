//! GitHub and GitHub Enterprise Server: OAuth for apps, and the REST interface (version 2022-11-28). GitHub issues no ID tokens; who
//! somebody is, is asked with their access token.
//!
//! 1. The browser is sent off with state and PKCE.
//! 2. It comes back, and the code is redeemed. GitHub refuses with the status 200 and a member `error`.
//! 3. `GET /user`: the number is the subject. A login may be given up and taken by somebody else, so it is only shown.
//! 4. `GET /user/emails`: the one address that is primary and verified, and a mailbox.
//! 5. The organisations and teams, when the provider requires one. [`membership`]
//!
//! A question that is not answered ends the login; it is never taken for "no address" or "no rule" (B25, B26).

mod check;
mod membership;
#[cfg(test)]
mod tests;

use curfew_http::outbound::{Answer, Call};
use curfew_protocol::Timestamp;
use curfew_protocol::upstream::strict::MAX_BYTES;
use curfew_protocol::upstream::token_answer::GrantedTokens;
use curfew_protocol::upstream::{GithubEmails, GithubUser};
use url::Url;

use crate::client::{AuthorizationRequest, Callback, Contact, address};
use crate::failure::{Asked, Denial, InvalidAnswer, Unavailable, UpstreamFailure};
use crate::identity::{Checked, UpstreamIdentity};
use crate::provider::UpstreamProvider;
use crate::tokens::granted;

pub(crate) use check::check;

/// The site that has its REST interface at a host of its own.
const GITHUB_COM: &str = "https://github.com";
const GITHUB_COM_API: &str = "https://api.github.com";

const ACCEPT: &str = "application/vnd.github+json";
const API_VERSION: (&str, &str) = ("x-github-api-version", "2022-11-28");

pub(crate) fn authorization_url(
    provider: &UpstreamProvider,
    request: AuthorizationRequest<'_>,
) -> Result<Url, UpstreamFailure> {
    if request.reauthenticate {
        return Err(Denial::NoFreshSignIn.into());
    }
    let mut url = site(provider, "login/oauth/authorize")?;
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &provider.client_id)
        .append_pair("redirect_uri", request.redirect_uri)
        .append_pair("scope", &scopes(provider))
        .append_pair("state", request.state)
        .append_pair("code_challenge", request.code_challenge)
        .append_pair("code_challenge_method", "S256");
    Ok(url)
}

fn scopes(provider: &UpstreamProvider) -> String {
    if !provider.scopes.is_empty() {
        return provider.scopes.join(" ");
    }
    let rules = &provider.github.organizations;
    let organizations = (!rules.is_empty()).then_some("read:org");
    let needed = ["read:user", "user:email"].into_iter().chain(organizations);
    needed.collect::<Vec<_>>().join(" ")
}

pub(crate) async fn identify(
    contact: Contact<'_>,
    callback: Callback<'_>,
) -> Result<UpstreamIdentity, UpstreamFailure> {
    let provider = contact.provider;
    if callback.fresh_since.is_some() {
        return Err(Denial::NoFreshSignIn.into());
    }
    // GitHub names its authorization server below the site (RFC 8414 metadata).
    let named = |iss: &str| {
        iss.strip_prefix(provider.issuer.as_str())
            .is_some_and(|rest| rest.is_empty() || rest == "/login/oauth")
    };
    if callback.iss.is_some_and(|iss| !named(iss)) {
        return Err(InvalidAnswer::ResponseIssuerOther.into());
    }
    let tokens = redeem(contact, callback).await?;
    let api = Api {
        contact,
        token: &tokens.access_token.0,
    };
    let body = api.get(Asked::GithubUser, &["user"]).await?;
    let user = GithubUser::parse(&body)
        .map_err(|error| UpstreamFailure::unreadable(Asked::GithubUser, error))?;
    let body = api.get(Asked::GithubEmails, &["user", "emails"]).await?;
    let emails = GithubEmails::parse(&body)
        .map_err(|error| UpstreamFailure::unreadable(Asked::GithubEmails, error))?;
    membership::check(&api, &user.login).await?;
    Ok(identity(contact, user, &emails, &tokens))
}

fn identity(
    contact: Contact<'_>,
    user: GithubUser,
    emails: &GithubEmails,
    tokens: &GrantedTokens,
) -> UpstreamIdentity {
    let ends_at = tokens
        .expires_in
        .map(|seconds| Timestamp::from_seconds(contact.now.seconds().saturating_add(seconds)));
    UpstreamIdentity::new(Checked {
        issuer: contact.provider.issuer.clone(),
        subject: user.subject(),
        email: emails.claims(),
        name: user.name,
        known_as: vec![user.login],
        sid: None,
        ends_at,
        auth_time: None,
    })
}

/// The credentials go into the form, as GitHub documents it.
async fn redeem(
    contact: Contact<'_>,
    callback: Callback<'_>,
) -> Result<GrantedTokens, UpstreamFailure> {
    let provider = contact.provider;
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("client_id", &provider.client_id),
        ("code", callback.code),
        ("redirect_uri", callback.redirect_uri),
        ("code_verifier", callback.code_verifier),
    ];
    if let Some(secret) = &provider.client_secret {
        fields.push(("client_secret", &secret.0));
    }
    let url = site(provider, "login/oauth/access_token")?;
    let call = Call::new(&url).limit(MAX_BYTES);
    let answer = contact.outbound.post_form(call, &fields).await;
    granted(&answer.map_err(|error| UpstreamFailure::not_taken(Asked::Tokens, error))?)
}

fn site(provider: &UpstreamProvider, path: &str) -> Result<Url, UpstreamFailure> {
    address(&format!("{}/{path}", provider.issuer.trim_end_matches('/')))
}

/// Where the REST interface is.
fn api_url(provider: &UpstreamProvider) -> Result<Url, UpstreamFailure> {
    match &provider.github.api_url {
        Some(api) => address(api),
        None if provider.issuer == GITHUB_COM => address(GITHUB_COM_API),
        None => site(provider, "api/v3"),
    }
}

/// The REST interface, asked in the name of a person.
struct Api<'a> {
    contact: Contact<'a>,
    token: &'a str,
}

impl Api<'_> {
    /// The body of an answer with the status 200.
    async fn get(&self, asked: Asked, path: &[&str]) -> Result<Vec<u8>, UpstreamFailure> {
        match self.ask(asked, path).await? {
            answer if answer.status == 200 => Ok(answer.body),
            Answer { status, .. } => Err(Unavailable::Status { asked, status }.into()),
        }
    }

    async fn ask(&self, asked: Asked, path: &[&str]) -> Result<Answer, UpstreamFailure> {
        let url = below(api_url(self.contact.provider)?, path)?;
        let call = api_call(&url).bearer(self.token);
        let answer = self.contact.outbound.get(call).await;
        answer.map_err(|error| UpstreamFailure::not_taken(asked, error))
    }
}

/// `path` below `base`, each part as one segment whatever is in it.
fn below(mut base: Url, path: &[&str]) -> Result<Url, UpstreamFailure> {
    base.path_segments_mut()
        .map_err(|()| UpstreamFailure::from(Unavailable::Misconfigured))?
        .pop_if_empty()
        .extend(path);
    Ok(base)
}

fn api_call(url: &Url) -> Call<'_> {
    Call::new(url)
        .accept(ACCEPT)
        .header(API_VERSION.0, API_VERSION.1)
        .limit(MAX_BYTES)
}
