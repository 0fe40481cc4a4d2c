//! Every requirement has a test that cites it, or stands in the list of those that wait, with the reason.
//!
//! A test cites a row by its name (`a05_…`, `s9700_11_…`) or in the comment above it (`A05`, `S9700-11`). The table in
//! `docs/requirements.md` is made from that: `CURFEW_WRITE_DOCS=1 cargo test --release -p conformance-tests --test requirements`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use conformance_tests::repository;

/// Every row: the prefix, how many, and what the section is about.
const ROWS: &[(&str, usize, &str)] = &[
    ("A", 31, "Account lifecycle"),
    ("B", 54, "Upstream login and linking"),
    ("C", 40, "Device flow and derived credentials"),
    ("D", 24, "Sessions and epochs"),
    ("E", 15, "Scopes, lifetimes, downstream"),
    ("F", 8, "Audit"),
    ("S9700-", 25, "RFC 9700"),
    ("S21-", 16, "OAuth 2.1"),
    ("S8628-", 9, "RFC 8628"),
    ("SXD-", 4, "Cross-device flows"),
    ("S7009-", 10, "RFC 7009"),
    ("S7662-", 9, "RFC 7662"),
    ("SDP-", 9, "RFC 9449"),
    ("SUP-", 3, "New attacks since RFC 9700"),
];

fn rows() -> Vec<String> {
    let named = ROWS.iter().flat_map(|(prefix, count, _)| {
        (1..=*count).map(move |number| format!("{prefix}{number:02}"))
    });
    named.collect()
}

/// Row -> the tests that cite it, each as `file::name`.
fn citations() -> BTreeMap<String, BTreeSet<String>> {
    let known: BTreeSet<String> = rows().into_iter().collect();
    let mut files = Vec::new();
    for folder in ["crates", "conformance-tests/src", "conformance-tests/tests"] {
        sources(&repository().join(folder), &mut files);
    }
    files.sort();
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a file");
        if file.ends_with("requirements.rs") {
            continue;
        }
        let place = file
            .strip_prefix(repository())
            .expect("inside")
            .display()
            .to_string();
        for (name, cited) in cited_in(&text, &known) {
            for row in cited {
                found
                    .entry(row)
                    .or_default()
                    .insert(format!("{place}::{name}"));
            }
        }
    }
    found
}

/// The tests of a file with the rows that each cites, by its name, by the comments above it, or by those within it.
fn cited_in(text: &str, known: &BTreeSet<String>) -> Vec<(String, BTreeSet<String>)> {
    let mut tests: Vec<(String, BTreeSet<String>)> = Vec::new();
    let mut above: BTreeSet<String> = BTreeSet::new();
    let (mut is_test, mut in_macro) = (false, false);
    for line in text.lines() {
        let trimmed = line.trim_start();
        in_macro =
            (in_macro || line.starts_with("on_both_backends!") || line.starts_with("proptest!"))
                && line != "}";
        if let Some(comment) = trimmed.strip_prefix("//") {
            let cited = in_comment(comment, known);
            // A doc comment belongs to what follows, a plain one to the test it stands in.
            match tests.last_mut() {
                Some((_, rows)) if !comment.starts_with('/') && !is_test => rows.extend(cited),
                _ => above.extend(cited),
            }
        } else if trimmed.starts_with("#[test]")
            || trimmed.starts_with("#[tokio::test")
            || trimmed.starts_with("#[actix_web::test")
        {
            is_test = true;
        } else if let Some(name) = function(trimmed) {
            if is_test || (in_macro && line.starts_with("    fn ")) {
                let mut rows = std::mem::take(&mut above);
                rows.extend(in_name(name, known));
                tests.push((name.to_owned(), rows));
            }
            above.clear();
            is_test = false;
        } else if !trimmed.starts_with("#[") && !trimmed.is_empty() && !is_test {
            above.clear();
        }
    }
    tests
}

fn function(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub ").unwrap_or(line);
    let rest = rest
        .strip_prefix("async ")
        .unwrap_or(rest)
        .strip_prefix("fn ")?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_')
        .next()
}

/// `a05_b12_…` and `race_a14_…`, `s9700_11_…`
fn in_name(name: &str, known: &BTreeSet<String>) -> BTreeSet<String> {
    let words: Vec<_> = name.split('_').map(str::to_uppercase).collect();
    let single = words.iter().cloned();
    let double = words
        .windows(2)
        .map(|pair| format!("{}-{}", pair[0], pair[1]));
    single
        .chain(double)
        .filter(|word| known.contains(word))
        .collect()
}

fn in_comment(comment: &str, known: &BTreeSet<String>) -> BTreeSet<String> {
    let words = comment.split(|c: char| !c.is_alphanumeric() && c != '-');
    words
        .filter(|word| known.contains(*word))
        .map(str::to_owned)
        .collect()
}

/// The list of what waits: row -> reason.
fn pending() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(repository().join("docs/requirements-pending.md"))
        .expect("docs/requirements-pending.md");
    let rows = text.lines().filter_map(|line| {
        line.strip_prefix("| ")?
            .strip_suffix(" |")?
            .split_once(" | ")
    });
    rows.filter(|(row, _)| *row != "Row" && !row.starts_with('-'))
        .map(|(row, reason)| (row.to_owned(), reason.to_owned()))
        .collect()
}

#[test]
fn every_requirement_is_cited_by_a_test_or_waits_for_a_reason() {
    let (cited, pending) = (citations(), pending());
    let known: BTreeSet<String> = rows().into_iter().collect();
    let forgotten: Vec<_> = known
        .iter()
        .filter(|row| !cited.contains_key(*row) && !pending.contains_key(*row))
        .collect();
    assert!(
        forgotten.is_empty(),
        "no test cites these, and they are not in docs/requirements-pending.md: {forgotten:?}"
    );
    let done: Vec<_> = pending
        .keys()
        .filter(|row| cited.contains_key(*row))
        .map(|row| format!("{row}: {:?}", cited[row]))
        .collect();
    assert!(
        done.is_empty(),
        "these wait no longer; take them out of docs/requirements-pending.md: {done:#?}"
    );
    let unknown: Vec<_> = pending.keys().filter(|row| !known.contains(*row)).collect();
    assert!(unknown.is_empty(), "there are no such rows: {unknown:?}");
    let unexplained: Vec<_> = pending
        .iter()
        .filter(|(_, reason)| reason.len() < 10)
        .collect();
    assert!(unexplained.is_empty(), "without a reason: {unexplained:?}");
}

#[test]
fn the_table_of_requirements_is_as_committed() {
    let file = repository().join("docs/requirements.md");
    let table = table();
    if std::env::var_os("CURFEW_WRITE_DOCS").is_some() {
        std::fs::write(&file, &table).expect("the table");
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == table,
        "docs/requirements.md is out of date: CURFEW_WRITE_DOCS=1 cargo test --release -p conformance-tests --test requirements"
    );
}

fn table() -> String {
    let (cited, pending) = (citations(), pending());
    let mut text = String::from(
        "# Requirements and the tests that hold them\n\nMade by `conformance-tests/tests/requirements.rs` from the names and comments of the tests.\n\
         A row without a test waits for a reason that `requirements-pending.md` gives.\n",
    );
    for (prefix, count, about) in ROWS {
        let _ = write!(text, "\n## {about}\n\n| Row | Tests |\n| --- | --- |\n");
        for number in 1..=*count {
            let row = format!("{prefix}{number:02}");
            let tests = cited.get(&row).map(|tests| {
                tests
                    .iter()
                    .map(|test| format!("`{test}`"))
                    .collect::<Vec<_>>()
                    .join("<br>")
            });
            let tests = tests.unwrap_or_else(|| {
                if pending.contains_key(&row) {
                    "waits".to_owned()
                } else {
                    "none".to_owned()
                }
            });
            let _ = writeln!(text, "| {row} | {tests} |");
        }
    }
    text
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn citations_are_read_from_names_and_comments() {
    let known: BTreeSet<String> = rows().into_iter().collect();
    let text = "/// A01, S9700-02\n#[test]\nfn d03_something() {\n    // E05 too\n}\n\n/// B01\nfn helper() {}\n";
    let cited = cited_in(text, &known);
    let wanted: BTreeSet<String> = ["A01", "S9700-02", "D03", "E05"].map(str::to_owned).into();
    assert_eq!(cited, [("d03_something".to_owned(), wanted)]);
}
