//! A stand-in that answers as GitHub documents it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use curfew_http::outbound::Outbound;
use curfew_policy::status::ProviderKind;
use curfew_policy::upstream::OrganizationRule;
use curfew_protocol::Timestamp;
use curfew_protocol::upstream::EmailVerified;
use serde_json::{Value, json};

use crate::check::Verdict;
use crate::client::{AuthorizationRequest, Callback, Contact, UpstreamClient, check};
use crate::failure::UpstreamFailure;
use crate::identity::UpstreamIdentity;
use crate::provider::UpstreamProvider;
use crate::testing::server::{Reply, Server};
use crate::testing::{CALLBACK, NOW, REDIRECT, REQUEST, outbound, provider};

const TOKEN: &str = "POST /login/oauth/access_token";
const USER: &str = "GET /api/v3/user";
const EMAILS: &str = "GET /api/v3/user/emails";
const ORGANIZATION: &str = "GET /api/v3/user/memberships/orgs/harbour";
const TEAM: &str = "GET /api/v3/orgs/harbour/teams/pilots/memberships/ada";

struct Github {
    server: Server,
    answers: Arc<Mutex<HashMap<&'static str, (u16, Value)>>>,
    provider: UpstreamProvider,
    outbound: Outbound,
}

impl Github {
    fn start() -> Self {
        let answers = Arc::new(Mutex::new(HashMap::from([
            (
                TOKEN,
                (
                    200,
                    json!({"access_token": "gho_1", "token_type": "bearer", "scope": "user:email"}),
                ),
            ),
            (
                USER,
                (
                    200,
                    json!({"id": 583_231, "login": "ada", "name": "Ada L."}),
                ),
            ),
            (
                EMAILS,
                (
                    200,
                    json!([
                        {"email": "old@harbour.example", "primary": false, "verified": true, "visibility": null},
                        {"email": "ada@harbour.example", "primary": true, "verified": true, "visibility": "public"},
                    ]),
                ),
            ),
        ])));
        let script = answers.clone();
        let server = Server::start(move |_, request| {
            let answers = script.lock().unwrap();
            match answers.get(request.line.as_str()) {
                Some((status, body)) => Reply::json(*status, body),
                None => Reply::json(404, &json!({"message": "Not Found"})),
            }
        });
        Self {
            provider: provider(ProviderKind::GitHub, &server.url),
            server,
            answers,
            outbound: outbound(),
        }
    }

    fn answer(&self, line: &'static str, status: u16, body: Value) {
        self.answers.lock().unwrap().insert(line, (status, body));
    }

    fn require(&mut self, teams: &[&str]) {
        self.provider.github.organizations = vec![OrganizationRule {
            organization: "harbour".to_owned(),
            teams: teams.iter().map(|team| (*team).to_owned()).collect(),
        }];
    }

    fn contact(&self) -> Contact<'_> {
        Contact {
            outbound: &self.outbound,
            provider: &self.provider,
            now: NOW,
        }
    }

    async fn identify_with(
        &self,
        callback: Callback<'_>,
    ) -> Result<UpstreamIdentity, UpstreamFailure> {
        let client = UpstreamClient::default();
        client.identify(self.contact(), callback).await
    }

    async fn identify(&self) -> Result<UpstreamIdentity, UpstreamFailure> {
        self.identify_with(CALLBACK).await
    }

    /// How the login ends: the status that it becomes, and the word.
    async fn end(&self) -> (u16, &'static str) {
        match self.identify().await {
            Ok(_) => (200, "identified"),
            Err(failure) => match &failure {
                UpstreamFailure::Invalid(invalid) => (400, invalid.as_str()),
                UpstreamFailure::Denied(denial) => (403, denial.as_str()),
                UpstreamFailure::Unavailable(unavailable) => (503, unavailable.as_str()),
            },
        }
    }
}

#[actix_web::test]
async fn the_browser_is_sent_off_with_state_and_pkce() {
    let mut github = Github::start();
    let client = UpstreamClient::default();
    let url = client.authorization_url(github.contact(), REQUEST).await;
    let expected = format!(
        "{}/login/oauth/authorize?response_type=code&client_id=curfew&redirect_uri={}&scope=read%3Auser+user%3Aemail&state=st&code_challenge=ch&code_challenge_method=S256",
        github.server.url,
        url::form_urlencoded::byte_serialize(REDIRECT.as_bytes()).collect::<String>(),
    );
    assert_eq!(url.unwrap().as_str(), expected);
    github.require(&[]);
    let url = client.authorization_url(github.contact(), REQUEST).await;
    assert!(url.unwrap().as_str().contains("user%3Aemail+read%3Aorg&"));
    // GitHub has no way to ask for a fresh sign-in, and it is not pretended.
    let fresh = AuthorizationRequest {
        reauthenticate: true,
        ..REQUEST
    };
    let refused = client.authorization_url(github.contact(), fresh).await;
    assert_eq!(refused.unwrap_err().as_str(), "fresh_sign_in_unsupported");
}

#[actix_web::test]
async fn who_comes_back_is_their_number() {
    let github = Github::start();
    let identity = github.identify().await.unwrap();
    assert_eq!(identity.issuer(), github.server.url);
    assert_eq!(identity.subject(), "583231");
    assert_eq!(identity.email(), Some("ada@harbour.example"));
    assert_eq!(identity.email_verified(), EmailVerified::Yes);
    assert_eq!(
        (identity.display(), identity.name()),
        ("ada", Some("Ada L."))
    );
    assert_eq!(identity.ends_at(), None);
    let requests = github.server.requests();
    let lines: Vec<&str> = requests.iter().map(|r| r.line.as_str()).collect();
    assert_eq!(lines, [TOKEN, USER, EMAILS]);
    for part in [
        "code=c0de",
        "client_secret=s3cret",
        "code_verifier=verifier",
        "client_id=curfew",
    ] {
        assert!(
            requests[0].body.contains(part),
            "{part}: {}",
            requests[0].body
        );
    }
    for request in &requests[1..] {
        assert_eq!(request.authorization.as_deref(), Some("Bearer gho_1"));
        for (name, value) in [
            ("accept", "application/vnd.github+json"),
            ("x-github-api-version", "2022-11-28"),
        ] {
            let header = (name.to_owned(), value.to_owned());
            assert!(request.headers.contains(&header), "{header:?}");
        }
        assert!(
            request
                .headers
                .iter()
                .any(|(name, value)| name == "user-agent" && value.starts_with("curfew/"))
        );
    }
}

#[actix_web::test]
async fn b50_a_token_that_ends_ends_what_it_gave() {
    let github = Github::start();
    let tokens = json!({"access_token": "ghu_1", "token_type": "bearer", "expires_in": 28_800});
    github.answer(TOKEN, 200, tokens);
    let end = Timestamp::from_seconds(NOW.seconds() + 28_800);
    assert_eq!(github.identify().await.unwrap().ends_at(), Some(end));
}

#[actix_web::test]
async fn b21_b22_a_login_is_not_the_person() {
    let github = Github::start();
    let before = github.identify().await.unwrap();
    github.answer(USER, 200, json!({"id": 583_231, "login": "ada-lovelace"}));
    let renamed = github.identify().await.unwrap();
    assert_eq!(renamed.subject(), before.subject());
    github.answer(USER, 200, json!({"id": 600_000, "login": "ada"}));
    let successor = github.identify().await.unwrap();
    assert_ne!(successor.subject(), before.subject());
}

#[actix_web::test]
async fn b24_a_number_that_is_none_is_nobody() {
    let github = Github::start();
    for (id, word) in [
        (json!(0), "member_not_acceptable"),
        (json!(-1), "member_not_acceptable"),
        (json!(1.5), "member_not_acceptable"),
        (json!(9_007_199_254_740_993_u64), "member_not_acceptable"),
        (json!("583231"), "member_of_wrong_type"),
        (Value::Null, "member_of_wrong_type"),
    ] {
        github.answer(USER, 200, json!({"id": id, "login": "ada"}));
        assert_eq!(github.end().await, (400, word), "{id}");
    }
    github.answer(USER, 200, json!({"login": "ada"}));
    assert_eq!(github.end().await, (400, "member_missing"));
}

#[actix_web::test]
async fn b25_only_the_primary_and_verified_address_is_one() {
    let entry = |email: &str, primary, verified| json!({"email": email, "primary": primary, "verified": verified});
    let github = Github::start();
    for (emails, expected) in [
        (json!([]), None),
        (json!([entry("a@b.example", true, false)]), None),
        (json!([entry("a@b.example", false, true)]), None),
        (
            json!([
                entry("a@b.example", true, false),
                entry("c@d.example", false, true)
            ]),
            None,
        ),
        (
            json!([entry("1+ada@users.noreply.github.com", true, true)]),
            None,
        ),
        (
            json!([entry("a@b.example", true, true)]),
            Some("a@b.example"),
        ),
    ] {
        github.answer(EMAILS, 200, emails.clone());
        let identity = github.identify().await.unwrap();
        assert_eq!(identity.email(), expected, "{emails}");
        let verified = identity.email_verified() == EmailVerified::Yes;
        assert_eq!(verified, expected.is_some(), "{emails}");
    }
}

#[actix_web::test]
async fn b25_addresses_that_are_not_told_end_the_login() {
    let github = Github::start();
    for status in [401, 403, 404, 429, 500, 502, 503] {
        github.answer(EMAILS, status, json!({"message": "no"}));
        assert_eq!(github.end().await, (503, "provider_status"), "{status}");
    }
    github.answer(EMAILS, 200, json!({"message": "no"}));
    assert_eq!(github.end().await, (400, "not_an_array"));
    github.answer(
        EMAILS,
        200,
        json!([{"email": "a@b.example", "primary": true, "verified": "true"}]),
    );
    assert_eq!(github.end().await, (400, "member_of_wrong_type"));
}

#[actix_web::test]
async fn b26_an_invitation_is_no_membership_and_no_answer_is_none_either() {
    let mut github = Github::start();
    github.require(&[]);
    let denied = (403, "organization_required");
    // 404: not a member, or an organisation that does not exist.
    assert_eq!(github.end().await, denied);
    for state in ["pending", "suspended", "Active"] {
        github.answer(ORGANIZATION, 200, json!({"state": state, "role": "member"}));
        assert_eq!(github.end().await, denied, "{state}");
    }
    for status in [401, 403, 429, 500, 503] {
        github.answer(ORGANIZATION, status, json!({"state": "active"}));
        assert_eq!(github.end().await, (503, "provider_status"), "{status}");
    }
    github.answer(ORGANIZATION, 200, json!({"role": "member"}));
    assert_eq!(github.end().await, (400, "member_missing"));
    github.answer(ORGANIZATION, 200, json!({"state": "active"}));
    assert_eq!(github.end().await, (200, "identified"));
}

#[actix_web::test]
async fn b26_a_team_is_required_below_its_organisation() {
    let mut github = Github::start();
    github.require(&["sailors", "pilots"]);
    let denied = (403, "organization_required");
    github.answer(TEAM, 200, json!({"state": "active"}));
    // The organisation was left.
    assert_eq!(github.end().await, denied);
    assert_eq!(github.server.count(TEAM), 0);
    github.answer(ORGANIZATION, 200, json!({"state": "active"}));
    assert_eq!(github.end().await, (200, "identified"));
    github.answer(TEAM, 200, json!({"state": "pending"}));
    assert_eq!(github.end().await, denied);
    github.answer(TEAM, 404, json!({}));
    assert_eq!(github.end().await, denied);
    github.answer(TEAM, 500, json!({}));
    assert_eq!(github.end().await, (503, "provider_status"));
}

#[actix_web::test]
async fn b26_membership_in_any_one_organisation_is_enough() {
    let mut github = Github::start();
    github.require(&[]);
    let other = OrganizationRule {
        organization: "../user".to_owned(),
        teams: Vec::new(),
    };
    github.provider.github.organizations.insert(0, other);
    github.answer(ORGANIZATION, 200, json!({"state": "active"}));
    assert_eq!(github.end().await, (200, "identified"));
    // A name is one segment of the address, whatever is in it.
    let odd = "GET /api/v3/user/memberships/orgs/..%2Fuser";
    assert_eq!(github.server.count(odd), 1);
}

#[actix_web::test]
async fn b27_the_same_number_at_two_sites_is_two_people() {
    let (one, other) = (Github::start(), Github::start());
    let (one, other) = (
        one.identify().await.unwrap(),
        other.identify().await.unwrap(),
    );
    assert_eq!(one.subject(), other.subject());
    assert_ne!(one.issuer(), other.issuer());
    // github.com has its interface at a host of its own, an enterprise server below its address.
    let at = |issuer: &str, api: Option<&str>| {
        let mut provider = provider(ProviderKind::GitHub, issuer);
        provider.github.api_url = api.map(str::to_owned);
        super::api_url(&provider).unwrap().to_string()
    };
    assert_eq!(at("https://github.com", None), "https://api.github.com/");
    assert_eq!(
        at("https://ghe.example", None),
        "https://ghe.example/api/v3"
    );
    assert_eq!(
        at("https://ghe.example/", None),
        "https://ghe.example/api/v3"
    );
    assert_eq!(
        at("https://github.com", Some("https://api.x.example")),
        "https://api.x.example/"
    );
}

#[actix_web::test]
async fn b53_an_error_that_comes_with_200_is_an_error() {
    let github = Github::start();
    for (status, error, end) in [
        (200, "bad_verification_code", (400, "code_refused")),
        (200, "incorrect_client_credentials", (503, "client_refused")),
        (200, "redirect_uri_mismatch", (503, "client_refused")),
        (503, "x", (503, "provider_status")),
    ] {
        let answer = json!({"error": error, "error_description": "x\ny", "error_uri": "https://docs.example"});
        github.answer(TOKEN, status, answer);
        assert_eq!(github.end().await, end, "{error}");
    }
    assert_eq!(github.server.count(USER), 0);
}

#[actix_web::test]
async fn b41_a_response_of_another_site_is_refused() {
    let github = Github::start();
    let own = github.server.url.clone();
    let below = format!("{own}/login/oauth");
    let word = async |iss: &str| {
        let callback = Callback {
            iss: Some(iss),
            ..CALLBACK
        };
        match github.identify_with(callback).await {
            Ok(_) => "identified",
            Err(failure) => failure.as_str(),
        }
    };
    assert_eq!(word(&own).await, "identified");
    assert_eq!(word(&below).await, "identified");
    for iss in ["https://evil.example", &format!("{own}.evil.example"), ""] {
        assert_eq!(word(iss).await, "response_issuer", "{iss}");
    }
}

#[actix_web::test]
async fn what_is_wrong_with_a_site_is_said_with_its_remedy() {
    let mut github = Github::start();
    github.answer("GET /api/v3", 200, json!({"current_user_url": "x"}));
    let found = check(github.contact()).await;
    let line = |what: &str| found.iter().find(|line| line.what == what).unwrap();
    assert_eq!(line("REST interface").verdict, Verdict::Good, "{found:?}");
    // The stand-in is not https.
    assert_eq!(line("endpoints").verdict, Verdict::Warning);
    github.answer("GET /api/v3", 404, json!({}));
    github.provider.client_secret = None;
    let found = check(github.contact()).await;
    let bad: Vec<&str> = found
        .iter()
        .filter(|line| !line.is_ok())
        .map(|line| line.what)
        .collect();
    assert_eq!(bad, ["REST interface", "client authentication"]);
    assert!(found[1].words.contains("letter by letter"), "{found:?}");
}
