//! OAuth clients.

use std::collections::HashMap;

use curfew_policy::status::OwnerStatus;
use curfew_protocol::{
    ClientKey, Digest, GrantType, Lifetime, OpaqueToken, ScopeSet, TenantId, Timestamp, TokenKind,
};
use diesel::prelude::*;

use crate::context::{Read, Write};
use crate::db::{Db, Deleted, Json};
use crate::error::StoreError;
use crate::keys::KeyedDigest;
use crate::node_chain::lifetime;
use crate::on;
use crate::schema::clients;

/// What an administrator registers of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ClientRegistration {
    pub client_id: String,
    pub name: String,
    #[serde(serialize_with = "grant_names")]
    pub grant_types: Vec<GrantType>,
    pub redirect_uris: Vec<String>,
    pub post_logout_redirect_uris: Vec<String>,
    /// Web origins of a public client that may call the token and revocation endpoints from a browser.
    pub origins: Vec<String>,
    pub scopes: ScopeSet,
    /// Ids of the resource servers that its tokens may be meant for.
    pub resources: Vec<String>,
    /// The id of the resource server that it serves: tokens meant for that one it may exchange (RFC 8693).
    pub serves: Option<String>,
    pub implicit_consent: bool,
    /// Approvals end with the browser session that gave them.
    pub session_bound: bool,
    /// Only its members may use it.
    pub restricted: bool,
    pub access_token_lifetime: Option<Lifetime>,
    pub refresh_lifetime: Option<Lifetime>,
}

fn grant_names<S: serde::Serializer>(grants: &[GrantType], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(grants.iter().map(|grant| grant.as_str()))
}

/// Up to two secrets: the current one, and the one before until its end.
#[derive(Clone, Copy, Debug)]
pub struct Secrets {
    pub current: KeyedDigest,
    pub previous: Option<(KeyedDigest, Timestamp)>,
}

impl Secrets {
    /// The digests that are good at `now`.
    pub fn valid_at(&self, now: Timestamp) -> impl Iterator<Item = KeyedDigest> {
        let previous = self
            .previous
            .filter(|(_, end)| !now.has_reached(*end))
            .map(|(digest, _)| digest);
        std::iter::once(self.current).chain(previous)
    }
}

pub(crate) type SecretColumns = (
    Option<Db<Digest>>,
    Option<i16>,
    Option<Db<Digest>>,
    Option<i16>,
    Option<Db<Timestamp>>,
);

/// Two nullable column groups become what they mean.
pub(crate) fn secrets(columns: SecretColumns) -> Option<Secrets> {
    let keyed = |digest: Option<Db<Digest>>, key_id: Option<i16>| {
        Some(KeyedDigest {
            digest: digest?.0,
            key_id: key_id?,
        })
    };
    let current = keyed(columns.0, columns.1)?;
    let previous = keyed(columns.2, columns.3).zip(columns.4.map(|end| end.0));
    Some(Secrets { current, previous })
}

#[derive(Clone, Debug, serde::Serialize)]
pub struct Client {
    pub key: ClientKey,
    pub tenant_id: TenantId,
    pub status: OwnerStatus,
    pub epoch: i64,
    /// `None`: a public client.
    #[serde(skip)]
    pub secrets: Option<Secrets>,
    pub confidential: bool,
    #[serde(flatten)]
    pub registration: ClientRegistration,
}

impl Client {
    pub fn may_use(&self, grant: GrantType) -> bool {
        self.registration.grant_types.contains(&grant)
    }
}

type Row = (
    (Db<ClientKey>, Db<TenantId>, Db<OwnerStatus>, i64, bool),
    SecretColumns,
    (
        String,
        String,
        Json<Vec<String>>,
        Json<Vec<String>>,
        Json<Vec<String>>,
        Json<Vec<String>>,
    ),
    (
        String,
        Json<Vec<String>>,
        Option<String>,
        bool,
        bool,
        bool,
        Option<i64>,
        Option<i64>,
    ),
);

fn client((own, secret_columns, names, rules): Row) -> Result<Client, StoreError> {
    let grant_types = names
        .2
        .0
        .iter()
        .map(|name| {
            GrantType::parse(name).ok_or_else(|| StoreError::Corrupt(format!("grant type {name}")))
        })
        .collect::<Result<_, _>>()?;
    let scopes = ScopeSet::parse(&rules.0)
        .map_err(|_| StoreError::Corrupt("a client's scopes".to_owned()))?;
    Ok(Client {
        key: own.0.0,
        tenant_id: own.1.0,
        status: own.2.0,
        epoch: own.3,
        secrets: secrets(secret_columns),
        confidential: own.4,
        registration: ClientRegistration {
            client_id: names.0,
            name: names.1,
            grant_types,
            redirect_uris: names.3.0,
            post_logout_redirect_uris: names.4.0,
            origins: names.5.0,
            scopes,
            resources: rules.1.0,
            serves: rules.2,
            implicit_consent: rules.3,
            session_bound: rules.4,
            restricted: rules.5,
            access_token_lifetime: lifetime(rules.6),
            refresh_lifetime: lifetime(rules.7),
        },
    })
}

macro_rules! client_query {
    () => {
        clients::table.select((
            (
                clients::id,
                clients::tenant_id,
                clients::status,
                clients::epoch,
                clients::confidential,
            ),
            (
                clients::secret_digest,
                clients::secret_key_id,
                clients::old_secret_digest,
                clients::old_secret_key_id,
                clients::old_secret_expires_at,
            ),
            (
                clients::client_id,
                clients::name,
                clients::grant_types,
                clients::redirect_uris,
                clients::post_logout_redirect_uris,
                clients::origins,
            ),
            (
                clients::scopes,
                clients::resources,
                clients::serves,
                clients::implicit_consent,
                clients::session_bound,
                clients::restricted,
                clients::access_token_lifetime,
                clients::refresh_lifetime,
            ),
        ))
    };
}

/// Several at once, for the shared look-ups on PostgreSQL.
pub(crate) fn clients_by_client_ids(
    connection: &mut PgConnection,
    client_ids: &[String],
) -> Result<HashMap<String, Client>, StoreError> {
    let rows: Vec<Row> = client_query!()
        .filter(
            clients::client_id
                .eq_any(client_ids)
                .and(clients::status.ne(Deleted)),
        )
        .load(connection)?;
    rows.into_iter()
        .map(|row| client(row).map(|client| (client.registration.client_id.clone(), client)))
        .collect()
}

impl Read<'_> {
    pub fn client(&mut self, key: ClientKey) -> Result<Option<Client>, StoreError> {
        let row: Option<Row> = on!(&mut *self.connection, c => client_query!()
            .filter(clients::id.eq(Db(key))).get_result(c).optional()?);
        row.map(client).transpose()
    }

    /// The client of that `client_id` that is not deleted.
    pub fn client_by_client_id(&mut self, client_id: &str) -> Result<Option<Client>, StoreError> {
        let row: Option<Row> = on!(&mut *self.connection, c => client_query!()
            .filter(clients::client_id.eq(client_id)
                .and(clients::status.ne(Deleted)))
            .get_result(c).optional()?);
        row.map(client).transpose()
    }

    pub fn client_list(&mut self, tenant: TenantId) -> Result<Vec<Client>, StoreError> {
        let rows: Vec<Row> = on!(&mut *self.connection, c => client_query!()
            .filter(clients::tenant_id.eq(Db(tenant))).order(clients::client_id).load(c)?);
        rows.into_iter().map(client).collect()
    }
}

impl Read<'_> {
    /// Did an active public client of the tenant register this web origin?
    pub fn client_origin_is_registered(
        &mut self,
        tenant: TenantId,
        origin: &str,
    ) -> Result<bool, StoreError> {
        let registered: Vec<Json<Vec<String>>> = on!(&mut *self.connection, c => clients::table
            .filter(clients::tenant_id.eq(Db(tenant))
                .and(clients::status.eq(Db(OwnerStatus::Active)))
                .and(clients::confidential.eq(false))
                .and(clients::origins.ne("[]")))
            .select(clients::origins)
            .load(c)?);
        Ok(registered
            .iter()
            .any(|own| own.0.iter().any(|one| one == origin)))
    }
}

/// The columns of a registration, for inserts and updates alike.
macro_rules! registration_columns {
    ($registration:expr) => {{
        let own = $registration;
        let grants: Vec<&str> = own.grant_types.iter().map(|grant| grant.as_str()).collect();
        (
            clients::name.eq(own.name.clone()),
            clients::grant_types.eq(serde_json::json!(grants).to_string()),
            clients::redirect_uris.eq(serde_json::json!(own.redirect_uris).to_string()),
            clients::post_logout_redirect_uris
                .eq(serde_json::json!(own.post_logout_redirect_uris).to_string()),
            clients::origins.eq(serde_json::json!(own.origins).to_string()),
            clients::scopes.eq(own.scopes.to_string()),
            clients::resources.eq(serde_json::json!(own.resources).to_string()),
            clients::serves.eq(own.serves.clone()),
            clients::implicit_consent.eq(own.implicit_consent),
            clients::session_bound.eq(own.session_bound),
            clients::restricted.eq(own.restricted),
            clients::access_token_lifetime.eq(own.access_token_lifetime.map(Lifetime::seconds)),
            clients::refresh_lifetime.eq(own.refresh_lifetime.map(Lifetime::seconds)),
        )
    }};
}

impl Write<'_> {
    /// Registers a client. A confidential one gets a secret, which is shown to nobody after this.
    pub fn client_insert(
        &mut self,
        tenant: TenantId,
        registration: &ClientRegistration,
        confidential: bool,
    ) -> Result<(ClientKey, Option<OpaqueToken>), StoreError> {
        let key = ClientKey::random(self.entropy());
        let minted = confidential.then(|| self.owner_secret(key.as_bytes()));
        let digest = minted.as_ref().map(|(_, digest)| *digest);
        let now = self.now();
        on!(&mut *self.connection, c => diesel::insert_into(clients::table).values((
            clients::id.eq(Db(key)),
            clients::tenant_id.eq(Db(tenant)),
            clients::client_id.eq(&registration.client_id),
            clients::status.eq(Db(OwnerStatus::Active)),
            clients::epoch.eq(1_i64),
            clients::confidential.eq(confidential),
            clients::secret_digest.eq(digest.map(|keyed| Db(keyed.digest))),
            clients::secret_key_id.eq(digest.map(|keyed| keyed.key_id)),
            clients::created_at.eq(Db(now)),
            registration_columns!(registration),
        )).execute(c)?);
        Ok((key, minted.map(|(secret, _)| secret)))
    }

    /// Changes a registration. `narrows` tells that something was taken away: then the epoch moves, so that nothing issued under
    /// the wider registration lives on (A20).
    pub fn client_update(
        &mut self,
        key: ClientKey,
        registration: &ClientRegistration,
        narrows: bool,
    ) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::update(clients::table.filter(clients::id.eq(Db(key))))
            .set((
                registration_columns!(registration),
                clients::epoch.eq(clients::epoch + i64::from(narrows)),
            ))
            .execute(c)?);
        if narrows {
            self.node_end_below_client(key)?;
        }
        Ok(())
    }

    /// Sets the status and moves the epoch: all its tokens are dead, for good.
    pub fn client_set_status(
        &mut self,
        key: ClientKey,
        status: OwnerStatus,
    ) -> Result<(), StoreError> {
        on!(&mut *self.connection, c => diesel::update(clients::table.filter(clients::id.eq(Db(key))))
            .set((clients::status.eq(Db(status)), clients::epoch.eq(clients::epoch + 1)))
            .execute(c)?);
        self.node_end_below_client(key)?;
        Ok(())
    }

    /// A new secret; the old one stays good until `overlap_ends_at`.
    pub fn client_rotate_secret(
        &mut self,
        client: &Client,
        overlap_ends_at: Timestamp,
    ) -> Result<OpaqueToken, StoreError> {
        let (secret, digest) = self.owner_secret(client.key.as_bytes());
        let old = client.secrets.map(|secrets| secrets.current);
        on!(&mut *self.connection, c => diesel::update(clients::table.filter(clients::id.eq(Db(client.key))))
            .set((
                clients::secret_digest.eq(Db(digest.digest)),
                clients::secret_key_id.eq(digest.key_id),
                clients::old_secret_digest.eq(old.map(|keyed| Db(keyed.digest))),
                clients::old_secret_key_id.eq(old.map(|keyed| keyed.key_id)),
                clients::old_secret_expires_at.eq(old.map(|_| Db(overlap_ends_at))),
            ))
            .execute(c)?);
        Ok(secret)
    }

    /// A client's or resource server's secret. Its selector is the owner's own id.
    pub(crate) fn owner_secret(&self, owner: &[u8; 16]) -> (OpaqueToken, KeyedDigest) {
        let secret = self.secret();
        let digest = self.keys().digest(TokenKind::ClientSecret, owner, &secret);
        (
            OpaqueToken::new(TokenKind::ClientSecret, *owner, secret),
            digest,
        )
    }
}
