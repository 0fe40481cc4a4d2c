//! OpenID Connect providers (OpenID Connect Core 1.0).
//!
//! 1. The discovery document tells where everything is; its issuer must be the configured one, byte for byte. [`documents`]
//! 2. The browser is sent off with state, nonce and PKCE. [`code_flow`]
//! 3. It comes back; the issuer of the response is compared (RFC 9207), so that no other provider's code is redeemed here.
//! 4. The code is redeemed for an ID token and an access token. [`code_flow`]
//! 5. The ID token's signature is verified with a key that the provider publishes. [`signature`]
//! 6. Its claims are compared with what we asked for and with the clock. [`claims`]
//! 7. An e-mail address that it lacks is asked for at the userinfo endpoint; subject and address go together (Core §5.3.4).
//!
//! Discovery document, keys and claims are read by our own strict types; the crate `openidconnect` builds the requests.

mod check;
mod claims;
mod code_flow;
mod documents;
mod signature;
#[cfg(test)]
mod tests;

use curfew_http::outbound::Call;
use curfew_protocol::Timestamp;
use curfew_protocol::upstream::claims::LogoutOf;
use curfew_protocol::upstream::token_answer::GrantedTokens;
use curfew_protocol::upstream::{
    CompactJws, EmailClaims, EmailVerified, IdTokenClaims, LogoutTokenClaims, ProviderMetadata,
    UserInfo,
};
use url::Url;

use crate::client::{AuthorizationRequest, Callback, Contact, address};
use crate::failure::{Asked, ClaimProblem, InvalidAnswer, SignatureProblem, UpstreamFailure};
use crate::identity::{Checked, UpstreamIdentity};

pub(crate) use check::check;
pub(crate) use documents::Documents;

use claims::Expected;

/// Whom a verified logout token ends, and what tells it from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    pub of: LogoutOf,
    pub jti: String,
    pub iat: Timestamp,
    pub exp: Timestamp,
}

pub(crate) async fn authorization_url(
    documents: &Documents,
    contact: Contact<'_>,
    request: AuthorizationRequest<'_>,
) -> Result<Url, UpstreamFailure> {
    let metadata = documents.metadata(contact).await?;
    code_flow::authorization_url(contact.provider, &metadata, request)
}

pub(crate) async fn identify(
    documents: &Documents,
    contact: Contact<'_>,
    callback: Callback<'_>,
) -> Result<UpstreamIdentity, UpstreamFailure> {
    let metadata = documents.metadata(contact).await?;
    check_response_issuer(&metadata, callback.iss)?;
    let tokens = code_flow::redeem(contact, &metadata, callback).await?;
    let id_token = tokens.id_token.as_ref().ok_or(InvalidAnswer::NoIdToken)?;
    let source = Source {
        documents,
        metadata: &metadata,
        asked: Asked::IdToken,
    };
    let jws = source.verified(contact, &id_token.0, &["JWT"]).await?;
    let claims = IdTokenClaims::parse(&jws.payload)
        .map_err(|error| UpstreamFailure::unreadable(Asked::IdToken, error))?;
    let expected = Expected {
        issuer: &metadata.issuer,
        client_id: &contact.provider.client_id,
        nonce: callback.nonce,
        access_token: &tokens.access_token.0,
        algorithm: jws.header.algorithm,
        fresh_since: callback.fresh_since,
        now: contact.now,
    };
    claims::check(&claims, &expected)
        .map_err(|problem| UpstreamFailure::claims(Asked::IdToken, problem))?;
    let info = userinfo(contact, &metadata, &claims, &tokens).await?;
    Ok(identity(contact, claims, info, &tokens))
}

/// RFC 9207 §2.4.
fn check_response_issuer(
    metadata: &ProviderMetadata,
    iss: Option<&str>,
) -> Result<(), InvalidAnswer> {
    match iss {
        Some(iss) if iss == metadata.issuer => Ok(()),
        Some(_) => Err(InvalidAnswer::ResponseIssuerOther),
        None if metadata.authorization_response_iss_parameter_supported => {
            Err(InvalidAnswer::ResponseIssuerMissing)
        }
        None => Ok(()),
    }
}

/// Where a token comes from.
struct Source<'a> {
    documents: &'a Documents,
    metadata: &'a ProviderMetadata,
    asked: Asked,
}

impl Source<'_> {
    /// A token that the provider signed, of one of these types if it names one.
    async fn verified<'t>(
        &self,
        contact: Contact<'_>,
        token: &'t str,
        types: &[&str],
    ) -> Result<CompactJws<'t>, UpstreamFailure> {
        let problem = |problem| UpstreamFailure::signature(self.asked, problem);
        let jws = CompactJws::parse(token)
            .map_err(|error| UpstreamFailure::unreadable(self.asked, error))?;
        if let Some(typ) = &jws.header.typ
            && !types.iter().any(|known| known.eq_ignore_ascii_case(typ))
        {
            return Err(problem(SignatureProblem::Type));
        }
        if !self.metadata.algorithms().contains(&jws.header.algorithm) {
            return Err(problem(SignatureProblem::Algorithm));
        }
        let keys = self
            .documents
            .keys(contact, self.metadata, &jws.header)
            .await?;
        signature::verify(&jws, &keys).map_err(problem)?;
        Ok(jws)
    }
}

/// Asked only when the ID token has no address: the same person's, or the login fails.
async fn userinfo(
    contact: Contact<'_>,
    metadata: &ProviderMetadata,
    claims: &IdTokenClaims,
    tokens: &GrantedTokens,
) -> Result<Option<UserInfo>, UpstreamFailure> {
    let Some(endpoint) = &metadata.userinfo_endpoint else {
        return Ok(None);
    };
    if claims.email.email.is_some() {
        return Ok(None);
    }
    let url = address(endpoint)?;
    let call = Call::new(&url).bearer(&tokens.access_token.0);
    let answer = contact.fetch(Asked::UserInfo, call).await?;
    let info = UserInfo::parse(&answer.body)
        .map_err(|error| UpstreamFailure::unreadable(Asked::UserInfo, error))?;
    if info.sub != claims.sub {
        let problem = ClaimProblem::UserInfoSubject;
        return Err(UpstreamFailure::claims(Asked::UserInfo, problem));
    }
    Ok(Some(info))
}

fn identity(
    contact: Contact<'_>,
    claims: IdTokenClaims,
    info: Option<UserInfo>,
    tokens: &GrantedTokens,
) -> UpstreamIdentity {
    let (email, name, user_name) = match info {
        Some(info) => (
            info.email,
            claims.name.or(info.name),
            claims.preferred_username.or(info.preferred_username),
        ),
        None => (claims.email, claims.name, claims.preferred_username),
    };
    // What is said about an address that is not there is said about nothing.
    let email = match email.email {
        Some(_) => email,
        None => EmailClaims {
            email: None,
            verified: EmailVerified::Absent,
        },
    };
    let known_as = [&email.email, &name, &user_name];
    let access_ends = tokens
        .expires_in
        .map(|seconds| Timestamp::from_seconds(contact.now.seconds().saturating_add(seconds)));
    UpstreamIdentity::new(Checked {
        known_as: known_as.into_iter().flatten().cloned().collect(),
        issuer: claims.iss,
        subject: claims.sub,
        email,
        name,
        sid: claims.sid,
        ends_at: access_ends.or(Some(Timestamp::from_seconds(claims.exp))),
        auth_time: claims.auth_time.map(Timestamp::from_seconds),
    })
}

pub(crate) async fn verify_logout_token(
    documents: &Documents,
    contact: Contact<'_>,
    token: &str,
) -> Result<LogoutToken, UpstreamFailure> {
    let asked = Asked::LogoutToken;
    let metadata = documents.metadata(contact).await?;
    let source = Source {
        documents,
        metadata: &metadata,
        asked,
    };
    // An explicit type is recommended, and `JWT` or none is what older providers write (Back-Channel Logout §2.4).
    let jws = source
        .verified(contact, token, &["logout+jwt", "JWT"])
        .await?;
    let claims = LogoutTokenClaims::parse(&jws.payload)
        .map_err(|error| UpstreamFailure::unreadable(asked, error))?;
    claims::check_logout(&claims, contact)
        .map_err(|problem| UpstreamFailure::claims(asked, problem))?;
    Ok(LogoutToken {
        of: claims.of,
        jti: claims.jti,
        iat: Timestamp::from_seconds(claims.iat),
        exp: Timestamp::from_seconds(claims.exp),
    })
}
