//! What a test says about somebody who came back from a provider: let in or turned away, and what that left behind.

use serde_json::Value;

use crate::browser::Browser;
use crate::html;
use crate::server::Curfew;
use crate::wire::Response;
use crate::world::World;

/// What nobody who is turned away may change: accounts, links, and the number of sessions and approvals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remains(String);

impl World {
    pub fn remains(&self) -> Remains {
        let users = "SELECT 1, id, id, id, username || ' ' || coalesce(email, '') || ' ' || coalesce(email_key, '') || ' ' || email_origin \
                     || ' ' || status || ' ' || epoch || ' ' || ever_linked FROM users";
        let links = "SELECT 2, id, provider_id, user_id, issuer || ' ' || subject || ' ' || display || ' ' || status || ' ' || epoch \
                     || ' ' || created_at FROM links";
        let nodes = "SELECT 3, NULL, NULL, NULL, 'nodes ' || count(*) FROM nodes";
        let all = format!("{users} UNION ALL {links} UNION ALL {nodes} ORDER BY 1, 2");
        Remains(self.query(&all))
    }

    /// Who is signed in here, by the tokens that they get.
    #[track_caller]
    pub fn who(&self, browser: &mut Browser) -> String {
        let tokens = self.tokens(browser, &self.web);
        let told = self.introspect(&tokens.access);
        told["sub"].as_str().expect("a subject").to_owned()
    }

    /// The links of a user, as `user show` lists them.
    #[track_caller]
    pub fn links_of(&self, name: &str) -> Vec<Value> {
        let shown = self.cli(&["user", "show", name]);
        shown["links"].as_array().expect("links").clone()
    }
}

impl Curfew {
    /// Imports people, described in JSON; every row must be taken.
    #[track_caller]
    pub fn import_people(&self, people: &Value) {
        let file = self.folder().join("people.json");
        std::fs::write(&file, people.to_string()).expect("a file");
        let file = file.display().to_string();
        self.run(&["import", "users", &file], "");
    }
}

impl Response {
    /// The page with this code, and nothing that tells of the inside.
    #[track_caller]
    pub fn expect_refused(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        let page = answer.text();
        assert!(page.contains(&format!("<code>{code}</code>")), "{answer:?}");
        // Any three letters may stand in the reference.
        let reference = answer.header("x-request-id").unwrap_or_default();
        let told = page.replace(reference, "").to_lowercase();
        for inside in [
            "constraint",
            "sql",
            "postgres",
            "diesel",
            "column ",
            "panicked",
        ] {
            assert!(!told.contains(inside), "{inside}: {page}");
        }
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

    /// The callback did not let the person in, by this code.
    #[track_caller]
    pub fn assert_turned_away(&self, answer: Response, status: u16, code: &str) {
        answer.expect_refused(status, code);
        assert_eq!(self.session(), None, "a session for {code}");
    }

    /// The callback asks for a proof.
    #[track_caller]
    pub fn assert_asked_for_proof(&self, answer: &Response) {
        assert_eq!(answer.status, 403, "{answer:?}");
        let page = answer.text();
        assert!(html::by_id(&page, "proof-sign-in").is_some(), "{answer:?}");
        assert_eq!(self.session(), None, "a session before the proof");
    }
}
