//! Starts of a whole agent that must not be refused, and one that must.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, path::Path};

use dunlin_agent::{Agent, Config, Surroundings};

fn config(data_dir: &Path) -> Config {
    let mut config = Config { data_dir: data_dir.to_owned(), ..Config::default() };
    config.serving.listen = "off".into();
    config
}

#[tokio::test]
async fn a_second_agent_in_the_same_folder_is_refused_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let first = Agent::start(config(folder.path()), Surroundings::real()).await.unwrap();
    let refused = Agent::start(config(folder.path()), Surroundings::real()).await.err().unwrap().to_string();
    assert!(refused.contains("--data-dir") && refused.contains(folder.path().to_str().unwrap()), "{refused}");
    first.shutdown().await;
    Agent::start(config(folder.path()), Surroundings::real()).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn damage_in_the_folder_is_told_and_ends_no_start() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["update/desired.json", "update/rain.json", "models/rain/slots.json", "spool"] {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "{").unwrap();
    }
    let agent = Agent::start(config(folder.path()), Surroundings::real()).await.unwrap();
    agent.shutdown().await;
}
