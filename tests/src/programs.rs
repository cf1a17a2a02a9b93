//! Programs as child processes, and waiting for what they do.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use crate::program;

/// A running program. It is killed when this is dropped.
pub struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts a program of this workspace; what it prints is added to the file `log`.
    ///
    /// # Panics
    /// When it is not built or cannot be started.
    pub fn start(name: &str, arguments: &[&str], log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log);
        let file = file.unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        let twin = file.try_clone().unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        let mut command = Command::new(program(name).unwrap_or_else(|error| panic!("{error}")));
        let command = command.args(arguments).stdin(Stdio::null()).stdout(file).stderr(twin);
        let child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self { child, log: log.to_owned() }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a power cut would: SIGKILL, at once.
    pub fn kill(&mut self) {
        // Both fail only when it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }

    /// What it printed, for messages of failing tests.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// An error with what it printed when it has ended by itself.
    pub fn check(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            ended => Err(format!("it ended ({ended:?}) after it printed:\n{}", self.log())),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a program of this workspace to its end.
///
/// # Panics
/// When it is not built or cannot be started.
pub fn output(name: &str, arguments: &[&str], environment: &[(&str, &Path)]) -> Output {
    let mut command = Command::new(program(name).unwrap_or_else(|error| panic!("{error}")));
    let command = command.args(arguments).envs(environment.iter().copied()).stdin(Stdio::null());
    command.output().unwrap_or_else(|error| panic!("{name} does not start: {error}"))
}

/// Looks again until it is so. `look` says what it saw instead.
///
/// # Panics
/// When it is not so within `limit`; the message has what was seen last.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match look() {
            Ok(value) => return value,
            Err(seen) if Instant::now() > deadline => panic!("waited {limit:?} until {what}; saw {seen}"),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
