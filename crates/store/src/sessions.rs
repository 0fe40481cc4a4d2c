//! Browser sessions.

use curfew_policy::lifetime::{ExpiresAt, idle_at};
use curfew_policy::status::{DeathCause, NodeKind};
use curfew_protocol::{
    Digest, Lifetime, LinkId, NodeId, OpaqueToken, ProviderId, Timestamp, TokenKind, UserId,
};
use diesel::prelude::*;

use crate::clients::Client;
use crate::context::{Read, Write};
use crate::db::Db;
use crate::error::StoreError;
use crate::keys::KeyedDigest;
use crate::last_uses::Used;
use crate::node_chain::node_chain;
use crate::nodes::{Ancestor, Birth, NewNode, NodeChain};
use crate::on;
use crate::schema::{links, nodes, sessions};

/// A browser session with everything that binds it.
#[derive(Clone, Debug)]
pub struct Session {
    pub digest: KeyedDigest,
    pub authenticated_at: Timestamp,
    /// How long it may lie unused, as was decided at its birth.
    pub idle_lifetime: Lifetime,
    pub idle_at: Timestamp,
    /// It ends with a session upstream, and so does what it approves.
    pub upstream_bound: bool,
    /// The session upstream, as its provider names it.
    pub upstream_sid: Option<String>,
    pub node: NodeChain,
}

impl Session {
    /// Does it bind what its person allows this client? A binding ancestor caps what it begets, and its death ends that.
    pub const fn binds(&self, client: &Client) -> bool {
        self.upstream_bound || client.registration.session_bound
    }
}

/// The session upstream that a session was born in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamSession {
    /// As its provider names it (OpenID Connect Back-Channel Logout 1.0 §2.1).
    pub sid: Option<String>,
    pub bound: bool,
}

/// A session to be stored.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub birth: Birth,
    pub expires_at: ExpiresAt,
    pub idle_lifetime: Lifetime,
    pub ip: String,
    pub user_agent: String,
    /// `None`: it was born here.
    pub upstream: Option<UpstreamSession>,
}

/// A session as lists show it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct SessionListing {
    pub id: NodeId,
    #[serde(serialize_with = "crate::node_lists::seconds")]
    pub authenticated_at: Timestamp,
    #[serde(serialize_with = "crate::node_lists::seconds")]
    pub idle_at: Timestamp,
    #[serde(serialize_with = "crate::node_lists::seconds")]
    pub expires_at: Timestamp,
    /// When its cookie was last seen.
    #[serde(serialize_with = "crate::node_lists::optional_seconds")]
    pub last_used_at: Option<Timestamp>,
    pub ip: String,
    pub user_agent: String,
    /// The upstream link that its person came in through.
    pub link: Option<LinkId>,
    pub alive: bool,
}

impl Read<'_> {
    pub fn session(&mut self, id: NodeId) -> Result<Option<Session>, StoreError> {
        type Row = (
            (Db<Digest>, i16),
            (Db<Timestamp>, i64, Db<Timestamp>),
            (bool, Option<String>),
        );
        let row: Option<Row> = on!(&mut *self.connection, c => sessions::table
            .filter(sessions::node_id.eq(Db(id)))
            .select((
                (sessions::secret_digest, sessions::secret_key_id),
                (sessions::authenticated_at, sessions::idle_lifetime, sessions::idle_at),
                (sessions::upstream_bound, sessions::upstream_sid),
            ))
            .get_result(c)
            .optional()?);
        let Some((secret, times, upstream)) = row else {
            return Ok(None);
        };
        let Some(node) = node_chain(self.connection, id)? else {
            return Ok(None);
        };
        Ok(Some(Session {
            digest: KeyedDigest {
                digest: secret.0.0,
                key_id: secret.1,
            },
            authenticated_at: times.0.0,
            idle_lifetime: Lifetime::from_seconds(u32::try_from(times.1).unwrap_or(u32::MAX)),
            idle_at: times.2.0,
            upstream_bound: upstream.0,
            upstream_sid: upstream.1,
            node,
        }))
    }

    /// A user's sessions, newest first, each with its verdict at this moment.
    pub fn session_list(&mut self, user: UserId) -> Result<Vec<SessionListing>, StoreError> {
        type Row = (
            Db<NodeId>,
            Db<Timestamp>,
            Db<Timestamp>,
            Db<Timestamp>,
            String,
            String,
        );
        let rows: Vec<Row> = on!(&mut *self.connection, c => sessions::table
            .inner_join(nodes::table.on(nodes::id.eq(sessions::node_id)))
            .filter(nodes::user_id.eq(Db(user)).and(nodes::kind.eq(Db(NodeKind::Session))))
            .order(nodes::id.desc())
            .select((
                nodes::id, sessions::authenticated_at, sessions::idle_at, nodes::expires_at,
                sessions::ip, sessions::user_agent,
            ))
            .load(c)?);
        let now = self.now();
        let ids: Vec<Used> = rows.iter().map(|row| Used::Node(row.0.0)).collect();
        let uses = self.last_uses(&ids)?;
        rows.into_iter()
            .map(|row| {
                let chain = node_chain(self.connection, row.0.0)?;
                Ok(SessionListing {
                    id: row.0.0,
                    authenticated_at: row.1.0,
                    idle_at: row.2.0,
                    expires_at: row.3.0,
                    last_used_at: uses.get(&Used::Node(row.0.0)).map(|last| last.used_at),
                    ip: row.4,
                    user_agent: row.5,
                    link: chain.as_ref().and_then(|chain| Some(chain.link?.link)),
                    alive: chain.is_some_and(|chain| chain.judge(now).is_ok()),
                })
            })
            .collect()
    }
}

impl Write<'_> {
    /// Starts a session. Its secret is the cookie. Its birth tells when its person signed in; if not, that is now.
    pub fn session_insert(
        &mut self,
        new: &NewSession,
    ) -> Result<(NodeId, OpaqueToken), StoreError> {
        let id = self.node_insert(&NewNode {
            kind: NodeKind::Session,
            birth: new.birth,
            ancestor: Ancestor::None,
            parent_token: None,
            session_id: None,
            expires_at: new.expires_at,
            actor: None,
        })?;
        let secret = self.secret();
        let stored = self
            .keys()
            .digest(TokenKind::Session, id.as_bytes(), &secret);
        let now = self.now();
        let upstream = new.upstream.as_ref();
        on!(&mut *self.connection, c => diesel::insert_into(sessions::table).values((
            sessions::node_id.eq(Db(id)),
            sessions::secret_digest.eq(Db(stored.digest)),
            sessions::secret_key_id.eq(stored.key_id),
            sessions::authenticated_at.eq(Db(new.birth.authenticated_at.unwrap_or(now))),
            sessions::idle_lifetime.eq(new.idle_lifetime.seconds()),
            sessions::idle_at.eq(Db(idle_at(new.idle_lifetime, now, new.expires_at.timestamp()))),
            sessions::ip.eq(&new.ip),
            sessions::user_agent.eq(&new.user_agent),
            sessions::upstream_sid.eq(upstream.and_then(|upstream| upstream.sid.as_ref())),
            sessions::upstream_bound.eq(upstream.is_some_and(|upstream| upstream.bound)),
        )).execute(c)?);
        Ok((
            id,
            OpaqueToken::new(TokenKind::Session, *id.as_bytes(), secret),
        ))
    }

    /// Ends every session that was born in that session upstream, with all that is bound to it, and those born through the link of which
    /// it is not known in which session upstream. Returns the sessions.
    pub fn sessions_end_upstream(
        &mut self,
        provider: ProviderId,
        sid: &str,
        link: Option<LinkId>,
    ) -> Result<Vec<NodeId>, StoreError> {
        let unknown = sessions::upstream_sid.is_null();
        let born: Vec<Db<NodeId>> = on!(&mut *self.connection, c => sessions::table
            .inner_join(nodes::table.on(nodes::id.eq(sessions::node_id)))
            .inner_join(links::table.on(links::id.nullable().eq(nodes::link_id)))
            .filter(links::provider_id.eq(Db(provider)))
            .filter(sessions::upstream_sid.eq(sid)
                .or(unknown.and(links::id.nullable().eq(link.map(Db)))))
            .filter(nodes::ended_at.is_null())
            .select(nodes::id)
            .load(c)?);
        for session in &born {
            self.node_end(session.0, DeathCause::LoggedOutUpstream)?;
        }
        Ok(born.into_iter().map(|session| session.0).collect())
    }

    /// Moves the idle end forward, never back. Where to, and that it is worth a write, was decided by the rule (`idle_move`).
    pub fn session_touch(&mut self, id: NodeId, idle_at: Timestamp) -> Result<bool, StoreError> {
        let moved = on!(&mut *self.connection, c => diesel::update(
            sessions::table.filter(sessions::node_id.eq(Db(id)).and(sessions::idle_at.lt(Db(idle_at)))),
        ).set(sessions::idle_at.eq(Db(idle_at))).execute(c)?);
        Ok(moved == 1)
    }
}
