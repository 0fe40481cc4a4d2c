//! The userinfo endpoint: asked for what the ID token lacks, and believed about the same person only.

use curfew_protocol::upstream::EmailVerified;
use serde_json::{Value, json};

use super::{Idp, USERINFO, is_invalid, is_unavailable};

fn without_email(claims: &mut Value) {
    claims.as_object_mut().unwrap().remove("email");
}

#[actix_web::test]
async fn b08_address_and_word_come_from_the_same_answer() {
    for (in_token, in_answer, email, verified) in [
        // The token's word about no address says nothing about the answer's address.
        (
            json!({"email_verified": true}),
            json!({"sub": "u-1", "email": "a@b.example"}),
            Some("a@b.example"),
            EmailVerified::Absent,
        ),
        (
            json!({"email_verified": true}),
            json!({"sub": "u-1", "email": "a@b.example", "email_verified": false}),
            Some("a@b.example"),
            EmailVerified::No,
        ),
        (
            json!({}),
            json!({"sub": "u-1", "email": "a@b.example", "email_verified": true}),
            Some("a@b.example"),
            EmailVerified::Yes,
        ),
        (
            json!({"email_verified": true}),
            json!({"sub": "u-1", "preferred_username": "a@b.example", "email_verified": true}),
            None,
            EmailVerified::Absent,
        ),
    ] {
        let idp = Idp::start();
        idp.issue_with(|claims| {
            without_email(claims);
            claims["email_verified"] = Value::Bool(true);
            match in_token.get("email_verified") {
                Some(word) => claims["email_verified"] = word.clone(),
                None => drop(claims.as_object_mut().unwrap().remove("email_verified")),
            }
        });
        idp.change(|answers| answers.userinfo = (200, in_answer.to_string()));
        let identity = idp.identify().await.unwrap();
        assert_eq!(identity.email(), email, "{in_answer}");
        assert_eq!(identity.email_verified(), verified, "{in_answer}");
        let requests = idp.server.requests();
        let asked = requests.iter().find(|request| request.line == USERINFO);
        let authorization = asked.unwrap().authorization.as_deref();
        assert_eq!(authorization, Some("Bearer at-1"));
    }
}

#[actix_web::test]
async fn b08_the_answer_of_another_subject_fails_the_login() {
    for answer in [
        json!({"sub": "u-2", "email": "a@b.example", "email_verified": true}),
        json!({"sub": "U-1", "email": "a@b.example", "email_verified": true}),
    ] {
        let idp = Idp::start();
        idp.issue_with(without_email);
        idp.change(|answers| answers.userinfo = (200, answer.to_string()));
        assert_eq!(idp.failure().await, "userinfo_sub", "{answer}");
    }
}

#[actix_web::test]
async fn b07_an_answer_with_a_member_twice_fails_the_login() {
    let idp = Idp::start();
    idp.issue_with(without_email);
    for text in [
        r#"{"sub":"u-1","email":"a@b.example","email_verified":false,"email_verified":true}"#,
        r#"{"sub":"u-2","sub":"u-1"}"#,
    ] {
        idp.change(|answers| answers.userinfo = (200, text.to_owned()));
        assert_eq!(idp.failure().await, "json_duplicate_member", "{text}");
    }
}

#[actix_web::test]
async fn an_answer_that_does_not_come_is_not_taken_for_no_address() {
    let idp = Idp::start();
    idp.issue_with(without_email);
    for status in [401, 403, 404, 500, 503] {
        idp.change(|answers| answers.userinfo = (status, "{}".to_owned()));
        assert!(
            is_unavailable(&idp.identify().await.unwrap_err()),
            "{status}"
        );
    }
    idp.change(|answers| answers.userinfo = (200, "{}".to_owned()));
    assert!(is_invalid(&idp.identify().await.unwrap_err()));
    // A provider without the endpoint gives no address, and that is an answer.
    let without = Idp::start();
    without.issue_with(without_email);
    without.change(|answers| {
        answers
            .metadata
            .as_object_mut()
            .unwrap()
            .remove("userinfo_endpoint");
    });
    let identity = without.identify().await.unwrap();
    assert_eq!((identity.email(), identity.display()), (None, "Ada"));
}

#[actix_web::test]
async fn b49_a_picture_is_never_fetched() {
    let idp = Idp::start();
    let picture = format!("{}/picture", idp.server.url);
    idp.issue_with(|claims| {
        without_email(claims);
        claims["picture"] = json!(picture);
        claims["profile"] = json!(picture);
    });
    let answer = json!({"sub": "u-1", "picture": picture, "website": picture});
    idp.change(|answers| answers.userinfo = (200, answer.to_string()));
    idp.identify().await.unwrap();
    let lines: Vec<String> = idp.server.requests().into_iter().map(|r| r.line).collect();
    assert!(!lines.join(" ").contains("picture"), "{lines:?}");
}
