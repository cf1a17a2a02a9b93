//! Laws of every rollout, whatever the devices do.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use dunlin_protocol::{
    DeviceId, ModelRef,
    update::{Reason, UpdateReport, UpdateState},
};
use dunlin_rollout::{DeviceView, Group, Health, Phase, Rollout, Wave, Waves, abort, decide, pause, resume};
use proptest::prelude::*;

const MINUTE: i64 = 60_000;

fn model(version: &str) -> ModelRef {
    format!("rain-{version}").parse().unwrap()
}

fn waves() -> impl Strategy<Value = Waves> {
    (prop::collection::btree_set(1_u32..100, 0..3), 0_u64..900, 1_u32..6, 0_u64..50, 0.0..0.5, 300_u64..3600)
        .prop_map(|(steps, soak_seconds, min_devices, min_inferences, max_failure_ratio, deadline)| {
            let steps = steps.into_iter().map(f64::from).chain([100.0]);
            let wave = |percent| Wave {
                percent,
                soak_seconds,
                min_devices,
                min_inferences,
                max_failure_ratio,
                max_health_drop: 0.1,
                wave_deadline_seconds: deadline,
            };
            Waves::new(steps.map(wave).collect()).unwrap()
        })
}

/// What a device does in one minute.
#[derive(Debug, Clone, Copy)]
enum Act {
    Nothing,
    Leave,
    Come,
    Obey,
    Fail,
    Start,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => Just(Act::Nothing),
        1 => Just(Act::Leave),
        2 => Just(Act::Come),
        4 => Just(Act::Obey),
        1 => Just(Act::Fail),
        1 => Just(Act::Start),
    ]
}

/// A device: what it was told last (retained), and what it reported last.
struct Device {
    view: DeviceView,
    desired: ModelRef,
}

impl Device {
    fn new(index: usize) -> Self {
        let id: DeviceId = format!("d{index}").parse().unwrap();
        let serving = Some(model("1.0.0"));
        let view = DeviceView { id, online: true, revoked: false, serving, update: None, last_seen_ms: 0 };
        Self { view, desired: model("1.0.0") }
    }

    fn report(&mut self, state: UpdateState, now_ms: i64) {
        if matches!(state, UpdateState::Committed) {
            self.view.serving = Some(self.desired.clone());
        }
        self.view.update = Some(UpdateReport {
            generation: 1,
            rollout: None,
            model: self.desired.clone(),
            state,
            since_ms: now_ms,
            bytes: None,
        });
    }

    fn act(&mut self, act: Act, now_ms: i64) {
        match act {
            Act::Leave => self.view.online = false,
            Act::Come => self.view.online = true,
            _ => {}
        }
        if !self.view.online {
            return;
        }
        self.view.last_seen_ms = now_ms;
        let busy = self.view.serving.as_ref() != Some(&self.desired);
        match act {
            Act::Obey if busy => self.report(UpdateState::Committed, now_ms),
            // What it serves is wanted again: an update that was under way ends.
            Act::Obey => self.view.update = None,
            Act::Fail if busy => self.report(UpdateState::Failed(Reason::new("golden", "wrong")), now_ms),
            Act::Start if busy => self.report(UpdateState::Downloading, now_ms),
            _ => {}
        }
    }
}

fn treated(devices: &[Device]) -> Health {
    let mut group = Group::default();
    for device in devices.iter().filter(|device| device.view.serving == Some(model("1.1.0"))) {
        group.devices.entry(device.view.id.clone()).or_default().inferences = 10;
    }
    Health { control: Group::default(), treated: group }
}

struct Flight {
    rollout: Rollout,
    devices: Vec<Device>,
    /// Every device that was ever told to take the model.
    told: BTreeSet<DeviceId>,
    now_ms: i64,
}

impl Flight {
    fn new(waves: Waves, count: usize) -> Self {
        let devices: Vec<Device> = (0..count).map(Device::new).collect();
        let fleet = devices.iter().map(|device| (device.view.id.clone(), device.view.serving.clone()));
        let rollout = Rollout::new("r1", model("1.1.0"), fleet, waves, 0).unwrap();
        Self { rollout, devices, told: BTreeSet::new(), now_ms: 0 }
    }

    /// One minute: the devices act, the server decides and sends.
    fn minute(&mut self, acts: &[Act]) {
        self.now_ms += MINUTE;
        for (device, act) in self.devices.iter_mut().zip(acts.iter().cycle()) {
            device.act(*act, self.now_ms);
        }
        let views: Vec<DeviceView> = self.devices.iter().map(|device| device.view.clone()).collect();
        let health = treated(&self.devices);
        let decision = decide(&self.rollout, &views, &health, self.now_ms);
        let same = decide(&self.rollout, &views, &health, self.now_ms);
        assert_eq!(decision, same, "the same values decide the same");
        for device in &mut self.devices {
            if decision.assign.contains(&device.view.id) {
                device.desired = model("1.1.0");
            }
            if decision.revert.contains(&device.view.id) {
                device.desired = model("1.0.0");
            }
        }
        self.told.extend(decision.assign);
        self.rollout = decision.next;
    }

    /// The largest number of devices that the waves begun so far allow, counted from the numbers alone.
    fn allowed(&self) -> usize {
        let begun = match &self.rollout.phase {
            Phase::Completed { .. } => self.rollout.waves.count(),
            phase => phase.wave().map_or(0, |wave| wave + 1),
        };
        let waves = &self.rollout.waves.as_slice()[..begun];
        let share = |wave: &Wave| (wave.percent / 100.0 * self.devices.len() as f64 + 1e-9) as usize;
        let most = waves.iter().map(|wave| share(wave).max(wave.min_devices as usize)).max();
        most.unwrap_or(0).min(self.devices.len())
    }
}

/// Longest life in minutes: each wave takes at most deadline, soak and deadline, and going back a deadline.
fn longest(waves: &Waves) -> i64 {
    let waves = waves.as_slice();
    let seconds: u64 = waves.iter().map(|w| 2 * w.wave_deadline_seconds + w.soak_seconds + 240).sum();
    (seconds + waves[0].wave_deadline_seconds) as i64 / 60 + 10
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn a_wave_never_has_more_devices_than_it_allows(
        waves in waves(),
        count in 1_usize..40,
        minutes in prop::collection::vec(prop::collection::vec(act(), 1..40), 1..60),
    ) {
        let mut flight = Flight::new(waves, count);
        for acts in &minutes {
            flight.minute(acts);
            prop_assert!(flight.told.len() <= flight.allowed(), "{} of {}", flight.told.len(), flight.allowed());
        }
    }

    #[test]
    fn a_rollout_always_ends(
        waves in waves(),
        count in 1_usize..20,
        minutes in prop::collection::vec(prop::collection::vec(act(), 1..20), 1..20),
    ) {
        let limit = longest(&waves);
        let mut flight = Flight::new(waves, count);
        for acts in minutes.iter().cycle().take(limit as usize) {
            flight.minute(acts);
        }
        prop_assert!(flight.rollout.phase.is_final(), "{:?} after {limit} minutes", flight.rollout.phase);
    }

    #[test]
    fn going_back_reaches_every_device_that_was_told(
        waves in waves(),
        count in 1_usize..20,
        minutes in prop::collection::vec(prop::collection::vec(act(), 1..20), 1..30),
    ) {
        let mut flight = Flight::new(waves, count);
        for acts in &minutes {
            flight.minute(acts);
        }
        if let Ok(aborted) = abort(&flight.rollout, "a person said so", flight.now_ms) {
            flight.rollout = aborted;
        }
        if matches!(flight.rollout.phase, Phase::Completed { .. }) {
            return Ok(());
        }
        // All stay away until after every deadline, then come back and do as they are told.
        let away = longest(&flight.rollout.waves);
        for device in &mut flight.devices {
            device.view.online = false;
        }
        for _ in 0..away {
            flight.minute(&[Act::Nothing]);
        }
        prop_assert!(flight.rollout.phase.is_final());
        flight.minute(&[Act::Come]);
        for _ in 0..3 {
            flight.minute(&[Act::Obey]);
        }
        for device in &flight.devices {
            prop_assert_eq!(&device.desired, &model("1.0.0"), "{}", device.view.id);
            prop_assert_eq!(device.view.serving.as_ref(), Some(&model("1.0.0")), "{}", device.view.id);
        }
        let views: Vec<DeviceView> = flight.devices.iter().map(|device| device.view.clone()).collect();
        prop_assert!(decide(&flight.rollout, &views, &Health::default(), flight.now_ms).revert.is_empty());
    }

    #[test]
    fn a_paused_rollout_tells_no_further_device_and_goes_on_where_it_was(
        waves in waves(),
        count in 1_usize..20,
        minutes in prop::collection::vec(prop::collection::vec(act(), 1..20), 1..10),
    ) {
        let mut flight = Flight::new(waves, count);
        flight.minute(&[Act::Nothing]);
        flight.rollout = pause(&flight.rollout, flight.now_ms).unwrap();
        let told = flight.told.clone();
        for acts in &minutes {
            flight.minute(acts);
            prop_assert_eq!(&flight.told, &told);
        }
        if matches!(flight.rollout.phase, Phase::Paused { .. }) {
            let resumed = resume(&flight.rollout, flight.now_ms).unwrap();
            prop_assert_eq!(resumed.phase.wave(), Some(0));
            prop_assert_eq!(resumed.watch.watched_ms, 0);
        }
    }
}
