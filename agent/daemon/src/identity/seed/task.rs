//! Tries to enrol until it is done.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use dunlin_protocol::message::{ClockQuality, Severity};

use super::{
    file::{self, Seed, SeedError},
    name::{self, Traits},
};
use crate::{
    board::host_name,
    clock::{Clock as _, SystemClock},
    identity::{
        Config, ServerAddress,
        enrol::{EnrolRequest, Enrolled, Refused, enrol},
        files,
    },
    link::backoff,
};

/// Longest pause between two attempts.
const LONGEST: Duration = Duration::from_secs(300);
/// How often a file is looked at, while there is nothing to do but wait for it.
const LOOK: Duration = Duration::from_secs(10);

/// Hears what happened: a stable word, how much it matters, one sentence.
pub trait Tell: Fn(&str, Severity, String) + Send + Sync {}
impl<F: Fn(&str, Severity, String) + Send + Sync> Tell for F {}

/// Enrols this device with the seed that its image brought, however long there is no network and no time; returns
/// where the device belongs once `identity/server.json` is there, also when a person enrolled it meanwhile. A token
/// that the server refuses for good is said once, and tried again when the file changes. The token is erased
/// afterwards. Meant to be spawned: it ends when it is dropped.
pub async fn enrol_when_possible(config: Config, data_dir: PathBuf, tell: impl Tell) -> ServerAddress {
    let pace = |failures| Duration::from_secs(1) + backoff::pause(failures, LONGEST, rand::random());
    let try_once = |request: EnrolRequest| async move {
        if SystemClock.quality() == ClockQuality::Wrong {
            anyhow::bail!("the clock is not set yet: no certificate can be judged");
        }
        enrol(&request, |check| tracing::debug!(check.name, check.detail, "enrolment")).await
    };
    keep_trying(&config, &data_dir, &tell, try_once, pace, LOOK).await
}

/// Erases tokens that are of no more use from the seeds of an enrolled device.
pub fn forget_tokens(config: &Config, data_dir: &Path, tell: &impl Tell) {
    let Ok(Some(server)) = files::address(data_dir) else { return };
    for (path, seed) in file::look(&config.seed_files) {
        if let Ok(seed) = seed
            && seed.is_usable()
        {
            forget(&path, &seed, &server, tell);
        }
    }
}

fn forget(path: &Path, seed: &Seed, server: &ServerAddress, tell: &impl Tell) {
    let at = jiff::Timestamp::from_millisecond(server.enrolled_ms).unwrap_or_default();
    let used = format!("{} at {}", server.device, at.strftime("%Y-%m-%d %H:%M:%S UTC"));
    let shown = path.display();
    match file::erase(path, seed, &used) {
        Ok(()) => tell("seed-erased", Severity::Info, format!("the enrolment token in {shown} is erased")),
        Err(error) => tell(
            "seed-kept",
            Severity::Warning,
            format!(
                "the enrolment token in {shown} cannot be erased: {error}; erase its line `token` by hand"
            ),
        ),
    }
}

/// What is said once, until something else is to be said.
struct Once<'a, T> {
    tell: &'a T,
    said: String,
}

impl<T: Tell> Once<'_, T> {
    fn tell(&mut self, code: &str, severity: Severity, text: String) {
        if self.said != text {
            (self.tell)(code, severity, text.clone());
            self.said = text;
        }
    }
}

async fn keep_trying<T: Tell, F: Future<Output = anyhow::Result<Enrolled>>>(
    config: &Config,
    data_dir: &Path,
    tell: &T,
    mut try_once: impl FnMut(EnrolRequest) -> F,
    pace: impl Fn(u32) -> Duration,
    look: Duration,
) -> ServerAddress {
    let mut once = Once { tell, said: String::new() };
    let mut failures = 0;
    // The files as they were when the server said no for good.
    let mut refused: Option<Vec<Option<SystemTime>>> = None;
    loop {
        if let Ok(Some(server)) = files::address(data_dir) {
            forget_tokens(config, data_dir, tell);
            return server;
        }
        let changed: Vec<_> = config.seed_files.iter().map(|path| modified(path)).collect();
        if refused.as_ref() == Some(&changed) {
            tokio::time::sleep(look).await;
            continue;
        }
        if refused.take().is_some() {
            (once.said, failures) = (String::new(), 0);
        }
        let Some((path, seed)) = first(&config.seed_files, &mut once) else {
            tokio::time::sleep(look).await;
            continue;
        };
        let outcome = match request(&seed, data_dir) {
            Ok(request) => try_once(request).await,
            Err(error) => Err(error),
        };
        let error = match outcome {
            Ok(enrolled) => {
                let words = enrolled.words.join(" · ");
                let text = format!(
                    "{} is enrolled with the seed {}; its words: {words}",
                    enrolled.server.device,
                    path.display()
                );
                tell("enrolled", Severity::Info, text);
                continue;
            }
            Err(error) => error,
        };
        let for_good = error.downcast_ref::<Refused>().is_some_and(Refused::is_final);
        if for_good {
            let text =
                format!("{error:#} (seed {}; it is tried again when that file changes)", path.display());
            once.tell("seed-refused", Severity::Error, text);
            refused = Some(changed);
            continue;
        }
        once.tell("enrolment-waits", Severity::Warning, format!("enrolment is tried again: {error:#}"));
        tokio::time::sleep(pace(failures)).await;
        failures = failures.saturating_add(1);
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}

/// The first seed that holds a token; what is wrong with others is said once.
fn first<T: Tell>(places: &[PathBuf], once: &mut Once<'_, T>) -> Option<(PathBuf, Seed)> {
    let mut wrong: Vec<(PathBuf, SeedError)> = Vec::new();
    for (path, seed) in file::look(places) {
        match seed {
            Ok(seed) if seed.is_usable() => return Some((path, seed)),
            Ok(_) => {}
            Err(error) => wrong.push((path, error)),
        }
    }
    if let Some((path, error)) = wrong.first() {
        let text = format!("the seed {} cannot be used: {error}", path.display());
        once.tell("seed-unusable", Severity::Warning, text);
    }
    None
}

/// What a seed asks for on this board.
///
/// # Errors
/// If the board finds no name for itself, or the seed holds no token.
pub fn request(seed: &Seed, data_dir: &Path) -> anyhow::Result<EnrolRequest> {
    let traits = Traits::read(Path::new("/"), host_name());
    let token = seed.token.clone();
    Ok(EnrolRequest {
        server_url: seed.server.clone(),
        ca_fingerprint: seed.ca.clone(),
        token: token
            .ok_or_else(|| anyhow::anyhow!("the seed holds no token: it was used, or is incomplete"))?,
        device: name::device(seed.device.as_deref(), &traits)?,
        data_dir: data_dir.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        fs,
        sync::{Arc, Mutex},
    };

    use super::*;

    type Told = Arc<Mutex<Vec<(String, String)>>>;

    fn ear() -> (Told, impl Tell) {
        let told = Told::default();
        let heard = told.clone();
        (told, move |code: &str, _: Severity, text: String| {
            heard.lock().unwrap().push((code.to_owned(), text))
        })
    }

    fn plant(path: &Path, token: &str) {
        let ca = "ab".repeat(32);
        let text = format!(
            "server = \"https://fleet\"\nca = \"sha256:{ca}\"\ndevice = \"board-1\"\ntoken = \"{token}\"\n"
        );
        fs::write(path, text).unwrap();
    }

    fn enrolled(request: &EnrolRequest) -> Enrolled {
        let server = ServerAddress {
            device: request.device.clone(),
            server_url: request.server_url.clone(),
            mqtt_host: "fleet".into(),
            mqtt_port: 8883,
            enrolled_ms: 1_767_225_600_000,
        };
        files::save(&request.data_dir, "cert", "ca", &server).unwrap();
        Enrolled { checks: vec![], words: ["a", "b", "c", "d"].map(str::to_owned), server }
    }

    fn refuse(status: u16) -> anyhow::Error {
        let (code, message, cure) =
            ("token-used".into(), "the token is used up".into(), "make a new one".into());
        anyhow::Error::new(Refused { status, code, message, cure })
    }

    #[tokio::test]
    async fn a_board_without_a_network_keeps_trying_and_then_erases_the_token() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { seed_files: vec![folder.path().join("none"), folder.path().join("seed.toml")] };
        plant(&config.seed_files[1], "s3cret");
        let (told, tell) = ear();
        let attempts = Cell::new(0);
        let try_once = |request: EnrolRequest| {
            attempts.set(attempts.get() + 1);
            let outcome = match attempts.get() {
                1 | 2 => Err(anyhow::anyhow!("the server cannot be reached")),
                3 => Err(refuse(429)),
                4 => Err(refuse(409)),
                _ => Ok(enrolled(&request)),
            };
            async move { outcome }
        };
        let data = folder.path().join("data");
        let none = |_| Duration::ZERO;
        let server = keep_trying(&config, &data, &tell, try_once, none, Duration::ZERO).await;
        assert_eq!((server.device.as_str(), attempts.get()), ("board-1", 5));
        let told = told.lock().unwrap();
        let codes: Vec<&str> = told.iter().map(|(code, _)| code.as_str()).collect();
        // The refusals have the same words: they are said once.
        assert_eq!(codes, ["enrolment-waits", "enrolment-waits", "enrolled", "seed-erased"], "{told:?}");
        assert!(told.iter().all(|(_, text)| !text.contains("s3cret")), "{told:?}");
        let left = fs::read_to_string(&config.seed_files[1]).unwrap();
        assert!(!left.contains("s3cret"), "{left}");
        assert!(left.contains("enrolled = \"board-1 at 2026-01-01 00:00:00 UTC\""), "{left}");
    }

    #[tokio::test]
    async fn a_refusal_for_good_is_said_once_and_a_changed_file_is_a_new_chance() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { seed_files: vec![folder.path().join("seed.toml")] };
        plant(&config.seed_files[0], "old");
        let (told, tell) = ear();
        let tokens = Mutex::new(Vec::new());
        let try_once = |request: EnrolRequest| {
            tokens.lock().unwrap().push(request.token.clone());
            let outcome = if request.token == "old" { Err(refuse(401)) } else { Ok(enrolled(&request)) };
            async move { outcome }
        };
        let data = folder.path().join("data");
        let trying =
            keep_trying(&config, &data, &tell, try_once, |_| Duration::ZERO, Duration::from_millis(1));
        let change = async {
            while told.lock().unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // Many looks at the same file must not be many attempts.
            tokio::time::sleep(Duration::from_millis(30)).await;
            assert_eq!(*tokens.lock().unwrap(), ["old"]);
            plant(&config.seed_files[0], "new");
        };
        let both = async { tokio::join!(trying, change) };
        let (server, ()) = tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
        assert_eq!(server.device.as_str(), "board-1");
        assert_eq!(*tokens.lock().unwrap(), ["old", "new"]);
        let told = told.lock().unwrap();
        assert_eq!(told.iter().filter(|(code, _)| code == "seed-refused").count(), 1, "{told:?}");
    }

    #[tokio::test]
    async fn a_seed_that_cannot_be_written_is_a_warning_and_no_failure() {
        let folder = tempfile::tempdir().unwrap();
        let seed = folder.path().join("seed.toml");
        plant(&seed, "s3cret");
        let read = file::read(&seed).unwrap().unwrap();
        let (told, tell) = ear();
        let request = request(&read, folder.path()).unwrap();
        let server = enrolled(&request).server;
        // As good as a read-only mount, also for root: there is nothing to write to.
        forget(&folder.path().join("gone/seed.toml"), &read, &server, &tell);
        assert_eq!(told.lock().unwrap()[0].0, "seed-kept");
        assert!(!told.lock().unwrap()[0].1.contains("s3cret"));
    }

    #[tokio::test]
    async fn a_device_that_is_enrolled_already_only_forgets_the_token() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { seed_files: vec![folder.path().join("seed.toml")] };
        plant(&config.seed_files[0], "s3cret");
        let seed = file::read(&config.seed_files[0]).unwrap().unwrap();
        enrolled(&request(&seed, folder.path()).unwrap());
        let (told, tell) = ear();
        let task = tokio::spawn(enrol_when_possible(config.clone(), folder.path().to_owned(), tell));
        let server = task.await.unwrap();
        assert_eq!(server.device.as_str(), "board-1");
        assert_eq!(told.lock().unwrap()[0].0, "seed-erased");
        assert!(!file::read(&config.seed_files[0]).unwrap().unwrap().is_usable());
    }
}
