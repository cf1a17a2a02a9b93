//! Configuration that cannot be used: unknown keys, wrong types, ports and folders that are taken.

use std::{fs, net::TcpListener, path::Path, process::Output, time::Duration};

use dunlin_tests::{
    fleet::{Fleet, text},
    programs::{output, until},
};

use super::{agent, no_panic, said};

fn serve(folder: &Path, ports: [u16; 2]) -> Output {
    let [http, mqtt] = ports.map(|port| port.to_string());
    output("dunlin-server", &["run", text(folder), "--http-port", &http, "--mqtt-port", &mqtt], &[])
}

#[test]
fn agent_settings_that_cannot_be_used_are_named_with_file_line_and_what_was_meant() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("agent.toml");
    let table: &[(&str, &[&str])] = &[
        ("data_dri = \"x\"", &["line 1", "unknown key `data_dri`", "did you mean `data_dir`?"]),
        ("[telemetry]\nwindow_second = 5", &["line 2", "`window_second`", "did you mean `window_seconds`?"]),
        ("[weather]\nkind = 1", &["line 1", "unknown key `weather`", "known here", "telemetry"]),
        ("[telemetry]\nwindow_seconds = \"one\"", &["line 2", "window_seconds = \"one\"", "expected"]),
        ("[telemetry]\nwindow_seconds = 0", &["telemetry.window_seconds = 0", "give at least 1"]),
        ("[source]\nkind = \"relpay\"", &["line 2", "`relpay`", "`replay`"]),
        ("[source]\nkind = \"replay\"", &["source.kind = \"replay\"", "set source.path"]),
        ("[source]\nkind = \"replay\"\npath = \"/gone.csv\"", &["/gone.csv", "check source.path"]),
        ("[spool", &["line 1", "expected `]`"]),
        ("[serving]\nlisten = \"everywhere\"", &["everywhere", "set serving.listen", "ADDRESS:PORT"]),
    ];
    for (settings, words) in table {
        fs::write(&file, settings).unwrap();
        let folder = place.path().join("data");
        let refused = agent(&["run", "--config", text(&file), "--data-dir", text(&folder)]);
        said(&refused, 1, words);
        // What is wrong inside of a file names the file.
        if !settings.contains("/gone.csv") && !settings.contains("everywhere") {
            said(&refused, 1, &[text(&file)]);
        }
    }
    fs::write(&file, b"\xff\xfe\x00").unwrap();
    said(&agent(&["run", "--config", text(&file)]), 1, &[text(&file), "UTF-8", "--config"]);
    let gone = place.path().join("gone.toml");
    said(&agent(&["run", "--config", text(&gone)]), 1, &[text(&gone), "No such file", "--config"]);
    said(&agent(&["rnu"]), 2, &["rnu", "--help"]);
}

#[test]
fn server_settings_that_cannot_be_used_are_named_with_file_line_and_what_was_meant() {
    let fleet = Fleet::new();
    let folder = fleet.path("server");
    let file = folder.join("server.toml");
    let good = fs::read(&file).unwrap();
    let table: &[(&str, &[&str])] = &[
        ("[http]\nprot = 1", &["line 2", "`prot`", "did you mean `port`?"]),
        ("[htpp]\nport = 1", &["line 1", "`htpp`", "did you mean `http`?"]),
        ("[weather]\nkind = 1", &["line 1", "`weather`", "expected one of", "`storage`"]),
        ("[http]\nport = \"x\"", &["line 2", "port = \"x\"", "expected"]),
        ("[mqtt]\nport = 70000", &["line 2", "port = 70000", "expected"]),
        ("[mqtt", &["line 1", "expected `]`"]),
    ];
    for (settings, words) in table {
        fs::write(&file, settings).unwrap();
        let refused = serve(&folder, [0, 0]);
        said(&refused, 1, words);
        said(&refused, 1, &[text(&file)]);
    }
    fs::write(&file, good).unwrap();
    fleet.serve().check().unwrap();
    no_panic(&fleet);
}

#[test]
fn a_port_in_use_is_named_with_the_way_to_another() {
    let fleet = Fleet::new();
    let taken = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (shown, folder) = (format!("port {port}"), fleet.path("server"));
    said(&serve(&folder, [port, 0]), 1, &[&shown, "[http]", "in use", "--http-port"]);
    said(&serve(&folder, [0, port]), 1, &[&shown, "[mqtt]", "in use", "--mqtt-port"]);

    let settings = format!("[serving]\nlisten = \"127.0.0.1:{port}\"\n");
    let settings = fleet.write("taken.toml", settings);
    let data = fleet.path("agent");
    let refused = agent(&["run", "--config", text(&settings), "--data-dir", text(&data)]);
    said(&refused, 1, &[&shown, "in use", "serving.listen"]);

    drop(taken);
    fleet.serve().check().unwrap();
    no_panic(&fleet);
}

#[test]
fn a_folder_that_init_did_not_make_is_not_served_and_one_that_is_there_is_not_made_anew() {
    let fleet = Fleet::new();
    let empty = fleet.path("empty");
    fs::create_dir(&empty).unwrap();
    for folder in [&empty, &fleet.path("nowhere")] {
        said(&serve(folder, [0, 0]), 1, &[text(folder), "server.toml", "dunlin-server init"]);
    }
    let folder = fleet.path("server");
    let key = fs::read(folder.join("ca/ca-key.pem")).unwrap();
    let again = output("dunlin-server", &["init", text(&folder)], &[]);
    said(&again, 1, &[text(&folder), "is there already", "another folder", "dunlin-server run"]);
    let (other, keys) = (fleet.path("other"), fleet.path("owner-keys"));
    let again = output("dunlin-server", &["init", text(&other), "--owner-keys", text(&keys)], &[]);
    said(&again, 1, &[text(&keys), "is there already"]);
    assert!(!other.exists(), "nothing is left of an init that was refused");
    assert_eq!(fs::read(folder.join("ca/ca-key.pem")).unwrap(), key, "the keys are those of before");
    fleet.serve().check().unwrap();
}

#[test]
fn a_second_server_is_kept_out_of_a_folder_and_the_first_goes_on() {
    let fleet = Fleet::new();
    let mut first = fleet.serve();
    let device = fleet.enrol("station", "");
    let _agent = device.start();
    until("the device is online", Duration::from_secs(20), || {
        let shown = fleet.ask(&["device", "show", "station"]);
        if shown["status"] == "online" { Ok(()) } else { Err(shown.to_string()) }
    });
    let folder = fleet.path("server");
    let certificate = fs::read(folder.join("tls/server.pem")).unwrap();
    let refused = serve(&folder, [0, 0]);
    said(&refused, 1, &[text(&folder), &fleet.url(), "process", "stop that one", "dunlin-server init"]);
    assert_eq!(fs::read(folder.join("tls/server.pem")).unwrap(), certificate);
    assert_eq!(fleet.ask(&["device", "show", "station"])["status"], "online", "its devices are still online");
    assert!(folder.join("run.json").exists());
    first.check().unwrap();

    // A power cut does not leave the folder locked.
    first.kill();
    fleet.serve().check().unwrap();
    no_panic(&fleet);
}
