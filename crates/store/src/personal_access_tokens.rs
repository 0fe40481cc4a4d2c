//! Tokens that people make for their own programs: a node with a name, and exactly one token on it.

use curfew_policy::lifetime::ExpiresAt;
use curfew_policy::status::NodeKind;
use curfew_protocol::{Audiences, NodeId, OpaqueToken, ScopeSet, TokenId, TokenKind};
use diesel::prelude::*;

use crate::context::{Read, Write};
use crate::db::Db;
use crate::error::StoreError;
use crate::nodes::{Ancestor, Birth, NewNode};
use crate::on;
use crate::schema::personal_access_tokens;
use crate::tokens::NewToken;

/// A personal access token to be stored.
#[derive(Clone, Debug)]
pub struct NewPersonalAccessToken {
    pub name: String,
    pub birth: Birth,
    /// The session that made it is recorded, a token that made it binds.
    pub ancestor: Ancestor,
    pub parent_token: Option<TokenId>,
    pub session_id: Option<NodeId>,
    pub scopes: ScopeSet,
    pub audiences: Audiences,
    pub expires_at: ExpiresAt,
}

impl Read<'_> {
    /// What its owner calls it; `None` for a node of another kind.
    pub fn personal_access_token_name(
        &mut self,
        node: NodeId,
    ) -> Result<Option<String>, StoreError> {
        Ok(
            on!(&mut *self.connection, c => personal_access_tokens::table
            .filter(personal_access_tokens::node_id.eq(Db(node)))
            .select(personal_access_tokens::name)
            .get_result(c)
            .optional()?),
        )
    }
}

impl Write<'_> {
    /// Makes the node and its token. The caller has judged the ancestor in this transaction.
    pub fn personal_access_token_insert(
        &mut self,
        new: &NewPersonalAccessToken,
    ) -> Result<(NodeId, TokenId, OpaqueToken), StoreError> {
        let node = self.node_insert(&NewNode {
            kind: NodeKind::PersonalAccessToken,
            birth: new.birth.for_client(None),
            ancestor: new.ancestor,
            parent_token: new.parent_token,
            session_id: new.session_id,
            expires_at: new.expires_at,
            actor: None,
        })?;
        on!(&mut *self.connection, c => diesel::insert_into(personal_access_tokens::table)
            .values((
                personal_access_tokens::node_id.eq(Db(node)),
                personal_access_tokens::name.eq(&new.name),
            ))
            .execute(c)?);
        let (id, token) = self.token_insert_as(
            TokenKind::PersonalAccessToken,
            &NewToken {
                node_id: node,
                node_expires_at: new.expires_at.timestamp(),
                scopes: new.scopes.clone(),
                audiences: new.audiences.clone(),
                expires_at: new.expires_at,
            },
        )?;
        Ok((node, id, token))
    }
}
