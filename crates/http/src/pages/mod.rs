//! Server-rendered pages: the shell that every page stands in, the messages it speaks, and the folder that changes its looks.
//!
//! 1. Each capability lists its own templates ([`Templates`]); [`Pages::new`] puts them beside the shell and lays the operator's
//!    theme folder over them, once, at start. Whatever is wrong with a theme is found there and not in front of a visitor.
//! 2. [`Pages::language`] picks the visitor's language from `Accept-Language` (RFC 9110 section 12.5.4).
//! 3. [`Pages::render`] fills a template with its model. Everything printed is escaped; a field the model lacks is an error.
//!
//! Pages need no script and no inline style, so that `script-src 'none'; style-src 'self'` can be sent with them. The one
//! exception is a page that submits itself; [`script_source`] gives the hash that pins its script.

mod catalogue;
mod language;
mod markup;
mod model;
pub mod testing;
#[cfg(test)]
mod tests;
mod theme;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{AutoEscape, Environment, State, UndefinedBehavior};
use serde::Serialize;

use self::catalogue::Catalogue;
use self::theme::Theme;

pub use self::language::Language;
pub use self::model::{ErrorKind, ErrorPage, Lasts, LocalPath, OutsideLink, OwnWords, Shell};
pub use self::theme::ThemeError;

/// Templates of one crate: file name and source, embedded with `include_str!`.
pub type Templates = &'static [(&'static str, &'static str)];

/// The edge kit's own: the shell, the form macros, and the page for errors that belong to no capability.
pub const TEMPLATES: Templates = &[
    ("shell.html", include_str!("../../templates/shell.html")),
    ("fields.html", include_str!("../../templates/fields.html")),
    ("error.html", include_str!("../../templates/error.html")),
];

/// Embedded catalogues. English is complete and stands in for what another language lacks.
const MESSAGES: &[(&str, &str)] = &[
    ("en", include_str!("../../messages/en.toml")),
    ("de", include_str!("../../messages/de.toml")),
];

const STYLE: &[u8] = include_bytes!("../../assets/style.css");
const LOGO: &[u8] = include_bytes!("../../assets/logo.svg");

/// A page that could not be rendered: the template asks for something its model or the catalogue does not have.
#[derive(Debug, thiserror::Error)]
#[error("the page {template} could not be rendered")]
pub struct PageError {
    template: String,
    source: minijinja::Error,
}

/// All pages in all languages, ready to render. Cheap to share, never changes after start.
pub struct Pages {
    environments: BTreeMap<Language, Environment<'static>>,
    catalogues: BTreeMap<Language, Catalogue>,
    style: Cow<'static, [u8]>,
    logo: theme::Logo,
    version: String,
}

impl Pages {
    /// Embeds the shell and `capabilities`, then lays the theme folder over them.
    ///
    /// A theme may hold templates under the embedded names, `messages/<language>.toml`, `style.css`, and `logo.svg` or `logo.png`.
    ///
    /// # Errors
    /// Names the file when one cannot be read, is none of those, does not parse, or asks for what the pages must not have.
    pub fn new(capabilities: &[Templates], theme: Option<&Path>) -> Result<Pages, ThemeError> {
        let embedded: Vec<(&str, &str)> = std::iter::once(&TEMPLATES)
            .chain(capabilities)
            .flat_map(|list| list.iter().copied())
            .collect();
        let names: Vec<&str> = embedded.iter().map(|(name, _)| *name).collect();
        let theme = theme.map_or_else(
            || Ok(Theme::default()),
            |folder| Theme::read(folder, &names),
        )?;
        let catalogues = theme.catalogues(MESSAGES, &embedded)?;

        let style = theme.style.map_or(Cow::Borrowed(STYLE), Cow::Owned);
        let logo = theme.logo.unwrap_or(theme::Logo {
            file: "logo.svg",
            mime: "image/svg+xml",
            bytes: Cow::Borrowed(LOGO),
        });
        let version = version(&[&style, &logo.bytes]);

        let mut base = bare_environment();
        base.add_global("asset_version", version.clone());
        base.add_global("logo_file", logo.file);
        for (name, source) in embedded {
            let source = theme
                .templates
                .get(name)
                .map_or(Cow::Borrowed(source), |own| Cow::Owned(own.clone()));
            base.add_template_owned(name, source.into_owned())
                .map_err(|source| ThemeError::Template {
                    file: name.to_owned(),
                    source,
                })?;
        }
        let environments = catalogues.iter().map(|(language, catalogue)| {
            let environment = with_language(base.clone(), language, catalogue.clone());
            (language.clone(), environment)
        });
        Ok(Pages {
            environments: environments.collect(),
            catalogues,
            style,
            logo,
            version,
        })
    }

    /// Renders `template` in `language`, or in English where that language is not there.
    ///
    /// # Errors
    /// When the template is unknown, or wants a field or a message that does not exist. The visitor gets a plain 500.
    pub fn render<T: Serialize>(
        &self,
        template: &str,
        language: &Language,
        model: &T,
    ) -> Result<String, PageError> {
        let environment = self
            .environments
            .get(language)
            .or_else(|| self.environments.get(&Language::english()));
        let rendered = match environment {
            Some(environment) => environment
                .get_template(template)
                .and_then(|page| page.render(Value::from(Serde(model)))),
            None => Err(minijinja::Error::new(
                minijinja::ErrorKind::TemplateNotFound,
                "there is no language at all",
            )),
        };
        rendered.map_err(|source| PageError {
            template: template.to_owned(),
            source,
        })
    }

    /// A message as plain text, for mail. In place of a message that does not exist stands its key.
    pub fn text(&self, language: &Language, key: &str, arguments: &[(&str, &str)]) -> String {
        self.catalogues
            .get(language)
            .or_else(|| self.catalogues.get(&Language::english()))
            .and_then(|catalogue| catalogue.plain(key, arguments))
            .unwrap_or_else(|| key.to_owned())
    }

    /// The best language for an `Accept-Language` header; English when nothing fits or nothing is asked.
    pub fn language(&self, accept_language: Option<&str>) -> Language {
        language::negotiate(accept_language, |tag| {
            self.environments
                .keys()
                .find(|known| known.as_str() == tag)
                .cloned()
        })
    }

    /// Languages that pages can be rendered in.
    pub fn languages(&self) -> impl Iterator<Item = &Language> {
        self.environments.keys()
    }

    /// What `/assets/style.css` serves.
    pub fn style(&self) -> &[u8] {
        &self.style
    }

    /// Media type and bytes of the logo.
    pub fn logo(&self) -> (&str, &[u8]) {
        (self.logo.mime, &self.logo.bytes)
    }

    /// The name under `/assets/` that pages refer to: `logo.svg`, or `logo.png` when the theme brings one.
    pub fn logo_file(&self) -> &'static str {
        self.logo.file
    }

    /// Changes whenever the style or the logo does. Pages append it to the links as `?v=…`, so assets may be cached for long;
    /// it serves as their `ETag` too.
    pub fn asset_version(&self) -> &str {
        &self.version
    }
}

/// The source expression that lets exactly this inline script run (CSP Level 3 section 2.3.1): `'sha256-…'`, quotes included.
pub fn script_source(script: &str) -> String {
    format!(
        "'sha256-{}'",
        STANDARD.encode(digest::digest(&digest::SHA256, script.as_bytes()))
    )
}

/// Escaping is on whatever the file is called, and an undefined name fails instead of printing nothing: a security page with
/// a silently missing sentence is worse than none.
fn bare_environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // Debug information would carry the values of variables, form tokens among them, into logs.
    environment.set_debug(false);
    environment.add_filter("moment", moment);
    environment
}

/// A time in UTC, for people and for programs: the server knows nobody's time zone.
fn moment(seconds: i64) -> Value {
    let Some(at) = chrono::DateTime::from_timestamp(seconds, 0) else {
        return Value::from("");
    };
    let (exact, shown) = (at.format("%Y-%m-%dT%H:%M:%SZ"), moment_text(seconds));
    Value::from_safe_string(format!("<time datetime=\"{exact}\">{shown}</time>"))
}

/// The same without markup.
pub(crate) fn moment_text(seconds: i64) -> String {
    chrono::DateTime::from_timestamp(seconds, 0).map_or_else(String::new, |at| {
        at.format("%Y-%m-%d %H:%M UTC").to_string()
    })
}

fn with_language(
    mut environment: Environment<'static>,
    language: &Language,
    catalogue: Catalogue,
) -> Environment<'static> {
    environment.add_global("lang", language.as_str().to_owned());
    environment.add_global("dir", catalogue.direction());
    environment.add_function("t", move |_: &State, key: &str, arguments: Kwargs| {
        catalogue.translate(key, &arguments)
    });
    environment
}

fn version(assets: &[&[u8]]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    assets.iter().for_each(|asset| context.update(asset));
    context
        .finish()
        .as_ref()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
