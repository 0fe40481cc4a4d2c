//! The arrows of the architecture: down only, never sideways, never up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use conformance_tests::repository;
use serde_json::Value;

/// From the lowest row to the highest. A crate may use what is below it, and nothing of its own row.
const ROWS: &[&[&str]] = &[
    &["curfew-protocol"],
    &["curfew-policy"],
    &["curfew-store"],
    &["curfew-http"],
    &[
        "curfew-grants",
        "curfew-tokens",
        "curfew-account",
        "curfew-admin",
    ],
    &["curfew-server"],
];

fn metadata() -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let done = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(repository())
        .output()
        .expect("cargo runs");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    serde_json::from_slice(&done.stdout).expect("JSON")
}

/// Each crate of the workspace with what it depends on, tests aside.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages").iter();
    let named = packages.map(|package| {
        let own = package["dependencies"]
            .as_array()
            .expect("dependencies")
            .iter();
        let normal = own.filter(|dependency| dependency["kind"].is_null());
        let names = normal.filter_map(|dependency| dependency["name"].as_str().map(str::to_owned));
        (
            package["name"].as_str().expect("a name").to_owned(),
            names.collect(),
        )
    });
    named.collect()
}

fn row(name: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&name))
}

#[test]
fn arrows_point_down_and_never_sideways() {
    let dependencies = dependencies();
    for (name, uses) in &dependencies {
        if name == "conformance-tests" {
            let inside = uses.iter().find(|used| row(used).is_some());
            assert_eq!(inside, None, "the harness knows the inside of the server");
            continue;
        }
        let own = row(name).unwrap_or_else(|| panic!("{name} stands in no row"));
        for used in uses.iter().filter(|used| used.starts_with("curfew-")) {
            let other = row(used).unwrap_or_else(|| panic!("{used} stands in no row"));
            assert!(other < own, "{name} may not use {used}");
        }
    }
    for name in ROWS.iter().flat_map(|row| row.iter()) {
        assert!(dependencies.contains_key(*name), "{name} does not exist");
    }
}

#[test]
fn diesel_stays_in_one_crate() {
    let others: Vec<_> = dependencies()
        .into_iter()
        .filter(|(name, uses)| {
            name != "curfew-store" && uses.iter().any(|used| used.starts_with("diesel"))
        })
        .map(|(name, _)| name)
        .collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn oxide_auth_is_known_to_one_file() {
    let mut files = Vec::new();
    sources(&repository().join("crates"), &mut files);
    let knowing: Vec<_> = files
        .into_iter()
        .filter(|file| {
            std::fs::read_to_string(file).is_ok_and(|text| {
                text.lines()
                    .any(|line| !line.trim_start().starts_with("//") && line.contains("oxide_auth"))
            })
        })
        .collect();
    assert_eq!(knowing, [repository().join("crates/grants/src/engine.rs")]);
}

/// STYLE: a production file stays under about 400 lines; tests that stand at its end are not counted.
#[test]
fn files_stay_on_few_screens() {
    let mut files = Vec::new();
    sources(&repository().join("crates"), &mut files);
    let mut long = Vec::new();
    for file in files {
        let is_test = file
            .components()
            .any(|part| part.as_os_str().to_string_lossy().contains("test"));
        let text = std::fs::read_to_string(&file).expect("a file");
        let lines = text
            .lines()
            .take_while(|line| !line.starts_with("#[cfg(test)]"))
            .count();
        if !is_test && lines > 420 {
            long.push(format!("{}: {lines} lines", file.display()));
        }
    }
    assert!(long.is_empty(), "{long:#?}");
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
