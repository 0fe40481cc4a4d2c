//! The two hot statements, and how concurrent callers of one node share them on PostgreSQL.
//!
//! A look-up joins a batch that has *not been sent yet*; it never takes an answer that was asked for before it arrived, or
//! a revocation acknowledged in between would be missed. Mints of one batch share a transaction and so a sync. On SQLite a look-up
//! runs on the calling thread and a mint is an ordinary job of the writer.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};

use curfew_protocol::{Timestamp, TokenId};
use tokio::sync::oneshot;

use crate::AnyConnection;
use crate::context::Shared;
use crate::error::StoreError;
use crate::mint::{HintedMint, MintAnswer, mint_batch};
use crate::postgres_pool::PostgresPool;
use crate::resource_servers::{
    ResourceServer, resource_server_by_resource_id, resource_servers_by_resource_ids,
};
use crate::sqlite_writer::with_reader;
use crate::tokens::{TokenChain, token_chain, token_chains};
use crate::{Backend, Store};

/// Look-ups or mints that may wait; one more is answered 503.
const QUEUE: usize = 8_192;
/// Look-ups or mints in one batch, at the most.
const BATCH: usize = 256;
/// One batch can be on its way while the next one fills.
const LOOKUP_THREADS: usize = 2;

/// What introspection has to know.
#[derive(Clone, Debug)]
pub struct IntrospectionFacts {
    /// `None`: no resource server of that id.
    pub caller: Option<ResourceServer>,
    /// `None`: no such token.
    pub token: Option<TokenChain>,
    pub now: Timestamp,
}

struct Lookup {
    caller: String,
    token: Option<TokenId>,
    reply: oneshot::Sender<Result<IntrospectionFacts, StoreError>>,
}

pub(crate) struct QueuedMint {
    pub(crate) mint: HintedMint,
    pub(crate) reply: oneshot::Sender<Result<MintAnswer, StoreError>>,
}

pub(crate) struct Lanes {
    lookups: SyncSender<Lookup>,
    mints: SyncSender<QueuedMint>,
}

impl Lanes {
    pub(crate) fn start(pool: &PostgresPool, shared: &Arc<Shared>) -> Self {
        let (lookups, lookup_queue) = sync_channel(QUEUE);
        let lookup_queue = Arc::new(Mutex::new(lookup_queue));
        for _ in 0..LOOKUP_THREADS {
            let (pool, shared, queue) =
                (pool.clone(), Arc::clone(shared), Arc::clone(&lookup_queue));
            spawn("lookups", move || {
                while let Some(batch) = lock_and_take(&queue) {
                    serve_lookups(&pool, &shared, batch);
                }
            });
        }
        let (mints, mint_queue) = sync_channel(QUEUE);
        let (pool, shared) = (pool.clone(), Arc::clone(shared));
        spawn("mints", move || {
            while let Some(batch) = take(&mint_queue) {
                serve_mints(&pool, &shared, batch);
            }
        });
        Self { lookups, mints }
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

/// Waits for one, then takes all that wait with it.
fn take<T>(queue: &Receiver<T>) -> Option<Vec<T>> {
    let mut batch = vec![queue.recv().ok()?];
    batch.extend(queue.try_iter().take(BATCH - 1));
    Some(batch)
}

fn lock_and_take<T>(queue: &Mutex<Receiver<T>>) -> Option<Vec<T>> {
    take(&*queue.lock().ok()?)
}

fn serve_lookups(pool: &PostgresPool, shared: &Shared, batch: Vec<Lookup>) {
    let found = pool.with(|connection| {
        let AnyConnection::Postgres(connection) = connection else {
            return Err(StoreError::Stopped);
        };
        let mut callers: Vec<&str> = batch.iter().map(|lookup| lookup.caller.as_str()).collect();
        callers.sort_unstable();
        callers.dedup();
        let callers = resource_servers_by_resource_ids(connection, &callers)?;
        let tokens: Vec<TokenId> = batch.iter().filter_map(|lookup| lookup.token).collect();
        let tokens = if tokens.is_empty() {
            HashMap::new()
        } else {
            token_chains(connection, &tokens)?
        };
        Ok((callers, tokens))
    });
    let now = shared.clock.now();
    for lookup in batch {
        let answer = found
            .as_ref()
            .map_err(StoreError::again)
            .map(|(callers, tokens)| IntrospectionFacts {
                caller: callers.get(&lookup.caller).cloned(),
                token: lookup.token.and_then(|id| tokens.get(&id).cloned()),
                now,
            });
        // A caller that went away does not want its answer any more.
        let _ = lookup.reply.send(answer);
    }
}

fn serve_mints(pool: &PostgresPool, shared: &Shared, batch: Vec<QueuedMint>) {
    let mints: Vec<&HintedMint> = batch.iter().map(|queued| &queued.mint).collect();
    let answers = pool.with(|connection| mint_batch(connection, shared, &mints));
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
        match &self.inner.backend {
            Backend::Sqlite { path, .. } => with_reader(path, |connection| {
                Ok(IntrospectionFacts {
                    caller: resource_server_by_resource_id(connection, caller)?,
                    token: token
                        .map(|id| token_chain(connection, id))
                        .transpose()?
                        .flatten(),
                    now: self.clock().now(),
                })
            }),
            Backend::Postgres { lanes, .. } => {
                let (reply, answer) = oneshot::channel();
                submit(
                    &lanes.lookups,
                    Lookup {
                        caller: caller.to_owned(),
                        token,
                        reply,
                    },
                )?;
                answer.await.map_err(|_| StoreError::Stopped)?
            }
        }
    }
}
