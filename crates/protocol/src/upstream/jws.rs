//! A signed token in the compact form (RFC 7515 §7.1), taken apart before anything in it is believed.
//!
//! 1. Three parts in base64url without padding.
//! 2. The header is read as strictly as every other answer: an algorithm that a public key verifies, no key or address of a key that
//!    the token brings along (`jwk`, `jku`, `x5c`, `x5u`), and no extension that must be understood (`crit`), as we know none (B42).
//! 3. The caller verifies [`CompactJws::signature`] over [`CompactJws::signed`], and only then reads the payload's claims.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::AnswerError;
use super::members::{Members, from_bytes};
use crate::words::SignatureAlgorithm;

/// Longer than any token that fits into a request.
const MAX_TOKEN: usize = 64 * 1024;
const MAX_KID: usize = 255;

/// What a token must not bring along.
const FORBIDDEN: &[&str] = &["jku", "jwk", "x5u", "x5c", "crit"];

/// The header of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwsHeader {
    pub algorithm: SignatureAlgorithm,
    pub kid: Option<String>,
    /// What kind of token it says it is, such as `logout+jwt`.
    pub typ: Option<String>,
}

impl JwsHeader {
    pub fn parse(header: &[u8]) -> Result<Self, AnswerError> {
        from_bytes(header, Self::of)
    }

    fn of(value: &Value) -> Result<Self, AnswerError> {
        let members = Members::of(value)?;
        for name in FORBIDDEN {
            if members.get(name).is_some() {
                return Err(AnswerError::Forbidden(name));
            }
        }
        let algorithm = members.required_text("alg", MAX_KID)?;
        Ok(Self {
            algorithm: SignatureAlgorithm::parse(&algorithm).ok_or(AnswerError::BadValue("alg"))?,
            kid: members.text("kid", MAX_KID)?,
            typ: members.text("typ", MAX_KID)?,
        })
    }
}

/// A token whose signature nobody has verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactJws<'t> {
    pub header: JwsHeader,
    /// What the signature is over: the first two parts, as they came.
    pub signed: &'t str,
    /// The third part, in base64url.
    pub signature: &'t str,
    /// The decoded second part. Not to be read before the signature is verified.
    pub payload: Vec<u8>,
}

impl<'t> CompactJws<'t> {
    pub fn parse(token: &'t str) -> Result<Self, AnswerError> {
        if token.len() > MAX_TOKEN {
            return Err(AnswerError::NotAToken);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(AnswerError::NotAToken)?;
        let (header, payload) = signed.split_once('.').ok_or(AnswerError::NotAToken)?;
        // A dot left over in the payload is no base64url.
        let (header, payload) = (decode(header)?, decode(payload)?);
        decode(signature)?;
        Ok(Self {
            header: JwsHeader::parse(&header)?,
            signed,
            signature,
            payload,
        })
    }
}

fn decode(part: &str) -> Result<Vec<u8>, AnswerError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok();
    bytes
        .filter(|bytes| !bytes.is_empty())
        .ok_or(AnswerError::NotAToken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, payload: &str) -> String {
        let [header, payload] = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part));
        format!("{header}.{payload}.c2ln")
    }

    #[test]
    fn a_token_is_taken_apart_as_it_came() {
        let text = token(r#"{"alg":"ES256","kid":"k 1","typ":"JWT"}"#, r#"{"a":1}"#);
        let jws = CompactJws::parse(&text).expect("a token");
        assert_eq!(jws.header.algorithm, SignatureAlgorithm::Es256);
        assert_eq!(jws.header.kid.as_deref(), Some("k 1"));
        assert_eq!(jws.header.typ.as_deref(), Some("JWT"));
        assert_eq!(jws.payload, br#"{"a":1}"#);
        assert_eq!(format!("{}.{}", jws.signed, jws.signature), text);
    }

    #[test]
    fn b42_the_header_chooses_neither_key_nor_secret() {
        use AnswerError::{BadValue, Forbidden, Missing, WrongType};
        let cases = [
            (r#"{}"#, Missing("alg")),
            (r#"{"alg":"none"}"#, BadValue("alg")),
            (r#"{"alg":"None"}"#, BadValue("alg")),
            (r#"{"alg":"HS256"}"#, BadValue("alg")),
            (r#"{"alg":"rs256"}"#, BadValue("alg")),
            (r#"{"alg":"ES256K"}"#, BadValue("alg")),
            (r#"{"alg":["RS256"]}"#, WrongType("alg")),
            (r#"{"alg":null}"#, WrongType("alg")),
            (r#"{"alg":"RS256","kid":7}"#, WrongType("kid")),
            (r#"{"alg":"RS256","kid":""}"#, BadValue("kid")),
            (
                r#"{"alg":"RS256","jku":"https://evil.example/"}"#,
                Forbidden("jku"),
            ),
            (r#"{"alg":"RS256","jwk":{"kty":"RSA"}}"#, Forbidden("jwk")),
            (
                r#"{"alg":"RS256","x5u":"https://evil.example/"}"#,
                Forbidden("x5u"),
            ),
            (r#"{"alg":"RS256","x5c":["MII"]}"#, Forbidden("x5c")),
            (
                r#"{"alg":"RS256","crit":["exp"],"exp":1}"#,
                Forbidden("crit"),
            ),
        ];
        for (header, expected) in cases {
            assert_eq!(
                JwsHeader::parse(header.as_bytes()),
                Err(expected),
                "{header}"
            );
        }
        let twice = JwsHeader::parse(br#"{"alg":"RS256","alg":"none"}"#);
        assert_eq!(
            twice.map_err(AnswerError::code),
            Err("json_duplicate_member")
        );
    }

    #[test]
    fn what_is_not_three_parts_is_no_token() {
        let good = token(r#"{"alg":"ES256"}"#, "{}");
        assert!(CompactJws::parse(&good).is_ok());
        let long = format!("{good}{}", "A".repeat(MAX_TOKEN));
        let [header, payload, signature] = [0, 1, 2].map(|at| good.split('.').nth(at).unwrap());
        for text in [
            "",
            ".",
            "..",
            "...",
            "a.b.c",
            header,
            &format!("{header}.{payload}"),
            &format!("{header}.{payload}."),
            &format!("{header}..{signature}"),
            &format!(".{payload}.{signature}"),
            &format!("{good}.{signature}"),
            &format!("{good}="),
            &format!("{good} "),
            &format!("{header}.{payload}.a+b/"),
            &format!("{header}.{payload}.ä"),
            &long,
        ] {
            assert_eq!(
                CompactJws::parse(text),
                Err(AnswerError::NotAToken),
                "{text:.80}"
            );
        }
    }
}
