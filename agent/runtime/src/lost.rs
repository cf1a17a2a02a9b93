//! Threads that may be lost: how a program that aborts on a panic survives one.
//!
//! A panic's hook runs before the program aborts, and nothing says that it must return. Here it tells whoever waits for
//! the work that it failed, and then sleeps for ever: its thread is lost with what it held, a few hundred kilobytes,
//! and everybody else goes on. A new thread takes its place. After [`MOST_LOST`] of them the program ends, to be
//! started anew by its service manager.
//!
//! Work on such a thread must hold no lock that others wait for.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;

/// Threads that one program may lose.
const MOST_LOST: usize = 64;

/// Stack of a thread, as of a program's first: optimising a deep graph recurses. Only what is touched is resident.
const STACK_BYTES: usize = 8 << 20;

/// Does the work; what it returns hands the outcome over, once the thread is free for others again.
type Job = Box<dyn FnOnce() -> Box<dyn FnOnce()> + Send>;

/// Hears why the work failed.
type Will = Box<dyn FnOnce(String)>;

thread_local! {
    static WILL: RefCell<Option<Will>> = const { RefCell::new(None) };
}

/// Threads without work.
static IDLE: Mutex<Vec<Sender<Job>>> = Mutex::new(Vec::new());

/// As many threads may wait for work as there are processors. Asked for once: that reads three files.
static CORES: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, usize::from));

static LOST: AtomicUsize = AtomicUsize::new(0);

/// Runs `work` on a thread that may be lost and waits for it; what it panicked with where it did. Needs the hook of
/// [`crate::guard`].
pub(crate) fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let (answer, answered) = sync_channel(1);
    let failed = answer.clone();
    // Sending fails only where nobody waits any more.
    let will: Box<dyn FnOnce(String) + Send> = Box::new(move |reason| drop(failed.send(Err(reason))));
    let job: Job = Box::new(move || {
        WILL.set(Some(will));
        let outcome = work();
        WILL.set(None);
        Box::new(move || drop(answer.send(Ok(outcome))))
    });
    let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let rejected = match idle {
        Some(thread) => thread.send(job).err().map(|rejected| rejected.0),
        None => Some(job),
    };
    if let Some(job) = rejected {
        start(job).map_err(|error| format!("no thread for it: {error}"))?;
    }
    answered.recv().unwrap_or_else(|_| Err("its thread ended".into()))
}

fn start(first: Job) -> std::io::Result<()> {
    let (sender, jobs) = channel();
    // The channel holds the first job until the thread takes it.
    drop(sender.send(first));
    let work = move || {
        for job in jobs {
            let deliver = job();
            let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
            let enough = idle.len() >= *CORES;
            if !enough {
                idle.push(sender.clone());
            }
            drop(idle);
            deliver();
            if enough {
                return;
            }
        }
    };
    thread::Builder::new().name("engine".into()).stack_size(STACK_BYTES).spawn(work).map(drop)
}

/// Called by the hook of a panic. Where this thread does work that may be lost, it does not return; no hook can be set
/// from then on.
pub(crate) fn give_up(reason: impl FnOnce() -> String) {
    let Ok(Some(will)) = WILL.try_with(|will| will.try_borrow_mut().ok()?.take()) else { return };
    if LOST.fetch_add(1, Ordering::Relaxed) >= MOST_LOST {
        return;
    }
    will(reason());
    loop {
        thread::park();
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::guard::hook;

    /// A lost thread sleeps in the panic's hook, which the test harness wants to change at its end: so these tests
    /// run in a process of their own, that ends without it.
    fn alone(name: &str, test: impl FnOnce() + std::panic::UnwindSafe) {
        const CHILD: &str = "DUNLIN_TEST_ALONE";
        if std::env::var_os(CHILD).is_some() {
            hook();
            std::process::exit(i32::from(std::panic::catch_unwind(test).is_err()));
        }
        let name = format!("lost::tests::{name}");
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &name, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    }

    #[test]
    fn a_panic_is_told_and_the_next_work_finds_a_thread() {
        alone("a_panic_is_told_and_the_next_work_finds_a_thread", || {
            for round in 0..5 {
                let failed = run(move || -> u32 { panic!("round {round}") });
                assert_eq!(failed, Err(format!("round {round}")));
                assert_eq!(run(move || round * 2), Ok(round * 2));
            }
        });
    }

    #[test]
    fn many_callers_at_once_each_get_their_own_answer() {
        let ask = |caller: u32| move || (0..200).all(|i| run(move || caller * i) == Ok(caller * i));
        let callers: Vec<_> = (0..16).map(|caller| thread::spawn(ask(caller))).collect();
        for caller in callers {
            assert!(caller.join().unwrap());
        }
        assert!(IDLE.lock().unwrap().len() <= *CORES);
    }
}
