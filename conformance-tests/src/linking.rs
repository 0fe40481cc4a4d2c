//! What becomes of people who come from upstream: let in, asked for a proof or refused, who they are here, and what is stored about them.
//! A refusal leaves nothing behind.

use std::fs;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use demo_provider::{Hooks, Person, Running};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::html;
use crate::server::{Backend, Curfew, Setup};
use crate::smtp::MailServer;
use crate::upstream::Upstream;
use crate::wire::Response;
use crate::world::World;

/// Words of our inside that no page may say.
const INSIDES: [&str; 7] = [
    "constraint",
    "column",
    "sql",
    "postgres",
    "links",
    "diesel",
    "panicked",
];

/// A mail, or an answer, comes within this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// What nobody who is turned away may change: the rows of users and links, byte for byte, and the number of sessions and of all else that
/// is approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remains(String);

/// The address of somebody in the tests.
pub fn address(name: &str) -> String {
    format!("{name}@example.test")
}

/// Somebody with this subject, whose provider has verified the address of `name`.
pub fn person(subject: &str, name: &str) -> Person {
    Person::new(subject, name, &address(name))
}

impl World {
    /// A server that asks providers on this machine.
    pub fn upstream(backend: Backend) -> Self {
        Self::with(Setup::new(backend).with_upstreams())
    }

    /// One that sends mail as well.
    pub fn upstream_with_mail(backend: Backend) -> (Self, MailServer) {
        let mails = MailServer::start();
        let setup = Setup::new(backend)
            .with_upstreams()
            .env("CURFEW_MAIL_SMTP_URL", &mails.url())
            .env("CURFEW_MAIL_FROM", "no-reply@example.test");
        (Self::with(setup), mails)
    }

    /// Adds somebody as provisioning does: with an address, without a password or a link. Returns the id.
    #[track_caller]
    pub fn add_bare_user(&self, name: &str) -> String {
        let added = self.cli(&["user", "add", name, "--email", &address(name)]);
        let id = added["user_id"].as_str();
        id.unwrap_or_else(|| panic!("no user_id in {added}"))
            .to_owned()
    }

    /// Imports one person with a link to the provider, without a subject.
    #[track_caller]
    pub fn import_legacy(&self, name: &str, provider: &str) {
        let links = json!([{ "provider": provider }]);
        let person = json!({ "username": name, "email": address(name), "links": links });
        self.import_people(&json!([person]));
    }

    /// `curfew user link`
    #[track_caller]
    pub fn link<P>(&self, name: &str, upstream: &Upstream<P>, subject: &str) {
        let provider = upstream.slug.as_str();
        self.run(
            &[
                "user",
                "link",
                name,
                "--provider",
                provider,
                "--subject",
                subject,
            ],
            "",
        );
    }

    /// Every link that is not taken away, exactly: provider, issuer, subject and whose it is.
    #[track_caller]
    pub fn links(&self) -> Vec<[String; 4]> {
        let rows = self.query(
            "SELECT p.slug, l.issuer, l.subject, u.username FROM links l JOIN providers p ON p.id = l.provider_id \
             JOIN users u ON u.id = l.user_id WHERE l.status <> 4 ORDER BY u.username, p.slug, l.subject",
        );
        let rows = rows.lines().map(|row| {
            let mut parts = row.split('|').map(str::to_owned);
            std::array::from_fn(|_| parts.next().unwrap_or_default())
        });
        rows.collect()
    }

    /// The links of a user, ended ones as well, as `user show` lists them.
    #[track_caller]
    pub fn shown_links(&self, name: &str) -> Vec<Value> {
        let shown = self.cli(&["user", "show", name]);
        shown["links"].as_array().expect("links").clone()
    }

    /// The id of the only active link of a user at the provider `slug`.
    #[track_caller]
    pub fn link_id(&self, name: &str, slug: &str) -> String {
        let mut links = self.shown_links(name);
        links.retain(|link| link["provider"] == slug && link["status"] == "active");
        assert_eq!(links.len(), 1, "{links:?}");
        links[0]["id"].as_str().expect("an id").to_owned()
    }

    #[track_caller]
    pub fn remains(&self) -> Remains {
        let statements = [
            "SELECT * FROM users ORDER BY id",
            "SELECT * FROM links ORDER BY id",
            "SELECT count(*) FROM sessions",
            "SELECT count(*) FROM nodes",
        ];
        Remains(self.try_queries(&statements).expect("an answer"))
    }

    /// Somebody comes through the provider and is signed in; returns their browser.
    #[track_caller]
    pub fn let_in<P>(&self, upstream: &Upstream<P>, person: &str) -> Browser {
        let mut browser = self.browser();
        let answer = browser.sign_in_upstream(upstream, person);
        browser.assert_let_in(&answer);
        let account = format!("{}/account", upstream.tenant_path);
        assert_eq!(answer.location(), Some(account.as_str()), "{answer:?}");
        browser
    }

    /// Somebody comes through the provider and is refused, and nothing is left behind.
    #[track_caller]
    pub fn turned_away<P>(
        &self,
        upstream: &Upstream<P>,
        person: &str,
        (status, code): (u16, &str),
    ) -> Response {
        let before = self.remains();
        let mut browser = self.browser();
        let answer = browser.sign_in_upstream(upstream, person);
        browser.assert_refused(&answer, status, code);
        assert_eq!(self.remains(), before, "{answer:?}");
        answer
    }

    /// Somebody comes through the provider and is asked for a proof; nothing is bound and nobody is signed in.
    #[track_caller]
    pub fn asked_for_proof<P>(&self, upstream: &Upstream<P>, person: &str) -> (Browser, Response) {
        let before = self.remains();
        let mut browser = self.browser();
        let answer = browser.sign_in_upstream(upstream, person);
        assert_eq!(answer.status, 403, "{answer:?}");
        let page = answer.text();
        assert!(html::by_id(&page, "proof-sign-in").is_some(), "{answer:?}");
        assert!(browser.session().is_none(), "{answer:?}");
        assert_eq!(self.remains(), before, "{answer:?}");
        (browser, answer)
    }

    /// The rows of the audit trail about events that begin so, the latest first.
    #[track_caller]
    pub fn audited(&self, event: &str) -> Vec<Value> {
        let rows = self.cli(&["audit", "search", "--event", event]);
        rows.as_array().expect("rows").clone()
    }

    /// Lets somebody sign in, stops the provider while the code is redeemed, and does something meanwhile.
    #[track_caller]
    pub fn meanwhile(
        &self,
        upstream: &Upstream<Running>,
        person: &str,
        act: impl FnOnce(),
    ) -> (Browser, Response) {
        let mut browser = self.browser();
        let to = browser.start_upstream(upstream).expect(303);
        let to = to.location().expect("a redirect").to_owned();
        let back = browser.sign_in_elsewhere(&to, person);
        let (tell, told) = channel();
        let (go, wait) = channel::<()>();
        let both = Mutex::new((tell, wait));
        upstream.set_hooks(Hooks::new().answer(move |received, _| {
            if received.path == "/token" {
                let both = both.lock().expect("no panic");
                // Whoever waits may have given up.
                let _ = both.0.send(());
                let _ = both.1.recv();
            }
        }));
        let answer = thread::scope(|scope| {
            let coming = scope.spawn(|| browser.come_back(&back));
            told.recv_timeout(PATIENCE).expect("the code is redeemed");
            act();
            drop(go);
            coming.join().expect("an answer")
        });
        upstream.set_hooks(Hooks::new());
        (browser, answer)
    }
}

impl Curfew {
    /// Imports people, described in JSON; every row must be taken.
    #[track_caller]
    pub fn import_people(&self, people: &Value) {
        let file = self.folder().join("people.json");
        fs::write(&file, people.to_string()).expect("a file");
        self.run(&["import", "users", &file.display().to_string()], "");
    }
}

impl Response {
    /// A page that refuses by this code, and says nothing of our inside.
    #[track_caller]
    pub fn expect_refused(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        let page = answer.text();
        let shown = format!("<code>{code}</code>");
        assert!(page.contains(&shown), "{code}: {answer:?}");
        // Any three letters may stand in the reference.
        let reference = answer.header("x-request-id").unwrap_or_default();
        let page = page.replace(reference, "").to_lowercase();
        for word in INSIDES {
            assert!(!page.contains(word), "{word}: {answer:?}");
        }
        let mut words = page.split(|c: char| !c.is_alphanumeric());
        assert!(!words.any(|word| word == "table"), "{answer:?}");
        answer
    }
}

impl Browser {
    /// The callback let the person in.
    #[track_caller]
    pub fn assert_let_in(&self, answer: &Response) {
        assert_eq!(answer.status, 303, "{answer:?}");
        assert!(self.session().is_some(), "no session: {answer:?}");
    }

    /// The answer refuses by this code, and nobody is signed in.
    #[track_caller]
    pub fn assert_refused(&self, answer: &Response, status: u16, code: &str) {
        let answer = answer.clone().expect_refused(status, code);
        assert_eq!(self.session(), None, "a session for {code}: {answer:?}");
    }

    /// Who is signed in, by the account page.
    #[track_caller]
    pub fn username(&mut self) -> String {
        let page = self.get("/account").expect(200).text();
        let name = page
            .split("<dd>")
            .nth(1)
            .and_then(|rest| rest.split_once("</dd>"));
        name.unwrap_or_else(|| panic!("nobody in {page}"))
            .0
            .to_owned()
    }

    /// Answers the question for a proof by signing in with the usual password; returns the page that asks for a yes.
    #[track_caller]
    pub fn prove_by_password(&mut self, asked: &Response, user: &str) -> Response {
        let link = html::by_id(&asked.text(), "proof-sign-in");
        let login = link.and_then(|tag| tag.get("href").map(str::to_owned));
        let login = login.unwrap_or_else(|| panic!("no way to sign in on {asked:?}"));
        let signed_in = self.sign_in_at(&login, user, crate::world::PASSWORD);
        let to = signed_in.expect(303);
        let to = to.location().expect("a redirect").to_owned();
        self.get(&to)
    }

    /// Asks for the mail that proves the mailbox; returns its link.
    #[track_caller]
    pub fn prove_by_mail(&mut self, asked: &Response, mails: &MailServer) -> String {
        self.submit(asked, &[]).expect(200);
        loop {
            let mail = mails.next(PATIENCE).text;
            let link = mail
                .lines()
                .find(|line| line.contains("/upstream/proof?token="));
            if let Some(link) = link {
                return link.trim().to_owned();
            }
        }
    }

    /// From the account page: adds an identity, up to the page that asks for a yes.
    #[track_caller]
    pub fn begin_to_link<P>(&mut self, upstream: &Upstream<P>, person: &str) -> Response {
        let page = self.get("/account/identities").expect(200);
        let csrf = html::input(&page.text(), "csrf").expect("a form");
        let page = self
            .post(&upstream.path("link"), &[("csrf", &csrf)])
            .expect(200);
        self.go_on_to(&page, person)
    }

    /// Accepts an invitation with an identity: up to the page that leads to the provider.
    #[track_caller]
    pub fn accept_elsewhere<P>(&mut self, invitation: &str, upstream: &Upstream<P>) -> Response {
        let page = self.get(invitation).expect(200).text();
        let path = upstream.path("invitation");
        let form = html::tags(&page)
            .into_iter()
            .filter_map(|tag| tag.get("action").map(html::unescape))
            .find(|action| *action == path);
        assert!(form.is_some(), "no button on {page}");
        let field = |name: &str| html::input(&page, name).expect("a field");
        let (csrf, link) = (field("csrf"), field("link"));
        self.post(&path, &[("csrf", &csrf), ("link", &link)])
    }

    /// Goes where the page between a form of ours and the provider leads, and comes back.
    #[track_caller]
    pub fn go_on_to(&mut self, page: &Response, person: &str) -> Response {
        let leave = html::by_id(&page.text(), "upstream-continue").expect("a link");
        let leave = leave.get("href").expect("a place").to_owned();
        let back = self.sign_in_elsewhere(&leave, person);
        self.come_back(&back)
    }

    /// Follows a redirect of our own.
    #[track_caller]
    pub fn follow_on(&mut self, answer: &Response) -> Response {
        let to = answer.location();
        let to = to.unwrap_or_else(|| panic!("no redirect: {answer:?}"));
        self.get(to)
    }
}
