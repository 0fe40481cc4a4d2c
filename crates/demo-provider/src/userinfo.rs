//! The userinfo endpoint (OpenID Connect Core 1.0 §5.3): what an access token's scopes tell about its person.

use crate::hooks::apply;
use crate::provider::Provider;
use crate::token::claims_about;
use crate::wire::{Answer, Received};

/// `GET /userinfo`, `POST /userinfo`
pub(crate) fn tell(provider: &Provider, received: &Received) -> Answer {
    let Some(presented) = bearer(received) else {
        return Answer::text(401, "An access token is needed.")
            .header("WWW-Authenticate", "Bearer realm=\"demo provider\"");
    };
    let now = provider.now();
    let token = provider.state().access_tokens.get(presented, now).cloned();
    let person = token.and_then(|token| Some((provider.person(&token.subject)?, token.scope)));
    let Some((person, scope)) = person else {
        return Answer::text(401, "This access token is not good, or not any more.").header(
            "WWW-Authenticate",
            "Bearer realm=\"demo provider\", error=\"invalid_token\"",
        );
    };
    let mut claims = claims_about(&person, &scope);
    apply(&provider.hooks().userinfo, &mut claims);
    Answer::json(200, &claims)
}

/// RFC 6750 §2.1
fn bearer(received: &Received) -> Option<&str> {
    let (scheme, token) = received.header("authorization")?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
