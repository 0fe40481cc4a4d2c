use serde_json::json;

use super::*;

fn user(id: &Value) -> Result<GithubUser, AnswerError> {
    GithubUser::parse(
        json!({"login": "ann", "id": id, "name": null})
            .to_string()
            .as_bytes(),
    )
}

fn emails(list: &Value) -> Result<GithubEmails, AnswerError> {
    GithubEmails::parse(list.to_string().as_bytes())
}

#[test]
fn b24_an_id_is_an_integer_from_one_to_two_to_the_53rd() {
    use AnswerError::{BadValue, WrongType};
    let cases = [
        (json!(0), BadValue("id")),
        (json!(-1), BadValue("id")),
        (json!(1.0), BadValue("id")),
        (json!(1.5), BadValue("id")),
        (json!(1e20), BadValue("id")),
        (json!((1_u64 << 53) + 1), BadValue("id")),
        (json!(u64::MAX), BadValue("id")),
        (json!("1"), WrongType("id")),
        (json!(""), WrongType("id")),
        (json!(null), WrongType("id")),
        (json!(true), WrongType("id")),
        (json!([1]), WrongType("id")),
        (json!({"id": 1}), WrongType("id")),
    ];
    for (id, expected) in cases {
        assert_eq!(user(&id), Err(expected), "{id}");
    }
    let missing = GithubUser::parse(br#"{"login":"ann","node_id":"1"}"#);
    assert_eq!(missing, Err(AnswerError::Missing("id")));
    for id in [1, 583_231, 1 << 53] {
        let user = user(&json!(id)).expect("a user");
        assert_eq!((user.id, user.subject()), (id, id.to_string()));
    }
}

#[test]
fn a_login_is_safe_in_a_path_and_a_name_is_only_shown() {
    for (login, expected) in [
        (json!("ann-b_corp"), true),
        (json!("a/../b"), false),
        (json!("a?b"), false),
        (json!("a b"), false),
        (json!("\u{e4}"), false),
        (json!(""), false),
        (json!(7), false),
    ] {
        let body = json!({"login": login, "id": 1, "name": {"x": 1}});
        let user = GithubUser::parse(body.to_string().as_bytes());
        assert_eq!(user.is_ok(), expected, "{login}");
        assert!(user.is_err() || user.is_ok_and(|user| user.name.is_none()));
    }
}

#[test]
fn b07_two_ids_are_none() {
    let code = GithubUser::parse(br#"{"login":"ann","id":1,"id":2}"#).map_err(AnswerError::code);
    assert_eq!(code, Err("json_duplicate_member"));
}

#[test]
fn b25_only_the_primary_verified_mailbox_is_an_address() {
    let entry = |email: &str, primary: bool, verified: bool| json!({"email": email, "primary": primary, "verified": verified, "visibility": null});
    let good = entry("ann@b.example", true, true);
    let cases = [
        (json!([good]), Some("ann@b.example")),
        (
            json!([entry("x@b.example", false, true), good]),
            Some("ann@b.example"),
        ),
        (json!([]), None),
        (json!([entry("ann@b.example", true, false)]), None),
        (json!([entry("ann@b.example", false, true)]), None),
        (
            json!([
                entry("x@b.example", true, false),
                entry("y@b.example", false, true)
            ]),
            None,
        ),
        (json!([good, entry("x@b.example", true, true)]), None),
        (
            json!([entry("1+ann@users.noreply.github.com", true, true)]),
            None,
        ),
        (
            json!([entry("ann@Users.NoReply.github.com", true, true)]),
            None,
        ),
        (
            json!([entry("ann@users.noreply.ghe.example", true, true)]),
            None,
        ),
        (json!([entry("ann@noreply.github.com", true, true)]), None),
    ];
    for (list, expected) in cases {
        let parsed = emails(&list).expect("a list");
        assert_eq!(parsed.primary_verified(), expected, "{list}");
        let said = parsed.claims();
        let verified = if expected.is_some() {
            EmailVerified::Yes
        } else {
            EmailVerified::Absent
        };
        assert_eq!(
            (said.email.as_deref(), said.verified),
            (expected, verified),
            "{list}"
        );
    }
}

#[test]
fn b25_a_list_of_the_wrong_shape_is_refused_and_not_read_as_empty() {
    use AnswerError::{BadValue, Missing, NotAnArray, NotAnObject, TooMany, WrongType};
    let cases = [
        (json!({"message": "Bad credentials"}), NotAnArray),
        (json!(["ann@b.example"]), NotAnObject),
        (
            json!([{"email": "a@b.example", "primary": true}]),
            Missing("verified"),
        ),
        (
            json!([{"email": "a@b.example", "verified": true}]),
            Missing("primary"),
        ),
        (
            json!([{"email": "a@b.example", "primary": true, "verified": "true"}]),
            WrongType("verified"),
        ),
        (
            json!([{"email": "a@b.example", "primary": 1, "verified": true}]),
            WrongType("primary"),
        ),
        (
            json!([{"email": null, "primary": true, "verified": true}]),
            WrongType("email"),
        ),
        (
            json!([{"email": "", "primary": true, "verified": true}]),
            BadValue("email"),
        ),
        (
            json!(vec![
                json!({"email": "a@b.example", "primary": false, "verified": true});
                101
            ]),
            TooMany("email"),
        ),
    ];
    for (list, expected) in cases {
        assert_eq!(emails(&list), Err(expected), "{list}");
    }
}

#[test]
fn b26_only_an_active_membership_counts() {
    let parse = |state: Value| {
        GithubMembership::parse(
            json!({"state": state, "role": "admin"})
                .to_string()
                .as_bytes(),
        )
    };
    assert!(parse(json!("active")).is_ok_and(GithubMembership::is_member));
    for state in ["pending", "Active", "suspended"] {
        assert!(
            parse(json!(state)).is_ok_and(|found| !found.is_member()),
            "{state}"
        );
    }
    assert_eq!(parse(json!("pending")), Ok(GithubMembership::Pending));
    assert_eq!(parse(json!(true)), Err(AnswerError::WrongType("state")));
    let missing = GithubMembership::parse(br#"{"message":"Not Found"}"#);
    assert_eq!(missing, Err(AnswerError::Missing("state")));
}
