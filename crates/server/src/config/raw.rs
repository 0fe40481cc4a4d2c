//! The file and the environment as one flat list of known keys.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use toml::Value;

use super::error::{ConfigError, ConfigFailure, Source};
use super::settings::{Setting, all};

/// Values by key, and the mistakes found so far.
pub(super) struct Raw {
    settings: Vec<Setting>,
    values: BTreeMap<String, (Value, Source)>,
    errors: Vec<ConfigError>,
}

/// The environment variable of a key.
pub(super) fn variable(key: &str) -> String {
    format!("CURFEW_{}", key.replace('.', "_").to_uppercase())
}

impl Raw {
    pub(super) fn read(
        text: &str,
        environment: &[(String, String)],
    ) -> Result<Self, ConfigFailure> {
        let table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| ConfigFailure::Syntax(error.to_string()))?;
        let mut raw = Self {
            settings: all(),
            values: BTreeMap::new(),
            errors: Vec::new(),
        };
        raw.flatten("", table);
        raw.overlay(environment);
        Ok(raw)
    }

    fn setting(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }

    fn flatten(&mut self, prefix: &str, table: toml::Table) {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name
            } else {
                format!("{prefix}.{name}")
            };
            match value {
                Value::Table(inner) if self.setting(&key).is_none() => self.flatten(&key, inner),
                value if self.setting(&key).is_some() => {
                    self.values.insert(key, (value, Source::File));
                }
                _ => {
                    let problem = match self.nearest(&key) {
                        Some(near) => format!("there is no such key; did you mean `{near}`?"),
                        None => {
                            "there is no such key; `curfew config reference` lists them".to_owned()
                        }
                    };
                    self.errors.push(ConfigError {
                        key,
                        value: None,
                        source: None,
                        problem,
                    });
                }
            }
        }
    }

    /// A known key that differs little.
    fn nearest(&self, key: &str) -> Option<&str> {
        let last = |key: &str| key.rsplit('.').next().unwrap_or("").to_owned();
        let same_name = self
            .settings
            .iter()
            .find(|setting| last(&setting.key) == last(key));
        let close = self
            .settings
            .iter()
            .find(|setting| distance(&setting.key, key) <= 2);
        close.or(same_name).map(|setting| setting.key.as_str())
    }

    /// The environment wins over the file.
    fn overlay(&mut self, environment: &[(String, String)]) {
        for (name, text) in environment {
            let Some(rest) = name.strip_prefix("CURFEW_") else {
                continue;
            };
            let known = self
                .settings
                .iter()
                .find(|setting| variable(&setting.key) == *name);
            if let Some(setting) = known {
                let value = setting.value_of(text);
                self.values.insert(
                    setting.key.clone(),
                    (value, Source::Environment(name.clone())),
                );
                continue;
            }
            // Variables of other tools may begin like ours; those that begin like a section of ours are a slip of the pen.
            let section = self.settings.iter().any(|setting| {
                let section = setting
                    .key
                    .split_once('.')
                    .map(|(section, _)| variable(section));
                section.is_some_and(|section| name.starts_with(&format!("{section}_")))
            });
            if section {
                self.errors.push(ConfigError {
                    key: format!("CURFEW_{rest}"),
                    value: None,
                    source: None,
                    problem:
                        "no setting is set by this variable; `curfew config reference` lists them"
                            .to_owned(),
                });
            }
        }
    }

    fn shown(&self, key: &str) -> (Option<String>, Option<Source>) {
        let secret = self.setting(key).is_some_and(|setting| setting.secret);
        match self.values.get(key) {
            None => (None, None),
            Some((_, source)) if secret => (Some("[not shown]".to_owned()), Some(source.clone())),
            Some((value, source)) => (Some(value.to_string()), Some(source.clone())),
        }
    }

    /// Notes a mistake in the value of `key`.
    pub(super) fn wrong(&mut self, key: &str, problem: &str) {
        let (value, source) = self.shown(key);
        self.errors.push(ConfigError {
            key: key.to_owned(),
            value,
            source,
            problem: problem.to_owned(),
        });
    }

    pub(super) fn missing(&mut self, key: &str, remedy: &str) {
        // A value of the wrong type was complained about already.
        if !self.errors.iter().any(|error| error.key == key) {
            self.wrong(key, &format!("it is missing; {remedy}"));
        }
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        match self.values.get(key).map(|(value, _)| value.clone()) {
            None => None,
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            Some(Value::String(_)) => {
                self.wrong(key, "it is empty; give it a value, or leave the key out");
                None
            }
            Some(_) => {
                self.wrong(key, "it is not text; put it in quotes");
                None
            }
        }
    }

    pub(super) fn number(&mut self, key: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let value = self.values.get(key).map(|(value, _)| value.clone())?;
        let number = value
            .as_integer()
            .and_then(|number| u32::try_from(number).ok());
        let found = number.filter(|number| range.contains(number));
        if found.is_none() {
            let (low, high) = (range.start(), range.end());
            self.wrong(
                key,
                &format!("it must be a whole number from {low} to {high}"),
            );
        }
        found
    }

    pub(super) fn list(&mut self, key: &str) -> Option<Vec<String>> {
        let value = self.values.get(key).map(|(value, _)| value.clone())?;
        let texts = value.as_array().and_then(|entries| {
            entries
                .iter()
                .map(|entry| entry.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
        });
        if texts.is_none() {
            self.wrong(key, "it must be a list of texts, such as [\"10.0.0.0/8\"]");
        }
        texts
    }

    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = choices
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, choice)| *choice);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            self.wrong(key, &format!("it must be one of {}", words.join(", ")));
        }
        found
    }

    pub(super) fn finish(self) -> Vec<ConfigError> {
        self.errors
    }
}

/// How many letters must be added, dropped or replaced to turn one word into the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (position, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = position + 1;
        for (column, known) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *known);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}
