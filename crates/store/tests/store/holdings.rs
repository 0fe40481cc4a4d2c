//! What lists and trees read, what ends all of a person's grants, and that what a token makes cannot be missed by whoever ends the token.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use curfew_policy::lifetime::Credential;
use curfew_policy::standing::Kind;
use curfew_policy::status::{DeathCause, NodeKind};
use curfew_protocol::{Audiences, ScopeSet, TokenId, UserId};
use curfew_store::Write;
use curfew_store::consents::NewConsent;
use curfew_store::nodes::{Ancestor, Birth};
use curfew_store::personal_access_tokens::NewPersonalAccessToken;
use curfew_store::tree::{Edge, TreeBounds};

use crate::on_both_backends;
use crate::support::{TestStore, birth, chain, end, is_alive};

/// A personal access token below a token.
fn mint_below(
    write: &mut Write<'_>,
    parent: TokenId,
) -> Result<Option<TokenId>, curfew_store::StoreError> {
    write.token_hold(parent)?;
    let now = write.now();
    let Some(token) = write
        .token_chain(parent)?
        .filter(|token| token.judge(now).is_ok())
    else {
        return Ok(None);
    };
    let node = &token.node;
    let ends = [token.facts.expires_at];
    let (_, id, _) = write.personal_access_token_insert(&NewPersonalAccessToken {
        name: "minted".to_owned(),
        birth: Birth::below_token(&token),
        ancestor: Ancestor::Binding {
            id: node.id,
            expires_at: node.facts.expires_at,
        },
        parent_token: Some(parent),
        session_id: node.session_id,
        scopes: ScopeSet::parse("notes:read").unwrap(),
        audiences: Audiences::default(),
        expires_at: end(Credential::PersonalAccessToken, now, &ends),
    })?;
    Ok(Some(id))
}

/// A personal access token that a person made in a session.
fn mint_for(test: &TestStore, user: UserId, session: curfew_protocol::NodeId) -> TokenId {
    test.write(move |write| {
        let new = NewPersonalAccessToken {
            name: "own".to_owned(),
            birth: birth(write, user, None)?,
            ancestor: Ancestor::Recorded(session),
            parent_token: None,
            session_id: None,
            scopes: ScopeSet::parse("notes:read").unwrap(),
            audiences: Audiences::default(),
            expires_at: end(Credential::PersonalAccessToken, write.now(), &[]),
        };
        Ok(write.personal_access_token_insert(&new)?.1)
    })
}

on_both_backends! {
    fn all_grants_of_a_person_end_and_nobody_elses(test) {
        let (ada, eve) = (test.user("ada"), test.user("eve"));
        let client = test.client("orchard");
        let (own, foreign) = (chain(test, ada, client, false), chain(test, eve, client, false));
        let personal = mint_for(test, ada, own.session);
        let minted = test.write(move |write| mint_below(write, personal)).unwrap();
        let ended = test.write(move |write| {
            for user in [ada, eve] {
                let consent = NewConsent {
                    scopes: ScopeSet::parse("notes:read").unwrap(),
                    audiences: Audiences::default(),
                    user_epoch: 1,
                    client_epoch: 1,
                    expires_at: end(Credential::Consent, write.now(), &[]),
                };
                write.consent_put(user, client, &consent)?;
            }
            let ended = write.node_end_grants_of_user(ada, DeathCause::EndedByOwner)?;
            assert_eq!(write.consents_delete_of_user(ada)?, 1);
            assert_eq!(write.consent_list(ada)?.len(), 0);
            assert_eq!(write.consent_list(eve)?.len(), 1);
            Ok(ended)
        });
        // Approval, family and the two personal tokens; the session stays.
        assert_eq!(ended, 4);
        for dead in [own.token, personal, minted] {
            assert!(!is_alive(test, dead));
        }
        assert!(is_alive(test, foreign.token));
        let session = test.store.read_blocking(|read| read.node_chain(own.session)).unwrap().unwrap();
        assert!(session.judge(test.now()).is_ok());
    }

    fn lists_go_page_by_page_and_tell_what_each_node_hangs_on(test) {
        let ada = test.user("ada");
        let client = test.client("orchard");
        let chains: Vec<_> = (0..5).map(|_| chain(test, ada, client, false)).collect();
        test.store.read_blocking(|read| {
            let (mut seen, mut before) = (Vec::new(), None);
            loop {
                let page = read.node_chains_of_user(ada, NodeKind::Approval, (before, 2))?;
                let Some(last) = page.last() else { break };
                before = Some(last.id);
                let approvals = read.approvals_on(page.clone())?;
                assert_eq!(approvals.len(), page.len());
                assert!(approvals.iter().zip(&page).all(|(approval, node)| approval.node.id == node.id));
                seen.extend(page.into_iter().map(|node| node.id));
            }
            let mut expected: Vec<_> = chains.iter().map(|chain| chain.approval).collect();
            expected.sort_unstable();
            expected.reverse();
            assert_eq!(seen, expected);
            let edges = read.node_edges(chains[0].approval)?.unwrap();
            assert_eq!((edges.parent_id, edges.recorded_parent_id), (None, Some(chains[0].session)));
            let family = read.node_chain(chains[0].family)?.unwrap();
            let tokens = read.tokens_latest(&family, 10)?;
            assert_eq!(tokens.iter().map(|token| token.id).collect::<Vec<_>>(), [chains[0].token]);
            Ok(())
        }).unwrap();
    }

    fn a_tree_shows_each_credential_once_and_keeps_its_bounds(test) {
        let ada = test.user("ada");
        let own = chain(test, ada, test.client("orchard"), false);
        let mut minted = vec![mint_for(test, ada, own.session)];
        for _ in 0..3 {
            let parent = minted[minted.len() - 1];
            minted.push(test.write(move |write| mint_below(write, parent)).unwrap());
        }
        let bounds = TreeBounds { rows: 100, tokens: 10 };
        test.store.read_blocking(|read| {
            let subject = read.node_subject(own.session)?.unwrap();
            let tree = read.tree(subject, bounds)?;
            let mut ids: Vec<String> = tree.rows.iter().map(|row| row.subject.id()).collect();
            let rows = ids.len();
            ids.sort();
            ids.dedup();
            // The session; approval, family and token; four personal tokens with their nodes.
            assert_eq!((ids.len(), rows, tree.cut), (12, 12, false));
            let edge = |kind, edge| tree.rows.iter().filter(|row| row.subject.kind() == kind && row.edge == edge).count();
            assert_eq!(edge(Kind::PersonalAccessToken, Edge::Minted), 3);
            assert_eq!(edge(Kind::PersonalAccessToken, Edge::Recorded), 1);
            assert_eq!(edge(Kind::Approval, Edge::Recorded), 1);
            let subject = read.node_subject(own.session)?.unwrap();
            let cut = read.tree(subject, TreeBounds { rows: 5, ..bounds })?;
            assert!(cut.cut && cut.rows.len() == 5);
            let subject = read.token_chain(minted[3])?.map(curfew_store::tree::Subject::Token).unwrap();
            let cut = read.tree(subject, TreeBounds { rows: 6, ..bounds })?;
            // The nearest ancestors are kept, and the one that was asked about.
            assert!(cut.cut && cut.rows.len() == 4 && cut.rows[3].asked);
            Ok(())
        }).unwrap();
    }

    /// C01: whichever comes first, no child of a dead token lives.
    fn a_token_that_ends_while_it_mints_takes_along_what_it_minted(test) {
        let ada = test.user("ada");
        let own = chain(test, ada, test.client("orchard"), false);
        for _ in 0..20 {
            let parent = mint_for(test, ada, own.session);
            let started = Arc::new(AtomicBool::new(false));
            let minted = std::thread::scope(|scope| {
                let signal = Arc::clone(&started);
                let minting = scope.spawn(move || test.write(move |write| {
                    let minted = mint_below(write, parent);
                    signal.store(true, Ordering::SeqCst);
                    minted
                }));
                let ending = scope.spawn(move || test.write(move |write| {
                    write.token_end(parent, DeathCause::EndedByOwner)
                }));
                ending.join().unwrap();
                minting.join().unwrap()
            });
            assert!(started.load(Ordering::SeqCst) && !is_alive(test, parent));
            assert!(minted.is_none_or(|child| !is_alive(test, child)), "the child lives on");
        }
    }
}
