//! The one thread that writes. Jobs that wait together share a transaction: one fsync for all of them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::StoreError;

/// Jobs that may wait before `write` makes its caller wait.
const QUEUE: usize = 1024;
/// Most jobs in one transaction, so that the first of them does not wait for ever.
const GROUP: usize = 512;

/// Tells a job's caller how the commit went.
type Finish = Box<dyn FnOnce(Result<(), Failure>) + Send>;
/// Does a job in a transaction. Without one there is none, and the commit fails.
type Job = Box<dyn FnOnce(Option<&Transaction<'_>>) -> Finish + Send>;

/// Why a transaction did not begin or end.
#[derive(Clone)]
enum Failure {
    Locked,
    Other(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Failure::Locked,
            _ => Failure::Other(error.to_string()),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Locked => StoreError::Locked,
            Failure::Other(reason) => StoreError::Commit(reason),
        }
    }
}

/// The way to the writing thread.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

impl Writer {
    /// Starts the thread. It ends when the handle is dropped and the queue is empty.
    pub(super) fn start(connection: Connection) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        thread::spawn(move || run(connection, queue));
        Self { jobs }
    }

    pub(super) async fn write<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (done, answer) = oneshot::channel();
        let boxed: Job = Box::new(move |tx| {
            let outcome = tx.map_or(Err(StoreError::Closed), |tx| attempt(tx, job));
            Box::new(move |commit| {
                let result = commit.map_err(StoreError::from).and(outcome);
                // The caller may have gone; the row is written all the same.
                drop(done.send(result));
            })
        });
        self.jobs.send(boxed).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

/// Runs one job behind a savepoint, so that its failure is its own.
fn attempt<T>(
    tx: &Transaction<'_>,
    job: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> Result<T, StoreError> {
    tx.execute_batch("SAVEPOINT job")?;
    match catch_unwind(AssertUnwindSafe(|| job(tx))) {
        Ok(Ok(value)) => {
            tx.execute_batch("RELEASE job")?;
            Ok(value)
        }
        failed => {
            tx.execute_batch("ROLLBACK TO job; RELEASE job")?;
            match failed {
                Ok(Err(error)) => Err(error.into()),
                _ => Err(StoreError::Closed),
            }
        }
    }
}

fn run(mut connection: Connection, mut queue: mpsc::Receiver<Job>) {
    while let Some(first) = queue.blocking_recv() {
        let tx = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
            Ok(tx) => tx,
            Err(error) => {
                tracing::error!(%error, "the database cannot begin a transaction");
                let failure = Failure::from(error);
                // Who waits behind would only wait as long again.
                let behind = std::iter::from_fn(|| queue.try_recv().ok());
                std::iter::once(first).chain(behind).for_each(|job| job(None)(Err(failure.clone())));
                continue;
            }
        };
        let mut finishes = vec![first(Some(&tx))];
        while finishes.len() < GROUP {
            match queue.try_recv() {
                Ok(job) => finishes.push(job(Some(&tx))),
                Err(_) => break,
            }
        }
        let commit = tx.commit().map_err(Failure::from);
        finishes.into_iter().for_each(|finish| finish(commit.clone()));
    }
}
