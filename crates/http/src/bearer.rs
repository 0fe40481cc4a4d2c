//! Bearer tokens at our own API (RFC 6750): who is asking, and may they?
//!
//! 1. The token comes in the `Authorization` header, and nowhere else: one in the query or in a form is no credential (§2.1; OAuth 2.1
//!    has dropped the other two ways), and beside the header it is two at once, which is refused (§2).
//! 2. Garbage ends here, without a question to the database. An address that used up its failures waits.
//! 3. One look-up brings the token with everything that binds it. It must be alive, of this tenant, and made for our own API; to whoever
//!    presents it, everything else is `invalid_token`, in the same words.
//! 4. It must be a person's and carry the scope that the route asks for, or it is `insufficient_scope`.
//! 5. The call is written down with the token's id, whether it was allowed or not. There is no other way to a [`BearerUser`].

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use curfew_protocol::own_api::{OWN_API, OWN_API_EPOCH};
use curfew_protocol::{
    Lifetime, OwnScope, ParsedToken, ScopeSet, TenantId, Timestamp, TokenId, TokenKind, UserId,
};
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use curfew_store::last_uses::{Use, Used};
use curfew_store::nodes::NodeUser;
use curfew_store::tokens::TokenChain;
use curfew_store::users::User;
use curfew_store::{StoreError, Write};

use crate::edge::Edge;
use crate::origin;
use crate::problem::Problem;
use crate::rates::Bucket;
use crate::realm::Realm;

/// A person whose token was alive a moment ago, and carried the scope that was asked for. Whoever writes on its strength judges it
/// again in the transaction ([`alive_again`]).
#[derive(Clone, Debug)]
pub struct BearerUser {
    token_id: TokenId,
    tenant_id: TenantId,
    user_id: UserId,
    username: String,
    client_id: Option<String>,
    scopes: ScopeSet,
    expires_at: Timestamp,
    administrator: bool,
}

impl BearerUser {
    pub const fn token_id(&self) -> TokenId {
        self.token_id
    }

    pub const fn tenant_id(&self) -> TenantId {
        self.tenant_id
    }

    pub const fn user_id(&self) -> UserId {
        self.user_id
    }

    pub fn username(&self) -> &str {
        &self.username
    }

    /// The client that the token was issued to; a personal access token has none.
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// What the token may do at our own API.
    pub const fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    /// When the token ends, with all that binds it.
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Is the person an administrator of the tenant now? Nothing of it is kept in the token.
    pub const fn is_administrator(&self) -> bool {
        self.administrator
    }

    /// What the audit trail says of them.
    pub const fn authenticated_by(&self) -> AuthenticatedBy {
        AuthenticatedBy::BearerToken(self.token_id)
    }
}

/// The token once more, inside a transaction, and held until its end: `None` when it died since.
pub fn alive_again(write: &mut Write<'_>, id: TokenId) -> Result<Option<TokenChain>, StoreError> {
    let now = write.now();
    write.token_hold(id)?;
    Ok(write
        .token_chain(id)?
        .filter(|token| token.judge(now).is_ok()))
}

/// Why nobody is let in (RFC 6750 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    NoCredentials,
    SeveralMethods,
    InvalidToken,
    InsufficientScope(OwnScope),
    TooMany(Lifetime),
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoCredentials => Self::bearer_missing(),
            Refusal::SeveralMethods => Self::bearer_several_methods(),
            Refusal::InvalidToken => Self::invalid_token(),
            Refusal::InsufficientScope(scope) => Self::insufficient_scope(scope),
            Refusal::TooMany(wait) => Self::too_many_attempts(wait),
        }
    }
}

/// Lets in whoever presents a token that may do `wanted` to its owner's account in `realm`.
pub async fn authenticate(
    edge: &Edge,
    realm: &Realm,
    request: &HttpRequest,
    wanted: OwnScope,
) -> Result<BearerUser, Problem> {
    let presented = Presented::read(request)?;
    let call = Call {
        edge,
        realm,
        origin: origin::of(request, edge),
        route: route(request),
        wanted,
    };
    if let Some(wait) = call.blocked() {
        return Err(Refusal::TooMany(wait).into());
    }
    let Some(found) = call.look_up(presented).await? else {
        return Err(call.failed().await?.into());
    };
    let allowed = match call.caller(&found) {
        Some(user) => call.within_budget(&user).await?.map(|()| user),
        None => Err(Refusal::InsufficientScope(wanted)),
    };
    if !matches!(allowed, Err(Refusal::TooMany(_))) {
        call.write_down(&found, allowed.is_ok()).await?;
    }
    if allowed.is_ok() {
        call.note_use(&found);
    }
    Ok(allowed?)
}

/// A well-formed token, as it was presented.
struct Presented {
    kind: TokenKind,
    token: ParsedToken,
}

impl Presented {
    fn read(request: &HttpRequest) -> Result<Self, Refusal> {
        let mut headers = request.headers().get_all(AUTHORIZATION);
        let Some(header) = headers.next() else {
            return Err(Refusal::NoCredentials);
        };
        if headers.next().is_some() || has_second_method(request) {
            return Err(Refusal::SeveralMethods);
        }
        let (scheme, token) = std::str::from_utf8(header.as_bytes())
            .map_err(|_| Refusal::InvalidToken)?
            .split_once(' ')
            .unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refusal::NoCredentials);
        }
        let token = token.trim_start_matches(' ');
        let kind = TokenKind::of(token)
            .filter(|kind| opens_the_api(*kind))
            .ok_or(Refusal::InvalidToken)?;
        let token = ParsedToken::parse(kind, token).map_err(|_| Refusal::InvalidToken)?;
        Ok(Self { kind, token })
    }
}

const fn opens_the_api(kind: TokenKind) -> bool {
    match kind {
        TokenKind::AccessToken | TokenKind::PersonalAccessToken => true,
        TokenKind::RefreshToken
        | TokenKind::AuthorizationCode
        | TokenKind::Session
        | TokenKind::ClientSecret
        | TokenKind::MailedLink
        | TokenKind::BootstrapSecret
        | TokenKind::DeviceCode
        | TokenKind::UpstreamState => false,
    }
}

/// Is there another place for a token (RFC 6750 §2.2, §2.3)? Forms are not read here at all, so one beside the header is refused
/// whatever stands in it.
fn has_second_method(request: &HttpRequest) -> bool {
    let in_query = url::form_urlencoded::parse(request.query_string().as_bytes())
        .any(|(name, _)| name == "access_token");
    let form = b"application/x-www-form-urlencoded";
    in_query
        || request.headers().get_all(CONTENT_TYPE).any(|kind| {
            let start = kind.as_bytes().get(..form.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(form))
        })
}

/// What was called, for the audit trail: the method and the route's pattern, never what stood in the path.
fn route(request: &HttpRequest) -> String {
    let pattern = request.match_pattern().unwrap_or_default();
    let pattern = pattern.strip_prefix("/t/{tenant}").unwrap_or(&pattern);
    format!("{} {pattern}", request.method())
}

/// One call under way.
struct Call<'a> {
    edge: &'a Edge,
    realm: &'a Realm,
    origin: Origin,
    route: String,
    wanted: OwnScope,
}

/// A token that is good here, and whose it is.
struct Found {
    token: TokenChain,
    /// `None`: a client's own, or of a person who is no more.
    user: Option<User>,
    expires_at: Timestamp,
    now: Timestamp,
}

impl Call<'_> {
    fn failures(&self) -> Bucket {
        let ip = self.origin.ip.as_deref().unwrap_or("");
        Bucket::new("bearer_failures", &[ip])
    }

    fn blocked(&self) -> Option<Lifetime> {
        let now = self.edge.store.clock().now();
        self.edge.rates.blocked(&[self.failures()], now)
    }

    /// `None`: not a token that opens anything here, for whichever reason.
    async fn look_up(&self, presented: Presented) -> Result<Option<Found>, StoreError> {
        let id = TokenId::from_bytes(presented.token.selector);
        let (token, user, now) = self
            .edge
            .store
            .read(move |read| {
                let token = read.token_chain(id)?;
                let owner = token.as_ref().and_then(|token| token.node.user.as_ref());
                let user = match owner.map(|user| user.id) {
                    Some(id) => read.user(id)?,
                    None => None,
                };
                Ok((token, user, read.now()))
            })
            .await?;
        let Some(token) = token.filter(|token| self.is_the_token(token, &presented)) else {
            return Ok(None);
        };
        let Ok(alive) = token.judge(now) else {
            return Ok(None);
        };
        let for_us = own_scopes(&token).is_some() && token.node.tenant_id == self.realm.tenant_id;
        Ok(for_us.then_some(Found {
            token,
            user,
            expires_at: alive.expires_at(),
            now,
        }))
    }

    /// The digest is keyed by the kind, so a token passes as what it was minted as and as nothing else.
    fn is_the_token(&self, token: &TokenChain, presented: &Presented) -> bool {
        self.edge.store.keys().verify(
            presented.kind,
            token.id.as_bytes(),
            &presented.token.secret,
            token.digest,
        )
    }

    fn caller(&self, found: &Found) -> Option<BearerUser> {
        let user = found.user.as_ref()?;
        let scopes = own_scopes(&found.token)?;
        scopes.contains(self.wanted.as_str()).then(|| BearerUser {
            token_id: found.token.id,
            tenant_id: user.tenant_id,
            user_id: user.id,
            username: user.username.clone(),
            client_id: found
                .token
                .node
                .client
                .as_ref()
                .map(|client| client.client_id.clone()),
            scopes: scopes.clone(),
            expires_at: found.expires_at,
            administrator: user.administrator,
        })
    }

    /// A failure is counted before it is answered, so that a list of found tokens is not tried out here at leisure.
    async fn failed(&self) -> Result<Refusal, StoreError> {
        metrics::counter!("curfew_bearer_failures_total").increment(1);
        let rates = &self.edge.rates;
        let spent = rates
            .spend(&self.edge.store, self.failures(), rates.bearer_failures)
            .await?;
        Ok(match spent {
            Ok(()) => Refusal::InvalidToken,
            Err(wait) => Refusal::TooMany(wait),
        })
    }

    /// Every call leaves a row, so the calls of an account are bounded.
    async fn within_budget(&self, user: &BearerUser) -> Result<Result<(), Refusal>, StoreError> {
        let rates = &self.edge.rates;
        let bucket = Bucket::new("api_calls", &[&user.user_id.to_string()]);
        let spent = rates
            .spend(&self.edge.store, bucket, rates.api_calls)
            .await?;
        Ok(spent.map_err(Refusal::TooMany))
    }

    fn note_use(&self, found: &Found) {
        let user = found.token.node.user.as_ref();
        self.edge.uses.record(Use::by_holder(
            Used::Token(found.token.id),
            found.now,
            user.map(NodeUser::seen),
            self.origin.ip.clone(),
        ));
    }

    async fn write_down(&self, found: &Found, allowed: bool) -> Result<(), StoreError> {
        let node = &found.token.node;
        let by = AuthenticatedBy::BearerToken(found.token.id);
        let entry = AuditEntry {
            succeeded: allowed,
            tenant_id: Some(self.realm.tenant_id),
            user_id: node.user_id(),
            client: node.client.as_ref().map(|client| client.key),
            token_id: Some(found.token.id),
            scopes: Some(self.wanted.as_str().to_owned()),
            detail: Some(self.route.clone()),
            ..AuditEntry::new(AuditEvent::ApiCalled, by, self.origin.clone())
        };
        let written = self
            .edge
            .store
            .write(move |write| write.audit(&entry).map(Ok::<_, ()>));
        written.await.map(|_| ())
    }
}

/// What the token may do at our own API. `None`: it was not made for it.
fn own_scopes(token: &TokenChain) -> Option<&ScopeSet> {
    let audience = token.audiences.find(OWN_API)?;
    (audience.epoch == OWN_API_EPOCH).then_some(&audience.scopes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;
    use curfew_protocol::{OpaqueToken, SecretBytes};

    fn token(kind: TokenKind) -> String {
        OpaqueToken::new(kind, [7; 16], SecretBytes::from_bytes([9; 32])).reveal()
    }

    fn read(target: &str, headers: &[(&str, &str)]) -> Result<TokenKind, Refusal> {
        let request = headers
            .iter()
            .fold(TestRequest::with_uri(target), |request, header| {
                request.append_header((header.0.to_owned(), header.1.to_owned()))
            })
            .to_http_request();
        Presented::read(&request).map(|presented| presented.kind)
    }

    #[test]
    fn s21_12_the_scheme_is_compared_without_case_and_other_schemes_are_none() {
        let token = token(TokenKind::AccessToken);
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let value = format!("{scheme} {token}");
            assert_eq!(
                read("/", &[("authorization", &value)]),
                Ok(TokenKind::AccessToken)
            );
        }
        for value in ["Basic YTpi", &token, "", "BearerX y"] {
            assert_eq!(
                read("/", &[("authorization", value)]),
                Err(Refusal::NoCredentials),
                "{value}"
            );
        }
    }

    #[test]
    fn s21_11_a_token_travels_in_the_header_only_and_by_one_way_only() {
        let token = token(TokenKind::PersonalAccessToken);
        let (value, query) = (format!("Bearer {token}"), format!("/?access_token={token}"));
        let form = (
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        );
        assert_eq!(read(&query, &[]), Err(Refusal::NoCredentials));
        assert_eq!(read("/", &[form]), Err(Refusal::NoCredentials));
        let header = ("authorization", value.as_str());
        assert_eq!(read("/", &[header]), Ok(TokenKind::PersonalAccessToken));
        for (target, headers) in [
            (query.as_str(), &[header] as &[_]),
            ("/?a=b&access%5Ftoken=", &[header]),
            ("/", &[header, form]),
            ("/", &[header, header]),
        ] {
            assert_eq!(
                read(target, headers),
                Err(Refusal::SeveralMethods),
                "{target}"
            );
        }
    }

    #[test]
    fn a_credential_of_another_kind_is_an_invalid_token() {
        for kind in TokenKind::ALL {
            let value = format!("Bearer {}", token(kind));
            let expected = if opens_the_api(kind) {
                Ok(kind)
            } else {
                Err(Refusal::InvalidToken)
            };
            assert_eq!(read("/", &[("authorization", &value)]), expected);
        }
        for value in ["Bearer ", "Bearer x", "Bearer cfat_", "Bearer a b"] {
            assert_eq!(
                read("/", &[("authorization", value)]),
                Err(Refusal::InvalidToken),
                "{value}"
            );
        }
    }
}
