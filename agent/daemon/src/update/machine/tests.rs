use proptest::prelude::*;

use super::*;
use UpdateState as S;

fn reason() -> Reason {
    Reason::new("x", "x")
}

fn states() -> Vec<S> {
    vec![
        S::Idle,
        S::Resolving,
        S::Downloading,
        S::Verifying,
        S::Staging,
        S::SelfTest,
        S::Shadow,
        S::Activating,
        S::Probation,
        S::Committed,
        S::RolledBack(reason()),
        S::Failed(reason()),
    ]
}

fn events() -> Vec<Event> {
    vec![
        Event::Begin,
        Event::Done,
        Event::Here,
        Event::Fault { reason: reason(), again: true },
        Event::Fault { reason: reason(), again: false },
        Event::Unhealthy(reason()),
        Event::Tick,
        Event::Restarted,
    ]
}

/// One letter per transition, so that the whole table is seen at once.
fn letter(next: &Next) -> String {
    match next {
        Next::Enter(state) => state.name().to_owned(),
        Next::Retry(_) => "retry".into(),
        Next::Stay => "·".into(),
        Next::Illegal => "-".into(),
    }
}

#[test]
fn the_whole_table_is_what_it_should_be() {
    let table: Vec<String> = states()
        .iter()
        .map(|state| {
            let events = events();
            let row = events
                .iter()
                .map(|event| letter(&next(state, Progress::default(), event, &Config::default())));
            format!("{}: {}", state.name(), row.collect::<Vec<_>>().join(" "))
        })
        .collect();
    // Columns: Begin Done Here Fault(again) Fault Unhealthy Tick Restarted. No shadow time: its first tick ends it.
    assert_eq!(
        table,
        [
            "Idle: Resolving - - - - - · ·",
            "Resolving: - Downloading Verifying retry Failed - · ·",
            "Downloading: - Verifying - retry Failed - · ·",
            "Verifying: - Staging - Failed Failed - · ·",
            "Staging: - SelfTest - Failed Failed - · ·",
            "SelfTest: - Shadow - Failed Failed - · ·",
            "Shadow: - Activating - Failed Failed Failed Activating ·",
            "Activating: - Probation - RolledBack RolledBack - · ·",
            "Probation: - - - RolledBack RolledBack RolledBack · ·",
            "Committed: Resolving - - - - - · ·",
            "RolledBack: Resolving - - - - - · ·",
            "Failed: Resolving - - - - - · ·",
        ]
    );
}

#[test]
fn crashes_in_probation_take_the_model_back() {
    for (starts, expected) in [(1, "·"), (3, "·"), (4, "RolledBack")] {
        let progress = Progress { starts, ..Progress::default() };
        let found = next(&S::Probation, progress, &Event::Restarted, &Config::default());
        assert_eq!(letter(&found), expected, "after {starts} starts");
    }
}

#[test]
fn a_deadline_that_passed_ends_the_state() {
    let progress = Progress { elapsed: Duration::from_secs(100_000), ..Progress::default() };
    for (state, expected) in [
        (S::Resolving, "Failed"),
        (S::Downloading, "Failed"),
        (S::SelfTest, "Failed"),
        (S::Activating, "RolledBack"),
        (S::Shadow, "Activating"),
        (S::Probation, "Committed"),
    ] {
        assert_eq!(
            letter(&next(&state, progress, &Event::Tick, &Config::default())),
            expected,
            "{}",
            state.name()
        );
    }
}

proptest! {
    /// Whatever happens, an update that keeps getting time ends.
    #[test]
    fn every_update_ends(picks in prop::collection::vec(0_usize..8, 0..60)) {
        let (config, mut state, mut progress) = (Config::default(), S::Resolving, Progress::default());
        let steps = picks.into_iter().chain(std::iter::repeat_n(6, 20));
        for pick in steps {
            if state.is_final() {
                break;
            }
            progress.elapsed += Duration::from_secs(4_000);
            let event = events()[pick].clone();
            match event {
                Event::Restarted => progress.starts += 1,
                Event::Fault { .. } => progress.failures += 1,
                _ => {}
            }
            if let Next::Enter(entered) = next(&state, progress, &event, &config) {
                (state, progress) = (entered, Progress::default());
            }
        }
        prop_assert!(state.is_final(), "still {}", state.name());
    }
}
