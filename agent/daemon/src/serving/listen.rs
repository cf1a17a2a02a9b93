//! The socket of the local API.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use axum::Router;
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

use super::capped::Capped;

/// A bound socket.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket, which is removed at the end.
    Unix(UnixListener, PathBuf),
}

/// Binds what the configuration says; `None` for `off`.
pub async fn bind(listen: &str) -> anyhow::Result<Option<Listener>> {
    if listen == "off" {
        return Ok(None);
    }
    if let Some(path) = listen.strip_prefix("unix:") {
        let path = PathBuf::from(path);
        if tokio::net::UnixStream::connect(&path).await.is_ok() {
            bail!("{} is answered by another agent; stop it or set serving.listen", path.display());
        }
        if path.exists() {
            std::fs::remove_file(&path)
                .with_context(|| format!("cannot remove the old {}", path.display()))?;
        }
        let listener = UnixListener::bind(&path)
            .with_context(|| format!("cannot listen on {}; set serving.listen", path.display()))?;
        return Ok(Some(Listener::Unix(listener, path)));
    }
    match TcpListener::bind(listen).await {
        Ok(listener) => Ok(Some(Listener::Tcp(listener))),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let port = listen.rsplit(':').next().unwrap_or(listen);
            bail!(
                "port {port} ({listen}) is in use by another program; stop that one, or set serving.listen to another"
            )
        }
        Err(error) => Err(error).with_context(|| {
            format!("cannot listen on {listen}; set serving.listen to ADDRESS:PORT, unix:PATH or off")
        }),
    }
}

impl Listener {
    /// The address, as people would type it.
    pub fn address(&self) -> String {
        match self {
            Listener::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|error| error.to_string(), |address| format!("http://{address}")),
            Listener::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }

    /// Serves until `stop`, and lets open requests end.
    pub async fn serve(self, router: Router, stop: CancellationToken) -> anyhow::Result<()> {
        let stopped = stop.cancelled_owned();
        match self {
            Listener::Tcp(listener) => {
                axum::serve(Capped::new(listener), router).with_graceful_shutdown(stopped).await?;
            }
            Listener::Unix(listener, path) => {
                axum::serve(Capped::new(listener), router).with_graceful_shutdown(stopped).await?;
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_named_with_a_way_out() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let error = bind(&address).await.unwrap_err().to_string();
        assert!(error.contains(&address) && error.contains("serving.listen"), "{error}");
    }
}
