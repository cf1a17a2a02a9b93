//! `TreeEnsembleClassifier`: leaf weights summed per class, with ONNX Runtime's rules for two classes.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::forest::{Element, Forest, Trees, Work};
use super::parse::{LeafLists, read};
use crate::operators::attributes::{Labels, numbers};
use crate::operators::kernel::{Built, Kernel, Signature, built, matrix, matrix_dims, numeric};
use crate::operators::post_transform::{PostTransform, logistic};

const LISTS: LeafLists = LeafLists {
    trees: "class_treeids",
    nodes: "class_nodeids",
    targets: "class_ids",
    weights: "class_weights",
};

/// How sums become scores. With two labels ONNX Runtime's rules are followed to the letter, odd as some are:
/// what people compare with, and what golden vectors come from, is ONNX Runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scoring {
    /// The largest sum wins.
    Largest,
    /// The leaves name the first of two labels only: their sum is the score of the second.
    First,
    /// The leaves name the second of two labels only.
    Second,
    /// The leaves name both of two labels: the second wins when its sum is positive.
    Both,
}

#[derive(Debug)]
struct TreeEnsembleClassifier {
    forest: Forest,
    labels: Labels,
    base: Vec<f64>,
    post_transform: PostTransform,
    scoring: Scoring,
    /// No weight is negative: the score is a probability already.
    positive: bool,
}

pub(in super::super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    built(kernel(node)?)
}

fn kernel(node: &NodeProto) -> TractResult<TreeEnsembleClassifier> {
    let labels = Labels::read(node, "classlabels_int64s", "classlabels_strings")?;
    let draft = read(node, &LISTS, labels.len())?;
    let (base, _) = numbers(node, "base_values")?;
    let names = |class: u32| draft.weights.iter().any(|(named, _)| *named == class);
    let scoring = match (labels.len(), names(0), names(1)) {
        (2, true, true) => Scoring::Both,
        (2, true, false) => Scoring::First,
        (2, false, true) => Scoring::Second,
        _ => Scoring::Largest,
    };
    ensure!(
        base.len() < 2 || matches!(scoring, Scoring::Both | Scoring::Largest),
        "two base values where the leaves name one label"
    );
    ensure!(
        base.is_empty() || base.len() == labels.len() || (base.len() == 1 && labels.len() <= 2),
        "{} base values for {} labels",
        base.len(),
        labels.len()
    );
    let positive = draft.weights.iter().all(|(_, weight)| *weight >= 0.0);
    Ok(TreeEnsembleClassifier {
        forest: Forest::new(&draft)?,
        labels,
        base,
        post_transform: PostTransform::read(node)?,
        scoring,
        positive,
    })
}

impl TreeEnsembleClassifier {
    /// Fills one row of scores from the sums of its weights, and gives the index of the winning label.
    fn finish<X: Element>(&self, sums: &mut [X], scores: &mut [f32]) -> usize {
        let base = |index: usize| self.base.get(index).map_or(X::zero(), |base| X::narrowed(*base));
        let winner = match self.scoring {
            Scoring::First => return self.finish_pair(sums[0] + base(0), scores),
            Scoring::Second => usize::from(sums[1] > self.limit()),
            Scoring::Both => {
                match self.base.len() {
                    0 => {}
                    1 => sums[0] = sums[0] + base(0),
                    _ => {
                        sums[1] = sums[0] + base(1);
                        sums[0] = -sums[1];
                    }
                }
                usize::from(sums[1] > X::zero())
            }
            Scoring::Largest => {
                sums.iter_mut().enumerate().for_each(|(index, sum)| *sum = *sum + base(index));
                crate::answer::largest(sums).unwrap_or(0)
            }
        };
        scores.iter_mut().zip(sums).for_each(|(score, sum)| *score = sum.single());
        self.post_transform.apply(scores);
        winner
    }

    /// The score above which the second of two labels wins: half where scores are probabilities.
    fn limit<X: Element>(&self) -> X {
        X::narrowed(if self.positive { 0.5 } else { 0.0 })
    }

    fn finish_pair<X: Element>(&self, score: X, scores: &mut [f32]) -> usize {
        let pair = match self.post_transform {
            PostTransform::Logistic => [logistic((-score).single()), logistic(score.single())],
            _ if self.positive => [(X::one() - score).single(), score.single()],
            _ => [(-score).single(), score.single()],
        };
        scores.copy_from_slice(&pair);
        usize::from(score > self.limit())
    }
}

/// Labels by index, and scores.
impl Work<(Vec<usize>, Vec<f32>)> for &TreeEnsembleClassifier {
    fn on_rows<X: Element>(self, trees: &Trees<X>, rows: &[X], columns: usize) -> (Vec<usize>, Vec<f32>) {
        let width = self.labels.len();
        let mut sums = vec![X::zero(); rows.len() / columns * width];
        trees.visit(rows, columns, |row, weights| {
            let sums = &mut sums[row * width..][..width];
            for (class, weight) in weights {
                let sum = &mut sums[*class as usize];
                *sum = *sum + *weight;
            }
        });
        let mut scores = vec![0.0; sums.len()];
        let pairs = sums.chunks_exact_mut(width).zip(scores.chunks_exact_mut(width));
        let winners = pairs.map(|(sums, scores)| self.finish(sums, scores)).collect();
        (winners, scores)
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
        let (rows, _) = matrix(inputs[0].shape());
        let width = self.labels.len();
        let (winners, scores) = self.forest.with(inputs[0], self)?;
        Ok(tvec!(self.labels.pick(&winners)?, crate::convert::tensor(&[rows, width], scores)?))
    }
}

#[cfg(test)]
mod tests {
    use tract_onnx::pb::{AttributeProto, attribute_proto::AttributeType};

    use super::*;

    fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
        AttributeProto { name: name.into(), r#type: kind as i32, ..Default::default() }
    }

    /// One tree: X ≤ 0.5 leads to leaf 1, else to leaf 2. Answers for X = 0 and X = 1.
    fn answers(weights: &[f32], classes: &[i64], transform: &str, base: &[f32]) -> (Vec<i64>, Vec<f32>) {
        let ints = |name: &str, values: &[i64]| AttributeProto {
            ints: values.to_vec(),
            ..attribute(name, AttributeType::Ints)
        };
        let floats = |name: &str, values: &[f32]| AttributeProto {
            floats: values.to_vec(),
            ..attribute(name, AttributeType::Floats)
        };
        let modes = ["BRANCH_LEQ", "LEAF", "LEAF"].map(|mode| mode.as_bytes().to_vec());
        let leaves: &[i64] = if weights.len() == 2 { &[1, 2] } else { &[1, 1, 2, 2] };
        let node = NodeProto {
            attribute: vec![
                ints("nodes_treeids", &[0; 3]),
                ints("nodes_nodeids", &[0, 1, 2]),
                ints("nodes_featureids", &[0; 3]),
                floats("nodes_values", &[0.5, 0.0, 0.0]),
                AttributeProto {
                    strings: modes.to_vec(),
                    ..attribute("nodes_modes", AttributeType::Strings)
                },
                ints("nodes_truenodeids", &[1, 0, 0]),
                ints("nodes_falsenodeids", &[2, 0, 0]),
                ints("class_treeids", &vec![0; weights.len()]),
                ints("class_nodeids", leaves),
                ints("class_ids", classes),
                floats("class_weights", weights),
                floats("base_values", base),
                ints("classlabels_int64s", &[0, 1]),
                AttributeProto {
                    s: transform.as_bytes().to_vec(),
                    ..attribute("post_transform", AttributeType::String)
                },
            ],
            ..Default::default()
        };
        let kernel = kernel(&node).unwrap();
        let input = crate::convert::tensor(&[2, 1], vec![0.0_f32, 1.0]).unwrap();
        let outputs = kernel.run(&[&input]).unwrap();
        let labels = outputs[0].try_as_plain_ram().unwrap().as_slice::<i64>().unwrap().to_vec();
        (labels, outputs[1].try_as_plain_ram().unwrap().as_slice::<f32>().unwrap().to_vec())
    }

    #[test]
    fn two_labels_are_answered_as_onnx_runtime_answers_them() {
        // Labels and scores as ONNX Runtime 1.32 gave them, row by row.
        type Case<'a> = (&'a [f32], &'a [i64], &'a str, &'a [f32], [i64; 2], [f32; 4]);
        let cases: [Case; 9] = [
            (&[0.2, 0.9], &[0, 0], "LOGISTIC", &[], [0, 1], [0.4502, 0.5498, 0.2891, 0.7109]),
            (&[-0.2, 0.9], &[0, 0], "SOFTMAX", &[], [0, 1], [0.2, -0.2, -0.9, 0.9]),
            (&[0.2, 0.9], &[0, 0], "NONE", &[0.5], [1, 1], [0.3, 0.7, -0.4, 1.4]),
            (&[0.2, 0.9], &[1, 1], "NONE", &[], [0, 1], [0.0, 0.2, 0.0, 0.9]),
            (&[-0.2, 0.9], &[1, 1], "LOGISTIC", &[], [0, 1], [0.5, 0.4502, 0.5, 0.7109]),
            (&[0.3, 0.7, 0.8, 0.2], &[0, 1, 0, 1], "NONE", &[], [1, 1], [0.3, 0.7, 0.8, 0.2]),
            (&[0.3, 0.7, 0.8, 0.2], &[0, 1, 0, 1], "SOFTMAX", &[], [1, 1], [0.4013, 0.5987, 0.6457, 0.3543]),
            (&[-0.3, 0.7, 0.8, -0.2], &[0, 1, 0, 1], "LOGISTIC", &[], [1, 0], [0.4256, 0.6682, 0.69, 0.4502]),
            (&[0.3, 0.7, 0.8, 0.2], &[0, 1, 0, 1], "NONE", &[0.1, -0.4], [0, 1], [0.1, -0.1, -0.4, 0.4]),
        ];
        for (weights, classes, transform, base, labels, scores) in cases {
            let (found, found_scores) = answers(weights, classes, transform, base);
            assert_eq!(found, labels, "{weights:?} {classes:?} {transform}");
            let near = found_scores.iter().zip(scores).all(|(a, b)| (a - b).abs() < 1e-4);
            assert!(near, "{weights:?} {classes:?} {transform}: {found_scores:?}");
        }
    }
}
