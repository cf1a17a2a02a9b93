//! The fleet server and its broker: does each answer, over TLS, with the certificates that both should show?

use std::{
    io::{self, ErrorKind},
    net::{TcpStream, ToSocketAddrs as _},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection, pki_types::ServerName};

use super::{Line, PATIENCE};
use crate::identity::tls;

/// How long a broker may take to refuse a certificate: in TLS 1.3 that comes after the handshake.
const REFUSAL: Duration = Duration::from_millis(500);

/// Asks the server for `/healthz`.
pub async fn server(url: &str, tls: ClientConfig) -> Line {
    let answer = async {
        let http = tls::http(tls)?;
        let sent = http.get(format!("{url}/healthz")).timeout(PATIENCE).send().await;
        let answer = sent.map_err(reqwest::Error::without_url)?;
        anyhow::Ok(answer.status().as_u16())
    };
    judge_server(url, answer.await.map_err(|error| format!("{error:#}")))
}

/// Judges the status of its answer, or why there was none.
fn judge_server(url: &str, answer: Result<u16, String>) -> Line {
    let name = "server";
    match answer {
        Ok(status) if (200..300).contains(&status) => Line::ok(name, format!("{url} answers")),
        Ok(status) => Line::failed(
            name,
            format!("{url} answers {status}"),
            "see the server's log; or enrol again if another program answers at this address",
        ),
        Err(why) => Line::failed(name, format!("{url}: {why}"), cure(&why)),
    }
}

/// Connects to the broker with the device's certificate, and says nothing: the agent's session stays.
pub async fn broker(host: String, port: u16, tls: ClientConfig) -> Line {
    let shown = format!("{host}:{port}");
    let shaken = tokio::task::spawn_blocking(move || shake_hands(&host, port, tls));
    let outcome = match tokio::time::timeout(PATIENCE, shaken).await {
        Ok(Ok(outcome)) => outcome.map_err(|error| error.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s: timed out", PATIENCE.as_secs())),
    };
    match outcome {
        Ok(()) => Line::ok("broker", format!("{shown} accepts the device's certificate")),
        Err(why) => Line::failed("broker", format!("{shown}: {why}"), cure(&why)),
    }
}

fn shake_hands(host: &str, port: u16, tls: ClientConfig) -> io::Result<()> {
    let addresses = (host, port).to_socket_addrs()?;
    let mut refused = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in addresses.take(4) {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return over(stream, host, tls),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn over(mut stream: TcpStream, host: &str, tls: ClientConfig) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let mut session = ClientConnection::new(Arc::new(tls), name).map_err(io::Error::other)?;
    while session.is_handshaking() {
        session.complete_io(&mut stream)?;
    }
    while session.wants_write() {
        session.write_tls(&mut stream)?;
    }
    stream.set_read_timeout(Some(REFUSAL))?;
    loop {
        match session.read_tls(&mut stream) {
            Ok(0) => {
                return Err(io::Error::new(
                    ErrorKind::ConnectionAborted,
                    "it hangs up on this device's certificate",
                ));
            }
            Ok(_) => session.process_new_packets().map(drop).map_err(io::Error::other)?,
            // It waits for us to speak: it is content.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) => return Err(error),
        }
    }
    session.send_close_notify();
    session.write_tls(&mut stream).map(drop)
}

/// What to do about a connection that failed, by the words of the failure.
fn cure(why: &str) -> &'static str {
    let table: [(&[&str], &str); 5] = [
        (
            &["NotValidYet", "not valid yet", "Expired", "expired"],
            "set the clock (see the line on time); if that is right, the certificate at the server has ended",
        ),
        (
            &["UnknownIssuer", "BadSignature", "NotValidForName", "not valid for name"],
            "another server answers there, or someone in between: see the address, then enrol again",
        ),
        (
            &["alert", "hangs up", "aborted", "reset"],
            "the device may be revoked; enrol again with the line of `dunlin token create --device NAME`",
        ),
        (&["refused"], "see that the server runs, and that its address and port are right"),
        (
            &["timed out", "unreachable", "no answer"],
            "see cable, Wi-Fi and firewall: the server does not answer from here",
        ),
    ];
    let known = table.iter().find(|(words, _)| words.iter().any(|word| why.contains(word)));
    known.map_or("see that the server runs and can be reached from here", |(_, cure)| cure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn each_way_to_fail_has_its_cure() {
        assert_eq!(judge_server("https://a", Ok(200)).verdict, Verdict::Ok);
        assert_eq!(judge_server("https://a", Ok(503)).verdict, Verdict::Failed);
        let table = [
            ("invalid peer certificate: NotValidYet", "clock"),
            ("invalid peer certificate: UnknownIssuer", "enrol again"),
            ("received fatal alert: AccessDenied", "revoked"),
            ("tcp connect error: Connection refused (os error 111)", "runs"),
            ("operation timed out", "firewall"),
            ("something else", "reached"),
        ];
        for (why, word) in table {
            let line = judge_server("https://a", Err(why.to_owned()));
            assert!(line.verdict == Verdict::Failed && line.cure.unwrap().contains(word), "{why}");
        }
    }

    #[tokio::test]
    async fn a_broker_that_is_not_there_or_never_answers_is_told_in_time() {
        let tls = || {
            ClientConfig::builder_with_provider(tls::provider())
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth()
        };
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        let began = std::time::Instant::now();
        let line = broker("127.0.0.1".into(), port, tls()).await;
        assert!(line.verdict == Verdict::Failed && began.elapsed() < PATIENCE * 2, "{line}");
        drop(silent);
        let line = broker("127.0.0.1".into(), port, tls()).await;
        assert!(line.found.contains("refused"), "{line}");
    }
}
