//! The message catalogue: every sentence a visitor reads, by key and language.
//!
//! A catalogue is a TOML file of tables; `[login] title = "Sign in"` is the key `login.title`. `{name}` stands for an argument.
//! A table with exactly the keys `one` and `other` is a plural: the argument `count` chooses. Messages are text, not markup.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use minijinja::value::{Kwargs, Value};
use minijinja::{Error, ErrorKind, HtmlEscape};

/// Messages of one language by their flat key.
#[derive(Clone, Debug, Default)]
pub(super) struct Catalogue(BTreeMap<String, Message>);

/// A message cut into its pieces.
#[derive(Clone, Debug)]
pub(super) struct Message(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Argument(String),
}

/// Why a catalogue cannot be used; the caller knows the file.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// Not TOML.
    #[error("it is not valid TOML")]
    Syntax(#[from] toml::de::Error),
    /// A number, a list or the like where a sentence belongs.
    #[error("the message {0} is not a text")]
    NotText(String),
    /// An opening brace that nothing closes, or a placeholder that is no name.
    #[error("the message {0} has a brace that is no placeholder; write one as {{name}}")]
    Brace(String),
    /// A key that no page asks for, which is nearly always a typing error.
    #[error("the message {0} is used by no page")]
    Unused(String),
    /// A placeholder that the pages do not fill.
    #[error(
        "the message {key} has the placeholder {{{placeholder}}}, which pages do not fill here; they know: {known}"
    )]
    Placeholder {
        key: String,
        placeholder: String,
        known: String,
    },
}

impl Catalogue {
    pub(super) fn parse(text: &str) -> Result<Catalogue, CatalogueError> {
        let table: toml::Table = text.parse()?;
        let mut catalogue = Catalogue::default();
        catalogue.flatten("", table)?;
        Ok(catalogue)
    }

    fn flatten(&mut self, prefix: &str, table: toml::Table) -> Result<(), CatalogueError> {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name
            } else {
                format!("{prefix}.{name}")
            };
            match value {
                toml::Value::Table(inner) => self.flatten(&key, inner)?,
                toml::Value::String(text) => {
                    let message =
                        Message::parse(&text).ok_or_else(|| CatalogueError::Brace(key.clone()))?;
                    self.0.insert(key, message);
                }
                _ => return Err(CatalogueError::NotText(key)),
            }
        }
        Ok(())
    }

    /// Lays `other` over this one.
    pub(super) fn extend(&mut self, other: Catalogue) {
        self.0.extend(other.0);
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn placeholders(&self, key: &str) -> Option<BTreeSet<&str>> {
        self.0.get(key).map(Message::placeholders)
    }

    /// `ltr` or `rtl`, for the `dir` attribute; it comes from the message `language.direction`.
    pub(super) fn direction(&self) -> &'static str {
        match self
            .0
            .get("language.direction")
            .map(|message| message.0.as_slice())
        {
            Some([Piece::Text(text)]) if text == "rtl" => "rtl",
            _ => "ltr",
        }
    }

    /// The function `t` of the templates. What it returns is markup that is already escaped: the sentence and each argument
    /// exactly once, but an argument that is itself markup (another message, a macro's output) not again.
    pub(super) fn translate(&self, key: &str, arguments: &Kwargs) -> Result<Value, Error> {
        let message = self.find(key, arguments)?;
        let mut html = String::new();
        for piece in &message.0 {
            match piece {
                Piece::Text(text) => escape_into(&mut html, text),
                Piece::Argument(name) => {
                    let value: Value = arguments
                        .get(name.as_str())
                        .map_err(|_| missing_argument(key, name))?;
                    match value.as_str() {
                        Some(markup) if value.is_safe() => html.push_str(markup),
                        Some(text) => escape_into(&mut html, text),
                        None if value.is_undefined() || value.is_none() => {
                            return Err(missing_argument(key, name));
                        }
                        None => escape_into(&mut html, &value.to_string()),
                    }
                }
            }
        }
        Ok(Value::from_safe_string(html))
    }

    /// A message as plain text, for mail; `None` when there is none under that key. An argument that is not given stays empty.
    pub(super) fn plain(&self, key: &str, arguments: &[(&str, &str)]) -> Option<String> {
        let argument = |wanted: &str| {
            arguments
                .iter()
                .find(|(name, _)| *name == wanted)
                .map(|(_, value)| *value)
        };
        let form = if argument("count") == Some("1") {
            "one"
        } else {
            "other"
        };
        let message = self
            .0
            .get(key)
            .or_else(|| self.0.get(&format!("{key}.{form}")))?;
        let text = message.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Argument(name) => argument(name).unwrap_or(""),
        });
        Some(text.collect())
    }

    fn find(&self, key: &str, arguments: &Kwargs) -> Result<&Message, Error> {
        if let Some(message) = self.0.get(key) {
            return Ok(message);
        }
        let form = match arguments.peek::<i64>("count") {
            Ok(1) => "one",
            _ => "other",
        };
        let plural = self
            .0
            .get(&format!("{key}.{form}"))
            .filter(|_| arguments.has("count"));
        plural.ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidOperation,
                format!("unknown message {key}"),
            )
        })
    }
}

impl Message {
    fn parse(text: &str) -> Option<Message> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            let (before, after) = rest.split_at(open);
            let (name, tail) = after.strip_prefix('{')?.split_once('}')?;
            let is_name = !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            if !is_name {
                return None;
            }
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Argument(name.to_owned()));
            rest = tail;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
        Some(Message(pieces))
    }

    fn placeholders(&self) -> BTreeSet<&str> {
        let names = self.0.iter().filter_map(|piece| match piece {
            Piece::Argument(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        });
        names.collect()
    }
}

/// Keys that a template asks for, read from its source: `t('a.b')` is a whole key, `t('a.b.' ~ kind)` a prefix (it ends in a dot).
pub(super) fn keys_used(source: &str) -> BTreeSet<&str> {
    let mut keys = BTreeSet::new();
    for quote in ['\'', '"'] {
        let call = format!("t({quote}");
        for (at, _) in source.match_indices(&call) {
            let before = source[..at].chars().next_back();
            let rest = &source[at + call.len()..];
            if let Some(end) = rest.find(quote)
                && !before.is_some_and(|character| character.is_alphanumeric() || character == '_')
            {
                keys.insert(&rest[..end]);
            }
        }
    }
    keys
}

/// Whether a template that uses `wanted` reaches `key`: the key itself, one form of a plural, or something below a prefix.
pub(super) fn reaches(wanted: &str, key: &str) -> bool {
    let plural = key
        .strip_suffix(".one")
        .or_else(|| key.strip_suffix(".other"));
    key == wanted || plural == Some(wanted) || (wanted.ends_with('.') && key.starts_with(wanted))
}

fn escape_into(html: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = write!(html, "{}", HtmlEscape(text));
}

fn missing_argument(key: &str, name: &str) -> Error {
    Error::new(
        ErrorKind::MissingArgument,
        format!("the message {key} needs the argument {name}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translate(catalogue: &str, key: &str, arguments: &[(&str, Value)]) -> Result<String, Error> {
        let catalogue = Catalogue::parse(catalogue).expect("a good catalogue");
        let arguments: Kwargs = arguments
            .iter()
            .map(|(name, value)| (*name, value.clone()))
            .collect();
        catalogue
            .translate(key, &arguments)
            .map(|value| value.to_string())
    }

    #[test]
    fn sentence_and_arguments_are_escaped_exactly_once() {
        let text = "a.b = '<{name}> & {markup}'";
        let arguments = [
            ("name", Value::from("<i> &amp;")),
            ("markup", Value::from_safe_string("<b>&lt;</b>".to_owned())),
        ];
        assert_eq!(
            translate(text, "a.b", &arguments).expect("translated"),
            "&lt;&lt;i&gt; &amp;amp;&gt; &amp; <b>&lt;</b>"
        );
    }

    #[test]
    fn count_chooses_the_plural_form() {
        let text = "days = { one = '{count} day', other = '{count} days' }";
        assert_eq!(
            translate(text, "days", &[("count", Value::from(1))]).expect("one"),
            "1 day"
        );
        assert_eq!(
            translate(text, "days", &[("count", Value::from(0))]).expect("other"),
            "0 days"
        );
        translate(text, "days", &[]).expect_err("a plural without a count");
    }

    #[test]
    fn an_unknown_key_or_a_missing_argument_is_an_error() {
        translate("a = 'x'", "b", &[]).expect_err("unknown key");
        translate("a = '{x}'", "a", &[]).expect_err("no argument");
        translate("a = '{x}'", "a", &[("x", Value::from(()))])
            .expect_err("an argument that is none");
    }

    #[test]
    fn braces_must_be_placeholders() {
        for text in [
            "a = '{'",
            "a = '}'",
            "a = '{}'",
            "a = '{A b}'",
            "a = '{x}}'",
        ] {
            assert!(
                matches!(Catalogue::parse(text), Err(CatalogueError::Brace(_))),
                "{text}"
            );
        }
        assert!(matches!(
            Catalogue::parse("a = 1"),
            Err(CatalogueError::NotText(_))
        ));
        assert!(matches!(
            Catalogue::parse("a = "),
            Err(CatalogueError::Syntax(_))
        ));
    }

    #[test]
    fn keys_are_found_in_templates() {
        let used =
            keys_used("{{ t('a.b') }} {{ t(\"c\", x=1) }} {{ t('d.' ~ kind) }} {{ import('no') }}");
        assert_eq!(used.into_iter().collect::<Vec<_>>(), ["a.b", "c", "d."]);
        assert!(reaches("d.", "d.x") && reaches("days", "days.one") && !reaches("a", "a.b"));
    }
}
