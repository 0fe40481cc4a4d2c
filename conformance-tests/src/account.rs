//! What people do on the account page: personal access tokens, and the identities by which they sign in.

use crate::browser::Browser;
use crate::html;
use crate::wire::Response;

const NEW_TOKEN: &str = "/account/tokens/new";

impl Browser {
    /// Posts `fields` with the form token of the page at `page`.
    #[track_caller]
    pub fn post_from(&mut self, page: &str, target: &str, fields: &[(&str, &str)]) -> Response {
        let page = self.get(page).expect(200).text();
        let csrf = html::input(&page, "csrf").expect("a form token");
        self.post(target, &[fields, &[("csrf", csrf.as_str())]].concat())
    }

    /// Asks for a personal access token.
    #[track_caller]
    pub fn make_token(&mut self, fields: &[(&str, &str)]) -> Response {
        self.post_from(NEW_TOKEN, NEW_TOKEN, fields)
    }

    /// Makes a personal access token and reads it off the page.
    #[track_caller]
    pub fn made_token(&mut self, fields: &[(&str, &str)]) -> String {
        let answer = self.make_token(fields).expect(303);
        assert_eq!(answer.location(), Some("/account/tokens/made"));
        let page = self.get("/account/tokens/made").expect(200).text();
        let secret = page.split("id=\"pat-secret\">").nth(1).expect("the token");
        secret.split('<').next().expect("its end").to_owned()
    }

    /// Asks for an identity to be taken away, whether or not the page offers it.
    #[track_caller]
    pub fn unlink_identity(&mut self, link: &str) -> Response {
        let target = "/account/identities/unlink";
        self.post_from("/account/identities", target, &[("id", link)])
    }
}
