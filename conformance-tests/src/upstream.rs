//! Signing in through somebody else: a provider, its registration at the server, and the way of a browser from here to there and back.

use std::ops::Deref;

use demo_provider::{Client as RelyingParty, Clock, Config, Person, Running};
use serde_json::Value;
use url::Url;

use crate::browser::Browser;
use crate::github::{GitHub, Member};
use crate::html;
use crate::pkce;
use crate::server::{Curfew, Setup};
use crate::wire::{Http, Request, Response};
use crate::world::World;

/// What the server is called at every provider.
pub const CLIENT_ID: &str = "curfew";

/// A provider and its place at the server. It derefs to the provider.
#[derive(Debug)]
pub struct Upstream<P> {
    pub slug: String,
    pub tenant_path: String,
    pub secret: String,
    pub provider: P,
    /// What the command line said when it was added.
    pub added: Value,
}

impl<P> Deref for Upstream<P> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.provider
    }
}

impl<P> Upstream<P> {
    /// A path of this provider at the server.
    pub fn path(&self, rest: &str) -> String {
        format!("{}/upstream/{}/{rest}", self.tenant_path, self.slug)
    }

    /// Where signing in begins.
    pub fn start(&self, return_to: &str) -> String {
        let query = crate::wire::encode(&[("return_to", return_to)]);
        format!("{}?{query}", self.path("start"))
    }
}

impl Setup {
    /// Providers live on loopback addresses, which the server asks only when it is told to.
    #[must_use]
    pub fn with_upstreams(self) -> Self {
        self.env("CURFEW_OUTBOUND_ALLOWED_ADDRESSES", "127.0.0.0/8")
    }
}

/// What is registered: at which tenant, under which name, and by which options.
#[derive(Clone, Copy, Debug)]
pub struct Registration<'a> {
    pub tenant: &'a str,
    pub slug: &'a str,
    pub options: &'a [&'a str],
}

impl<'a> Registration<'a> {
    /// At the default tenant.
    pub fn new(slug: &'a str, options: &'a [&'a str]) -> Self {
        Self {
            tenant: "default",
            slug,
            options,
        }
    }

    fn tenant_path(&self) -> String {
        crate::world::tenant_path(self.tenant)
    }

    /// Where providers send browsers back to.
    pub fn callback(&self, curfew: &Curfew) -> String {
        let (issuer, path) = (curfew.issuer(), self.tenant_path());
        format!("{issuer}{path}/upstream/{}/callback", self.slug)
    }
}

impl Curfew {
    /// `upstream add`
    #[track_caller]
    pub fn upstream_add(
        &self,
        what: Registration<'_>,
        kind: &str,
        issuer: &str,
        secret: &str,
    ) -> Value {
        let named = [
            "upstream",
            "add",
            what.slug,
            "--kind",
            kind,
            "--issuer",
            issuer,
            "--client-id",
            CLIENT_ID,
            "--client-secret-stdin",
            "--tenant",
            what.tenant,
        ];
        self.cli_with(&[&named[..], what.options].concat(), &format!("{secret}\n"))
    }

    /// A provider with these people, which knows the server and keeps its time.
    pub fn provider_config(
        &self,
        what: Registration<'_>,
        secret: &str,
        people: Vec<Person>,
    ) -> Config {
        let mut client = RelyingParty::new(CLIENT_ID, secret, &what.callback(self));
        let (issuer, path) = (self.issuer(), what.tenant_path());
        client.backchannel_logout_uri = Some(format!(
            "{issuer}{path}/upstream/{}/backchannel-logout",
            what.slug
        ));
        let mut config = Config::new("Somebody else", people, vec![client]);
        config.clock = Clock::new(self.clock());
        config
    }
}

impl World {
    /// An OpenID provider with these people, registered at the default tenant with these options.
    #[track_caller]
    pub fn openid(&self, slug: &str, people: Vec<Person>, options: &[&str]) -> Upstream<Running> {
        self.openid_at(Registration::new(slug, options), people)
    }

    #[track_caller]
    pub fn openid_at(&self, what: Registration<'_>, people: Vec<Person>) -> Upstream<Running> {
        let secret = pkce::random();
        let config = self.provider_config(what, &secret, people);
        let provider = Running::start(config).expect("the provider starts");
        let added = self.upstream_add(what, "openid", provider.issuer(), &secret);
        Upstream {
            slug: what.slug.to_owned(),
            tenant_path: what.tenant_path(),
            secret,
            provider,
            added,
        }
    }

    /// A GitHub with these members, registered at the default tenant with these options.
    #[track_caller]
    pub fn github(&self, slug: &str, members: Vec<Member>, options: &[&str]) -> Upstream<GitHub> {
        let what = Registration::new(slug, options);
        let secret = pkce::random();
        let provider = GitHub::start(members, CLIENT_ID, &secret, &what.callback(self));
        let added = self.upstream_add(what, "github", &provider.origin(), &secret);
        Upstream {
            slug: slug.to_owned(),
            tenant_path: what.tenant_path(),
            secret,
            provider,
            added,
        }
    }

    /// The number of rows that a test is about.
    #[track_caller]
    pub fn count(&self, table: &str) -> u64 {
        let count = self.query(&format!("SELECT count(*) FROM {table}"));
        count.parse().expect("a number")
    }
}

impl Browser {
    /// Begins to sign in: the answer leads to the provider, unless the server refuses.
    #[track_caller]
    pub fn start_upstream<P>(&mut self, upstream: &Upstream<P>) -> Response {
        let target = upstream.start(&format!("{}/account", upstream.tenant_path));
        self.get(&target)
    }

    /// Lets `person` sign in at the provider to which `location` leads; returns the URL that leads back.
    #[track_caller]
    pub fn sign_in_elsewhere(&mut self, location: &str, person: &str) -> String {
        self.decide_elsewhere(location, person, "sign-in")
    }

    /// As [`Browser::sign_in_elsewhere`], with `sign-in` or `refuse`.
    #[track_caller]
    pub fn decide_elsewhere(&mut self, location: &str, person: &str, decision: &str) -> String {
        let url = Url::parse(location).unwrap_or_else(|error| panic!("{location}: {error}"));
        let other = self.elsewhere(&url);
        let mut answer = other.get(location);
        if html::form_action(&answer.text()).is_some() {
            answer = other.submit(&answer, &[("person", person), ("decision", decision)]);
        }
        let back = answer.location();
        back.unwrap_or_else(|| panic!("the provider does not lead back: {answer:?}"))
            .to_owned()
    }

    /// Comes back from elsewhere: a navigation that another site began, without this site's strict cookies.
    #[track_caller]
    pub fn come_back(&mut self, url: &str) -> Response {
        let target = self.local(url);
        assert!(target.starts_with('/'), "{url} does not lead here");
        self.send(Request::get(&target).header("Sec-Fetch-Site", "cross-site"))
    }

    /// The whole way: from the server to the provider, where `person` signs in, and back. The answer is that of the callback.
    #[track_caller]
    pub fn sign_in_upstream<P>(&mut self, upstream: &Upstream<P>, person: &str) -> Response {
        let started = self.start_upstream(upstream).expect(303);
        let to = started.location().expect("a redirect").to_owned();
        let back = self.sign_in_elsewhere(&to, person);
        self.come_back(&back)
    }

    /// The part of this browser that talks to another origin, with the cookies that it has there.
    pub fn elsewhere(&mut self, url: &Url) -> &mut Self {
        let origin = url.origin().ascii_serialization();
        let address = url
            .socket_addrs(|| None)
            .ok()
            .and_then(|all| all.into_iter().find(std::net::SocketAddr::is_ipv4));
        let address = address.unwrap_or_else(|| panic!("{url} names no address"));
        let host = origin
            .split_once("://")
            .map_or("", |(_, host)| host)
            .to_owned();
        let new = || Self::new(Http { address, host }, &origin.clone());
        self.elsewhere.entry(origin.clone()).or_insert_with(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The walk by itself: from a location that a server would give, through the provider's page, to the callback.
    #[test]
    fn a_browser_signs_in_elsewhere_and_is_known_there_afterwards() {
        let callback = "http://127.0.0.1:9/upstream/demo/callback";
        let people = vec![
            Person::new("s-ada", "Ada", "ada@example.test"),
            Person::new("s-eve", "Eve", "eve@example.test"),
        ];
        let client = RelyingParty::new(CLIENT_ID, "the secret", callback);
        let provider = Running::start(Config::new("Elsewhere", people, vec![client]));
        let provider = provider.expect("the provider starts");
        let challenge = pkce::challenge(&pkce::random());
        let query = |prompt: &str| {
            crate::wire::encode(&[
                ("client_id", CLIENT_ID),
                ("redirect_uri", callback),
                ("response_type", "code"),
                ("scope", "openid"),
                ("code_challenge", &challenge),
                ("code_challenge_method", "S256"),
                ("prompt", prompt),
            ])
        };
        let to = |prompt: &str| format!("{}/authorize?{}", provider.issuer(), query(prompt));
        let address = "127.0.0.1:9".parse().expect("an address");
        let host = "127.0.0.1:9".to_owned();
        let mut browser = Browser::new(Http { address, host }, "http://127.0.0.1:9");
        let back = browser.sign_in_elsewhere(&to("login"), "s-eve");
        assert!(back.starts_with(&format!("{callback}?code=")), "{back}");
        assert!(
            browser.cookies.is_empty(),
            "the other origin's cookies stay there"
        );
        let back = browser.sign_in_elsewhere(&to("none"), "");
        assert!(back.starts_with(&format!("{callback}?code=")), "{back}");
        let back = browser.decide_elsewhere(&to("login"), "s-ada", "refuse");
        assert!(back.contains("error=access_denied"), "{back}");
        let page = browser
            .elsewhere(&Url::parse(provider.issuer()).expect("a URL"))
            .get("/");
        assert!(page.text().contains("<strong>Eve</strong>"), "{page:?}");
    }
}
