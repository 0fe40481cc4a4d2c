//! Finding rows of the audit trail again.

use curfew_policy::status::UserStatus;
use curfew_protocol::{AuditId, NodeId, Timestamp, TokenId};
use curfew_store::audit::{AuditEntry, AuditEvent, AuditQuery, AuditRow, AuthenticatedBy, Origin};

use crate::on_both_backends;
use crate::support::{START, TestStore};

const NODE: NodeId = NodeId::from_bytes([4; 16]);
const TOKEN: TokenId = TokenId::from_bytes([5; 16]);

/// A second after the last one, so that the order is known.
fn record(test: &TestStore, entry: AuditEntry) {
    test.clock.advance(1);
    test.write(move |write| write.audit(&entry));
}

fn entry(event: AuditEvent, by: AuthenticatedBy) -> AuditEntry {
    AuditEntry::new(event, by, Origin::default())
}

fn search(test: &TestStore, query: AuditQuery) -> Vec<AuditRow> {
    test.store
        .read_blocking(|read| read.audit_search(&query, 100))
        .unwrap()
}

fn events(test: &TestStore, query: AuditQuery) -> Vec<String> {
    search(test, query)
        .into_iter()
        .map(|row| row.event)
        .collect()
}

on_both_backends! {
    fn f08_what_a_token_did_is_told_from_what_a_session_did(test) {
        let (token, session) = (AuthenticatedBy::BearerToken(TOKEN), AuthenticatedBy::Session(NODE));
        for (event, by) in [
            (AuditEvent::TokenMinted, token), (AuditEvent::TokenMinted, session),
            (AuditEvent::ConsentGiven, token), (AuditEvent::ConsentGiven, session),
        ] {
            record(test, entry(event, by));
        }
        let told: Vec<_> = search(test, AuditQuery::default())
            .into_iter()
            .rev()
            .map(|row| (row.event, row.authenticated_by, row.credential_id.unwrap().to_string()))
            .collect();
        let row = |event: &str, by, id: String| (event.to_owned(), by, id);
        assert_eq!(told, [
            row("token.minted", "access_token", TOKEN.to_string()),
            row("token.minted", "session", NODE.to_string()),
            row("consent.given", "access_token", TOKEN.to_string()),
            row("consent.given", "session", NODE.to_string()),
        ]);
        let by_token = AuditQuery { credential: Some(AuditId::from_bytes(*TOKEN.as_bytes())), ..AuditQuery::default() };
        assert_eq!(events(test, by_token), ["consent.given", "token.minted"]);
    }

    fn a30_what_deleted_users_held_and_used_is_found_by_their_id(test) {
        let (gone, here) = (test.user("gone"), test.user("here"));
        for user in [gone, here] {
            record(test, AuditEntry {
                user_id: Some(user), token_id: Some(TOKEN), scopes: Some("notes".to_owned()),
                ..entry(AuditEvent::TokenMinted, AuthenticatedBy::Session(NODE))
            });
        }
        test.clock.advance(10);
        test.write(move |write| write.user_set_status(gone, UserStatus::Deleted));
        record(test, AuditEntry {
            user_id: Some(gone),
            ..entry(AuditEvent::TokenRefused, AuthenticatedBy::RefreshToken(NODE)).refused("owner_not_active")
        });
        let found = search(test, AuditQuery { user: Some(gone), ..AuditQuery::default() });
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].event.as_str(), found[0].outcome(), found[0].at.seconds()), ("token.refused", "refused", START + 13));
        assert_eq!(found[1].token_id, Some(TOKEN));
        assert_eq!(found[1].username.as_deref(), Some("gone"), "the name stays with the tombstone");
        let of_all = search(test, AuditQuery { deleted_users: true, ..AuditQuery::default() });
        assert_eq!(of_all.len(), 2);
        assert!(of_all.iter().all(|row| row.user_id == Some(gone)));
    }

    fn every_filter_of_a_search_narrows_it(test) {
        let client = test.client("app");
        record(test, AuditEntry {
            client: Some(client), token_id: Some(TOKEN),
            ..AuditEntry::new(AuditEvent::TokenMinted, AuthenticatedBy::ClientSecret(client), Origin {
                ip: Some("192.0.2.1".to_owned()), ..Origin::default()
            })
        });
        test.clock.advance(100);
        record(test, AuditEntry { node_id: Some(NODE), ..entry(AuditEvent::SessionEnded, AuthenticatedBy::CommandLine) });
        test.clock.advance(100);
        record(test, entry(AuditEvent::LoginFailed, AuthenticatedBy::Nobody).refused("wrong_password"));
        let at = |seconds: i64| Some(Timestamp::from_seconds(START + seconds));
        let any = AuditQuery::default;
        let cases = [
            (AuditQuery { client: Some(client), ..any() }, vec!["token.minted"]),
            (AuditQuery { subject: Some(TOKEN), ..any() }, vec!["token.minted"]),
            (AuditQuery { subject: Some(TokenId::from_bytes(*NODE.as_bytes())), ..any() }, vec!["session.ended"]),
            (AuditQuery { events: vec![AuditEvent::SessionEnded, AuditEvent::LoginFailed], ..any() }, vec!["login.failed", "session.ended"]),
            (AuditQuery { ip: Some("192.0.2.1".to_owned()), ..any() }, vec!["token.minted"]),
            (AuditQuery { succeeded: Some(false), ..any() }, vec!["login.failed"]),
            (AuditQuery { since: at(102), ..any() }, vec!["login.failed", "session.ended"]),
            (AuditQuery { until: at(102), ..any() }, vec!["token.minted"]),
            (AuditQuery { since: at(102), until: at(203), ..any() }, vec!["session.ended"]),
            (AuditQuery { since: at(-5_000_000_000), until: at(i64::MAX - START), ..any() }, vec!["login.failed", "session.ended", "token.minted"]),
        ];
        for (query, found) in cases {
            assert_eq!(events(test, query.clone()), found, "{query:?}");
        }
        let paged: Vec<_> = (0..3).scan(None, |after, _| {
            let page = test.store.read_blocking(|read| read.audit_after(&AuditQuery::default(), *after, 1)).unwrap();
            *after = Some(page[0].id);
            Some(page[0].event.clone())
        }).collect();
        assert_eq!(paged, ["token.minted", "session.ended", "login.failed"]);
    }
}
