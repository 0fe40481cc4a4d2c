use curfew_policy::status::OwnerStatus;
use curfew_policy::upstream_draft::ProviderDraft;
use curfew_policy::upstream_presets::Preset;
use curfew_protocol::Redacted;

use super::*;
use crate::identities::IdentityRequest;
use crate::testing::{ISSUER, Installation, TENANT};

const HASH: &str =
    "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

/// With the providers `work` and `gh`.
fn installation() -> Installation {
    let it = Installation::with_provider();
    let github = ProviderDraft {
        preset: Preset::by_word("github"),
        client_id: Some("x".to_owned()),
        ..ProviderDraft::default()
    };
    let secret = Some(Redacted("s".to_owned()));
    it.admin
        .provider_add((TENANT, "gh"), github, secret)
        .unwrap();
    it
}

/// A row in one line: `3 ada added: work bound`.
fn line(row: &ImportedRow) -> String {
    let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let mut text = format!(
        "{} {} {}",
        row.line,
        row.username.as_deref().unwrap_or("-"),
        word(serde_json::json!(row.outcome))
    );
    for link in &row.links {
        text.push_str(&format!(
            ": {} {}",
            link.provider,
            word(serde_json::json!(link.outcome))
        ));
    }
    if let Some(reason) = &row.reason {
        text.push_str(&format!(": {reason}"));
    }
    text
}

fn import(it: &Installation, file: &ImportFile, dry_run: bool) -> Vec<String> {
    let mut told = Vec::new();
    let summary = it.admin.import_users(TENANT, file, dry_run, |rows| {
        told.extend(rows.iter().map(line))
    });
    let summary = summary.unwrap();
    let counted = summary.added + summary.linked + summary.same + summary.failed;
    assert_eq!(counted as usize, told.len());
    told
}

fn csv(text: &str) -> ImportFile {
    ImportFile::read(text.as_bytes(), ImportFormat::Csv, None).unwrap()
}

/// Imports dry, which must change nothing, and then in earnest, which must tell the same.
fn import_twice(it: &Installation, file: &ImportFile) -> Vec<String> {
    let (users, trail) = (it.admin.user_list(TENANT, false).unwrap().len(), it.trail());
    let dry = import(it, file, true);
    assert_eq!(it.admin.user_list(TENANT, false).unwrap().len(), users);
    assert_eq!(it.trail(), trail);
    let real = import(it, file, false);
    assert_eq!(dry, real, "a dry run tells what would be");
    real
}

#[track_caller]
fn matches(told: &[String], expected: &[&str]) {
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        let (start, part) = expected.split_once(" … ").unwrap_or((expected, ""));
        let fits = if part.is_empty() {
            told == start
        } else {
            told.starts_with(start) && told.contains(part)
        };
        assert!(fits, "{told:?} is not {expected:?}");
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

#[test]
fn b13_people_and_links_with_and_without_a_subject_are_imported_once() {
    let it = installation();
    let file = csv(&format!(
        "username,name,email,administrator,status,password_hash,provider,issuer,subject\n\
         ada,Ada Lovelace,Ada@Example.com,true,,{HASH_QUOTED},work,{ISSUER},00u1\n\
         ada,,,,,,gh,,583231\n\
         bob,\"Bob, the builder\",bob@example.com,,suspended,,work,,\n\
         carol,,,,,,,,\n",
        HASH_QUOTED = quoted(HASH)
    ));
    let expected = [
        "2 ada added: work bound",
        "3 ada linked: gh bound",
        "4 bob added: work waits",
        "5 carol added",
    ];
    matches(&import_twice(&it, &file), &expected);
    let again = [
        "2 ada same: work same",
        "3 ada same: gh same",
        "4 bob same: work same",
        "5 carol same",
    ];
    matches(&import_twice(&it, &file), &again);

    let ada = it.admin.user_show(TENANT, "ada").unwrap();
    assert_eq!(
        (ada.name.as_str(), ada.email.as_deref()),
        ("Ada Lovelace", Some("Ada@Example.com"))
    );
    assert!(ada.administrator && ada.ever_linked && !ada.quarantined);
    assert_eq!(ada.password_hash.unwrap().0, HASH);
    let links = it.admin.user_links(TENANT, "ada").unwrap();
    let subject = links
        .iter()
        .find(|shown| shown.provider == "work")
        .unwrap()
        .link
        .subject
        .clone();
    assert_eq!(
        subject.map(|it| (it.issuer, it.subject)),
        Some((ISSUER.to_owned(), "00u1".to_owned()))
    );
    let bob = it.admin.user_show(TENANT, "bob").unwrap();
    assert_eq!(bob.status, curfew_policy::status::UserStatus::Suspended);
    assert!(
        it.admin.user_links(TENANT, "bob").unwrap()[0]
            .link
            .subject
            .is_none()
    );

    let mut trail: Vec<String> = it.trail().into_iter().map(|(event, _)| event).collect();
    trail.sort_unstable();
    let (linked, added) = ("identity.linked", "user.added");
    assert_eq!(
        trail,
        [
            linked,
            linked,
            linked,
            "provider.added",
            "provider.added",
            added,
            added,
            added
        ]
    );
}

#[test]
fn a_bad_row_is_told_and_the_others_go_on() {
    let it = installation();
    let stored = csv("username,email,provider,subject\nada,ada@example.com,work,1\n");
    import(&it, &stored, false);
    let file = csv(
        "username,email,administrator,status,password_hash,provider,issuer,subject\n\
         ,x@example.com,,,,,,\n\
         a b,,,,,,,\n\
         b1,not an address,,,,,,\n\
         b2,,yes,,,,,\n\
         b3,,,deleted,,,,\n\
         b4,,,,hunter2,,,\n\
         b5,,,,,nope,,1\n\
         b6,,,,,,,1\n\
         b7,,,,,work,https://id.example.com/,2\n\
         b8,,,,,gh,,octocat\n\
         b9,ADA@example.com,,,,,,\n\
         b10,,,,,work,,1\n\
         ada,other@example.com,true,,,,,\n\
         b11,too,few\n\
         fine,,,,,,,\n",
    );
    let expected = [
        "2 - failed: the username is missing",
        "3 a b failed … cannot be a username",
        "4 b1 failed … no e-mail address",
        "5 b2 failed: the column `administrator` is neither true nor false",
        "6 b3 failed: the status `deleted` is neither active nor suspended",
        "7 b4 failed … no Argon2id hash",
        "8 b5 failed … there is no upstream `nope`",
        "9 b6 failed … names no provider",
        "10 b7 failed … byte for byte",
        "11 b8 failed … the account's number",
        "12 b9 failed: the address `ADA@example.com` is that of user `ada`",
        "13 b10 failed … bound to user `ada`",
        "14 ada failed … differs in: email, administrator",
        "15 b11 failed … 3 fields",
        "16 fine added",
    ];
    let told = import_twice(&it, &file);
    matches(&told, &expected);
    assert!(!told.join("\n").contains("hunter2"));
    let names: Vec<String> = it
        .admin
        .user_list(TENANT, false)
        .unwrap()
        .into_iter()
        .map(|user| user.username)
        .collect();
    assert_eq!(names, ["ada", "fine"]);
}

#[test]
fn rows_that_contradict_each_other_are_told_and_never_merged() {
    let it = installation();
    let file = csv("username,name,email,provider,subject\n\
         ada,Ada,ada@example.com,work,1\n\
         bob,,ADA@example.com,,\n\
         carol,,,work,1\n\
         ada,,,work,2\n\
         dan,Dan,,,\n\
         dan,Daniel,,work,3\n\
         dan,,,work,4\n\
         dan,Dan,,work,5\n\
         eve,,not an address,,\n\
         eve,,,work,6\n");
    let expected = [
        "2 ada added: work bound",
        "3 bob failed: line 2 gives the address `ADA@example.com` to another user",
        "4 carol failed: line 2 names the same identity at `work`, and an identity is one person's",
        "5 ada failed … line 2 is about this user already",
        "6 dan added",
        "7 dan failed … something else about the user",
        "8 dan linked: work bound",
        "9 dan linked: work bound",
        "10 eve failed … no e-mail address",
        "11 eve failed: line 10, which is about the same user, failed",
    ];
    matches(&import_twice(&it, &file), &expected);
}

#[test]
fn a_link_that_waits_gets_its_subject_and_one_that_was_taken_away_does_not_come_back() {
    let it = installation();
    let without = csv("username,provider\nada,work\nbob,work\n");
    matches(
        &import_twice(&it, &without),
        &["2 ada added: work waits", "3 bob added: work waits"],
    );
    let with = csv("username,provider,subject\nada,work,1\n");
    matches(&import_twice(&it, &with), &["2 ada linked: work filled"]);
    // Whoever is linked needs no link that waits.
    matches(
        &import_twice(&it, &without),
        &["2 ada same: work same", "3 bob same: work same"],
    );
    for name in ["ada", "bob"] {
        let link = it.admin.user_links(TENANT, name).unwrap().remove(0).link;
        it.admin
            .user_unlink((TENANT, name), &link.id.to_string())
            .unwrap();
    }
    matches(
        &import_twice(&it, &without),
        &[
            "2 ada failed … was taken away",
            "3 bob failed … was taken away",
        ],
    );
    matches(
        &import_twice(&it, &with),
        &["2 ada failed … was taken away"],
    );
    let identity = IdentityRequest {
        provider: "work".to_owned(),
        issuer: None,
        subject: "1".to_owned(),
    };
    it.admin.user_link((TENANT, "ada"), identity).unwrap();
    matches(&import_twice(&it, &with), &["2 ada same: work same"]);
}

#[test]
fn json_says_the_same_as_an_array_and_as_lines() {
    let objects = [
        r#"{"username": "ada", "email": "ada@example.com", "links": [{"provider": "work", "subject": "1"}, {"provider": "gh", "subject": "7"}]}"#,
        r#"{"username": "bob", "links": [{}]}"#,
        r#"{"username": "carol", "links": []}"#,
        r#"{"username": "dan"}"#,
        r#"{"username": "eve", "mail": "eve@example.com"}"#,
        r#"{"username": "fay", "administrator": "yes"}"#,
        r#"{"username": "gus", "username": "gil"}"#,
        r#"["hal", null, null, null, null, null, null]"#,
        r#"{"username": "ida", "links": [{"subject": "8"}, {}]}"#,
    ];
    let expected = [
        "ada added: work bound: gh bound",
        "bob added: work waits",
        "carol added",
        "dan added: work waits",
        "eve failed … unknown field `mail`",
        "fay failed … expected a boolean",
        "- failed … duplicate field `username`",
        "- failed: it is no JSON object",
        "ida failed … more than once",
    ];
    let (array, lines) = (
        format!("[\n{}\n]\n", objects.join(",\n")),
        objects.join("\n"),
    );
    for (text, first) in [(array, 2), (lines, 1)] {
        let it = installation();
        let file = ImportFile::read(text.as_bytes(), ImportFormat::Json, Some("work")).unwrap();
        let expected: Vec<String> = (first..)
            .zip(expected)
            .map(|(line, row)| format!("{line} {row}"))
            .collect();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        matches(&import_twice(&it, &file), &expected);
    }
}

#[test]
fn a_file_that_cannot_be_read_says_where() {
    let cases: &[(ImportFormat, &[u8], &str)] = &[
        (
            ImportFormat::Csv,
            b"",
            "does not name the column `username`",
        ),
        (
            ImportFormat::Csv,
            b"name,email\n",
            "does not name the column `username`",
        ),
        (
            ImportFormat::Csv,
            b"username;email\n",
            "separated by commas",
        ),
        (ImportFormat::Csv, b"username,mail\n", "a column `mail`"),
        (ImportFormat::Csv, b"username,username\n", "twice"),
        (
            ImportFormat::Json,
            b"[{\"username\": \"ada\"}\n",
            "the array does not end",
        ),
        (
            ImportFormat::Json,
            b"[{\"username\": \"ada\"}\n{}]",
            "line 2: a comma is missing",
        ),
        (
            ImportFormat::Json,
            b"{\"username\": \"ada\"}\n\nnonsense",
            "line 3",
        ),
        (
            ImportFormat::Json,
            b"[]\nx",
            "line 2: something stands behind",
        ),
        (ImportFormat::Json, b"[,]", "line 1"),
        (ImportFormat::Json, b"\xff", "UTF-8"),
    ];
    for (format, bytes, expected) in cases {
        let refused = ImportFile::read(bytes, *format, None)
            .unwrap_err()
            .to_string();
        assert!(refused.contains(expected), "{refused:?} lacks {expected:?}");
    }
    let rows = |format, bytes: &[u8]| ImportFile::read(bytes, format, None).unwrap().rows();
    assert_eq!(
        rows(
            ImportFormat::Csv,
            b"\xef\xbb\xbfusername\r\nada\r\n\r\nbob\r\n"
        ),
        2
    );
    assert_eq!(rows(ImportFormat::Json, b"\xef\xbb\xbf[]"), 0);
    assert_eq!(rows(ImportFormat::Json, b" "), 0);
    let it = installation();
    let file = ImportFile::read(
        b"username,name\n\xff,x\nada,\xff\n\"a\nb\",x\nbob,x\n",
        ImportFormat::Csv,
        None,
    )
    .unwrap();
    let expected = [
        "2 - failed: the column `username` is not UTF-8",
        "3 ada failed: the column `name` is not UTF-8",
        "4 a\nb failed … cannot be a username",
        "6 bob added",
    ];
    matches(&import_twice(&it, &file), &expected);
}

#[test]
fn many_rows_are_done_in_batches_that_keep_a_person_together() {
    let it = installation();
    let mut text = "username,provider,subject\n".to_owned();
    for number in 0..ROWS_AT_ONCE - 1 {
        text.push_str(&format!("user{number},work,{number}\n"));
    }
    for number in 0..3 {
        text.push_str(&format!("many,work,many{number}\n"));
    }
    text.push_str("last,,\n");
    let file = csv(&text);
    let lengths: Vec<usize> = batches(&file.entries).map(<[Entry]>::len).collect();
    assert_eq!(lengths, [ROWS_AT_ONCE + 2, 1]);
    let told = import_twice(&it, &file);
    assert_eq!(told.len(), ROWS_AT_ONCE + 3);
    assert!(told.iter().all(|row| !row.contains("failed")), "{told:#?}");
    let links = it.admin.provider_show((TENANT, "work")).unwrap().links;
    assert_eq!(links.bound, ROWS_AT_ONCE as i64 + 2);
    assert!(
        import_twice(&it, &file)
            .iter()
            .all(|row| row.contains(" same"))
    );
}

#[test]
fn a_disabled_provider_takes_links_and_a_deleted_one_does_not() {
    let it = installation();
    let file = csv("username,provider,subject\nada,work,1\n");
    it.admin
        .provider_set_status((TENANT, "work"), OwnerStatus::Disabled)
        .unwrap();
    matches(&import_twice(&it, &file), &["2 ada added: work bound"]);
    it.admin
        .provider_set_status((TENANT, "work"), OwnerStatus::Deleted)
        .unwrap();
    matches(
        &import_twice(&it, &file),
        &["2 ada failed … no upstream `work`"],
    );
    assert!(it.admin.import_users("nope", &file, true, |_| {}).is_err());
}
