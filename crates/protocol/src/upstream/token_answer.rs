//! The answer of a provider's token endpoint (RFC 6749 §5.1 and §5.2, OpenID Connect Core 1.0 §3.1.3.3).
//!
//! GitHub sends its errors with the status 200, so the members decide and not the status: whatever has an `error` is a refusal.

use serde_json::Value;

use super::AnswerError;
use super::members::{Members, from_bytes};
use crate::redacted::Redacted;

const MAX_TOKEN: usize = 64 * 1024;
const MAX_ERROR: usize = 100;
/// How much of a description is kept, in characters.
const MAX_DESCRIPTION: usize = 300;
/// A token that is said to live longer than a century is a mistake.
const MAX_EXPIRES_IN: u64 = 3_155_760_000;

/// What the token endpoint said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenAnswer {
    Granted(GrantedTokens),
    Refused(TokenRefusal),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedTokens {
    pub access_token: Redacted<String>,
    pub id_token: Option<Redacted<String>>,
    /// Seconds from now.
    pub expires_in: Option<i64>,
}

/// Both texts are a stranger's: for the log of an operator, and escaped wherever they are shown (B53).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRefusal {
    /// A word of RFC 6749 §5.2 or of the provider's own: printable ASCII without quote and backslash.
    pub error: String,
    /// One line, cut off where it gets long.
    pub description: Option<String>,
}

impl TokenAnswer {
    pub fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        from_bytes(body, Self::of)
    }

    fn of(value: &Value) -> Result<Self, AnswerError> {
        let members = Members::of(value)?;
        if let Some(error) = members.text("error", MAX_ERROR)? {
            let allowed = |b: u8| matches!(b, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            if !error.bytes().all(allowed) {
                return Err(AnswerError::BadValue("error"));
            }
            let description = members.get("error_description").and_then(Value::as_str);
            return Ok(Self::Refused(TokenRefusal {
                error,
                description: description.map(one_line),
            }));
        }
        let access_token = members.required_text("access_token", MAX_TOKEN)?;
        // It is sent in a header.
        if !access_token.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
            return Err(AnswerError::BadValue("access_token"));
        }
        let token_type = members.required_text("token_type", MAX_ERROR)?;
        if !token_type.eq_ignore_ascii_case("Bearer") {
            return Err(AnswerError::BadValue("token_type"));
        }
        Ok(Self::Granted(GrantedTokens {
            access_token: Redacted(access_token),
            id_token: members.text("id_token", MAX_TOKEN)?.map(Redacted),
            expires_in: expires_in(members)?,
        }))
    }
}

fn expires_in(members: Members<'_>) -> Result<Option<i64>, AnswerError> {
    const NAME: &str = "expires_in";
    let seconds = members.seconds(NAME)?;
    match seconds {
        Some(seconds) if seconds.unsigned_abs() > MAX_EXPIRES_IN => {
            Err(AnswerError::BadValue(NAME))
        }
        other => Ok(other),
    }
}

/// Keeps the start of a text and nothing that could end a line.
fn one_line(text: &str) -> String {
    let kept = text.chars().take(MAX_DESCRIPTION);
    kept.map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: &Value) -> Result<TokenAnswer, AnswerError> {
        TokenAnswer::parse(value.to_string().as_bytes())
    }

    #[test]
    fn tokens_are_taken_as_they_are_and_never_printed() {
        let answer = parse(&json!({
            "access_token": "at-1", "token_type": "bEARER", "id_token": "a.b.c", "expires_in": 3600, "scope": "openid",
        }));
        let Ok(TokenAnswer::Granted(tokens)) = &answer else {
            panic!("{answer:?}");
        };
        assert_eq!(tokens.access_token.0, "at-1");
        assert_eq!(tokens.id_token, Some(Redacted("a.b.c".to_owned())));
        assert_eq!(tokens.expires_in, Some(3600));
        let printed = format!("{answer:?}");
        assert!(
            !printed.contains("at-1") && !printed.contains("a.b.c"),
            "{printed}"
        );
    }

    #[test]
    fn an_answer_of_the_wrong_shape_is_refused() {
        use AnswerError::{BadValue, Missing, NotAnObject, WrongType};
        let cases = [
            (json!([]), NotAnObject),
            (json!({}), Missing("access_token")),
            (json!({"access_token": "x"}), Missing("token_type")),
            (
                json!({"access_token": "x", "token_type": "DPoP"}),
                BadValue("token_type"),
            ),
            (
                json!({"access_token": "x", "token_type": 1}),
                WrongType("token_type"),
            ),
            (
                json!({"access_token": "", "token_type": "Bearer"}),
                BadValue("access_token"),
            ),
            (
                json!({"access_token": "a b", "token_type": "Bearer"}),
                BadValue("access_token"),
            ),
            (
                json!({"access_token": "a\r\nb", "token_type": "Bearer"}),
                BadValue("access_token"),
            ),
            (
                json!({"access_token": ["x"], "token_type": "Bearer"}),
                WrongType("access_token"),
            ),
            (
                json!({"access_token": "x", "token_type": "Bearer", "id_token": null}),
                WrongType("id_token"),
            ),
            (
                json!({"access_token": "x", "token_type": "Bearer", "expires_in": "3600"}),
                WrongType("expires_in"),
            ),
            (
                json!({"access_token": "x", "token_type": "Bearer", "expires_in": -1}),
                BadValue("expires_in"),
            ),
            (
                json!({"access_token": "x", "token_type": "Bearer", "expires_in": 1.5}),
                BadValue("expires_in"),
            ),
            (
                json!({"access_token": "x", "token_type": "Bearer", "expires_in": u64::MAX}),
                BadValue("expires_in"),
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(parse(&value), Err(expected), "{value}");
        }
    }

    #[test]
    fn an_error_is_one_short_line_whatever_the_provider_wrote() {
        let long = format!("a\r\nSet-Cookie: x\u{0}{}", "y".repeat(9_000));
        let answer = parse(&json!({"error": "bad_verification_code", "error_description": long}));
        let Ok(TokenAnswer::Refused(refusal)) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(refusal.error, "bad_verification_code");
        let description = refusal.description.expect("a description");
        assert_eq!(description.chars().count(), MAX_DESCRIPTION);
        assert!(!description.contains(char::is_control));
        for error in ["a\nb", "a\"b", "ä", "", " "] {
            let value = json!({"error": error, "access_token": "x", "token_type": "Bearer"});
            assert_eq!(
                parse(&value),
                Err(AnswerError::BadValue("error")),
                "{error:?}"
            );
        }
    }
}
