//! The discovery document of a provider (OpenID Connect Discovery 1.0 §3, RFC 8414 §2).

use serde_json::Value;
use url::{Host, Url};

use super::AnswerError;
use super::members::{Members, from_bytes, required};
use crate::words::SignatureAlgorithm;

const MAX_URL: usize = 1_000;
const MAX_WORD: usize = 255;

/// What a provider says about itself. Every endpoint is an `https` URL, or an `http` one on the loopback interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderMetadata {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub userinfo_endpoint: Option<String>,
    pub jwks_uri: String,
    pub end_session_endpoint: Option<String>,
    pub scopes_supported: Option<Vec<String>>,
    pub response_types_supported: Option<Vec<String>>,
    pub claims_supported: Option<Vec<String>>,
    /// As written; [`Self::algorithms`] are those that we know.
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// `None` when nothing is said. PKCE is sent all the same.
    pub code_challenge_methods_supported: Option<Vec<String>>,
    /// `client_secret_basic` alone when nothing is said (Discovery §3).
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// Every authorization response has an `iss` (RFC 9207 §3).
    pub authorization_response_iss_parameter_supported: bool,
    pub backchannel_logout_supported: bool,
    pub backchannel_logout_session_supported: bool,
}

impl ProviderMetadata {
    pub fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        from_bytes(body, Self::of)
    }

    fn of(value: &Value) -> Result<Self, AnswerError> {
        let members = Members::of(value)?;
        let endpoint = |name| required(name, optional_endpoint(members, name)?);
        let words = |name| members.texts(name, MAX_WORD);
        let flag = |name| members.flag(name).map(|flag| flag.unwrap_or(false));
        let algorithms = "id_token_signing_alg_values_supported";
        Ok(Self {
            issuer: issuer(members)?,
            authorization_endpoint: endpoint("authorization_endpoint")?,
            token_endpoint: endpoint("token_endpoint")?,
            userinfo_endpoint: optional_endpoint(members, "userinfo_endpoint")?,
            jwks_uri: endpoint("jwks_uri")?,
            end_session_endpoint: optional_endpoint(members, "end_session_endpoint")?,
            scopes_supported: words("scopes_supported")?,
            response_types_supported: words("response_types_supported")?,
            claims_supported: words("claims_supported")?,
            id_token_signing_alg_values_supported: required(algorithms, words(algorithms)?)?,
            code_challenge_methods_supported: words("code_challenge_methods_supported")?,
            token_endpoint_auth_methods_supported: words("token_endpoint_auth_methods_supported")?,
            authorization_response_iss_parameter_supported: flag(
                "authorization_response_iss_parameter_supported",
            )?,
            backchannel_logout_supported: flag("backchannel_logout_supported")?,
            backchannel_logout_session_supported: flag("backchannel_logout_session_supported")?,
        })
    }

    /// Is this the document of the issuer that an administrator configured? Byte for byte: another slash, case, port or spelling is
    /// another issuer (B18, Discovery §4.3).
    pub fn matches_issuer(&self, configured: &str) -> bool {
        self.issuer == configured
    }

    /// The algorithms of ID tokens that can be verified.
    pub fn algorithms(&self) -> Vec<SignatureAlgorithm> {
        let names = self.id_token_signing_alg_values_supported.iter();
        names
            .filter_map(|name| SignatureAlgorithm::parse(name))
            .collect()
    }
}

/// An issuer has neither query nor fragment (Discovery §3).
fn issuer(members: Members<'_>) -> Result<String, AnswerError> {
    let issuer = required("issuer", optional_endpoint(members, "issuer")?)?;
    if issuer.contains('?') {
        return Err(AnswerError::BadValue("issuer"));
    }
    Ok(issuer)
}

fn optional_endpoint(
    members: Members<'_>,
    name: &'static str,
) -> Result<Option<String>, AnswerError> {
    match members.text(name, MAX_URL)? {
        Some(text) if is_endpoint(&text) => Ok(Some(text)),
        Some(_) => Err(AnswerError::BadValue(name)),
        None => Ok(None),
    }
}

/// May a provider be spoken to at `text`? `https`, or `http` on the loopback interface, without user name, password and fragment.
pub fn is_endpoint(text: &str) -> bool {
    // The parser repairs what is not there: `https:/host`, `https:///host`, a tab inside, a backslash.
    let plain = text
        .bytes()
        .all(|b| (0x21..=0x7e).contains(&b) && b != b'\\' && b != b'#');
    let spelled = text.starts_with("https://") || text.starts_with("http://");
    if !plain || !spelled || text.len() > MAX_URL {
        return false;
    }
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    let authority = text.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?']).next().unwrap_or("");
    let named = !authority.is_empty() && !authority.contains('@');
    named && (url.scheme() == "https" || is_loopback(url.host()))
}

fn is_loopback(host: Option<Host<&str>>) -> bool {
    match host {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address == std::net::Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(address)) => address == std::net::Ipv6Addr::LOCALHOST,
        None => false,
    }
}

#[cfg(test)]
#[path = "metadata_tests.rs"]
mod tests;
