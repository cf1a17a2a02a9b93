//! `TreeEnsembleClassifier`: leaf weights summed per class, with ONNX Runtime's rules for two classes.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::forest::Forest;
use super::parse::{LeafLists, read};
use crate::operators::attributes::{Labels, floats};
use crate::operators::kernel::{Built, Kernel, Signature, built, matrix, matrix_dims, numeric, with_floats};
use crate::operators::post_transform::{PostTransform, logistic};

const LISTS: LeafLists = LeafLists {
    trees: "class_treeids",
    nodes: "class_nodeids",
    targets: "class_ids",
    weights: "class_weights",
};

#[derive(Debug)]
struct TreeEnsembleClassifier {
    forest: Forest,
    labels: Labels,
    base: Vec<f32>,
    post_transform: PostTransform,
    /// Two labels of which the leaves name only one: its score is that of the second label.
    one_score: bool,
    /// No weight is negative: the score is a probability already.
    positive: bool,
}

pub(in super::super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let labels = Labels::read(node, "classlabels_int64s", "classlabels_strings")?;
    let forest = read(node, &LISTS, labels.len())?;
    let base = floats(node, "base_values")?;
    let first = forest.weights[0].0;
    let one_score = labels.len() == 2 && forest.weights.iter().all(|(class, _)| *class == first);
    ensure!(
        base.is_empty() || base.len() == labels.len() || (base.len() == 1 && labels.len() <= 2),
        "{} base values for {} labels",
        base.len(),
        labels.len()
    );
    let positive = forest.weights.iter().all(|(_, weight)| *weight >= 0.0);
    built(TreeEnsembleClassifier {
        forest,
        labels,
        base,
        post_transform: PostTransform::read(node)?,
        one_score,
        positive,
    })
}

impl TreeEnsembleClassifier {
    /// Fills one row of scores and gives the index of the winning label.
    fn fill(&self, row: &[f32], scores: &mut [f32]) -> usize {
        let leaves = self.forest.leaves(row).flatten();
        if self.one_score {
            let score = leaves.map(|(_, weight)| weight).sum::<f32>() + self.base.last().unwrap_or(&0.0);
            return self.fill_pair(score, scores);
        }
        leaves.for_each(|(class, weight)| scores[*class as usize] += weight);
        scores.iter_mut().zip(&self.base).for_each(|(score, base)| *score += base);
        let winner = crate::answer::largest(scores).unwrap_or(0);
        self.post_transform.apply(scores);
        winner
    }

    fn fill_pair(&self, score: f32, scores: &mut [f32]) -> usize {
        let limit = if self.positive { 0.5 } else { 0.0 };
        let pair = match self.post_transform {
            _ if self.positive => [1.0 - score, score],
            PostTransform::Logistic => [logistic(-score), logistic(score)],
            _ => [-score, score],
        };
        scores.copy_from_slice(&pair);
        usize::from(score > limit)
    }
}

impl Kernel for TreeEnsembleClassifier {
    fn name(&self) -> &'static str {
        "TreeEnsembleClassifier"
    }

    fn outputs(&self) -> usize {
        2
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        numeric(self.name(), inputs[0].0)?;
        let (rows, _) = matrix_dims(&inputs[0].1);
        let scores = (f32::datum_type(), tvec!(rows.clone(), self.labels.len().to_dim()));
        Ok(tvec!((self.labels.datum_type(), tvec!(rows)), scores))
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (rows, columns) = matrix(inputs[0].shape());
        ensure!(
            columns >= self.forest.columns.max(1),
            "{columns} columns, the trees ask for {}",
            self.forest.columns
        );
        let width = self.labels.len();
        let mut scores = vec![0.0; rows * width];
        let winners: Vec<usize> = with_floats(inputs[0], |values| {
            let pairs = values.chunks_exact(columns).zip(scores.chunks_mut(width));
            Ok(pairs.map(|(row, scores)| self.fill(row, scores)).collect())
        })?;
        Ok(tvec!(self.labels.pick(&winners)?, crate::convert::tensor(&[rows, width], scores)?))
    }
}
