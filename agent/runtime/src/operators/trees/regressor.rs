//! `TreeEnsembleRegressor` (ai.onnx.ml 1 and 3).

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::forest::Forest;
use super::parse::{LeafLists, read};
use super::sums::{Aggregate, MAX_TARGETS, Sums};
use crate::operators::attributes::numbers;
use crate::operators::kernel::{Built, Kernel, Signature, built, matrix, matrix_dims, numeric};
use crate::operators::post_transform::PostTransform;

const LISTS: LeafLists = LeafLists {
    trees: "target_treeids",
    nodes: "target_nodeids",
    targets: "target_ids",
    weights: "target_weights",
};

#[derive(Debug)]
struct TreeEnsembleRegressor(Sums);

pub(in super::super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let targets = usize::try_from(node.get_attr_opt::<i64>("n_targets")?.unwrap_or(1))?;
    ensure!((1..=MAX_TARGETS).contains(&targets), "{targets} targets");
    let (base, _) = numbers(node, "base_values")?;
    ensure!(base.is_empty() || base.len() == targets, "{} base values for {targets} targets", base.len());
    let aggregate = match node.get_attr_opt::<&str>("aggregate_function")?.unwrap_or("SUM") {
        "SUM" => Aggregate::Sum,
        "AVERAGE" => Aggregate::Average,
        "MIN" => Aggregate::Min,
        "MAX" => Aggregate::Max,
        other => bail!("aggregate_function {other} is unknown"),
    };
    let forest = Forest::new(&read(node, &LISTS, targets)?)?;
    let post_transform = PostTransform::of_regressor(node, targets)?;
    built(TreeEnsembleRegressor(Sums { forest, base, aggregate, post_transform }))
}

impl Kernel for TreeEnsembleRegressor {
    fn name(&self) -> &'static str {
        "TreeEnsembleRegressor"
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        numeric(self.name(), inputs[0].0)?;
        let (rows, _) = matrix_dims(&inputs[0].1);
        Ok(tvec!((f32::datum_type(), tvec!(rows, self.0.forest.targets.to_dim()))))
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (rows, _) = matrix(inputs[0].shape());
        let answers = self.0.answers(inputs[0])?.single();
        Ok(tvec!(crate::convert::tensor(&[rows, self.0.forest.targets], answers)?))
    }
}
