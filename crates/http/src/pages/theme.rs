//! The theme folder: what an operator lays over the embedded looks.
//!
//! Everything is read once, at start, and everything that is wrong is an error that names the file: a theme that half works
//! shows its fault to visitors, on the page where they type their password.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::catalogue::{self, Catalogue, CatalogueError};
use super::language::Language;
use super::markup;

/// Why a theme is refused. Each variant names the file, because there may be many.
#[derive(Debug, thiserror::Error)]
pub enum ThemeError {
    /// The folder or a file in it cannot be read, or is not UTF-8 text where text belongs.
    #[error("theme: cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A file that would have no effect, most likely misspelt.
    #[error("theme: {} is not something a theme can change; allowed are {allowed}", path.display())]
    Unknown { path: PathBuf, allowed: String },
    /// `logo.svg` and `logo.png` at once.
    #[error("theme: {} has both logo.svg and logo.png; keep one", folder.display())]
    TwoLogos { folder: PathBuf },
    /// The template engine refuses the source.
    #[error("theme: the template {file} does not parse")]
    Template {
        file: String,
        source: minijinja::Error,
    },
    /// The browser would refuse it under the pages' Content-Security-Policy.
    #[error(
        "theme: the template {file} has {what} in line {line}; pages are sent with a policy that forbids it"
    )]
    Forbidden {
        file: String,
        line: usize,
        what: String,
    },
    /// A template asks for a sentence that no catalogue has.
    #[error(
        "theme: the template {file} uses the message {key}, which does not exist; add it to messages/en.toml in the theme"
    )]
    NoMessage { file: String, key: String },
    /// A catalogue is broken.
    #[error("theme: messages/{language}.toml cannot be used: {source}")]
    Messages {
        language: Language,
        source: CatalogueError,
    },
}

/// The picture in the corner of every page.
pub(super) struct Logo {
    pub(super) file: &'static str,
    pub(super) mime: &'static str,
    pub(super) bytes: Cow<'static, [u8]>,
}

/// What the folder holds; empty when there is none.
#[derive(Default)]
pub(super) struct Theme {
    pub(super) templates: BTreeMap<String, String>,
    pub(super) style: Option<Vec<u8>>,
    pub(super) logo: Option<Logo>,
    messages: BTreeMap<Language, Catalogue>,
}

impl Theme {
    /// Reads the folder; `names` are the templates that it may replace. Names that begin with a dot are passed over.
    pub(super) fn read(folder: &Path, names: &[&str]) -> Result<Theme, ThemeError> {
        let mut theme = Theme::default();
        for (name, path) in entries(folder)? {
            match name.as_str() {
                "messages" if path.is_dir() => theme.read_messages(&path)?,
                "style.css" => theme.style = Some(bytes(&path)?),
                "logo.svg" => theme.set_logo(folder, "logo.svg", "image/svg+xml", &path)?,
                "logo.png" => theme.set_logo(folder, "logo.png", "image/png", &path)?,
                template if names.contains(&template) => {
                    let source = text(&path)?;
                    if let Some((line, what)) = markup::forbidden(&source) {
                        return Err(ThemeError::Forbidden {
                            file: name,
                            line,
                            what,
                        });
                    }
                    theme.templates.insert(name, source);
                }
                _ => {
                    let allowed = format!(
                        "messages/<language>.toml, style.css, logo.svg, logo.png, {}",
                        names.join(", ")
                    );
                    return Err(ThemeError::Unknown { path, allowed });
                }
            }
        }
        Ok(theme)
    }

    fn read_messages(&mut self, folder: &Path) -> Result<(), ThemeError> {
        for (name, path) in entries(folder)? {
            let Some(language) = name.strip_suffix(".toml").and_then(Language::new) else {
                return Err(ThemeError::Unknown {
                    path,
                    allowed: "files named by a language tag, such as fr.toml or pt-br.toml"
                        .to_owned(),
                });
            };
            let catalogue =
                Catalogue::parse(&text(&path)?).map_err(|source| ThemeError::Messages {
                    language: language.clone(),
                    source,
                })?;
            self.messages.insert(language, catalogue);
        }
        Ok(())
    }

    fn set_logo(
        &mut self,
        folder: &Path,
        file: &'static str,
        mime: &'static str,
        path: &Path,
    ) -> Result<(), ThemeError> {
        if self.logo.is_some() {
            return Err(ThemeError::TwoLogos {
                folder: folder.to_owned(),
            });
        }
        self.logo = Some(Logo {
            file,
            mime,
            bytes: Cow::Owned(bytes(path)?),
        });
        Ok(())
    }

    /// The catalogue of each language: English, over it the embedded language, over it the theme's. So a key that a language
    /// lacks is there in English.
    pub(super) fn catalogues(
        &self,
        embedded: &[(&str, &str)],
        templates: &[(&str, &str)],
    ) -> Result<BTreeMap<Language, Catalogue>, ThemeError> {
        let mut own: BTreeMap<Language, Catalogue> = BTreeMap::new();
        for (tag, source) in embedded {
            let language = Language::new(tag).unwrap_or_else(Language::english);
            let parsed = Catalogue::parse(source).map_err(|source| ThemeError::Messages {
                language: language.clone(),
                source,
            })?;
            own.insert(language, parsed);
        }
        let mut english = own.get(&Language::english()).cloned().unwrap_or_default();
        let used = self.check_keys(&english, templates)?;
        for (language, catalogue) in &self.messages {
            check_messages(catalogue, &english, &used).map_err(|source| ThemeError::Messages {
                language: language.clone(),
                source,
            })?;
        }
        if let Some(changed) = self.messages.get(&Language::english()) {
            english.extend(changed.clone());
        }
        let languages: BTreeSet<&Language> = own.keys().chain(self.messages.keys()).collect();
        let merged = languages.into_iter().map(|language| {
            let mut catalogue = english.clone();
            if *language != Language::english() {
                [own.get(language), self.messages.get(language)]
                    .into_iter()
                    .flatten()
                    .for_each(|over| catalogue.extend(over.clone()));
            }
            (language.clone(), catalogue)
        });
        Ok(merged.collect())
    }

    /// Every key that templates ask for, after making sure that those of the theme exist.
    fn check_keys(
        &self,
        english: &Catalogue,
        templates: &[(&str, &str)],
    ) -> Result<BTreeSet<String>, ThemeError> {
        let theme_english = self.messages.get(&Language::english());
        let known = |wanted: &str| {
            english
                .keys()
                .chain(theme_english.into_iter().flat_map(Catalogue::keys))
                .any(|key| catalogue::reaches(wanted, key))
        };
        let mut used = BTreeSet::new();
        for (file, source) in &self.templates {
            for key in catalogue::keys_used(source) {
                if !known(key) {
                    return Err(ThemeError::NoMessage {
                        file: file.clone(),
                        key: key.to_owned(),
                    });
                }
                used.insert(key.to_owned());
            }
        }
        for (_, source) in templates {
            used.extend(catalogue::keys_used(source).into_iter().map(str::to_owned));
        }
        Ok(used)
    }
}

/// A theme's message must be one that is known or used, and may only use the placeholders that pages fill.
fn check_messages(
    catalogue: &Catalogue,
    english: &Catalogue,
    used: &BTreeSet<String>,
) -> Result<(), CatalogueError> {
    for key in catalogue.keys() {
        let Some(known) = english.placeholders(key) else {
            if used.iter().any(|wanted| catalogue::reaches(wanted, key)) {
                continue;
            }
            return Err(CatalogueError::Unused(key.to_owned()));
        };
        let here = catalogue.placeholders(key).unwrap_or_default();
        if let Some(placeholder) = here.difference(&known).next() {
            let known: Vec<&str> = known.iter().copied().collect();
            let known = if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            };
            return Err(CatalogueError::Placeholder {
                key: key.to_owned(),
                placeholder: (*placeholder).to_owned(),
                known,
            });
        }
    }
    Ok(())
}

/// Names and paths in a folder, in order, without those that begin with a dot (`.git`, `.DS_Store`).
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, ThemeError> {
    let failed = |source| ThemeError::Read {
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            found.push((name, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

fn bytes(path: &Path) -> Result<Vec<u8>, ThemeError> {
    fs::read(path).map_err(|source| ThemeError::Read {
        path: path.to_owned(),
        source,
    })
}

fn text(path: &Path) -> Result<String, ThemeError> {
    fs::read_to_string(path).map_err(|source| ThemeError::Read {
        path: path.to_owned(),
        source,
    })
}
