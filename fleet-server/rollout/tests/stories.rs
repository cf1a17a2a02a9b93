//! Rollouts as people live through them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use dunlin_protocol::{
    DeviceId, ModelRef,
    message::{ClockQuality, RecordId, Window},
    statistics::{Counts, LabelStatistics, LatencyHistogram, OutputStatistics},
    update::{Reason, UpdateReport, UpdateState},
};
use dunlin_rollout::{
    DeviceView, Health, Judgement, Phase, Rollout, Waves, abort, decide, gate::judge, pause, plan, resume,
};

const QUICK: &str = include_str!("../../../configs/waves/quick.toml");

fn model(version: &str) -> ModelRef {
    format!("rain-{version}").parse().unwrap()
}

fn id(index: usize) -> DeviceId {
    format!("station-{index:02}").parse().unwrap()
}

fn rollout() -> Rollout {
    let fleet = (0..24).map(|index| (id(index), Some(model("1.0.0"))));
    Rollout::new("r1", model("1.1.0"), fleet, Waves::from_toml(QUICK).unwrap(), 0).unwrap()
}

/// A device's window; `rain` and `wrong` are shares of the answers.
fn window(version: &str, inferences: u64, wrong: f64, rain: f64, labelled: bool, latency_us: f64) -> Window {
    let yes = (rain * inferences as f64) as u64;
    let mut latency = LatencyHistogram::default();
    (0..inferences).for_each(|_| latency.observe(latency_us));
    let labels = if labelled {
        let errors = (wrong * inferences as f64) as u64;
        LabelStatistics { count: inferences, errors, squared_error: 0.0 }
    } else {
        LabelStatistics::default()
    };
    Window {
        record: RecordId { boot: 1, sequence: 0 },
        model: model(version),
        start_ms: 0,
        duration_ms: 60_000,
        merged: 1,
        clock: ClockQuality::Synchronised,
        inferences,
        failures: 0,
        inputs: Vec::new(),
        outputs: OutputStatistics::Classes {
            labels: Counts(vec![inferences - yes, yes]),
            other: 0,
            confidence: Counts(vec![inferences]),
            confidence_sum: inferences as f64 * 0.8,
            entropy_sum: 0.0,
        },
        latency,
        labels,
    }
}

/// Twenty control stations that differ among themselves, and four with the new model.
fn health(wrong: f64, rain: f64, labelled: bool, latency_us: f64) -> Health {
    let windows: Vec<(DeviceId, Window)> = (0..24)
        .map(|index| {
            let own = (index % 5) as f64 * 0.02 - 0.04;
            let window = if index < 4 {
                window("1.1.0", 300, wrong + own, rain + own, labelled, latency_us)
            } else {
                window("1.0.0", 300, 0.18 + own, 0.3 + own, labelled, 100.0)
            };
            (id(index), window)
        })
        .collect();
    Health::from_windows(&model("1.1.0"), windows.iter().map(|(id, window)| (id, window)))
}

fn gate(health: &Health) -> Judgement {
    judge(rollout().waves.get(0), health, &Default::default())
}

fn harm(health: &Health) -> String {
    match gate(health) {
        Judgement::Harmful(harm) => harm.sentence,
        other => panic!("{other:?}"),
    }
}

fn view(index: usize, serving: &str, state: UpdateState, now_ms: i64) -> DeviceView {
    let update = UpdateReport {
        generation: 1,
        rollout: Some("r1".into()),
        model: model("1.1.0"),
        state,
        since_ms: now_ms,
        bytes: None,
    };
    DeviceView {
        id: id(index),
        online: true,
        revoked: false,
        serving: Some(model(serving)),
        update: Some(update),
        last_seen_ms: now_ms,
    }
}

/// The same rollout after a server that took its turns all the time.
fn later(rollout: &Rollout, seconds: i64) -> Rollout {
    let mut later = rollout.clone();
    later.watch.watched_ms += seconds * 1000;
    later.watch.seen_ms += seconds * 1000;
    later
}

#[test]
fn inverted_answers_are_taken_back_with_a_sentence_people_understand() {
    assert_eq!(harm(&health(0.70, 0.7, true, 100.0)), "wrong answers 69 % against 18 % in the control group");
}

#[test]
fn an_equal_or_better_model_is_healthy() {
    assert_eq!(gate(&health(0.18, 0.3, true, 100.0)), Judgement::Healthy { compared: true });
    assert_eq!(gate(&health(0.10, 0.3, true, 100.0)), Judgement::Healthy { compared: true });
    // Six points worse is within the margin of ten.
    assert_eq!(gate(&health(0.24, 0.3, true, 100.0)), Judgement::Healthy { compared: true });
}

#[test]
fn without_labels_the_predicted_classes_speak() {
    let shifted = health(0.0, 0.9, false, 100.0);
    assert!(harm(&shifted).starts_with("answers class"), "{}", harm(&shifted));
    assert_eq!(gate(&health(0.0, 0.34, false, 100.0)), Judgement::Healthy { compared: true });
    // Good labels outweigh the hint.
    assert_eq!(gate(&health(0.10, 0.9, true, 100.0)), Judgement::Healthy { compared: true });
}

#[test]
fn slow_answers_are_harm_and_microseconds_are_not() {
    assert_eq!(gate(&health(0.18, 0.3, true, 900.0)), Judgement::Healthy { compared: true });
    assert!(harm(&health(0.18, 0.3, true, 80_000.0)).starts_with("slowest 1 % of answers take"));
}

#[test]
fn too_few_answers_are_not_judged() {
    let mut few = Health::default();
    few.treated.add(&id(0), &window("1.1.0", 20, 1.0, 1.0, true, 100.0));
    assert_eq!(gate(&few), Judgement::TooFew { seen: 20, needed: 200 });
    few.treated.add(&id(0), &window("1.1.0", 200, 1.0, 1.0, true, 100.0));
    assert_eq!(gate(&few), Judgement::Healthy { compared: false });
}

#[test]
fn the_last_wave_is_judged_against_the_control_group_of_before() {
    let bad = health(0.69, 0.3, true, 100.0);
    let alone = Health { control: Default::default(), treated: bad.treated };
    let Judgement::Harmful(harm) = judge(rollout().waves.get(2), &alone, &bad.control) else {
        panic!("not found")
    };
    assert!(harm.sentence.ends_with("against 18 % before"), "{}", harm.sentence);
}

#[test]
fn a_good_model_reaches_everyone_wave_by_wave() {
    let mut rollout = rollout();
    let mut serving = ["1.0.0"; 24];
    let mut sizes = Vec::new();
    for second in 0..60 {
        let now_ms = second * 1000;
        let views: Vec<DeviceView> = (0..24)
            .map(|index| {
                let state =
                    if serving[index] == "1.1.0" { UpdateState::Committed } else { UpdateState::Idle };
                view(index, serving[index], state, now_ms)
            })
            .collect();
        let windows: Vec<(DeviceId, Window)> =
            (0..24).map(|index| (id(index), window(serving[index], 300, 0.18, 0.3, true, 100.0))).collect();
        let health = Health::from_windows(&model("1.1.0"), windows.iter().map(|(id, w)| (id, w)));
        let decision = decide(&rollout, &views, &health, now_ms);
        if matches!(decision.next.phase, Phase::Wave { .. }) && decision.next.phase != rollout.phase {
            sizes.push(decision.assign.len());
        }
        for (index, runs) in serving.iter_mut().enumerate() {
            if decision.assign.contains(&id(index)) {
                *runs = "1.1.0";
            }
        }
        assert!(decision.revert.is_empty());
        rollout = decision.next;
    }
    assert_eq!(sizes, [2, 7, 15]);
    assert!(matches!(rollout.phase, Phase::Completed { .. }), "{rollout:?}");
    let planned: Vec<usize> = plan(&rollout).iter().map(|wave| wave.devices.len()).collect();
    assert_eq!(planned, sizes, "the dry run said the same");
}

#[test]
fn a_failed_self_test_stops_the_wave_at_once() {
    let begun = decide(&rollout(), &[], &Health::default(), 0);
    let failed = UpdateState::Failed(Reason::new("golden", "answers differ from the golden vectors"));
    let views: Vec<DeviceView> = (0..24).map(|index| view(index, "1.0.0", failed.clone(), 1000)).collect();
    let decision = decide(&begun.next, &views, &Health::default(), 1000);
    let reason = decision.next.phase.reason().unwrap();
    assert!(reason.starts_with("the update failed on 2 of 2 devices: answers differ"), "{reason}");
    assert_eq!(decision.revert, begun.assign, "every device that was told is told to go back");
    assert!(decision.sentence.contains("taken back from 2 devices"), "{}", decision.sentence);
}

#[test]
fn one_failure_does_not_stop_a_wave_because_the_others_lost_their_link() {
    let waves = "[[wave]]
        percent = 100
        soak = \"10m\"
        min_inferences = 5
        max_failure_ratio = 0.1
        max_health_drop = 0.05";
    let fleet = (0..24).map(|index| (id(index), Some(model("1.0.0"))));
    let planned = Rollout::new("r1", model("1.1.0"), fleet, Waves::from_toml(waves).unwrap(), 0).unwrap();
    let begun = decide(&planned, &[], &Health::default(), 0).next;
    let views = |online: bool| -> Vec<DeviceView> {
        let state = |index| match index {
            0 => UpdateState::Failed(Reason::new("space", "the disk is full")),
            1 | 2 => UpdateState::Committed,
            _ => UpdateState::Staging,
        };
        let serving = |index| if matches!(index, 1 | 2) { "1.1.0" } else { "1.0.0" };
        (0..24)
            .map(|index| DeviceView {
                online: online || index < 3,
                ..view(index, serving(index), state(index), 1000)
            })
            .collect()
    };
    for online in [true, false] {
        let next = decide(&begun, &views(online), &Health::default(), 1000).next;
        assert!(matches!(next.phase, Phase::Wave { .. }), "online {online}: {:?}", next.phase);
        let paused = pause(&next, 2000).unwrap();
        assert_eq!(decide(&paused, &views(online), &Health::default(), 3000).next.phase, paused.phase);
    }
    // At the deadline those that came are all there is to judge by: one of three is too many.
    let late = decide(&later(&begun, 86_400), &views(false), &Health::default(), 86_400_000).next;
    assert_eq!(
        late.phase.reason(),
        Some("the update failed on 1 of 3 devices: the disk is full on station-00")
    );
}

/// Turns each second from `now_ms` on, with two devices that have the model and answer well.
fn soak(mut rollout: Rollout, now_ms: i64, seconds: i64) -> Rollout {
    let views: Vec<DeviceView> =
        (0..24).map(|index| view(index, "1.1.0", UpdateState::Committed, now_ms)).collect();
    for second in 1..=seconds {
        rollout = decide(&rollout, &views, &health(0.18, 0.3, true, 100.0), now_ms + second * 1000).next;
    }
    rollout
}

/// A rollout whose first wave has begun to soak, for ten minutes.
fn soaking() -> Rollout {
    let waves = "[[wave]]
        percent = 100
        soak = \"10m\"
        min_inferences = 5
        max_failure_ratio = 0.1
        max_health_drop = 0.5";
    let fleet = (0..24).map(|index| (id(index), Some(model("1.0.0"))));
    let planned = Rollout::new("r1", model("1.1.0"), fleet, Waves::from_toml(waves).unwrap(), 0).unwrap();
    let begun = soak(planned, 0, 2);
    assert!(matches!(begun.phase, Phase::Soaking { .. }), "{:?}", begun.phase);
    begun
}

#[test]
fn nothing_soaks_while_the_server_is_down() {
    const HOUR: i64 = 3_600_000;
    let half = soak(soaking(), 2000, 300);
    let back = soak(half, HOUR, 1);
    assert!(matches!(back.phase, Phase::Soaking { .. }), "{:?}", back.phase);
    let nearly = soak(back, HOUR + 1000, 298);
    assert!(matches!(nearly.phase, Phase::Soaking { .. }), "{:?}", nearly.phase);
    let over = soak(nearly, HOUR + 299_000, 4);
    assert!(matches!(over.phase, Phase::Completed { .. }), "{:?}", over.phase);
}

#[test]
fn a_clock_that_is_set_holds_nothing_up() {
    const YEAR: i64 = 365 * 86_400_000;
    const HALF_A_MINUTE: i64 = 30_000;
    for jump in [-YEAR, -HALF_A_MINUTE, YEAR] {
        let half = soak(soaking(), YEAR, 300);
        assert!(matches!(half.phase, Phase::Soaking { .. }), "{:?}", half.phase);
        let after = YEAR + 300_000 + jump;
        let set = soak(half, after, 1);
        assert!(set.judged_since_ms() <= after + 1000, "what comes now is not older than the soak");
        let nearly = soak(set, after + 1000, 290);
        assert!(matches!(nearly.phase, Phase::Soaking { .. }), "{jump}: {:?}", nearly.phase);
        let over = soak(nearly, after + 291_000, 15);
        assert!(matches!(over.phase, Phase::Completed { .. }), "{jump}: {:?}", over.phase);
    }
}

#[test]
fn a_pause_counts_for_nothing_and_forgets_nothing() {
    let half = soak(soaking(), 2000, 300);
    let paused = soak(pause(&half, 302_000).unwrap(), 302_000, 900);
    let on = resume(&paused, 1_202_000).unwrap();
    assert_eq!((on.phase.clone(), on.watch.watched_ms), (half.phase, half.watch.watched_ms));
    assert_eq!(on.watch.phases, half.watch.phases, "what was judged before the pause is judged on");
    let nearly = soak(on, 1_202_000, 290);
    assert!(matches!(nearly.phase, Phase::Soaking { .. }), "{:?}", nearly.phase);
    let over = soak(nearly, 1_492_000, 12);
    assert!(matches!(over.phase, Phase::Completed { .. }), "{:?}", over.phase);
}

#[test]
fn offline_devices_are_skipped_after_the_deadline_and_caught_up_later() {
    let begun = decide(&rollout(), &[], &Health::default(), 0);
    // A wave of which nothing was heard at all does not go on blindly.
    let silent = decide(&later(&begun.next, 601), &[], &Health::default(), 601_000);
    assert_eq!(
        silent.next.phase.reason(),
        Some("only 0 of 2 devices took the model within 10 min (2 offline)")
    );
    let last = Rollout { phase: Phase::Completed { since_ms: 0 }, ..begun.next };
    let late = decide(&last, &[view(3, "1.0.0", UpdateState::Idle, 5)], &Health::default(), 9);
    assert_eq!(late.assign.len(), 24, "all that did not report it yet");
}

#[test]
fn nothing_waits_for_a_device_whose_right_was_taken() {
    let begun = decide(&rollout(), &[], &Health::default(), 0);
    let [first, second] = begun.assign.as_slice() else { panic!("{:?}", begun.assign) };
    let of = |device: &DeviceId, revoked: bool| DeviceView {
        id: device.clone(),
        online: !revoked,
        revoked,
        ..view(0, if revoked { "1.0.0" } else { "1.1.0" }, UpdateState::Committed, 1000)
    };
    let gone = DeviceView { update: None, ..of(second, true) };
    let views = [of(first, false), gone];
    let soaking = decide(&begun.next, &views, &Health::default(), 1000);
    assert!(matches!(soaking.next.phase, Phase::Soaking { wave: 0, .. }), "{:?}", soaking.next.phase);
    let back = abort(&soaking.next, "", 2000).unwrap();
    let views = [
        DeviceView { serving: Some(model("1.0.0")), last_seen_ms: 3000, ..views[0].clone() },
        views[1].clone(),
    ];
    let ended = decide(&back, &views, &Health::default(), 3000);
    assert!(matches!(ended.next.phase, Phase::RolledBack { .. }), "{:?}", ended.next.phase);
    assert!(ended.revert.is_empty(), "{:?}", ended.revert);
}

#[test]
fn what_the_phase_does_not_allow_is_refused_with_a_cure() {
    let planned = rollout();
    let paused = pause(&planned, 5).unwrap();
    assert!(pause(&paused, 6).unwrap_err().to_string().contains("only a running rollout"));
    assert_eq!(resume(&paused, 9).unwrap().phase, planned.phase);
    let aborted = abort(&planned, "", 5).unwrap();
    assert!(matches!(&aborted.phase, Phase::Aborted { reason, .. } if reason == "aborted"));
    assert!(abort(&aborted, "", 6).unwrap_err().to_string().contains("roll out the earlier version"));
    assert!(Rollout::new("r", model("1.0.0"), [(id(0), Some(model("1.0.0")))], planned.waves, 0).is_err());
}

#[test]
fn a_rollout_is_stored_and_read_back() {
    let mut begun = decide(&rollout(), &[], &health(0.18, 0.3, true, 100.0), 0).next;
    begun = pause(&begun, 7).unwrap();
    assert!(!begun.baseline.devices.is_empty());
    let text = serde_json::to_string(&begun).unwrap();
    assert_eq!(serde_json::from_str::<Rollout>(&text).unwrap(), begun);
}
