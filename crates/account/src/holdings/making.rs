//! Making a personal access token.
//!
//! 1. The session or token that asks is judged in the transaction. A session is recorded as its origin and sets no bounds (C04), unless it
//!    ends with a session upstream: then it binds what it makes (B50). A token must carry `curfew:tokens:create`; it binds, too: the new
//!    token dies with it, ends no later, and may do no more (C14).
//! 2. The name is for people, the scopes must be among those offered, and they decide which resource servers the token is for. An account
//!    in quarantine is offered only what reads (E10).
//! 3. The end comes from the one place that decides lifetimes. What is asked for and too long is refused, never cut (C02).
//! 4. Node, token and audit row are inserted; the token's text is handed over once.

use curfew_policy::lifetime::{Caps, Credential, ExpiresAt, LifetimeRefusal, LifetimeRules};
use curfew_policy::status::DeathCause;
use curfew_protocol::{Audiences, Lifetime, NodeId, OpaqueToken, ScopeSet, Timestamp, TokenId};
use curfew_store::Write;
use curfew_store::audit::{AuditEntry, AuditEvent};
use curfew_store::nodes::Ancestor;
use curfew_store::personal_access_tokens::NewPersonalAccessToken;

use super::offer::Source;
use super::{Actor, Outcome};

/// Characters of a name.
const NAME: std::ops::RangeInclusive<usize> = 1..=100;

/// What a person wants.
#[derive(Clone, Debug)]
pub struct Wish {
    pub name: String,
    pub scopes: ScopeSet,
    pub lifetime: Option<Lifetime>,
}

/// A token just made.
#[derive(Debug)]
pub struct MadeToken {
    pub id: TokenId,
    pub node_id: NodeId,
    /// To be shown once.
    pub token: OpaqueToken,
    pub name: String,
    pub scopes: ScopeSet,
    pub audiences: Audiences,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// Why no token was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MakeRefusal {
    #[error("the session or token that asks has ended; sign in again")]
    SignedOut,
    #[error("a token makes others only when it has the scope curfew:tokens:create")]
    MayNotMake,
    #[error("a name is one line of 1 to 100 characters")]
    Name,
    #[error("choose at least one scope")]
    NoScope,
    #[error("the scope `{0}` cannot be put into this token")]
    Scope(String),
    #[error(
        "the scope `{0}` writes, and the account may only read until its e-mail address is confirmed"
    )]
    Withheld(String),
    #[error("no resource server owns any of the chosen scopes, so the token would be for nobody")]
    NoAudience,
    #[error("the lifetime is longer than the {longest} allowed")]
    TooLong { longest: Lifetime },
    #[error("a lifetime is at least one second")]
    Zero,
}

impl From<LifetimeRefusal> for MakeRefusal {
    fn from(refusal: LifetimeRefusal) -> Self {
        match refusal {
            LifetimeRefusal::TooLong { longest } => Self::TooLong { longest },
            LifetimeRefusal::Zero => Self::Zero,
            LifetimeRefusal::AncestorEnded => Self::SignedOut,
        }
    }
}

/// Makes a token, in the caller's transaction.
pub fn personal_access_token_make(
    write: &mut Write<'_>,
    actor: &Actor,
    rules: &LifetimeRules,
    wish: &Wish,
) -> Outcome<MadeToken, MakeRefusal> {
    let acting = actor.acting(write)?;
    let source = match Source::of(write, actor, acting)? {
        Ok(source) => source,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let planned = Plan::of(&source, rules, wish, write.now());
    let plan = match planned {
        Ok(plan) => plan,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let (node_id, id, token) = write.personal_access_token_insert(&NewPersonalAccessToken {
        name: plan.name.clone(),
        birth: source.birth,
        ancestor: source.ancestor,
        parent_token: source.parent_token,
        session_id: source.session_id,
        scopes: wish.scopes.clone(),
        audiences: plan.audiences.clone(),
        expires_at: plan.expires_at,
    })?;
    // The insert holds what binds it. Only now is it certain that nobody ended that since it was read.
    let bound = matches!(source.ancestor, Ancestor::Binding { .. });
    if bound && actor.seen(write)?.is_none() {
        write.node_end(node_id, DeathCause::AncestorDied)?;
        return Ok(Err(MakeRefusal::SignedOut));
    }
    write.audit(&AuditEntry {
        node_id: Some(node_id),
        token_id: Some(id),
        expires_at: Some(plan.expires_at.timestamp()),
        scopes: Some(wish.scopes.to_string()),
        ..actor.entry(AuditEvent::PersonalAccessTokenMade)
    })?;
    Ok(Ok(MadeToken {
        id,
        node_id,
        token,
        name: plan.name,
        scopes: wish.scopes.clone(),
        audiences: plan.audiences,
        created_at: write.now(),
        expires_at: plan.expires_at.timestamp(),
    }))
}

/// A wish that is granted.
struct Plan {
    name: String,
    audiences: Audiences,
    expires_at: ExpiresAt,
}

impl Plan {
    fn of(
        source: &Source,
        rules: &LifetimeRules,
        wish: &Wish,
        now: Timestamp,
    ) -> Result<Self, MakeRefusal> {
        let name = name(&wish.name).ok_or(MakeRefusal::Name)?;
        check_scopes(source, &wish.scopes)?;
        let audiences = audiences(source, &wish.scopes)?;
        let (maxima, ancestors) = (
            source.catalogue.max_lifetimes(&wish.scopes),
            source.ancestors(),
        );
        let caps = Caps {
            asked: wish.lifetime,
            ..source.caps(&maxima, &ancestors)
        };
        let expires_at = rules.expires_at(Credential::PersonalAccessToken, now, caps)?;
        Ok(Self {
            name,
            audiences,
            expires_at,
        })
    }
}

fn name(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = NAME.contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

fn check_scopes(source: &Source, scopes: &ScopeSet) -> Result<(), MakeRefusal> {
    if scopes.is_empty() {
        return Err(MakeRefusal::NoScope);
    }
    let offered = source.offered();
    let foreign = scopes
        .iter()
        .find(|name| !offered.iter().any(|scope| scope.name == **name));
    match foreign {
        Some(name) if source.withholds(name) => Err(MakeRefusal::Withheld(name.to_owned())),
        Some(name) => Err(MakeRefusal::Scope(name.to_owned())),
        None => Ok(()),
    }
}

/// The active resource servers that own one of the scopes. A token gives only those that it is for itself, as they were when it was made.
fn audiences(source: &Source, scopes: &ScopeSet) -> Result<Audiences, MakeRefusal> {
    let catalogue = &source.catalogue;
    let mut found = Audiences::default();
    for server in catalogue.resource_servers() {
        let mut own = scopes
            .iter()
            .filter(|name| catalogue.owner_of(name) == Some(server.key));
        let Some(first) = own.next() else { continue };
        let audience = catalogue.audience(server, scopes);
        if let Some(bounds) = &source.bounds {
            let held = bounds.audiences.find(server.key);
            let fits = held.is_some_and(|held| {
                held.epoch == audience.epoch && audience.scopes.is_subset_of(&held.scopes)
            });
            if !fits {
                return Err(MakeRefusal::Scope(first.to_owned()));
            }
        }
        found.0.push(audience);
    }
    if found.0.is_empty() {
        return Err(MakeRefusal::NoAudience);
    }
    Ok(found)
}
