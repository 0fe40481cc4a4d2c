//! Signing out here (RP-Initiated Logout 1.0 §2), which is also the provider's front page.
//!
//! 1. The page says who is signed in and asks. An application that sends people here by a wrong address gets nobody back.
//! 2. The session ends, and every client that took part is told (Back-Channel Logout 1.0 §2.5).
//! 3. The person goes back to the application where it named a registered address, and is told how it went otherwise.

use actix_web::web;
use url::Url;

use crate::authorize::BROWSER;
use crate::back_channel;
use crate::jwt::verified_claims;
use crate::keys::Algorithm;
use crate::page::{dead_end, escape, hidden, page};
use crate::provider::{Broken, Provider, Told};
use crate::wire::{Answer, Parameters, Received};

/// What the form carries along to be judged again.
const CARRIED: [&str; 4] = [
    "id_token_hint",
    "client_id",
    "post_logout_redirect_uri",
    "state",
];

/// `GET /`, `GET /end_session`
pub(crate) fn show(provider: &Provider, received: &Received) -> Answer {
    let query = received.query();
    if way_back(provider, &query).is_err() {
        return wrong_way();
    }
    let session = received.cookie(BROWSER).and_then(|browser| {
        let now = provider.now();
        provider.state().sessions.get(browser, now).cloned()
    });
    let Some(session) = session else {
        return dead_end(
            200,
            &provider.name,
            "A small identity provider for trying things out. Nobody is signed in here.",
        );
    };
    let person = provider.person(&session.subject);
    let name = person.map_or(session.subject, |person| person.name);
    let carried = CARRIED
        .iter()
        .filter_map(|name| Some((name, query.get(name)?)));
    let carried: String = carried.map(|(name, value)| hidden(name, value)).collect();
    let body = format!(
        "<p>You are signed in as <strong>{}</strong>.</p>\n<p class=\"note\">Signing out here tells the applications that you used.</p>\n\
         <form method=\"post\" action=\"/end_session\">{carried}\n\
         <button class=\"main\" id=\"sign-out\">Sign out here</button>\n</form>\n",
        escape(&name)
    );
    page(200, &provider.name, &body)
}

/// `POST /end_session`
pub(crate) async fn leave(provider: &Provider, received: &Received) -> Result<Answer, Broken> {
    let Ok(back) = way_back(provider, &received.form()) else {
        return Ok(wrong_way());
    };
    let session = received.cookie(BROWSER).and_then(|browser| {
        let now = provider.now();
        provider.state().sessions.take(browser, now)
    });
    let mut told = Vec::new();
    if let Some(session) = session {
        let notices = back_channel::notices(provider, &session)?;
        let sent = web::block(move || notices.iter().map(back_channel::send).collect());
        told = sent.await.unwrap_or_default();
    }
    Ok(match back {
        Some(url) => Answer::redirect(url.as_str()),
        None => signed_out(&told),
    })
}

fn signed_out(told: &[Told]) -> Answer {
    let lines = told.iter().map(|told| {
        let how = match told.status {
            Some(status) if (200..300).contains(&status) => "knows".to_owned(),
            Some(status) => format!("was told, and answered {status}"),
            None => "could not be reached".to_owned(),
        };
        format!("<li>{} {how}.</li>\n", escape(&told.client_id))
    });
    let lines: String = lines.collect();
    let list = if lines.is_empty() {
        lines
    } else {
        format!("<ul>\n{lines}</ul>\n")
    };
    page(
        200,
        "You are signed out",
        &format!("<p>Nobody is signed in here any more.</p>\n{list}"),
    )
}

fn wrong_way() -> Answer {
    dead_end(
        400,
        "This application cannot be served",
        "It sends you back to an address that is not registered for it, or with a token that was not made here.",
    )
}

/// Where the person goes afterwards, if anywhere. The client is known by its id or by its token, which may be old; by both, they agree.
fn way_back(provider: &Provider, parameters: &Parameters) -> Result<Option<Url>, ()> {
    let keys = [Algorithm::Es256, Algorithm::Rs256].map(|algorithm| &**provider.key(algorithm));
    let named = parameters.get("client_id").map(str::to_owned);
    let client_id = match parameters.get("id_token_hint") {
        None => named,
        Some(hint) => {
            let claims = verified_claims(hint, &keys).ok_or(())?;
            let audience = claims["aud"].as_str().ok_or(())?.to_owned();
            if named.is_some_and(|named| named != audience) {
                return Err(());
            }
            Some(audience)
        }
    };
    let Some(wanted) = parameters.get("post_logout_redirect_uri") else {
        return Ok(None);
    };
    let client = client_id.and_then(|id| provider.client(&id)).ok_or(())?;
    if !client
        .post_logout_redirect_uris
        .iter()
        .any(|own| own == wanted)
    {
        return Err(());
    }
    let mut url = Url::parse(wanted).map_err(|_| ())?;
    if let Some(state) = parameters.get("state") {
        url.query_pairs_mut().append_pair("state", state);
    }
    Ok(Some(url))
}
