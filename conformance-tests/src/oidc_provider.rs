//! An OpenID provider that no one here wrote: `oidc-provider` for Node, with its own pages for development.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::{Value, json};

use crate::pkce;
use crate::server::repository;
use crate::upstream::{CLIENT_ID, Registration, Upstream};
use crate::world::World;

/// It ends with its owner.
#[derive(Debug)]
pub struct OidcProvider {
    process: Child,
    issuer: String,
}

/// Where the clients that others wrote are installed.
pub fn installed(variable: &str, usual: &str) -> PathBuf {
    let place = std::env::var_os(variable).map_or_else(|| repository().join(usual), PathBuf::from);
    assert!(
        place.exists(),
        "{} is missing: conformance-tests/clients/install",
        place.display()
    );
    place
}

impl OidcProvider {
    /// Starts it with one client. `people` are claims by subject.
    pub fn start(secret: &str, callback: &str, back_channel: &str, people: &Value) -> Self {
        let told = json!({
            "client_id": CLIENT_ID, "client_secret": secret, "redirect_uri": callback,
            "backchannel_logout_uri": back_channel, "people": people,
        });
        let mut process = Command::new("node")
            .arg(repository().join("conformance-tests/clients/oidc_provider.mjs"))
            .env("CURFEW_TEST", told.to_string())
            .env(
                "CURFEW_CLIENTS_NODE",
                installed("CURFEW_CLIENTS_NODE", "target/clients/node"),
            )
            .env("NO_PROXY", "*")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed");
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let issuer = lines.find_map(|line| {
            let line = line.expect("a line");
            line.strip_prefix("LISTENING ").map(str::to_owned)
        });
        // Whatever else it says must not fill the pipe.
        thread::spawn(move || lines.count());
        Self {
            process,
            issuer: issuer.expect("it says where it listens"),
        }
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl World {
    /// Starts `oidc-provider` and registers it. `people` are claims by subject.
    #[track_caller]
    pub fn oidc_provider(
        &self,
        slug: &str,
        people: &Value,
        options: &[&str],
    ) -> Upstream<OidcProvider> {
        let what = Registration::new(slug, options);
        let secret = pkce::random();
        let back_channel = format!("{}/upstream/{slug}/backchannel-logout", self.issuer());
        let provider = OidcProvider::start(&secret, &what.callback(self), &back_channel, people);
        let added = self.upstream_add(what, "openid", provider.issuer(), &secret);
        Upstream {
            slug: slug.to_owned(),
            tenant_path: String::new(),
            secret,
            provider,
            added,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::browser::Browser;
    use crate::html;
    use crate::wire::{Http, Request};
    use url::Url;

    #[test]
    fn it_signs_a_person_in_on_its_own_pages_and_tells_userinfo_about_them() {
        let callback = "http://127.0.0.1:9/cb";
        let people =
            json!({"s-ada": {"email": "ada@example.test", "email_verified": true, "name": "Ada"}});
        let provider =
            OidcProvider::start("the secret", callback, "http://127.0.0.1:9/out", &people);
        let url = Url::parse(provider.issuer()).expect("a URL");
        let address = url.socket_addrs(|| None).expect("an address")[0];
        let http = Http {
            address,
            host: address.to_string(),
        };
        let verifier = pkce::random();
        let query = crate::wire::encode(&[
            ("client_id", CLIENT_ID),
            ("redirect_uri", callback),
            ("response_type", "code"),
            ("scope", "openid email"),
            ("state", "s"),
            ("nonce", "n"),
            ("code_challenge", &pkce::challenge(&verifier)),
            ("code_challenge_method", "S256"),
        ]);
        let mut browser = Browser::new(http.clone(), provider.issuer());
        let mut answer = browser.get(&format!("/auth?{query}"));
        let code = loop {
            if let Some(code) = answer.location_parameter("code") {
                break code;
            }
            answer = match answer.location().map(str::to_owned) {
                Some(location) => browser.get(&location),
                None => browser.submit(&answer, &[("login", "s-ada"), ("password", "any")]),
            };
            assert!(
                answer.status == 303 || html::form_action(&answer.text()).is_some(),
                "{answer:?}"
            );
        };
        assert_eq!(
            answer.location_parameter("iss").as_deref(),
            Some(provider.issuer())
        );
        let redeeming = Request::form(
            "/token",
            &[
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", callback),
                ("code_verifier", &verifier),
            ],
        );
        let tokens = http
            .send(&redeeming.basic(CLIENT_ID, "the secret"))
            .expect(200);
        let bearer = format!("Bearer {}", tokens.member("access_token"));
        let told = http.send(&Request::get("/me").header("Authorization", &bearer));
        let wanted = json!({"sub": "s-ada", "email": "ada@example.test", "email_verified": true});
        assert_eq!(told.expect(200).json(), wanted);
    }
}
