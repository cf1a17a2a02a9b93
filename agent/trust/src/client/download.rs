//! Downloads a target to disk: resumed, bounded, verified, durable.

use std::path::Path;

use reqwest::StatusCode;
use reqwest::header::CONTENT_RANGE;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::{Client, TargetInfo};
use crate::disk;
use crate::error::{Error, Result};
use crate::fetch::Meter;
use crate::transport::{Transport, broken};

impl Client {
    /// Where targets come from. It stands alone, so that a download holds up no refresh.
    #[must_use]
    pub fn source(&self) -> Source {
        Source { transport: self.transport.clone() }
    }

    /// Downloads `target`, see [`Source::download`].
    ///
    /// # Errors
    /// As [`Source::download`].
    pub async fn download(&self, target: &TargetInfo, dest: &Path, progress: impl FnMut(u64)) -> Result<()> {
        self.source().download(target, dest, progress).await
    }
}

/// Where targets come from.
#[derive(Clone, Debug)]
pub struct Source {
    transport: Transport,
}

impl Source {
    /// Downloads `target` to `dest`. What came before a break is kept in `dest.part` and not fetched again;
    /// `progress` hears the number of bytes that are there. A `dest` that is right already is left alone. Only
    /// verified, flushed bytes ever stand under the name `dest`.
    ///
    /// # Errors
    /// [`Error::Network`] (the part is kept), [`Error::Mismatch`] and [`Error::TooLarge`] (the part is removed),
    /// [`Error::NotFound`], [`Error::Disk`].
    pub async fn download(
        &self,
        target: &TargetInfo,
        dest: &Path,
        mut progress: impl FnMut(u64),
    ) -> Result<()> {
        if is_whole(target, dest).await? {
            progress(target.length());
            return Ok(());
        }
        if let Some(folder) = dest.parent().filter(|p| !p.as_os_str().is_empty()) {
            disk::make_folder(folder)?;
        }
        let part = disk::beside(dest, ".part");
        let resumed = part_length(&part).await? > 0;
        let outcome = self.fill(target, &part, &mut progress).await;
        // A part left by an older target of this name looks like a mismatch: begin once more from nothing.
        let outcome = match outcome {
            Err(Error::Mismatch { .. } | Error::TooLarge { .. }) if resumed => {
                disk::remove_durable(&part)?;
                self.fill(target, &part, &mut progress).await
            }
            other => other,
        };
        match outcome {
            Ok(()) => disk::rename_durable(&part, dest),
            Err(e @ (Error::Mismatch { .. } | Error::TooLarge { .. })) => {
                disk::remove_durable(&part)?;
                Err(e)
            }
            Err(e) => Err(e),
        }
    }

    /// Completes `part`, verifies and flushes it.
    async fn fill(&self, target: &TargetInfo, part: &Path, progress: &mut impl FnMut(u64)) -> Result<()> {
        let mut meter = Meter::new(target.name(), target.length());
        if part_length(part).await? > 0 {
            measure(part, &mut meter).await?;
        }
        let file = if meter.seen() < target.length() {
            self.fetch_rest(target, part, &mut meter, progress).await?
        } else {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(part)
                .await
                .map_err(|e| Error::disk("open", part, e))?
        };
        check(target, meter)?;
        file.sync_all().await.map_err(|e| Error::disk("flush", part, e))
    }

    /// Streams what is missing behind what `meter` has seen.
    async fn fetch_rest(
        &self,
        target: &TargetInfo,
        part: &Path,
        meter: &mut Meter,
        progress: &mut impl FnMut(u64),
    ) -> Result<File> {
        let name = target.name();
        let patience = &self.transport.patience;
        let allowed = (target.length() - meter.seen()) / patience.min_bytes_per_second.max(1);
        let deadline = Instant::now() + patience.stall + std::time::Duration::from_secs(allowed);
        let mut response = self.transport.target(target.remote(), meter.seen()).await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if starts_at(&response, meter.seen()) => {}
            StatusCode::OK => *meter = Meter::new(name, target.length()),
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                return Err(mismatch(target, "the server cannot continue where the part ends"));
            }
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => {
                return Err(Error::NotFound {
                    what: format!("target {name:?}"),
                    reason: format!("it is signed, but the server has no file {}", target.remote()),
                });
            }
            status => return Err(broken(name, format!("the server answered {status}"))),
        }
        let fresh = meter.seen() == 0;
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(fresh)
            .append(!fresh)
            .open(part)
            .await
            .map_err(|e| Error::disk("open", part, e))?;
        progress(meter.seen());
        loop {
            let piece = timeout_at(deadline, self.transport.next_piece(name, &mut response)).await;
            let piece = match piece {
                Ok(Ok(piece)) => piece,
                Ok(Err(e)) => return flushed(&mut file, part, e).await,
                Err(_) => return flushed(&mut file, part, broken(name, "the download is too slow")).await,
            };
            let Some(piece) = piece else { break };
            meter.take(&piece)?;
            file.write_all(&piece).await.map_err(|e| Error::disk("write", part, e))?;
            progress(meter.seen());
        }
        if meter.seen() < target.length() {
            let reason = format!("the server stopped after {} of {} bytes", meter.seen(), target.length());
            return flushed(&mut file, part, broken(name, reason)).await;
        }
        file.flush().await.map_err(|e| Error::disk("write", part, e))?;
        Ok(file)
    }
}

/// Hands on `error` after what came is written out, so that the next attempt resumes there.
async fn flushed(file: &mut File, part: &Path, error: Error) -> Result<File> {
    file.flush().await.map_err(|e| Error::disk("write", part, e))?;
    Err(error)
}

/// Whether `dest` holds the target already.
async fn is_whole(target: &TargetInfo, dest: &Path) -> Result<bool> {
    match tokio::fs::metadata(dest).await {
        Ok(meta) if meta.is_file() && meta.len() == target.length() => {}
        _ => return Ok(false),
    }
    let mut meter = Meter::new(target.name(), target.length());
    measure(dest, &mut meter).await?;
    Ok(check(target, meter).is_ok())
}

async fn part_length(part: &Path) -> Result<u64> {
    match tokio::fs::metadata(part).await {
        Ok(meta) => Ok(meta.len()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(e) => Err(Error::disk("look at", part, e)),
    }
}

/// Runs a file through `meter`.
async fn measure(path: &Path, meter: &mut Meter) -> Result<()> {
    let mut file = File::open(path).await.map_err(|e| Error::disk("open", path, e))?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer).await.map_err(|e| Error::disk("read", path, e))? {
            0 => return Ok(()),
            length => meter.take(&buffer[..length])?,
        }
    }
}

/// Length and every hash that was signed.
fn check(target: &TargetInfo, meter: Meter) -> Result<()> {
    let seen = meter.seen();
    let (sha256, sha512) = meter.finish();
    if seen != target.length() {
        return Err(mismatch(target, format!("{seen} bytes instead of {}", target.length())));
    }
    if sha256 != target.sha256() {
        return Err(mismatch(target, format!("SHA-256 is {sha256} instead of {}", target.sha256())));
    }
    if target.sha512().is_some_and(|expected| expected != sha512) {
        return Err(mismatch(target, "SHA-512 differs"));
    }
    Ok(())
}

/// Whether a partial answer continues at byte `from` (RFC 9110 section 14.4).
fn starts_at(response: &reqwest::Response, from: u64) -> bool {
    response
        .headers()
        .get(CONTENT_RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.strip_prefix("bytes ")?.split('-').next()?.parse::<u64>().ok())
        == Some(from)
}

fn mismatch(target: &TargetInfo, reason: impl Into<String>) -> Error {
    Error::Mismatch { what: format!("target {:?}", target.name()), reason: reason.into() }
}
