//! What a person holds, and its end, without HTTP.

use curfew_http::session;
use curfew_http::sign_in::SignIn;
use curfew_policy::lifetime::{Caps, Credential, LifetimeRules};
use curfew_policy::limits::TenantLimits;
use curfew_policy::standing::Kind;
use curfew_policy::status::OwnerStatus;
use curfew_protocol::own_api::{OWN_API, OWN_API_EPOCH, OWN_API_IDENTIFIER};
use curfew_protocol::{
    Audience, Audiences, ClientKey, DEFAULT_TENANT, Lifetime, NodeId, OpaqueToken, ParsedToken,
    ResourceServerKey, ScopeSet, TokenId, TokenKind, UserId,
};
use curfew_store::audit::{AuditRow, AuthenticatedBy, Origin};
use curfew_store::codes::{ApprovalBasis, ApprovedDevice, NewApproval};
use curfew_store::consents::NewConsent;
use curfew_store::mailed_links::LinkKind;
use curfew_store::nodes::{Ancestor, Birth};
use curfew_store::scopes::Scope;
use curfew_store::tokens::NewToken;
use curfew_store::{Read, StoreError, Write};

use super::support::{App, beside};
use crate::holdings::{
    self, Actor, ApprovedBy, HeldId, HoldingRefusal, MadeToken, MakeRefusal, UndoRefusal, Undoable,
    Wish,
};

const DAY: u32 = 86_400;

fn scopes(text: &str) -> ScopeSet {
    ScopeSet::parse(text).unwrap()
}

/// A chain below a session: an approval for `orchard`, its family, and a token on the family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant {
    pub(super) approval: NodeId,
    family: NodeId,
    pub(super) token: TokenId,
}

impl App {
    /// A session of `user`, and who acts by it.
    pub(super) fn actor(&self, user: UserId) -> Actor {
        let id = self.write(move |write| {
            let tenant = write.tenant(DEFAULT_TENANT)?.unwrap();
            let user = write.user(user)?.unwrap();
            let (rules, origin) = (LifetimeRules::default(), Origin::default());
            let sign_in = SignIn::here(&rules, &tenant, AuthenticatedBy::Nobody, &origin);
            Ok(session::start(write, &user, &sign_in)?.unwrap().id)
        });
        self.acting(user, AuthenticatedBy::Session(id))
    }

    pub(super) fn acting(&self, user_id: UserId, by: AuthenticatedBy) -> Actor {
        let _ = self;
        Actor {
            tenant_id: DEFAULT_TENANT,
            user_id,
            by,
            origin: Origin::default(),
        }
    }

    /// Runs a transition, and answers what it answered.
    pub(super) fn act<T: Send + 'static, R: Send + 'static>(
        &self,
        job: impl Fn(&mut Write<'_>) -> Result<Result<T, R>, StoreError> + Send + 'static,
    ) -> Result<T, R> {
        beside(|| self.edge.store.write_blocking(job)).unwrap()
    }

    pub(super) fn look<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Read<'_>) -> Result<T, StoreError>,
    ) -> T {
        self.edge.store.read_blocking(job).unwrap()
    }

    fn orchard(&self) -> ClientKey {
        self.look(|read| read.client_by_client_id("orchard"))
            .unwrap()
            .key
    }

    pub(super) fn grant(&self, actor: &Actor, device: bool) -> Grant {
        let (session, client) = (session_of(actor), self.orchard());
        self.write(move |write| {
            let now = write.now();
            let parent = write.node_chain(session)?.unwrap();
            let (key, epoch) = (client, write.client(client)?.unwrap().epoch);
            let end = |kind, ancestors: &[_]| {
                let caps = Caps {
                    ancestors,
                    ..Caps::default()
                };
                LifetimeRules::default()
                    .expires_at(kind, now, caps)
                    .unwrap()
            };
            let approval = write.approval_insert(&NewApproval {
                birth: Birth::recorded_below(&parent, parent.era).for_client(Some((key, epoch))),
                ancestor: Ancestor::Recorded(session),
                parent_token: None,
                session_id: None,
                expires_at: end(Credential::DeviceApproval, &[]),
                scopes: scopes("notes:read"),
                audiences: Audiences::default(),
                basis: if device {
                    ApprovalBasis::Device
                } else {
                    ApprovalBasis::Asked
                },
                device: device.then(|| ApprovedDevice {
                    requested_lifetime: None,
                    ip: Some("192.0.2.7".to_owned()),
                    user_agent: Some("television".to_owned()),
                }),
            })?;
            let approved = write.approval(approval)?.unwrap();
            let approval_end = approved.node.facts.expires_at;
            let idle_at = LifetimeRules::default().refresh_idle_at(now, approval_end);
            let family_end = end(Credential::RefreshFamily, &[approval_end]);
            let (family, _) = write.family_insert(&approved, family_end, idle_at)?;
            let (token, _) = write.token_insert(&NewToken {
                node_id: family,
                node_expires_at: family_end.timestamp(),
                scopes: scopes("notes:read"),
                audiences: Audiences::default(),
                expires_at: end(Credential::AccessToken, &[family_end.timestamp()]),
            })?;
            Ok(Grant {
                approval,
                family,
                token,
            })
        })
    }

    /// A resource server with the scopes `notes:read` and `notes:pay` (at most an hour), both personal, and `notes:all`, which is not.
    fn add_notes(&self) -> ResourceServerKey {
        self.write(|write| {
            let (id, url) = ("notes", "https://notes.example");
            let (key, _) = write.resource_server_insert(DEFAULT_TENANT, id, url, "Notes")?;
            let scopes = [
                ("notes:read", Some(key), None, true),
                ("notes:pay", Some(key), Some(3_600), true),
                ("notes:all", Some(key), None, false),
                ("common", None, None, true),
            ];
            for (name, resource_server, max, personal) in scopes {
                let scope = Scope {
                    name: name.to_owned(),
                    description: format!("May {name}"),
                    resource_server,
                    max_lifetime: max.map(Lifetime::from_seconds),
                    personal,
                    read_only: false,
                };
                write.scope_insert(DEFAULT_TENANT, &scope)?;
            }
            Ok(key)
        })
    }

    pub(super) fn make(
        &self,
        actor: &Actor,
        asked: &str,
        lifetime: Option<u32>,
    ) -> Result<MadeToken, MakeRefusal> {
        let actor = actor.clone();
        let wish = Wish {
            name: " back-up script ".to_owned(),
            scopes: scopes(asked),
            lifetime: lifetime.map(Lifetime::from_seconds),
        };
        self.act(move |write| {
            let rules = LifetimeRules::default();
            holdings::personal_access_token_make(write, &actor, &rules, &wish)
        })
    }

    pub(super) fn alive_node(&self, id: NodeId) -> bool {
        let now = self.edge.store.clock().now();
        let chain = self.look(move |read| read.node_chain(id)).unwrap();
        chain.judge(now).is_ok()
    }

    pub(super) fn alive(&self, id: TokenId) -> bool {
        let now = self.edge.store.clock().now();
        self.look(|read| read.token_chain(id))
            .unwrap()
            .judge(now)
            .is_ok()
    }

    fn end_token(&self, actor: &Actor, id: impl ToString) -> Result<(), HoldingRefusal> {
        let (actor, id) = (actor.clone(), id.to_string());
        self.act(move |write| holdings::token_end(write, &actor, &id))
    }

    fn last_row(&self) -> AuditRow {
        self.look(|read| read.audit_latest(1)).remove(0)
    }

    fn token_ids(&self, user: UserId) -> Vec<String> {
        let held = self.look(move |read| holdings::tokens(read, user));
        held.items
            .iter()
            .map(|token| token.id.to_string())
            .collect()
    }
}

fn session_of(actor: &Actor) -> NodeId {
    match actor.by {
        AuthenticatedBy::Session(id) => id,
        _ => panic!("{actor:?}"),
    }
}

fn by_token(actor: &Actor, made: &MadeToken) -> Actor {
    Actor {
        by: AuthenticatedBy::BearerToken(made.id),
        ..actor.clone()
    }
}

#[test]
fn c04_a_session_sets_no_bounds_to_the_token_it_makes_but_the_tenant_does() {
    let app = App::new();
    let key = app.add_notes();
    let actor = app.actor(app.ada);
    let made = app.make(&actor, "notes:read", None).unwrap();
    assert_eq!(made.expires_at.since(made.created_at).seconds(), 2_592_000);
    assert_eq!(made.name, "back-up script");
    assert_eq!(made.audiences.0[0].key, key);
    assert!(made.token.reveal().starts_with("cfpt_"));
    let session = session_of(&actor);
    app.write(move |write| write.node_end(session, curfew_policy::status::DeathCause::LoggedOut));
    assert!(app.alive(made.id), "the session is recorded, not binding");
    let refused = app.make(&actor, "notes:read", None).unwrap_err();
    assert_eq!(refused, MakeRefusal::SignedOut);

    let actor = app.actor(app.ada);
    app.write(|write| {
        let tenant = write.tenant(DEFAULT_TENANT)?.unwrap();
        let limits = TenantLimits {
            personal_access_token: Some(Lifetime::from_seconds(5 * DAY)),
            ..tenant.limits
        };
        write.tenant_set_limits(&tenant, &limits)
    });
    let made = app.make(&actor, "notes:read", None).unwrap();
    assert_eq!(
        made.expires_at.since(made.created_at).seconds(),
        i64::from(5 * DAY)
    );
}

#[test]
fn c02_a_lifetime_that_is_too_long_is_refused_and_the_longest_is_told() {
    let app = App::new();
    app.add_notes();
    let actor = app.actor(app.ada);
    let cases = [
        ("notes:read", 91 * DAY, 90 * DAY),
        ("notes:read notes:pay", 3_601, 3_600),
    ];
    for (asked, lifetime, longest) in cases {
        let longest = Lifetime::from_seconds(longest);
        let refused = app.make(&actor, asked, Some(lifetime)).unwrap_err();
        assert_eq!(refused, MakeRefusal::TooLong { longest }, "{asked}");
    }
    assert!(app.token_ids(app.ada).is_empty());
    let made = app.make(&actor, "notes:read", Some(90 * DAY)).unwrap();
    assert_eq!(
        made.expires_at.since(made.created_at).seconds(),
        i64::from(90 * DAY)
    );
}

#[test]
fn c14_a_token_makes_no_more_than_it_may_do_itself() {
    let app = App::new();
    let key = app.add_notes();
    let actor = app.actor(app.ada);
    let powerless = app.make(&actor, "notes:read", None).unwrap();
    let refused = app.make(&by_token(&actor, &powerless), "notes:read", None);
    assert_eq!(refused.unwrap_err(), MakeRefusal::MayNotMake);

    let wide = "notes:read curfew:tokens:create curfew:account:read";
    let parent = app.make(&actor, wide, Some(10 * DAY)).unwrap();
    let child = by_token(&actor, &parent);
    for beyond in [
        "notes:pay",
        "curfew:account:write",
        "notes:read curfew:devices:approve",
    ] {
        assert!(
            matches!(app.make(&child, beyond, None), Err(MakeRefusal::Scope(_))),
            "{beyond}"
        );
    }
    let longest = Lifetime::from_seconds(10 * DAY);
    assert_eq!(
        app.make(&child, "notes:read", Some(10 * DAY + 1))
            .unwrap_err(),
        MakeRefusal::TooLong { longest }
    );
    let made = app.make(&child, "notes:read", None).unwrap();
    assert_eq!(made.expires_at, parent.expires_at);
    assert_eq!(made.audiences.0[0].key, key);

    // Disabled and enabled again, the resource server is another one: what the parent is for died with the old one.
    app.write(move |write| {
        write.resource_server_set_status(key, OwnerStatus::Disabled)?;
        write.resource_server_set_status(key, OwnerStatus::Active)
    });
    assert_eq!(
        app.make(&child, "notes:read", None).unwrap_err(),
        MakeRefusal::Scope("notes:read".to_owned())
    );
    app.end_token(&actor, parent.id).unwrap();
    assert!(!app.alive(made.id), "what it made dies with it");
    assert_eq!(
        app.make(&child, "notes:read", None).unwrap_err(),
        MakeRefusal::SignedOut
    );
}

#[test]
fn c03_ten_generations_end_no_later_than_the_first() {
    let app = App::new();
    let actor = app.actor(app.ada);
    let wide = "curfew:tokens:create curfew:account:read";
    let root = app.make(&actor, wide, Some(1_000)).unwrap();
    let mut ids = vec![root.id];
    let mut parent = by_token(&actor, &root);
    for _ in 0..10 {
        app.clock.advance(10);
        let made = app.make(&parent, wide, None).unwrap();
        assert_eq!(made.expires_at, root.expires_at);
        ids.push(made.id);
        parent = by_token(&actor, &made);
    }
    let last = ids[10].to_string();
    let ada = app.ada;
    let tree = app
        .look(move |read| holdings::tree(read, ada, &last))
        .unwrap();
    // A token and its node are one row; the first is the session.
    let shown: Vec<String> = tree.rows[1..].iter().map(|row| row.id.clone()).collect();
    assert_eq!(
        shown,
        ids.iter().map(ToString::to_string).collect::<Vec<_>>()
    );
    assert!(tree.rows[11].asked && tree.rows[11].depth == 11, "{tree:?}");
    app.end_token(&actor, root.id).unwrap();
    assert!(ids.iter().all(|id| !app.alive(*id)));
}

#[test]
fn what_is_no_token_is_refused_in_its_own_words() {
    let app = App::new();
    app.add_notes();
    let actor = app.actor(app.ada);
    let refused = |asked, lifetime| app.make(&actor, asked, lifetime).unwrap_err();
    assert_eq!(refused("", None), MakeRefusal::NoScope);
    assert_eq!(refused("common", None), MakeRefusal::NoAudience);
    assert_eq!(refused("notes:read", Some(0)), MakeRefusal::Zero);
    for foreign in ["notes:all", "unknown", "curfew:users:end"] {
        assert_eq!(
            refused(foreign, None),
            MakeRefusal::Scope(foreign.to_owned())
        );
    }
    for name in ["", "  ", "a\nb", "x\u{7}", &"n".repeat(101)] {
        let wish = Wish {
            name: name.to_owned(),
            scopes: scopes("notes:read"),
            lifetime: None,
        };
        let actor = actor.clone();
        let refused = app.act(move |write| {
            let rules = LifetimeRules::default();
            holdings::personal_access_token_make(write, &actor, &rules, &wish)
        });
        assert_eq!(refused.unwrap_err(), MakeRefusal::Name);
    }
    let made = app.make(&actor, "notes:read common", None).unwrap();
    assert_eq!(made.audiences.0[0].scopes, scopes("common notes:read"));
}

#[test]
fn c37_only_what_lives_is_listed_and_nobody_ends_what_is_not_theirs_or_ends_it_twice() {
    let app = App::new();
    app.add_notes();
    app.add_client();
    let actor = app.actor(app.ada);
    let grant = app.grant(&actor, true);
    let made = app.make(&actor, "notes:read", Some(1_000)).unwrap();
    let ids: Vec<String> = [
        HeldId::Token(made.id),
        HeldId::Node(grant.approval),
        HeldId::Node(grant.family),
        HeldId::Token(grant.token),
    ]
    .map(|id| id.to_string())
    .to_vec();
    assert_eq!(app.token_ids(app.ada), ids);
    let held = app.look({
        let ada = app.ada;
        move |read| holdings::tokens(read, ada)
    });
    let device = &held.items[1];
    assert_eq!(device.kind, Kind::Approval);
    assert_eq!(
        device.approved.device.as_ref().unwrap().ip.as_deref(),
        Some("192.0.2.7")
    );
    for item in &held.items {
        let session = session_of(&actor);
        assert_eq!(
            item.approved.by,
            Some(ApprovedBy::Session(session)),
            "{item:?}"
        );
    }
    assert_eq!(held.items[2].last_used_at, Some(held.items[2].created_at));
    assert_eq!(held.items[3].client.as_ref().unwrap().client_id, "orchard");

    let eve = super::support::add_user(&app.edge.store, "eve", None);
    let stranger = app.actor(eve);
    assert!(app.token_ids(eve).is_empty());
    for id in &ids {
        assert_eq!(
            app.end_token(&stranger, id),
            Err(HoldingRefusal::NotFound),
            "someone else's"
        );
        let id = id.clone();
        assert!(
            app.look(move |read| holdings::tree(read, eve, &id))
                .is_none()
        );
    }
    for unknown in ["", "x", "0000000000000000000000"] {
        assert_eq!(
            app.end_token(&actor, unknown),
            Err(HoldingRefusal::NotFound)
        );
    }
    app.end_token(&actor, made.id).unwrap();
    assert_eq!(
        app.end_token(&actor, made.id),
        Err(HoldingRefusal::NotFound)
    );
    app.end_token(&actor, grant.token).unwrap();
    assert_eq!(app.token_ids(app.ada), ids[1..3]);
    app.end_token(&actor, grant.approval).unwrap();
    assert!(app.token_ids(app.ada).is_empty());
    let row = app.last_row();
    assert_eq!(row.event, "token.revoked");
    assert_eq!(row.node_id, Some(grant.approval));

    let made = app.make(&actor, "notes:read", Some(1_000)).unwrap();
    app.clock.advance(1_000);
    assert!(app.token_ids(app.ada).is_empty(), "expired ones are hidden");
    assert_eq!(
        app.end_token(&actor, made.id),
        Err(HoldingRefusal::NotFound)
    );
}

#[test]
fn e14_a_refresh_family_that_idled_away_is_not_listed() {
    let app = App::new();
    app.add_client();
    let actor = app.actor(app.ada);
    let grant = app.grant(&actor, false);
    assert!(app.token_ids(app.ada).contains(&grant.family.to_string()));
    app.clock.advance(2_592_000);
    assert!(app.token_ids(app.ada).is_empty());
}

#[test]
fn d03_everything_ends_with_one_row_and_nothing_takes_its_place() {
    let app = App::new();
    app.add_notes();
    app.add_client();
    let (actor, other) = (app.actor(app.ada), app.actor(app.ada));
    let grant = app.grant(&actor, true);
    let made = app.make(&actor, "notes:read", None).unwrap();
    let epoch = app.user().epoch;
    let by = actor.clone();
    app.act(move |write| holdings::everything_end(write, &by))
        .unwrap();
    assert_eq!(app.user().epoch, epoch + 1);
    assert!(!app.alive(made.id) && !app.alive(grant.token));
    let ada = app.ada;
    assert!(
        app.look(move |read| holdings::sessions(read, ada))
            .is_empty()
    );
    for dead in [actor, other] {
        let refused = app.act(move |write| holdings::everything_end(write, &dead));
        assert_eq!(refused, Err(HoldingRefusal::SignedOut));
    }
    assert_eq!(app.user().epoch, epoch + 1);
    assert_eq!(app.last_row().event, "user.logged_out_everywhere");
}

#[test]
fn d05_one_session_ends_and_the_others_stay() {
    let app = App::new();
    let (actor, other) = (app.actor(app.ada), app.actor(app.ada));
    let end = |by: &Actor, id| {
        let by = by.clone();
        app.act(move |write| holdings::session_end(write, &by, id))
    };
    let eve = super::support::add_user(&app.edge.store, "eve", None);
    assert_eq!(
        end(&app.actor(eve), session_of(&other)),
        Err(HoldingRefusal::NotFound)
    );
    assert_eq!(end(&actor, session_of(&other)), Ok(()));
    assert_eq!(
        end(&actor, session_of(&other)),
        Err(HoldingRefusal::NotFound)
    );
    assert_eq!(
        end(&other, session_of(&actor)),
        Err(HoldingRefusal::SignedOut),
        "d01: a session that was ended does nothing"
    );
    let ada = app.ada;
    let left = app.look(move |read| holdings::sessions(read, ada));
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].session.id, session_of(&actor));
    assert_eq!(
        end(&actor, NodeId::from_bytes([9; 16])),
        Err(HoldingRefusal::NotFound)
    );
    let row = app.last_row();
    assert_eq!(
        (row.event.as_str(), row.node_id),
        ("session.ended", Some(session_of(&other)))
    );
}

#[test]
fn an_application_is_withdrawn_with_its_tokens_and_its_consent() {
    let app = App::new();
    app.add_client();
    let actor = app.actor(app.ada);
    let (ada, orchard) = (app.ada, app.orchard());
    let (first, second) = (app.grant(&actor, false), app.grant(&actor, true));
    app.write(move |write| {
        let end =
            LifetimeRules::default().expires_at(Credential::Consent, write.now(), Caps::default());
        let consent = NewConsent {
            scopes: scopes("notes:list"),
            audiences: Audiences::default(),
            user_epoch: 1,
            client_epoch: 1,
            expires_at: end.unwrap(),
        };
        write.consent_put(ada, orchard, &consent)
    });
    let list = || {
        app.look(move |read| holdings::applications(read, ada))
            .items
    };
    let shown = list();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].client.name, "Orchard <x>");
    assert_eq!(shown[0].approvals.len(), 2);
    assert_eq!(shown[0].scopes, scopes("notes:list notes:read"));
    assert!(shown[0].remembered_until.is_some());
    let withdraw = |client_id: &'static str| {
        let by = actor.clone();
        app.act(move |write| holdings::application_withdraw(write, &by, client_id))
    };
    assert_eq!(withdraw("unknown"), Err(HoldingRefusal::NotFound));
    assert_eq!(withdraw("orchard"), Ok(()));
    assert_eq!(withdraw("orchard"), Err(HoldingRefusal::NotFound));
    assert!(list().is_empty() && !app.alive(first.token) && !app.alive(second.token));
    let row = app.last_row();
    assert_eq!(row.event, "consent.withdrawn");
    assert_eq!(row.client, Some(orchard));
}

#[test]
fn all_tokens_end_and_the_sessions_stay() {
    let app = App::new();
    app.add_notes();
    app.add_client();
    let actor = app.actor(app.ada);
    let grant = app.grant(&actor, false);
    let made = app.make(&actor, "notes:read", None).unwrap();
    let eve = super::support::add_user(&app.edge.store, "eve", None);
    let kept = app.make(&app.actor(eve), "notes:read", None).unwrap();
    let by = actor.clone();
    let ended = app
        .act(move |write| holdings::tokens_end(write, &by))
        .unwrap();
    assert_eq!(ended, 3);
    assert!(!app.alive(made.id) && !app.alive(grant.token) && app.alive(kept.id));
    let ada = app.ada;
    assert_eq!(app.look(move |read| holdings::sessions(read, ada)).len(), 1);
    let row = app.last_row();
    assert_eq!(
        (row.event.as_str(), row.detail.as_deref()),
        ("token.revoked", Some("all"))
    );
}

#[test]
fn f08_an_approval_that_is_disowned_ends_with_what_hangs_on_it_and_is_an_incident() {
    let app = App::new();
    app.add_client();
    let actor = app.actor(app.ada);
    let (mine, foreign) = (app.grant(&actor, true), app.grant(&actor, true));
    let ada = app.ada;
    assert_eq!(app.look(move |read| holdings::devices(read, ada)).len(), 2);
    let disown = |id| {
        let by = actor.clone();
        app.act(move |write| holdings::approval_disown(write, &by, id))
    };
    assert_eq!(disown(foreign.family), Err(HoldingRefusal::NotFound));
    assert_eq!(disown(foreign.approval), Ok(()));
    assert_eq!(disown(foreign.approval), Err(HoldingRefusal::NotFound));
    assert!(app.alive(mine.token) && !app.alive(foreign.token));
    let row = app.last_row();
    assert_eq!(
        (row.event.as_str(), row.node_id),
        ("incident.reported", Some(foreign.approval))
    );
    let text = foreign.approval.to_string();
    let tree = app
        .look(move |read| holdings::tree(read, ada, &text))
        .unwrap();
    let asked = tree.rows.iter().find(|row| row.asked).unwrap();
    assert_eq!(asked.standing.to_string(), "dead: node_ended (disowned)");
}

#[test]
fn a_mailed_link_disowns_once_and_only_under_the_epoch_it_was_made_under() {
    let app = App::new();
    app.add_client();
    let actor = app.actor(app.ada);
    let grant = app.grant(&actor, true);
    let link = |kind| {
        let ada = app.ada;
        app.write(move |write| {
            let end = LifetimeRules::default().expires_at(
                Credential::UndoLink,
                write.now(),
                Caps::default(),
            );
            let epoch = write.user(ada)?.unwrap().epoch;
            write.mailed_link_insert(ada, epoch, &kind, end.unwrap())
        })
    };
    let parsed =
        |link: &OpaqueToken| ParsedToken::parse(TokenKind::MailedLink, &link.reveal()).unwrap();
    let undo = |link: &OpaqueToken| {
        let presented = parsed(link);
        app.act(move |write| {
            holdings::undo(
                write,
                (DEFAULT_TENANT, None),
                &presented,
                &Origin::default(),
            )
        })
    };
    let (good, other) = (
        link(LinkKind::Undo(grant.approval)),
        link(LinkKind::Undo(grant.approval)),
    );
    let reset = link(LinkKind::PasswordReset);
    assert_eq!(undo(&reset).unwrap_err(), UndoRefusal::LinkIsDead);
    let presented = parsed(&good);
    let seen = app
        .look(move |read| holdings::undo_look(read, DEFAULT_TENANT, &presented))
        .unwrap();
    let Undoable::Approval(approval) = seen.what else {
        panic!("{:?}", seen.what)
    };
    assert!(!seen.over && approval.id == grant.approval);
    assert!(app.alive(grant.token), "looking changes nothing");
    assert!(!undo(&good).unwrap().over);
    assert!(!app.alive(grant.token));
    assert_eq!(undo(&good).unwrap_err(), UndoRefusal::LinkIsDead);
    assert!(undo(&other).unwrap().over);
    assert_eq!(app.last_row().detail.as_deref(), Some("over_already"));
    let late = link(LinkKind::Undo(grant.approval));
    let by = actor;
    app.act(move |write| holdings::everything_end(write, &by))
        .unwrap();
    assert_eq!(undo(&late).unwrap_err(), UndoRefusal::LinkIsDead);
}

#[test]
fn a_token_for_our_own_api_is_for_that_and_nothing_else() {
    let app = App::new();
    app.add_notes();
    let made = app
        .make(&app.actor(app.ada), "curfew:account:read", None)
        .unwrap();
    let own = Audience {
        key: OWN_API,
        epoch: OWN_API_EPOCH,
        identifier: OWN_API_IDENTIFIER.to_owned(),
        scopes: scopes("curfew:account:read"),
    };
    assert_eq!(made.audiences, Audiences(vec![own]));
}

#[test]
fn f01_the_row_of_a_made_token_tells_all_but_the_secret() {
    let app = App::new();
    app.add_notes();
    let made = app.make(&app.actor(app.ada), "notes:read", None).unwrap();
    let row = app.last_row();
    assert_eq!(row.event, "personal_access_token.made");
    assert_eq!(
        (row.token_id, row.node_id, row.user_id),
        (Some(made.id), Some(made.node_id), Some(app.ada))
    );
    assert_eq!(row.scopes.as_deref(), Some("notes:read"));
    let text = serde_json::to_string(&row).unwrap();
    assert!(!text.contains("cfpt_"));
}
