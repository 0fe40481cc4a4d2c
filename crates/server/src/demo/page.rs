//! The demo client's page, on a listener and an origin of its own. It is served by the demo only.

use std::net::SocketAddr;

use actix_web::dev::Server;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, HttpServer};
use curfew_http::pages::script_source;

use super::seed::{APP, IDENTIFIER, SCOPES};
use crate::failure::Failure;

const PAGE: &str = include_str!("../../assets/demo.html");
const SCRIPT: &str = include_str!("../../assets/demo.js");
const STYLE: &str = include_str!("../../assets/demo.css");

/// Binds the page's listener.
pub(super) fn listener(address: SocketAddr, issuer: &str) -> Result<Server, Failure> {
    let html = Bytes::from(html(issuer));
    let policy = policy(issuer);
    let server = HttpServer::new(move || {
        let (html, policy) = (html.clone(), policy.clone());
        App::new().route(
            "/",
            web::get().to(move || {
                let response = HttpResponse::Ok()
                    .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
                    .insert_header((CONTENT_SECURITY_POLICY, policy.clone()))
                    .insert_header((CACHE_CONTROL, "no-store"))
                    .insert_header(("referrer-policy", "no-referrer"))
                    .insert_header(("x-content-type-options", "nosniff"))
                    .body(html.clone());
                async move { response }
            }),
        )
    })
    .workers(1)
    .disable_signals();
    let bound = server.bind(address).map_err(|source| {
        Failure::io(
            format!("{address} cannot be listened on; choose another with --client-listen"),
            source,
        )
    })?;
    Ok(bound.run())
}

/// None of what is put in holds a character that HTML would read as its own: the issuer is an origin, the rest is ours.
fn html(issuer: &str) -> String {
    PAGE.replace("{{style}}", STYLE)
        .replace("{{issuer}}", issuer)
        .replace("{{client_id}}", APP)
        .replace("{{resource}}", IDENTIFIER)
        .replace("{{scope}}", SCOPES)
        .replace("{{script}}", SCRIPT)
}

/// The one script and the one style, and requests to the issuer only.
fn policy(issuer: &str) -> String {
    format!(
        "default-src 'none'; script-src {}; style-src {}; connect-src {issuer}; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        script_source(SCRIPT),
        script_source(STYLE)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_pins_exactly_the_script_and_the_style_of_the_page() {
        let html = html("http://127.0.0.1:8080");
        assert!(html.contains(&format!("<script type=\"module\">{SCRIPT}</script>")));
        assert!(html.contains(&format!("<style>{STYLE}</style>")));
        assert!(!html.contains("{{"), "everything is filled in");
        assert!(policy("http://127.0.0.1:8080").contains("connect-src http://127.0.0.1:8080;"));
    }
}
