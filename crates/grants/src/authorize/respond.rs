//! The authorization response (RFC 6749 §4.1.2, RFC 9207): a redirect, or a form that posts itself.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use curfew_http::answer::{self, PagePolicy};
use curfew_http::pages::ErrorKind;
use curfew_http::problem::PageContext;
use curfew_http::{PageProblem, origin};
use curfew_policy::redirect;
use curfew_protocol::{OAuthError, OpaqueToken, ResponseMode};
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy};
use url::form_urlencoded;

use super::Asker;
use super::refusal::AuthorizeRefusal;
use super::request::ReplyTo;
use crate::pages::{FormPostPage, HiddenField, form_post_script_source};

/// Hands the code over.
pub(super) fn code(at: &PageContext<'_>, to: &ReplyTo, code: &OpaqueToken) -> HttpResponse {
    metrics::counter!("curfew_authorizations_total", "outcome" => "code").increment(1);
    respond(at, to, vec![("code", code.reveal())])
}

/// Tells what is wrong.
pub(crate) fn refused(
    at: &PageContext<'_>,
    to: &ReplyTo,
    refusal: AuthorizeRefusal,
) -> HttpResponse {
    metrics::counter!("curfew_authorizations_total", "outcome" => "refused").increment(1);
    let error = OAuthError::from(refusal);
    let fields = vec![
        ("error", error.code().as_str().to_owned()),
        ("error_description", error.description().to_owned()),
    ];
    respond(at, to, fields)
}

/// The same for somebody who is signed in: it is written down first.
pub(crate) async fn refused_on_record(
    at: &PageContext<'_>,
    asker: Asker,
    to: &ReplyTo,
    refusal: AuthorizeRefusal,
) -> Result<HttpResponse, PageProblem> {
    let entry = AuditEntry {
        tenant_id: Some(at.realm.tenant_id),
        user_id: Some(asker.user_id),
        client: Some(asker.client),
        ..AuditEntry::new(
            AuditEvent::AuthorizationRefused,
            AuthenticatedBy::Session(asker.session_id),
            origin::of(at.request, at.edge),
        )
    };
    let entry = entry.refused(OAuthError::from(refusal).code().as_str());
    let written = at
        .edge
        .store
        .write(move |write| write.audit(&entry).map(Ok::<_, ()>))
        .await;
    written
        .map_err(|error| PageProblem::unavailable(&error, at))?
        .ok();
    Ok(refused(at, to, refusal))
}

fn respond(
    at: &PageContext<'_>,
    to: &ReplyTo,
    mut fields: Vec<(&'static str, String)>,
) -> HttpResponse {
    fields.extend(to.state.clone().map(|state| ("state", state)));
    fields.push(("iss", at.realm.issuer(at.edge)));
    match to.mode {
        ResponseMode::Query => answer::see_other(&with_query(&to.redirect_uri, &fields)),
        ResponseMode::FormPost => form_post(at, to, fields),
    }
}

/// The redirect URI as it is, byte for byte, with the parameters behind whatever query it has (RFC 6749 §3.1.2).
fn with_query(redirect_uri: &str, fields: &[(&'static str, String)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let separator = match redirect_uri.split_once('?') {
        None => "?",
        Some((_, own)) if own.is_empty() || own.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{redirect_uri}{separator}{query}")
}

fn form_post(
    at: &PageContext<'_>,
    to: &ReplyTo,
    fields: Vec<(&'static str, String)>,
) -> HttpResponse {
    let fields = fields.into_iter().map(|(name, value)| HiddenField {
        name: name.to_owned(),
        value,
    });
    let (client, action) = (to.client_name.clone(), to.redirect_uri.clone());
    let Some(page) = FormPostPage::new(at.realm.shell(), client, action, fields.collect()) else {
        return PageProblem::new(ErrorKind::BadRequest, None, at).into_response();
    };
    let policy = PagePolicy {
        form_targets: redirect::origin(&to.redirect_uri).into_iter().collect(),
        script: Some(form_post_script_source()),
    };
    answer::page_with(at, StatusCode::OK, ("form_post.html", &page), &policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s21_04_a_registered_query_is_kept_as_it_is() {
        let fields = [("code", "x y".to_owned())];
        for (uri, expected) in [
            ("https://a.example/cb", "https://a.example/cb?code=x+y"),
            (
                "https://a.example/cb?t=%20",
                "https://a.example/cb?t=%20&code=x+y",
            ),
            ("https://a.example/cb?", "https://a.example/cb?code=x+y"),
            ("com.example.app:/cb", "com.example.app:/cb?code=x+y"),
        ] {
            assert_eq!(with_query(uri, &fields), expected);
        }
    }
}
