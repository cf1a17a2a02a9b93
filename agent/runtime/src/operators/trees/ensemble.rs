//! `TreeEnsemble` (ai.onnx.ml 5): leaves have lists of their own, and enumerations are numbers.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::draft::{Draft, Step, Test};
use super::forest::Forest;
use super::sums::{Aggregate, MAX_TARGETS, Sums};
use crate::operators::attributes::{ints, numbers};
use crate::operators::kernel::{Built, Kernel, Signature, built, matrix, matrix_dims};
use crate::operators::post_transform::PostTransform;

#[derive(Debug)]
struct TreeEnsemble(Sums);

pub(in super::super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let targets = usize::try_from(node.get_attr_opt::<i64>("n_targets")?.unwrap_or(1))?;
    ensure!((1..=MAX_TARGETS).contains(&targets), "{targets} targets");
    let aggregate = match node.get_attr_opt::<i64>("aggregate_function")?.unwrap_or(1) {
        0 => Aggregate::Average,
        1 => Aggregate::Sum,
        2 => Aggregate::Min,
        3 => Aggregate::Max,
        other => bail!("aggregate_function {other} is unknown"),
    };
    let post_transform = match node.get_attr_opt::<i64>("post_transform")?.unwrap_or(0) {
        0 => PostTransform::None,
        1 => PostTransform::Softmax,
        2 => PostTransform::Logistic,
        3 => PostTransform::SoftmaxZero,
        4 => PostTransform::Probit,
        other => bail!("post_transform {other} is unknown"),
    };
    let forest = Forest::new(&read(node, targets)?)?;
    built(TreeEnsemble(Sums {
        forest,
        base: Vec::new(),
        aggregate,
        post_transform: post_transform.for_one(targets),
    }))
}

fn read(node: &NodeProto, targets: usize) -> TractResult<Draft> {
    let features = ints(node, "nodes_featureids")?;
    let (splits, is_double) = numbers(node, "nodes_splits")?;
    let (modes, _) = numbers(node, "nodes_modes")?;
    let (when_true, true_is_leaf) = (ints(node, "nodes_truenodeids")?, ints(node, "nodes_trueleafs")?);
    let (when_false, false_is_leaf) = (ints(node, "nodes_falsenodeids")?, ints(node, "nodes_falseleafs")?);
    let missing = ints(node, "nodes_missing_value_tracks_true")?;
    let (named, (weights, _)) = (ints(node, "leaf_targetids")?, numbers(node, "leaf_weights")?);
    let count = features.len();
    for (name, found) in [
        ("nodes_splits", splits.len()),
        ("nodes_modes", modes.len()),
        ("nodes_truenodeids", when_true.len()),
        ("nodes_trueleafs", true_is_leaf.len()),
        ("nodes_falsenodeids", when_false.len()),
        ("nodes_falseleafs", false_is_leaf.len()),
    ] {
        ensure!(found == count, "{name} has {found} entries, nodes_featureids {count}");
    }
    ensure!(
        missing.is_empty() || missing.len() == count,
        "nodes_missing_value_tracks_true has another length"
    );
    ensure!(named.len() == weights.len(), "{} leaf targets, {} leaf weights", named.len(), weights.len());

    // Leaves come after the branches.
    let child = |place: i64, is_leaf: i64| -> TractResult<usize> {
        let place = usize::try_from(place)?;
        let (of, kind, start) =
            if is_leaf != 0 { (weights.len(), "leaf", count) } else { (count, "node", 0) };
        ensure!(place < of, "{kind} {place} of {of}");
        Ok(start + place)
    };
    let (members, _) = numbers(node, "membership_values")?;
    let mut members = members.split(|value| value.is_nan());
    let mut steps = Vec::with_capacity(count + weights.len());
    for place in 0..count {
        let value = splits[place];
        let test = match modes[place] as u8 {
            0 => Test::LessOrEqual(value),
            1 => Test::Less(value),
            2 => Test::GreaterOrEqual(value),
            3 => Test::Greater(value),
            4 => Test::Equal(value),
            5 => Test::NotEqual(value),
            6 => Test::Member(members.next().context("membership_values has too few sets")?.to_vec()),
            other => bail!("node mode {other} is unknown"),
        };
        steps.push(Step::Branch {
            test,
            feature: u32::try_from(features[place])?,
            when_true: child(when_true[place], true_is_leaf[place])?,
            when_false: child(when_false[place], false_is_leaf[place])?,
            missing_is_true: missing.get(place).is_some_and(|tracks| *tracks != 0),
        });
    }
    let mut leaves = Vec::with_capacity(weights.len());
    for (place, (target, weight)) in named.iter().zip(&weights).enumerate() {
        let target = u32::try_from(*target)?;
        ensure!((target as usize) < targets, "a weight for target {target} of {targets}");
        leaves.push((target, *weight));
        let start = u32::try_from(place)?;
        steps.push(Step::Leaf { start, end: start + 1 });
    }
    let roots =
        ints(node, "tree_roots")?.into_iter().map(|root| child(root, 0)).collect::<TractResult<Vec<_>>>()?;
    ensure!(!roots.is_empty(), "no trees");
    Ok(Draft { steps, roots, weights: leaves, targets, is_double })
}

impl Kernel for TreeEnsemble {
    fn name(&self) -> &'static str {
        "TreeEnsemble"
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let kind = inputs[0].0;
        ensure!(kind.is_float(), "TreeEnsemble takes floating point numbers, not {kind:?}");
        let (rows, _) = matrix_dims(&inputs[0].1);
        Ok(tvec!((kind, tvec!(rows, self.0.forest.targets.to_dim()))))
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (rows, _) = matrix(inputs[0].shape());
        let shape = [rows, self.0.forest.targets];
        let answers = self.0.answers(inputs[0])?;
        let kind = inputs[0].datum_type();
        let made = match kind == f64::datum_type() {
            true => crate::convert::tensor(&shape, answers.double())?,
            false => crate::convert::tensor(&shape, answers.single())?,
        };
        Ok(tvec!(made.cast_to_dt(kind)?.into_owned()))
    }
}
