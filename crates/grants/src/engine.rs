//! The state machines of oxide-auth, driven by our own facts. The only file that knows of that crate.
//!
//! A machine asks, we answer from what the store said, and it tells the next question or the end. What it decides: the order of
//! the checks, that a request is complete, that a credential is the client's own, that scopes only shrink, and the comparison
//! of PKCE values. What it does not decide, because it would decide it wrongly, is contained here:
//!
//! * It reads the wall clock and hard-codes lifetimes: every `until` handed in lies at the end of time, and none that comes
//!   out is used. Expiry was judged before, against the one clock reading of the transaction.
//! * It knows `()` for an error: our own refusal is returned past the machine, which is then thrown away.
//! * It wants a redirect URI at the token endpoint: it is fed the stored one where the client need not send any.
//!   The byte-exact comparison is ours too, because the machine's is one of parsed URLs.
//! * It would take a public client's name from the token: it is always told the client that we authenticated.
//! * An unknown code and a failed PKCE check come out as `invalid_request`: the first is answered before the machine starts,
//!   the second is a refusal of its own here.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use curfew_protocol::{GrantType, ScopeSet};
use oxide_auth::code_grant::error::{AccessTokenErrorType, AuthorizationErrorType};
use oxide_auth::code_grant::extensions::Pkce;
use oxide_auth::code_grant::{accesstoken, authorization, client_credentials, refresh};
use oxide_auth::primitives::grant::{Extensions, Grant};
use oxide_auth::primitives::registrar::{BoundClient, ExactUrl, PreGrant, RegisteredUrl};
use oxide_auth::primitives::scope::Scope;

/// The redirect URI of a flow that has none. Nobody ever goes there.
const NOWHERE: &str = "urn:curfew:nowhere";

/// What a machine refuses by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MachineRefusal {
    InvalidRequest,
    UnsupportedResponseType,
    UnsupportedGrantType,
    InvalidScope,
    InvalidGrant,
    /// The verifier does not belong to the challenge, or one of the two is missing.
    Pkce,
    /// The machine asked what it must not ask, or failed without a reason.
    Broken,
}

impl From<AccessTokenErrorType> for MachineRefusal {
    fn from(kind: AccessTokenErrorType) -> Self {
        match kind {
            AccessTokenErrorType::InvalidRequest => Self::InvalidRequest,
            AccessTokenErrorType::InvalidGrant => Self::InvalidGrant,
            AccessTokenErrorType::UnsupportedGrantType => Self::UnsupportedGrantType,
            AccessTokenErrorType::InvalidScope => Self::InvalidScope,
            // Client authentication is ours and came before: these two are not the machine's to say.
            AccessTokenErrorType::InvalidClient | AccessTokenErrorType::UnauthorizedClient => {
                Self::Broken
            }
        }
    }
}

fn machine_scope(scopes: &ScopeSet) -> Result<Scope, MachineRefusal> {
    scopes
        .to_string()
        .parse()
        .map_err(|_| MachineRefusal::Broken)
}

fn scope_set(scope: &Scope) -> ScopeSet {
    scope.iter().map(str::to_owned).collect()
}

fn registered(redirect_uri: &str) -> Result<RegisteredUrl, MachineRefusal> {
    let exact: ExactUrl = redirect_uri.parse().map_err(|_| MachineRefusal::Broken)?;
    Ok(RegisteredUrl::Exact(exact))
}

fn grant(facts: &GrantFacts<'_>) -> Result<Grant, MachineRefusal> {
    Ok(Grant {
        owner_id: String::new(),
        client_id: facts.client_id.to_owned(),
        scope: machine_scope(facts.scopes)?,
        redirect_uri: facts
            .redirect_uri
            .parse()
            .map_err(|_| MachineRefusal::Broken)?,
        until: DateTime::<Utc>::MAX_UTC,
        extensions: Extensions::new(),
    })
}

/// What the store knows of the grant behind a code or a refresh token.
struct GrantFacts<'a> {
    client_id: &'a str,
    redirect_uri: &'a str,
    scopes: &'a ScopeSet,
}

/// An authorization request whose client and redirect URI were found good.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AuthorizationRequest<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) response_type: Option<&'a str>,
    pub(crate) scope: Option<&'a str>,
    pub(crate) code_challenge: Option<&'a str>,
    pub(crate) code_challenge_method: Option<&'a str>,
}

impl authorization::Request for AuthorizationRequest<'_> {
    fn valid(&self) -> bool {
        true
    }

    fn client_id(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.client_id))
    }

    fn scope(&self) -> Option<Cow<'_, str>> {
        self.scope.map(Cow::Borrowed)
    }

    fn redirect_uri(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.redirect_uri))
    }

    // The machine would put it into a URL of its own, which nobody uses.
    fn state(&self) -> Option<Cow<'_, str>> {
        None
    }

    fn response_type(&self) -> Option<Cow<'_, str>> {
        self.response_type.map(Cow::Borrowed)
    }

    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// Validates an authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3). `negotiate` says which scopes it gets.
pub(crate) fn authorize<R: From<MachineRefusal>>(
    request: &AuthorizationRequest<'_>,
    negotiate: impl FnOnce() -> Result<ScopeSet, R>,
) -> Result<ScopeSet, R> {
    use authorization::{Authorization, Input, Output};
    let pkce = Pkce::required();
    let mut negotiate = Some(negotiate);
    let mut machine = Authorization::new(request);
    let mut input = Input::None;
    loop {
        input = match machine.advance(input) {
            Output::Bind { client_id, .. } => {
                let redirect_uri = Cow::Owned(registered(request.redirect_uri)?);
                let client_id = Cow::Owned(client_id);
                Input::Bound {
                    request,
                    bound_client: BoundClient {
                        client_id,
                        redirect_uri,
                    },
                }
            }
            Output::Extend => {
                let method = request.code_challenge_method.map(Cow::Borrowed);
                let challenge = request.code_challenge.map(Cow::Borrowed);
                pkce.challenge(method, challenge)
                    .map_err(|()| MachineRefusal::Pkce)?;
                Input::Extended(Extensions::new())
            }
            Output::Negotiate { .. } => {
                let negotiate = negotiate.take().ok_or(MachineRefusal::Broken)?;
                Input::Negotiated {
                    pre_grant: pre_grant(request, &negotiate()?)?,
                    state: None,
                }
            }
            Output::Ok { pre_grant, .. } => return Ok(scope_set(&pre_grant.scope)),
            Output::Err(error) => return Err(authorization_refusal(error).into()),
        };
    }
}

fn pre_grant(
    request: &AuthorizationRequest<'_>,
    scopes: &ScopeSet,
) -> Result<PreGrant, MachineRefusal> {
    Ok(PreGrant {
        client_id: request.client_id.to_owned(),
        redirect_uri: registered(request.redirect_uri)?,
        scope: machine_scope(scopes)?,
    })
}

fn authorization_refusal(error: authorization::Error) -> MachineRefusal {
    use authorization::Error;
    match error {
        Error::Ignore => MachineRefusal::InvalidRequest,
        Error::PrimitiveError => MachineRefusal::Broken,
        Error::Redirect(mut url) => match url.description().kind() {
            AuthorizationErrorType::UnsupportedResponseType => {
                MachineRefusal::UnsupportedResponseType
            }
            AuthorizationErrorType::InvalidScope => MachineRefusal::InvalidScope,
            AuthorizationErrorType::InvalidRequest => MachineRefusal::InvalidRequest,
            AuthorizationErrorType::UnauthorizedClient
            | AuthorizationErrorType::AccessDenied
            | AuthorizationErrorType::ServerError
            | AuthorizationErrorType::TemporarilyUnavailable => MachineRefusal::Broken,
        },
    }
}

/// A code that was found, is its presenter's, and has not expired; and what came with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodeRedemption<'a> {
    /// The authenticated client.
    pub(crate) client_id: &'a str,
    pub(crate) presented_redirect_uri: Option<&'a str>,
    pub(crate) code_verifier: Option<&'a str>,
    /// The client that the code was issued to.
    pub(crate) issued_to: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) code_challenge: &'a str,
    pub(crate) scopes: &'a ScopeSet,
}

impl accesstoken::Request for CodeRedemption<'_> {
    fn valid(&self) -> bool {
        true
    }

    // The code itself was looked up before; the machine needs to see that there was one.
    fn code(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(""))
    }

    fn authorization(&self) -> accesstoken::Authorization<'_> {
        accesstoken::Authorization::Username(Cow::Borrowed(self.client_id))
    }

    fn client_id(&self) -> Option<Cow<'_, str>> {
        None
    }

    fn redirect_uri(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(
            self.presented_redirect_uri.unwrap_or(self.redirect_uri),
        ))
    }

    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(GrantType::AuthorizationCode.as_str()))
    }

    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// Validates the redemption of a code (RFC 6749 §4.1.3, RFC 7636 §4.6). Returns the approved scopes.
pub(crate) fn redeem_code(request: &CodeRedemption<'_>) -> Result<ScopeSet, MachineRefusal> {
    use accesstoken::{AccessToken, Input, Output};
    if request
        .presented_redirect_uri
        .is_some_and(|uri| uri != request.redirect_uri)
    {
        return Err(MachineRefusal::InvalidGrant);
    }
    let pkce = Pkce::required();
    let mut machine = AccessToken::new(request);
    let mut input = Input::None;
    loop {
        input = match machine.advance(input) {
            Output::Authenticate {
                client,
                passdata: None,
            } if client == request.client_id => Input::Authenticated,
            Output::Recover { .. } => Input::Recovered(Some(Box::new(grant(&GrantFacts {
                client_id: request.issued_to,
                redirect_uri: request.redirect_uri,
                scopes: request.scopes,
            })?))),
            Output::Extend { .. } => {
                verify_pkce(&pkce, request)?;
                Input::Extended {
                    access_extensions: Extensions::new(),
                }
            }
            Output::Issue { grant } => return Ok(scope_set(&grant.scope)),
            Output::Err(error) => return Err(access_token_refusal(*error)),
            Output::Authenticate { .. } | Output::Ok(_) => return Err(MachineRefusal::Broken),
        };
    }
}

fn verify_pkce(pkce: &Pkce, request: &CodeRedemption<'_>) -> Result<(), MachineRefusal> {
    let shaped = request
        .code_verifier
        .filter(|text| curfew_policy::pkce::is_verifier(text));
    let method = Some(Cow::Borrowed("S256"));
    let stored = pkce
        .challenge(method, Some(Cow::Borrowed(request.code_challenge)))
        .map_err(|()| MachineRefusal::Broken)?;
    pkce.verify(stored, shaped.map(Cow::Borrowed))
        .map_err(|()| MachineRefusal::Pkce)
}

fn access_token_refusal(mut error: accesstoken::Error) -> MachineRefusal {
    error
        .description()
        .map_or(MachineRefusal::Broken, |told| told.kind().into())
}

/// A refresh token that was found, judged alive and found to be the current one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefreshRequest<'a> {
    /// The authenticated client.
    pub(crate) client_id: &'a str,
    pub(crate) scope: Option<&'a str>,
    /// The client that the family belongs to.
    pub(crate) issued_to: &'a str,
    /// What the family may still give.
    pub(crate) scopes: &'a ScopeSet,
}

impl refresh::Request for RefreshRequest<'_> {
    fn valid(&self) -> bool {
        true
    }

    fn refresh_token(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(""))
    }

    fn scope(&self) -> Option<Cow<'_, str>> {
        self.scope.map(Cow::Borrowed)
    }

    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(GrantType::RefreshToken.as_str()))
    }

    fn authorization(&self) -> Option<(Cow<'_, str>, Cow<'_, [u8]>)> {
        Some((Cow::Borrowed(self.client_id), Cow::Borrowed(&[])))
    }

    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// Validates a refresh (RFC 6749 §6). Returns the scopes of the new access token; the family keeps its own.
pub(crate) fn refresh(request: &RefreshRequest<'_>) -> Result<ScopeSet, MachineRefusal> {
    use refresh::{Input, Output, Refresh};
    let mut machine = Refresh::new(request);
    let mut input = Input::None;
    loop {
        let scope = request.scope.map(Cow::Borrowed);
        input = match machine.advance(input) {
            Output::Unauthenticated {
                client,
                pass: Some(_),
            } if client == request.client_id => Input::Authenticated { scope },
            Output::RecoverRefresh { .. } => {
                let facts = GrantFacts {
                    client_id: request.issued_to,
                    redirect_uri: NOWHERE,
                    scopes: request.scopes,
                };
                Input::Recovered {
                    scope,
                    grant: Some(Box::new(grant(&facts)?)),
                }
            }
            Output::Refresh { grant, .. } => return Ok(scope_set(&grant.scope)),
            Output::Err(mut error) => {
                return Err(error
                    .description()
                    .map_or(MachineRefusal::Broken, |told| told.kind().into()));
            }
            Output::Unauthenticated { .. } | Output::Ok(_) => return Err(MachineRefusal::Broken),
        };
    }
}

/// A client that asks for itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientRequest<'a> {
    /// The authenticated client.
    pub(crate) client_id: &'a str,
    pub(crate) scope: Option<&'a str>,
}

impl client_credentials::Request for ClientRequest<'_> {
    fn valid(&self) -> bool {
        true
    }

    // The machine insists on a passphrase; the client was authenticated before, so an empty one will do.
    fn authorization(&self) -> Option<(Cow<'_, str>, Cow<'_, [u8]>)> {
        Some((Cow::Borrowed(self.client_id), Cow::Borrowed(&[])))
    }

    fn scope(&self) -> Option<Cow<'_, str>> {
        self.scope.map(Cow::Borrowed)
    }

    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(GrantType::ClientCredentials.as_str()))
    }

    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// Validates a client's own request (RFC 6749 §4.4.2). `negotiate` says which scopes it gets.
pub(crate) fn client_credentials<R: From<MachineRefusal>>(
    request: &ClientRequest<'_>,
    negotiate: impl FnOnce() -> Result<ScopeSet, R>,
) -> Result<ScopeSet, R> {
    use client_credentials::{ClientCredentials, Input, Output};
    let mut negotiate = Some(negotiate);
    let mut machine = ClientCredentials::new(request);
    let mut input = Input::None;
    loop {
        input = match machine.advance(input) {
            Output::Authenticate { client, .. } if client == request.client_id => {
                Input::Authenticated
            }
            Output::Binding { client_id } => {
                let client_id = Cow::Owned(client_id.to_owned());
                let redirect_uri = Cow::Owned(registered(NOWHERE)?);
                Input::Bound {
                    bound_client: BoundClient {
                        client_id,
                        redirect_uri,
                    },
                }
            }
            Output::Extend => Input::Extended {
                extensions: Extensions::new(),
            },
            Output::Negotiate { .. } => {
                let negotiate = negotiate.take().ok_or(MachineRefusal::Broken)?;
                let scope = machine_scope(&negotiate()?)?;
                let client_id = request.client_id.to_owned();
                let redirect_uri = registered(NOWHERE)?;
                Input::Negotiated {
                    pre_grant: PreGrant {
                        client_id,
                        redirect_uri,
                        scope,
                    },
                }
            }
            Output::Ok { pre_grant, .. } => return Ok(scope_set(&pre_grant.scope)),
            Output::Err(mut error) => {
                let told = error.description().map(|told| told.kind().into());
                return Err(told.unwrap_or(MachineRefusal::Broken).into());
            }
            Output::Authenticate { .. } => return Err(MachineRefusal::Broken.into()),
        };
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
