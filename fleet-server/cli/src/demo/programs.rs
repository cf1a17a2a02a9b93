//! Dunlin's other programs as child processes. They end with the demo.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, bail};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, ChildStdin, Command},
};

/// Where the programs are and where they write their logs.
pub struct Programs {
    folder: PathBuf,
    logs: PathBuf,
}

/// A running program.
pub struct Running {
    /// What it is called in messages.
    pub name: &'static str,
    child: Child,
    stdin: Option<ChildStdin>,
    log: PathBuf,
}

impl Programs {
    /// The programs beside this one.
    pub fn beside_this(logs: &Path) -> anyhow::Result<Self> {
        let this = std::env::current_exe().context("cannot find this program's own file")?;
        let folder = this.parent().context("this program's file has no folder")?.to_owned();
        for program in ["dunlin-server", "dunlin-agent", "dunlin-sim"] {
            if !folder.join(program).exists() {
                bail!("{program} is not beside dunlin in {}; build all with `make demo`", folder.display());
            }
        }
        std::fs::create_dir_all(logs)?;
        Ok(Self { folder, logs: logs.to_owned() })
    }

    /// Runs a program to its end and returns what it printed.
    pub async fn output(&self, name: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(self.folder.join(name))
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("cannot start {name}"))?;
        if !output.status.success() {
            bail!(
                "{name} {} failed: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts a program that runs until it is dropped; what it prints goes to `logs/NAME.log`.
    pub fn start(&self, name: &'static str, arguments: &[&str]) -> anyhow::Result<Running> {
        let log = self.logs.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log)?;
        let mut child = Command::new(self.folder.join(name))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let stdin = child.stdin.take();
        Ok(Running { name, child, stdin, log })
    }
}

impl Running {
    /// Writes a line to the program's standard input.
    pub async fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        let stdin = self.stdin.as_mut().with_context(|| format!("{} takes no input", self.name))?;
        stdin.write_all(format!("{line}\n").as_bytes()).await?;
        stdin.flush().await.with_context(|| format!("{} does not listen any more", self.name))
    }

    /// An error if the program has ended, with the last lines that it wrote.
    pub fn check(&mut self) -> anyhow::Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(5)..].join("\n  ");
        bail!("{} ended with {status}; the end of {}:\n  {tail}", self.name, self.log.display())
    }
}
