//! SQLite's one writer, and the readers beside it.
//!
//! Jobs from all workers queue up for one thread. It opens a transaction, runs every job that is waiting under `catch_unwind`, commits
//! once, and only then answers: one sync for the whole group. If a job fails, the group is rolled back and run again with each job
//! in a savepoint, so that only the failing one leaves nothing. If the commit fails, every job of the group is told so and the
//! connection is opened anew.
//!
//! Another process (the command line) may write the same file. It announces itself by a lock on a side file, to which the
//! writer yields between two groups, so that neither starves the other.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use tokio::sync::oneshot;

use crate::AnyConnection;
use crate::audit::chain::Writing;
use crate::connection::{SqliteUse, open_sqlite};
use crate::context::{Shared, Write};
use crate::error::StoreError;

/// Jobs that may wait; one more is answered 503.
const QUEUE: usize = 4_096;
/// Jobs in one commit, at the most.
const GROUP: usize = 256;

pub(crate) struct SqliteWriter {
    jobs: SyncSender<Box<dyn Job>>,
}

type Answer<T, R> = Result<Result<T, R>, StoreError>;

/// A queued transition. It may run twice; its last answer leaves after the commit.
trait Job: Send {
    /// Returns whether its changes stay.
    fn run(&mut self, write: &mut Write<'_>) -> bool;
    fn panicked(&mut self);
    /// The group was committed (`Ok`) or not.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct QueuedJob<F, T, R> {
    job: F,
    /// Nothing of it stays, whatever it answers.
    rehearsal: bool,
    answer: Option<Answer<T, R>>,
    reply: oneshot::Sender<Answer<T, R>>,
}

impl<F, T, R> Job for QueuedJob<F, T, R>
where
    F: Fn(&mut Write<'_>) -> Answer<T, R> + Send,
    T: Send,
    R: Send,
{
    fn run(&mut self, write: &mut Write<'_>) -> bool {
        let answer = (self.job)(write);
        let stays = answer.is_ok() && !self.rehearsal;
        self.answer = Some(answer);
        stays
    }

    fn panicked(&mut self) {
        self.answer = Some(Err(StoreError::Panicked));
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let own = self.answer.unwrap_or(Err(StoreError::Stopped));
        // A caller that went away does not want its answer any more.
        let _ = self.reply.send(committed.and(own));
    }
}

impl SqliteWriter {
    pub(crate) fn start(path: &Path, shared: Arc<Shared>) -> Result<Self, StoreError> {
        let (jobs, queue) = sync_channel(QUEUE);
        let mut writer = WriterThread::open(path, shared)?;
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || writer.serve(&queue))
            .map_err(|error| StoreError::Connect(Box::new(error)))?;
        Ok(Self { jobs })
    }

    pub(crate) fn submit<T, R, F>(
        &self,
        job: F,
    ) -> Result<oneshot::Receiver<Answer<T, R>>, StoreError>
    where
        T: Send + 'static,
        R: Send + 'static,
        F: Fn(&mut Write<'_>) -> Answer<T, R> + Send + 'static,
    {
        self.queue(job, false)
    }

    /// The same for a job whose changes are taken back before the commit.
    pub(crate) fn submit_rehearsal<T, R, F>(
        &self,
        job: F,
    ) -> Result<oneshot::Receiver<Answer<T, R>>, StoreError>
    where
        T: Send + 'static,
        R: Send + 'static,
        F: Fn(&mut Write<'_>) -> Answer<T, R> + Send + 'static,
    {
        self.queue(job, true)
    }

    fn queue<T, R, F>(
        &self,
        job: F,
        rehearsal: bool,
    ) -> Result<oneshot::Receiver<Answer<T, R>>, StoreError>
    where
        T: Send + 'static,
        R: Send + 'static,
        F: Fn(&mut Write<'_>) -> Answer<T, R> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        match self.jobs.try_send(Box::new(QueuedJob {
            job,
            rehearsal,
            answer: None,
            reply,
        })) {
            Ok(()) => Ok(answer),
            Err(TrySendError::Full(_)) => Err(StoreError::Overloaded),
            Err(TrySendError::Disconnected(_)) => Err(StoreError::Stopped),
        }
    }
}

struct WriterThread {
    path: PathBuf,
    shared: Arc<Shared>,
    writing: Option<Writing>,
    turn: Turn,
}

impl WriterThread {
    fn open(path: &Path, shared: Arc<Shared>) -> Result<Self, StoreError> {
        Ok(Self {
            path: path.to_owned(),
            shared,
            writing: Some(open_writing(path)?),
            turn: Turn::beside(path)?,
        })
    }

    /// Until every sender is gone.
    fn serve(&mut self, queue: &Receiver<Box<dyn Job>>) {
        while let Ok(first) = queue.recv() {
            let mut group = vec![first];
            #[cfg(feature = "seeded-faults")]
            if crate::faults::is(crate::faults::Fault::AcknowledgeBeforeCommit) {
                self.serve_hastily(group);
                continue;
            }
            let committed = self.run_group(&mut group, queue);
            if committed.is_err() {
                // Its chain of the audit trail goes with it: whether the last link was committed is not known.
                self.writing = None;
            }
            for job in group {
                job.answer(committed.as_ref().copied().map_err(StoreError::again));
            }
        }
    }

    /// The seeded fault: answers, and commits some time later.
    #[cfg(feature = "seeded-faults")]
    fn serve_hastily(&mut self, mut group: Vec<Box<dyn Job>>) {
        let (Ok(_turn), Some(writing)) = (self.turn.take(), &mut self.writing) else {
            return;
        };
        let begun = writing.begin("BEGIN IMMEDIATE");
        for job in &mut group {
            let _ = run_apart(writing, &self.shared, job);
        }
        for job in group {
            job.answer(begun.as_ref().map(|()| ()).map_err(|_| StoreError::Stopped));
        }
        let _ = std::sync::mpsc::channel::<()>()
            .1
            .recv_timeout(std::time::Duration::from_millis(10));
        let _ = writing.commit(&self.shared);
    }

    fn run_group(
        &mut self,
        group: &mut Vec<Box<dyn Job>>,
        queue: &Receiver<Box<dyn Job>>,
    ) -> Result<(), StoreError> {
        let _turn = self.turn.take()?;
        let writing = match &mut self.writing {
            Some(writing) => writing,
            lost => lost.insert(open_writing(&self.path)?),
        };
        writing.begin("BEGIN IMMEDIATE")?;
        if !run_together(writing, &self.shared, group, queue) {
            writing.begin("ROLLBACK; BEGIN IMMEDIATE")?;
            for job in group {
                run_apart(writing, &self.shared, job)?;
            }
        }
        writing.commit(&self.shared)
    }
}

fn open_writing(path: &Path) -> Result<Writing, StoreError> {
    let connection = open_sqlite(path, SqliteUse::Write)?;
    Ok(Writing::new(AnyConnection::Sqlite(connection)))
}

/// Runs the group, and whatever comes in the meantime. False when a job failed.
fn run_together(
    writing: &mut Writing,
    shared: &Shared,
    group: &mut Vec<Box<dyn Job>>,
    queue: &Receiver<Box<dyn Job>>,
) -> bool {
    let mut next = 0;
    while next < group.len() {
        if !stays(writing, shared, &mut group[next]) {
            return false;
        }
        next += 1;
        if next == group.len() && next < GROUP {
            group.extend(queue.try_recv());
        }
    }
    true
}

fn run_apart(
    writing: &mut Writing,
    shared: &Shared,
    job: &mut Box<dyn Job>,
) -> Result<(), StoreError> {
    writing.connection.batch("SAVEPOINT job")?;
    let before = writing.trail.mark();
    if !stays(writing, shared, job) {
        writing.connection.batch("ROLLBACK TO job")?;
        writing.trail.back_to(before);
    }
    writing.connection.batch("RELEASE job")?;
    Ok(())
}

/// Runs one job. Whether its changes stay.
fn stays(writing: &mut Writing, shared: &Shared, job: &mut Box<dyn Job>) -> bool {
    catch_unwind(AssertUnwindSafe(|| {
        job.run(&mut Write::new(writing, shared))
    }))
    .unwrap_or_else(|panic| {
        report_panic(panic.as_ref());
        job.panicked();
        false
    })
}

fn report_panic(panic: &(dyn Any + Send)) {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .unwrap_or("no message");
    tracing::error!(panic = text, "a write job panicked");
}

/// The lock on the side file that lets two processes take turns.
struct Turn {
    file: File,
}

/// Held while a group is written.
struct TurnGuard<'t>(&'t File);

impl Turn {
    fn beside(database: &Path) -> Result<Self, StoreError> {
        let mut path = database.as_os_str().to_owned();
        path.push("-turn");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(PathBuf::from(path))
            .map_err(|error| StoreError::Connect(Box::new(error)))?;
        Ok(Self { file })
    }

    fn take(&self) -> Result<TurnGuard<'_>, StoreError> {
        self.file
            .lock()
            .map_err(|error| StoreError::Connect(Box::new(error)))?;
        Ok(TurnGuard(&self.file))
    }
}

impl Drop for TurnGuard<'_> {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

thread_local! {
    static READERS: RefCell<HashMap<PathBuf, AnyConnection>> = RefCell::new(HashMap::new());
}

/// Runs `job` on this thread's own reading connection.
pub(crate) fn with_reader<T>(
    path: &Path,
    job: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    READERS.with_borrow_mut(|readers| {
        if !readers.contains_key(path) {
            let connection = AnyConnection::Sqlite(open_sqlite(path, SqliteUse::Read)?);
            readers.insert(path.to_owned(), connection);
        }
        let Some(connection) = readers.get_mut(path) else {
            return Err(StoreError::Stopped);
        };
        let answer = job(connection);
        if matches!(&answer, Err(StoreError::Database(_))) {
            readers.remove(path);
        }
        answer
    })
}
