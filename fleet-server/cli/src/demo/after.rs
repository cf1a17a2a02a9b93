//! A program of somebody's own that looks at the fleet when the story is told.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::process::Command;

use crate::profile::Profile;

/// Finds the program before the story begins, which takes a minute.
///
/// # Errors
/// When there is no such file.
pub fn find(program: &Path) -> anyhow::Result<PathBuf> {
    program
        .canonicalize()
        .with_context(|| format!("there is no program {}; --then wants a path to one", program.display()))
}

/// Runs it to its end. It gets the server's address, its authority as a PEM file, and the administrator's token.
///
/// # Errors
/// When it cannot be started or does not exit with 0.
pub async fn run(program: &Path, profile: &Profile, dir: &Path) -> anyhow::Result<()> {
    let authority = dir.join("authority.pem");
    std::fs::write(&authority, pem(profile.authority.as_deref().unwrap_or_default())?)?;
    let status = Command::new(program)
        .env("DUNLIN_SERVER", &profile.server)
        .env("DUNLIN_TOKEN", &profile.token)
        .env("DUNLIN_CA", &authority)
        .kill_on_drop(true)
        .status()
        .await
        .with_context(|| format!("cannot start {}", program.display()))?;
    if !status.success() {
        bail!("{} was not content: it ended with {status}; what it says is above", program.display());
    }
    Ok(())
}

/// The PEM of a certificate in base64 (RFC 7468 section 5.1).
fn pem(certificate: &str) -> anyhow::Result<String> {
    let der = STANDARD.decode(certificate).context("the profile's certificate is not base64")?;
    let text = STANDARD.encode(der);
    // base64 is ASCII, so every cut is between characters.
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    Ok(format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(folder: &Path, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.join("look");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn profile() -> Profile {
        let (server, token) = ("https://localhost:1".to_owned(), "secret".to_owned());
        Profile { server, authority: Some(STANDARD.encode([7; 100])), token, owner_keys: None }
    }

    #[tokio::test]
    async fn the_program_is_told_where_the_server_is() {
        let folder = tempfile::tempdir().unwrap();
        let look = "#!/bin/sh\ntest \"$DUNLIN_SERVER $DUNLIN_TOKEN\" = 'https://localhost:1 secret' && \
                    grep -q 'BEGIN CERTIFICATE' \"$DUNLIN_CA\"\n";
        run(&script(folder.path(), look), &profile(), folder.path()).await.unwrap();
    }

    #[tokio::test]
    async fn the_demo_fails_when_the_program_does() {
        let folder = tempfile::tempdir().unwrap();
        let failed = run(&script(folder.path(), "#!/bin/sh\nexit 3\n"), &profile(), folder.path()).await;
        assert!(failed.unwrap_err().to_string().contains("was not content"));
    }

    #[test]
    fn a_program_that_is_missing_is_said_before_the_story() {
        assert!(find(Path::new("no-such-program")).unwrap_err().to_string().contains("no-such-program"));
    }
}
