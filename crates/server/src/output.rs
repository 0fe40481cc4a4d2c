//! How commands answer: tables and lines for people, one JSON value for programs.

use std::io::Write as _;

use serde::Serialize;

/// Where and how a command prints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    /// One value, or the sentence that says it.
    pub(crate) fn value<T: Serialize>(self, value: &T, human: impl FnOnce() -> String) {
        if self.json {
            self.json(value)
        } else {
            line(&human())
        }
    }

    /// A sentence; for programs an object with what was done.
    pub(crate) fn done(self, sentence: &str) {
        self.value(&serde_json::json!({ "done": sentence }), || {
            sentence.to_owned()
        });
    }

    pub(crate) fn table<T: Serialize>(
        self,
        rows: &[T],
        header: &[&str],
        cells: impl Fn(&T) -> Vec<String>,
    ) {
        if self.json {
            return self.json(&rows);
        }
        line(&table_text(header, rows.iter().map(cells)));
    }

    fn json<T: Serialize + ?Sized>(self, value: &T) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => line(&text),
            Err(error) => aside(&format!(
                "error: the answer cannot be written as JSON: {error}"
            )),
        }
    }
}

/// A header and rows below each other.
pub(crate) fn table_text(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let header = header.iter().map(|word| (*word).to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(header).chain(rows).collect();
    columns(&lines)
}

/// Key and value, one pair a line.
pub(crate) fn pairs(pairs: &[(&str, String)]) -> String {
    let lines: Vec<Vec<String>> = pairs
        .iter()
        .map(|(key, value)| vec![(*key).to_owned(), value.clone()])
        .collect();
    columns(&lines)
}

/// Pads every column but the last.
fn columns(lines: &[Vec<String>]) -> String {
    let count = lines.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|column| {
            lines
                .iter()
                .filter_map(|line| line.get(column))
                .map(|cell| cell.chars().count())
                .max()
        })
        .map(Option::unwrap_or_default)
        .collect();
    let padded = lines.iter().map(|line| {
        let cells = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    padded.collect::<Vec<_>>().join("\n")
}

/// Prints a line. A reader that went away (`| head`) is no mistake.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints a line on the standard error stream, beside an answer that a program reads. Nobody needs to be there to read it either.
pub(crate) fn aside(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A time for people, in UTC.
pub(crate) fn time(seconds: i64) -> String {
    chrono::DateTime::from_timestamp(seconds, 0).map_or_else(
        || seconds.to_string(),
        |at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

/// A time that may not have come yet.
pub(crate) fn time_or_never(seconds: Option<i64>) -> String {
    seconds.map_or_else(|| "never".to_owned(), time)
}

/// A list in a cell.
pub(crate) fn words<S: AsRef<str>>(list: &[S]) -> String {
    if list.is_empty() {
        return "-".to_owned();
    }
    list.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" ")
}
