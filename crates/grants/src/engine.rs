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
use oxide_auth::code_grant::error::{
    AccessTokenError, AccessTokenErrorType, AuthorizationErrorType,
};
use oxide_auth::code_grant::extensions::Pkce;
use oxide_auth::code_grant::{accesstoken, authorization, client_credentials, refresh};
use oxide_auth::primitives::grant::{Extensions, Grant};
use oxide_auth::primitives::registrar::{BoundClient, ExactUrl, PreGrant, RegisteredUrl};
use oxide_auth::primitives::scope::Scope;

/// The redirect URI of a flow that has none.
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

fn told(error: Option<&mut AccessTokenError>) -> MachineRefusal {
    error.map_or(MachineRefusal::Broken, |error| error.kind().into())
}

/// The parameters of a request, for the machine that reads it. Every request is complete, and none has parameters that a
/// machine should look for by itself.
macro_rules! says {
    ($self:ident: $($name:ident = $value:expr,)*) => {
        fn valid(&$self) -> bool {
            true
        }

        fn extension(&$self, _: &str) -> Option<Cow<'_, str>> {
            None
        }
        $(
            fn $name(&$self) -> Option<Cow<'_, str>> {
                let value: Option<&str> = $value;
                value.map(Cow::Borrowed)
            }
        )*
    };
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

fn bound(client_id: &str, redirect_uri: &str) -> Result<BoundClient<'static>, MachineRefusal> {
    let redirect_uri = Cow::Owned(registered(redirect_uri)?);
    Ok(BoundClient {
        client_id: Cow::Owned(client_id.to_owned()),
        redirect_uri,
    })
}

fn pre_grant(
    client_id: &str,
    redirect_uri: &str,
    scopes: &ScopeSet,
) -> Result<PreGrant, MachineRefusal> {
    let (redirect_uri, scope) = (registered(redirect_uri)?, machine_scope(scopes)?);
    Ok(PreGrant {
        client_id: client_id.to_owned(),
        redirect_uri,
        scope,
    })
}

/// What the store knows of the grant behind a code or a refresh token.
fn grant(
    client_id: &str,
    redirect_uri: &str,
    scopes: &ScopeSet,
) -> Result<Option<Box<Grant>>, MachineRefusal> {
    Ok(Some(Box::new(Grant {
        owner_id: String::new(),
        client_id: client_id.to_owned(),
        scope: machine_scope(scopes)?,
        redirect_uri: redirect_uri.parse().map_err(|_| MachineRefusal::Broken)?,
        until: DateTime::<Utc>::MAX_UTC,
        extensions: Extensions::new(),
    })))
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
    says! { self:
        client_id = Some(self.client_id),
        scope = self.scope,
        redirect_uri = Some(self.redirect_uri),
        // The machine would put it into a URL of its own, which nobody uses.
        state = None,
        response_type = self.response_type,
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
            Output::Bind { .. } => {
                let bound_client = bound(request.client_id, request.redirect_uri)?;
                Input::Bound {
                    request,
                    bound_client,
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
                let scopes = negotiate.take().ok_or(MachineRefusal::Broken)?()?;
                let pre_grant = pre_grant(request.client_id, request.redirect_uri, &scopes)?;
                Input::Negotiated {
                    pre_grant,
                    state: None,
                }
            }
            Output::Ok { pre_grant, .. } => return Ok(scope_set(&pre_grant.scope)),
            Output::Err(error) => return Err(authorization_refusal(error).into()),
        };
    }
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
    says! { self:
        // The code itself was looked up before; the machine needs to see that there was one.
        code = Some(""),
        client_id = None,
        redirect_uri = Some(self.presented_redirect_uri.unwrap_or(self.redirect_uri)),
        grant_type = Some(GrantType::AuthorizationCode.as_str()),
    }

    fn authorization(&self) -> accesstoken::Authorization<'_> {
        accesstoken::Authorization::Username(Cow::Borrowed(self.client_id))
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
    let mut machine = AccessToken::new(request);
    let mut input = Input::None;
    loop {
        input = match machine.advance(input) {
            Output::Authenticate {
                client,
                passdata: None,
            } if client == request.client_id => Input::Authenticated,
            Output::Recover { .. } => Input::Recovered(grant(
                request.issued_to,
                request.redirect_uri,
                request.scopes,
            )?),
            Output::Extend { .. } => {
                verify_pkce(request.code_challenge, request.code_verifier)?;
                Input::Extended {
                    access_extensions: Extensions::new(),
                }
            }
            Output::Issue { grant } => return Ok(scope_set(&grant.scope)),
            Output::Err(mut error) => return Err(told(error.description())),
            Output::Authenticate { .. } | Output::Ok(_) => return Err(MachineRefusal::Broken),
        };
    }
}

/// Does the verifier belong to the challenge (RFC 7636 §4.6)?
pub(crate) fn verify_pkce(
    code_challenge: &str,
    code_verifier: Option<&str>,
) -> Result<(), MachineRefusal> {
    let pkce = Pkce::required();
    let shaped = code_verifier.filter(|text| curfew_policy::pkce::is_verifier(text));
    let method = Some(Cow::Borrowed("S256"));
    let stored = pkce
        .challenge(method, Some(Cow::Borrowed(code_challenge)))
        .map_err(|()| MachineRefusal::Broken)?;
    pkce.verify(stored, shaped.map(Cow::Borrowed))
        .map_err(|()| MachineRefusal::Pkce)
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
    says! { self:
        refresh_token = Some(""),
        scope = self.scope,
        grant_type = Some(GrantType::RefreshToken.as_str()),
    }

    fn authorization(&self) -> Option<(Cow<'_, str>, Cow<'_, [u8]>)> {
        Some((Cow::Borrowed(self.client_id), Cow::Borrowed(&[])))
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
                let grant = grant(request.issued_to, NOWHERE, request.scopes)?;
                Input::Recovered { scope, grant }
            }
            Output::Refresh { grant, .. } => return Ok(scope_set(&grant.scope)),
            Output::Err(mut error) => return Err(told(error.description())),
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
    says! { self:
        scope = self.scope,
        grant_type = Some(GrantType::ClientCredentials.as_str()),
    }

    // The machine insists on a passphrase; the client was authenticated before, so an empty one will do.
    fn authorization(&self) -> Option<(Cow<'_, str>, Cow<'_, [u8]>)> {
        Some((Cow::Borrowed(self.client_id), Cow::Borrowed(&[])))
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
            Output::Binding { .. } => Input::Bound {
                bound_client: bound(request.client_id, NOWHERE)?,
            },
            Output::Extend => Input::Extended {
                extensions: Extensions::new(),
            },
            Output::Negotiate { .. } => {
                let scopes = negotiate.take().ok_or(MachineRefusal::Broken)?()?;
                Input::Negotiated {
                    pre_grant: pre_grant(request.client_id, NOWHERE, &scopes)?,
                }
            }
            Output::Ok { pre_grant, .. } => return Ok(scope_set(&pre_grant.scope)),
            Output::Err(mut error) => return Err(told(error.description()).into()),
            Output::Authenticate { .. } => return Err(MachineRefusal::Broken.into()),
        };
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
