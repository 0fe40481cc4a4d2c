//! Bodies of the wire.

use serde::Serialize;

use crate::ids::TokenId;
use crate::time::Lifetime;

/// A token response (RFC 6749 §5.1).
#[derive(Debug, Serialize)]
pub struct TokenResponse {
    pub access_token: String,
    pub token_type: &'static str,
    pub expires_in: Lifetime,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    pub scope: String,
    /// RFC 8693 §2.2.1
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_token_type: Option<&'static str>,
}

/// A device authorization response (RFC 8628 §3.2).
#[derive(Debug, Serialize)]
pub struct DeviceAuthorizationResponse {
    pub device_code: String,
    pub user_code: String,
    pub verification_uri: String,
    pub verification_uri_complete: String,
    pub expires_in: Lifetime,
    pub interval: Lifetime,
}

/// An error response (RFC 6749 §5.2).
#[derive(Debug, Serialize)]
pub struct ErrorResponse<'a> {
    pub error: &'a str,
    pub error_description: &'a str,
}

/// An active introspection response (RFC 7662 §2.2). The inactive one is [`INACTIVE`].
#[derive(Debug, Serialize)]
pub struct ActiveToken<'a> {
    pub active: bool,
    pub scope: &'a str,
    /// None for a token that a person made for their own programs: there is no client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<&'a str>,
    pub token_type: &'static str,
    pub exp: i64,
    pub iat: i64,
    pub sub: &'a str,
    pub aud: &'a str,
    pub iss: &'a str,
    pub jti: TokenId,
    /// When the person last proved who they are; what is derived inherits it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// Who acts for the subject (RFC 8693 §4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<serde_json::Value>,
}

/// The same bytes for every cause (RFC 7662 §2.2).
pub const INACTIVE: &str = r#"{"active":false}"#;

/// Authorization server metadata (RFC 8414 §2).
#[derive(Debug, Serialize)]
pub struct Metadata {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub device_authorization_endpoint: String,
    pub introspection_endpoint: String,
    pub revocation_endpoint: String,
    pub scopes_supported: Vec<String>,
    pub response_types_supported: &'static [&'static str],
    pub response_modes_supported: Vec<&'static str>,
    pub grant_types_supported: Vec<&'static str>,
    pub token_endpoint_auth_methods_supported: Vec<&'static str>,
    pub revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    pub introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    pub code_challenge_methods_supported: &'static [&'static str],
    pub authorization_response_iss_parameter_supported: bool,
}
