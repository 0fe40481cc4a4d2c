//! What a provider says about an address. Address and word come from one object and stay together from here on, so that nobody
//! pairs the address of one answer with the word of another (B08).

use serde_json::Value;

use super::members::Members;

/// The longest address (RFC 5321 §4.5.3.1.3, less the angle brackets).
const MAX_ADDRESS: usize = 254;

/// What the provider says about whether the address belongs to the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EmailVerified {
    /// Nothing.
    Absent,
    /// The JSON value `true`.
    Yes,
    /// The JSON string `"true"`: no truth value, but real providers send it. Believed only where an administrator says so.
    Text,
    /// Anything else.
    No,
}

impl EmailVerified {
    fn of(value: Option<&Value>) -> Self {
        match value {
            None => Self::Absent,
            Some(Value::Bool(true)) => Self::Yes,
            Some(Value::String(text)) if text == "true" => Self::Text,
            Some(_) => Self::No,
        }
    }
}

/// The address of one object, with what the same object says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailClaims {
    /// As the provider wrote it: a line of at most 254 bytes. Whether it is an address is asked of its canonical form.
    pub email: Option<String>,
    pub verified: EmailVerified,
}

impl EmailClaims {
    /// Only `email` is an address; `preferred_username` and `upn` may look like one and are not (B09).
    pub(super) fn of(members: Members<'_>) -> Self {
        Self {
            email: members.text("email", MAX_ADDRESS).ok().flatten(),
            verified: EmailVerified::of(members.get("email_verified")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: &Value) -> EmailClaims {
        EmailClaims::of(Members::of(value).expect("an object"))
    }

    #[test]
    fn b06_only_the_json_value_true_means_verified() {
        let cases = [
            (json!(true), EmailVerified::Yes),
            (json!("true"), EmailVerified::Text),
            (json!(false), EmailVerified::No),
            (json!("false"), EmailVerified::No),
            (json!("True"), EmailVerified::No),
            (json!("TRUE"), EmailVerified::No),
            (json!(" true"), EmailVerified::No),
            (json!("true\0"), EmailVerified::No),
            (json!("yes"), EmailVerified::No),
            (json!("1"), EmailVerified::No),
            (json!(""), EmailVerified::No),
            (json!(0), EmailVerified::No),
            (json!(1), EmailVerified::No),
            (json!(1.0), EmailVerified::No),
            (json!(null), EmailVerified::No),
            (json!([]), EmailVerified::No),
            (json!([true]), EmailVerified::No),
            (json!({}), EmailVerified::No),
            (json!({"true": true}), EmailVerified::No),
        ];
        for (said, expected) in cases {
            let object = json!({"email": "a@b.example", "email_verified": said});
            assert_eq!(claims(&object).verified, expected, "{said}");
        }
    }

    #[test]
    fn b05_what_is_not_said_is_absent() {
        let object = json!({"email": "a@b.example", "Email_Verified": true, "verified": true});
        assert_eq!(claims(&object).verified, EmailVerified::Absent);
    }

    #[test]
    fn b09_a_user_name_that_looks_like_an_address_is_none() {
        let object = json!({
            "preferred_username": "alice@b.example", "upn": "alice@b.example", "unique_name": "alice@b.example",
            "name": "alice@b.example", "emails": ["alice@b.example"], "email_verified": true,
        });
        assert_eq!(claims(&object).email, None);
    }

    #[test]
    fn b10_an_address_that_is_no_short_line_of_text_is_no_address() {
        let long = format!("{}@b.example", "a".repeat(250));
        for said in [
            json!(""),
            json!("  "),
            json!("a@b.example\r\nBcc: x@y.example"),
            json!("a\u{0}@b.example"),
            json!(long),
            json!(null),
            json!(7),
            json!(["a@b.example"]),
            json!({"email": "a@b.example"}),
        ] {
            let object = json!({"email": said, "email_verified": true});
            assert_eq!(claims(&object).email, None, "{said}");
        }
        let object = json!({"email": "A@b.example"});
        assert_eq!(claims(&object).email.as_deref(), Some("A@b.example"));
    }
}
