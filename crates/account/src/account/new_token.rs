//! Making a personal access token.
//!
//! 1. The form offers what the person may choose from at this moment.
//! 2. The POST makes the token and leads on; its text travels in a sealed cookie ([`curfew_http::flash`]).
//! 3. The next page shows it, once. A reload finds the cookie gone, and leads to the list.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::answer::to_login;
use curfew_http::body::RawForm;
use curfew_http::catalogue::Catalogue;
use curfew_http::pages::Lasts;
use curfew_http::{Edge, flash};
use curfew_policy::lifetime::PERSONAL_ACCESS_TOKEN_CHOICES;
use curfew_protocol::{Form, Lifetime, ParsedToken, Redacted, ScopeSet, TokenId, TokenKind};

use super::rows::scope_line;
use super::signed::{REPEATED, Signed, account_page, field, signed_form, signed_page};
use crate::holdings::{self, MakeRefusal, Offer, Wish};
use crate::pages::{LifetimeChoice, MadeTokenPage, NewTokenError, NewTokenPage, ScopeChoice};
use crate::visit::{Halt, query, with_cookie};

const PATH: &str = "/account/tokens/new";

pub(crate) async fn get(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    signed_page(&request, &edge, PATH, async |own: &Signed<'_>| {
        let expired = query(own.at.request)?.get("told") == Some("expired");
        let error = expired.then_some((NewTokenError::Expired, None));
        form_page(own, &Typed::default(), error).await
    })
    .await
}

pub(crate) async fn post(request: HttpRequest, edge: Data<Edge>, payload: Payload) -> HttpResponse {
    let stages = async |own: &Signed<'_>, body: &RawForm| {
        let typed = Typed::read(&body.parse(REPEATED)?);
        let wish = match typed.wish() {
            Ok(wish) => wish,
            Err(error) => return form_page(own, &typed, Some((error, None))).await,
        };
        let (actor, rules) = (own.actor(), own.at.edge.lifetimes);
        let store = &own.at.edge.store;
        let made = store
            .write(move |write| holdings::personal_access_token_make(write, &actor, &rules, &wish))
            .await?;
        match made {
            Ok(made) => {
                let text = Redacted(made.token.reveal());
                let (at, session) = (&own.at, own.who.session_id);
                let cookie = flash::cookie(at.edge, at.realm, session, &text)?;
                Ok(with_cookie(
                    own.redirect("/account/tokens/made"),
                    Some(cookie),
                ))
            }
            Err(refusal) => refused(own, &typed, refusal).await,
        }
    };
    signed_form((&request, payload), &edge, PATH, stages).await
}

/// Shows the token just made, and takes away what it came in.
pub(crate) async fn made(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    signed_page(
        &request,
        &edge,
        "/account/tokens",
        async |own: &Signed<'_>| {
            let at = &own.at;
            let once = flash::read(at.edge, at.realm, own.who.session_id, at.request);
            let removal = flash::removal(at.edge, at.realm);
            let page = match once {
                Some(text) => made_page(own, text).await?,
                None => None,
            };
            let response = page.unwrap_or_else(|| own.redirect("/account/tokens"));
            Ok(with_cookie(response, Some(removal)))
        },
    )
    .await
}

async fn made_page(own: &Signed<'_>, text: Redacted<String>) -> Result<Option<HttpResponse>, Halt> {
    let Ok(parsed) = ParsedToken::parse(TokenKind::PersonalAccessToken, &text.0) else {
        return Ok(None);
    };
    let (id, user) = (TokenId::from_bytes(parsed.selector), own.who.user_id);
    let tree = own.read(move |read| holdings::tree(read, user, &id.to_string()));
    let row = tree.await?.and_then(|tree| {
        let mut rows = tree.rows.into_iter();
        rows.find(|row| row.asked && row.standing.alive)
    });
    Ok(row.map(|row| {
        let model = MadeTokenPage {
            shell: own.at.realm.shell(),
            token: text.0,
            id: row.id,
            name: row.name.unwrap_or_default(),
            expires_at: row.expires_at.seconds(),
        };
        own.page("token_made.html", &model)
    }))
}

async fn refused(
    own: &Signed<'_>,
    typed: &Typed,
    refusal: MakeRefusal,
) -> Result<HttpResponse, Halt> {
    let error = match refusal {
        MakeRefusal::SignedOut | MakeRefusal::MayNotMake => {
            return Ok(to_login(own.at.realm, PATH));
        }
        MakeRefusal::Name => (NewTokenError::Name, None),
        MakeRefusal::NoScope => (NewTokenError::NoScope, None),
        MakeRefusal::Scope(_) => (NewTokenError::Scope, None),
        MakeRefusal::Withheld(_) => (NewTokenError::Withheld, None),
        MakeRefusal::NoAudience => (NewTokenError::NoAudience, None),
        MakeRefusal::TooLong { longest } => (NewTokenError::TooLong, Some(longest)),
        MakeRefusal::Zero => (NewTokenError::Lifetime, None),
    };
    form_page(own, typed, Some(error)).await
}

/// What was typed, to be shown again after a mistake.
#[derive(Default)]
struct Typed {
    name: String,
    scopes: Vec<String>,
    lifetime: Option<String>,
}

impl Typed {
    fn read(form: &Form<'_>) -> Self {
        Self {
            name: field(form, "name"),
            scopes: form.all("scope").map(str::to_owned).collect(),
            lifetime: form.get("lifetime").map(str::to_owned),
        }
    }

    fn wish(&self) -> Result<Wish, NewTokenError> {
        let lifetime = match &self.lifetime {
            None => None,
            Some(text) => Some(Lifetime::parse(text).ok_or(NewTokenError::Lifetime)?),
        };
        let scopes = ScopeSet::parse(&self.scopes.join(" ")).map_err(|_| NewTokenError::Scope)?;
        Ok(Wish {
            name: self.name.clone(),
            scopes,
            lifetime,
        })
    }
}

async fn form_page(
    own: &Signed<'_>,
    typed: &Typed,
    error: Option<(NewTokenError, Option<Lifetime>)>,
) -> Result<HttpResponse, Halt> {
    let (actor, rules) = (own.actor(), own.at.edge.lifetimes);
    let (offer, catalogue) = own
        .read(move |read| {
            let offer = holdings::offer(read, &actor, &rules)?;
            Ok((offer, Catalogue::read(read, actor.tenant_id)?))
        })
        .await?;
    let Ok(offer) = offer else {
        return Ok(to_login(own.at.realm, PATH));
    };
    let model = NewTokenPage {
        shell: own.at.realm.shell(),
        csrf: own.csrf(),
        name: typed.name.clone(),
        scopes: choices(&offer, &catalogue, typed),
        lifetimes: lifetimes(&offer, typed),
        quarantined: own.who.quarantined,
        error: error.map(|(error, _)| error),
        longest: error.and_then(|(_, longest)| longest).map(lasts),
    };
    let status = if error.is_some() {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    Ok(account_page(&own.at, status, "token_new.html", &model))
}

fn choices(offer: &Offer, catalogue: &Catalogue, typed: &Typed) -> Vec<ScopeChoice> {
    let choice = |scope: &holdings::OfferedScope| ScopeChoice {
        scope: scope_line(&scope.name, catalogue),
        resource: scope.resource.clone(),
        at_most: scope.max_lifetime.map(lasts),
        chosen: typed.scopes.contains(&scope.name),
    };
    offer.scopes.iter().map(choice).collect()
}

/// The usual lengths that are allowed, the standard one, and the longest.
fn lifetimes(offer: &Offer, typed: &Typed) -> Vec<LifetimeChoice> {
    let mut lengths = vec![offer.standard, offer.longest];
    let usual = PERSONAL_ACCESS_TOKEN_CHOICES.iter().copied();
    lengths.extend(usual.filter(|length| *length < offer.longest));
    lengths.sort_unstable();
    lengths.dedup();
    let typed = typed.lifetime.as_deref().and_then(Lifetime::parse);
    let chosen = typed.filter(|length| lengths.contains(length));
    let chosen = chosen.unwrap_or(offer.standard);
    let choice = |length: Lifetime| LifetimeChoice {
        seconds: length.seconds(),
        lasts: lasts(length),
        chosen: length == chosen,
    };
    lengths.into_iter().map(choice).collect()
}

fn lasts(length: Lifetime) -> Lasts {
    Lasts::from_seconds(u64::try_from(length.seconds()).unwrap_or(0))
}
