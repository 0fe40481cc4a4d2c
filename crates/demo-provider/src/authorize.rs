//! The authorization endpoint (OpenID Connect Core 1.0 §3.1.2, RFC 6749 §4.1).
//!
//! 1. The client and its redirect URI are known, or the person is told and nothing is sent anywhere (RFC 6749 §3.1.2.4).
//! 2. Everything else that is wrong goes back to the client. A proof key by S256 is a must (RFC 7636 §4.4.1).
//! 3. `prompt=none`: whoever is signed in goes back at once, nobody else does (OpenID Connect Core 1.0 §3.1.2.6).
//! 4. The page asks who the person is. Its form is good once, in the browser that it was shown in.
//! 5. The person signs in and goes back with a code, or refuses and goes back with `access_denied`; with `iss` in any case (RFC 9207).

use url::Url;

use crate::config::Person;
use crate::discovery::SCOPES;
use crate::hooks::apply;
use crate::page::{dead_end, escape, hidden, page};
use crate::provider::{Broken, Provider};
use crate::state::{self, Asked, Code, Pending, Session};
use crate::wire::{Answer, Parameters, Received};

/// Knows a browser again.
pub(crate) const BROWSER: &str = "demo_provider_browser";
/// More people than this are not listed: the person writes who they are.
const LISTED: usize = 12;

/// Why a request ends here.
enum Refusal {
    /// Told to the person: there is no client to tell.
    Here(&'static str),
    /// Told to the client.
    There {
        to: Return,
        error: &'static str,
        description: &'static str,
    },
}

/// Where a browser goes back to.
struct Return {
    redirect_uri: String,
    state: Option<String>,
}

impl Return {
    fn of(asked: &Asked) -> Self {
        Self {
            redirect_uri: asked.redirect_uri.clone(),
            state: asked.state.clone(),
        }
    }
}

/// `GET /authorize`
pub(crate) fn ask(provider: &Provider, received: &Received) -> Result<Answer, Broken> {
    let query = received.query();
    let asked = match check(provider, &query) {
        Ok(asked) => asked,
        Err(refusal) => return Ok(refuse(provider, refusal)),
    };
    let now = provider.now();
    let browser = match known_browser(received) {
        Some(browser) => browser.to_owned(),
        None => state::random()?,
    };
    let session = provider.state().sessions.get(&browser, now).cloned();
    if query.get("prompt") == Some("none") {
        let oldest = query.get("max_age").and_then(|age| age.parse::<i64>().ok());
        let fresh = session.filter(|session| {
            oldest.is_none_or(|oldest| now.saturating_sub(session.auth_time) <= oldest)
        });
        let Some(session) = fresh else {
            return Ok(go_back_with_error(
                provider,
                Return::of(&asked),
                "login_required",
                "nobody is signed in here",
            ));
        };
        return go_back_with_code(provider, asked, &browser, session);
    }
    let hint = query
        .get("login_hint")
        .map(str::to_owned)
        .or(session.map(|session| session.subject));
    let request = state::random()?;
    let answer = who_page(provider, &asked, &request, hint.as_deref());
    let pending = Pending {
        asked,
        browser: browser.clone(),
    };
    let until = now + state::PENDING;
    provider.state().pending.put(&request, pending, until, now);
    let cookie = format!("{BROWSER}={browser}; Path=/; HttpOnly; SameSite=Lax");
    Ok(answer.header("Set-Cookie", &cookie))
}

/// `POST /authorize`
pub(crate) fn decide(provider: &Provider, received: &Received) -> Result<Answer, Broken> {
    let form = received.form();
    let now = provider.now();
    let request = form.get("request").unwrap_or("");
    let browser = known_browser(received).unwrap_or("");
    let pending = provider.state().pending.get(request, now).cloned();
    let Some(Pending { asked, browser }) = pending.filter(|pending| pending.browser == browser)
    else {
        return Ok(dead_end(
            400,
            "This page is too old",
            "Go back to the application and start again.",
        ));
    };
    if form.get("decision") == Some("refuse") {
        provider.state().pending.take(request, now);
        return Ok(go_back_with_error(
            provider,
            Return::of(&asked),
            "access_denied",
            "the person refused",
        ));
    }
    let Some(person) = named(provider, form.get("person").unwrap_or("")) else {
        return Ok(who_page(provider, &asked, request, None));
    };
    provider.state().pending.take(request, now);
    let earlier = provider.state().sessions.take(&browser, now);
    let session = match earlier.filter(|session| session.subject == person.subject) {
        Some(session) => Session {
            auth_time: now,
            ..session
        },
        None => Session {
            subject: person.subject,
            sid: state::random()?,
            auth_time: now,
            clients: std::collections::BTreeSet::new(),
        },
    };
    go_back_with_code(provider, asked, &browser, session)
}

/// A value that only this provider can have set.
fn known_browser(received: &Received) -> Option<&str> {
    received
        .cookie(BROWSER)
        .filter(|value| value.len() == 43 && !value.contains(|c: char| !c.is_ascii_graphic()))
}

/// Whoever has this subject or this address.
fn named(provider: &Provider, name: &str) -> Option<Person> {
    provider.person(name).or_else(|| {
        let people = provider.people();
        people.iter().find(|person| person.email == name).cloned()
    })
}

fn check(provider: &Provider, query: &Parameters) -> Result<Asked, Refusal> {
    let client = query.get("client_id").and_then(|id| provider.client(id));
    let client = client.ok_or(Refusal::Here("It is not known here."))?;
    let redirect_uri = query
        .get("redirect_uri")
        .filter(|uri| client.redirect_uris.iter().any(|own| own == uri));
    let redirect_uri = redirect_uri.ok_or(Refusal::Here(
        "It asks for an answer at an address that is not registered for it.",
    ))?;
    let state = query.get("state").map(str::to_owned);
    let there = |error, description| Refusal::There {
        to: Return {
            redirect_uri: redirect_uri.to_owned(),
            state: state.clone(),
        },
        error,
        description,
    };
    if query.repeated().is_some() {
        return Err(there("invalid_request", "a parameter comes more than once"));
    }
    if query.get("request").is_some() {
        return Err(there("request_not_supported", "send plain parameters"));
    }
    if query.get("request_uri").is_some() {
        return Err(there("request_uri_not_supported", "send plain parameters"));
    }
    if query.get("response_type") != Some("code") {
        return Err(there("unsupported_response_type", "only code is given"));
    }
    if query
        .get("response_mode")
        .is_some_and(|mode| mode != "query")
    {
        return Err(there(
            "invalid_request",
            "only query is a response mode here",
        ));
    }
    let challenge = query.get("code_challenge").filter(|challenge| {
        challenge.len() == 43 && query.get("code_challenge_method") == Some("S256")
    });
    let challenge =
        challenge.ok_or_else(|| there("invalid_request", "a code_challenge by S256 is needed"))?;
    let scope = query.get("scope").unwrap_or("").split(' ');
    let scope: Vec<_> = scope
        .filter(|scope| SCOPES.contains(scope))
        .map(str::to_owned)
        .collect();
    if scope.is_empty() {
        return Err(there("invalid_scope", "openid is the scope to ask for"));
    }
    Ok(Asked {
        client_id: client.id,
        redirect_uri: redirect_uri.to_owned(),
        nonce: query.get("nonce").map(str::to_owned),
        scope,
        challenge: challenge.to_owned(),
        state,
    })
}

fn refuse(provider: &Provider, refusal: Refusal) -> Answer {
    match refusal {
        Refusal::Here(text) => dead_end(400, "This application cannot be served", text),
        Refusal::There {
            to,
            error,
            description,
        } => go_back_with_error(provider, to, error, description),
    }
}

fn who_page(provider: &Provider, asked: &Asked, request: &str, hint: Option<&str>) -> Answer {
    let people = provider.people();
    let chosen = people
        .iter()
        .position(|person| {
            hint.is_some_and(|hint| [&person.subject, &person.email].contains(&&hint.to_owned()))
        })
        .unwrap_or(0);
    let choice = if people.len() > LISTED {
        let value = escape(hint.unwrap_or(""));
        format!(
            "<label for=\"person\">Your subject or e-mail address</label>\n\
             <input type=\"text\" id=\"person\" name=\"person\" value=\"{value}\" autocomplete=\"off\" required>\n"
        )
    } else {
        let people = people.iter().enumerate();
        people
            .map(|(number, person)| {
                let checked = if number == chosen { " checked" } else { "" };
                let unverified = if person.email_verified == true { "" } else { " (not verified)" };
                format!(
                    "<label class=\"who\" for=\"person-{number}\"><input type=\"radio\" id=\"person-{number}\" name=\"person\" value=\"{}\"{checked}><span>{}</span><small>{}{unverified}</small></label>\n",
                    escape(&person.subject),
                    escape(&person.name),
                    escape(&person.email)
                )
            })
            .collect()
    };
    let body = format!(
        "<p><strong>{}</strong> wants to know who you are. There are no passwords here: choose somebody.</p>\n\
         <form method=\"post\" action=\"/authorize\">\n{}\n{choice}\
         <button class=\"main\" id=\"sign-in\" name=\"decision\" value=\"sign-in\">Sign in</button>\n\
         <button id=\"refuse\" name=\"decision\" value=\"refuse\" formnovalidate>Refuse</button>\n</form>\n",
        escape(&asked.client_id),
        hidden("request", request)
    );
    page(200, &format!("Sign in with {}", provider.name), &body)
}

/// Keeps the session and gives the code (RFC 6749 §4.1.2).
fn go_back_with_code(
    provider: &Provider,
    asked: Asked,
    browser: &str,
    mut session: Session,
) -> Result<Answer, Broken> {
    let code = state::random()?;
    let now = provider.now();
    session.clients.insert(asked.client_id.clone());
    let to = Return::of(&asked);
    let kept = Code {
        asked,
        subject: session.subject.clone(),
        sid: session.sid.clone(),
        auth_time: session.auth_time,
    };
    let mut state = provider.state();
    state.codes.put(&code, kept, now + state::CODE, now);
    let until = now + state::SESSION;
    state.sessions.put(browser, session, until, now);
    drop(state);
    Ok(go_back(provider, to, &[("code", &code)]))
}

fn go_back_with_error(provider: &Provider, to: Return, error: &str, description: &str) -> Answer {
    let parameters = [("error", error), ("error_description", description)];
    go_back(provider, to, &parameters)
}

fn go_back(provider: &Provider, to: Return, parameters: &[(&str, &str)]) -> Answer {
    let owned = parameters
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut parameters: Vec<_> = owned.collect();
    parameters.extend(to.state.map(|state| ("state".to_owned(), state)));
    parameters.push(("iss".to_owned(), provider.issuer().to_owned()));
    apply(&provider.hooks().redirect, &mut parameters);
    match Url::parse(&to.redirect_uri) {
        Ok(mut url) => {
            url.query_pairs_mut().extend_pairs(parameters);
            Answer::redirect(url.as_str())
        }
        Err(_) => dead_end(
            400,
            "This application cannot be served",
            "It is registered with an address that is none.",
        ),
    }
}
