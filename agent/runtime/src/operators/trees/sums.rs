//! Leaf weights of all trees joined per target.

use tract_onnx::tract_hir::internal::*;

use super::forest::{Element, Forest, Trees, Work};
use crate::operators::post_transform::PostTransform;

/// Most targets of one node.
pub(super) const MAX_TARGETS: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

/// Trees, and what becomes of the weights that a row comes by.
#[derive(Debug)]
pub(super) struct Sums {
    pub(super) forest: Forest,
    pub(super) base: Vec<f64>,
    pub(super) aggregate: Aggregate,
    pub(super) post_transform: PostTransform,
}

impl Sums {
    /// The answers to all rows, one after the other.
    pub(super) fn answers(&self, input: &Tensor) -> TractResult<Answers> {
        self.forest.with(input, self)
    }
}

/// In the precision of what was summed.
pub(super) enum Answers {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl Answers {
    pub(super) fn single(self) -> Vec<f32> {
        match self {
            Answers::Single(answers) => answers,
            Answers::Double(answers) => answers.into_iter().map(|x| x as f32).collect(),
        }
    }

    pub(super) fn double(self) -> Vec<f64> {
        match self {
            Answers::Single(answers) => answers.into_iter().map(f64::from).collect(),
            Answers::Double(answers) => answers,
        }
    }
}

impl Work<Answers> for &Sums {
    fn on_rows<X: Element>(self, trees: &Trees<X>, rows: &[X], columns: usize) -> Answers {
        let width = self.forest.targets;
        let mut sums = vec![X::zero(); rows.len() / columns * width];
        match self.aggregate {
            Aggregate::Sum | Aggregate::Average => trees.visit(rows, columns, |row, weights| {
                for (target, weight) in weights {
                    let sum = &mut sums[row * width + *target as usize];
                    *sum = *sum + *weight;
                }
            }),
            Aggregate::Min | Aggregate::Max => {
                let mut seen = vec![false; sums.len()];
                trees.visit(rows, columns, |row, weights| {
                    for (target, weight) in weights {
                        let at = row * width + *target as usize;
                        let (sum, first) = (&mut sums[at], !std::mem::replace(&mut seen[at], true));
                        let better =
                            if self.aggregate == Aggregate::Min { *weight < *sum } else { *weight > *sum };
                        if first || better {
                            *sum = *weight;
                        }
                    }
                });
            }
        }
        let trees = X::narrowed(self.forest.len() as f64);
        for row in sums.chunks_exact_mut(width) {
            if self.aggregate == Aggregate::Average {
                row.iter_mut().for_each(|sum| *sum = *sum / trees);
            }
            row.iter_mut().zip(&self.base).for_each(|(sum, base)| *sum = *sum + X::narrowed(*base));
        }
        if self.post_transform == PostTransform::None {
            return X::answers(sums);
        }
        let mut single: Vec<f32> = sums.iter().map(|sum| sum.single()).collect();
        single.chunks_exact_mut(width).for_each(|row| self.post_transform.apply(row));
        Answers::Single(single)
    }
}
