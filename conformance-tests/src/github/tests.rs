use super::*;
use crate::browser::Browser;
use crate::wire::{Http, Request, Response};

const CALLBACK: &str = "http://127.0.0.1:9/upstream/github/callback";

fn github() -> GitHub {
    let ada = Member::new(100, "ada", "ada@example.test")
        .member("engines", "active")
        .member("engines/analysts", "pending");
    GitHub::start(
        vec![ada, Member::new(101, "eve", "eve@example.test")],
        "curfew",
        "the secret",
        CALLBACK,
    )
}

fn http(github: &GitHub) -> Http {
    let address = github.stub.address();
    Http {
        address,
        host: address.to_string(),
    }
}

fn browser() -> Browser {
    let address = "127.0.0.1:9".parse().expect("an address");
    let http = Http {
        address,
        host: "127.0.0.1:9".to_owned(),
    };
    Browser::new(http, "http://127.0.0.1:9")
}

/// Where the person lands who signs in at GitHub with these scopes.
fn landed(github: &GitHub, person: &str, scope: &str, decision: &str) -> Url {
    let query = crate::wire::encode(&[
        ("client_id", "curfew"),
        ("redirect_uri", CALLBACK),
        ("state", "s-1"),
        ("scope", scope),
        (
            "code_challenge",
            &pkce::challenge("a verifier of the proof key"),
        ),
        ("code_challenge_method", "S256"),
    ]);
    let to = format!("{}/login/oauth/authorize?{query}", github.origin());
    let back = browser().decide_elsewhere(&to, person, decision);
    assert!(back.starts_with(CALLBACK), "{back}");
    Url::parse(&back).expect("a URL")
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    let mut pairs = url.query_pairs();
    pairs
        .find(|(own, _)| own == name)
        .map(|(_, value)| value.into_owned())
}

fn redemption(code: &str) -> [(&str, &str); 5] {
    [
        ("client_id", "curfew"),
        ("client_secret", "the secret"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", "a verifier of the proof key"),
    ]
}

fn redeem(github: &GitHub, fields: &[(&str, &str)]) -> Response {
    let request = Request::form("/login/oauth/access_token", fields);
    http(github).send(&request.header("Accept", "application/json"))
}

fn token(github: &GitHub, person: &str, scope: &str) -> String {
    let url = landed(github, person, scope, "sign-in");
    assert_eq!(parameter(&url, "state").as_deref(), Some("s-1"));
    let code = parameter(&url, "code").expect("a code");
    redeem(github, &redemption(&code))
        .expect(200)
        .member("access_token")
}

fn ask(github: &GitHub, token: &str, path: &str) -> Response {
    let request = Request::get(path).header("Authorization", &format!("Bearer {token}"));
    http(github).send(&request.header("User-Agent", "a test"))
}

#[test]
fn a_person_is_signed_in_and_described() {
    let github = github();
    let token = token(&github, "ada", "user:email read:org");
    let user = ask(&github, &token, "/user").expect(200).json();
    assert_eq!(
        (&user["id"], &user["login"], &user["email"]),
        (&json!(100), &json!("ada"), &Value::Null)
    );
    let emails = ask(&github, &token, "/api/v3/user/emails")
        .expect(200)
        .json();
    let wanted = json!([{"email": "ada@example.test", "primary": true, "verified": true, "visibility": "private"}]);
    assert_eq!(emails, wanted);
    let state = |path: &str| ask(&github, &token, path).json()["state"].clone();
    assert_eq!(state("/user/memberships/orgs/engines"), "active");
    assert_eq!(
        state("/orgs/engines/teams/analysts/memberships/ada"),
        "pending"
    );
    ask(
        &github,
        &token,
        "/orgs/engines/teams/analysts/memberships/eve",
    )
    .expect(404);
    ask(&github, &token, "/user/memberships/orgs/others").expect(404);
}

#[test]
fn a_token_tells_no_more_than_its_scopes() {
    let github = github();
    let token = token(&github, "eve", "read:user");
    ask(&github, &token, "/user").expect(200);
    ask(&github, &token, "/user/emails").expect(404);
    ask(&github, &token, "/user/memberships/orgs/engines").expect(403);
    ask(&github, "gho_made-up", "/user").expect(401);
    let nameless = Request::get("/user").header("Authorization", &format!("Bearer {token}"));
    http(&github).send(&nameless).expect(403);
}

#[test]
fn a_code_is_good_once_with_the_secret_and_the_verifier() {
    let github = github();
    let code = parameter(&landed(&github, "ada", "read:user", "sign-in"), "code");
    let code = code.expect("a code");
    let mut wrong = redemption(&code);
    wrong[1].1 = "guessed";
    let refused = redeem(&github, &wrong).expect(200);
    assert_eq!(refused.error(), "incorrect_client_credentials");
    redeem(&github, &redemption(&code))
        .expect(200)
        .member("access_token");
    let refused = redeem(&github, &redemption(&code)).expect(200);
    assert_eq!(refused.error(), "bad_verification_code");
    let code = parameter(&landed(&github, "ada", "read:user", "sign-in"), "code");
    let refused = redeem(&github, &redemption(&code.expect("a code"))[..4]).expect(200);
    assert_eq!(refused.error(), "bad_verification_code");
}

#[test]
fn whoever_asks_for_no_json_gets_a_form_and_whoever_refuses_goes_back() {
    let github = github();
    let code = parameter(&landed(&github, "ada", "read:user", "sign-in"), "code");
    let code = code.expect("a code");
    let form = http(&github)
        .post("/login/oauth/access_token", &redemption(&code))
        .expect(200);
    assert!(form.text().starts_with("access_token=gho_"), "{form:?}");
    let refused = landed(&github, "ada", "read:user", "refuse");
    assert_eq!(
        parameter(&refused, "error").as_deref(),
        Some("access_denied")
    );
}

#[test]
fn any_answer_can_be_replaced_and_is_honest_again_afterwards() {
    let github = github();
    let token = token(&github, "ada", "user:email");
    github.replace_json("/user", 200, json!({"id": "100"}));
    assert_eq!(
        ask(&github, &token, "/api/v3/user").json(),
        json!({"id": "100"})
    );
    github.replace("/user/emails", |_| Reply::HangUp);
    let request = Request::get("/user/emails");
    assert!(http(&github).try_send(&request).is_err());
    github.honest();
    ask(&github, &token, "/user/emails").expect(200);
    github.members(|members| members[0].login = "ada-lovelace".to_owned());
    ask(&github, &token, "/user").expect(401);
}
