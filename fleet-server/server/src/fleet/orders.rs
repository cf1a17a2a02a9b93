//! Who should run what: the decision of a rollout, and the fleet's default, as orders. Pure.

use std::collections::BTreeSet;

use dunlin_protocol::{ModelName, ModelRef, message::Desired, update::UpdateState};
use dunlin_rollout::Decision;

use super::{
    Known,
    desired::{self, Order, Stored},
};

/// The orders of a decision that are not carried out yet.
pub fn of_decision(decision: &Decision, stored: &Stored) -> Vec<Order> {
    let rollout = &decision.next;
    let assign = decision.assign.iter().map(|device| (device, Some(rollout.model.clone())));
    let revert =
        decision.revert.iter().map(|device| (device, rollout.previous.get(device).cloned().flatten()));
    assign
        .chain(revert)
        .map(|(device, model)| Order {
            // A rollout is the wish to try, also where the version failed before.
            again: model.as_ref() == Some(&rollout.model),
            device: device.clone(),
            name: rollout.model.name.clone(),
            model,
            rollout: Some(rollout.id.clone()),
        })
        .filter(|order| !desired::fulfilled(stored.get(&order.device), order))
        // A device that had no version before follows the fleet's default by now: there is nothing to take away.
        .filter(|order| order.model.is_some() || !follows_default(stored, order))
        .collect()
}

fn follows_default(stored: &Stored, order: &Order) -> bool {
    let entry = stored.get(&order.device).and_then(|desired| desired::entry(desired, &order.name));
    entry.is_some_and(|entry| entry.rollout.is_none())
}

/// The version that a device goes back to from a new rollout: the one it was told, since an absent device may still
/// report one that was taken back meanwhile; what it serves where it was told nothing or could not take it.
pub fn before(known: &Known, told: Option<&Desired>, name: &ModelName) -> Option<ModelRef> {
    let told = told.and_then(|desired| desired::entry(desired, name)).map(|entry| entry.target.model());
    let failed = known.view(name).update.is_some_and(|update| {
        Some(&update.model) == told
            && matches!(update.state, UpdateState::Failed(_) | UpdateState::RolledBack(_))
    });
    told.filter(|_| !failed).cloned().or_else(|| known.serving(name))
}

/// Orders for devices that no rollout speaks to: they run the champions. A device that was told a version by a
/// rollout keeps it until another rollout tells otherwise; `busy` are the names with a rollout that has not ended.
pub fn by_default(
    champions: &[ModelRef],
    busy: &BTreeSet<ModelName>,
    devices: &[Known],
    stored: &Stored,
) -> Vec<Order> {
    let mut orders = Vec::new();
    for known in devices.iter().filter(|known| known.row.revoked_ms.is_none()) {
        for champion in champions {
            let told = stored.get(&known.id).and_then(|desired| desired::entry(desired, &champion.name));
            let follows = match told {
                None => true,
                Some(entry) => {
                    entry.rollout.is_none()
                        && entry.target.model() != champion
                        && !busy.contains(&champion.name)
                }
            };
            if follows {
                orders.push(Order {
                    device: known.id.clone(),
                    name: champion.name.clone(),
                    model: Some(champion.clone()),
                    rollout: None,
                    again: false,
                });
            }
        }
    }
    orders
}

#[cfg(test)]
mod tests {
    use dunlin_protocol::{
        message::{ClockQuality, Serving, State},
        update::{Reason, UpdateReport},
    };
    use dunlin_rollout::{Phase, Rollout};

    use super::*;
    use crate::storage::devices::DeviceRow;

    fn model(text: &str) -> ModelRef {
        text.parse().unwrap()
    }

    fn told(version: &str, rollout: Option<&str>) -> Desired {
        let order = Order {
            device: "s1".parse().unwrap(),
            name: "rain".parse().unwrap(),
            model: Some(model(version)),
            rollout: rollout.map(str::to_owned),
            again: false,
        };
        desired::next(None, &order, 0)
    }

    fn device(serving: &str, failed: Option<&str>) -> Known {
        let row = DeviceRow {
            number: 1,
            id: "s1".into(),
            certificate: vec![],
            words: String::new(),
            enrolled_ms: 0,
            revoked_ms: None,
            online: false,
            last_seen_ms: None,
            state_boot: None,
            state_received_ms: None,
            state: None,
        };
        let serving = Serving { model: model(serving), since_ms: 0, compared: true, fallback: None };
        let update = |version: &str| UpdateReport {
            generation: 1,
            rollout: None,
            model: model(version),
            state: UpdateState::Failed(Reason::new("golden", "wrong numbers")),
            since_ms: 0,
            bytes: None,
        };
        let state = State {
            online: false,
            boot: 1,
            agent: String::new(),
            at_ms: 0,
            clock: ClockQuality::Unknown,
            generation: 1,
            serving: vec![serving],
            updates: failed.map(update).into_iter().collect(),
            spool: None,
            system: None,
            modes: vec![],
        };
        Known { id: "s1".parse().unwrap(), row, state: Some(state) }
    }

    #[test]
    fn an_absent_device_goes_back_to_what_it_was_told_not_to_a_model_that_was_taken_back() {
        let name = "rain".parse().unwrap();
        let (bad, good) = (model("rain-1.1.0"), model("rain-1.0.0"));
        let absent = device("rain-1.1.0", None);
        assert_eq!(before(&absent, Some(&told("rain-1.0.0", Some("r1"))), &name), Some(good.clone()));
        assert_eq!(before(&absent, None, &name), Some(bad));
        let failed = device("rain-1.0.0", Some("rain-1.1.0"));
        assert_eq!(before(&failed, Some(&told("rain-1.1.0", Some("r1"))), &name), Some(good));
    }

    #[test]
    fn a_device_without_a_model_before_is_left_to_the_default_when_a_rollout_goes_back() {
        let id: dunlin_protocol::DeviceId = "s1".parse().unwrap();
        let waves = include_str!("../../../../configs/waves/quick.toml");
        let waves = dunlin_rollout::Waves::from_toml(waves).unwrap();
        let mut next = Rollout::new("r1", model("rain-1.1.0"), [(id.clone(), None)], waves, 0).unwrap();
        next.phase = Phase::RolledBack { wave: 0, reason: String::new(), since_ms: 0 };
        let decision = Decision { next, assign: vec![], revert: vec![id.clone()], sentence: String::new() };
        let orders = |desired| of_decision(&decision, &Stored::from([(id.clone(), desired)]));
        assert_eq!(orders(told("rain-1.1.0", Some("r1"))).len(), 1, "the rollout's model is taken away");
        assert_eq!(orders(told("rain-1.0.0", None)).len(), 0, "the champion stays");
    }
}
