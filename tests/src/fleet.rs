//! A fleet for one test: a server's folder, an operator who is logged in, devices.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    programs::{Program, board_output, output, until},
    root,
};

/// A server's folder on ports of its own, and the operator's profile. The server runs when a test starts it.
pub struct Fleet {
    place: TempDir,
    http_port: u16,
    mqtt_port: u16,
    /// Fingerprint of the server's certificate authority, `sha256:HEX`.
    pub fingerprint: String,
    /// The administrator's token.
    pub admin_token: String,
}

/// A device: its folder, its configuration and the port of its local API.
pub struct Device {
    /// Its name.
    pub name: String,
    /// Its data folder.
    pub folder: PathBuf,
    config: PathBuf,
    port: u16,
}

/// A port of this machine that was free a moment ago.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.unwrap_or_else(|error| panic!("no port is free: {error}")).port()
}

/// NOAA's readings of one weather station; see `tests/data/README.md`. The last column is `rain`.
///
/// # Panics
/// When the file cannot be read.
pub fn readings() -> String {
    let path = root().join("tests/data/weather_station.csv");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Standard output as JSON.
///
/// # Panics
/// When the program failed or printed no JSON.
pub fn json(output: &Output) -> Value {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}{err}", output.status);
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"))
}

impl Fleet {
    /// Makes the folder with `dunlin-server init`.
    ///
    /// # Panics
    /// When that fails, as everything here that prepares a test.
    pub fn new() -> Self {
        let place = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let (folder, keys) = (place.path().join("server"), place.path().join("owner-keys"));
        let init = ["init", text(&folder), "--owner-keys", text(&keys), "--json"];
        let init = json(&output("dunlin-server", &init, &[]));
        let field = |name: &str| init[name].as_str().unwrap_or_default().to_owned();
        let (fingerprint, admin_token) = (field("ca_fingerprint"), field("admin_token"));
        Self { place, http_port: free_port(), mqtt_port: free_port(), fingerprint, admin_token }
    }

    /// A path in this fleet's folder: `server`, `owner-keys`, or one of the test's own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Writes a file of the test's own and returns its path.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// The server's address.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.http_port)
    }

    /// The port that devices connect to.
    pub fn mqtt_port(&self) -> u16 {
        self.mqtt_port
    }

    /// Starts the server without waiting for it.
    pub fn start_server(&self) -> Program {
        let (http, mqtt) = (self.http_port.to_string(), self.mqtt_port.to_string());
        let folder = self.path("server");
        let arguments =
            ["run", text(&folder), "--listen", "127.0.0.1", "--http-port", &http, "--mqtt-port", &mqtt];
        Program::start("dunlin-server", &arguments, &self.path("server.log"))
    }

    /// Starts the server, waits until it answers, and logs the operator in.
    ///
    /// # Panics
    /// When it does not answer within 30 s.
    pub fn serve(&self) -> Program {
        let mut server = self.start_server();
        let (url, keys) = (self.url(), self.path("owner-keys"));
        let login = ["login", &url, "--ca", &self.fingerprint, "--token", &self.admin_token];
        let login = [&login[..], &["--owner-keys", text(&keys)]].concat();
        until("the server answers", Duration::from_secs(30), || {
            server.check()?;
            let said = self.dunlin(&login);
            if said.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said.stderr).into()) }
        });
        server
    }

    /// Runs the operator's command.
    pub fn dunlin(&self, arguments: &[&str]) -> Output {
        output("dunlin", arguments, &[("DUNLIN_PROFILE", &self.path("profile.json"))])
    }

    /// Runs the operator's command and reads what it prints.
    ///
    /// # Panics
    /// When it fails.
    pub fn ask(&self, arguments: &[&str]) -> Value {
        json(&self.dunlin(&[arguments, &["--json"]].concat()))
    }

    /// A new enrolment token.
    ///
    /// # Panics
    /// When the server does not give one.
    pub fn enrolment_token(&self) -> String {
        let token = self.ask(&["token", "create"]);
        token["token"].as_str().unwrap_or_else(|| panic!("no token in {token}")).to_owned()
    }

    /// Enrols a device. `settings` are further lines of its agent.toml.
    ///
    /// # Panics
    /// When the server refuses it.
    pub fn enrol(&self, name: &str, settings: &str) -> Device {
        let device = self.device(name, settings);
        let said = device.enrol(self, &self.fingerprint, &self.enrolment_token());
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        device
    }

    /// Writes a device's agent.toml, anew on a port of its own if there was one. It is not enrolled by this.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn device(&self, name: &str, settings: &str) -> Device {
        let (folder, port) = (self.path(name), free_port());
        let config = format!(
            "data_dir = {:?}\n[serving]\nlisten = \"127.0.0.1:{port}\"\n[link]\nbackoff_max_seconds = 1\n{settings}",
            text(&folder)
        );
        let config = self.write(&format!("{name}.toml"), config);
        Device { name: name.into(), folder, config, port }
    }

    /// Trains and signs `rain` in this version from the readings' rows.
    ///
    /// # Panics
    /// When training or signing fails.
    pub fn train(&self, version: &str, rows: &str) {
        let data = root().join("tests/data/weather_station.csv");
        let wish = ["train", text(&data), "--model", "rain", "--target", "rain", "--version", version];
        self.ask(&[&wish[..], &["--rows", rows]].concat());
        let signed = self.dunlin(&["model", "sign", &format!("rain-{version}")]);
        assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    }
}

impl Default for Fleet {
    fn default() -> Self {
        Self::new()
    }
}

impl Device {
    /// Tries to enrol it and gives what the agent said.
    pub fn enrol(&self, fleet: &Fleet, fingerprint: &str, token: &str) -> Output {
        let url = fleet.url();
        let arguments = ["enrol", &url, "--ca", fingerprint, "--token", token, "--device", &self.name];
        board_output(&[&arguments[..], &["--config", text(&self.config)]].concat())
    }

    /// Runs another verb of its agent to the end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        board_output(&[arguments, &["--config", text(&self.config)]].concat())
    }

    /// Starts its agent; what it prints is added to NAME.log beside its folder.
    pub fn start(&self) -> Program {
        let arguments = ["run", "--config", text(&self.config)];
        Program::start_board(&arguments, &self.folder.with_extension("log"))
    }

    /// What the running agent says of itself.
    pub fn status(&self) -> Result<Value, String> {
        self.request("GET", "/v1/status", "")
    }

    /// Sends a request to its local API. An answer other than 200 is an error.
    pub fn request(&self, method: &str, path: &str, body: &str) -> Result<Value, String> {
        let failed = |error: std::io::Error| format!("{method} {path}: {error}");
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(failed)?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(failed)?;
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.0\r\nhost: agent\r\ncontent-type: application/json\r\n");
        let request = format!("{head}content-length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).map_err(failed)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(failed)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer was cut short")?;
        if !head.contains(" 200 ") {
            return Err(format!("{method} {path}: {answer}"));
        }
        serde_json::from_str(body).map_err(|error| format!("{error}: {body}"))
    }
}

/// A path as an argument.
///
/// # Panics
/// When it is not UTF-8; temporary folders are.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_else(|| panic!("{} is not UTF-8", path.display()))
}
