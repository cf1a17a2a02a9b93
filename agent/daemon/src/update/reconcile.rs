//! What to do about the difference between what should run and what does. Decides only.

use std::collections::BTreeMap;

use dunlin_protocol::{
    ModelName,
    message::{Desired, DesiredModel},
    update::{Reason, UpdateState},
};

use super::record::Record;
use crate::serving::slot::Slots;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Begin an update.
    Begin(DesiredModel),
    /// The update that runs or ended is the one that is asked for: it answers for this generation too.
    Adopt(DesiredModel),
    /// The model answers already.
    AlreadyInstalled(DesiredModel),
    /// The version failed here before and is not asked for again.
    Refuse(DesiredModel, Reason),
    /// The name is no longer asked for.
    Retire(ModelName),
}

/// True when `offered` may replace `last`: it is not of an older generation.
pub fn accepts(last: Option<&Desired>, offered: &Desired) -> bool {
    last.is_none_or(|last| offered.generation >= last.generation)
}

/// The plan. Planning again after it was carried out gives nothing.
pub fn plan(
    desired: &Desired,
    records: &BTreeMap<ModelName, Record>,
    slots: &BTreeMap<ModelName, Slots>,
) -> Vec<Plan> {
    let mut plans = Vec::new();
    for wanted in &desired.models {
        let name = &wanted.target.model().name;
        let empty = Slots::default();
        plans.extend(plan_one(
            desired.generation,
            wanted,
            records.get(name),
            slots.get(name).unwrap_or(&empty),
        ));
    }
    let asked = |name: &ModelName| desired.models.iter().any(|wanted| wanted.target.model().name == *name);
    let mut known: Vec<&ModelName> =
        slots.iter().filter(|(_, slots)| slots.current.is_some()).map(|(name, _)| name).collect();
    known.extend(records.keys());
    known.sort();
    known.dedup();
    plans.extend(known.into_iter().filter(|name| !asked(name)).cloned().map(Plan::Retire));
    plans
}

fn plan_one(generation: u64, wanted: &DesiredModel, record: Option<&Record>, slots: &Slots) -> Option<Plan> {
    let model = wanted.target.model();
    let answers = slots.current.as_ref().is_some_and(|slot| slot.model == *model);
    let same = record.filter(|record| record.model() == model);
    let new_wish = |record: &Record| {
        record.generation < generation && (wanted.rollout.is_none() || wanted.rollout != record.rollout)
    };
    let again = wanted.again && same.is_none_or(new_wish);
    if let Some(record) = same {
        let moved = record.generation != generation || record.rollout != wanted.rollout;
        return match &record.state {
            UpdateState::Failed(_) | UpdateState::RolledBack(_) if again => Some(Plan::Begin(wanted.clone())),
            UpdateState::Committed if !answers => Some(Plan::Begin(wanted.clone())),
            UpdateState::Idle => Some(Plan::Begin(wanted.clone())),
            _ => moved.then(|| Plan::Adopt(wanted.clone())),
        };
    }
    if answers && slots.proven {
        return Some(Plan::AlreadyInstalled(wanted.clone()));
    }
    let refused = record.and_then(|record| record.refused.iter().find(|refused| refused.model == *model));
    match refused {
        Some(refused) if !wanted.again => {
            let message =
                format!("it failed here before: {}; a new rollout of it tries again", refused.reason.message);
            Some(Plan::Refuse(wanted.clone(), Reason::new(&refused.reason.code, message)))
        }
        _ => Some(Plan::Begin(wanted.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{serving::slot::Slot, update::record::Refused};

    fn wanted(model: &str, again: bool) -> DesiredModel {
        DesiredModel { target: format!("{model}.dunlin").parse().unwrap(), rollout: None, again }
    }

    fn desired<'a>(generation: u64, model: impl Into<Option<&'a DesiredModel>>) -> Desired {
        Desired { generation, at_ms: 0, models: model.into().into_iter().cloned().collect() }
    }

    fn record(model: &str, state: UpdateState, generation: u64) -> BTreeMap<ModelName, Record> {
        let mut record = Record::new(wanted(model, false).target, UpdateState::Resolving, 0, vec![]);
        record.enter(state, 0);
        record.generation = generation;
        BTreeMap::from([(record.model().name.clone(), record)])
    }

    fn slots(current: &str, previous: Option<&str>, proven: bool) -> BTreeMap<ModelName, Slots> {
        let slot = |model: &str| Slot { model: model.parse().unwrap(), sha256: String::new(), since_ms: 0 };
        let slots = Slots { current: Some(slot(current)), previous: previous.map(slot), proven };
        BTreeMap::from([("rain".parse().unwrap(), slots)])
    }

    fn failed() -> UpdateState {
        UpdateState::Failed(Reason::new("golden", "wrong numbers"))
    }

    #[test]
    fn the_table_of_plans() {
        let none = BTreeMap::new();
        let no_slots = BTreeMap::new();
        let (want, again) = (wanted("rain-1.1.0", false), wanted("rain-1.1.0", true));
        let begin = vec![Plan::Begin(want.clone())];
        assert_eq!(plan(&desired(2, &want), &none, &no_slots), begin);
        assert_eq!(plan(&desired(2, &want), &none, &slots("rain-1.0.0", None, true)), begin);
        // It runs already, from a USB stick or before the record was lost.
        let installed = vec![Plan::AlreadyInstalled(want.clone())];
        assert_eq!(plan(&desired(2, &want), &none, &slots("rain-1.1.0", None, true)), installed);
        // Under way, asked for by a later generation: the same update answers for it.
        let running = record("rain-1.1.0", UpdateState::Downloading, 1);
        assert_eq!(plan(&desired(2, &want), &running, &no_slots), [Plan::Adopt(want.clone())]);
        assert_eq!(plan(&desired(1, &want), &running, &no_slots), []);
        // Failed: not again by itself, but once per generation when asked for.
        let bad = record("rain-1.1.0", failed(), 1);
        assert_eq!(plan(&desired(2, &want), &bad, &no_slots), [Plan::Adopt(want.clone())]);
        assert_eq!(plan(&desired(2, &again), &bad, &no_slots), [Plan::Begin(again.clone())]);
        assert_eq!(plan(&desired(1, &again), &bad, &no_slots), []);
        // Nor again for the same rollout, when another model's wish has counted the generation up.
        let rolled = DesiredModel { rollout: Some("r1".into()), ..again.clone() };
        let mut rolled_bad = bad.clone();
        rolled_bad.values_mut().for_each(|record| record.rollout = Some("r1".into()));
        assert_eq!(plan(&desired(2, &rolled), &rolled_bad, &no_slots), [Plan::Adopt(rolled)]);
        // Committed, but its bundle was damaged and something else answers.
        let committed = record("rain-1.1.0", UpdateState::Committed, 2);
        assert_eq!(plan(&desired(2, &want), &committed, &slots("rain-1.0.0", None, true)), begin);
        assert_eq!(plan(&desired(2, &want), &committed, &slots("rain-1.1.0", None, true)), []);
        let retire = vec![Plan::Retire("rain".parse().unwrap())];
        assert_eq!(plan(&desired(3, None), &committed, &slots("rain-1.1.0", None, true)), retire);
    }

    #[test]
    fn a_version_that_failed_before_another_one_came_stays_refused() {
        let mut records = record("rain-1.2.0", UpdateState::Committed, 5);
        let reason = Reason::new("golden", "wrong numbers");
        let refused = Refused { model: "rain-1.1.0".parse().unwrap(), reason };
        records.values_mut().for_each(|record| record.refused.push(refused.clone()));
        let have = slots("rain-1.2.0", None, true);
        let plans = plan(&desired(6, &wanted("rain-1.1.0", false)), &records, &have);
        assert!(matches!(&plans[..], [Plan::Refuse(_, reason)] if reason.code == "golden"), "{plans:?}");
        let again = wanted("rain-1.1.0", true);
        assert_eq!(plan(&desired(6, &again), &records, &have), [Plan::Begin(again)]);
    }

    #[test]
    fn taking_a_model_back_during_its_probation_begins_at_once() {
        let records = record("rain-1.1.0", UpdateState::Probation, 5);
        let old = wanted("rain-1.0.0", false);
        let have = slots("rain-1.1.0", Some("rain-1.0.0"), false);
        assert_eq!(plan(&desired(6, &old), &records, &have), [Plan::Begin(old)]);
    }

    #[test]
    fn an_older_generation_is_refused() {
        let (old, new) = (desired(4, None), desired(5, None));
        assert!(accepts(None, &old) && accepts(Some(&old), &new) && accepts(Some(&new), &new));
        assert!(!accepts(Some(&new), &old));
    }
}
