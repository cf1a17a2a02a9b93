//! What a service manager hears of the real program (`sd_notify(3)`).

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    os::unix::net::UnixDatagram,
    process::{Child, Command, Stdio},
    time::Duration,
};

struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Reads until a message has a line that begins so.
fn hear(socket: &UnixDatagram, line: &str) -> String {
    let mut heard = Vec::new();
    let mut bytes = [0; 4096];
    for _ in 0..100 {
        let length =
            socket.recv(&mut bytes).unwrap_or_else(|error| panic!("{line}: {error}; heard {heard:?}"));
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        if text.lines().any(|found| found.starts_with(line)) {
            return text;
        }
        heard.push(text);
    }
    panic!("{line} did not come; heard {heard:?}");
}

#[test]
fn it_says_that_it_is_ready_how_it_stands_that_it_works_and_that_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("agent.toml");
    std::fs::write(&config, "[serving]\nlisten = \"off\"\n[enrol]\nseed_files = []\n").unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let agent = Command::new(env!("CARGO_BIN_EXE_dunlin-agent"))
        .args(["run", "--data-dir"])
        .arg(folder.path().join("data"))
        .arg("--config")
        .arg(&config)
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "600000")
        .env_remove("WATCHDOG_PID")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let agent = Agent(agent);

    hear(&socket, "READY=1");
    for _ in 0..3 {
        let fed = hear(&socket, "WATCHDOG=1");
        assert!(fed.contains("STATUS=waits for `dunlin-agent enrol`; no model yet; "), "{fed}");
    }
    let told = Command::new("kill").args(["-TERM", &agent.0.id().to_string()]).status().unwrap();
    assert!(told.success());
    hear(&socket, "STOPPING=1");
}
