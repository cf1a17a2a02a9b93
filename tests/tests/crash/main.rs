//! `kill -9` of agent, server or both at random moments, while models are rolled out: no record that the agent
//! accepted is lost, none is stored twice, and a verified model answers after every start.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use dunlin_tests::{
    fleet::{Device, Fleet, readings, text},
    programs::{Program, until},
};
use rand::Rng;
use serde_json::{Value, json};

/// How often something is killed.
const KILLS: u32 = 60;

const SETTINGS: &str = "[telemetry]\nwindow_seconds = 1\n[update]\nprobation_seconds = 1\n";

const WAVES: &str = "[[wave]]\npercent = 100\nsoak = \"1s\"\nmin_devices = 1\nmin_inferences = 20\n\
    max_failure_ratio = 0.5\nmax_health_drop = 0.5\ndeadline = \"20s\"\n";

/// Version → what it answers to the one question that is always asked.
type Answers = BTreeMap<String, Value>;

/// Boot → records that the agent said it had accepted.
type Accepted = BTreeMap<u64, u64>;

struct World {
    fleet: Fleet,
    device: Device,
    waves: String,
}

impl World {
    fn new() -> Self {
        let fleet = Fleet::new();
        let readings = fleet.write("readings.csv", readings());
        let source = format!(
            "[source]\nkind = \"replay\"\npath = {:?}\nrows_per_second = 50\nrepeat = true\n",
            text(&readings)
        );
        let waves = text(&fleet.write("waves.toml", WAVES)).to_owned();
        let mut server = fleet.serve();
        fleet.train("1.0.0", "0..3000");
        fleet.train("1.1.0", "3000..9000");
        let device = fleet.enrol("station", &format!("{SETTINGS}{source}"));
        server.kill();
        Self { fleet, device, waves }
    }

    /// Begins to roll a version out. Fails while the server is away or another rollout runs.
    fn roll_out(&self, version: &str) -> bool {
        let model = format!("rain-{version}");
        self.fleet.dunlin(&["rollout", "start", &model, "--waves", &self.waves]).status.success()
    }

    /// Rolls a version out in calm, and returns what it answers.
    fn settle_on(&self, version: &str) -> Value {
        until("the rollout begins", Duration::from_secs(60), || {
            if self.serving().as_deref() == Ok(version) || self.roll_out(version) {
                Ok(())
            } else {
                Err("refusal".into())
            }
        });
        until(&format!("{version} serves"), Duration::from_secs(60), || match self.serving()? {
            found if found == version => Ok(()),
            found => Err(found),
        });
        self.answer().unwrap().1
    }

    /// The version that the agent says it serves.
    fn serving(&self) -> Result<String, String> {
        let status = self.device.status()?;
        let version = status.pointer("/state/serving/0/model/version").and_then(Value::as_str);
        version.map(str::to_owned).ok_or_else(|| format!("no model: {status}"))
    }

    /// Which version answers the question, and what.
    fn answer(&self) -> Result<(String, Value), String> {
        // A day of the readings, in the order of the table's columns.
        let day = [40.0, 35.5, 1009.1, 7.5, 9.0, 15.9, 51.1, 30.0];
        let input = json!({"name": "x", "shape": [1, day.len()], "datatype": "FP32", "data": day});
        let question = json!({ "inputs": [input] }).to_string();
        let answer = self.device.request("POST", "/v2/models/rain/infer", &question)?;
        let version = answer["model_version"].as_str().ok_or_else(|| format!("no version: {answer}"))?;
        Ok((version.to_owned(), answer["outputs"].clone()))
    }

    /// What the server has stored of the device: boot → sequences.
    fn stored(&self) -> BTreeMap<u64, BTreeSet<u64>> {
        let store = self.fleet.path("server").join("store.db");
        let store =
            rusqlite::Connection::open_with_flags(store, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let mut found: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        for table in ["windows", "events"] {
            let query = format!("SELECT boot, sequence FROM {table} WHERE boot IS NOT NULL");
            let mut statement = store.prepare(&query).unwrap();
            let rows =
                statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).unwrap();
            for row in rows {
                let (boot, sequence) = row.unwrap();
                let new = found.entry(boot as u64).or_default().insert(sequence as u64);
                assert!(new, "record {boot}/{sequence} is stored twice");
            }
        }
        found
    }
}

/// Notes what the agent accepted, and checks what it says of itself.
fn note(status: &Value, accepted: &mut Accepted) {
    let boot = status.pointer("/state/boot").and_then(Value::as_u64).unwrap();
    let count = status.pointer("/records/accepted").and_then(Value::as_u64).unwrap();
    let known = accepted.entry(boot).or_default();
    *known = count.max(*known);
    assert_eq!(status.pointer("/state/spool/dropped"), Some(&json!(0)), "nothing is dropped: {status}");
}

/// Waits until a verified model answers, as it did in calm.
fn check_answer(world: &World, agent: &mut Program, answers: &Answers) {
    let (version, answer) = until("a model answers after a start", Duration::from_secs(15), || {
        agent.check()?;
        world.answer()
    });
    assert_eq!(Some(&answer), answers.get(&version), "{version} answers as it did in calm");
}

/// An operator who keeps changing the model until told to stop; counts the rollouts that began.
fn change_models(world: &World, stop: &AtomicBool, begun: &AtomicU32) {
    let mut next = ["1.0.0", "1.1.0"].into_iter().cycle();
    while !stop.load(Ordering::Relaxed) {
        if next.next().is_some_and(|version| world.roll_out(version)) {
            begun.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(Duration::from_millis(300));
    }
}

#[test]
fn kills_at_random_moments_lose_no_record_and_leave_a_verified_model() {
    let world = Arc::new(World::new());
    let mut server = world.fleet.serve();
    let mut agent = world.device.start();
    let mut answers = Answers::new();
    for version in ["1.0.0", "1.1.0"] {
        until("the agent runs", Duration::from_secs(15), || world.device.status());
        let answer = world.settle_on(version);
        answers.insert(version.into(), answer);
    }
    assert_ne!(answers["1.0.0"], answers["1.1.0"], "the versions can be told apart");

    let (stop, begun) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let operator = thread::spawn({
        let (world, stop, begun) = (world.clone(), stop.clone(), begun.clone());
        move || change_models(&world, &stop, &begun)
    });
    let mut random = rand::rng();
    let mut accepted = Accepted::new();
    for _ in 0..KILLS {
        thread::sleep(Duration::from_millis(random.random_range(0..1500)));
        let victims = random.random_range(1..=3);
        if let Ok(status) = world.device.status() {
            note(&status, &mut accepted);
        }
        if victims & 1 != 0 {
            agent.kill();
        }
        if victims & 2 != 0 {
            server.kill();
            server = world.fleet.start_server();
        }
        if victims & 1 != 0 {
            agent = world.device.start();
        }
        check_answer(&world, &mut agent, &answers);
    }
    stop.store(true, Ordering::Relaxed);
    operator.join().unwrap();

    // In calm, models can be changed, whatever became of the updates before, and everything accepted arrives.
    for (version, answer) in &answers {
        assert_eq!(world.settle_on(version), *answer);
    }
    let last = until("the agent speaks", Duration::from_secs(15), || world.device.status());
    note(&last, &mut accepted);
    let stored = until("every accepted record is stored", Duration::from_secs(60), || {
        server.check()?;
        agent.check()?;
        let stored = world.stored();
        let missing: Vec<_> = accepted
            .iter()
            .flat_map(|(boot, count)| (0..*count).map(move |sequence| (*boot, sequence)))
            .filter(|(boot, sequence)| !stored.get(boot).is_some_and(|known| known.contains(sequence)))
            .collect();
        if missing.is_empty() { Ok(stored) } else { Err(format!("missing {missing:?} of {accepted:?}")) }
    });
    // Of what nobody noted before a kill, the server has a beginning without a gap. The living boot goes on.
    let living = last.pointer("/state/boot").and_then(Value::as_u64).unwrap();
    for (boot, sequences) in stored.iter().filter(|(boot, _)| **boot != living) {
        let gapless = (0..sequences.len() as u64).all(|sequence| sequences.contains(&sequence));
        assert!(gapless, "boot {boot} has a gap: {sequences:?}");
    }
    let records: usize = stored.values().map(BTreeSet::len).sum();
    println!(
        "{KILLS} kills, {} boots, {records} records, {} rollouts",
        stored.len(),
        begun.load(Ordering::Relaxed)
    );
    assert!(stored.len() > 10, "the agent was killed often: {} boots", stored.len());
    assert!(begun.load(Ordering::Relaxed) >= 3, "models changed while things were killed");
}
