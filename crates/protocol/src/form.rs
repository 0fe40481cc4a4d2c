//! `application/x-www-form-urlencoded`, read strictly: a parameter sent twice is an error, an empty one is absent
//! (OAuth 2.1 §4, RFC 6749 §3.1 and §3.2).

use std::borrow::Cow;

/// How many parameters a request may have.
const MAX_PARAMETERS: usize = 64;

/// The parameters of one request.
#[derive(Debug)]
pub struct Form<'a> {
    parameters: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    #[error("a parameter is sent more than once")]
    Repeated,
    #[error("a parameter is not valid percent-encoded UTF-8")]
    Encoding,
    #[error("too many parameters")]
    TooMany,
}

impl<'a> Form<'a> {
    /// Parses a body or a query string. `repeatable` names parameters that may come more than once
    /// (`resource`, RFC 8707 §2).
    pub fn parse(encoded: &'a [u8], repeatable: &[&str]) -> Result<Self, FormError> {
        let mut parameters: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::with_capacity(8);
        for pair in encoded
            .split(|b| *b == b'&')
            .filter(|pair| !pair.is_empty())
        {
            let split = pair.iter().position(|b| *b == b'=');
            let (name, value) = match split {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &[][..]),
            };
            let (name, value) = (decode(name)?, decode(value)?);
            // No parameter of ours has one, and PostgreSQL keeps no text with one.
            if name.contains('\0') || value.contains('\0') {
                return Err(FormError::Encoding);
            }
            if parameters.len() == MAX_PARAMETERS {
                return Err(FormError::TooMany);
            }
            let repeated = parameters.iter().any(|(own, _)| *own == name);
            if repeated && !repeatable.contains(&name.as_ref()) {
                return Err(FormError::Repeated);
            }
            parameters.push((name, value));
        }
        Ok(Self { parameters })
    }

    /// The value of `name`; `None` when it is missing or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every non-empty value of `name`.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.parameters
            .iter()
            .filter(move |(own, value)| own == name && !value.is_empty())
            .map(|(_, value)| value.as_ref())
    }
}

fn decode(part: &[u8]) -> Result<Cow<'_, str>, FormError> {
    if !part.iter().any(|b| matches!(b, b'%' | b'+')) {
        return std::str::from_utf8(part)
            .map(Cow::Borrowed)
            .map_err(|_| FormError::Encoding);
    }
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let high = rest
                    .next()
                    .and_then(|b| hex(*b))
                    .ok_or(FormError::Encoding)?;
                let low = rest
                    .next()
                    .and_then(|b| hex(*b))
                    .ok_or(FormError::Encoding)?;
                bytes.push(high << 4 | low);
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes)
        .map(Cow::Owned)
        .map_err(|_| FormError::Encoding)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_value_is_absent_and_a_plus_is_a_space() {
        let form = Form::parse(b"a=&b=x+y%2B&c", &[]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            (form.get("a"), form.get("b"), form.get("c")),
            (None, Some("x y+"), None)
        );
    }

    #[test]
    fn s21_01_a_repeated_parameter_is_refused_unless_it_may_repeat() {
        assert_eq!(
            Form::parse(b"a=1&a=1", &[]).err(),
            Some(FormError::Repeated)
        );
        assert_eq!(Form::parse(b"a=&a=1", &[]).err(), Some(FormError::Repeated));
        let form =
            Form::parse(b"resource=x&resource=y", &["resource"]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["x", "y"]);
    }

    #[test]
    fn broken_encoding_is_refused() {
        for body in [
            &b"a=%"[..],
            b"a=%4",
            b"a=%zz",
            b"a=%ff",
            b"\xff=1",
            b"a=x%00",
            b"a\0=1",
        ] {
            assert_eq!(
                Form::parse(body, &[]).err(),
                Some(FormError::Encoding),
                "{body:?}"
            );
        }
    }
}
