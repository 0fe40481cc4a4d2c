//! The hot statements, and how concurrent callers of one node share them on PostgreSQL.
//!
//! A look-up joins a batch that has *not been sent yet*; it never takes an answer that was asked for before it arrived, or
//! a revocation acknowledged in between would be missed. Mints of one batch share a transaction and so a sync. On SQLite a look-up
//! runs on the calling thread and a mint is an ordinary job of the writer.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use curfew_protocol::{TenantId, TokenId};
use diesel::PgConnection;
use tokio::sync::oneshot;

use crate::AnyConnection;
use crate::clients::{Client, clients_by_client_ids};
use crate::context::Shared;
use crate::error::StoreError;
use crate::introspection::{Asked, Found, IntrospectionFacts, introspect, introspect_all};
use crate::mint::{HintedMint, MintAnswer, mint_batch};
use crate::postgres_pool::PostgresPool;
use crate::resource_servers::{ResourceServer, resource_servers_of};
use crate::scopes::{Scope, scopes_of};
use crate::sqlite_writer::with_reader;
use crate::{Backend, Store};

/// Questions or mints that may wait; one more is answered 503.
const QUEUE: usize = 8_192;
/// Questions or mints in one batch, at the most.
const BATCH: usize = 256;

/// What a tenant knows of scopes and resource servers, tombstones included.
#[derive(Clone, Debug)]
pub struct TenantCatalogue {
    pub scopes: Vec<Scope>,
    pub resource_servers: Vec<ResourceServer>,
}

type Reply<V> = oneshot::Sender<Result<V, StoreError>>;
/// A key, and who wants to know.
type Question<K, V> = (K, Reply<Option<V>>);
/// Asks the database about all keys at once.
type Ask<K, V> = fn(&mut PgConnection, &[K]) -> Result<HashMap<K, V>, StoreError>;

/// A question that concurrent callers share: those with equal keys get one answer, and all keys of a batch one statement.
struct SharedRead<K, V> {
    questions: SyncSender<Question<K, V>>,
}

impl<K, V> SharedRead<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    fn start(name: &'static str, pool: &PostgresPool, ask: Ask<K, V>) -> Self {
        let (questions, queue) = sync_channel(QUEUE);
        let pool = pool.clone();
        spawn(name, move || {
            while let Some(batch) = take(&queue) {
                answer_all(&pool, ask, batch);
            }
        });
        Self { questions }
    }

    async fn ask(&self, key: K) -> Result<Option<V>, StoreError> {
        let (reply, answer) = oneshot::channel();
        submit(&self.questions, (key, reply))?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }
}

fn answer_all<K, V>(pool: &PostgresPool, ask: Ask<K, V>, batch: Vec<Question<K, V>>)
where
    K: Clone + Eq + Hash,
    V: Clone,
{
    let distinct: HashSet<&K> = batch.iter().map(|(key, _)| key).collect();
    let keys: Vec<K> = distinct.into_iter().cloned().collect();
    let found = pool.with(|connection| match connection {
        AnyConnection::Postgres(connection) => ask(connection, &keys),
        AnyConnection::Sqlite(_) => Err(StoreError::Stopped),
    });
    for (key, reply) in batch {
        let answer = found.as_ref().map(|found| found.get(&key).cloned());
        // A caller that went away does not want its answer any more.
        let _ = reply.send(answer.map_err(StoreError::again));
    }
}

struct QueuedMint {
    mint: HintedMint,
    reply: Reply<MintAnswer>,
}

/// The threads that serve what is shared, on PostgreSQL.
pub(crate) struct Lanes {
    introspections: SharedRead<Asked, Found>,
    clients: SharedRead<String, Client>,
    catalogues: SharedRead<TenantId, Arc<TenantCatalogue>>,
    mints: SyncSender<QueuedMint>,
}

impl Lanes {
    pub(crate) fn start(pool: &PostgresPool, shared: &Arc<Shared>) -> Self {
        let (mints, mint_queue) = sync_channel(QUEUE);
        let (mint_pool, shared) = (pool.clone(), Arc::clone(shared));
        spawn("mints", move || {
            while let Some(batch) = take(&mint_queue) {
                serve_mints(&mint_pool, &shared, batch);
            }
        });
        Self {
            introspections: SharedRead::start("introspections", pool, introspect_all),
            clients: SharedRead::start("clients", pool, clients_by_client_ids),
            catalogues: SharedRead::start("catalogues", pool, catalogues),
            mints,
        }
    }

    pub(crate) fn mint(
        &self,
        mint: HintedMint,
    ) -> Result<oneshot::Receiver<Result<MintAnswer, StoreError>>, StoreError> {
        let (reply, answer) = oneshot::channel();
        submit(&self.mints, QueuedMint { mint, reply })?;
        Ok(answer)
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) {
    let started = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body);
    if let Err(error) = started {
        tracing::error!(%error, name, "a store thread could not be started");
    }
}

fn submit<T>(queue: &SyncSender<T>, item: T) -> Result<(), StoreError> {
    queue.try_send(item).map_err(|error| match error {
        TrySendError::Full(_) => StoreError::Overloaded,
        TrySendError::Disconnected(_) => StoreError::Stopped,
    })
}

/// Waits for one, lets those who are about to ask do so, then takes all that wait.
fn take<T>(queue: &Receiver<T>) -> Option<Vec<T>> {
    let mut batch = vec![queue.recv().ok()?];
    std::thread::yield_now();
    batch.extend(queue.try_iter().take(BATCH - 1));
    Some(batch)
}

fn catalogues(
    connection: &mut PgConnection,
    tenants: &[TenantId],
) -> Result<HashMap<TenantId, Arc<TenantCatalogue>>, StoreError> {
    let catalogue = |tenant: &TenantId| {
        let scopes = scopes_of(connection, *tenant)?;
        let resource_servers = resource_servers_of(connection, *tenant)?;
        Ok((
            *tenant,
            Arc::new(TenantCatalogue {
                scopes,
                resource_servers,
            }),
        ))
    };
    tenants.iter().map(catalogue).collect()
}

fn serve_mints(pool: &PostgresPool, shared: &Shared, batch: Vec<QueuedMint>) {
    let mints: Vec<&HintedMint> = batch.iter().map(|queued| &queued.mint).collect();
    let answers = pool.with_writing(|writing| mint_batch(writing, shared, &mints));
    match answers {
        Ok(answers) => {
            for (queued, answer) in batch.into_iter().zip(answers) {
                let _ = queued.reply.send(Ok(answer));
            }
        }
        Err(error) => {
            for queued in batch {
                let _ = queued.reply.send(Err(error.again()));
            }
        }
    }
}

impl Store {
    /// Everything that introspection needs, in one hop.
    pub async fn introspection_facts(
        &self,
        caller: &str,
        token: Option<TokenId>,
    ) -> Result<IntrospectionFacts, StoreError> {
        #[cfg(feature = "seeded-faults")]
        if let Some(facts) = crate::faults::recall(token) {
            return Ok(facts);
        }
        let facts = self.look_up(caller, token).await?;
        #[cfg(feature = "seeded-faults")]
        let facts = crate::faults::remember(token, facts);
        Ok(facts)
    }

    async fn look_up(
        &self,
        caller: &str,
        token: Option<TokenId>,
    ) -> Result<IntrospectionFacts, StoreError> {
        let (caller, token) = match &self.inner.backend {
            Backend::Sqlite { path, .. } => {
                with_reader(path, |connection| introspect(connection, caller, token))?
            }
            Backend::Postgres { lanes, .. } => {
                let found = lanes.introspections.ask((caller.to_owned(), token)).await?;
                found.unwrap_or_default()
            }
        };
        Ok(IntrospectionFacts {
            caller,
            token,
            now: self.clock().now(),
        })
    }

    /// The client of that `client_id` that is not deleted.
    pub async fn client_by_client_id(&self, client_id: &str) -> Result<Option<Client>, StoreError> {
        match &self.inner.backend {
            Backend::Sqlite { .. } => {
                self.read_blocking(|read| read.client_by_client_id(client_id))
            }
            Backend::Postgres { lanes, .. } => lanes.clients.ask(client_id.to_owned()).await,
        }
    }

    /// What a tenant knows of scopes and resource servers.
    pub async fn tenant_catalogue(
        &self,
        tenant: TenantId,
    ) -> Result<Arc<TenantCatalogue>, StoreError> {
        match &self.inner.backend {
            Backend::Sqlite { .. } => self.read_blocking(|read| {
                let scopes = read.scope_list(tenant)?;
                let resource_servers = read.resource_server_list(tenant)?;
                Ok(Arc::new(TenantCatalogue {
                    scopes,
                    resource_servers,
                }))
            }),
            Backend::Postgres { lanes, .. } => {
                let found = lanes.catalogues.ask(tenant).await?;
                found.ok_or_else(|| StoreError::Corrupt("a tenant without catalogue".to_owned()))
            }
        }
    }
}
