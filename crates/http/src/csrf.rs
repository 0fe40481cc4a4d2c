//! Forms that only our own pages can send.
//!
//! Each form carries a token: the second it was made at, and a MAC over that and over what the browser is known by (the session,
//! or before the login a random cookie of its own). Beside it the headers `Origin` and `Sec-Fetch-Site` must not speak
//! of another site.

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::{COOKIE, ORIGIN};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use curfew_protocol::{Digest, NodeId, SecretBytes, Timestamp};
use curfew_store::MacPurpose;

use crate::edge::Edge;
use crate::realm::Realm;

/// What the browser is known by.
#[derive(Clone, Debug)]
pub enum FormOwner {
    Session(NodeId),
    /// The value of the form cookie.
    Browser(String),
}

/// Why a form is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormRefusal {
    /// It lay open for too long.
    Expired,
    /// It is not one of ours, or was not made for this browser.
    Foreign,
}

impl FormOwner {
    fn parts(&self) -> (&'static [u8], &[u8]) {
        match self {
            Self::Session(id) => (b"session", id.as_bytes()),
            Self::Browser(value) => (b"browser", value.as_bytes()),
        }
    }

    /// A token for a form made at `now`.
    pub fn token(&self, edge: &Edge, now: Timestamp) -> String {
        let (kind, value) = self.parts();
        let mac = edge.store.keys().mac(
            MacPurpose::Csrf,
            &[kind, value, &now.seconds().to_be_bytes()],
        );
        format!(
            "{:x}.{}",
            now.seconds(),
            URL_SAFE_NO_PAD.encode(mac.as_bytes())
        )
    }

    /// Checks the token of a posted form, and the headers beside it.
    pub fn check(
        &self,
        edge: &Edge,
        request: &HttpRequest,
        token: Option<&str>,
    ) -> Result<(), FormRefusal> {
        if !is_same_origin(edge, request) {
            return Err(FormRefusal::Foreign);
        }
        let (seconds, mac) = token.and_then(read_token).ok_or(FormRefusal::Foreign)?;
        let (kind, value) = self.parts();
        let parts: [&[u8]; 3] = [kind, value, &seconds.to_be_bytes()];
        if !edge.store.keys().verify_mac(MacPurpose::Csrf, &parts, &mac) {
            return Err(FormRefusal::Foreign);
        }
        let end = Timestamp::from_seconds(seconds).after(edge.lifetimes.interaction);
        if edge.store.clock().now().has_reached(end) {
            Err(FormRefusal::Expired)
        } else {
            Ok(())
        }
    }
}

fn read_token(token: &str) -> Option<(i64, Digest)> {
    let (seconds, mac) = token.split_once('.')?;
    let seconds = i64::from_str_radix(seconds, 16).ok()?;
    let mac = <[u8; 32]>::try_from(URL_SAFE_NO_PAD.decode(mac).ok()?).ok()?;
    Some((seconds, Digest::from_bytes(mac)))
}

/// Neither header may speak of another site. Our pages send no referrer, and browsers then write `Origin: null` on their forms
/// (Fetch §3.2.8); that is believed where the other header, which no page can forge, says where the form was.
fn is_same_origin(edge: &Edge, request: &HttpRequest) -> bool {
    let headers = request.headers();
    let site = headers.get("sec-fetch-site");
    let origin_fits = headers.get(ORIGIN).is_none_or(|origin| {
        origin == edge.issuer.origin()
            || (origin == "null" && site.is_some_and(|site| site == "same-origin"))
    });
    let site_fits = site.is_none_or(|site| site == "same-origin" || site == "none");
    origin_fits && site_fits
}

/// A cookie that knows a browser again in which nobody needs to be signed in: a random value, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrowserCookie {
    /// For our own forms. Nobody comes from elsewhere with it.
    Form,
    /// For the way to an upstream provider and back: the provider's site, or a mail, brings people here.
    Upstream,
}

impl BrowserCookie {
    const fn purpose(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Upstream => "upstream",
        }
    }

    const fn same_site(self) -> SameSite {
        match self {
            Self::Form => SameSite::Strict,
            Self::Upstream => SameSite::Lax,
        }
    }

    fn name(self, edge: &Edge, realm: &Realm) -> String {
        edge.issuer.cookie_name(self.purpose(), &realm.base)
    }

    /// The value that the browser sent.
    pub fn sent(self, edge: &Edge, realm: &Realm, request: &HttpRequest) -> Option<String> {
        let value = sent_cookie(request, &self.name(edge, realm))?;
        (value.len() == 43).then(|| value.to_owned())
    }

    /// The value that the browser sent, or a new one with the cookie that sets it.
    pub fn sent_or_new(
        self,
        edge: &Edge,
        realm: &Realm,
        request: &HttpRequest,
    ) -> (String, Option<Cookie<'static>>) {
        if let Some(value) = self.sent(edge, realm, request) {
            return (value, None);
        }
        let value = random_text(edge);
        let cookie = host_cookie(self.name(edge, realm), value.clone(), self.same_site());
        (value, Some(cookie))
    }
}

/// 256 random bits in 43 characters.
pub fn random_text(edge: &Edge) -> String {
    URL_SAFE_NO_PAD.encode(SecretBytes::random(edge.store.entropy()).expose())
}

/// The form cookie of a browser that is not signed in; made when it has none.
pub fn browser(
    edge: &Edge,
    realm: &Realm,
    request: &HttpRequest,
) -> (FormOwner, Option<Cookie<'static>>) {
    let (value, cookie) = BrowserCookie::Form.sent_or_new(edge, realm, request);
    (FormOwner::Browser(value), cookie)
}

/// The value of a cookie that the browser sent. Read piece by piece, because a host's other services share the header: one cookie of
/// theirs that cannot be parsed must not hide ours.
pub(crate) fn sent_cookie<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r str> {
    let headers = request.headers().get_all(COOKIE);
    let pairs = headers.flat_map(|header| header.as_bytes().split(|byte| *byte == b';'));
    let mut texts = pairs.filter_map(|pair| std::str::from_utf8(pair).ok());
    texts.find_map(|pair| {
        let (own, value) = pair.trim().split_once('=')?;
        (own == name).then_some(value)
    })
}

/// A cookie that goes to this host only, over a secure connection only, and that no script reads.
pub(crate) fn host_cookie(name: String, value: String, same_site: SameSite) -> Cookie<'static> {
    Cookie::build(name, value)
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(same_site)
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn our_cookie_is_found_beside_those_that_cannot_be_parsed() {
        for header in [
            &b"x=1; own=value"[..],
            b"nonsense; own=value",
            b"\xff=\xff;own=value; own=2",
            b" own=value;;",
        ] {
            let header = actix_web::http::header::HeaderValue::from_bytes(header).unwrap();
            let request = TestRequest::default()
                .insert_header((COOKIE, header))
                .to_http_request();
            assert_eq!(sent_cookie(&request, "own"), Some("value"), "{request:?}");
            assert_eq!(sent_cookie(&request, "wn"), None);
        }
    }
}
