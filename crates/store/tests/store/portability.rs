//! Both backends hold the same schema, and SQLite is built the way its speed needs.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel::{PgConnection, SqliteConnection};

use crate::support::{Backend, TestStore};
use curfew_store::DatabaseUrl;

#[derive(QueryableByName, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Column {
    #[diesel(sql_type = Text)]
    place: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    required: bool,
}

/// One word for a type on both backends.
fn portable(kind: &str) -> &str {
    match kind.to_ascii_lowercase().as_str() {
        "blob" | "bytea" => "bytes",
        "bigint" => "bigint",
        "smallint" => "smallint",
        "integer" => "integer",
        "boolean" => "boolean",
        "text" => "text",
        other => panic!("{other} is not portable"),
    }
}

fn columns(rows: Vec<Column>) -> BTreeSet<Column> {
    rows.into_iter()
        .map(|c| Column {
            kind: portable(&c.kind).to_owned(),
            ..c
        })
        .collect()
}

#[test]
fn both_backends_have_the_same_tables_columns_and_indexes() {
    let (sqlite, postgres) = (
        TestStore::new(Backend::Sqlite),
        TestStore::new(Backend::Postgres),
    );
    let mut sqlite = SqliteConnection::establish(&sqlite.path().to_string_lossy()).unwrap();
    let DatabaseUrl::Postgres(url) = &postgres.options.database else {
        panic!("not PostgreSQL")
    };
    let mut postgres = PgConnection::establish(url).unwrap();
    let of_sqlite: Vec<Column> = diesel::sql_query(
        "SELECT m.name || '.' || c.name AS place, c.type AS kind, c.\"notnull\" AS required \
         FROM sqlite_master m JOIN pragma_table_info(m.name) c \
         WHERE m.type = 'table' AND m.name NOT LIKE '\\_\\_%' ESCAPE '\\'",
    )
    .load(&mut sqlite)
    .unwrap();
    let of_postgres: Vec<Column> = diesel::sql_query(
        "SELECT table_name || '.' || column_name AS place, data_type::text AS kind, \
         is_nullable = 'NO' AS required FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_%'",
    )
    .load(&mut postgres)
    .unwrap();
    assert!(of_sqlite.len() > 150);
    assert_eq!(columns(of_sqlite), columns(of_postgres));
}

#[test]
fn sqlite_is_built_so_that_statements_stay_prepared() {
    #[derive(QueryableByName)]
    struct Flag {
        #[diesel(sql_type = Text)]
        compile_options: String,
    }
    let test = TestStore::new(Backend::Sqlite);
    let mut connection = SqliteConnection::establish(&test.path().to_string_lossy()).unwrap();
    let flags: Vec<Flag> = diesel::sql_query("PRAGMA compile_options")
        .load(&mut connection)
        .unwrap();
    let has = |name: &str| flags.iter().any(|flag| flag.compile_options == name);
    assert!(has("ENABLE_QPSG"));
    for unwanted in [
        "ENABLE_STAT4",
        "ENABLE_MEMORY_MANAGEMENT",
        "ENABLE_API_ARMOR",
    ] {
        assert!(!has(unwanted), "{unwanted}");
    }
}
