//! The socket of the local API.
//!
//! A device has few connections to spare: their number is bounded, and one that does not send its request ends.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use axum::Router;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Connections at the same time; more wait to be accepted.
const CONNECTIONS: usize = 256;
/// Longest that the head of a request may take to arrive, and that a connection may stay without one.
const HEAD: Duration = Duration::from_secs(60);
/// Pause after a connection could not be accepted, most likely for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

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
        self.serve_within(router, stop, Limits { connections: CONNECTIONS, head: HEAD }).await
    }

    async fn serve_within(
        self,
        router: Router,
        stop: CancellationToken,
        limits: Limits,
    ) -> anyhow::Result<()> {
        let (places, tasks) = (Arc::new(Semaphore::new(limits.connections)), TaskTracker::new());
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.accept(&places) => accepted,
            };
            let (router, stop) = (router.clone(), stop.clone());
            match accepted {
                Ok((Stream::Tcp(stream), place)) => {
                    tasks.spawn(requests(stream, place, router, stop, limits.head));
                }
                Ok((Stream::Unix(stream), place)) => {
                    tasks.spawn(requests(stream, place, router, stop, limits.head));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection to the local API could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        tasks.close();
        tasks.wait().await;
        if let Listener::Unix(_, path) = self {
            std::fs::remove_file(path)?;
        }
        Ok(())
    }

    async fn accept(&self, places: &Arc<Semaphore>) -> anyhow::Result<(Stream, OwnedSemaphorePermit)> {
        let place = places.clone().acquire_owned().await?;
        let stream = match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Stream::Tcp(stream)
            }
            Listener::Unix(listener, _) => Stream::Unix(listener.accept().await?.0),
        };
        Ok((stream, place))
    }
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    connections: usize,
    head: Duration,
}

enum Stream {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

/// Answers the requests of one connection.
async fn requests<S>(
    stream: S,
    place: OwnedSemaphorePermit,
    router: Router,
    stop: CancellationToken,
    head: Duration,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the local API ended");
    }
    drop(place);
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
        time::timeout,
    };

    #[tokio::test]
    async fn a_port_in_use_is_named_with_a_way_out() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let error = bind(&address).await.unwrap_err().to_string();
        assert!(error.contains(&address) && error.contains("serving.listen"), "{error}");
    }

    async fn started(limits: Limits) -> (std::net::SocketAddr, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let router = Router::new().route("/", axum::routing::get(|| async { "here" }));
        let served = Listener::Tcp(listener).serve_within(router, stop.clone(), limits);
        tokio::spawn(served);
        (address, stop)
    }

    /// What the server says to these bytes until it closes the connection.
    async fn said(address: std::net::SocketAddr, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut text = String::new();
        timeout(DEADLINE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
        text
    }

    const DEADLINE: Duration = Duration::from_secs(20);
    const ASKED: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

    #[tokio::test]
    async fn a_client_that_does_not_finish_its_request_is_ended() {
        let (address, _stop) = started(Limits { connections: 8, head: Duration::from_millis(50) }).await;
        said(address, b"GET / HTTP/1.1\r\nhost: x\r\n").await;
        assert!(said(address, ASKED).await.ends_with("here"));
    }

    #[tokio::test]
    async fn connections_beyond_the_bound_wait_for_a_place() {
        let (address, _stop) = started(Limits { connections: 1, head: DEADLINE }).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = [0; 15];
        first.read_exact(&mut answer).await.unwrap();
        let second = said(address, ASKED);
        tokio::pin!(second);
        assert!(timeout(Duration::from_millis(100), second.as_mut()).await.is_err(), "there is no place");
        drop(first);
        assert!(second.await.ends_with("here"));
    }

    #[tokio::test]
    async fn stopping_ends_connections_that_wait_for_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let served = tokio::spawn(Listener::Tcp(listener).serve(Router::new(), stop.clone()));
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        idle.read_u8().await.unwrap();
        stop.cancel();
        timeout(DEADLINE, served).await.unwrap().unwrap().unwrap();
    }
}
