//! The one thread that writes. Jobs that wait together share a transaction: one fsync for all of them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::StoreError;

/// Jobs that may wait before `write` makes its caller wait.
const QUEUE: usize = 1024;
/// Most jobs in one transaction, so that the first of them does not wait for ever.
const GROUP: usize = 512;

/// Tells a job's caller how the commit went.
type Finish = Box<dyn FnOnce(Result<(), String>) + Send>;
type Job = Box<dyn FnOnce(&Transaction<'_>) -> Finish + Send>;

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
            let outcome = attempt(tx, job);
            Box::new(move |commit| {
                let result = match (outcome, commit) {
                    (Ok(value), Ok(())) => Ok(value),
                    (Ok(_), Err(reason)) => Err(StoreError::Commit(reason)),
                    (Err(error), _) => Err(error),
                };
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
                // Dropping the job tells its caller that the store is closed for it.
                continue;
            }
        };
        let mut finishes = vec![first(&tx)];
        while finishes.len() < GROUP {
            match queue.try_recv() {
                Ok(job) => finishes.push(job(&tx)),
                Err(_) => break,
            }
        }
        let commit = tx.commit().map_err(|error| error.to_string());
        finishes.into_iter().for_each(|finish| finish(commit.clone()));
    }
}
