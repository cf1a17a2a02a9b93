//! Desired states: changed in the database first, then published.

use std::collections::{BTreeMap, BTreeSet};

use dunlin_protocol::{
    DeviceId, Message, ModelName, ModelRef,
    message::{Desired, DesiredModel},
};
use rusqlite::{Connection, Transaction};

use crate::storage::devices;

/// One device should run this version of one model, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The device.
    pub device: DeviceId,
    /// The model's name.
    pub name: ModelName,
    /// The version; `None` takes the model away.
    pub model: Option<ModelRef>,
    /// The rollout that asks for it; `None` is the fleet's default.
    pub rollout: Option<String>,
    /// True to try a version again that the device failed before.
    pub again: bool,
}

/// Desired states by device, as stored.
pub type Stored = BTreeMap<DeviceId, Desired>;

/// Reads all desired states.
pub fn all(db: &Connection) -> rusqlite::Result<Stored> {
    let read = |(id, body): (String, Vec<u8>)| Some((id.parse().ok()?, Desired::decode(&body).ok()?));
    Ok(devices::all_desired(db)?.into_iter().filter_map(read).collect())
}

/// Whether the stored state already says what the order asks for.
pub fn fulfilled(stored: Option<&Desired>, order: &Order) -> bool {
    let entry = stored.and_then(|desired| entry(desired, &order.name));
    match (entry, &order.model) {
        (None, None) => true,
        (Some(entry), Some(model)) => entry.target.model() == model && entry.rollout == order.rollout,
        _ => false,
    }
}

/// The entry for a model name.
pub fn entry<'a>(desired: &'a Desired, name: &ModelName) -> Option<&'a DesiredModel> {
    desired.models.iter().find(|entry| entry.target.model().name == *name)
}

/// The next desired state.
pub fn next(stored: Option<&Desired>, order: &Order, now_ms: i64) -> Desired {
    let mut models = stored.map(|desired| desired.models.clone()).unwrap_or_default();
    models.retain(|entry| entry.target.model().name != order.name);
    if let Some(model) = &order.model {
        models.push(DesiredModel {
            target: model.target(),
            rollout: order.rollout.clone(),
            again: order.again,
        });
    }
    models.sort_by(|a, b| a.target.cmp(&b.target));
    Desired { generation: stored.map_or(0, |desired| desired.generation) + 1, at_ms: now_ms, models }
}

/// Stores what the orders change. Returns the devices that have a new desired state.
pub fn apply(tx: &Transaction<'_>, orders: &[Order], now_ms: i64) -> rusqlite::Result<BTreeSet<DeviceId>> {
    let mut changed = BTreeSet::new();
    for order in orders {
        let Some(number) = devices::number_of(tx, order.device.as_str())? else { continue };
        let stored = devices::desired(tx, number)?;
        let generation = stored.as_ref().map_or(0, |(generation, _)| *generation);
        let mut stored = stored.and_then(|(_, body)| Desired::decode(&body).ok());
        if let Some(stored) = &mut stored {
            stored.generation = stored.generation.max(generation);
        }
        if fulfilled(stored.as_ref(), order) {
            continue;
        }
        let next = next(stored.as_ref(), order, now_ms);
        let body = next.encode().map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        if devices::put_desired(tx, number, next.generation, &body)? {
            changed.insert(order.device.clone());
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(model: Option<&str>) -> Order {
        Order {
            device: "s1".parse().unwrap(),
            name: "rain".parse().unwrap(),
            model: model.map(|model| model.parse().unwrap()),
            rollout: Some("r1".into()),
            again: false,
        }
    }

    #[test]
    fn a_change_counts_the_generation_up_and_leaves_other_models_alone() {
        let mut other = order(Some("wind-2.0.0"));
        other.name = "wind".parse().unwrap();
        let first = next(None, &other, 1);
        let second = next(Some(&first), &order(Some("rain-1.0.0")), 2);
        assert_eq!((first.generation, second.generation), (1, 2));
        assert_eq!(second.models.len(), 2);
        let third = next(Some(&second), &order(None), 3);
        assert_eq!(third.models.len(), 1);
        assert_eq!(third.models[0].target.model().to_string(), "wind-2.0.0");
    }

    #[test]
    fn an_order_that_is_carried_out_asks_for_nothing_more() {
        let desired = next(None, &order(Some("rain-1.0.0")), 1);
        assert!(fulfilled(Some(&desired), &order(Some("rain-1.0.0"))));
        assert!(!fulfilled(Some(&desired), &order(Some("rain-1.1.0"))));
        assert!(!fulfilled(Some(&desired), &order(None)));
        assert!(fulfilled(None, &order(None)));
    }
}
