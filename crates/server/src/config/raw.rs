//! The file and the environment as one flat list of known keys.
//!
//! The tables of one section are named by whoever writes them: `[upstream.google]` holds `upstream.google.issuer`, which is the setting
//! `upstream.NAME.issuer`, and `CURFEW_UPSTREAM_GOOGLE_ISSUER` in the environment. The names are slugs; a hyphen is an underscore there.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use curfew_policy::resource::is_slug;
use toml::Value;

use super::error::{ConfigError, ConfigFailure, Source};
use super::settings::{NAME, Setting, UPSTREAM, all};

/// Values by key, and the mistakes found so far.
pub(super) struct Raw {
    settings: Vec<Setting>,
    values: BTreeMap<String, (Value, Source)>,
    /// The tables of the section `upstream`.
    names: BTreeSet<String>,
    errors: Vec<ConfigError>,
}

/// The environment variable of a key.
pub(super) fn variable(key: &str) -> String {
    format!("CURFEW_{}", key.replace(['.', '-'], "_").to_uppercase())
}

/// Table and key of `upstream.TABLE.KEY`.
fn in_named_table(key: &str) -> Option<(&str, &str)> {
    let (section, rest) = key.split_once('.')?;
    let (table, key) = rest.split_once('.')?;
    (section == UPSTREAM).then_some((table, key))
}

/// The key as it stands in the list of settings.
fn listed(key: &str) -> String {
    match in_named_table(key) {
        Some((_, key)) => format!("{UPSTREAM}.{NAME}.{key}"),
        None => key.to_owned(),
    }
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
            names: BTreeSet::new(),
            errors: Vec::new(),
        };
        raw.flatten("", table);
        raw.overlay(environment);
        Ok(raw)
    }

    fn setting(&self, key: &str) -> Option<&Setting> {
        let listed = listed(key);
        self.settings.iter().find(|setting| setting.key == listed)
    }

    /// The tables of the section `upstream`, by name.
    pub(super) fn names(&self) -> Vec<String> {
        self.names.iter().cloned().collect()
    }

    /// False: it is no name for a table, which is told.
    fn name_table(&mut self, name: &str) -> bool {
        let fits = is_slug(name);
        if fits {
            self.names.insert(name.to_owned());
        } else {
            self.errors.push(ConfigError {
                key: format!("[{UPSTREAM}.{name}]"),
                value: None,
                source: None,
                problem: "the provider cannot be called that; use 1 to 63 lower-case letters, digits and inner hyphens"
                    .to_owned(),
            });
        }
        fits
    }

    fn flatten(&mut self, prefix: &str, table: toml::Table) {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name
            } else {
                format!("{prefix}.{name}")
            };
            match value {
                Value::Table(inner) if prefix == UPSTREAM => {
                    let name = key.split_once('.').map_or("", |(_, name)| name).to_owned();
                    if self.name_table(&name) {
                        self.flatten(&key, inner);
                    }
                }
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

    /// A known key that differs little, or is called the same in another section.
    fn nearest(&self, key: &str) -> Option<String> {
        let last = |key: &str| key.rsplit('.').next().unwrap_or("").to_owned();
        let section = |key: &str| key.split('.').next().unwrap_or("").to_owned();
        let table = in_named_table(key).map_or(NAME, |(table, _)| table);
        let known: Vec<String> = self
            .settings
            .iter()
            .map(|setting| match in_named_table(&setting.key) {
                Some((_, own)) => format!("{UPSTREAM}.{table}.{own}"),
                None => setting.key.clone(),
            })
            .collect();
        let close = known.iter().find(|own| distance(own, key) <= 2);
        let same_name = |own: &&String| last(own) == last(key);
        let mut named = known.iter().filter(same_name);
        let here = named.clone().find(|own| section(own) == section(key));
        close.or(here).or_else(|| named.next()).cloned()
    }

    /// The environment wins over the file.
    fn overlay(&mut self, environment: &[(String, String)]) {
        for (name, text) in environment {
            let Some(rest) = name.strip_prefix("CURFEW_") else {
                continue;
            };
            let keys = self.keys_of(name);
            let [key] = keys.as_slice() else {
                self.refuse_variable(rest, &keys);
                continue;
            };
            if let Some((table, _)) = in_named_table(key) {
                self.names.insert(table.to_owned());
            }
            if let Some(setting) = self.setting(key) {
                let value = setting.value_of(text);
                self.values
                    .insert(key.clone(), (value, Source::Environment(name.clone())));
            }
        }
    }

    /// Which keys a variable could mean.
    fn keys_of(&self, name: &str) -> Vec<String> {
        let (named, plain): (Vec<&Setting>, Vec<&Setting>) = self
            .settings
            .iter()
            .partition(|setting| in_named_table(&setting.key).is_some());
        let found = plain.into_iter().find(|own| variable(&own.key) == name);
        if let Some(setting) = found {
            return vec![setting.key.clone()];
        }
        let own: Vec<&str> = named
            .iter()
            .filter_map(|setting| in_named_table(&setting.key))
            .map(|(_, key)| key)
            .collect();
        let in_tables = self.names.iter().flat_map(|table| {
            own.iter()
                .map(move |key| format!("{UPSTREAM}.{table}.{key}"))
        });
        let known: Vec<String> = in_tables.filter(|key| variable(key) == name).collect();
        if !known.is_empty() {
            return known;
        }
        // A table that the environment alone makes. `…_CLIENT_SECRET_FILE` is that key and no `FILE` of another.
        let Some(rest) = name.strip_prefix("CURFEW_UPSTREAM_") else {
            return Vec::new();
        };
        let table_of = |key: &&str| {
            let table = rest.strip_suffix(&format!("_{}", key.to_uppercase()))?;
            let table = table.to_lowercase().replace('_', "-");
            is_slug(&table).then(|| (key.len(), format!("{UPSTREAM}.{table}.{key}")))
        };
        let longest = own.iter().filter_map(table_of).max();
        longest.map(|(_, key)| key).into_iter().collect()
    }

    /// Variables of other tools may begin like ours; those that begin like a section of ours are a slip of the pen.
    fn refuse_variable(&mut self, rest: &str, keys: &[String]) {
        let in_section = self.settings.iter().any(|setting| {
            let section = setting.key.split_once('.').map(|(section, _)| section);
            section.is_some_and(|section| rest.starts_with(&format!("{}_", section.to_uppercase())))
        });
        let problem = if keys.len() > 1 {
            format!(
                "it could mean {}; rename one of the two tables",
                keys.join(" and ")
            )
        } else if in_section {
            "no setting is set by this variable; `curfew config reference` lists them".to_owned()
        } else {
            return;
        };
        self.errors.push(ConfigError {
            key: format!("CURFEW_{rest}"),
            value: None,
            source: None,
            problem,
        });
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
        self.also_wrong(key, &format!("it is missing; {remedy}"));
    }

    /// The same for a mistake that may follow from one that was noted: a value of the wrong type was complained about already.
    pub(super) fn also_wrong(&mut self, key: &str, problem: &str) {
        if !self.errors.iter().any(|error| error.key == key) {
            self.wrong(key, problem);
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

    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        let value = self.values.get(key).map(|(value, _)| value.clone())?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.wrong(key, "it must be true or false, without quotes");
        }
        flag
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
            self.wrong(
                key,
                "it must be a list of texts, such as [\"one\", \"two\"]",
            );
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
