//! What a person may put into a token of their own.

use curfew_http::catalogue::Catalogue;
use curfew_policy::lifetime::{Caps, Credential, LifetimeRules};
use curfew_policy::liveness::Alive;
use curfew_policy::status::OwnerStatus;
use curfew_protocol::{Audiences, Lifetime, OwnScope, ScopeSet, Timestamp, TokenId};
use curfew_store::Read;
use curfew_store::nodes::{Ancestor, Birth};
use curfew_store::sessions::Session;
use curfew_store::tenants::Tenant;
use curfew_store::tokens::TokenChain;

use super::making::MakeRefusal;
use super::{Acting, Actor, Outcome};

/// The scopes and lifetimes that a person may choose from.
#[derive(Clone, Debug)]
pub struct Offer {
    pub scopes: Vec<OfferedScope>,
    /// The lifetime of a token for which none is asked.
    pub standard: Lifetime,
    /// The longest that may be asked for; a scope may allow less.
    pub longest: Lifetime,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedScope {
    pub name: String,
    /// The tenant's sentence for it; a scope of our own API has none, pages have words for those.
    pub description: Option<String>,
    /// The resource server it belongs to, by its name.
    pub resource: Option<String>,
    pub max_lifetime: Option<Lifetime>,
}

/// What the credential that asks may give to a token.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) catalogue: Catalogue,
    pub(super) birth: Birth,
    pub(super) ancestor: Ancestor,
    pub(super) parent_token: Option<TokenId>,
    pub(super) session_id: Option<curfew_protocol::NodeId>,
    /// The end of what binds the new token: a token that asks, or a session that ends with one upstream.
    end: Option<Timestamp>,
    /// What the token that asks may do; a session sets no such bounds (C04).
    pub(super) bounds: Option<Bounds>,
    /// The tenant's maximum.
    pub(super) limit: Option<Lifetime>,
    administrator: bool,
    /// Only what reads is given (E10).
    quarantined: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Bounds {
    pub(super) scopes: ScopeSet,
    pub(super) audiences: Audiences,
}

impl Source {
    pub(super) fn of(
        read: &mut Read<'_>,
        actor: &Actor,
        acting: Option<Acting>,
    ) -> Outcome<Self, MakeRefusal> {
        let Some(acting) = acting else {
            return Ok(Err(MakeRefusal::SignedOut));
        };
        let tenant = read
            .tenant(actor.tenant_id)?
            .filter(|tenant| tenant.status == OwnerStatus::Active);
        let user = read.user(actor.user_id)?;
        let (Some(tenant), Some(user)) = (tenant, user) else {
            return Ok(Err(MakeRefusal::SignedOut));
        };
        let catalogue = Catalogue::read(read, actor.tenant_id)?;
        let source = match acting {
            Acting::Session(session) => {
                let end = session.node.judge(read.now());
                let end = end.map(|alive| alive.expires_at());
                end.map(|end| Self::session(catalogue, &session, end, &tenant))
                    .map_err(|_| MakeRefusal::SignedOut)
            }
            Acting::Token(token) => Self::token(read, catalogue, &token),
        };
        Ok(source.map(|source| Self {
            administrator: user.administrator,
            quarantined: user.quarantined,
            ..source
        }))
    }

    fn session(catalogue: Catalogue, session: &Session, end: Timestamp, tenant: &Tenant) -> Self {
        let (node, bound) = (&session.node, session.upstream_bound);
        let (birth, ancestor) = if bound {
            let ancestor = Ancestor::Binding {
                id: node.id,
                expires_at: node.facts.expires_at,
            };
            (Birth::below(node), ancestor)
        } else {
            let birth = Birth::recorded_below(node, tenant.era);
            (birth, Ancestor::Recorded(node.id))
        };
        Self {
            catalogue,
            birth,
            ancestor,
            parent_token: None,
            session_id: bound.then_some(node.id),
            end: bound.then_some(end),
            bounds: None,
            limit: tenant.limits.personal_access_token,
            administrator: false,
            quarantined: false,
        }
    }

    /// Below a token, which must be allowed to make others.
    fn token(
        read: &Read<'_>,
        catalogue: Catalogue,
        token: &TokenChain,
    ) -> Result<Self, MakeRefusal> {
        let alive: Alive = token
            .judge(read.now())
            .map_err(|_| MakeRefusal::SignedOut)?;
        let scopes = ScopeSet::parse(&token.scopes).unwrap_or_default();
        if !scopes.contains(OwnScope::CreateTokens.as_str()) {
            return Err(MakeRefusal::MayNotMake);
        }
        let node = &token.node;
        Ok(Self {
            catalogue,
            birth: Birth::below_token(token),
            ancestor: Ancestor::Binding {
                id: node.id,
                expires_at: node.facts.expires_at,
            },
            parent_token: Some(token.id),
            session_id: node.session_id,
            end: Some(alive.expires_at()),
            bounds: Some(Bounds {
                scopes,
                audiences: token.audiences.clone(),
            }),
            limit: node.facts.limits.personal_access_token,
            administrator: false,
            quarantined: false,
        })
    }

    /// What bears on the lifetime besides what is asked.
    pub(super) fn caps<'c>(&self, scopes: &'c [Lifetime], ancestors: &'c [Timestamp]) -> Caps<'c> {
        Caps {
            tenant: self.limit,
            scopes,
            ancestors,
            ..Caps::default()
        }
    }

    pub(super) fn ancestors(&self) -> Vec<Timestamp> {
        self.end.into_iter().collect()
    }

    /// The scopes that may be chosen: those that the tenant marked as personal and whose resource server is active, and those of our own
    /// API. A token gives only what it has, and an account in quarantine only what reads.
    pub(super) fn offered(&self) -> Vec<OfferedScope> {
        let marked = self
            .catalogue
            .scopes()
            .iter()
            .filter(|scope| scope.personal);
        let of_tenant = marked.filter_map(|scope| {
            let resource = match scope.resource_server {
                Some(key) => Some(self.catalogue.resource_server(key)?.name.clone()),
                None => None,
            };
            Some(OfferedScope {
                name: scope.name.clone(),
                description: Some(scope.description.clone()).filter(|text| !text.is_empty()),
                resource,
                max_lifetime: scope.max_lifetime,
            })
        });
        let own = OwnScope::ALL.iter().filter(|scope| self.may_offer(**scope));
        let own = own.map(|scope| OfferedScope {
            name: scope.as_str().to_owned(),
            description: None,
            resource: None,
            max_lifetime: None,
        });
        of_tenant
            .chain(own)
            .filter(|scope| !self.withholds(&scope.name))
            .filter(|scope| {
                let bounds = self.bounds.as_ref();
                bounds.is_none_or(|bounds| bounds.scopes.contains(&scope.name))
            })
            .collect()
    }

    /// Is the scope known, and only the quarantine in its way?
    pub(super) fn withholds(&self, name: &str) -> bool {
        self.quarantined && self.catalogue.knows(name) && !self.catalogue.is_read_only(name)
    }

    /// Ending other people is for administrators.
    fn may_offer(&self, scope: OwnScope) -> bool {
        match scope {
            OwnScope::EndUsers => self.administrator,
            OwnScope::AccountRead
            | OwnScope::AccountWrite
            | OwnScope::ApproveDevices
            | OwnScope::CreateTokens => true,
        }
    }
}

/// What the one who asks may choose from at this moment.
pub fn offer(
    read: &mut Read<'_>,
    actor: &Actor,
    rules: &LifetimeRules,
) -> Outcome<Offer, MakeRefusal> {
    let acting = actor.seen(read)?;
    let source = match Source::of(read, actor, acting)? {
        Ok(source) => source,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let (now, ancestors) = (read.now(), source.ancestors());
    let kind = Credential::PersonalAccessToken;
    let caps = source.caps(&[], &ancestors);
    let standard = rules.expires_at(kind, now, caps);
    Ok(match standard {
        Ok(end) => Ok(Offer {
            scopes: source.offered(),
            standard: end.timestamp().since(now),
            longest: rules.longest_allowed(kind, now, caps),
        }),
        Err(refusal) => Err(MakeRefusal::from(refusal)),
    })
}
