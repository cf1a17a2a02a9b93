//! The latest answers, so that a late label finds its own.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use dunlin_runtime::answer::Answer;

use super::truth::truth;
use crate::serving::LoadedModel;

/// Answers that are remembered.
const CAPACITY: usize = 4096;

/// The latest answers by inference id.
#[derive(Debug, Default)]
pub struct Recent(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    order: VecDeque<String>,
    answers: HashMap<String, (Arc<LoadedModel>, Answer)>,
}

/// What became of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feedback {
    /// Counted.
    Counted,
    /// No such answer is remembered.
    Unknown,
    /// It cannot be compared with that answer.
    Unfit,
}

impl Recent {
    /// Remembers an answer, forgetting the oldest.
    pub fn remember(&self, id: &str, loaded: &Arc<LoadedModel>, answer: Answer) {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.answers.insert(id.to_owned(), (loaded.clone(), answer)).is_none() {
            memory.order.push_back(id.to_owned());
        }
        if memory.order.len() > CAPACITY
            && let Some(oldest) = memory.order.pop_front()
        {
            memory.answers.remove(&oldest);
        }
    }

    /// Counts a label for the model that gave the answer. A second label for one answer is unknown.
    pub fn feedback(&self, id: &str, label: &str) -> Feedback {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((loaded, answer)) = memory.answers.remove(id) else { return Feedback::Unknown };
        memory.order.retain(|known| known != id);
        drop(memory);
        match truth(&answer, label) {
            Some(truth) => {
                loaded.observer().observe_label(truth);
                Feedback::Counted
            }
            None => Feedback::Unfit,
        }
    }
}
