//! All lines, in the order in which one thing stands on another.

use std::{net::IpAddr, path::Path};

use rustls::ClientConfig;

use super::{
    Line, board, folder,
    identity::{self, Enrolment},
    model, network, server, time,
};
use crate::{
    Config,
    board::{limits, report, throttle},
    clock::{self, Clock as _, Keeper, SystemClock},
    identity::{key, seed, tls},
};

/// The control group of the service, as systemd names it.
const SERVICE: &str = "system.slice/dunlin-agent.service";

/// Examines the board. `root` is `/`, but for tests that prepare `proc`, `sys` and `run` elsewhere; `tell` hears each
/// line as it is known.
pub async fn examine(config: &Config, root: &Path, mut tell: impl FnMut(Line)) {
    let data_dir = &config.data_dir;
    let enrolment = identity::read(data_dir);
    let seeds = seed::look(&config.enrol.seed_files);
    let waiting = seeds.iter().find_map(|(path, seed)| {
        let seed = seed.as_ref().ok()?;
        seed.is_usable().then_some((path, seed))
    });
    let server = server_of(&enrolment, waiting.map(|(_, seed)| seed));

    let found = folder::look(data_dir);
    tell(folder::data_folder(data_dir, found, folder::mount(root, data_dir).as_ref()));
    tell(folder::disk(folder::free(data_dir), config.spool.limit_bytes, folder::largest_model(data_dir)));
    tell(folder::permissions(data_dir, found, &folder::rights(data_dir)));
    let built_ms = dunlin_trust::build_time().as_millisecond();
    tell(time::time(SystemClock.now_ms(), built_ms, Keeper::read(root), clock::has_chip(root)));
    tell(identity::enrolment(&enrolment, waiting.map(|(path, _)| path.as_path())));
    for line in identity::seeds(&seeds, &enrolment) {
        tell(line);
    }

    match server.as_ref().map(|server| server.host.as_str()) {
        Some(host) if is_here(host) => tell(Line::skipped("network", "the server is on this board")),
        _ => tell(network::network(&network::read(root))),
    }
    server_lines(server.ok_or_else(|| why_not(&enrolment)), &enrolment, &mut tell).await;

    for line in model::models(data_dir).await {
        tell(line);
    }
    tell(board::memory(board::available(root), limits::of(root, SERVICE).memory_bytes));
    tell(board::temperature(report::temperature()));
    tell(board::throttling(throttle::read(root)));
}

/// Where the server is, and how to speak to it.
struct Server {
    url: String,
    host: String,
    tls: anyhow::Result<ClientConfig>,
}

/// The server of an enrolled device, or the one that a seed names.
fn server_of(enrolment: &Enrolment, seed: Option<&seed::Seed>) -> Option<Server> {
    let (url, tls) = match (enrolment, seed) {
        (Enrolment::Device(identity), _) => (identity.server.server_url.clone(), tls::enrolled(identity)),
        (Enrolment::No, Some(seed)) => (seed.server.clone(), tls::pinned(&seed.ca)),
        _ => return None,
    };
    let parsed: reqwest::Url = url.parse().ok()?;
    let host = parsed.host_str()?.trim_matches(['[', ']']).to_owned();
    Some(Server { url, host, tls })
}

fn why_not(enrolment: &Enrolment) -> &'static str {
    match enrolment {
        Enrolment::No => "not enrolled",
        Enrolment::Hidden => super::AS_ROOT,
        Enrolment::Damaged(_) => "the identity cannot be used",
        Enrolment::Device(_) => "its address cannot be read",
    }
}

async fn server_lines(
    server: Result<Server, &'static str>,
    enrolment: &Enrolment,
    tell: &mut impl FnMut(Line),
) {
    let server = match server {
        Ok(server) => server,
        Err(why) => {
            for name in ["DNS", "server", "certificate", "broker"] {
                tell(Line::skipped(name, why));
            }
            return;
        }
    };
    let (line, known) = network::dns(&server.host).await;
    tell(line);
    tell(match server.tls {
        Ok(tls) if known => server::server(&server.url, tls).await,
        Ok(_) => Line::skipped("server", "its name is not known here"),
        Err(error) => Line::failed("server", format!("{error:#}"), "enrol the device again"),
    });
    let Enrolment::Device(identity) = enrolment else {
        tell(Line::skipped("certificate", why_not(enrolment)));
        tell(Line::skipped("broker", why_not(enrolment)));
        return;
    };
    let address = &identity.server;
    let holds = identity.certificates.first().map(|certificate| key::validity(certificate));
    tell(match holds {
        Some(Ok(holds)) => identity::certificate(holds, SystemClock.now_ms(), address.device.as_str()),
        Some(Err(error)) => Line::failed("certificate", format!("{error:#}"), "enrol the device again"),
        None => Line::failed("certificate", "identity/cert.pem is empty", "enrol the device again"),
    });
    tell(match tls::enrolled(identity) {
        Ok(tls) => server::broker(address.mqtt_host.clone(), address.mqtt_port, tls).await,
        Err(error) => Line::failed("broker", format!("{error:#}"), "enrol the device again"),
    });
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{board::tests::tree, doctor::Verdict};

    const ROUTE: &str = "Iface\nwlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\n";

    async fn lines(config: &Config, root: &Path) -> Vec<Line> {
        let mut lines = Vec::new();
        examine(config, root, |line| lines.push(line)).await;
        lines
    }

    fn config(data_dir: &Path) -> Config {
        let mut config = Config { data_dir: data_dir.to_owned(), ..Config::default() };
        config.enrol.seed_files = vec![];
        config
    }

    #[tokio::test]
    async fn a_board_that_is_not_enrolled_fails_nowhere_and_nothing_changes() {
        let root = tree(&[
            ("proc/net/route", ROUTE),
            ("proc/meminfo", "MemAvailable: 400000 kB\n"),
            ("run/systemd/timesync/synchronized", ""),
            ("sys/devices/platform/soc/soc:firmware/get_throttled", "0"),
        ]);
        let data = tempfile::tempdir().unwrap();
        let lines = lines(&config(data.path()), root.path()).await;
        let shown: Vec<String> = lines.iter().map(ToString::to_string).collect();
        let names: Vec<&str> = lines.iter().map(|line| line.name).collect();
        assert_eq!(
            names,
            [
                "data folder",
                "disk",
                "permissions",
                "time",
                "enrolment",
                "network",
                "DNS",
                "server",
                "certificate",
                "broker",
                "model",
                "memory",
                "temperature",
                "throttling",
            ]
        );
        assert!(
            lines.iter().all(|line| line.verdict != Verdict::Failed || line.name == "temperature"),
            "{shown:#?}"
        );
        assert!(shown[4].contains("not enrolled; run: dunlin-agent enrol …"), "{shown:#?}");
        assert_eq!(shown[7], "– server         not enrolled");
        assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0, "nothing is written");
    }

    #[tokio::test]
    async fn a_board_without_anything_is_told_so_within_the_time() {
        let (root, data) = (tree(&[]), tempfile::tempdir().unwrap());
        let began = std::time::Instant::now();
        let missing = data.path().join("not/there");
        let lines = lines(&config(&missing), root.path()).await;
        assert!(began.elapsed() < super::super::PATIENCE * 2);
        let verdict = |name| lines.iter().find(|line| line.name == name).unwrap().verdict;
        assert_eq!(verdict("network"), Verdict::Failed);
        assert_eq!(verdict("data folder"), Verdict::Warning);
        assert!(!missing.exists());
    }

    #[tokio::test]
    async fn the_server_of_a_seed_is_asked_before_enrolment() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (root, data) = (tree(&[]), tempfile::tempdir().unwrap());
        let seed = data.path().join("seed.toml");
        let text = format!(
            "server = \"https://127.0.0.1:{port}\"\nca = \"sha256:{}\"\ntoken = \"secret\"\n",
            "ab".repeat(32)
        );
        std::fs::write(&seed, text).unwrap();
        let mut config = config(&data.path().join("data"));
        config.enrol.seed_files = vec![seed];
        let lines = lines(&config, root.path()).await;
        let line = |name| lines.iter().find(|line| line.name == name).unwrap();
        assert!(line("enrolment").found.contains("seed.toml waits"), "{}", line("enrolment"));
        assert_eq!(line("network").found, "the server is on this board");
        assert!(line("server").found.contains("refused"), "{}", line("server"));
        assert_eq!(line("broker").found, "not enrolled");
        assert!(lines.iter().all(|line| !line.to_string().contains("secret")));
    }
}
