//! A browser without scripts: it carries cookies (also secure ones), fills forms in and follows redirects only when told to.

use std::collections::BTreeMap;

use url::form_urlencoded;

use crate::html;
use crate::pkce;
use crate::wire::{Http, Request, Response};
use crate::world::{Client, Code, PASSWORD};

/// An authorization request that a test may bend.
#[derive(Clone, Debug)]
pub struct AuthorizationRequest {
    pub path: String,
    pub verifier: String,
    pub redirect_uri: String,
    pub parameters: Vec<(String, String)>,
    /// Who signs in when the login page comes.
    pub user: String,
}

impl AuthorizationRequest {
    /// A correct request: code, state and an S256 challenge.
    pub fn new(client: &Client) -> Self {
        let verifier = pkce::random();
        let request = Self {
            path: format!("{}/authorize", client.tenant_path),
            redirect_uri: client.redirect_uri.clone(),
            parameters: Vec::new(),
            user: "ada".to_owned(),
            verifier: verifier.clone(),
        };
        request
            .set("response_type", "code")
            .set("client_id", &client.id)
            .set("redirect_uri", &client.redirect_uri)
            .set("state", &pkce::random())
            .set("code_challenge", &pkce::challenge(&verifier))
            .set("code_challenge_method", "S256")
    }

    #[must_use]
    pub fn scope(self, scope: &str) -> Self {
        self.set("scope", scope)
    }

    /// Replaces a parameter, or adds it.
    #[must_use]
    pub fn set(self, name: &str, value: &str) -> Self {
        self.without(name).add(name, value)
    }

    /// Adds a parameter, even if it is there already.
    #[must_use]
    pub fn add(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        if name == "redirect_uri" {
            value.clone_into(&mut self.redirect_uri);
        }
        self
    }

    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.parameters.retain(|(own, _)| own != name);
        self
    }

    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.user);
        self
    }

    pub fn get(&self, name: &str) -> &str {
        self.parameters
            .iter()
            .find(|(own, _)| own == name)
            .map_or("", |(_, value)| value)
    }

    pub fn query(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.parameters)
            .finish()
    }

    pub fn target(&self) -> String {
        format!("{}?{}", self.path, self.query())
    }
}

/// A visitor with a cookie jar.
#[derive(Clone, Debug)]
pub struct Browser {
    pub http: Http,
    issuer: String,
    pub cookies: BTreeMap<String, String>,
    /// What it does at other origins, with the cookies that it has there.
    pub(crate) elsewhere: BTreeMap<String, Browser>,
}

impl Browser {
    pub fn new(http: Http, issuer: &str) -> Self {
        Self {
            http,
            issuer: issuer.to_owned(),
            cookies: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
        }
    }

    /// Sends a request with the cookies, and keeps those that come back.
    #[track_caller]
    pub fn send(&mut self, mut request: Request) -> Response {
        if !self.cookies.is_empty() {
            let cookies: Vec<_> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request = request.header("Cookie", &cookies.join("; "));
        }
        let answer = self.http.send(&request);
        for cookie in answer.headers("set-cookie") {
            self.store(cookie);
        }
        answer
    }

    fn store(&mut self, cookie: &str) {
        let mut parts = cookie.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let gone = value.is_empty() || parts.any(|part| part.eq_ignore_ascii_case("max-age=0"));
        if gone {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    #[track_caller]
    pub fn get(&mut self, target: &str) -> Response {
        let target = self.local(target);
        self.send(Request::get(&target).header("Sec-Fetch-Site", "same-origin"))
    }

    /// Submits fields as a form of our own pages does.
    #[track_caller]
    pub fn post(&mut self, target: &str, fields: &[(&str, &str)]) -> Response {
        let target = self.local(target);
        let request = Request::form(&target, fields).header("Origin", &self.issuer.clone());
        self.send(request.header("Sec-Fetch-Site", "same-origin"))
    }

    /// Fills in the form of `page` and submits it: what the form holds, changed by `fields`.
    #[track_caller]
    pub fn submit(&mut self, page: &Response, fields: &[(&str, &str)]) -> Response {
        let page = page.text();
        let action = html::form_action(&page).unwrap_or_else(|| panic!("no form in {page}"));
        let mut all = html::inputs(&page);
        for (name, value) in fields {
            all.retain(|(own, _)| own != name);
            all.push(((*name).to_owned(), (*value).to_owned()));
        }
        let all: Vec<_> = all
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        self.post(&action, &all)
    }

    /// The path and query of a URL of ours; anything else as it is.
    pub(crate) fn local(&self, target: &str) -> String {
        match target.strip_prefix(self.issuer.as_str()) {
            Some(rest) if rest.starts_with('/') => rest.to_owned(),
            _ => target.to_owned(),
        }
    }

    fn is_local(&self, location: &str) -> bool {
        location.starts_with('/') || location.starts_with(&format!("{}/", self.issuer))
    }

    #[track_caller]
    pub fn sign_in(&mut self, user: &str, password: &str) -> Response {
        self.sign_in_at("/login", user, password)
    }

    /// Signs in at a login page.
    #[track_caller]
    pub fn sign_in_at(&mut self, login: &str, user: &str, password: &str) -> Response {
        let page = self.get(login).expect(200);
        self.submit(&page, &[("username", user), ("password", password)])
    }

    /// The name and value of the session cookie.
    pub fn session(&self) -> Option<(String, String)> {
        let cookie = self
            .cookies
            .iter()
            .find(|(name, _)| name.starts_with("__Host-curfew_session_"));
        cookie.map(|(name, value)| (name.clone(), value.clone()))
    }

    /// Is this browser signed in? The account page knows.
    #[track_caller]
    pub fn is_signed_in(&mut self) -> bool {
        self.is_signed_in_at("")
    }

    #[track_caller]
    pub fn is_signed_in_at(&mut self, tenant_path: &str) -> bool {
        let answer = self.get(&format!("{tenant_path}/account"));
        match answer.status {
            200 => true,
            303 | 401 => false,
            _ => panic!("the account page answered {answer:?}"),
        }
    }

    /// Opens the authorization endpoint and goes on until the server has nothing more to ask: signs in, approves.
    /// Returns the answer that leads away from the server, or the page where the way ends.
    #[track_caller]
    pub fn authorize(&mut self, request: &AuthorizationRequest) -> Response {
        self.authorize_and(request, "approve")
    }

    /// As [`Browser::authorize`], with the given decision on the consent page.
    #[track_caller]
    pub fn authorize_and(&mut self, request: &AuthorizationRequest, decision: &str) -> Response {
        self.follow(&request.target(), &request.user, decision)
    }

    /// As [`Browser::authorize`], from a URL that somebody else made.
    #[track_caller]
    pub fn follow(&mut self, target: &str, user: &str, decision: &str) -> Response {
        let mut answer = self.get(target);
        for _ in 0..12 {
            answer = match answer.location() {
                Some(location) if self.is_local(location) => {
                    let location = location.to_owned();
                    assert_eq!(answer.status, 303, "{answer:?}");
                    self.get(&location)
                }
                Some(_) => return answer,
                None => {
                    let page = answer.text();
                    if html::by_id(&page, "login-submit").is_some() {
                        self.submit(&answer, &[("username", user), ("password", PASSWORD)])
                    } else if html::by_id(&page, "consent-approve").is_some() {
                        self.submit(&answer, &[("decision", decision)])
                    } else {
                        return answer;
                    }
                }
            };
        }
        panic!("the authorization goes round in circles: {answer:?}");
    }

    /// A code for this request.
    #[track_caller]
    pub fn obtain_code(&mut self, request: &AuthorizationRequest) -> Code {
        let answer = self.authorize(request);
        let value = answer
            .location_parameter("code")
            .unwrap_or_else(|| panic!("no code in {answer:?}"));
        assert_eq!(
            answer.location_parameter("state").unwrap_or_default(),
            request.get("state")
        );
        Code {
            value,
            verifier: request.verifier.clone(),
            redirect_uri: request.redirect_uri.clone(),
        }
    }

    /// Opens the consent page of a request, signing in where needed.
    #[track_caller]
    pub fn consent_page(&mut self, request: &AuthorizationRequest) -> Response {
        let mut answer = self.get(&request.target());
        for _ in 0..6 {
            if let Some(location) = answer.location() {
                assert!(self.is_local(location), "no consent was asked: {answer:?}");
                let location = location.to_owned();
                answer = self.get(&location);
            } else if html::by_id(&answer.text(), "login-submit").is_some() {
                answer = self.submit(
                    &answer,
                    &[("username", &request.user), ("password", PASSWORD)],
                );
            } else {
                assert!(
                    html::by_id(&answer.text(), "consent-approve").is_some(),
                    "{answer:?}"
                );
                return answer;
            }
        }
        panic!("no consent page comes: {answer:?}");
    }

    /// Signs out by the page.
    #[track_caller]
    pub fn sign_out(&mut self) -> Response {
        let page = self.get("/logout").expect(200);
        self.submit(&page, &[])
    }
}
