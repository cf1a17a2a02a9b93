//! One inference, with everything that happens around it.

use std::sync::{Arc, atomic::Ordering};

use dunlin_protocol::tensor::Tensor;
use dunlin_runtime::{
    RunError,
    answer::{self, Answer},
};

use super::{recent::Recent, truth::truth};
use crate::{
    sampling::Sampler,
    service::Progress,
    serving::{LoadedModel, Models},
};

/// Where all inferences pass.
#[derive(Debug)]
pub struct Pipeline {
    /// Models that answer.
    pub models: Arc<Models>,
    /// Answers that wait for a label.
    pub recent: Recent,
    /// Captures inputs.
    pub sampler: Sampler,
    /// Counts inferences for the watchdog.
    pub progress: Arc<Progress>,
}

impl Pipeline {
    /// Runs a batch on one model. A label that is known already is counted at once. Blocks for the time of the run.
    pub fn infer(
        &self,
        loaded: &Arc<LoadedModel>,
        id: &str,
        inputs: &[Tensor],
        label: Option<&str>,
    ) -> Result<Vec<Tensor>, RunError> {
        let _running = self.progress.inference();
        let outputs = loaded.run(inputs)?;
        if let Some(challenger) = self.models.challenger(&loaded.model.name) {
            let counter = match challenger.runner().run(inputs) {
                Ok(_) => &challenger.answered,
                Err(_) => &challenger.failed,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        if rows(inputs) == 1 {
            let answer = answer::interpret(loaded.spec(), &outputs, 0);
            self.after(loaded, id, inputs, &outputs, answer, label);
        }
        Ok(outputs)
    }

    fn after(
        &self,
        loaded: &Arc<LoadedModel>,
        id: &str,
        inputs: &[Tensor],
        outputs: &[Tensor],
        answer: Answer,
        label: Option<&str>,
    ) {
        self.sampler.offer(loaded, id, inputs, outputs, &answer, label);
        match label.and_then(|label| truth(&answer, label)) {
            Some(truth) => loaded.observer().observe_label(truth),
            None if label.is_none() => self.recent.remember(id, loaded, answer),
            None => {}
        }
    }
}

fn rows(inputs: &[Tensor]) -> usize {
    inputs.first().and_then(|tensor| tensor.shape.first().copied()).unwrap_or(1)
}
