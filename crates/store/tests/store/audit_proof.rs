//! The audit trail against somebody who can write the database but has no keys.

use std::collections::BTreeSet;

use curfew_policy::lifetime::{AccessTokenPlan, LifetimeRules};
use curfew_protocol::{
    Audiences, AuditId, ClientKey, NodeId, RequestId, ScopeSet, TenantId, Timestamp, TokenId,
    UserId,
};
use curfew_store::audit::proof::{TrailEvent, TrailFinding, TrailProof};
use curfew_store::audit::{
    AuditEntry, AuditEvent, AuditRow, AuthenticatedBy, LinkName, LinkPlace, Origin,
};
use curfew_store::mint::ClientTokenMint;
use curfew_store::{Store, StoreError};

use crate::on_both_backends;
use crate::support::{Backend, TestStore, keys_of};

/// An entry in which no column is empty.
fn full(detail: &str) -> AuditEntry {
    AuditEntry {
        tenant_id: Some(TenantId::from_bytes([1; 16])),
        user_id: Some(UserId::from_bytes([2; 16])),
        client: Some(ClientKey::from_bytes([3; 16])),
        node_id: Some(NodeId::from_bytes([4; 16])),
        token_id: Some(TokenId::from_bytes([5; 16])),
        expires_at: Some(Timestamp::from_seconds(77)),
        scopes: Some("notes".to_owned()),
        detail: Some(detail.to_owned()),
        ..AuditEntry::new(
            AuditEvent::TokenMinted,
            AuthenticatedBy::Session(NodeId::from_bytes([6; 16])),
            Origin {
                request_id: Some(RequestId::from_bytes([7; 16])),
                ip: Some("192.0.2.1".to_owned()),
                user_agent: Some("Browser/1".to_owned()),
            },
        )
    }
}

/// One commit with that many rows, a second after the last one.
fn record(test: &TestStore, store: &Store, rows: usize) {
    test.clock.advance(1);
    let done = store.write_blocking(move |write| {
        for row in 0..rows {
            write.audit(&full(&format!("row {row}")))?;
        }
        Ok(Ok::<_, ()>(()))
    });
    done.unwrap().unwrap();
}

fn prove_with(store: &Store, expected: &[LinkName]) -> (TrailProof, Vec<TrailFinding>) {
    let mut findings = Vec::new();
    let proof = store
        .audit_prove(expected, &mut |event| {
            if let TrailEvent::Finding(finding) = event {
                findings.push(*finding);
            }
        })
        .unwrap();
    assert_eq!(proof.findings, findings.len() as u64);
    (proof, findings)
}

fn findings(test: &TestStore) -> Vec<TrailFinding> {
    prove_with(&test.store, &[]).1
}

fn proven(test: &TestStore) -> TrailProof {
    let (proof, findings) = prove_with(&test.store, &[]);
    assert_eq!(findings, []);
    proof
}

/// All rows in the order in which they were written.
fn rows(test: &TestStore) -> Vec<AuditRow> {
    let mut rows = test
        .store
        .read_blocking(|read| read.audit_latest(10_000))
        .unwrap();
    rows.sort_by_key(|row| (row.at, row.sequence, row.detail.clone()));
    rows
}

fn place(row: &AuditRow) -> LinkPlace {
    LinkPlace {
        chain_id: row.chain_id,
        sequence: row.sequence,
    }
}

fn is_row(test: &TestStore, id: AuditId) -> String {
    format!("id = {}", test.literal(id.as_bytes()))
}

fn is_link(test: &TestStore, link: LinkPlace) -> String {
    let chain = test.literal(link.chain_id.as_bytes());
    format!("chain_id = {chain} AND sequence = {}", link.sequence)
}

fn is_chain(test: &TestStore, row: &AuditRow) -> String {
    format!("chain_id = {}", test.literal(row.chain_id.as_bytes()))
}

/// Another process on the same database: it has a chain of its own.
fn another_process(test: &TestStore) -> Store {
    test.open_again(|_| {}).unwrap()
}

on_both_backends! {
    fn an_untouched_trail_is_proved_and_its_size_is_told(test) {
        assert_eq!(proven(test).rows, 0);
        for rows in [1, 3, 300] {
            record(test, &test.store, rows);
        }
        let proof = proven(test);
        assert_eq!((proof.chains, proof.links, proof.rows), (1, 3, 304));
        assert_eq!(proof.heads.len(), 1);
        assert_eq!(test.store.audit_size().unwrap(), 307);
        // Longer than a page of links.
        for _ in 0..510 {
            record(test, &test.store, 1);
        }
        assert_eq!(proven(test).links, 513);
    }

    fn a_byte_altered_in_any_column_of_a_row_is_noticed(test) {
        let flipped = test.literal(&[2; 16]);
        let other = test.literal(&[9; 16]);
        let changes = [
            format!("tenant_id = {flipped}"),
            format!("user_id = {other}"),
            format!("client_id = {flipped}"),
            format!("node_id = {flipped}"),
            format!("token_id = {flipped}"),
            format!("credential_id = {flipped}"),
            format!("request_id = {flipped}"),
            "at = at + 1".to_owned(),
            "event = event + 1".to_owned(),
            "outcome = 2".to_owned(),
            "authenticated_by = 6".to_owned(),
            "authenticated_by = 1, credential_id = NULL".to_owned(),
            "expires_at = expires_at + 1".to_owned(),
            "scopes = 'notet'".to_owned(),
            "ip = '192.0.2.2'".to_owned(),
            "user_agent = 'Browser/2'".to_owned(),
            "detail = 'row 1'".to_owned(),
            "tenant_id = NULL".to_owned(),
            "user_id = NULL".to_owned(),
            "client_id = NULL".to_owned(),
            "node_id = NULL".to_owned(),
            "token_id = NULL".to_owned(),
            "request_id = NULL".to_owned(),
            "expires_at = NULL".to_owned(),
            "scopes = NULL".to_owned(),
            "ip = NULL".to_owned(),
            "user_agent = NULL".to_owned(),
            "detail = NULL".to_owned(),
            "scopes = NULL, ip = scopes".to_owned(),
            "detail = ''".to_owned(),
        ];
        for _ in &changes {
            record(test, &test.store, 1);
        }
        // And one that nobody touches.
        record(test, &test.store, 1);
        let written = rows(test);
        for (change, row) in changes.iter().zip(&written) {
            let hit = test.tamper(&format!("UPDATE audit SET {change} WHERE {}", is_row(test, row.id)));
            assert_eq!(hit, 1, "{change}");
        }
        let told: BTreeSet<AuditId> = findings(test).into_iter().map(|finding| match finding {
            TrailFinding::AlteredRow { row, .. } => row,
            other => panic!("{other:?}"),
        }).collect();
        for (change, row) in changes.iter().zip(&written) {
            assert!(told.contains(&row.id), "nobody noticed {change}");
        }
        assert_eq!(told.len(), changes.len(), "the untouched row stays in order");
    }

    fn a_row_that_changes_its_id_or_its_place_is_noticed(test) {
        for _ in 0..4 {
            record(test, &test.store, 1);
        }
        let row = rows(test)[0].clone();
        let (id, link) = (row.id, place(&row));
        let new = AuditId::from_bytes([0xee; 16]);
        test.tamper(&format!("UPDATE audit SET id = {} WHERE {}", test.literal(new.as_bytes()), is_row(test, id)));
        assert_eq!(findings(test), [TrailFinding::MissingRow { row: id, link }, TrailFinding::ForeignRow { row: new, link }]);
        test.tamper(&format!("UPDATE audit SET id = {} WHERE {}", test.literal(id.as_bytes()), is_row(test, new)));
        proven(test);
        test.tamper(&format!("UPDATE audit SET sequence = 2 WHERE {}", is_row(test, id)));
        let moved = LinkPlace { sequence: 2, ..link };
        assert_eq!(findings(test), [TrailFinding::AlteredRow { row: id, link }, TrailFinding::ForeignRow { row: id, link: moved }]);
    }

    fn rows_taken_away_swapped_or_put_in_are_noticed(test) {
        for _ in 0..5 {
            record(test, &test.store, 2);
        }
        let written = rows(test);
        let gone = &written[3];
        test.tamper(&format!("DELETE FROM audit WHERE {}", is_row(test, gone.id)));
        assert_eq!(findings(test), [TrailFinding::MissingRow { row: gone.id, link: place(gone) }]);
        let new = AuditId::from_bytes([0xee; 16]);
        test.tamper(&format!(
            "INSERT INTO audit (id, at, event, outcome, authenticated_by, chain_id, sequence) \
             SELECT {}, at, event, outcome, 0, chain_id, sequence FROM audit WHERE {}",
            test.literal(new.as_bytes()), is_row(test, written[0].id),
        ));
        assert_eq!(findings(test), [
            TrailFinding::MissingRow { row: gone.id, link: place(gone) },
            TrailFinding::ForeignRow { row: new, link: place(&written[0]) },
        ]);
        // Two rows of one commit exchange what they say.
        let [one, other] = [&written[6], &written[7]];
        let said = |row: &AuditRow| row.detail.clone().unwrap();
        for (row, text) in [(one, said(other)), (other, said(one))] {
            test.tamper(&format!("UPDATE audit SET detail = '{text}' WHERE {}", is_row(test, row.id)));
        }
        let told = findings(test);
        assert_eq!(told.len(), 4, "{told:?}");
        for row in [one, other] {
            assert!(told.contains(&TrailFinding::AlteredRow { row: row.id, link: place(row) }), "{told:?}");
        }
    }

    fn a_link_altered_in_any_column_is_noticed(test) {
        // The link that another one names, so that `seen_links` holds something.
        record(test, &another_process(test), 1);
        for _ in 0..3 {
            record(test, &test.store, 1);
        }
        let written = rows(test);
        let (first, second) = (place(&written[1]), place(&written[2]));
        assert_eq!((first.sequence, second.sequence), (1, 2));
        let flip = |column: &str, position: usize| {
            let position = position + 1;
            match test.backend() {
                Backend::Sqlite => format!(
                    "{column} = CAST(substr({column}, 1, {position} - 1) || \
                     (CASE substr({column}, {position}, 1) WHEN x'00' THEN x'01' ELSE x'00' END) || substr({column}, {position} + 1) AS BLOB)"
                ),
                Backend::Postgres => format!(
                    "{column} = set_byte({column}, {position} - 1, get_byte({column}, {position} - 1) # 1)"
                ),
            }
        };
        let broken = |link| TrailFinding::BrokenLink { link };
        let row = written[2].id;
        let cases: Vec<(LinkPlace, String, Vec<TrailFinding>)> = vec![
            (second, "created_at = created_at + 1".to_owned(), vec![broken(second)]),
            (second, flip("digest", 31), vec![broken(second)]),
            (second, flip("row_tags", 31), vec![broken(second), TrailFinding::AlteredRow { row, link: second }]),
            (second, "key_id = 9".to_owned(), vec![TrailFinding::UnknownKey { link: second, key_id: 9 }]),
            (first, "seen_links = seen_links || seen_links".to_owned(), vec![broken(first)]),
        ];
        for (link, change, told) in cases {
            let copy = "CREATE TABLE kept AS SELECT * FROM audit_links";
            test.tamper(copy);
            let hit = test.tamper(&format!("UPDATE audit_links SET {change} WHERE {}", is_link(test, link)));
            assert_eq!(hit, 1, "{change}");
            assert_eq!(findings(test), told, "{change}");
            test.tamper("DELETE FROM audit_links");
            test.tamper("INSERT INTO audit_links SELECT * FROM kept");
            test.tamper("DROP TABLE kept");
            proven(test);
        }
        // The name of another link, altered in its digest and in its chain.
        test.tamper(&format!("UPDATE audit_links SET {} WHERE {}", flip("seen_links", 55), is_link(test, first)));
        let told = findings(test);
        let seen = place(&written[0]);
        assert_eq!(told, [broken(first), TrailFinding::ReplacedLink { link: seen, by: Some(first) }]);
    }

    fn a_link_taken_out_of_the_middle_or_the_beginning_is_noticed(test) {
        for _ in 0..6 {
            record(test, &test.store, 1);
        }
        let written = rows(test);
        for position in [3, 0] {
            let (row, link) = (written[position].id, place(&written[position]));
            test.tamper(&format!("DELETE FROM audit_links WHERE {}", is_link(test, link)));
            let told = findings(test);
            assert!(told.contains(&TrailFinding::MissingLinks { first: link, last: link.sequence }), "{told:?}");
            assert!(told.contains(&TrailFinding::ForeignRow { row, link }), "{told:?}");
            // With its rows it is noticed as well.
            test.tamper(&format!("DELETE FROM audit WHERE {}", is_row(test, row)));
            let told = findings(test);
            assert!(told.contains(&TrailFinding::MissingLinks { first: link, last: link.sequence }), "{told:?}");
        }
        assert_eq!(findings(test).len(), 2);
    }

    fn a_chain_taken_away_or_cut_off_is_noticed_when_a_younger_one_was_begun(test) {
        let command = another_process(test);
        for _ in 0..3 {
            record(test, &command, 1);
        }
        record(test, &another_process(test), 1);
        let written = rows(test);
        let tail = &written[2];
        assert_eq!(tail.sequence, 3);
        for table in ["audit", "audit_links"] {
            test.tamper(&format!("DELETE FROM {table} WHERE {} AND sequence = 3", is_chain(test, tail)));
        }
        let by = Some(place(&written[3]));
        assert_eq!(findings(test), [TrailFinding::CutChain { chain_id: tail.chain_id, last: 2, seen: 3, by }]);
        for table in ["audit", "audit_links"] {
            test.tamper(&format!("DELETE FROM {table} WHERE {}", is_chain(test, tail)));
        }
        assert_eq!(findings(test), [TrailFinding::MissingChain { chain_id: tail.chain_id, by }]);
    }

    fn a_chain_that_goes_on_sees_the_others_again_after_a_minute(test) {
        record(test, &test.store, 1);
        record(test, &another_process(test), 1);
        let command = rows(test)[1].clone();
        record(test, &test.store, 1);
        assert_eq!(proven(test).heads.len(), 2, "nobody has seen the second chain yet");
        test.clock.advance(60);
        record(test, &test.store, 1);
        assert_eq!(proven(test).heads.len(), 1, "now the first one vouches for it");
        for table in ["audit", "audit_links"] {
            test.tamper(&format!("DELETE FROM {table} WHERE {}", is_chain(test, &command)));
        }
        let told = findings(test);
        assert!(matches!(told[..], [TrailFinding::MissingChain { chain_id, .. }] if chain_id == command.chain_id), "{told:?}");
    }

    fn the_end_cut_off_everywhere_shows_only_against_heads_kept_elsewhere(test) {
        for _ in 0..3 {
            record(test, &test.store, 1);
        }
        let kept = proven(test).heads;
        record(test, &test.store, 1);
        let (_, told) = prove_with(&test.store, &kept);
        assert_eq!(told, [], "a trail that has grown still holds what it held");
        for table in ["audit", "audit_links"] {
            test.tamper(&format!("DELETE FROM {table} WHERE sequence > 2"));
        }
        assert_eq!(findings(test), [], "the database alone cannot know");
        let chain_id = kept[0].place.chain_id;
        let (_, told) = prove_with(&test.store, &kept);
        assert_eq!(told, [TrailFinding::CutChain { chain_id, last: 2, seen: 3, by: None }]);
        for table in ["audit", "audit_links"] {
            test.tamper(&format!("DELETE FROM {table}"));
        }
        let (_, told) = prove_with(&test.store, &kept);
        assert_eq!(told, [TrailFinding::MissingChain { chain_id, by: None }]);
        // A server that was running goes on where it was, and so gives the hole away.
        record(test, &test.store, 1);
        let told = findings(test);
        assert!(matches!(told[..], [TrailFinding::MissingLinks { last: 4, .. }]), "{told:?}");
    }

    fn what_is_rolled_back_leaves_neither_row_nor_link(test) {
        record(test, &test.store, 1);
        for _ in 0..3 {
            let failed = test.store.write_blocking(|write| {
                write.audit(&full("lost"))?;
                Err::<Result<(), ()>, _>(StoreError::Overloaded)
            });
            assert!(failed.is_err());
            // A broken rule of the schema does not cost the connection, nor its chain.
            let second = test.store.write_blocking(|write| {
                write.audit(&full("lost"))?;
                write.tenant_insert("default", "Twice").map(Ok::<_, ()>)
            });
            assert!(second.unwrap_err().is_unique_violation());
            let rehearsed = test.store.rehearse_blocking(|write| {
                write.audit(&full("lost"))?;
                Ok(Ok::<_, ()>("rehearsed"))
            });
            assert_eq!(rehearsed.unwrap(), Ok("rehearsed"));
        }
        test.clock.advance(1);
        let refused = test.store.write_blocking(|write| {
            write.audit(&full("kept"))?;
            Ok(Err::<(), _>("no"))
        });
        assert_eq!(refused.unwrap(), Err("no"));
        let proof = proven(test);
        assert_eq!((proof.links, proof.rows), (2, 2));
        let mut details: Vec<_> = rows(test).into_iter().filter_map(|row| row.detail).collect();
        details.sort_unstable();
        assert_eq!(details, ["kept", "row 0"]);
    }

    fn jobs_that_fail_or_panic_beside_others_do_not_break_the_chain(test) {
        // On PostgreSQL the panic would unwind into the caller.
        let panics = test.backend() == Backend::Sqlite;
        std::thread::scope(|scope| {
            for number in 0..48_usize {
                scope.spawn(move || {
                    let done = test.store.write_blocking(move |write| {
                        write.audit(&full("one"))?;
                        match number % 6 {
                            1 => return Err(StoreError::Overloaded),
                            2 => write.tenant_insert("default", "Twice").map(|_| ())?,
                            3 if panics => panic!("as a defect of ours would"),
                            _ => {}
                        }
                        write.audit(&full("two"))?;
                        Ok(Ok::<_, ()>(()))
                    });
                    let fails = matches!(number % 6, 1 | 2) || (number % 6 == 3 && panics);
                    assert_eq!(done.is_err(), fails, "{number}");
                });
            }
        });
        let stayed = if panics { 24 } else { 32 };
        assert_eq!(proven(test).rows, 2 * stayed);
        record(test, &test.store, 1);
        assert_eq!(proven(test).rows, 2 * stayed + 1);
    }

    fn two_processes_that_write_at_once_prove_each_other(test) {
        let other = another_process(test);
        std::thread::scope(|scope| {
            for store in [&test.store, &other] {
                for _ in 0..4 {
                    scope.spawn(move || {
                        for _ in 0..25 {
                            record(test, store, 2);
                        }
                    });
                }
            }
        });
        let proof = proven(test);
        assert_eq!(proof.rows, 400);
        assert!(proof.chains >= 2, "{proof:?}");
    }

    fn a_trail_is_proved_while_it_grows(test) {
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for _ in 0..300 {
                    record(test, &test.store, 1);
                }
            });
            while !writer.is_finished() {
                proven(test);
            }
        });
        assert_eq!(proven(test).rows, 300);
    }

    fn mints_that_share_a_commit_share_a_link(test) {
        let client = test.client("robot");
        let mint = ClientTokenMint {
            client,
            client_epoch: 1,
            plan: AccessTokenPlan { rules: LifetimeRules::default(), asked: None, client: None, scopes: Vec::new() },
            scopes: ScopeSet::parse("notes").unwrap(),
            audiences: Audiences::default(),
            origin: Origin { ip: Some("192.0.2.1".to_owned()), ..Origin::default() },
            authenticated_by: AuthenticatedBy::ClientSecret(client),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            test.store.mint_client_token(mint.clone()).await.unwrap().unwrap();
            let mints: Vec<_> = (0..200).map(|_| {
                let (store, mint) = (test.store.clone(), mint.clone());
                tokio::spawn(async move { store.mint_client_token(mint).await.unwrap().unwrap() })
            }).collect();
            for mint in mints {
                mint.await.unwrap();
            }
        });
        let proof = proven(test);
        assert_eq!(proof.rows, 201);
        assert!(proof.links < 201, "{proof:?}");
        let batched = rows(test).into_iter().find(|row| row.sequence > 1).unwrap();
        test.tamper(&format!("UPDATE audit SET ip = '192.0.2.9' WHERE {}", is_row(test, batched.id)));
        assert_eq!(findings(test), [TrailFinding::AlteredRow { row: batched.id, link: place(&batched) }]);
    }

    fn f05_without_its_link_nothing_that_is_audited_happens(test) {
        record(test, &test.store, 1);
        test.tamper("ALTER TABLE audit_links RENAME TO hidden");
        let refused = test.store.write_blocking(|write| {
            write.tenant_insert("lost", "Lost")?;
            write.audit(&full("lost"))?;
            Ok(Ok::<_, ()>(()))
        });
        assert!(refused.is_err());
        assert!(!refused.unwrap_err().is_unique_violation());
        test.tamper("ALTER TABLE hidden RENAME TO audit_links");
        record(test, &test.store, 1);
        let proof = proven(test);
        assert_eq!((proof.chains, proof.rows), (2, 2), "after a commit that failed, another chain is begun");
        let lost = test.store.read_blocking(|read| read.tenant_by_slug("lost"));
        assert!(lost.unwrap().is_none());
    }

    fn a_link_planted_in_our_place_refuses_one_commit_and_no_more(test) {
        record(test, &test.store, 1);
        test.tamper(
            "INSERT INTO audit_links (chain_id, sequence, key_id, created_at, row_tags, seen_links, digest) \
             SELECT chain_id, sequence + 1, key_id, created_at, row_tags, seen_links, digest FROM audit_links",
        );
        let planted = LinkPlace { sequence: 2, ..place(&rows(test)[0]) };
        let refused = test.store.write_blocking(|write| write.audit(&full("lost")).map(Ok::<_, ()>));
        assert!(!refused.unwrap_err().is_unique_violation(), "nobody is told that a name is taken");
        record(test, &test.store, 1);
        let told = findings(test);
        assert!(told.contains(&TrailFinding::BrokenLink { link: planted }), "{told:?}");
    }

    fn links_of_a_key_that_is_gone_are_told_and_proved_again_when_it_is_back(test) {
        record(test, &test.store, 1);
        let both = test.open_again(|options| options.keys = keys_of(&[(1, 7), (2, 8)])).unwrap();
        record(test, &both, 1);
        assert_eq!(prove_with(&both, &[]).1, []);
        let told = findings(test);
        assert!(matches!(told[..], [TrailFinding::UnknownKey { key_id: 2, .. }]), "{told:?}");
    }
}
