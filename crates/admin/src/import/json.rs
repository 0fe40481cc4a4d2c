//! JSON: an array of objects, or one object after the other, as in a file with one on each line.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Deserializer;

use super::ImportedRow;
use super::file::{Written, WrittenLink};
use crate::AdminError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    username: String,
    name: Option<String>,
    email: Option<String>,
    administrator: Option<bool>,
    status: Option<String>,
    password_hash: Option<String>,
    links: Option<Vec<WrittenLink>>,
}

/// The name alone, for the report of an object that is wrong otherwise.
#[derive(Deserialize)]
struct Named {
    username: String,
}

pub(super) fn read(bytes: &[u8]) -> Result<Vec<Result<Written, ImportedRow>>, AdminError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| AdminError::invalid("the file is not UTF-8, and JSON is"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut place = Place {
        text,
        at: 0,
        line: 1,
    };
    place.skip_space();
    let is_array = place.skip("[");
    let mut rows = Vec::new();
    loop {
        place.skip_space();
        if place.at_end() {
            if is_array {
                return Err(place.broken("the array does not end"));
            }
            return Ok(rows);
        }
        if is_array && place.skip("]") {
            break;
        }
        if is_array && !rows.is_empty() && !place.skip(",") {
            return Err(place.broken("a comma is missing between two objects"));
        }
        place.skip_space();
        rows.push(place.object()?);
    }
    place.skip_space();
    if place.at_end() {
        Ok(rows)
    } else {
        Err(place.broken("something stands behind the array"))
    }
}

/// How far the text was read.
struct Place<'t> {
    text: &'t str,
    at: usize,
    line: u64,
}

impl Place<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn at_end(&self) -> bool {
        self.rest().is_empty()
    }

    fn go(&mut self, bytes: usize) {
        let passed = self.rest().get(..bytes).unwrap_or("");
        let lines = passed.bytes().filter(|b| *b == b'\n').count() as u64;
        self.line += lines;
        self.at += bytes;
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        let space = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        self.go(space);
    }

    fn skip(&mut self, mark: &str) -> bool {
        let there = self.rest().starts_with(mark);
        if there {
            self.go(mark.len());
        }
        there
    }

    fn broken(&self, problem: &str) -> AdminError {
        AdminError::Invalid(format!(
            "the file cannot be read as JSON: line {}: {problem}",
            self.line
        ))
    }

    /// The next value. One that is no JSON at all ends the reading, because nobody knows where the next begins.
    fn object(&mut self) -> Result<Result<Written, ImportedRow>, AdminError> {
        let mut values = Deserializer::from_str(self.rest()).into_iter::<IgnoredAny>();
        let found = values.next();
        let length = values.byte_offset();
        match found {
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(self.broken(&without_place(&error))),
            None => return Err(self.broken("an object is missing")),
        }
        let (line, value) = (
            self.line,
            self.rest().get(..length).unwrap_or("").to_owned(),
        );
        self.go(length);
        Ok(row(line, &value))
    }
}

fn row(line: u64, value: &str) -> Result<Written, ImportedRow> {
    // An array would be read as the members in their order.
    if !value.starts_with('{') {
        return Err(ImportedRow::failed(line, None, "it is no JSON object"));
    }
    let object: Object = serde_json::from_str(value).map_err(|error| {
        let named: Option<Named> = serde_json::from_str(value).ok();
        let username = named
            .map(|named| named.username)
            .filter(|name| !name.is_empty());
        ImportedRow::failed(line, username, without_place(&error))
    })?;
    let said = |text: Option<String>| text.filter(|text| !text.is_empty());
    let links = object.links.map(|links| {
        let links = links.into_iter().map(|link| WrittenLink {
            provider: said(link.provider),
            issuer: said(link.issuer),
            subject: said(link.subject),
        });
        links.collect()
    });
    Ok(Written {
        line,
        username: object.username,
        name: said(object.name),
        email: said(object.email),
        administrator: object.administrator,
        status: said(object.status),
        password_hash: said(object.password_hash),
        links,
    })
}

/// What is wrong, without the position inside of the object, which is not that in the file.
fn without_place(error: &serde_json::Error) -> String {
    let told = error.to_string();
    match told.rfind(" at line ") {
        Some(end) => told[..end].to_owned(),
        None => told,
    }
}
