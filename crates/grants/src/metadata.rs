//! Authorization server metadata (RFC 8414), made from the configuration and the tenant's scopes at each request.

use actix_web::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::{Edge, Problem, Realm, answer};
use curfew_protocol::wire::Metadata;
use curfew_protocol::{ClientAuthMethod, GrantType, ResponseMode};

/// `GET /.well-known/oauth-authorization-server`
pub(crate) async fn get(edge: Data<Edge>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let Some(realm) = Realm::of(&request, &edge).await? else {
        return Ok(HttpResponse::NotFound().finish());
    };
    let tenant = realm.tenant_id;
    let scopes = edge.store.read(move |read| read.scope_list(tenant)).await?;
    let scopes = scopes.into_iter().map(|scope| scope.name).collect();
    let mut response = answer::json(&document(&realm.issuer(&edge), scopes));
    // Public facts, for anybody's scripts, without credentials.
    response
        .headers_mut()
        .insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    Ok(response)
}

fn document(issuer: &str, scopes_supported: Vec<String>) -> Metadata {
    let endpoint = |path: &str| format!("{issuer}{path}");
    let methods = |methods: &[ClientAuthMethod]| methods.iter().map(|m| m.as_str()).collect();
    Metadata {
        issuer: issuer.to_owned(),
        authorization_endpoint: endpoint("/authorize"),
        token_endpoint: endpoint("/token"),
        device_authorization_endpoint: endpoint("/device_authorization"),
        introspection_endpoint: endpoint("/introspect"),
        revocation_endpoint: endpoint("/revoke"),
        scopes_supported,
        response_types_supported: &["code"],
        response_modes_supported: ResponseMode::ALL.iter().map(|mode| mode.as_str()).collect(),
        grant_types_supported: GrantType::ALL.iter().map(|grant| grant.as_str()).collect(),
        token_endpoint_auth_methods_supported: methods(ClientAuthMethod::ALL),
        revocation_endpoint_auth_methods_supported: methods(ClientAuthMethod::ALL),
        introspection_endpoint_auth_methods_supported: methods(&[
            ClientAuthMethod::ClientSecretBasic,
            ClientAuthMethod::ClientSecretPost,
        ]),
        code_challenge_methods_supported: &["S256"],
        authorization_response_iss_parameter_supported: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_offers_nothing_in_the_front_channel_and_only_s256() {
        let document = document("https://id.example/t/acme", vec!["read".to_owned()]);
        let json = serde_json::to_value(&document).unwrap();
        assert_eq!(json["issuer"], "https://id.example/t/acme");
        assert_eq!(json["token_endpoint"], "https://id.example/t/acme/token");
        assert_eq!(
            json["response_types_supported"],
            serde_json::json!(["code"])
        );
        assert_eq!(
            json["code_challenge_methods_supported"],
            serde_json::json!(["S256"])
        );
        assert_eq!(json["authorization_response_iss_parameter_supported"], true);
    }
}
