mod style;

use std::collections::BTreeSet;
use std::error::Error as _;
use std::fs;

use super::catalogue::{keys_used, reaches};
use super::testing::{Case, prove};
use super::*;

fn error_page(kind: ErrorKind) -> ErrorPage {
    ErrorPage {
        shell: Shell {
            base: String::new(),
            name: "Harbour Works".to_owned(),
        },
        kind,
        code: (kind == ErrorKind::Forbidden).then(|| "account_deleted".to_owned()),
        retry_minutes: (kind == ErrorKind::TooManyRequests).then_some(15),
        correlation_id: "4f1c9a7e20b3".to_owned(),
    }
}

/// A theme folder that lasts as long as the test.
struct Folder(std::path::PathBuf);

impl Folder {
    fn with(name: &str, files: &[(&str, &str)]) -> Folder {
        let path = std::env::temp_dir().join(format!("curfew-theme-{}-{name}", std::process::id()));
        fs::create_dir_all(path.join("messages")).expect("the folder can be made");
        for (file, content) in files {
            fs::write(path.join(file), content).expect("the file can be written");
        }
        Folder(path)
    }

    fn refused(&self) -> String {
        let error = Pages::new(&[], Some(&self.0))
            .err()
            .expect("the theme is refused");
        format!("{error}: {:?}", error.source())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_page_of_the_edge_kit_keeps_the_rules_in_every_language() {
    let name = |kind| match kind {
        ErrorKind::TooManyRequests => "wait",
        ErrorKind::Forbidden => "forbidden",
        ErrorKind::NotFound => "not_found",
        _ => "plain",
    };
    let cases: Vec<Case> = ErrorKind::ALL
        .iter()
        .map(|kind| Case::new("error.html", name(*kind), &error_page(*kind)))
        .collect();
    prove(TEMPLATES, &cases);
}

#[test]
fn german_says_everything_that_english_says_and_nothing_else() {
    let parse = |source| Catalogue::parse(source).expect("an embedded catalogue parses");
    let [(_, english), (_, german)] = MESSAGES else {
        panic!("a language without this test")
    };
    let (english, german) = (parse(english), parse(german));
    let keys = |catalogue: &Catalogue| catalogue.keys().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(keys(&english), keys(&german));
    for key in english.keys() {
        assert_eq!(english.placeholders(key), german.placeholders(key), "{key}");
    }
}

/// The templates lie beside their capabilities, which this crate cannot see; their files it can.
fn all_sources() -> Vec<(String, String)> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = Vec::new();
    for capability in fs::read_dir(crates).expect("the folder of crates") {
        let folder = capability.expect("a crate").path().join("templates");
        for file in fs::read_dir(folder).into_iter().flatten() {
            let path = file.expect("a template").path();
            sources.push((
                path.display().to_string(),
                fs::read_to_string(&path).expect("text"),
            ));
        }
    }
    assert!(
        sources.len() > 10,
        "the templates are somewhere else: {sources:?}"
    );
    sources
}

#[test]
fn templates_and_the_catalogue_name_the_same_messages() {
    let english = Catalogue::parse(MESSAGES[0].1).expect("English parses");
    let sources = all_sources();
    let mut wanted = BTreeSet::from(["language.direction", "mail."]);
    for (file, source) in &sources {
        for key in keys_used(source) {
            assert!(
                english.keys().any(|known| reaches(key, known)),
                "{file} uses {key}"
            );
            wanted.insert(key);
        }
        assert_eq!(markup::forbidden(source), None, "{file}");
        assert!(
            !source.contains("|safe") && !source.contains("autoescape"),
            "{file} goes round the escaping"
        );
    }
    for known in english.keys() {
        assert!(
            wanted.iter().any(|key| reaches(key, known)),
            "no page uses {known}"
        );
    }
}

#[test]
fn a_field_that_the_model_lacks_is_an_error_and_not_a_gap() {
    let pages = Pages::new(&[], None).expect("the embedded pages");
    let error = pages
        .render(
            "error.html",
            &Language::english(),
            &serde_json::json!({ "kind": "internal" }),
        )
        .expect_err("no shell");
    assert_eq!(
        error.to_string(),
        "the page error.html could not be rendered"
    );
    pages
        .render("nothing.html", &Language::english(), &())
        .expect_err("no such template");
}

#[test]
fn an_unknown_language_is_answered_in_english() {
    let pages = Pages::new(&[], None).expect("the embedded pages");
    assert_eq!(pages.language(Some("de-CH, en;q=0.5")).as_str(), "de");
    assert_eq!(pages.language(Some("sv")).as_str(), "en");
    let swedish = Language::new("sv").expect("a tag");
    let html = pages
        .render("error.html", &swedish, &error_page(ErrorKind::NotFound))
        .expect("rendered");
    assert!(
        html.contains("<html lang=\"en\"") && html.contains("Nothing here"),
        "{html}"
    );
}

#[test]
fn a_theme_replaces_template_style_logo_and_words() {
    let folder = Folder::with(
        "good",
        &[
            (
                "error.html",
                "{% extends 'shell.html' %}{% block main %}<h1>{{ t('acme.oops') }}</h1>{% endblock %}",
            ),
            ("style.css", ":root { --ink: #000 }"),
            ("logo.png", "not really a picture"),
            (".keep", ""),
            (
                "messages/en.toml",
                "[acme]\noops = 'Oops <'\n[shell]\nfooter = 'ACME'",
            ),
            ("messages/fr.toml", "[acme]\noops = 'Zut'"),
        ],
    );
    let pages = Pages::new(&[], Some(&folder.0)).expect("a good theme");
    let render = |tag| {
        pages
            .render(
                "error.html",
                &Language::new(tag).expect("a tag"),
                &error_page(ErrorKind::Internal),
            )
            .expect("rendered")
    };
    let (english, french) = (render("en"), render("fr"));
    assert!(
        english.contains("<h1>Oops &lt;</h1>") && english.contains("ACME</footer>"),
        "{english}"
    );
    assert!(
        french.contains("<h1>Zut</h1>")
            && french.contains("ACME</footer>")
            && french.contains("lang=\"fr\""),
        "{french}"
    );
    assert!(
        render("de").contains("<h1>Oops"),
        "a key that German lacks is English"
    );
    assert!(
        english.contains(&format!("/assets/logo.png?v={}", pages.asset_version())),
        "{english}"
    );
    assert_eq!(
        pages.logo(),
        ("image/png", b"not really a picture".as_slice())
    );
    assert_eq!(pages.style(), b":root { --ink: #000 }");
    assert_ne!(
        pages.asset_version(),
        Pages::new(&[], None).expect("no theme").asset_version()
    );
}

#[test]
fn what_is_wrong_with_a_theme_is_said_with_the_file() {
    for (name, files, expected) in [
        (
            "unknown",
            vec![("eror.html", "")],
            "eror.html is not something a theme can change; allowed are messages/<language>.toml, style.css",
        ),
        (
            "syntax",
            vec![("error.html", "{% if %}")],
            "the template error.html does not parse",
        ),
        (
            "policy",
            vec![("error.html", "\n<p style=\"x\">")],
            "the template error.html has a style attribute in line 2",
        ),
        (
            "key",
            vec![("error.html", "{{ t('no.such') }}")],
            "the template error.html uses the message no.such",
        ),
        (
            "logos",
            vec![("logo.svg", ""), ("logo.png", "")],
            "both logo.svg and logo.png",
        ),
        (
            "language",
            vec![("messages/deutsch!.toml", "")],
            "files named by a language tag",
        ),
        (
            "toml",
            vec![("messages/de.toml", "x")],
            "messages/de.toml cannot be used",
        ),
        (
            "unused",
            vec![("messages/en.toml", "[shell]\nfoter = 'x'")],
            "the message shell.foter is used by no page",
        ),
        (
            "filled",
            vec![("messages/de.toml", "[shell]\nfooter = '{who}'")],
            "placeholder {who}, which pages do not fill here; they know: none",
        ),
    ] {
        let refused = Folder::with(name, &files).refused();
        assert!(refused.contains(expected), "{name}: {refused}");
    }
    assert!(Pages::new(&[], Some(Path::new("/nonexistent/theme"))).is_err());
}

#[test]
fn the_hash_of_a_script_is_what_a_policy_wants() {
    // The example of CSP Level 3 section 8.4 (RFC 4648 base64 of SHA-256).
    assert_eq!(
        script_source("alert('Hello, world.');"),
        "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"
    );
}
