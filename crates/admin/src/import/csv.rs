//! CSV (RFC 4180): a header line that names the columns, in any order; an empty cell says nothing.

use csv::{ByteRecord, ReaderBuilder};

use super::ImportedRow;
use super::file::{Written, WrittenLink};
use crate::AdminError;

const COLUMNS: [&str; 9] = [
    "username",
    "name",
    "email",
    "administrator",
    "status",
    "password_hash",
    "provider",
    "issuer",
    "subject",
];

pub(super) fn read(bytes: &[u8]) -> Result<Vec<Result<Written, ImportedRow>>, AdminError> {
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(bytes);
    let header = reader
        .byte_headers()
        .map_err(|error| broken(&error))?
        .clone();
    let columns = columns(&header)?;
    let mut rows = Vec::new();
    let mut record = ByteRecord::new();
    while reader
        .read_byte_record(&mut record)
        .map_err(|error| broken(&error))?
    {
        let line = record.position().map_or(0, csv::Position::line);
        rows.push(row(line, &record, &columns));
    }
    Ok(rows)
}

fn broken(error: &csv::Error) -> AdminError {
    AdminError::Invalid(format!("the file cannot be read as CSV: {error}"))
}

/// Which column each field belongs to.
fn columns(header: &ByteRecord) -> Result<Vec<&'static str>, AdminError> {
    let mut found = Vec::with_capacity(header.len());
    for name in header {
        let name = String::from_utf8_lossy(name);
        let Some(column) = COLUMNS.into_iter().find(|column| *column == name.trim()) else {
            return Err(AdminError::Invalid(format!(
                "the first line names a column `{}`, which there is not; the columns are {}, separated by commas",
                name.escape_debug(),
                COLUMNS.join(",")
            )));
        };
        if found.contains(&column) {
            return Err(AdminError::Invalid(format!(
                "the first line names the column `{column}` twice"
            )));
        }
        found.push(column);
    }
    if !found.contains(&"username") {
        return Err(AdminError::Invalid(format!(
            "the first line does not name the column `username`; the columns are {}, separated by commas",
            COLUMNS.join(",")
        )));
    }
    Ok(found)
}

fn row(line: u64, record: &ByteRecord, columns: &[&str]) -> Result<Written, ImportedRow> {
    let mut written = Written {
        line,
        ..Written::default()
    };
    let mut link = WrittenLink::default();
    let mut problem = None;
    for (column, bytes) in columns.iter().zip(record) {
        let Ok(text) = std::str::from_utf8(bytes) else {
            problem = Some(format!("the column `{column}` is not UTF-8"));
            continue;
        };
        let said = (!text.is_empty()).then(|| text.to_owned());
        match *column {
            "username" => written.username = text.to_owned(),
            "name" => written.name = said,
            "email" => written.email = said,
            "status" => written.status = said,
            "password_hash" => written.password_hash = said,
            "provider" => link.provider = said,
            "issuer" => link.issuer = said,
            "subject" => link.subject = said,
            _ => match said.as_deref() {
                None => {}
                Some("true") => written.administrator = Some(true),
                Some("false") => written.administrator = Some(false),
                Some(_) => {
                    problem =
                        Some("the column `administrator` is neither true nor false".to_owned());
                }
            },
        }
    }
    if record.len() != columns.len() {
        problem = Some(format!(
            "it has {} fields, and the first line names {} columns; put a text with commas in it into quotes",
            record.len(),
            columns.len()
        ));
    }
    if link.provider.is_some() || link.issuer.is_some() || link.subject.is_some() {
        written.links = Some(vec![link]);
    }
    match problem {
        None => Ok(written),
        Some(problem) => {
            let username = Some(written.username).filter(|name| !name.is_empty());
            Err(ImportedRow::failed(line, username, problem))
        }
    }
}
