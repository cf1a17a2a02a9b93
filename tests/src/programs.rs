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
        Self::spawn(command(name), arguments, log)
    }

    /// Starts the agent of a board: see [`board_output`].
    ///
    /// # Panics
    /// When it is not built or cannot be started.
    pub fn start_board(arguments: &[&str], log: &Path) -> Self {
        Self::spawn(board(), arguments, log)
    }

    fn spawn(mut command: Command, arguments: &[&str], log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log);
        let file = file.unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        let twin = file.try_clone().unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        let command = command.args(arguments).stdin(Stdio::null()).stdout(file).stderr(twin);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
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
    finish(command(name).args(arguments).envs(environment.iter().copied()))
}

/// Runs the agent of a board to its end: the words of `DUNLIN_BOARD_AGENT`, an emulator and a program built for
/// another processor. Where that is not set a board is this machine.
///
/// # Panics
/// When it cannot be started.
pub fn board_output(arguments: &[&str]) -> Output {
    finish(board().args(arguments))
}

fn finish(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("{command:?} does not start: {error}"))
}

fn command(name: &str) -> Command {
    Command::new(program(name).unwrap_or_else(|error| panic!("{error}")))
}

fn board() -> Command {
    let Ok(words) = std::env::var("DUNLIN_BOARD_AGENT") else { return command("dunlin-agent") };
    let mut words = words.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command
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
