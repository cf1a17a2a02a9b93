//! Writes chosen inputs into the spool.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use dunlin_protocol::{
    Channel, Message as _,
    message::{RecordId, Sample},
    tensor::Tensor,
};
use dunlin_runtime::answer::Answer;

use super::{
    Config,
    decide::{Budget, why},
};
use crate::{
    clock::Clock,
    serving::LoadedModel,
    spool::{REFUSED, Spool, SpoolError, TOO_LARGE},
};

/// Captures inputs.
pub struct Sampler {
    config: Config,
    budget: Mutex<Budget>,
    spool: Arc<Spool>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampler").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Sampler {
    /// A sampler that writes into this spool.
    pub fn new(config: Config, spool: Arc<Spool>, clock: Arc<dyn Clock>) -> Self {
        Self { config, budget: Mutex::default(), spool, clock }
    }

    /// Looks at one row with its answer and keeps it or not.
    pub fn offer(
        &self,
        loaded: &LoadedModel,
        id: &str,
        inputs: &[Tensor],
        outputs: &[Tensor],
        answer: &Answer,
        label: Option<&str>,
    ) {
        if self.config.budget_bytes_per_day == 0 {
            return;
        }
        let novel = self.config.novel && loaded.is_novel(inputs);
        let Some(why) = why(&self.config, answer.confidence, novel, rand::random()) else { return };
        let mut sample = Sample {
            record: RecordId { boot: 0, sequence: 0 },
            at_ms: self.clock.now_ms(),
            inference: id.to_owned(),
            model: loaded.model.clone(),
            why: why.to_owned(),
            inputs: inputs.to_vec(),
            outputs: outputs.to_vec(),
            label: label.map(str::to_owned),
        };
        let length = match sample.encode() {
            Ok(bytes) => bytes.len() as u64,
            Err(error) => {
                tracing::warn!(model = %sample.model, %error, "a sample is dropped and counted");
                return self.spool.lose(TOO_LARGE);
            }
        };
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        if !budget.take(length, sample.at_ms, self.config.budget_bytes_per_day) {
            return;
        }
        drop(budget);
        let kept = self.spool.append(Channel::Sample, |record| {
            sample.record = record;
            sample.encode()
        });
        if let Err(error) = kept {
            tracing::warn!(%error, "a sample could not be kept");
            if matches!(error, SpoolError::Disk { .. }) {
                self.spool.lose(REFUSED);
            }
        }
    }
}
