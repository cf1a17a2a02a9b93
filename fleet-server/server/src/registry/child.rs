//! Running a program that handles hostile bytes: bounded in time, memory and what it may say.

use std::{ffi::OsString, path::Path, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
};

/// Most bytes of standard output that are kept; more is an error.
const MAX_OUTPUT: u64 = 4 << 20;
/// Most bytes of standard error that are kept; more is cut.
const MAX_ERRORS: u64 = 16 << 10;

/// What a child may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// It is killed after this time.
    pub time: Duration,
    /// Address space in bytes.
    pub memory_bytes: u64,
}

/// What a child said.
#[derive(Debug)]
pub struct Said {
    /// Whether it exited with 0.
    pub success: bool,
    /// Its standard output.
    pub output: Vec<u8>,
    /// The beginning of its standard error.
    pub errors: String,
    /// Exit status in words.
    pub status: String,
}

/// Why a child gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It did not start or could not be read.
    #[error("it did not start: {0}")]
    Start(#[from] std::io::Error),
    /// It took too long and was killed.
    #[error("it was killed after {} seconds", .0.as_secs())]
    Time(Duration),
    /// It said more than is read.
    #[error("it printed more than {MAX_OUTPUT} bytes")]
    Talkative,
}

/// Files that a child may have open.
const FILES: u32 = 64;

/// Runs `program` without this server's environment, which may hold secrets. Limits are set by a shell's `ulimit`,
/// which the program inherits; the shell is replaced by the program, so that killing it leaves nothing behind.
///
/// # Errors
/// [`ChildError`]; an exit code other than 0 is none.
pub async fn run(program: &Path, arguments: Vec<OsString>, limits: Limits) -> Result<Said, ChildError> {
    let kilobytes = limits.memory_bytes / 1024;
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(format!("ulimit -v {kilobytes} && ulimit -n {FILES} && exec \"$0\" \"$@\""))
        .arg(program)
        .args(arguments)
        .env_clear()
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let work = async {
        let (output, errors, status) =
            tokio::join!(read(output, MAX_OUTPUT + 1), read(errors, MAX_ERRORS), child.wait());
        let status = status?;
        Ok::<_, ChildError>(Said {
            success: status.success(),
            output: output?,
            errors: String::from_utf8_lossy(&errors?).trim().to_owned(),
            status: status.to_string(),
        })
    };
    let said = tokio::time::timeout(limits.time, work).await.map_err(|_| ChildError::Time(limits.time))??;
    if said.output.len() as u64 > MAX_OUTPUT {
        return Err(ChildError::Talkative);
    }
    Ok(said)
}

/// Keeps the first `limit` bytes and lets the rest pass, so that the child is never stuck on a full pipe.
async fn read(pipe: Option<impl AsyncRead + Unpin>, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    if let Some(pipe) = pipe {
        let mut bounded = pipe.take(limit);
        bounded.read_to_end(&mut kept).await?;
        tokio::io::copy(&mut bounded.into_inner(), &mut tokio::io::sink()).await?;
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(seconds: u64) -> Limits {
        Limits { time: Duration::from_secs(seconds), memory_bytes: 512 << 20 }
    }

    async fn shell(script: &str, limits: Limits) -> Result<Said, ChildError> {
        run(Path::new("/bin/sh"), vec!["-c".into(), script.into()], limits).await
    }

    #[tokio::test]
    async fn a_child_that_hangs_is_killed_at_its_limit() {
        let limits = Limits { time: Duration::from_millis(300), ..limits(1) };
        assert!(matches!(shell("sleep 60", limits).await, Err(ChildError::Time(_))));
    }

    #[tokio::test]
    async fn a_child_inherits_its_memory_limit() {
        let said = shell("ulimit -v", limits(20)).await.unwrap();
        assert_eq!(String::from_utf8(said.output).unwrap().trim(), (512 * 1024).to_string());
    }

    #[tokio::test]
    async fn a_child_knows_nothing_of_this_programs_environment_and_opens_few_files() {
        let said = shell("echo \"$CARGO_MANIFEST_DIR$HOME\"; ulimit -n", limits(20)).await.unwrap();
        assert_eq!(String::from_utf8(said.output).unwrap(), format!("\n{FILES}\n"));
    }

    #[tokio::test]
    async fn a_child_that_floods_its_output_is_refused_without_being_kept_in_memory() {
        let found = shell("head -c 9000000 /dev/zero", limits(20)).await;
        assert!(matches!(found, Err(ChildError::Talkative)), "{found:?}");
    }

    #[tokio::test]
    async fn a_failing_child_gives_its_reason() {
        let said = shell("echo broken graph >&2; exit 1", limits(20)).await.unwrap();
        assert!(!said.success);
        assert_eq!(said.errors, "broken graph");
    }
}
