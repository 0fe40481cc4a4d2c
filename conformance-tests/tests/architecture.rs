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
        "curfew-upstream",
        "curfew-account",
        "curfew-admin",
    ],
    &["curfew-server"],
];

/// The other side: it uses nothing of ours, and only the demo and the tests use it.
const OTHER_SIDE: &str = "demo-provider";

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
        if name == OTHER_SIDE {
            let ours = uses.iter().find(|used| used.starts_with("curfew-"));
            assert_eq!(ours, None, "the other side knows the inside of the server");
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
fn the_other_side_is_used_by_the_demo_and_the_tests_only() {
    let using: Vec<_> = dependencies()
        .into_iter()
        .filter(|(_, uses)| uses.contains(OTHER_SIDE))
        .map(|(name, _)| name)
        .collect();
    let allowed = ["conformance-tests", "curfew-server"];
    assert!(
        using.iter().all(|name| allowed.contains(&name.as_str())),
        "{using:?}"
    );
    let knowing = files_that_know("demo_provider::");
    let demo = repository().join("crates/server/src/demo");
    assert!(
        knowing.iter().all(|file| file.starts_with(&demo)),
        "{knowing:?}"
    );
}

/// The files of the server whose code has this word; what the other side knows is its own affair.
fn files_that_know(word: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    sources(&repository().join("crates"), &mut files);
    let other_side = repository().join("crates").join(OTHER_SIDE);
    files.retain(|file| !file.starts_with(&other_side));
    files.retain(|file| {
        std::fs::read_to_string(file).is_ok_and(|text| {
            text.lines()
                .any(|line| !line.trim_start().starts_with("//") && line.contains(word))
        })
    });
    files.sort();
    files
}

#[test]
fn a_library_that_is_kept_at_a_distance_is_known_to_one_file() {
    for (word, file) in [
        ("oxide_auth", "crates/grants/src/engine.rs"),
        ("openidconnect", "crates/upstream/src/openid/code_flow.rs"),
        ("jsonwebtoken::", "crates/upstream/src/openid/signature.rs"),
    ] {
        assert_eq!(files_that_know(word), [repository().join(file)], "{word}");
    }
}

#[test]
fn other_servers_are_called_by_the_guarded_client() {
    // The sign-in of the command line talks to the server that its user names, and to nobody else.
    let known = ["crates/http/src/outbound", "crates/server/src/login"];
    let others: Vec<_> = files_that_know("reqwest::")
        .into_iter()
        .filter(|file| {
            known
                .iter()
                .all(|k| !file.starts_with(repository().join(k)))
        })
        .collect();
    assert!(others.is_empty(), "{others:?}");
}

/// Whoever stores a credential: the file, and what it calls. A new one is added here after somebody asked where its end comes from.
const MINTING: &[(&str, &[&str])] = &[
    ("account/src/forgot.rs", &["mailed_link_insert"]),
    (
        "account/src/holdings/making.rs",
        &["personal_access_token_insert"],
    ),
    (
        "admin/src/filling.rs",
        &[
            "approval_insert",
            "node_insert",
            "session_insert",
            "tokens_insert_bulk",
        ],
    ),
    ("admin/src/invitations.rs", &["mailed_link_insert"]),
    (
        "grants/src/authorize/issue.rs",
        &["approval_insert", "code_insert"],
    ),
    (
        "grants/src/device/authorization.rs",
        &["device_code_insert"],
    ),
    ("grants/src/device/decision.rs", &["approval_insert"]),
    (
        "grants/src/token/client_credentials.rs",
        &["mint_client_token"],
    ),
    ("grants/src/token/family.rs", &["family_insert"]),
    ("grants/src/token/plan.rs", &["token_insert"]),
    ("grants/src/token/token_exchange.rs", &["node_insert"]),
    ("http/src/notice.rs", &["mailed_link_insert"]),
    ("http/src/session.rs", &["session_insert"]),
    ("store/src/codes.rs", &["node_insert"]),
    ("store/src/families.rs", &["node_insert"]),
    ("store/src/mint.rs", &["node_insert", "token_insert"]),
    (
        "store/src/personal_access_tokens.rs",
        &["node_insert", "token_insert_as"],
    ),
    ("store/src/sessions.rs", &["node_insert"]),
    ("store/src/tokens.rs", &["token_insert_as"]),
    ("upstream/src/proof/mail.rs", &["mailed_link_insert"]),
];

/// Everything that stores a credential takes an `ExpiresAt`, which one file makes; and everything that calls it is known.
#[test]
fn c17_every_minting_path_is_known_and_one_file_makes_ends() {
    let mut files = Vec::new();
    sources(&repository().join("crates"), &mut files);
    let mut calling: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut making = Vec::new();
    for file in files {
        let name = file.strip_prefix(repository().join("crates"));
        let name = name.expect("inside").display().to_string();
        if name.contains("test") {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("a file");
        let calls = text.split('.').skip(1).filter_map(|rest| {
            let call = rest.split('(').next()?;
            let stores = call.ends_with("_insert")
                || ["tokens_insert_bulk", "token_insert_as", "mint_client_token"].contains(&call);
            let credential = [
                "token", "tokens", "node", "approval", "family", "session", "code", "device",
                "mailed", "personal", "mint",
            ];
            let kind = call.split('_').next()?;
            (stores && credential.contains(&kind)).then(|| call.to_owned())
        });
        let calls: BTreeSet<String> = calls.collect();
        if !calls.is_empty() {
            calling.insert(name.clone(), calls);
        }
        if text.contains("ExpiresAt(") {
            making.push(name);
        }
    }
    let known: BTreeMap<String, BTreeSet<String>> = MINTING
        .iter()
        .map(|(file, calls)| {
            let calls = calls.iter().map(|call| (*call).to_owned());
            ((*file).to_owned(), calls.collect())
        })
        .collect();
    assert_eq!(calling, known);
    assert_eq!(making, ["policy/src/lifetime.rs"]);
}

/// What is used up or filled once says by its answer who was first. `?` takes the error out and leaves that answer, which no
/// `#[must_use]` sees: so nobody calls such a function as a statement of its own.
#[test]
fn who_was_first_is_always_looked_at() {
    let mut files = Vec::new();
    sources(&repository().join("crates"), &mut files);
    let mut careless = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a file");
        for (at, name) in ["_consume(", "_backfill("]
            .into_iter()
            .flat_map(|name| text.match_indices(name))
        {
            let before = text[..at].rfind([';', '{', '}']).map_or(0, |end| end + 1);
            let (call, rest) = (text[before..at].trim(), &text[at + name.len()..]);
            let statement = rest.find(';').map_or("", |end| &rest[..end]);
            if call.starts_with("write.") && statement.ends_with(")?") {
                careless.push(format!("{}: {call}{name}", file.display()));
            }
        }
    }
    assert!(careless.is_empty(), "{careless:#?}");
}

/// SXD-01: the risks of approving across devices are written down, and every switch that the text names exists.
#[test]
fn sxd_01_the_risks_of_the_device_flow_are_written_down() {
    let read = |path: &str| std::fs::read_to_string(repository().join(path)).expect("a document");
    let (risks, settings) = (
        read("docs/devices.md"),
        read("docs/reference/configuration.md"),
    );
    assert!(risks.contains("What was weighed") && risks.contains("What is left"));
    for setting in [
        "device.other_address",
        "lifetimes.device_code",
        "lifetimes.device_approval",
    ] {
        assert!(
            risks.contains(setting) && settings.contains(setting),
            "{setting}"
        );
    }
}

/// What is counted of sign-ins through providers is explained to operators.
#[test]
fn what_is_counted_of_providers_is_written_down() {
    let page = std::fs::read_to_string(repository().join("docs/operations.md")).expect("a page");
    let mut files = Vec::new();
    sources(&repository().join("crates"), &mut files);
    let mut metrics = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a file");
        let named = text.split('"').filter(|word| {
            let rest = word.strip_prefix("curfew_upstream_");
            rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        });
        metrics.extend(named.map(str::to_owned));
    }
    assert!(metrics.len() > 2, "{metrics:?}");
    for metric in metrics {
        assert!(page.contains(&format!("`{metric}")), "{metric}");
    }
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
        // The schema is one list of tables.
        if !is_test && lines > 420 && !file.ends_with("store/src/schema.rs") {
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
