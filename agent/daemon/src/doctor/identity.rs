//! Who the device is: whether it is enrolled, and how long its certificate holds.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{AS_ROOT, Line, time::moment};
use crate::identity::{
    Identity, files,
    seed::{Seed, SeedError},
};

const DAY_MS: i64 = 86_400_000;
/// Days before its end from which on a certificate is worth a word.
const SOON_DAYS: i64 = 30;

/// What is there of an identity.
#[derive(Debug)]
pub enum Enrolment {
    /// Nothing.
    No,
    /// This user may not see it.
    Hidden,
    /// It cannot be used; the sentence says why and what to do.
    Damaged(String),
    /// The device is enrolled.
    Device(Box<Identity>),
}

/// Reads it.
pub fn read(data_dir: &Path) -> Enrolment {
    let folder = files::folder(data_dir);
    let hidden = |name| {
        let opened = fs::File::open(folder.join(name));
        opened.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    };
    if ["server.json", "key.pem", "cert.pem", "ca.pem"].into_iter().any(hidden) {
        return Enrolment::Hidden;
    }
    match Identity::load(data_dir) {
        Ok(Some(identity)) => Enrolment::Device(Box::new(identity)),
        Ok(None) => Enrolment::No,
        Err(error) => Enrolment::Damaged(format!("{error:#}")),
    }
}

/// Judges whether the device is enrolled. `seed` is the seed file that waits, if one does.
pub fn enrolment(enrolment: &Enrolment, seed: Option<&Path>) -> Line {
    let name = "enrolment";
    match (enrolment, seed) {
        (Enrolment::Device(identity), _) => {
            Line::ok(name, format!("{} at {}", identity.server.device, identity.server.server_url))
        }
        (Enrolment::Hidden, _) => Line::skipped(name, AS_ROOT),
        (Enrolment::Damaged(why), _) => {
            Line::failed(name, why.clone(), "enrol the device again: sudo dunlin-agent enrol …")
        }
        (Enrolment::No, Some(seed)) => Line::warning(
            name,
            format!("not enrolled yet; the seed {} waits for the agent", seed.display()),
            "start the agent, which uses it: sudo systemctl start dunlin-agent",
        ),
        (Enrolment::No, None) => Line::warning(
            name,
            "not enrolled: models are served, nothing is reported",
            "not enrolled; run: dunlin-agent enrol … (the line that `dunlin token create` prints at the server)",
        ),
    }
}

/// Judges the seed files that were found: those that cannot be used, and those that still hold a token which is of no
/// more use.
pub fn seeds(seeds: &[(PathBuf, Result<Seed, SeedError>)], enrolment: &Enrolment) -> Vec<Line> {
    let name = "seed";
    let enrolled = !matches!(enrolment, Enrolment::No);
    seeds
        .iter()
        .filter_map(|(path, seed)| match seed {
            Err(error) => Some(Line::warning(
                name,
                format!("{} cannot be used: {error}", path.display()),
                "write it anew: server, ca and token as `dunlin token create` prints them",
            )),
            Ok(seed) if enrolled && seed.is_usable() => Some(Line::warning(
                name,
                format!("{} still holds an enrolment token", path.display()),
                format!("erase it: sudo sed -i '/^ *token/d' {}", path.display()),
            )),
            Ok(_) => None,
        })
        .collect()
}

/// Judges a certificate by when it holds, in milliseconds since 1970.
pub fn certificate(holds: [i64; 2], now_ms: i64, device: &str) -> Line {
    let name = "certificate";
    let [from_ms, to_ms] = holds;
    let days = (to_ms - now_ms) / DAY_MS;
    let anew = format!(
        "enrol again: sudo dunlin-agent enrol … with the line of `dunlin token create --device {device}` at the server"
    );
    if now_ms < from_ms {
        let found = format!("it holds from {}, which the clock has not reached", moment(from_ms));
        Line::failed(name, found, "set the clock (see the line on time); if that is right, enrol again")
    } else if now_ms >= to_ms {
        Line::failed(name, format!("it ended at {}", moment(to_ms)), anew)
    } else if days < SOON_DAYS {
        Line::warning(name, format!("it ends in {days} days, at {}", moment(to_ms)), anew)
    } else {
        Line::ok(name, format!("it holds for {days} days, until {}", moment(to_ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_certificate_is_judged_by_the_clock() {
        let holds = [10 * DAY_MS, 375 * DAY_MS];
        let table = [
            (9, Verdict::Failed, "has not reached"),
            (10, Verdict::Ok, "365 days"),
            (345, Verdict::Ok, "30 days"),
            (346, Verdict::Warning, "ends in 29 days"),
            (375, Verdict::Failed, "ended at 1971-01-11"),
        ];
        for (day, verdict, words) in table {
            let line = certificate(holds, day * DAY_MS, "station-07");
            assert_eq!(line.verdict, verdict, "{line}");
            assert!(line.found.contains(words), "{line}");
        }
        assert!(certificate(holds, 999 * DAY_MS, "station-07").cure.unwrap().contains("--device station-07"));
    }

    #[test]
    fn what_is_there_of_an_identity_is_told() {
        let data = tempfile::tempdir().unwrap();
        let line = enrolment(&read(data.path()), None);
        assert!(line.verdict == Verdict::Warning && line.cure.unwrap().contains("run: dunlin-agent enrol …"));
        let line = enrolment(&read(data.path()), Some(Path::new("/boot/dunlin-seed.toml")));
        assert!(line.found.contains("/boot/dunlin-seed.toml"), "{line}");
        fs::create_dir(data.path().join("identity")).unwrap();
        fs::write(data.path().join("identity/server.json"), "{").unwrap();
        let line = enrolment(&read(data.path()), None);
        assert!(line.verdict == Verdict::Failed && line.found.contains("damaged"), "{line}");
    }
}
