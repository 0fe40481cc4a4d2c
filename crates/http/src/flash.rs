//! What a page shows once, after the redirect that follows a POST: it travels in a cookie, sealed for the one session that may open it, and
//! the page takes the cookie away. So a reload neither shows it again nor makes another, and nothing of it stays here.

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use curfew_protocol::{NodeId, Redacted};
use curfew_store::StoreError;

use crate::csrf::{host_cookie, sent_cookie};
use crate::edge::Edge;
use crate::realm::Realm;

const PURPOSE: &str = "once";

fn context(session: NodeId) -> Vec<u8> {
    [PURPOSE.as_bytes(), session.as_bytes()].concat()
}

/// The cookie that carries `text` to the next page of `session`.
pub fn cookie(
    edge: &Edge,
    realm: &Realm,
    session: NodeId,
    text: &Redacted<String>,
) -> Result<Cookie<'static>, StoreError> {
    let keys = edge.store.keys();
    let sealed = keys.seal(&context(session), text.0.as_bytes())?;
    let name = edge.issuer.cookie_name(PURPOSE, &realm.base);
    let value = URL_SAFE_NO_PAD.encode(sealed);
    Ok(host_cookie(name, value, SameSite::Strict))
}

/// What the cookie carries, when there is one and `session` may open it.
pub fn read(
    edge: &Edge,
    realm: &Realm,
    session: NodeId,
    request: &HttpRequest,
) -> Option<Redacted<String>> {
    let name = edge.issuer.cookie_name(PURPOSE, &realm.base);
    let sealed = URL_SAFE_NO_PAD.decode(sent_cookie(request, &name)?).ok()?;
    let text = edge.store.keys().open(&context(session), &sealed).ok()?;
    String::from_utf8(text).ok().map(Redacted)
}

/// Takes the cookie away.
pub fn removal(edge: &Edge, realm: &Realm) -> Cookie<'static> {
    let name = edge.issuer.cookie_name(PURPOSE, &realm.base);
    let mut cookie = host_cookie(name, String::new(), SameSite::Strict);
    cookie.set_max_age(Duration::ZERO);
    cookie
}
