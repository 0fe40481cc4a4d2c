//! What a token on an approval or family will be: decided from what was approved and what the request makes of it, before
//! anything is minted.

use curfew_policy::lifetime::{AccessTokenPlan, ExpiresAt};
use curfew_protocol::{Audiences, Lifetime, OpaqueToken, ScopeSet, Timestamp, TokenId};
use curfew_store::nodes::NodeChain;
use curfew_store::tokens::NewToken;
use curfew_store::{StoreError, Write};

use super::caller::Caller;
use super::refusal::TokenRefusal;
use crate::audience;
use crate::catalogue::Catalogue;
use crate::quarantine::{self, NothingLeft};
use crate::scopes;

/// What was approved and is still allowed today (A23).
#[derive(Debug)]
pub(super) struct Standing {
    scopes: ScopeSet,
    audiences: Audiences,
}

impl Standing {
    /// Cuts what was approved down to what the client's registration, the tenant's scopes and the resource servers still
    /// allow, and for an account in quarantine to what reads (E10): `node` is what the token comes from. When that leaves nothing of
    /// something, there is nothing to be had.
    pub(super) fn of(
        node: &NodeChain,
        (approved_scopes, approved_audiences): (&ScopeSet, &Audiences),
        caller: &Caller,
        catalogue: &Catalogue,
    ) -> Result<Self, TokenRefusal> {
        let available = scopes::available(&caller.client, catalogue);
        let scopes = approved_scopes.intersection(&available);
        let audiences = audience::still_good(approved_audiences, &caller.client, catalogue);
        let lost_all = (scopes.is_empty() && !approved_scopes.is_empty())
            || (audiences.0.is_empty() && !approved_audiences.0.is_empty());
        if lost_all {
            return Err(TokenRefusal::NothingLeft);
        }
        if node.user.as_ref().is_some_and(|user| user.quarantined) {
            let cut = quarantine::cut(&scopes, &audiences, catalogue);
            let cut = cut.map_err(|NothingLeft| TokenRefusal::NothingLeft)?;
            return Ok(Self {
                scopes: cut.scopes,
                audiences: cut.audiences,
            });
        }
        Ok(Self { scopes, audiences })
    }

    pub(super) const fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }
}

/// A token that may be minted.
#[derive(Debug)]
pub(super) struct IssuePlan {
    scopes: ScopeSet,
    audiences: Audiences,
    lifetime: AccessTokenPlan,
}

/// A token that was minted.
#[derive(Debug)]
pub(super) struct Minted {
    pub(super) id: TokenId,
    pub(super) token: OpaqueToken,
    pub(super) expires_at: Timestamp,
}

impl IssuePlan {
    /// `scopes` are within `standing`; `resources` are those that the request names, `asked` the lifetime that it asks for.
    pub(super) fn new(
        standing: &Standing,
        scopes: ScopeSet,
        (resources, asked): (&[String], Option<Lifetime>),
        caller: &Caller,
        catalogue: &Catalogue,
    ) -> Result<Self, TokenRefusal> {
        let audiences = audience::narrow(&standing.audiences, resources, &scopes)?;
        let lifetime = AccessTokenPlan {
            rules: caller.rules,
            asked,
            client: caller.client.registration.access_token_lifetime,
            scopes: catalogue.max_lifetimes(&scopes),
        };
        Ok(Self {
            scopes,
            audiences,
            lifetime,
        })
    }

    pub(super) const fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    pub(super) const fn lifetime(&self) -> &AccessTokenPlan {
        &self.lifetime
    }

    /// The end of a token on `node`, which must be alive. Asked before anything is used up.
    pub(super) fn expires_at(
        &self,
        now: Timestamp,
        node: &NodeChain,
    ) -> Result<ExpiresAt, TokenRefusal> {
        let alive = node.judge(now).map_err(TokenRefusal::Dead)?;
        let tenant = node.facts.limits.access_token;
        Ok(self.lifetime.expires_at(now, tenant, alive.expires_at())?)
    }

    /// Mints on `node`, which is judged once more with the end it has: a token never outlives it.
    pub(super) fn mint(
        &self,
        write: &mut Write<'_>,
        node: &NodeChain,
    ) -> Result<Result<Minted, TokenRefusal>, StoreError> {
        match self.expires_at(write.now(), node) {
            Ok(end) => self.mint_until(write, node, end),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// Mints on a `node` that was judged in this transaction.
    pub(super) fn mint_until(
        &self,
        write: &mut Write<'_>,
        node: &NodeChain,
        expires_at: ExpiresAt,
    ) -> Result<Result<Minted, TokenRefusal>, StoreError> {
        let (id, token) = write.token_insert(&NewToken {
            node_id: node.id,
            node_expires_at: node.facts.expires_at,
            scopes: self.scopes.clone(),
            audiences: self.audiences.clone(),
            expires_at,
        })?;
        Ok(Ok(Minted {
            id,
            token,
            expires_at: expires_at.timestamp(),
        }))
    }
}
