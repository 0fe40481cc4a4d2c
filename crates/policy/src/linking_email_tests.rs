//! What an address and a domain are taken for, before anything is decided.

use serde_json::{Value, json};

use super::*;

/// What the claims of `object` are taken for.
fn fact(object: &Value, email_verified_as_text: bool) -> EmailFact {
    let mut object = object.clone();
    object["sub"] = json!("u-1");
    let info = curfew_protocol::upstream::UserInfo::parse(object.to_string().as_bytes());
    let policy = ProviderPolicy {
        email_verified_as_text,
        ..ProviderPolicy::default()
    };
    EmailFact::of(&info.expect("an answer").email, &policy)
}

fn verified(key: &str) -> EmailFact {
    EmailFact::Verified {
        key: key.to_owned(),
    }
}

#[test]
fn b04_b05_b06_only_true_verifies_and_the_word_true_only_where_it_is_believed() {
    let say = |said: Value, believed: bool| {
        let object = json!({"email": "Ann@Corp.example", "email_verified": said});
        fact(&object, believed)
    };
    let key = verified("ann@corp.example");
    for believed in [false, true] {
        assert_eq!(say(json!(true), believed), key);
        for said in [
            json!(false),
            json!("false"),
            json!("True"),
            json!("TRUE"),
            json!(0),
            json!(1),
            json!("1"),
            json!(null),
            json!([]),
            json!({}),
            json!([true]),
            json!("yes"),
            json!(1.0),
        ] {
            assert_eq!(say(said.clone(), believed), EmailFact::Denied, "{said}");
        }
        let absent = fact(&json!({"email": "ann@corp.example"}), believed);
        assert_eq!(absent, EmailFact::Unstated);
    }
    assert_eq!(say(json!("true"), false), EmailFact::Denied);
    assert_eq!(say(json!("true"), true), key);
}

#[test]
fn b09_b10_what_is_no_address_is_none_even_when_it_is_verified() {
    let long = format!("{}@corp.example", "a".repeat(250));
    let long_local = format!("{}@corp.example", "a".repeat(65));
    for email in [
        "",
        " ",
        "ann",
        "@corp.example",
        "ann@",
        "a@evil@corp.example",
        "\"a b\"@corp.example",
        "\"a\"@corp.example",
        "ann@corp.example\r\nBcc: x@y.example",
        "ann\r@corp.example",
        "ann\u{0}@corp.example",
        "ann@corp.example.",
        " ann@corp.example",
        "ann@corp.example ",
        "ann@corp .example",
        "ann@[127.0.0.1]",
        "ann@corp",
        "Ann <ann@corp.example>",
        "\u{e4}nn@corp.example",
        &long,
        &long_local,
    ] {
        let object = json!({"email": email, "email_verified": true});
        assert_eq!(fact(&object, false), EmailFact::None, "{email:?}");
    }
    let named = json!({"preferred_username": "ann@corp.example", "email_verified": true});
    assert_eq!(fact(&named, false), EmailFact::None);
    let unsaid = json!({"email": "ann", "email_verified": false});
    assert_eq!(fact(&unsaid, false), EmailFact::Denied);
}

#[test]
fn b45_a_domain_is_one_of_the_list_only_when_it_is_the_whole_of_it() {
    let list = |texts: &[&str]| -> Vec<String> {
        texts.iter().filter_map(|text| parse_domain(text)).collect()
    };
    let corp = list(&["Corp.COM", "b\u{fc}cher.example"]);
    assert_eq!(corp, ["corp.com", "xn--bcher-kva.example"]);
    for (email, expected) in [
        ("a@corp.com", true),
        ("a@CORP.com", true),
        ("a@b\u{fc}cher.example", true),
        ("a@BU\u{308}CHER.example", true),
        ("a@xn--bcher-kva.example", true),
        ("a@evilcorp.com", false),
        ("a@corp.com.evil", false),
        ("a@evil@corp.com", false),
        ("a@sub.corp.com", false),
        ("a@corp.co", false),
        ("a@com", false),
        ("a@corp.com.", false),
        ("a@bucher.example", false),
        // Cyrillic letters that look like Latin ones
        ("a@\u{441}orp.com", false),
    ] {
        let key = crate::email::canonical(email);
        let allowed = key.is_some_and(|key| domain_allowed(&key, &corp));
        assert_eq!(allowed, expected, "{email}");
    }
    // Not even a key that no canonical form could be gets past.
    for key in [
        "a@evil@corp.com",
        "@corp.com",
        "corp.com",
        "",
        "a@CORP.com",
        "a@",
    ] {
        assert!(!domain_allowed(key, &corp), "{key:?}");
    }
    assert!(!domain_allowed("a@corp.com", &["@corp.com".to_owned()]));
    assert!(!domain_allowed("a@corp.com", &[]));
}

#[test]
fn b45_what_is_no_domain_does_not_get_into_the_list() {
    for text in [
        "@corp.com",
        "a@corp.com",
        "*.corp.com",
        "*",
        "",
        " ",
        ".",
        "corp",
        "corp.com.",
        ".corp.com",
        "corp..com",
        " corp.com",
        "corp.com ",
        "corp.com,evil.com",
        "https://corp.com",
        "corp.com/x",
        "corp.com:443",
        "corp_x.com",
        "[::1]",
        "co\u{0}rp.com",
    ] {
        assert_eq!(parse_domain(text), None, "{text:?}");
    }
}
