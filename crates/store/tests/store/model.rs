//! Random histories against a model that walks the whole chain for every question: what the store says by comparing columns must be
//! what the model says by looking at every ancestor.

use curfew_policy::lifetime::{Caps, Credential, ExpiresAt, LifetimeRules};
use curfew_policy::status::{
    DeathCause, EmailOrigin, NodeKind, OwnerStatus, ProviderKind, UserStatus,
};
use curfew_policy::upstream::ProviderSettings;
use curfew_protocol::{
    Audiences, ClientKey, Lifetime, LinkId, NodeId, ProviderId, ScopeSet, TenantId, Timestamp,
    TokenId, UserId,
};
use curfew_store::clients::ClientRegistration;
use curfew_store::codes::{ApprovalBasis, NewApproval};
use curfew_store::links::{NewLink, Subject};
use curfew_store::nodes::{Ancestor, Birth, BornThrough, NewNode, NodeChain, TenantLimits};
use curfew_store::personal_access_tokens::NewPersonalAccessToken;
use curfew_store::providers::{NewProvider, ProviderDescription};
use curfew_store::sessions::NewSession;
use curfew_store::tokens::{NewToken, TokenChain};
use curfew_store::users::NewUser;
use curfew_store::{Invariant, StoreError, Write};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::on_both_backends;
use crate::support::TestStore;

/// Histories for each backend.
const HISTORIES: u32 = 60;
const CLIENTS: usize = 3;
/// Links of the user, each at a provider of its own.
const LINKS: usize = 2;

/// One step. Numbers choose among what there is by then.
#[derive(Clone, Debug)]
enum Step {
    SignIn,
    SignInThrough {
        link: usize,
    },
    /// Something becomes of a link or its provider.
    Link {
        link: usize,
        change: LinkChange,
    },
    Approve {
        session: usize,
        client: usize,
        bound: bool,
    },
    Found {
        approval: usize,
    },
    Mint {
        node: usize,
    },
    MakePersonal {
        session: usize,
    },
    /// A token begets: another client's exchange, an approval of a device, or a personal access token.
    Derive {
        token: usize,
        client: usize,
        kind: u8,
    },
    EndNode {
        node: usize,
    },
    EndToken {
        token: usize,
    },
    Client {
        client: usize,
        disable: bool,
    },
    LogOutEverywhere,
    SuspendAndBack,
    Limit {
        kind: u8,
        seconds: Option<u32>,
    },
    Wait {
        seconds: u16,
    },
}

#[derive(Clone, Copy, Debug)]
enum LinkChange {
    Provider(OwnerStatus),
    Link(OwnerStatus),
    LoggedOutUpstream,
}

fn link_change() -> impl Strategy<Value = LinkChange> {
    prop_oneof![
        Just(LinkChange::Provider(OwnerStatus::Disabled)),
        Just(LinkChange::Provider(OwnerStatus::Active)),
        Just(LinkChange::Link(OwnerStatus::Deleted)),
        Just(LinkChange::Link(OwnerStatus::Active)),
        Just(LinkChange::LoggedOutUpstream),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let one = || 0_usize..64;
    prop_oneof![
        2 => Just(Step::SignIn),
        3 => (0..LINKS).prop_map(|link| Step::SignInThrough { link }),
        1 => (0..LINKS, link_change()).prop_map(|(link, change)| Step::Link { link, change }),
        4 => (one(), 0..CLIENTS, any::<bool>()).prop_map(|(session, client, bound)| Step::Approve { session, client, bound }),
        4 => one().prop_map(|approval| Step::Found { approval }),
        6 => one().prop_map(|node| Step::Mint { node }),
        2 => one().prop_map(|session| Step::MakePersonal { session }),
        8 => (one(), 0..CLIENTS, 0_u8..3).prop_map(|(token, client, kind)| Step::Derive { token, client, kind }),
        2 => one().prop_map(|node| Step::EndNode { node }),
        2 => one().prop_map(|token| Step::EndToken { token }),
        1 => (0..CLIENTS, any::<bool>()).prop_map(|(client, disable)| Step::Client { client, disable }),
        1 => Just(Step::LogOutEverywhere),
        1 => Just(Step::SuspendAndBack),
        3 => (0_u8..5, prop::option::of(1_u32..900)).prop_map(|(kind, seconds)| Step::Limit { kind, seconds }),
        4 => (1_u16..200).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

/// What the model knows of a credential. `above` is what binds it, by index; the order is that of birth.
#[derive(Clone, Debug)]
struct Own {
    /// Which maximum it is held to.
    limit: Option<usize>,
    born: Timestamp,
    ends: Timestamp,
    above: Option<usize>,
    ended: bool,
    /// How often the owners had been ended when it was born.
    user_deaths: u32,
    client: Option<(usize, u32)>,
    /// The link that its person signed in through, and how often that had died then.
    through: Option<(usize, u32)>,
    /// The smallest maxima that held since the topmost that binds it was born.
    limits: [Option<u32>; 5],
}

#[derive(Clone, Copy, Debug)]
enum Id {
    Node(NodeId, NodeKind),
    Token(TokenId),
}

struct History<'t> {
    test: &'t TestStore,
    tenant: TenantId,
    user: UserId,
    clients: [ClientKey; CLIENTS],
    disabled: [bool; CLIENTS],
    user_deaths: u32,
    client_deaths: [u32; CLIENTS],
    links: [(ProviderId, LinkId); LINKS],
    /// Is the provider, or the link, out of order?
    broken: [[bool; 2]; LINKS],
    link_deaths: [u32; LINKS],
    limits: [Option<u32>; 5],
    all: Vec<(Id, Own)>,
}

fn end(credential: Credential, now: Timestamp, ancestors: &[Timestamp]) -> Option<ExpiresAt> {
    let caps = Caps {
        ancestors,
        ..Caps::default()
    };
    LifetimeRules::default()
        .expires_at(credential, now, caps)
        .ok()
}

fn tenant_limits(limits: [Option<u32>; 5]) -> TenantLimits {
    let [
        access_token,
        refresh_family,
        session,
        approval,
        personal_access_token,
    ] = limits.map(|seconds| seconds.map(Lifetime::from_seconds));
    TenantLimits {
        access_token,
        refresh_family,
        session,
        approval,
        personal_access_token,
    }
}

/// An identity of the user at a provider of that name.
fn link_at(
    write: &mut Write<'_>,
    (tenant_id, user_id): (TenantId, UserId),
    slug: &str,
) -> Result<(ProviderId, LinkId), StoreError> {
    let description = ProviderDescription {
        name: slug.to_owned(),
        issuer: format!("https://{slug}.example"),
        client_id: "curfew".to_owned(),
        settings: ProviderSettings::default(),
    };
    let provider_id = write.provider_insert(
        &NewProvider {
            tenant_id,
            slug: slug.to_owned(),
            kind: ProviderKind::OpenId,
            configured: false,
            description,
        },
        None,
    )?;
    let subject = Subject {
        issuer: format!("https://{slug}.example"),
        subject: "1".to_owned(),
    };
    let link = write.link_insert(&NewLink {
        provider_id,
        user_id,
        subject: Some(subject),
        display: slug.to_owned(),
    })?;
    Ok((provider_id, link))
}

impl<'t> History<'t> {
    fn new(test: &'t TestStore) -> Self {
        let (tenant, user, clients, links) = test.write(|write| {
            let slug = format!(
                "t{}",
                write.secret().expose()[..8]
                    .iter()
                    .map(|b| format!("{b:02x}"))
                    .collect::<String>()
            );
            let tenant = write.tenant_insert(&slug, &slug)?;
            let user = write.user_insert(&NewUser {
                tenant_id: tenant,
                username: slug.clone(),
                name: slug.clone(),
                email: None,
                email_key: None,
                email_origin: EmailOrigin::Stated,
                quarantined: false,
                administrator: false,
                password_hash: None,
            })?;
            let client = |write: &mut Write<'_>, n: usize| {
                let registration = ClientRegistration {
                    client_id: format!("{slug}-{n}"),
                    name: slug.clone(),
                    ..ClientRegistration::default()
                };
                Ok::<_, StoreError>(write.client_insert(tenant, &registration, false)?.0)
            };
            Ok((
                tenant,
                user,
                [client(write, 0)?, client(write, 1)?, client(write, 2)?],
                [
                    link_at(write, (tenant, user), "one")?,
                    link_at(write, (tenant, user), "other")?,
                ],
            ))
        });
        Self {
            test,
            tenant,
            user,
            clients,
            disabled: [false; CLIENTS],
            user_deaths: 0,
            client_deaths: [0; CLIENTS],
            links,
            broken: [[false; 2]; LINKS],
            link_deaths: [0; LINKS],
            limits: [None; 5],
            all: Vec::new(),
        }
    }

    /// The model's answer: every ancestor is looked at.
    fn is_alive(&self, at: usize, now: Timestamp) -> bool {
        let own = &self.all[at].1;
        let by_limit = own.limit.and_then(|kind| own.limits[kind]);
        let in_time = !now.has_reached(own.ends)
            && by_limit.is_none_or(|limit| {
                !now.has_reached(own.born.after(Lifetime::from_seconds(limit)))
            });
        let owners = own.user_deaths == self.user_deaths
            && own.client.is_none_or(|(client, deaths)| {
                !self.disabled[client] && deaths == self.client_deaths[client]
            })
            && own.through.is_none_or(|(link, deaths)| {
                self.broken[link] == [false; 2] && deaths == self.link_deaths[link]
            });
        in_time && owners && !own.ended && own.above.is_none_or(|above| self.is_alive(above, now))
    }

    fn pick(&self, choice: usize, fits: impl Fn(&Id) -> bool) -> Option<usize> {
        let fitting: Vec<usize> = (0..self.all.len())
            .filter(|at| fits(&self.all[*at].0))
            .collect();
        (!fitting.is_empty()).then(|| fitting[choice % fitting.len()])
    }

    fn node_of(&self, choice: usize, kinds: &[NodeKind]) -> Option<(usize, NodeId, NodeKind)> {
        let at = self.pick(
            choice,
            |id| matches!(id, Id::Node(_, kind) if kinds.contains(kind)),
        )?;
        match self.all[at].0 {
            Id::Node(id, kind) => Some((at, id, kind)),
            Id::Token(_) => None,
        }
    }

    fn own(
        &self,
        limit: Option<usize>,
        ends: ExpiresAt,
        above: Option<usize>,
        client: Option<usize>,
    ) -> Own {
        let limits = above.map_or(self.limits, |above| {
            let inherited = self.all[above].1.limits;
            std::array::from_fn(|kind| inherited[kind].into_iter().chain(self.limits[kind]).min())
        });
        Own {
            limit,
            born: self.test.now(),
            ends: ends.timestamp(),
            above,
            ended: false,
            user_deaths: above.map_or(self.user_deaths, |above| self.all[above].1.user_deaths),
            client: client.map(|client| (client, self.client_deaths[client])),
            through: above.and_then(|above| self.all[above].1.through),
            limits,
        }
    }

    fn chain(&self, id: NodeId) -> NodeChain {
        self.test
            .store
            .read_blocking(|read| read.node_chain(id))
            .unwrap()
            .unwrap()
    }

    fn run(&mut self, step: &Step) {
        let (tenant, user) = (self.tenant, self.user);
        match step {
            Step::SignIn => self.sign_in(None),
            Step::SignInThrough { link } => {
                if self.broken[*link] == [false; 2] {
                    self.sign_in(Some(*link));
                }
            }
            Step::Link { link, change } => self.change_link(*link, *change),
            Step::Approve {
                session,
                client,
                bound,
            } => self.approve((*session, *client, *bound)),
            Step::Found { approval } => self.found(*approval),
            Step::Mint { node } => self.mint(*node),
            Step::MakePersonal { session } => self.make_personal(*session),
            Step::Derive {
                token,
                client,
                kind,
            } => self.derive((*token, *client, *kind)),
            Step::EndNode { node } => {
                if let Some(at) = self.pick(*node, |id| matches!(id, Id::Node(..)))
                    && let Id::Node(id, _) = self.all[at].0
                {
                    self.test
                        .write(move |write| write.node_end(id, DeathCause::Revoked));
                    self.all[at].1.ended = true;
                }
            }
            Step::EndToken { token } => {
                if let Some(at) = self.pick(*token, |id| matches!(id, Id::Token(_)))
                    && let Id::Token(id) = self.all[at].0
                {
                    self.test
                        .write(move |write| write.token_end(id, DeathCause::Revoked));
                    self.all[at].1.ended = true;
                }
            }
            Step::Client { client, disable } => {
                let (key, disable) = (self.clients[*client], *disable);
                self.test.write(move |write| {
                    let next = if disable {
                        OwnerStatus::Disabled
                    } else {
                        OwnerStatus::Active
                    };
                    write.client_set_status(key, next)
                });
                self.disabled[*client] = disable;
                self.client_deaths[*client] += 1;
            }
            Step::LogOutEverywhere => {
                self.test.write(move |write| write.user_epoch_raise(user));
                self.user_deaths += 1;
            }
            Step::SuspendAndBack => {
                self.test.write(move |write| {
                    write.user_set_status(user, UserStatus::Suspended)?;
                    write.user_set_status(user, UserStatus::Active)
                });
                self.user_deaths += 1;
            }
            Step::Limit { kind, seconds } => {
                self.limits[usize::from(*kind)] = *seconds;
                let limits = tenant_limits(self.limits);
                self.test.write(move |write| {
                    let tenant = write.tenant(tenant)?.unwrap();
                    write.tenant_set_limits(&tenant, &limits)
                });
                for (_, own) in &mut self.all {
                    let kind = usize::from(*kind);
                    own.limits[kind] = own.limits[kind].into_iter().chain(*seconds).min();
                }
            }
            Step::Wait { seconds } => self.test.clock.advance(i64::from(*seconds)),
        }
    }

    fn sign_in(&mut self, through: Option<usize>) {
        let (tenant, user) = (self.tenant, self.user);
        let link = through.map(|link| self.links[link]);
        let expires_at = end(Credential::Session, self.test.now(), &[]).unwrap();
        let id = self.test.write(move |write| {
            let epoch = write.user(user)?.unwrap().epoch;
            let mut birth = write.birth(tenant, Some((user, epoch)), None)?.unwrap();
            if let Some((provider, link)) = link {
                birth.link = Some(BornThrough {
                    link,
                    link_epoch: write.link(link)?.unwrap().epoch,
                    provider_epoch: write.provider(provider)?.unwrap().epoch,
                });
            }
            let session = NewSession {
                birth,
                expires_at,
                idle_lifetime: Lifetime::from_seconds(86_400),
                ip: String::new(),
                user_agent: String::new(),
                upstream: None,
            };
            Ok(write.session_insert(&session)?.0)
        });
        let mut own = self.own(Some(2), expires_at, None, None);
        own.through = through.map(|link| (link, self.link_deaths[link]));
        self.all.push((Id::Node(id, NodeKind::Session), own));
    }

    fn change_link(&mut self, at: usize, change: LinkChange) {
        let (provider, link) = self.links[at];
        self.test.write(move |write| match change {
            LinkChange::Provider(next) => write.provider_set_status(provider, next),
            LinkChange::Link(next) => write.link_set_status(link, next),
            LinkChange::LoggedOutUpstream => write.link_epoch_raise(link),
        });
        match change {
            LinkChange::Provider(next) => self.broken[at][0] = next != OwnerStatus::Active,
            LinkChange::Link(next) => self.broken[at][1] = next != OwnerStatus::Active,
            LinkChange::LoggedOutUpstream => {}
        }
        self.link_deaths[at] += 1;
    }

    fn approve(&mut self, (session, client, bound): (usize, usize, bool)) {
        let now = self.test.now();
        let Some((at, id, _)) = self.node_of(session, &[NodeKind::Session]) else {
            return;
        };
        if !self.is_alive(at, now) || self.disabled[client] {
            return;
        }
        let parent = self.chain(id);
        let ancestors: Vec<Timestamp> = bound
            .then_some(parent.facts.expires_at)
            .into_iter()
            .collect();
        let Some(expires_at) = end(Credential::Approval, now, &ancestors) else {
            return;
        };
        let (key, tenant) = (self.clients[client], self.tenant);
        let node = self.test.write(move |write| {
            let era = write.tenant(tenant)?.unwrap().era;
            let epoch = write.client(key)?.unwrap().epoch;
            let (birth, ancestor) = if bound {
                let ancestor = Ancestor::Binding {
                    id,
                    expires_at: parent.facts.expires_at,
                };
                (Birth::below(&parent), ancestor)
            } else {
                (Birth::recorded_below(&parent, era), Ancestor::Recorded(id))
            };
            write.approval_insert(&NewApproval {
                birth: birth.for_client(Some((key, epoch))),
                ancestor,
                parent_token: None,
                session_id: bound.then_some(id),
                expires_at,
                scopes: ScopeSet::default(),
                audiences: Audiences::default(),
                basis: ApprovalBasis::Asked,
                device: None,
            })
        });
        let mut own = self.own(Some(3), expires_at, bound.then_some(at), Some(client));
        own.user_deaths = self.all[at].1.user_deaths;
        own.through = self.all[at].1.through;
        self.all.push((Id::Node(node, NodeKind::Approval), own));
    }

    fn found(&mut self, approval: usize) {
        let now = self.test.now();
        let Some((at, id, _)) = self.node_of(approval, &[NodeKind::Approval]) else {
            return;
        };
        if !self.is_alive(at, now) {
            return;
        }
        let parent = self.chain(id);
        let Some(expires_at) = end(Credential::RefreshFamily, now, &[parent.facts.expires_at])
        else {
            return;
        };
        let node = self.test.write(move |write| {
            let approval = write.approval(id)?.unwrap();
            Ok(write
                .family_insert(&approval, expires_at, expires_at.timestamp())?
                .0)
        });
        let client = self.all[at].1.client.map(|(client, _)| client);
        let own = self.own(Some(1), expires_at, Some(at), client);
        self.all.push((Id::Node(node, NodeKind::Family), own));
    }

    fn mint(&mut self, node: usize) {
        let now = self.test.now();
        let kinds = [NodeKind::Approval, NodeKind::Family];
        let Some((at, id, _)) = self.node_of(node, &kinds) else {
            return;
        };
        if self.is_alive(at, now) {
            self.mint_on((at, id), Some(0));
        }
    }

    fn mint_on(&mut self, (at, id): (usize, NodeId), limit: Option<usize>) {
        let now = self.test.now();
        let node_expires_at = self.chain(id).facts.expires_at;
        let Some(expires_at) = end(Credential::AccessToken, now, &[node_expires_at]) else {
            return;
        };
        let token = self.test.write(move |write| {
            let new = NewToken {
                node_id: id,
                node_expires_at,
                scopes: ScopeSet::default(),
                audiences: Audiences::default(),
                expires_at,
            };
            Ok(write.token_insert(&new)?.0)
        });
        let own = self.own(limit, expires_at, Some(at), None);
        self.all.push((Id::Token(token), own));
    }

    fn make_personal(&mut self, session: usize) {
        let now = self.test.now();
        let Some((at, id, _)) = self.node_of(session, &[NodeKind::Session]) else {
            return;
        };
        if !self.is_alive(at, now) {
            return;
        }
        let (parent, tenant) = (self.chain(id), self.tenant);
        let expires_at = end(Credential::PersonalAccessToken, now, &[]).unwrap();
        let made = self.test.write(move |write| {
            let era = write.tenant(tenant)?.unwrap().era;
            let made = write.personal_access_token_insert(&NewPersonalAccessToken {
                name: "x".to_owned(),
                birth: Birth::recorded_below(&parent, era),
                ancestor: Ancestor::Recorded(id),
                parent_token: None,
                session_id: None,
                scopes: ScopeSet::default(),
                audiences: Audiences::default(),
                expires_at,
            })?;
            Ok((made.0, made.1))
        });
        let mut own = self.own(Some(4), expires_at, None, None);
        own.user_deaths = self.all[at].1.user_deaths;
        own.through = self.all[at].1.through;
        self.push_personal(made, own);
    }

    fn push_personal(&mut self, (node, token): (NodeId, TokenId), own: Own) {
        self.all
            .push((Id::Node(node, NodeKind::PersonalAccessToken), own.clone()));
        let above = Some(self.all.len() - 1);
        self.all.push((Id::Token(token), Own { above, ..own }));
    }

    fn derive(&mut self, (token, client, kind): (usize, usize, u8)) {
        let now = self.test.now();
        let Some(at) = self.pick(token, |id| matches!(id, Id::Token(_))) else {
            return;
        };
        let Id::Token(id) = self.all[at].0 else {
            return;
        };
        if !self.is_alive(at, now) || self.disabled[client] {
            return;
        }
        let parent: TokenChain = self
            .test
            .store
            .read_blocking(|read| read.token_chain(id))
            .unwrap()
            .unwrap();
        let until = parent.judge(now).unwrap().expires_at();
        let credential = [
            Credential::AccessToken,
            Credential::DeviceApproval,
            Credential::PersonalAccessToken,
        ][usize::from(kind)];
        let Some(expires_at) = end(credential, now, &[until]) else {
            return;
        };
        let key = self.clients[client];
        let (ancestor, session_id) = (
            Ancestor::Binding {
                id: parent.node.id,
                expires_at: parent.node.facts.expires_at,
            },
            parent.node.session_id,
        );
        match kind {
            0 | 1 => {
                let node = self.test.write(move |write| {
                    let epoch = write.client(key)?.unwrap().epoch;
                    let birth = Birth::below_token(&parent).for_client(Some((key, epoch)));
                    if kind == 0 {
                        return write.node_insert(&NewNode {
                            kind: NodeKind::Exchange,
                            birth,
                            ancestor,
                            parent_token: Some(id),
                            session_id,
                            expires_at,
                            actor: None,
                        });
                    }
                    write.approval_insert(&NewApproval {
                        birth,
                        ancestor,
                        parent_token: Some(id),
                        session_id,
                        expires_at,
                        scopes: ScopeSet::default(),
                        audiences: Audiences::default(),
                        basis: ApprovalBasis::Device,
                        device: None,
                    })
                });
                let (limit, kind) = if kind == 0 {
                    (None, NodeKind::Exchange)
                } else {
                    (Some(3), NodeKind::Approval)
                };
                let own = self.own(limit, expires_at, Some(at), Some(client));
                self.all.push((Id::Node(node, kind), own));
                self.mint_on((self.all.len() - 1, node), Some(0));
            }
            _ => {
                let made = self.test.write(move |write| {
                    let made = write.personal_access_token_insert(&NewPersonalAccessToken {
                        name: "x".to_owned(),
                        birth: Birth::below_token(&parent),
                        ancestor,
                        parent_token: Some(id),
                        session_id,
                        scopes: ScopeSet::default(),
                        audiences: Audiences::default(),
                        expires_at,
                    })?;
                    Ok((made.0, made.1))
                });
                let own = self.own(Some(4), expires_at, Some(at), None);
                self.push_personal(made, own);
            }
        }
    }

    /// Store and model agree about everything there is, and the invariants hold.
    fn compare(&self) -> Result<(), TestCaseError> {
        let now = self.test.now();
        for (at, (id, own)) in self.all.iter().enumerate() {
            let id = *id;
            let verdict = self
                .test
                .store
                .read_blocking(move |read| {
                    Ok(match id {
                        Id::Node(id, _) => read.node_chain(id)?.unwrap().judge(now).map(|_| ()),
                        Id::Token(id) => read.token_chain(id)?.unwrap().judge(now).map(|_| ()),
                    })
                })
                .unwrap();
            prop_assert_eq!(
                verdict.is_ok(),
                self.is_alive(at, now),
                "{:?} {:?}: {:?}",
                id,
                own,
                verdict
            );
            if let Some(above) = own.above {
                prop_assert!(
                    own.ends <= self.all[above].1.ends,
                    "{id:?} outlives what binds it"
                );
            }
        }
        for invariant in Invariant::ALL {
            let found = self
                .test
                .store
                .read_blocking(|read| read.invariant_check(invariant))
                .unwrap();
            prop_assert_eq!(found.violations, 0, "{}", found.name);
        }
        Ok(())
    }
}

on_both_backends! {
    /// C03, C11, C12, C16, C18, D11: no live orphan, no child that outlives what binds it, no life under a dead ancestor.
    fn c18_random_histories_are_what_a_walk_of_the_whole_chain_says(test) {
        let config = Config { cases: HISTORIES, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new(config);
        let histories = prop::collection::vec(step(), 5..60);
        let proved = runner.run(&histories, |steps| {
            let mut history = History::new(test);
            for (done, step) in steps.iter().enumerate() {
                history.run(step);
                if done % 8 == 7 {
                    history.compare()?;
                }
            }
            history.compare()
        });
        if let Err(error) = proved {
            panic!("{error}");
        }
    }
}
