//! Devices that wait for their approval (RFC 8628).
//!
//! A device holds its code; the person carries the user code to the browser. What the device asks for is a row of its own, and deleting
//! that row is how a decision is claimed: whoever decides second finds nothing, and the user code is used up with the first.

use curfew_policy::lifetime::{ExpiresAt, SLOW_DOWN_STEP};
use curfew_protocol::{
    Audiences, ClientKey, DeviceCodeId, Digest, Lifetime, NodeId, OpaqueToken, ScopeSet, TenantId,
    Timestamp, TokenKind, UserCode, UserCodeLength,
};
use diesel::prelude::*;

use crate::audit::Origin;
use crate::codes::stored_scopes;
use crate::context::{Read, Write};
use crate::db::{Db, Json, opt};
use crate::error::StoreError;
use crate::keys::{KeyedDigest, MacPurpose};
use crate::node_chain::lifetime;
use crate::on;
use crate::schema::{device_codes, device_requests};

/// How often a user code that collides with an outstanding one is drawn again.
const DRAWS: usize = 5;

/// A device that asks.
#[derive(Clone, Debug)]
pub struct NewDeviceCode {
    pub tenant_id: TenantId,
    pub client: ClientKey,
    pub client_epoch: i64,
    pub request: DeviceRequest,
    /// What the device binds its code to (RFC 7636), when it does.
    pub code_challenge: Option<String>,
    pub poll_interval: Lifetime,
    pub expires_at: ExpiresAt,
    pub user_code_length: UserCodeLength,
}

/// What a device asks for, and from where.
#[derive(Clone, Debug)]
pub struct DeviceRequest {
    pub scopes: ScopeSet,
    pub audiences: Audiences,
    /// The lifetime that it asks for its tokens.
    pub requested_lifetime: Option<Lifetime>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
}

/// A device code just made: one half for the device, the other for the person.
#[derive(Debug)]
pub struct MintedDeviceCode {
    pub id: DeviceCodeId,
    pub device_code: OpaqueToken,
    pub user_code: UserCode,
}

/// How a device code stands. What is decided stays decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceCodeState {
    Pending,
    Denied,
    Approved(NodeId),
    /// The tokens were handed out.
    Consumed(NodeId),
}

/// A device code as it is stored.
#[derive(Clone, Debug)]
pub struct DeviceCode {
    pub id: DeviceCodeId,
    pub tenant_id: TenantId,
    pub client: ClientKey,
    /// The client's epoch when the device asked.
    pub client_epoch: i64,
    pub installation_epoch: i64,
    pub digest: KeyedDigest,
    pub code_challenge: Option<String>,
    pub poll_interval: Lifetime,
    pub state: DeviceCodeState,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

type CodeRow = (
    (Db<DeviceCodeId>, Db<TenantId>, Db<ClientKey>, i64, i64),
    (Db<Digest>, i16, Option<String>, i64),
    (
        Option<Db<NodeId>>,
        Option<Db<Timestamp>>,
        Option<Db<Timestamp>>,
    ),
    (Db<Timestamp>, Db<Timestamp>),
);

macro_rules! code_columns {
    () => {
        (
            (
                device_codes::id,
                device_codes::tenant_id,
                device_codes::client_id,
                device_codes::client_epoch,
                device_codes::installation_epoch,
            ),
            (
                device_codes::secret_digest,
                device_codes::secret_key_id,
                device_codes::code_challenge,
                device_codes::poll_interval,
            ),
            (
                device_codes::approval_id,
                device_codes::denied_at,
                device_codes::consumed_at,
            ),
            (device_codes::created_at, device_codes::expires_at),
        )
    };
}

fn device_code((own, secret, decided, span): CodeRow) -> DeviceCode {
    let state = match (opt(decided.0), decided.1, decided.2) {
        (Some(approval), _, Some(_)) => DeviceCodeState::Consumed(approval),
        (Some(approval), _, None) => DeviceCodeState::Approved(approval),
        (None, Some(_), _) => DeviceCodeState::Denied,
        (None, None, _) => DeviceCodeState::Pending,
    };
    DeviceCode {
        id: own.0.0,
        tenant_id: own.1.0,
        client: own.2.0,
        client_epoch: own.3,
        installation_epoch: own.4,
        digest: KeyedDigest {
            digest: secret.0.0,
            key_id: secret.1,
        },
        code_challenge: secret.2,
        poll_interval: lifetime(Some(secret.3)).unwrap_or(SLOW_DOWN_STEP),
        state,
        created_at: span.0.0,
        expires_at: span.1.0,
    }
}

type RequestRow = (
    String,
    Json<Audiences>,
    Option<i64>,
    Option<String>,
    Option<String>,
);

macro_rules! request_columns {
    () => {
        (
            device_requests::scopes,
            device_requests::audiences,
            device_requests::requested_lifetime,
            device_requests::ip,
            device_requests::user_agent,
        )
    };
}

fn device_request(row: RequestRow) -> Result<DeviceRequest, StoreError> {
    Ok(DeviceRequest {
        scopes: stored_scopes(&row.0)?,
        audiences: row.1.0,
        requested_lifetime: lifetime(row.2),
        ip: row.3,
        user_agent: row.4,
    })
}

impl Read<'_> {
    pub fn device_code(&mut self, id: DeviceCodeId) -> Result<Option<DeviceCode>, StoreError> {
        let row: Option<CodeRow> = on!(&mut *self.connection, c => device_codes::table
            .filter(device_codes::id.eq(Db(id)))
            .select(code_columns!())
            .get_result(c)
            .optional()?);
        Ok(row.map(device_code))
    }

    /// What is still undecided of a device code.
    pub fn device_request(
        &mut self,
        id: DeviceCodeId,
    ) -> Result<Option<(DeviceCode, DeviceRequest)>, StoreError> {
        let row: Option<(CodeRow, RequestRow)> = on!(&mut *self.connection, c => device_requests::table
            .inner_join(device_codes::table.on(device_codes::id.eq(device_requests::device_code_id)))
            .filter(device_codes::id.eq(Db(id)))
            .select((code_columns!(), request_columns!()))
            .get_result(c)
            .optional()?);
        row.map(|(code, request)| Ok((device_code(code), device_request(request)?)))
            .transpose()
    }

    /// The device that waits under a user code. Expired ones are found as well.
    pub fn device_code_by_user_code(
        &mut self,
        tenant: TenantId,
        user_code: &UserCode,
    ) -> Result<Option<DeviceCodeId>, StoreError> {
        let parts: [&[u8]; 2] = [tenant.as_bytes(), user_code.as_bytes()];
        let digests = self.keys().macs(MacPurpose::UserCode, &parts);
        let digests = digests.into_iter().map(|keyed| Db(keyed.digest));
        let id: Option<Db<DeviceCodeId>> = on!(&mut *self.connection, c => device_requests::table
            .filter(device_requests::user_code_digest.eq_any(digests))
            .select(device_requests::device_code_id)
            .first(c)
            .optional()?);
        Ok(opt(id))
    }

    /// How many devices wait in the whole installation; counts up to `limit`.
    pub fn device_requests_outstanding(&mut self, limit: i64) -> Result<usize, StoreError> {
        let now = self.now();
        let some: Vec<Db<Timestamp>> = on!(&mut *self.connection, c => device_requests::table
            .filter(device_requests::expires_at.gt(Db(now)))
            .select(device_requests::expires_at)
            .limit(limit)
            .load(c)?);
        Ok(some.len())
    }

    /// How many codes of a client have not expired; counts up to `limit`.
    pub fn device_codes_outstanding_of(
        &mut self,
        client: ClientKey,
        limit: i64,
    ) -> Result<usize, StoreError> {
        let now = self.now();
        let some: Vec<Db<Timestamp>> = on!(&mut *self.connection, c => device_codes::table
            .filter(device_codes::client_id.eq(Db(client)).and(device_codes::expires_at.gt(Db(now))))
            .select(device_codes::expires_at)
            .limit(limit)
            .load(c)?);
        Ok(some.len())
    }
}

impl Write<'_> {
    /// Makes a device code with its user code. `None`: every user code that was drawn is outstanding already.
    pub fn device_code_insert(
        &mut self,
        new: &NewDeviceCode,
    ) -> Result<Option<MintedDeviceCode>, StoreError> {
        let Some((user_code, digest)) = self.user_code_draw(new)? else {
            return Ok(None);
        };
        let id = DeviceCodeId::ordered(self.millis(), self.entropy());
        let secret = self.secret();
        let stored = self
            .keys()
            .digest(TokenKind::DeviceCode, id.as_bytes(), &secret);
        let (now, installation_epoch) = (self.now(), self.installation_epoch()?);
        let (request, end) = (&new.request, new.expires_at.timestamp());
        on!(&mut *self.connection, c => {
            diesel::insert_into(device_codes::table).values((
                device_codes::id.eq(Db(id)),
                device_codes::tenant_id.eq(Db(new.tenant_id)),
                device_codes::client_id.eq(Db(new.client)),
                device_codes::client_epoch.eq(new.client_epoch),
                device_codes::installation_epoch.eq(installation_epoch),
                device_codes::secret_digest.eq(Db(stored.digest)),
                device_codes::secret_key_id.eq(stored.key_id),
                device_codes::code_challenge.eq(new.code_challenge.as_ref()),
                device_codes::poll_interval.eq(new.poll_interval.seconds()),
                device_codes::created_at.eq(Db(now)),
                device_codes::expires_at.eq(Db(end)),
            )).execute(c)?;
            diesel::insert_into(device_requests::table).values((
                device_requests::device_code_id.eq(Db(id)),
                device_requests::user_code_digest.eq(Db(digest.digest)),
                device_requests::user_code_key_id.eq(digest.key_id),
                device_requests::scopes.eq(request.scopes.to_string()),
                device_requests::audiences.eq(Json(&request.audiences)),
                device_requests::requested_lifetime.eq(request.requested_lifetime.map(Lifetime::seconds)),
                device_requests::ip.eq(request.ip.as_ref()),
                device_requests::user_agent.eq(request.user_agent.as_ref()),
                device_requests::expires_at.eq(Db(end)),
            )).execute(c)?
        });
        Ok(Some(MintedDeviceCode {
            id,
            device_code: OpaqueToken::new(TokenKind::DeviceCode, *id.as_bytes(), secret),
            user_code,
        }))
    }

    /// A user code that no device waits under (C25). One that waits in vain, because it expired, makes room.
    fn user_code_draw(
        &mut self,
        new: &NewDeviceCode,
    ) -> Result<Option<(UserCode, KeyedDigest)>, StoreError> {
        let now = self.now();
        for _ in 0..DRAWS {
            let code = UserCode::random(new.user_code_length, self.entropy());
            let parts: [&[u8]; 2] = [new.tenant_id.as_bytes(), code.as_bytes()];
            let taken = self.device_code_by_user_code(new.tenant_id, &code)?;
            let free = match taken {
                None => true,
                Some(id) => {
                    let expired = device_requests::expires_at.le(Db(now));
                    let of_it = device_requests::device_code_id.eq(Db(id)).and(expired);
                    on!(&mut *self.connection, c =>
                        diesel::delete(device_requests::table.filter(of_it)).execute(c)? == 1)
                }
            };
            if free {
                let digest = self.keys().keyed_mac(MacPurpose::UserCode, &parts);
                return Ok(Some((code, digest)));
            }
        }
        Ok(None)
    }

    /// Counts a poll. False: it came before the interval was over; the interval grows, for this and every later one (RFC 8628 §3.5).
    pub fn device_code_poll(&mut self, id: DeviceCodeId) -> Result<bool, StoreError> {
        let now = self.now();
        let due = device_codes::polled_at
            .is_null()
            .or(
                (device_codes::polled_at + device_codes::poll_interval.nullable())
                    .le(now.seconds()),
            );
        let in_time = on!(&mut *self.connection, c => diesel::update(
            device_codes::table.filter(device_codes::id.eq(Db(id)).and(due)),
        ).set(device_codes::polled_at.eq(Db(now))).execute(c)?);
        if in_time == 0 {
            on!(&mut *self.connection, c => diesel::update(
                device_codes::table.filter(device_codes::id.eq(Db(id))),
            ).set((
                device_codes::polled_at.eq(Db(now)),
                device_codes::poll_interval.eq(device_codes::poll_interval + SLOW_DOWN_STEP.seconds()),
            )).execute(c)?);
        }
        Ok(in_time == 1)
    }

    /// Claims the decision about a device. True for exactly one caller, ever.
    pub fn device_request_claim(&mut self, id: DeviceCodeId) -> Result<bool, StoreError> {
        let claimed = on!(&mut *self.connection, c => diesel::delete(
            device_requests::table.filter(device_requests::device_code_id.eq(Db(id))),
        ).execute(c)?);
        Ok(claimed == 1)
    }

    /// The decision, once it is claimed, is yes.
    pub fn device_code_approve(
        &mut self,
        id: DeviceCodeId,
        (approval, approval_expires_at): (NodeId, ExpiresAt),
    ) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::update(
            device_codes::table.filter(device_codes::id.eq(Db(id))),
        ).set((
            device_codes::approval_id.eq(Db(approval)),
            device_codes::approval_expires_at.eq(Db(approval_expires_at.timestamp())),
        )).execute(c)?);
        Ok(())
    }

    /// The decision, once it is claimed, is no.
    pub fn device_code_deny(&mut self, id: DeviceCodeId) -> Result<(), StoreError> {
        let now = self.now();
        on!(&mut *self.connection, c => diesel::update(
            device_codes::table.filter(device_codes::id.eq(Db(id))),
        ).set(device_codes::denied_at.eq(Db(now))).execute(c)?);
        Ok(())
    }

    /// Uses an approved device code up. True for exactly one caller, ever.
    pub fn device_code_consume(&mut self, id: DeviceCodeId) -> Result<bool, StoreError> {
        let now = self.now();
        let consumed = on!(&mut *self.connection, c => diesel::update(device_codes::table.filter(
            device_codes::id.eq(Db(id))
                .and(device_codes::approval_id.is_not_null())
                .and(device_codes::consumed_at.is_null()),
        )).set(device_codes::consumed_at.eq(Db(now))).execute(c)?);
        Ok(consumed == 1)
    }
}

impl DeviceRequest {
    /// What is remembered of where it came from.
    pub fn from_origin(
        origin: &Origin,
        scopes: ScopeSet,
        audiences: Audiences,
        requested_lifetime: Option<Lifetime>,
    ) -> Self {
        Self {
            scopes,
            audiences,
            requested_lifetime,
            ip: origin.ip.clone(),
            user_agent: origin.user_agent.clone(),
        }
    }
}
