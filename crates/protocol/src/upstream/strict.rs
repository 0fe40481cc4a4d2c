//! JSON read once and for all: one value, no member twice, bounded in size and depth.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The largest answer that is looked at. Discovery documents and key sets stay below 32 KiB.
pub const MAX_BYTES: usize = 256 * 1024;

/// How deep arrays and objects may be nested; the outermost is at depth one.
pub const MAX_DEPTH: usize = 32;

/// Why bytes are no JSON that we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StrictError {
    #[error("it is larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("it is not UTF-8")]
    NotUtf8,
    #[error("it is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("a member is there twice")]
    Duplicate,
    #[error("it is not one JSON value")]
    Syntax,
}

impl StrictError {
    /// The stable word for logs and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "json_too_large",
            Self::NotUtf8 => "json_not_utf8",
            Self::TooDeep => "json_too_deep",
            Self::Duplicate => "json_duplicate_member",
            Self::Syntax => "json_syntax",
        }
    }
}

/// Reads one JSON value and nothing behind it.
pub fn parse(bytes: &[u8]) -> Result<Value, StrictError> {
    if bytes.len() > MAX_BYTES {
        return Err(StrictError::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| StrictError::NotUtf8)?;
    let refusal = Cell::new(None);
    let seed = Strict {
        depth: 0,
        refusal: &refusal,
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(&mut reader);
    value
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|_| refusal.get().unwrap_or(StrictError::Syntax))
}

/// Builds a [`Value`] and counts how deep it is.
#[derive(Clone, Copy)]
struct Strict<'r> {
    depth: usize,
    /// Our own reason; serde's error type has no room for it.
    refusal: &'r Cell<Option<StrictError>>,
}

impl Strict<'_> {
    fn refuse<E: serde::de::Error>(self, reason: StrictError) -> E {
        self.refusal.set(Some(reason));
        E::custom(reason)
    }

    /// The seed for what lies within.
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.refuse(StrictError::TooDeep));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("no number"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let within = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(within)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let within = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(self.refuse(StrictError::Duplicate));
            }
            let value = members.next_value_seed(within)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nested(depth: usize) -> String {
        format!("{}{}", "[".repeat(depth), "]".repeat(depth))
    }

    #[test]
    fn b07_a_member_that_is_there_twice_refuses_the_whole_at_any_depth() {
        for text in [
            r#"{"sub":"a","sub":"b"}"#,
            r#"{"sub":"a","sub":"a"}"#,
            r#"{"email_verified":false,"email":"a@b.example","email_verified":true}"#,
            r#"{"keys":[{"kid":"1","kid":"2"}]}"#,
            r#"{"a":[[{"b":{"c":null,"c":null}}]]}"#,
            // The same name, spelled with an escape.
            r#"{"sub":"a","s\u0075b":"b"}"#,
        ] {
            assert_eq!(
                parse(text.as_bytes()),
                Err(StrictError::Duplicate),
                "{text}"
            );
        }
        let apart = r#"{"sub":"a","Sub":"b","x":{"sub":"c"},"y":[{"sub":"d"},{"sub":"e"}]}"#;
        assert!(parse(apart.as_bytes()).is_ok());
    }

    #[test]
    fn values_come_out_as_they_were_written() {
        let text = r#" {"a":[1,-2,3.5,1.0,true,null,"\u00e4"],"b":{}} "#;
        let expected = json!({"a": [1, -2, 3.5, 1.0, true, null, "ä"], "b": {}});
        assert_eq!(parse(text.as_bytes()), Ok(expected));
        let value = parse(b"[1, 1.0, 1e0, 18446744073709551616]").expect("numbers");
        let integers: Vec<bool> = value.as_array().map_or(Vec::new(), |list| {
            list.iter().map(|number| number.is_u64()).collect()
        });
        assert_eq!(integers, [true, false, false, false]);
    }

    #[test]
    fn what_is_not_one_small_json_value_is_refused() {
        let large = format!("\"{}\"", "x".repeat(MAX_BYTES));
        let html = "<!DOCTYPE html><title>Sign in</title>";
        let deep = nested(100_000);
        let cases: &[(&[u8], StrictError)] = &[
            (b"", StrictError::Syntax),
            (b" ", StrictError::Syntax),
            (html.as_bytes(), StrictError::Syntax),
            (b"{} {}", StrictError::Syntax),
            (b"{}\0", StrictError::Syntax),
            (b"{'a':1}", StrictError::Syntax),
            (b"{\"a\":1,}", StrictError::Syntax),
            (b"[1e999]", StrictError::Syntax),
            (b"[01]", StrictError::Syntax),
            (b"[NaN]", StrictError::Syntax),
            (b"\"\\ud800\"", StrictError::Syntax),
            (b"\xef\xbb\xbf{}", StrictError::Syntax),
            (b"\"\xff\"", StrictError::NotUtf8),
            (b"\"\xed\xa0\x80\"", StrictError::NotUtf8),
            (large.as_bytes(), StrictError::TooLarge),
            (deep.as_bytes(), StrictError::TooDeep),
        ];
        for (bytes, expected) in cases {
            let start = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]);
            assert_eq!(parse(bytes), Err(*expected), "{start:?}");
        }
    }

    #[test]
    fn the_depth_is_counted_from_the_outermost() {
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        let one_more = nested(MAX_DEPTH + 1);
        assert_eq!(parse(one_more.as_bytes()), Err(StrictError::TooDeep));
        let mixed = r#"{"a":"#.repeat(MAX_DEPTH) + "[1]" + &"}".repeat(MAX_DEPTH);
        assert_eq!(parse(mixed.as_bytes()), Err(StrictError::TooDeep));
    }
}
