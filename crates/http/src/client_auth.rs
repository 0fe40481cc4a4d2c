//! Client authentication (RFC 6749 §2.3): by Basic header, by body, or none for public clients; never two at once.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use curfew_policy::status::OwnerStatus;
use curfew_protocol::{
    ClientAuthMethod, ErrorCode, Form, OAuthError, ParsedToken, Redacted, TokenKind,
};
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use curfew_store::clients::{Client, Secrets};
use curfew_store::{ServerKeys, StoreError};

use crate::edge::Edge;
use crate::problem::Problem;
use crate::rates::Bucket;
use crate::realm::Realm;

/// What a request says about its sender.
#[derive(Debug)]
pub struct PresentedClient {
    pub client_id: String,
    pub secret: Option<Redacted<String>>,
    pub method: ClientAuthMethod,
}

impl PresentedClient {
    pub const fn used_basic(&self) -> bool {
        matches!(self.method, ClientAuthMethod::ClientSecretBasic)
    }

    /// Reads header and form.
    pub fn read(headers: &HeaderMap, form: &Form<'_>) -> Result<Self, Problem> {
        let mut values = headers.get_all(AUTHORIZATION);
        let header = values.next();
        if values.next().is_some() {
            return Err(invalid_request("more than one Authorization header"));
        }
        match header {
            Some(value) => Self::from_basic(value.as_bytes(), form),
            None => Self::from_form(form),
        }
    }

    fn from_form(form: &Form<'_>) -> Result<Self, Problem> {
        let Some(client_id) = form.get("client_id") else {
            return Err(Problem::invalid_client(false));
        };
        let secret = form
            .get("client_secret")
            .map(|secret| Redacted(secret.to_owned()));
        let method = match secret {
            Some(_) => ClientAuthMethod::ClientSecretPost,
            None => ClientAuthMethod::None,
        };
        Ok(Self {
            client_id: client_id.to_owned(),
            secret,
            method,
        })
    }

    fn from_basic(value: &[u8], form: &Form<'_>) -> Result<Self, Problem> {
        let (client_id, secret) = basic(value).ok_or_else(|| Problem::invalid_client(true))?;
        if form.get("client_secret").is_some() {
            return Err(invalid_request(
                "more than one client authentication method",
            ));
        }
        if form
            .get("client_id")
            .is_some_and(|other| other != client_id)
        {
            return Err(invalid_request(
                "client_id differs from the authenticated client",
            ));
        }
        Ok(Self {
            client_id,
            secret: Some(Redacted(secret)),
            method: ClientAuthMethod::ClientSecretBasic,
        })
    }
}

fn invalid_request(description: &'static str) -> Problem {
    OAuthError::new(ErrorCode::InvalidRequest, description).into()
}

/// `Basic`, both halves form-encoded before they were joined (RFC 6749 §2.3.1).
fn basic(value: &[u8]) -> Option<(String, String)> {
    let (scheme, credentials) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (client_id, secret) = decoded.split_once(':')?;
    let (client_id, secret) = (form_decoded(client_id)?, form_decoded(secret)?);
    (!client_id.is_empty() && !secret.is_empty()).then_some((client_id, secret))
}

fn form_decoded(part: &str) -> Option<String> {
    let pair = format!("v={}", part.replace('&', "%26"));
    Form::parse(pair.as_bytes(), &[])
        .ok()?
        .get("v")
        .map(ToOwned::to_owned)
}

/// Does `presented` match one of an owner's live secrets?
pub fn secret_matches(
    keys: &ServerKeys,
    owner: &[u8; 16],
    secrets: &Secrets,
    presented: &str,
    now: curfew_protocol::Timestamp,
) -> bool {
    let Ok(parsed) = ParsedToken::parse(TokenKind::ClientSecret, presented) else {
        return false;
    };
    secrets
        .valid_at(now)
        .any(|digest| keys.verify(TokenKind::ClientSecret, owner, &parsed.secret, digest))
}

/// A client that proved who it is, or a public one that said so.
#[derive(Debug)]
pub struct AuthenticatedClient {
    client: Client,
    method: ClientAuthMethod,
}

impl AuthenticatedClient {
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// What the audit trail says of it.
    pub const fn authenticated_by(&self) -> AuthenticatedBy {
        match self.method {
            ClientAuthMethod::ClientSecretBasic | ClientAuthMethod::ClientSecretPost => {
                AuthenticatedBy::ClientSecret(self.client.key)
            }
            ClientAuthMethod::None => AuthenticatedBy::Nobody,
        }
    }
}

/// Authenticates a client of `realm`. A wrong secret is counted before it is answered.
pub async fn authenticate(
    edge: &Edge,
    realm: &Realm,
    presented: &PresentedClient,
    origin: &Origin,
) -> Result<AuthenticatedClient, Problem> {
    let buckets = Bucket::client_failures(&presented.client_id, origin);
    if let Some(wait) = edge.rates.blocked(&buckets, edge.store.clock().now()) {
        return Err(Problem::too_many_attempts(wait));
    }
    let found = edge.store.client_by_client_id(&presented.client_id).await?;
    match found {
        Some(client) if is_authentic(edge, realm, &client, presented) => Ok(AuthenticatedClient {
            client,
            method: presented.method,
        }),
        found => {
            refuse(edge, realm, found, origin, buckets).await?;
            Err(Problem::invalid_client(presented.used_basic()))
        }
    }
}

fn is_authentic(edge: &Edge, realm: &Realm, client: &Client, presented: &PresentedClient) -> bool {
    if client.tenant_id != realm.tenant_id || client.status != OwnerStatus::Active {
        return false;
    }
    match (&client.secrets, &presented.secret) {
        (None, None) => true,
        (Some(secrets), Some(secret)) => {
            let now = edge.store.clock().now();
            secret_matches(
                edge.store.keys(),
                client.key.as_bytes(),
                secrets,
                &secret.0,
                now,
            )
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// Counts the failure and, when the client is known, writes it down.
async fn refuse(
    edge: &Edge,
    realm: &Realm,
    client: Option<Client>,
    origin: &Origin,
    buckets: Vec<Bucket>,
) -> Result<(), StoreError> {
    metrics::counter!("curfew_client_authentication_failures_total").increment(1);
    let (tenant_id, origin) = (realm.tenant_id, origin.clone());
    let rate = edge.rates.client_failures;
    let counted = buckets.clone();
    let exhausted = edge
        .store
        .write(move |write| {
            let mut exhausted = Vec::new();
            for bucket in &counted {
                if let Err(spent) = write.rate_take(bucket.as_str(), rate)? {
                    exhausted.push((bucket.clone(), spent.until));
                }
            }
            if let (Some(client), true) = (&client, exhausted.is_empty()) {
                write.audit(&AuditEntry {
                    tenant_id: Some(tenant_id),
                    client: Some(client.key),
                    ..AuditEntry::new(
                        AuditEvent::ClientRefused,
                        AuthenticatedBy::Nobody,
                        origin.clone(),
                    )
                    .refused("client_authentication_failed")
                })?;
            }
            Ok(Ok::<_, ()>(exhausted))
        })
        .await?;
    edge.rates
        .block(exhausted.unwrap_or_default(), edge.store.clock().now());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn read(header: Option<&str>, body: &str) -> Result<PresentedClient, ErrorCode> {
        let mut headers = HeaderMap::new();
        if let Some(value) = header {
            headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        let form = Form::parse(body.as_bytes(), &[]).unwrap();
        PresentedClient::read(&headers, &form).map_err(|problem| problem.code())
    }

    fn basic_header(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn s21_06_one_method_and_only_one() {
        let header = basic_header("app:s%3Ax");
        let presented = read(Some(&header), "").unwrap();
        assert_eq!(
            (
                presented.client_id.as_str(),
                presented.secret.unwrap().0.as_str()
            ),
            ("app", "s:x")
        );
        assert_eq!(
            read(Some(&header), "client_secret=y").err(),
            Some(ErrorCode::InvalidRequest)
        );
        assert_eq!(
            read(Some(&header), "client_id=other").err(),
            Some(ErrorCode::InvalidRequest)
        );
        assert_eq!(
            read(Some(&header), "client_id=app").unwrap().client_id,
            "app"
        );
        assert_eq!(
            read(None, "client_id=app").unwrap().method,
            ClientAuthMethod::None
        );
        assert_eq!(
            read(None, "client_id=app&client_secret=x").unwrap().method,
            ClientAuthMethod::ClientSecretPost
        );
        assert_eq!(read(None, "").err(), Some(ErrorCode::InvalidClient));
    }

    #[test]
    fn broken_basic_is_a_failed_authentication() {
        for header in [
            "Basic",
            "Basic !!!",
            "Bearer x",
            "basic Og==",
            &basic_header("app"),
            &basic_header(":x"),
        ] {
            assert_eq!(
                read(Some(header), "").err(),
                Some(ErrorCode::InvalidClient),
                "{header}"
            );
        }
    }
}
