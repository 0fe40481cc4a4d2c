//! Browser sessions at the edge: the cookie, and who is signed in.

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite, time::Duration};
use curfew_policy::lifetime::{Caps, Credential, ExpiresAt, idle_move};
use curfew_policy::limits::BoundSince;
use curfew_protocol::{NodeId, OpaqueToken, ParsedToken, Timestamp, TokenKind, UserId};
use curfew_store::audit::{AuditEntry, AuditEvent};
use curfew_store::last_uses::{Use, Used};
use curfew_store::nodes::{Birth, BornThrough, NodeUser};
use curfew_store::sessions::{NewSession, Session, UpstreamSession};
use curfew_store::users::User;
use curfew_store::{Read, StoreError, Write};

use crate::csrf::{FormOwner, host_cookie, sent_cookie};
use crate::edge::Edge;
use crate::origin::client_ip;
use crate::realm::Realm;
use crate::sign_in::SignIn;

/// A person whose session was alive a moment ago. Whoever writes on its strength judges it again in the transaction
/// ([`signed_in_again`]).
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub session_id: NodeId,
    pub user_id: UserId,
    pub username: String,
    /// No scope that writes, until a second proof.
    pub quarantined: bool,
    /// What it approves ends with it, whatever the client.
    pub upstream_bound: bool,
    pub authenticated_at: Timestamp,
    pub expires_at: Timestamp,
}

impl SignedIn {
    pub const fn form_owner(&self) -> FormOwner {
        FormOwner::Session(self.session_id)
    }

    /// Did they sign in lately enough for changing how they sign in?
    pub fn is_fresh(&self, edge: &Edge) -> bool {
        let now = edge.store.clock().now();
        edge.lifetimes.is_fresh(self.authenticated_at, now)
    }
}

/// Who is signed in. A missing, malformed, foreign or dead cookie is nobody (D15); a failing store is an error (D19).
pub async fn signed_in(
    edge: &Edge,
    realm: &Realm,
    request: &HttpRequest,
) -> Result<Option<SignedIn>, StoreError> {
    let Some(parsed) = cookie_value(edge, realm, request) else {
        return Ok(None);
    };
    let id = NodeId::from_bytes(parsed.selector);
    let (session, now) = edge
        .store
        .read(move |read| Ok((read.session(id)?, read.now())))
        .await?;
    let Some(session) = session.filter(|session| {
        session.node.tenant_id == realm.tenant_id
            && edge.store.keys().verify(
                TokenKind::Session,
                id.as_bytes(),
                &parsed.secret,
                session.digest,
            )
    }) else {
        return Ok(None);
    };
    let Ok(alive) = session.node.judge(now) else {
        return Ok(None);
    };
    touch(edge, &session, now, alive.expires_at()).await?;
    edge.uses.record(Use::by_holder(
        Used::Node(id),
        now,
        session.node.user.as_ref().map(NodeUser::seen),
        Some(client_ip(request, edge).to_string()),
    ));
    Ok(signed_in_as(&session))
}

fn signed_in_as(session: &Session) -> Option<SignedIn> {
    let user = session.node.user.as_ref()?;
    Some(SignedIn {
        session_id: session.node.id,
        user_id: user.id,
        username: user.username.clone(),
        quarantined: user.quarantined,
        upstream_bound: session.upstream_bound,
        authenticated_at: session.authenticated_at,
        expires_at: session.node.facts.expires_at,
    })
}

/// The session once more, inside a transaction: `None` when it died since.
pub fn signed_in_again(read: &mut Read<'_>, id: NodeId) -> Result<Option<Session>, StoreError> {
    let now = read.now();
    Ok(read
        .session(id)?
        .filter(|session| session.node.judge(now).is_ok()))
}

/// Moves the idle end when that is due.
async fn touch(
    edge: &Edge,
    session: &Session,
    now: Timestamp,
    absolute: Timestamp,
) -> Result<(), StoreError> {
    if let Some(idle_at) = idle_move(session.idle_at, session.idle_lifetime, now, absolute) {
        let id = session.node.id;
        let moved = edge
            .store
            .write(move |write| write.session_touch(id, idle_at).map(Ok::<_, ()>));
        let _ = moved.await?;
    }
    Ok(())
}

fn cookie_value(edge: &Edge, realm: &Realm, request: &HttpRequest) -> Option<ParsedToken> {
    let value = sent_cookie(request, &edge.issuer.cookie_name("session", &realm.base))?;
    ParsedToken::parse(TokenKind::Session, value).ok()
}

/// The cookie of a session just started. Clients send people here from their own sites, so it comes along with them.
/// It ends with the browser; the server knows when the session does.
pub fn cookie(edge: &Edge, realm: &Realm, secret: &OpaqueToken) -> Cookie<'static> {
    host_cookie(
        edge.issuer.cookie_name("session", &realm.base),
        secret.reveal(),
        SameSite::Lax,
    )
}

/// Takes the cookie away.
pub fn cookie_removal(edge: &Edge, realm: &Realm) -> Cookie<'static> {
    let mut cookie = host_cookie(
        edge.issuer.cookie_name("session", &realm.base),
        String::new(),
        SameSite::Lax,
    );
    cookie.set_max_age(Duration::ZERO);
    cookie
}

/// A session just started.
#[derive(Debug)]
pub struct StartedSession {
    pub id: NodeId,
    pub secret: OpaqueToken,
}

/// The identity upstream through which somebody came in.
#[derive(Clone, Debug)]
pub struct UpstreamBirth {
    /// `None`: no link of this identity let them in (`dangerous_sign_in_by_email`), so none ends the session.
    pub through: Option<BornThrough>,
    pub session: UpstreamSession,
    /// When the session upstream ends; ours ends no later when it is bound to it.
    pub ends_at: Option<Timestamp>,
    /// When the person proved upstream who they are, if the provider says so: being let through there is no proof of this moment.
    pub authenticated_at: Option<Timestamp>,
}

/// Starts a session for a user who has just proved who he is, with its audit row, in the caller's transaction. The user is as read
/// in that transaction. `None`: there is no second left to live.
pub fn start(
    write: &mut Write<'_>,
    user: &User,
    sign_in: &SignIn<'_>,
) -> Result<Option<StartedSession>, StoreError> {
    let now = write.now();
    let Some(expires_at) = end(now, user.administrator, sign_in) else {
        return Ok(None);
    };
    let birth = born(write, user, sign_in)?;
    begin(write, (user, sign_in), birth, expires_at).map(Some)
}

/// Puts a session in the place of one that ends because its user's epoch moves: with the same sign-in behind it, through the same link, and
/// no later end, because nothing was proved anew (D06). `old` is as it was before the epoch moved, `user` as it is since. `None`: it was
/// over already.
pub fn renew(
    write: &mut Write<'_>,
    user: &User,
    old: &Session,
    sign_in: &SignIn<'_>,
) -> Result<Option<StartedSession>, StoreError> {
    let now = write.now();
    let Ok(alive) = old.node.judge(now) else {
        return Ok(None);
    };
    let sign_in = SignIn {
        upstream: Some(UpstreamBirth {
            through: old.node.link,
            session: UpstreamSession {
                sid: old.upstream_sid.clone(),
                bound: old.upstream_bound,
            },
            ends_at: None,
            authenticated_at: None,
        }),
        ..sign_in.clone()
    };
    let Some(expires_at) = end_before(now, user.administrator, &sign_in, &[alive.expires_at()])
    else {
        return Ok(None);
    };
    let birth = Birth {
        bound_since: old.node.facts.bound_since,
        authenticated_at: Some(old.authenticated_at),
        ..born(write, user, &sign_in)?
    };
    begin(write, (user, &sign_in), birth, expires_at).map(Some)
}

fn born(write: &mut Write<'_>, user: &User, sign_in: &SignIn<'_>) -> Result<Birth, StoreError> {
    let (tenant, upstream) = (sign_in.tenant, sign_in.upstream.as_ref());
    Ok(Birth {
        tenant_id: tenant.id,
        installation_epoch: write.installation_epoch()?,
        tenant_epoch: tenant.epoch,
        era: tenant.era,
        user: Some((user.id, user.epoch)),
        client: None,
        link: upstream.and_then(|upstream| upstream.through),
        bound_since: BoundSince::default(),
        authenticated_at: Some(authenticated_at(write.now(), sign_in)),
        parent_client: None,
    })
}

/// When the person proved who they are. A provider whose clock is ahead of ours makes nobody fresher than fresh; one that does not say
/// when it was may have let somebody through without a question, so that the session is not fresh from its first second.
fn authenticated_at(now: Timestamp, sign_in: &SignIn<'_>) -> Timestamp {
    match &sign_in.upstream {
        None => now,
        Some(upstream) => match upstream.authenticated_at {
            Some(told) => told.min(now),
            None => sign_in.rules.no_longer_fresh(now),
        },
    }
}

fn begin(
    write: &mut Write<'_>,
    (user, sign_in): (&User, &SignIn<'_>),
    birth: Birth,
    expires_at: ExpiresAt,
) -> Result<StartedSession, StoreError> {
    let (now, tenant, origin) = (write.now(), sign_in.tenant, sign_in.origin);
    let (id, secret) = write.session_insert(&NewSession {
        birth,
        expires_at,
        idle_lifetime: sign_in.rules.session_idle_lifetime(user.administrator),
        ip: origin.ip.clone().unwrap_or_default(),
        user_agent: origin.user_agent.clone().unwrap_or_default(),
        upstream: sign_in
            .upstream
            .as_ref()
            .map(|upstream| upstream.session.clone()),
    })?;
    // A sign-in is rare and is a sign of life, so it is not left to the next flush.
    let (used, whose) = (Used::Node(id), Some((user.id, user.epoch)));
    write.last_uses_record(&[Use::by_holder(used, now, whose, origin.ip.clone())])?;
    write.audit(&AuditEntry {
        tenant_id: Some(tenant.id),
        user_id: Some(user.id),
        node_id: Some(id),
        expires_at: Some(expires_at.timestamp()),
        detail: sign_in.detail.clone(),
        ..AuditEntry::new(AuditEvent::SessionStarted, sign_in.by, origin.clone())
    })?;
    Ok(StartedSession { id, secret })
}

/// When a session started now would end. `None`: it would have no second to live.
pub(crate) fn end(now: Timestamp, administrator: bool, sign_in: &SignIn<'_>) -> Option<ExpiresAt> {
    let bound = sign_in
        .upstream
        .as_ref()
        .filter(|upstream| upstream.session.bound);
    let ancestors: Vec<Timestamp> = bound
        .and_then(|upstream| upstream.ends_at)
        .into_iter()
        .collect();
    end_before(now, administrator, sign_in, &ancestors)
}

fn end_before(
    now: Timestamp,
    administrator: bool,
    sign_in: &SignIn<'_>,
    ancestors: &[Timestamp],
) -> Option<ExpiresAt> {
    let kind = if administrator {
        Credential::AdminSession
    } else {
        Credential::Session
    };
    let caps = Caps {
        tenant: sign_in.tenant.limits.session,
        ancestors,
        ..Caps::default()
    };
    sign_in.rules.expires_at(kind, now, caps).ok()
}
