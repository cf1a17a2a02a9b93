//! Who should run what: the decision of a rollout, and the fleet's default, as orders. Pure.

use std::collections::BTreeSet;

use dunlin_protocol::{ModelName, ModelRef};
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
        .collect()
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
