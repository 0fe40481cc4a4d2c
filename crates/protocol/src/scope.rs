//! Scope sets (RFC 6749 §3.3) and the audiences a token is meant for (RFC 8707).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::ResourceServerKey;

/// A set of scopes, kept sorted so that equal sets print equally.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ScopeSet(Vec<String>);

/// A character that RFC 6749 §3.3 does not allow in a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scope is made of printable ASCII without space, quote and backslash")]
pub struct ScopeSyntax;

impl ScopeSet {
    /// Reads a space-delimited list. Order and repetition mean nothing.
    pub fn parse(text: &str) -> Result<Self, ScopeSyntax> {
        let allowed = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        let tokens = text.split(' ').filter(|token| !token.is_empty());
        if tokens.clone().any(|token| !token.bytes().all(allowed)) {
            return Err(ScopeSyntax);
        }
        Ok(tokens.map(str::to_owned).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, scope: &str) -> bool {
        self.0
            .binary_search_by(|own| own.as_str().cmp(scope))
            .is_ok()
    }

    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.0.iter().all(|scope| other.contains(scope))
    }

    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.iter()
            .filter(|scope| other.contains(scope))
            .map(str::to_owned)
            .collect()
    }

    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).map(str::to_owned).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl FromIterator<String> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = String>>(scopes: I) -> Self {
        let mut scopes: Vec<String> = scopes.into_iter().collect();
        scopes.sort();
        scopes.dedup();
        Self(scopes)
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, scope) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope)?;
        }
        Ok(())
    }
}

/// One resource server that a credential is meant for, as it was when the credential was born.
///
/// The epoch dies with the resource server's: disabling it and enabling it again revives nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audience {
    #[serde(rename = "k")]
    pub key: ResourceServerKey,
    #[serde(rename = "e")]
    pub epoch: i64,
    /// The resource indicator, as the token's `aud` says it.
    #[serde(rename = "i")]
    pub identifier: String,
    /// Those of the credential's scopes that belong to this resource server.
    #[serde(rename = "s", default)]
    pub scopes: ScopeSet,
}

/// All resource servers of a credential.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audiences(pub Vec<Audience>);

impl Audiences {
    pub fn find(&self, key: ResourceServerKey) -> Option<&Audience> {
        self.0.iter().find(|audience| audience.key == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> ScopeSet {
        ScopeSet::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn equal_sets_print_equally() {
        assert_eq!(set("b a  b").to_string(), "a b");
        assert_eq!(set("b a"), set("a b"));
    }

    #[test]
    fn foreign_characters_are_refused() {
        for text in ["a\"b", "a\\b", "a\tb", "ä", "a\u{0}"] {
            assert!(ScopeSet::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn subset_and_intersection_agree() {
        let (narrow, wide) = (set("a"), set("a b"));
        assert!(narrow.is_subset_of(&wide) && !wide.is_subset_of(&narrow));
        assert_eq!(wide.intersection(&narrow), narrow);
    }
}
