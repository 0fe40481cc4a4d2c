//! The members of one JSON object, each asked for by name and by exact type.

use serde_json::{Map, Value};

use super::AnswerError;
use super::strict;

/// Longest text that is only shown.
const MAX_SHOWN: usize = 255;

/// 9999-12-31T23:59:59Z: a later time is a mistake, and stays far from every overflow.
const MAX_SECONDS: u64 = 253_402_300_799;

/// The members of an object.
#[derive(Clone, Copy)]
pub(super) struct Members<'v>(&'v Map<String, Value>);

impl<'v> Members<'v> {
    pub(super) fn of(value: &'v Value) -> Result<Self, AnswerError> {
        value.as_object().map(Self).ok_or(AnswerError::NotAnObject)
    }

    pub(super) fn get(self, name: &str) -> Option<&'v Value> {
        self.0.get(name)
    }

    /// Text of at most `max` bytes, if the member is there.
    pub(super) fn text(
        self,
        name: &'static str,
        max: usize,
    ) -> Result<Option<String>, AnswerError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        plain(name, value, max).map(|text| Some(text.to_owned()))
    }

    pub(super) fn required_text(
        self,
        name: &'static str,
        max: usize,
    ) -> Result<String, AnswerError> {
        required(name, self.text(name, max)?)
    }

    /// Seconds since 1970: a JSON integer, not negative, and no number that only looks like one (B42).
    pub(super) fn seconds(self, name: &'static str) -> Result<Option<i64>, AnswerError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        if !value.is_number() {
            return Err(AnswerError::WrongType(name));
        }
        let seconds = value.as_u64().filter(|seconds| *seconds <= MAX_SECONDS);
        let seconds = seconds.and_then(|seconds| i64::try_from(seconds).ok());
        seconds.map(Some).ok_or(AnswerError::BadValue(name))
    }

    pub(super) fn required_seconds(self, name: &'static str) -> Result<i64, AnswerError> {
        required(name, self.seconds(name)?)
    }

    pub(super) fn flag(self, name: &'static str) -> Result<Option<bool>, AnswerError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(AnswerError::WrongType(name)),
        }
    }

    /// A list of texts, each of at most `max` bytes.
    pub(super) fn texts(
        self,
        name: &'static str,
        max: usize,
    ) -> Result<Option<Vec<String>>, AnswerError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(items)) if items.len() > MAX_ENTRIES => {
                Err(AnswerError::TooMany(name))
            }
            Some(Value::Array(items)) => {
                let texts = items.iter().map(|item| plain(name, item, max));
                let texts: Result<Vec<_>, _> = texts.map(|text| text.map(str::to_owned)).collect();
                texts.map(Some)
            }
            Some(_) => Err(AnswerError::WrongType(name)),
        }
    }

    /// Text that is only shown: anything else than a short line of text counts as absent.
    pub(super) fn shown(self, name: &'static str) -> Option<String> {
        self.text(name, MAX_SHOWN).ok().flatten()
    }
}

/// How many entries a list may have.
pub(super) const MAX_ENTRIES: usize = 100;

pub(super) fn required<T>(name: &'static str, value: Option<T>) -> Result<T, AnswerError> {
    value.ok_or(AnswerError::Missing(name))
}

/// A line of text: neither empty nor only white space, at most `max` bytes, without control characters.
pub(super) fn plain<'v>(
    name: &'static str,
    value: &'v Value,
    max: usize,
) -> Result<&'v str, AnswerError> {
    let text = value.as_str().ok_or(AnswerError::WrongType(name))?;
    if text.len() > max || text.chars().all(char::is_whitespace) || text.contains(char::is_control)
    {
        return Err(AnswerError::BadValue(name));
    }
    Ok(text)
}

/// Reads bytes strictly and hands the value to `read`.
pub(super) fn from_bytes<T>(
    bytes: &[u8],
    read: impl FnOnce(&Value) -> Result<T, AnswerError>,
) -> Result<T, AnswerError> {
    read(&strict::parse(bytes)?)
}
