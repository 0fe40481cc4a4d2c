//! Proof kit for the crates that own templates: every template, in every language, held to the rules of a page.
//!
//! A crate's test builds one [`Case`] for each thing a page can show and hands them to [`prove`]. With `CURFEW_PAGES_OUT` set to a
//! folder, the pages are written there as files, for a look at them.

use std::collections::BTreeSet;
use std::{env, fs, path::Path};

use serde::Serialize;
use serde_json::Value;

use super::markup::{Tag, tags};
use super::{Language, Pages, Templates};

/// Templates that are built into others and never shown alone.
const PARTS: [&str; 4] = [
    "shell.html",
    "fields.html",
    "asks.html",
    "holdings_parts.html",
];
/// Fields that no visitor's text reaches: they have a type of their own (`LocalPath`, `OutsideLink`, a checked form target), are made from a
/// tenant's slug (`base`), or are constant.
const TYPED_FIELDS: [&str; 9] = [
    "base", "href", "switch", "restart", "action", "script", "leave", "back", "sign_in",
];
const PROBES: [&str; 4] = [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "{{ 7*7 }}</title><h1>&amp;",
];

/// One page to look at.
pub struct Case {
    template: &'static str,
    name: &'static str,
    model: Value,
}

impl Case {
    /// `name` tells this case from others of the same template; it becomes the file's name.
    ///
    /// # Panics
    /// When the model cannot be serialized.
    pub fn new<T: Serialize>(template: &'static str, name: &'static str, model: &T) -> Case {
        Case {
            template,
            name,
            model: serde_json::to_value(model).expect("a model serializes"),
        }
    }
}

/// Renders `cases` in every language and panics at the first page that breaks a rule, and when a template of `own` has no case.
///
/// # Panics
/// That is its purpose.
pub fn prove(own: Templates, cases: &[Case]) {
    let pages = Pages::new(&[own], None).expect("the embedded templates parse");
    let shown: BTreeSet<&str> = cases.iter().map(|case| case.template).collect();
    for (name, _) in own.iter().filter(|(name, _)| !PARTS.contains(name)) {
        assert!(shown.contains(name), "{name} has no case");
    }
    let languages: Vec<Language> = pages.languages().cloned().collect();
    for case in cases {
        for language in &languages {
            let page = format!("{} {} ({language})", case.template, case.name);
            let html = pages
                .render(case.template, language, &case.model)
                .unwrap_or_else(|error| panic!("{page}: {error:?}"));
            let faults = faults(&html, case.template == "form_post.html");
            assert!(faults.is_empty(), "{page}: {faults:#?}\n{html}");
            write_out(&pages, case, language, &html);
        }
        probe(&pages, case);
    }
}

/// Puts each probe into each text of the model in turn. It must come out escaped or not at all.
fn probe(pages: &Pages, case: &Case) {
    let mut places = Vec::new();
    texts(&case.model, String::new(), &mut places);
    for place in places {
        for attack in PROBES {
            let mut model = case.model.clone();
            *model.pointer_mut(&place).expect("the place exists") = Value::from(attack);
            let page = format!("{} {} with {attack} in {place}", case.template, case.name);
            match pages.render(case.template, &Language::english(), &model) {
                Ok(html) => {
                    assert!(
                        attack.starts_with("javascript") || !html.contains(attack),
                        "{page}: unescaped\n{html}"
                    );
                    assert!(
                        !html.contains("&amp;lt;") && !html.contains("&amp;quot;"),
                        "{page}: escaped twice\n{html}"
                    );
                    let faults = faults(&html, case.template == "form_post.html");
                    assert!(faults.is_empty(), "{page}: {faults:#?}\n{html}");
                }
                // A word of an enum, which became an unknown message key.
                Err(error) => assert!(
                    format!("{error:?}").contains("unknown message"),
                    "{page}: {error:?}"
                ),
            }
        }
    }
}

fn texts(value: &Value, place: String, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(place),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, item)| texts(item, format!("{place}/{index}"), found)),
        Value::Object(fields) => {
            for (name, field) in fields
                .iter()
                .filter(|(name, _)| !TYPED_FIELDS.contains(&name.as_str()))
            {
                texts(field, format!("{place}/{name}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What is wrong with a page; empty for a good one. `submits_itself` allows one script, a form without a form token, and a form
/// that leads elsewhere.
pub fn faults(html: &str, submits_itself: bool) -> Vec<String> {
    let tags = tags(html);
    let opening: Vec<&Tag<'_>> = tags.iter().filter(|tag| !tag.closing).collect();
    let mut faults: Vec<String> = opening.iter().filter_map(|tag| tag.forbidden()).collect();
    let count = |name: &str| opening.iter().filter(|tag| tag.name == name).count();
    let mut expect = |name: &str, wanted: usize| {
        let found = count(name);
        if found != wanted {
            faults.push(format!("{found} <{name}>, not {wanted}"));
        }
    };
    expect("h1", 1);
    expect("title", 1);
    expect("main", 1);
    expect("script", usize::from(submits_itself));
    if !opening
        .iter()
        .any(|tag| tag.name == "html" && tag.attribute("lang").is_some_and(|lang| !lang.is_empty()))
    {
        faults.push("<html> without a language".to_owned());
    }
    faults.extend(reference_faults(&opening));
    faults.extend(form_faults(&opening, submits_itself));
    faults
}

/// Ids are unique, what refers to an id finds it, and nothing refers to another origin.
fn reference_faults(opening: &[&Tag<'_>]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut ids = BTreeSet::new();
    for id in opening.iter().filter_map(|tag| tag.attribute("id")) {
        if !ids.insert(id) {
            faults.push(format!("the id {id} twice"));
        }
    }
    for tag in opening {
        for id in ["for", "aria-describedby", "aria-labelledby"]
            .iter()
            .filter_map(|name| tag.attribute(name))
            .flat_map(str::split_whitespace)
        {
            if !ids.contains(id) {
                faults.push(format!("<{}> refers to {id}, which is not there", tag.name));
            }
        }
        // Escaped slashes are `&#x2f;`; an unescaped path comes from a template.
        for value in ["href", "src"]
            .iter()
            .filter_map(|name| tag.attribute(name))
        {
            let local =
                (value.starts_with('/') && !value.starts_with("//")) || value.starts_with("&#x2f;");
            let leaves = tag.name == "a"
                && tag.attribute("rel") == Some("external")
                && ["http:&#x2f;&#x2f;", "https:&#x2f;&#x2f;"]
                    .iter()
                    .any(|scheme| value.starts_with(scheme));
            if !local && !leaves {
                faults.push(format!("<{}> leads to {value}", tag.name));
            }
        }
    }
    faults
}

/// Each field has a label, each form a form token, each button a type.
fn form_faults(opening: &[&Tag<'_>], submits_itself: bool) -> Vec<String> {
    let mut faults = Vec::new();
    let labels: BTreeSet<&str> = opening
        .iter()
        .filter(|tag| tag.name == "label")
        .filter_map(|tag| tag.attribute("for"))
        .collect();
    for tag in opening {
        let hidden = tag.attribute("type") == Some("hidden");
        if ["input", "select", "textarea"].contains(&tag.name.as_str())
            && !hidden
            && !tag.attribute("id").is_some_and(|id| labels.contains(id))
        {
            faults.push(format!("a field without a label in line {}", tag.line));
        }
        if tag.name == "button" && tag.attribute("type").is_none() {
            faults.push(format!("a button without a type in line {}", tag.line));
        }
    }
    let forms = opening.iter().filter(|tag| tag.name == "form");
    if !submits_itself {
        let tokens = opening
            .iter()
            .filter(|tag| tag.attribute("name") == Some("csrf"))
            .count();
        let elsewhere = forms
            .clone()
            .filter(|form| {
                !form
                    .attribute("action")
                    .is_some_and(|action| action.contains('/') || action.contains("&#x2f;"))
            })
            .count();
        if tokens != forms.clone().count() || elsewhere > 0 {
            faults.push(
                "a form without a form token, or without an action on this server".to_owned(),
            );
        }
    }
    faults.extend(
        forms
            .filter(|form| form.attribute("method") != Some("post"))
            .map(|form| format!("a form in line {} that is not posted", form.line)),
    );
    faults
}

fn write_out(pages: &Pages, case: &Case, language: &Language, html: &str) {
    let Some(folder) = env::var_os("CURFEW_PAGES_OUT") else {
        return;
    };
    let folder = Path::new(&folder);
    let (template, _) = case.template.split_once('.').unwrap_or((case.template, ""));
    fs::create_dir_all(folder.join("assets")).expect("the folder can be made");
    fs::write(folder.join("assets/style.css"), pages.style()).expect("the style can be written");
    fs::write(
        folder.join("assets").join(pages.logo_file()),
        pages.logo().1,
    )
    .expect("the logo can be written");
    fs::write(
        folder.join(format!("{template}.{}.{language}.html", case.name)),
        html,
    )
    .expect("the page can be written");
}
