//! `TreeEnsembleRegressor`: leaf weights of all trees joined per target.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::forest::{Element, Forest};
use super::parse::{LeafLists, read};
use crate::operators::attributes::floats;
use crate::operators::kernel::{Built, Kernel, Signature, built, matrix, matrix_dims, numeric, with_floats};
use crate::operators::post_transform::PostTransform;

const LISTS: LeafLists = LeafLists {
    trees: "target_treeids",
    nodes: "target_nodeids",
    targets: "target_ids",
    weights: "target_weights",
};
const MAX_TARGETS: usize = 4096;

#[derive(Debug, Clone, Copy)]
enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

#[derive(Debug)]
struct TreeEnsembleRegressor {
    forest: Forest,
    base: Vec<f32>,
    aggregate: Aggregate,
    post_transform: PostTransform,
}

pub(in super::super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let targets = usize::try_from(node.get_attr_opt::<i64>("n_targets")?.unwrap_or(1))?;
    ensure!((1..=MAX_TARGETS).contains(&targets), "{targets} targets");
    let mut base = floats(node, "base_values")?;
    if base.is_empty() {
        base = vec![0.0; targets];
    }
    ensure!(base.len() == targets, "{} base values for {targets} targets", base.len());
    let aggregate = match node.get_attr_opt::<&str>("aggregate_function")?.unwrap_or("SUM") {
        "SUM" => Aggregate::Sum,
        "AVERAGE" => Aggregate::Average,
        "MIN" => Aggregate::Min,
        "MAX" => Aggregate::Max,
        other => bail!("aggregate_function {other} is unknown"),
    };
    let (forest, post_transform) =
        (read(node, &LISTS, targets)?, PostTransform::of_regressor(node, targets)?);
    built(TreeEnsembleRegressor { forest, base, aggregate, post_transform })
}

impl TreeEnsembleRegressor {
    fn answers<X: Element>(&self, values: &[X], columns: usize) -> Vec<f32> {
        let width = self.forest.targets;
        let mut answers = vec![0.0; values.len() / columns * width];
        let mut sums = vec![X::zero(); width];
        for (row, answer) in values.chunks_exact(columns).zip(answers.chunks_mut(width)) {
            self.sum(row, &mut sums);
            let single = |x: &X| x.to_f32().unwrap_or(f32::NAN);
            answer.iter_mut().zip(&sums).for_each(|(answer, sum)| *answer = single(sum));
            self.post_transform.apply(answer);
        }
        answers
    }

    fn sum<X: Element>(&self, row: &[X], sums: &mut [X]) {
        sums.fill(X::zero());
        let mut seen =
            vec![
                false;
                if matches!(self.aggregate, Aggregate::Sum | Aggregate::Average) { 0 } else { sums.len() }
            ];
        for (target, weight) in self.forest.leaves(row).flatten() {
            let target = *target as usize;
            let (slot, weight): (&mut X, X) = (&mut sums[target], (*weight).into());
            match self.aggregate {
                Aggregate::Sum | Aggregate::Average => *slot = *slot + weight,
                Aggregate::Min if seen[target] => *slot = slot.min(weight),
                Aggregate::Max if seen[target] => *slot = slot.max(weight),
                Aggregate::Min | Aggregate::Max => {
                    *slot = weight;
                    seen[target] = true;
                }
            }
        }
        if matches!(self.aggregate, Aggregate::Average) {
            let trees: X = (self.forest.roots.len() as f32).into();
            sums.iter_mut().for_each(|sum| *sum = *sum / trees);
        }
        sums.iter_mut().zip(&self.base).for_each(|(sum, base)| *sum = *sum + (*base).into());
    }
}

impl Kernel for TreeEnsembleRegressor {
    fn name(&self) -> &'static str {
        "TreeEnsembleRegressor"
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        numeric(self.name(), inputs[0].0)?;
        let (rows, _) = matrix_dims(&inputs[0].1);
        Ok(tvec!((f32::datum_type(), tvec!(rows, self.forest.targets.to_dim()))))
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (rows, columns) = matrix(inputs[0].shape());
        ensure!(
            columns >= self.forest.columns.max(1),
            "{columns} columns, the trees ask for {}",
            self.forest.columns
        );
        let answers = if inputs[0].datum_type() == f64::datum_type() {
            self.answers(inputs[0].try_as_plain_ram()?.as_slice::<f64>()?, columns)
        } else {
            with_floats(inputs[0], |values| Ok(self.answers(values, columns)))?
        };
        Ok(tvec!(crate::convert::tensor(&[rows, self.forest.targets], answers)?))
    }
}
