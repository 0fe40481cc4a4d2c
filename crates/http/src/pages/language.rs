//! Language tags and their negotiation (RFC 9110 section 12.5.4, RFC 4647 section 3.4 "lookup").

use std::fmt;

/// How much of an `Accept-Language` header is looked at. Browsers send a handful of tags; the rest is noise or an attack.
const MAX_RANGES: usize = 16;

/// A language that pages are written in, as a lower-case tag such as `en` or `pt-br`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language(String);

impl Language {
    /// Takes a tag of letters, digits and hyphens, at most 35 characters (RFC 5646 section 4.4.1), in any case.
    pub fn new(tag: &str) -> Option<Language> {
        let well_formed = tag.len() <= 35
            && tag.split('-').all(|part| {
                (1..=8).contains(&part.len())
                    && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
            })
            && tag.starts_with(|first: char| first.is_ascii_alphabetic());
        well_formed.then(|| Language(tag.to_ascii_lowercase()))
    }

    /// The language of the complete catalogue, and the answer when no other fits.
    pub fn english() -> Language {
        Language("en".to_owned())
    }

    /// The tag, for the `lang` attribute and `Content-Language`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Language {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Picks by weight, then by the order of the header; `de-AT` finds `de-at` or else `de`.
pub(super) fn negotiate(
    header: Option<&str>,
    known: impl Fn(&str) -> Option<Language>,
) -> Language {
    let mut ranges: Vec<(u16, &str)> = header
        .unwrap_or("")
        .split(',')
        .take(MAX_RANGES)
        .filter_map(range)
        .collect();
    ranges.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    ranges
        .into_iter()
        .find_map(|(_, tag)| look_up(tag, &known))
        .unwrap_or_else(Language::english)
}

fn look_up(tag: &str, known: &impl Fn(&str) -> Option<Language>) -> Option<Language> {
    let tag = Language::new(tag)?.0;
    let mut rest = tag.as_str();
    loop {
        if let Some(language) = known(rest) {
            return Some(language);
        }
        rest = &rest[..rest.rfind('-')?];
    }
}

/// One range with its weight in thousandths; none when it is refused (`q=0`), malformed, or the wildcard, which means "as you like".
fn range(text: &str) -> Option<(u16, &str)> {
    let mut parts = text.split(';').map(str::trim);
    let tag = parts.next().filter(|tag| !tag.is_empty() && *tag != "*")?;
    let weight = match parts.next() {
        None => 1000,
        Some(parameter) => thousandths(
            parameter
                .strip_prefix("q=")
                .or_else(|| parameter.strip_prefix("Q="))?,
        )?,
    };
    (weight > 0).then_some((weight, tag))
}

fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match whole {
        "0" => format!("{fraction:0<3}").parse().ok(),
        "1" if fraction.bytes().all(|byte| byte == b'0') => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(header: &str) -> String {
        negotiate(Some(header), |tag| {
            ["en", "de", "pt-br"]
                .contains(&tag)
                .then(|| Language(tag.to_owned()))
        })
        .0
    }

    #[test]
    fn the_heaviest_known_language_wins_and_english_is_the_last_resort() {
        for (header, expected) in [
            ("de", "de"),
            ("de-AT,de;q=0.9,en;q=0.8", "de"),
            ("fr, de;q=0.5, en;q=0.9", "en"),
            ("en;q=0.1, DE;q=0.2", "de"),
            ("pt-BR", "pt-br"),
            ("pt", "en"),
            ("de;q=0, *", "en"),
            ("de;q=1.5", "en"),
            ("de;q=0.1234, ../../etc", "en"),
            ("", "en"),
            (",,;;q=,", "en"),
        ] {
            assert_eq!(pick(header), expected, "{header}");
        }
    }

    #[test]
    fn a_tag_that_could_be_a_path_is_no_language() {
        for tag in [
            "",
            "-",
            "de-",
            "../en",
            "en/..",
            "123",
            "overlongsubtag",
            "ü",
        ] {
            assert_eq!(Language::new(tag), None, "{tag}");
        }
    }
}
