//! A socket that takes only so many connections at once: a local program that opens them without end must not use up
//! the files that the spool, the link and the updates need.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{OwnedSemaphorePermit, Semaphore},
};

/// Connections at once. Others wait in the system's queue.
const MOST: usize = 128;

/// A listener with a cap.
pub struct Capped<L> {
    listener: L,
    free: Arc<Semaphore>,
}

impl<L> Capped<L> {
    /// This listener, with a cap.
    pub fn new(listener: L) -> Self {
        Self { listener, free: Arc::new(Semaphore::new(MOST)) }
    }
}

impl<L: Listener> Listener for Capped<L> {
    type Io = Counted<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // Nobody closes the semaphore; were it closed, the cap alone would be gone.
        let place = self.free.clone().acquire_owned().await.ok();
        let (io, address) = self.listener.accept().await;
        (Counted { io, _place: place }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection, and the place that it takes until it ends.
pub struct Counted<I> {
    io: I,
    _place: Option<OwnedSemaphorePermit>,
}

impl<I: AsyncRead + Unpin> AsyncRead for Counted<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Counted<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn a_crowd_of_idle_connections_takes_only_so_many_places() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut capped = Capped::new(listener);
        let mut clients = Vec::new();
        for _ in 0..MOST + 1 {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        let mut held = Vec::new();
        for _ in 0..MOST {
            held.push(capped.accept().await);
        }
        let one_more = capped.accept();
        tokio::pin!(one_more);
        assert!(waits(&mut one_more).await, "a place too many");
        held.pop();
        one_more.await;
    }

    /// Whether it waits.
    async fn waits<F: Future + Unpin>(future: &mut F) -> bool {
        std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_pending())).await
    }
}
