//! Starts of a whole agent that must not be refused, and one that must.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, path::Path};

use dunlin_agent::{
    Agent, Config, Surroundings,
    spool::{self, Spool},
};
use dunlin_protocol::{
    Channel, Message as _,
    message::{Event, MAX_BYTES},
};

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

fn told(data_dir: &Path, code: &str) -> Vec<String> {
    let spool = Spool::open(&data_dir.join("spool"), &spool::Config::default(), 9);
    let entries = spool.pending(None, usize::MAX);
    let events = entries.iter().filter_map(|entry| Event::decode(&entry.bytes).ok());
    events.filter(|event| event.code == code).map(|event| event.message).collect()
}

#[tokio::test]
async fn records_that_were_dropped_are_told_as_one_event() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(&folder.path().join("spool"), &spool::Config::default(), 1);
    for number in 0..5 {
        spool.append(Channel::Sample, |_| Ok(vec![number; 100])).unwrap();
    }
    assert!(spool.append(Channel::Sample, |_| Ok(vec![0; MAX_BYTES + 1])).is_err());
    drop(spool);
    // Two of them are damaged while the agent is away.
    let segment = spool::segment::path(&folder.path().join("spool"), 0);
    let mut bytes = fs::read(&segment).unwrap();
    (bytes[60], bytes[185]) = (!bytes[60], !bytes[185]);
    fs::write(&segment, bytes).unwrap();
    for _ in 0..2 {
        Agent::start(config(folder.path()), Surroundings::real()).await.unwrap().shutdown().await;
        let told = told(folder.path(), "records-dropped");
        assert!(
            told.len() == 1 && told[0].starts_with("2 records") && told[0].contains("3 since"),
            "{told:?}"
        );
    }
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
    // Where the spool works, each is told.
    fs::remove_file(folder.path().join("spool")).unwrap();
    Agent::start(config(folder.path()), Surroundings::real()).await.unwrap().shutdown().await;
    let told = told(folder.path(), "state-damaged");
    assert_eq!(told.len(), 3, "{told:?}");
}
