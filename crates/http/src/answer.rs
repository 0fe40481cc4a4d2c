//! Responses: JSON that nobody caches, pages with their security headers, redirects after a POST.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, PRAGMA,
    RETRY_AFTER,
};
use curfew_protocol::Lifetime;
use serde::Serialize;

use crate::problem::PageContext;
use crate::realm::Realm;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// 200 with a JSON body that is ready.
pub fn json_text(body: impl Into<String>) -> HttpResponse {
    let mut response = HttpResponse::Ok().body(body.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(PRAGMA, NO_CACHE);
    response
}

/// 200 with `body` as JSON.
pub fn json<T: Serialize>(body: &T) -> HttpResponse {
    match serde_json::to_string(body) {
        Ok(text) => json_text(text),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// What a page's Content-Security-Policy allows beyond the strict default.
#[derive(Clone, Debug, Default)]
pub struct PagePolicy {
    /// Origins that a form of this page may lead to in the end: Chromium applies `form-action` to the redirect after the POST too.
    pub form_targets: Vec<String>,
    /// The hash of the one script of the page that submits itself.
    pub script: Option<String>,
}

impl PagePolicy {
    fn header(&self) -> String {
        let script = self.script.as_deref().unwrap_or("'none'");
        let targets: String = self
            .form_targets
            .iter()
            .map(|target| format!(" {}", form_source(target)))
            .collect();
        format!(
            "default-src 'none'; style-src 'self'; img-src 'self'; script-src {script}; base-uri 'none'; \
             frame-ancestors 'none'; form-action 'self'{targets}"
        )
    }
}

/// A source expression knows no IPv6 address (CSP Level 3 §2.3.1), and browsers drop what they cannot read: a native app's
/// redirect to `[::1]` (RFC 8252 §7.3) would be blocked. Any host at the app's own port is the nearest that can be said.
fn form_source(origin: &str) -> String {
    match origin.strip_prefix("http://[::1]") {
        Some(port) => format!("http://*{port}"),
        None => origin.to_owned(),
    }
}

/// Renders a page with the strict policy.
pub fn page<T: Serialize>(
    at: &PageContext<'_>,
    status: StatusCode,
    template: &str,
    model: &T,
) -> HttpResponse {
    page_with(at, status, (template, model), &PagePolicy::default())
}

/// Renders a page.
pub fn page_with<T: Serialize>(
    at: &PageContext<'_>,
    status: StatusCode,
    (template, model): (&str, &T),
    policy: &PagePolicy,
) -> HttpResponse {
    let language = at.language();
    let html = match at.edge.pages.render(template, &language, model) {
        Ok(html) => html,
        Err(error) => {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, source, "a page could not be rendered");
            return HttpResponse::InternalServerError().body("The page could not be shown.");
        }
    };
    let mut response = HttpResponse::build(status);
    response
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CONTENT_LANGUAGE, language.as_str()))
        .insert_header(("content-security-policy", policy.header()));
    for (name, value) in PAGE_HEADERS {
        response.insert_header((
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        ));
    }
    if at.edge.issuer.is_https() {
        response.insert_header(("strict-transport-security", "max-age=63072000"));
    }
    response.body(html)
}

const PAGE_HEADERS: [(&str, &str); 6] = [
    ("cache-control", "no-store"),
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    (
        "permissions-policy",
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
    ("cross-origin-resource-policy", "same-origin"),
];

/// `Retry-After`, for an answer with its own words for it.
pub fn retry_after(response: &mut HttpResponse, wait: Lifetime) {
    let seconds = wait.seconds().max(1);
    response.headers_mut().insert(RETRY_AFTER, seconds.into());
}

/// To the sign-in of the tenant, and back to `path` of it afterwards.
pub fn to_login(realm: &Realm, path: &str) -> HttpResponse {
    see_other(&realm.login_path(&realm.path(path)))
}

/// 303: whatever the method was, the browser goes on with GET and without the body (RFC 9700 §4.12).
pub fn see_other(location: &str) -> HttpResponse {
    match HeaderValue::from_str(location) {
        Ok(location) => HttpResponse::SeeOther()
            .insert_header((LOCATION, location))
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header(("referrer-policy", "no-referrer"))
            .finish(),
        Err(_) => HttpResponse::BadRequest().finish(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s8252_a_loopback_address_can_be_returned_to_in_either_family() {
        let targets = [
            "http://127.0.0.1:51004",
            "http://[::1]:51004",
            "com.example.app:",
        ];
        let form_targets = targets.map(ToOwned::to_owned).to_vec();
        let header = PagePolicy {
            form_targets,
            script: None,
        }
        .header();
        let expected = "form-action 'self' http://127.0.0.1:51004 http://*:51004 com.example.app:";
        assert!(header.ends_with(expected), "{header}");
    }
}
