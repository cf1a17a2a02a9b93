//! One turn: read what is known, decide, store, act.

use std::collections::{BTreeMap, BTreeSet};

use dunlin_protocol::{DeviceId, Message, ModelName, message::Desired};
use dunlin_rollout::{Decision, DeviceProgress, Phase, Rollout, decide, progress};

use super::{
    Fleet, Known,
    desired::{self, Order, Stored},
    device,
    handle::FleetError,
    health::Follower,
    orders,
    stored::{self, Mark, StoredRollout, Summary},
};
use crate::{ingest::live::Kind, link::LinkError, registry::rows, storage::windows};

/// What a turn remembers for the next. All of it can be read anew from the database.
#[derive(Default)]
pub struct Memory {
    followers: BTreeMap<String, Follower>,
    progress: BTreeMap<String, BTreeMap<DeviceId, DeviceProgress>>,
    /// Devices whose desired state is stored but did not reach the broker.
    unsent: BTreeSet<DeviceId>,
}

impl Fleet {
    /// Does all that is due at `now_ms`.
    ///
    /// # Errors
    /// The store's. The next turn makes good what this one left.
    pub async fn turn(&self, now_ms: i64) -> Result<(), FleetError> {
        let mut memory = self.memory.lock().await;
        let (devices, mut desired, champions, rollouts) = self
            .store
            .read(|db| {
                Ok((
                    device::all(db)?,
                    desired::all(db)?,
                    rows::champions(db)?,
                    stored::latest(stored::list(db)?),
                ))
            })
            .await?;
        let mut busy = BTreeSet::new();
        for rollout in rollouts {
            if !rollout.rollout.phase.is_final() {
                busy.insert(rollout.rollout.model.name.clone());
            }
            self.advance(&mut memory, rollout, &devices, &mut desired, now_ms).await?;
        }
        let orders = orders::by_default(&champions, &busy, &devices, &desired);
        self.carry_out(&mut memory, orders, now_ms).await?;
        self.send(&mut memory).await;
        self.count(&devices, &busy, now_ms);
        Ok(())
    }

    /// Takes one rollout as far as it can go now: a step may allow the next.
    async fn advance(
        &self,
        memory: &mut Memory,
        mut stored: StoredRollout,
        devices: &[Known],
        desired: &mut Stored,
        now_ms: i64,
    ) -> Result<(), FleetError> {
        let views: Vec<_> = devices.iter().map(|known| known.view(&stored.rollout.model.name)).collect();
        loop {
            self.follow(memory, &mut stored, devices).await?;
            let health =
                memory.followers.get(&stored.rollout.id).map(|f| f.health().clone()).unwrap_or_default();
            let decision = decide(&stored.rollout, &views, &health, now_ms);
            let moved = decision.next.watch.phases != stored.rollout.watch.phases;
            // When it goes back or is over, people want to see what was judged, not the period that follows.
            let groups = match stored.rollout.phase {
                Phase::GoingBack { .. } => (stored.control.clone(), stored.treatment.clone()),
                ref phase if phase.is_final() => (stored.control.clone(), stored.treatment.clone()),
                _ => (Summary::from(&health.control), Summary::from(&health.treated)),
            };
            let news = decision.sentence != stored.sentence
                || groups.0 != stored.control
                || groups.1 != stored.treatment;
            let counted = decision.next.watch.is_worth_storing(&stored.rollout.watch);
            if moved || news || counted {
                self.keep(&mut stored, &decision, groups, now_ms).await?;
            }
            self.note_progress(memory, &stored.rollout, &views, now_ms).await?;
            let orders = orders::of_decision(&decision, desired);
            self.carry_out(memory, orders, now_ms).await?;
            *desired = self.store.read(desired::all).await?;
            if !moved || stored.rollout.phase.is_final() {
                return Ok(());
            }
        }
    }

    /// Reads the windows of the judged period; a period that has just begun starts from the latest arrival.
    async fn follow(
        &self,
        memory: &mut Memory,
        stored: &mut StoredRollout,
        devices: &[Known],
    ) -> Result<(), FleetError> {
        let rollout = &stored.rollout;
        if rollout.phase.is_final() {
            memory.followers.remove(&rollout.id);
            return Ok(());
        }
        let (phases, since_ms) = (rollout.watch.phases, rollout.judged_since_ms());
        if stored.mark.phases != phases || stored.mark.since_ms != since_ms {
            // A clock that was set back moves the begin of the same period.
            let arrival = match stored.mark.phases == phases && phases > 0 {
                true => stored.mark.arrival,
                false => self.store.read(windows::last_arrival).await?,
            };
            stored.mark = Mark { phases, since_ms, arrival };
            let kept = stored.clone();
            self.store.write(move |db| stored::put(db, &kept)).await?;
        }
        let numbers: BTreeMap<i64, DeviceId> =
            devices.iter().map(|known| (known.row.number, known.id.clone())).collect();
        let follower =
            memory.followers.entry(rollout.id.clone()).or_insert_with(|| Follower::new(stored.mark));
        if follower.mark() != stored.mark {
            *follower = Follower::new(stored.mark);
        }
        Ok(follower.catch_up(&self.store, rollout, &numbers).await?)
    }

    /// Stores the next phase, before anything is done about it.
    async fn keep(
        &self,
        stored: &mut StoredRollout,
        decision: &Decision,
        (control, treatment): (Summary, Summary),
        now_ms: i64,
    ) -> Result<(), FleetError> {
        let moved = decision.next.watch.phases != stored.rollout.watch.phases;
        stored.rollout = decision.next.clone();
        stored.sentence.clone_from(&decision.sentence);
        (stored.control, stored.treatment) = (control, treatment);
        if moved {
            if let Phase::Wave { wave, since_ms } = &stored.rollout.phase
                && stored.begun_ms.len() <= *wave
            {
                stored.begun_ms.push(*since_ms);
            }
            if stored.rollout.phase.is_final() {
                stored.ended_ms = Some(now_ms);
            }
        }
        let crowned = (moved && stored.fleet_wide && matches!(stored.rollout.phase, Phase::Completed { .. }))
            .then(|| stored.rollout.model.clone());
        let kept = stored.clone();
        self.store
            .write(move |db| {
                stored::put(db, &kept)?;
                crowned.map_or(Ok(()), |model| rows::crown(db, &model, now_ms))
            })
            .await?;
        self.live.changed(Kind::Rollout, stored.rollout.id.clone());
        if moved {
            let (id, phase) = (&stored.rollout.id, stored.rollout.phase.name());
            metrics::counter!("dunlin_rollout_phases_total", "phase" => phase).increment(1);
            let detail = serde_json::json!({ "phase": phase, "sentence": stored.sentence });
            self.audit.record("server", "rollout-moved", id, detail).await?;
        }
        Ok(())
    }

    async fn note_progress(
        &self,
        memory: &mut Memory,
        rollout: &Rollout,
        views: &[dunlin_rollout::DeviceView],
        now_ms: i64,
    ) -> Result<(), FleetError> {
        let views: BTreeMap<_, _> = views.iter().map(|view| (&view.id, view)).collect();
        let known = memory.progress.entry(rollout.id.clone()).or_default();
        let mut changed = Vec::new();
        for device in rollout.previous.keys() {
            let found = progress(rollout, device, views.get(device).copied());
            if known.insert(device.clone(), found) != Some(found) {
                changed.push((device.to_string(), found));
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        let id = rollout.id.clone();
        self.store.write(move |db| stored::put_progress(db, &id, &changed, now_ms)).await?;
        self.live.changed(Kind::Rollout, rollout.id.clone());
        Ok(())
    }

    async fn carry_out(
        &self,
        memory: &mut Memory,
        orders: Vec<Order>,
        now_ms: i64,
    ) -> Result<(), FleetError> {
        if orders.is_empty() {
            return Ok(());
        }
        let changed = self.store.write(move |tx| desired::apply(tx, &orders, now_ms)).await?;
        memory.unsent.extend(changed);
        self.send(memory).await;
        Ok(())
    }

    /// Publishes what is stored and not sent. What fails is tried again in the next turn.
    async fn send(&self, memory: &mut Memory) {
        for device in std::mem::take(&mut memory.unsent) {
            if let Err(error) = self.publish(&device).await {
                tracing::warn!(device.id = %device, error = %error, "desired state not published; it is tried again");
                memory.unsent.insert(device);
            }
        }
    }

    async fn publish(&self, device: &DeviceId) -> Result<(), FleetError> {
        let id = device.to_string();
        let body = self
            .store
            .read(move |db| {
                use crate::storage::devices;
                Ok(devices::number_of(db, &id)?
                    .map(|number| devices::desired(db, number))
                    .transpose()?
                    .flatten())
            })
            .await?;
        if let Some((_, body)) = body {
            let desired = Desired::decode(&body).map_err(LinkError::from)?;
            self.link.publish_desired(device, &desired).await?;
        }
        Ok(())
    }

    /// Publishes every desired state, as is due when the broker starts empty.
    ///
    /// # Errors
    /// The store's. What the broker does not take is tried again.
    pub async fn publish_all(&self) -> Result<(), FleetError> {
        let all = self.store.read(desired::all).await?;
        let mut memory = self.memory.lock().await;
        for (device, desired) in all {
            if self.link.publish_desired(&device, &desired).await.is_err() {
                memory.unsent.insert(device);
            }
        }
        Ok(())
    }

    fn count(&self, devices: &[Known], busy: &BTreeSet<ModelName>, now_ms: i64) {
        use super::Status;
        let statuses = [
            (Status::Online, "online"),
            (Status::Stale, "stale"),
            (Status::Offline, "offline"),
            (Status::Enrolled, "enrolled"),
            (Status::Revoked, "revoked"),
        ];
        for (status, word) in statuses {
            let n = devices.iter().filter(|known| known.status(now_ms) == status).count();
            metrics::gauge!("dunlin_devices", "status" => word).set(n as f64);
        }
        metrics::gauge!("dunlin_rollouts_running").set(busy.len() as f64);
    }
}
