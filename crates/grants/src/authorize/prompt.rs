//! `prompt` (OpenID Connect Core §3.1.2.1), and the proof that it was obeyed.
//!
//! A request with `prompt=login` goes to the login page although somebody is signed in. It comes back with a ticket in place of
//! that word: which session there was, and when. Whoever is signed in then must have another session, begun since; so the
//! request is neither asked for again, nor satisfied by the session that was there before. The ticket's MAC covers the rest of
//! the request, because a ticket of another request proves nothing about this one.

use curfew_http::Edge;
use curfew_http::session::SignedIn;
use curfew_protocol::{Digest, Timestamp};
use curfew_store::MacPurpose;
use url::form_urlencoded;

/// The parameter that carries the ticket. It is ours: clients do not send it.
const TICKET: &str = "reauthenticated_after";
/// In place of a session's id, when nobody was signed in.
const NOBODY: &str = "-";

/// What the client wants the person to be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prompt {
    pub(crate) none: bool,
    pub(crate) login: bool,
    pub(crate) consent: bool,
}

impl Prompt {
    /// `None`: a word that is not known, or `none` beside others.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut prompt = Self::default();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            match word {
                "none" => prompt.none = true,
                "login" => prompt.login = true,
                "consent" => prompt.consent = true,
                _ => return None,
            }
        }
        (!prompt.none || (!prompt.login && !prompt.consent)).then_some(prompt)
    }
}

/// The request's query without `prompt=login` and without any ticket: what a ticket is for.
fn subject(query: &str) -> String {
    let mut out = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != TICKET)
    {
        if name == "prompt" {
            let others: Vec<&str> = value.split(' ').filter(|word| *word != "login").collect();
            if !others.is_empty() {
                out.append_pair(&name, &others.join(" "));
            }
        } else {
            out.append_pair(&name, &value);
        }
    }
    out.finish()
}

fn parts<'a>(
    base: &'a str,
    subject: &'a str,
    session: &'a str,
    seconds: &'a [u8; 8],
) -> [&'a [u8]; 4] {
    [
        base.as_bytes(),
        subject.as_bytes(),
        session.as_bytes(),
        seconds,
    ]
}

/// The query with a ticket in place of `prompt=login`, for the way back from the login page.
pub(crate) fn with_ticket(
    edge: &Edge,
    base: &str,
    query: &str,
    who: Option<&SignedIn>,
    now: Timestamp,
) -> String {
    let subject = subject(query);
    let session = who.map_or_else(|| NOBODY.to_owned(), |who| who.session_id.to_string());
    let seconds = now.seconds().to_be_bytes();
    let parts = parts(base, &subject, &session, &seconds);
    let mac = edge.store.keys().mac(MacPurpose::Reauthentication, &parts);
    let ticket = format!("{}.{session}.{}", now.seconds(), hex(&mac));
    let mut query = form_urlencoded::Serializer::new(subject);
    query.append_pair(TICKET, &ticket);
    query.finish()
}

/// Did `who` sign in since the ticket in `query` was made?
pub(crate) fn is_satisfied(edge: &Edge, base: &str, query: &str, who: &SignedIn) -> bool {
    let mut tickets = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == TICKET);
    let (Some((_, ticket)), None) = (tickets.next(), tickets.next()) else {
        return false;
    };
    let Some((seconds, session, mac)) = read_ticket(&ticket) else {
        return false;
    };
    let subject = subject(query);
    let (bytes, since) = (seconds.to_be_bytes(), Timestamp::from_seconds(seconds));
    let parts = parts(base, &subject, session, &bytes);
    edge.store
        .keys()
        .verify_mac(MacPurpose::Reauthentication, &parts, &mac)
        && who.session_id.to_string() != session
        && who.authenticated_at >= since
}

/// Does the query carry a ticket? Then `prompt=login` was asked for.
pub(crate) fn has_ticket(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == TICKET)
}

fn read_ticket(ticket: &str) -> Option<(i64, &str, Digest)> {
    let mut fields = ticket.splitn(3, '.');
    let (seconds, session, mac) = (fields.next()?, fields.next()?, fields.next()?);
    Some((seconds.parse().ok()?, session, unhex(mac)?))
}

fn hex(digest: &Digest) -> String {
    digest
        .as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn unhex(text: &str) -> Option<Digest> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0u8; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(Digest::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_stands_alone_and_unknown_words_are_refused() {
        let prompt = |none, login, consent| {
            Some(Prompt {
                none,
                login,
                consent,
            })
        };
        assert_eq!(Prompt::parse(""), prompt(false, false, false));
        assert_eq!(Prompt::parse("none"), prompt(true, false, false));
        assert_eq!(Prompt::parse("login consent"), prompt(false, true, true));
        for text in ["none login", "consent none", "select_account", "Login"] {
            assert_eq!(Prompt::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_ticket_stands_for_the_rest_of_the_request() {
        assert_eq!(
            subject("client_id=a&prompt=login&scope=x"),
            "client_id=a&scope=x"
        );
        assert_eq!(
            subject("prompt=login+consent&reauthenticated_after=1.-.00"),
            "prompt=consent"
        );
    }
}
