//! The stylesheet's colours are legible by day and by night, and it fetches nothing.

use super::super::STYLE;
use std::collections::BTreeMap;

/// Text and what it stands on: at least 4.5 to 1 (WCAG 2.2, 1.4.3).
const TEXT: &[(&str, &str)] = &[
    ("ink", "sky"),
    ("ink", "dusk"),
    ("ink", "card"),
    ("ink", "well"),
    ("soft", "sky"),
    ("soft", "dusk"),
    ("soft", "card"),
    ("soft", "well"),
    ("link", "card"),
    ("act-ink", "act"),
    ("act-ink", "act-over"),
    ("problem", "problem-bed"),
    ("notice", "notice-bed"),
];
/// Edges of controls and the focus ring: at least 3 to 1 (1.4.11).
const EDGES: &[(&str, &str)] = &[
    ("edge", "card"),
    ("edge", "field"),
    ("focus", "card"),
    ("focus", "sky"),
    ("act", "card"),
    ("problem", "card"),
    ("problem", "field"),
];

fn properties(block: &str) -> BTreeMap<&str, &str> {
    let lines = block.lines().filter_map(|line| {
        line.trim()
            .strip_prefix("--")?
            .strip_suffix(';')?
            .split_once(": ")
    });
    lines.collect()
}

fn schemes() -> [BTreeMap<&'static str, &'static str>; 2] {
    let css = std::str::from_utf8(STYLE).expect("text");
    let block = |from: &'static str| {
        from.split_once(":root {")
            .and_then(|(_, rest)| rest.split_once('}'))
            .expect("a block of colours")
            .0
    };
    let light = properties(block(css));
    let (_, dark) = css
        .split_once("(prefers-color-scheme: dark)")
        .expect("a dark scheme");
    let mut both = light.clone();
    both.extend(properties(block(dark)));
    [light, both]
}

fn luminance(colour: &str) -> f64 {
    let hex = colour
        .strip_prefix('#')
        .filter(|hex| hex.len() == 6)
        .unwrap_or_else(|| panic!("{colour} is not #rrggbb"));
    let channel = |at: usize| {
        let value =
            f64::from(u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal")) / 255.0;
        if value <= 0.040_45 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
}

fn contrast(one: &str, other: &str) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn contrast_holds_by_day_and_by_night() {
    for (scheme, colours) in ["light", "dark"].iter().zip(schemes()) {
        for (pairs, least) in [(TEXT, 4.5), (EDGES, 3.0)] {
            for (front, back) in pairs {
                let found = contrast(colours[front], colours[back]);
                assert!(
                    found >= least,
                    "{scheme}: {front} on {back} is {found:.2}, less than {least}"
                );
            }
        }
    }
}

#[test]
fn both_schemes_name_the_same_colours() {
    let css = std::str::from_utf8(STYLE).expect("text");
    let (_, dark) = css
        .split_once("(prefers-color-scheme: dark)")
        .expect("a dark scheme");
    let dark = properties(
        dark.split_once(":root {")
            .and_then(|(_, rest)| rest.split_once('}'))
            .expect("colours")
            .0,
    );
    let [light, _] = schemes();
    let colours = light
        .iter()
        .filter(|(_, value)| value.starts_with('#'))
        .map(|(name, _)| *name);
    assert_eq!(
        colours.collect::<Vec<_>>(),
        dark.keys().copied().collect::<Vec<_>>()
    );
}

#[test]
fn the_style_fetches_nothing() {
    let css = std::str::from_utf8(STYLE).expect("text");
    for word in ["url(", "@import", "http:", "https:", "//"] {
        assert!(!css.contains(word), "{word}");
    }
}
