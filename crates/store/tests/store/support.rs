//! Every test owns a database: a temporary SQLite file, or one made for it in the throw-away PostgreSQL cluster that
//! `CURFEW_TEST_POSTGRES_URL` names.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use curfew_policy::lifetime::{Caps, Credential, ExpiresAt, LifetimeRules};
use curfew_policy::status::EmailOrigin;
use curfew_protocol::{
    Audiences, ClientKey, DEFAULT_TENANT, Entropy as _, GrantType, ManualClock, NodeId, ScopeSet,
    Timestamp, UserId,
};
use curfew_store::clients::ClientRegistration;
use curfew_store::codes::{ApprovalBasis, NewApproval};
use curfew_store::nodes::{Ancestor, Birth};
use curfew_store::sessions::NewSession;
use curfew_store::tokens::NewToken;
use curfew_store::users::NewUser;
use curfew_store::{
    DatabaseUrl, OpenRefusal, ServerKeys, Store, StoreError, StoreOptions, SystemEntropy, Write,
};
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, RunQueryDsl, SqliteConnection};
use zeroize::Zeroizing;

pub(crate) const START: i64 = 1_800_000_000;

pub(crate) struct TestStore {
    pub(crate) store: Store,
    pub(crate) clock: ManualClock,
    pub(crate) options: StoreOptions,
    pub(crate) folder: tempfile::TempDir,
}

pub(crate) fn keys(fill: u8) -> Arc<ServerKeys> {
    keys_of(&[(1, fill)])
}

/// Keys by their ids, each filled with one byte.
pub(crate) fn keys_of(fills: &[(i16, u8)]) -> Arc<ServerKeys> {
    let masters: BTreeMap<_, _> = fills
        .iter()
        .map(|(id, fill)| (*id, Zeroizing::new([*fill; 32])))
        .collect();
    Arc::new(ServerKeys::new(&masters).unwrap().unwrap())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

fn postgres_database() -> String {
    let url = std::env::var("CURFEW_TEST_POSTGRES_URL")
        .expect("CURFEW_TEST_POSTGRES_URL names a throw-away PostgreSQL cluster; see conformance-tests/postgres");
    // Not the process's number: the system gives it out again while the database is still there.
    let mut random = [0u8; 8];
    SystemEntropy.fill(&mut random);
    let name = format!("store_{:016x}", u64::from_be_bytes(random));
    let mut connection = PgConnection::establish(&url).unwrap();
    connection
        .batch_execute(&format!("CREATE DATABASE {name}"))
        .unwrap();
    let (server, rest) = url.rsplit_once('/').unwrap();
    let query = rest
        .split_once('?')
        .map_or(String::new(), |(_, query)| format!("?{query}"));
    format!("{server}/{name}{query}")
}

impl TestStore {
    pub(crate) fn new(backend: Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = match backend {
            Backend::Sqlite => DatabaseUrl::Sqlite(folder.path().join("curfew.db")),
            Backend::Postgres => DatabaseUrl::Postgres(postgres_database()),
        };
        let clock = ManualClock::at(Timestamp::from_seconds(START));
        let options = StoreOptions {
            database,
            pool_size: 16,
            epoch_mark: Some(folder.path().join("epoch")),
            keys: keys(7),
            clock: Arc::new(clock.clone()),
            entropy: Arc::new(SystemEntropy),
        };
        Store::migrate(&options).unwrap();
        let store = Store::open(options.clone()).unwrap();
        Self {
            store,
            clock,
            options,
            folder,
        }
    }

    pub(crate) fn backend(&self) -> Backend {
        match self.options.database {
            DatabaseUrl::Sqlite(_) => Backend::Sqlite,
            DatabaseUrl::Postgres(_) => Backend::Postgres,
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("curfew.db")
    }

    pub(crate) fn open_again(
        &self,
        change: impl FnOnce(&mut StoreOptions),
    ) -> Result<Store, OpenRefusal> {
        let mut options = self.options.clone();
        change(&mut options);
        Store::open(options)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.store.clock().now()
    }

    /// Runs a statement on the database itself, as somebody who can write it but has no keys. Answers how many rows it hit.
    pub(crate) fn tamper(&self, statement: &str) -> usize {
        let done = match &self.options.database {
            DatabaseUrl::Sqlite(path) => {
                let mut connection = SqliteConnection::establish(&path.to_string_lossy()).unwrap();
                connection
                    .batch_execute(
                        "PRAGMA busy_timeout = 10000; PRAGMA ignore_check_constraints = ON;",
                    )
                    .unwrap();
                diesel::sql_query(statement).execute(&mut connection)
            }
            DatabaseUrl::Postgres(url) => {
                let mut connection = PgConnection::establish(url).unwrap();
                diesel::sql_query(statement).execute(&mut connection)
            }
        };
        done.unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    /// Bytes as this database writes them.
    pub(crate) fn literal(&self, bytes: &[u8]) -> String {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self.options.database {
            DatabaseUrl::Sqlite(_) => format!("x'{hex}'"),
            DatabaseUrl::Postgres(_) => format!("'\\x{hex}'::bytea"),
        }
    }

    /// Runs one transaction that cannot refuse.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        job: impl Fn(&mut Write<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        self.store
            .write_blocking(move |write| job(write).map(Ok::<T, ()>))
            .unwrap()
            .unwrap()
    }

    pub(crate) fn user(&self, username: &str) -> UserId {
        let new = NewUser {
            tenant_id: DEFAULT_TENANT,
            username: username.to_owned(),
            name: username.to_owned(),
            email: None,
            email_key: None,
            email_origin: EmailOrigin::Stated,
            quarantined: false,
            administrator: false,
            password_hash: None,
        };
        self.write(move |write| write.user_insert(&new))
    }

    pub(crate) fn client(&self, client_id: &str) -> ClientKey {
        let registration = ClientRegistration {
            client_id: client_id.to_owned(),
            name: client_id.to_owned(),
            grant_types: vec![GrantType::ClientCredentials],
            ..ClientRegistration::default()
        };
        self.write(move |write| Ok(write.client_insert(DEFAULT_TENANT, &registration, true)?.0))
    }
}

pub(crate) fn birth(
    write: &mut Write<'_>,
    user: UserId,
    client: Option<ClientKey>,
) -> Result<Birth, StoreError> {
    let user = write.user(user)?.unwrap();
    let client = match client {
        Some(key) => Some((key, write.client(key)?.unwrap().epoch)),
        None => None,
    };
    Ok(write
        .birth(DEFAULT_TENANT, Some((user.id, user.epoch)), client)?
        .unwrap())
}

/// The end of a credential of the standard lifetime.
pub(crate) fn end(credential: Credential, now: Timestamp, ancestors: &[Timestamp]) -> ExpiresAt {
    let caps = Caps {
        ancestors,
        ..Caps::default()
    };
    LifetimeRules::default()
        .expires_at(credential, now, caps)
        .unwrap()
}

/// A whole chain: session, approval (bound to the session or not), family and token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    pub(crate) session: NodeId,
    pub(crate) approval: NodeId,
    pub(crate) family: NodeId,
    pub(crate) token: curfew_protocol::TokenId,
}

pub(crate) fn chain(
    test: &TestStore,
    user: UserId,
    client: ClientKey,
    session_bound: bool,
) -> Chain {
    test.write(move |write| {
        let now = write.now();
        let session_end = end(Credential::Session, now, &[]);
        let session_birth = birth(write, user, None)?;
        let (session, _) = write.session_insert(&NewSession {
            birth: session_birth,
            expires_at: session_end,
            idle_lifetime: LifetimeRules::default().session_idle_lifetime(false),
            ip: String::new(),
            user_agent: String::new(),
            upstream: None,
        })?;
        let ancestor = if session_bound {
            Ancestor::Binding {
                id: session,
                expires_at: session_end.timestamp(),
            }
        } else {
            Ancestor::Recorded(session)
        };
        let ancestors = if session_bound {
            vec![session_end.timestamp()]
        } else {
            vec![]
        };
        let approval_end = end(Credential::Approval, now, &ancestors);
        let own = birth(write, user, Some(client))?;
        let birth = if session_bound {
            let session = write.session(session)?.unwrap();
            Birth::below(&session.node).for_client(own.client)
        } else {
            own
        };
        let approval = write.approval_insert(&NewApproval {
            birth,
            ancestor,
            session_id: session_bound.then_some(session),
            expires_at: approval_end,
            scopes: ScopeSet::parse("notes:read").unwrap(),
            audiences: Audiences::default(),
            basis: ApprovalBasis::Asked,
            parent_token: None,
            device: None,
        })?;
        let approval = write.approval(approval)?.unwrap();
        let family_end = end(
            Credential::RefreshFamily,
            now,
            &[approval.node.facts.expires_at],
        );
        let (family, _) = write.family_insert(&approval, family_end, family_end.timestamp())?;
        let (token, _) = write.token_insert(&NewToken {
            node_id: family,
            node_expires_at: family_end.timestamp(),
            scopes: approval.scopes.clone(),
            audiences: Audiences::default(),
            expires_at: end(Credential::AccessToken, now, &[family_end.timestamp()]),
        })?;
        Ok(Chain {
            session,
            approval: approval.node.id,
            family,
            token,
        })
    })
}

/// Is the token alive at this moment?
pub(crate) fn is_alive(test: &TestStore, token: curfew_protocol::TokenId) -> bool {
    test.store
        .read_blocking(|read| {
            let now = read.now();
            Ok(read
                .token_chain(token)?
                .is_some_and(|chain| chain.judge(now).is_ok()))
        })
        .unwrap()
}

/// Instantiates tests for both backends: `sqlite::name` and `postgres::name`.
#[macro_export]
macro_rules! on_both_backends {
    ($($(#[$doc:meta])* fn $name:ident($test:ident) $body:block)*) => {
        $(fn $name($test: &$crate::support::TestStore) $body)*

        mod sqlite {
            $(#[test] fn $name() {
                super::$name(&$crate::support::TestStore::new($crate::support::Backend::Sqlite));
            })*
        }

        mod postgres {
            $(#[test] fn $name() {
                super::$name(&$crate::support::TestStore::new($crate::support::Backend::Postgres));
            })*
        }
    };
}
