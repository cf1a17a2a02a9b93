//! A file server with byte ranges, and with faults on request.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does to paths that contain the text it was set for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Sends so many bytes of the body, then closes.
    CutAfter(usize),
    /// Sends so many bytes of the body, then nothing more, with the connection open.
    StallAfter(usize),
    /// Sends bytes for ever, without saying how many.
    Endless,
    /// Flips one bit of the body.
    FlipBit,
    /// Answers 500.
    Broken,
    /// Ignores ranges and sends everything.
    NoRanges,
}

#[derive(Default)]
struct State {
    faults: Vec<(String, Fault)>,
    requests: Vec<(String, Option<String>)>,
}

pub struct Server {
    address: std::net::SocketAddr,
    state: Arc<Mutex<State>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub async fn start(folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (folder, state) = (folder.clone(), shared.clone());
                tokio::spawn(async move {
                    // A client that breaks off is no failure of the test.
                    let _ = answer(stream, folder, state).await;
                });
            }
        });
        Self { address, state, task }
    }

    pub fn url(&self, folder: &str) -> String {
        format!("http://{}/{folder}", self.address)
    }

    pub fn set(&self, path: &str, fault: Fault) {
        self.state.lock().unwrap().faults.push((path.into(), fault));
    }

    pub fn heal(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    /// Paths asked for since the last call, with their ranges.
    pub fn requests(&self) -> Vec<(String, Option<String>)> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }
}

async fn answer(mut stream: TcpStream, folder: PathBuf, state: Arc<Mutex<State>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').to_owned();
    let range = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
    let fault = {
        let mut state = state.lock().unwrap();
        state.requests.push((path.clone(), range.clone()));
        state.faults.iter().find(|(part, _)| path.contains(part)).map(|(_, fault)| *fault)
    };
    if fault == Some(Fault::Endless) {
        stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await?;
        loop {
            stream.write_all(&[b' '; 65_536]).await?;
        }
    }
    if fault == Some(Fault::Broken) {
        return stream
            .write_all(b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .await;
    }
    let Ok(mut body) = std::fs::read(folder.join(&path)) else {
        return stream
            .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .await;
    };
    if fault == Some(Fault::FlipBit) {
        let middle = body.len() / 2;
        body[middle] ^= 1;
    }
    let whole = body.len();
    let from = range
        .filter(|_| fault != Some(Fault::NoRanges))
        .and_then(|range| range.trim_end_matches('-').parse::<usize>().ok());
    let (status, extra) = match from {
        Some(from) if from < whole => {
            body.drain(..from);
            ("206 Partial Content", format!("content-range: bytes {from}-{}/{whole}\r\n", whole - 1))
        }
        _ => ("200 OK", String::new()),
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{extra}connection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    match fault {
        Some(Fault::CutAfter(count)) => stream.write_all(&body[..count.min(length)]).await,
        Some(Fault::StallAfter(count)) => {
            stream.write_all(&body[..count.min(length)]).await?;
            // Until the client gives up.
            stream.read_u8().await.map(drop)
        }
        _ => stream.write_all(&body).await,
    }
}
