//! Whoever reads the other end of a pipe may have enough.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::process::{Command, Stdio};

#[test]
fn a_pipe_that_closes_early_is_no_error() {
    let mut dunlin = Command::new(env!("CARGO_BIN_EXE_dunlin"));
    dunlin.args(["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = dunlin.spawn().unwrap();
    drop(running.stdout.take());
    let ended = running.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && said.is_empty(), "{}: {said}", ended.status);
}
