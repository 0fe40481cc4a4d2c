//! Mints a client's own access token (RFC 6749 §4.4): the hot write.
//!
//! 1. The client's standing grant is looked up by a hint and judged inside the transaction.
//! 2. Without a living one, a new grant is born under the owners' present epochs.
//! 3. Token and audit row are inserted; the answer leaves after the commit.

use std::collections::HashMap;

use curfew_policy::lifetime::{AccessTokenPlan, Caps, Credential, ExpiresAt, LifetimeRefusal};
use curfew_policy::limits::BoundSince;
use curfew_policy::liveness::{DeadBecause, Owner};
use curfew_policy::status::{NodeKind, OwnerStatus};
use curfew_protocol::{
    Audiences, ClientKey, NodeId, OpaqueToken, ScopeSet, Timestamp, TokenId, TokenKind,
};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, SmallInt, Text};

use crate::audit::chain::Writing;
use crate::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use crate::context::{Shared, Write};
use crate::db::Db;
use crate::error::StoreError;
use crate::nodes::{Ancestor, Birth, NewNode, NodeChain};
use crate::postgres_pool::transaction_once;
use crate::tokens::NewToken;
use crate::{AnyConnection, Backend, Store};

/// A client's own token, decided but for what only the transaction can know.
#[derive(Clone, Debug)]
pub struct ClientTokenMint {
    pub client: ClientKey,
    /// The epoch under which the request was validated. If it moved since, nothing is minted.
    pub client_epoch: i64,
    pub plan: AccessTokenPlan,
    pub scopes: ScopeSet,
    pub audiences: Audiences,
    pub origin: Origin,
    pub authenticated_by: AuthenticatedBy,
}

/// A mint, and where the client's standing grant was last seen.
pub(crate) struct HintedMint {
    pub(crate) mint: ClientTokenMint,
    pub(crate) hint: Option<NodeId>,
}

/// A token just minted.
#[derive(Debug)]
pub struct MintedToken {
    pub id: TokenId,
    pub token: OpaqueToken,
    pub now: Timestamp,
    pub expires_at: Timestamp,
    /// The standing grant that it hangs on.
    pub grant: NodeId,
}

/// Why no token was minted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MintRefusal {
    Dead(DeadBecause),
    /// The client's registration moved on while the request was under way.
    ClientChanged,
    /// It may not live as it should.
    Lifetime(LifetimeRefusal),
}

/// Either the end of it, or the batch could not use the hint.
#[derive(Debug)]
pub(crate) enum MintAnswer {
    Done(Result<MintedToken, MintRefusal>),
    NeedsGrant,
}

impl Store {
    /// Mints a token for the client itself.
    pub async fn mint_client_token(
        &self,
        mint: ClientTokenMint,
    ) -> Result<Result<MintedToken, MintRefusal>, StoreError> {
        let client = mint.client;
        let hint = self.grant_hint(client);
        if let (Backend::Postgres { lanes, .. }, Some(_)) = (&self.inner.backend, hint) {
            let hinted = HintedMint {
                mint: mint.clone(),
                hint,
            };
            let answer = lanes
                .mint(hinted)?
                .await
                .map_err(|_| StoreError::Stopped)??;
            if let MintAnswer::Done(done) = answer {
                return Ok(done);
            }
        }
        let minted = self
            .write(move |write| write.client_token_mint(&mint, hint))
            .await?;
        if let Ok(minted) = &minted
            && let Ok(mut grants) = self.inner.grants.write()
        {
            grants.insert(client, minted.grant);
        }
        Ok(minted)
    }

    fn grant_hint(&self, client: ClientKey) -> Option<NodeId> {
        self.inner.grants.read().ok()?.get(&client).copied()
    }
}

/// The token's end, when the grant is alive, of the right epoch, and long enough.
fn token_end(mint: &ClientTokenMint, grant: &NodeChain, now: Timestamp) -> Option<ExpiresAt> {
    let alive = grant.judge(now).ok()?;
    if grant
        .client
        .as_ref()
        .is_none_or(|client| client.epoch != mint.client_epoch)
    {
        return None;
    }
    let unhindered = mint.plan.expires_at(
        now,
        grant.facts.limits.access_token,
        Timestamp::from_seconds(i64::MAX),
    );
    let end = mint
        .plan
        .expires_at(now, grant.facts.limits.access_token, alive.expires_at());
    // A grant near its end would cut the token short; a fresh one will not.
    (end == unhindered).then_some(end.ok()).flatten()
}

impl Write<'_> {
    fn client_token_mint(
        &mut self,
        mint: &ClientTokenMint,
        hint: Option<NodeId>,
    ) -> Result<Result<MintedToken, MintRefusal>, StoreError> {
        let now = self.now();
        let hinted = match hint {
            Some(hint) => self.node_chain(hint)?,
            None => None,
        };
        let found = hinted.and_then(|grant| Some((token_end(mint, &grant, now)?, grant)));
        let (expires_at, grant) = match found {
            Some(found) => found,
            None => match self.client_grant(mint)? {
                Ok(found) => found,
                Err(refusal) => return Ok(Err(refusal)),
            },
        };
        let (id, token) = self.token_insert(&NewToken {
            node_id: grant.id,
            node_expires_at: grant.facts.expires_at,
            scopes: mint.scopes.clone(),
            audiences: mint.audiences.clone(),
            expires_at,
        })?;
        self.audit(&audit_entry(mint, &grant, id, expires_at))?;
        Ok(Ok(MintedToken {
            id,
            token,
            now,
            expires_at: expires_at.timestamp(),
            grant: grant.id,
        }))
    }

    /// A living grant of the client: one of those that exist, or a new one.
    fn client_grant(
        &mut self,
        mint: &ClientTokenMint,
    ) -> Result<Result<(ExpiresAt, NodeChain), MintRefusal>, StoreError> {
        let now = self.now();
        for id in self.client_grant_ids(mint.client)? {
            if let Some(grant) = self.node_chain(id)?
                && let Some(expires_at) = token_end(mint, &grant, now)
            {
                return Ok(Ok((expires_at, grant)));
            }
        }
        let Some(client) = self.client(mint.client)? else {
            return Ok(Err(MintRefusal::Dead(DeadBecause::OwnerNotActive(
                Owner::Client,
            ))));
        };
        if client.epoch != mint.client_epoch {
            return Ok(Err(MintRefusal::ClientChanged));
        }
        if client.status != OwnerStatus::Active {
            return Ok(Err(MintRefusal::Dead(DeadBecause::OwnerNotActive(
                Owner::Client,
            ))));
        }
        let Some(birth) = self.birth(client.tenant_id, None, Some((client.key, client.epoch)))?
        else {
            return Ok(Err(MintRefusal::Dead(DeadBecause::OwnerNotActive(
                Owner::Tenant,
            ))));
        };
        let grant_end =
            match mint
                .plan
                .rules
                .expires_at(Credential::ClientGrant, now, Caps::default())
            {
                Ok(end) => end,
                Err(refusal) => return Ok(Err(MintRefusal::Lifetime(refusal))),
            };
        let id = self.node_insert(&NewNode {
            kind: NodeKind::ClientGrant,
            birth,
            ancestor: Ancestor::None,
            parent_token: None,
            session_id: None,
            expires_at: grant_end,
            actor: None,
        })?;
        let Some(grant) = self.node_chain(id)? else {
            return Err(StoreError::Corrupt("a node vanished".to_owned()));
        };
        let expires_at =
            mint.plan
                .expires_at(now, grant.facts.limits.access_token, grant.facts.expires_at);
        Ok(expires_at
            .map(|end| (end, grant))
            .map_err(MintRefusal::Lifetime))
    }

    /// The epochs of now, for a node about to be born. `None` when the tenant is not active.
    pub fn birth(
        &mut self,
        tenant: curfew_protocol::TenantId,
        user: Option<(curfew_protocol::UserId, i64)>,
        client: Option<(ClientKey, i64)>,
    ) -> Result<Option<Birth>, StoreError> {
        let installation_epoch = self.installation_epoch()?;
        let tenant = self
            .tenant(tenant)?
            .filter(|tenant| tenant.status == OwnerStatus::Active);
        Ok(tenant.map(|tenant| Birth {
            tenant_id: tenant.id,
            installation_epoch,
            tenant_epoch: tenant.epoch,
            era: tenant.era,
            user,
            client,
            link: None,
            bound_since: BoundSince::default(),
            authenticated_at: None,
            parent_client: None,
        }))
    }
}

fn audit_entry(
    mint: &ClientTokenMint,
    grant: &NodeChain,
    id: TokenId,
    expires_at: ExpiresAt,
) -> AuditEntry {
    AuditEntry {
        tenant_id: Some(grant.tenant_id),
        client: Some(mint.client),
        node_id: Some(grant.id),
        token_id: Some(id),
        expires_at: Some(expires_at.timestamp()),
        scopes: Some(mint.scopes.to_string()),
        ..AuditEntry::new(
            AuditEvent::TokenMinted,
            mint.authenticated_by,
            mint.origin.clone(),
        )
    }
}

/// One transaction for a whole batch of mints.
pub(crate) fn mint_batch(
    writing: &mut Writing,
    shared: &Shared,
    mints: &[&HintedMint],
) -> Result<Vec<MintAnswer>, StoreError> {
    transaction_once(writing, shared, &|write: &mut Write<'_>| {
        let now = write.now();
        let mut grants: HashMap<NodeId, NodeChain> = HashMap::new();
        let mut rows = Rows::default();
        let mut answers = Vec::with_capacity(mints.len());
        for HintedMint { mint, hint } in mints {
            let Some(hint) = *hint else {
                answers.push(MintAnswer::NeedsGrant);
                continue;
            };
            if let std::collections::hash_map::Entry::Vacant(entry) = grants.entry(hint)
                && let Some(grant) = write.node_chain(hint)?
            {
                entry.insert(grant);
            }
            let end = grants
                .get(&hint)
                .and_then(|grant| Some((token_end(mint, grant, now)?, grant)));
            answers.push(match end {
                None => MintAnswer::NeedsGrant,
                Some((end, grant)) => MintAnswer::Done(Ok(rows.add(write, mint, grant, end))),
            });
        }
        rows.insert(write)?;
        Ok(answers)
    })
}

/// The rows of a batch, column by column.
#[derive(Default)]
struct Rows {
    ids: Vec<Db<TokenId>>,
    nodes: Vec<Db<NodeId>>,
    node_ends: Vec<i64>,
    digests: Vec<Db<curfew_protocol::Digest>>,
    key_ids: Vec<i16>,
    scopes: Vec<String>,
    audiences: Vec<String>,
    ends: Vec<i64>,
    audits: Vec<AuditEntry>,
}

impl Rows {
    fn add(
        &mut self,
        write: &Write<'_>,
        mint: &ClientTokenMint,
        grant: &NodeChain,
        end: ExpiresAt,
    ) -> MintedToken {
        let id = TokenId::ordered(write.millis(), write.entropy());
        let secret = write.secret();
        let stored = write
            .keys()
            .digest(TokenKind::AccessToken, id.as_bytes(), &secret);
        self.ids.push(Db(id));
        self.nodes.push(Db(grant.id));
        self.node_ends.push(grant.facts.expires_at.seconds());
        self.digests.push(Db(stored.digest));
        self.key_ids.push(stored.key_id);
        self.scopes.push(mint.scopes.to_string());
        self.audiences
            .push(serde_json::json!(mint.audiences).to_string());
        self.ends.push(end.timestamp().seconds());
        self.audits.push(audit_entry(mint, grant, id, end));
        MintedToken {
            id,
            token: OpaqueToken::new(TokenKind::AccessToken, *id.as_bytes(), secret),
            now: write.now(),
            expires_at: end.timestamp(),
            grant: grant.id,
        }
    }

    fn insert(self, write: &mut Write<'_>) -> Result<(), StoreError> {
        if self.ids.is_empty() {
            return Ok(());
        }
        let now = write.now().seconds();
        write.audit_all(&self.audits)?;
        let AnyConnection::Postgres(connection) = &mut *write.connection else {
            return Err(StoreError::Stopped);
        };
        diesel::sql_query(
            "INSERT INTO tokens (id, node_id, node_expires_at, secret_digest, secret_key_id, scopes, \
             audiences, expires_at, created_at) SELECT *, $9 FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind::<Array<Binary>, _>(self.ids)
        .bind::<Array<Binary>, _>(self.nodes)
        .bind::<Array<BigInt>, _>(self.node_ends)
        .bind::<Array<Binary>, _>(self.digests)
        .bind::<Array<SmallInt>, _>(self.key_ids)
        .bind::<Array<Text>, _>(self.scopes)
        .bind::<Array<Text>, _>(self.audiences)
        .bind::<Array<BigInt>, _>(self.ends)
        .bind::<BigInt, _>(now)
        .execute(connection)?;
        Ok(())
    }
}
