//! The parallel lists of `TreeEnsembleClassifier` and `TreeEnsembleRegressor` (ai.onnx.ml 1 and 3) to a [`Draft`].

use std::collections::HashSet;

use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::draft::{Draft, Step, Test};
use crate::operators::attributes::{ints, numbers};

/// Names of the leaf lists: `class_…` of a classifier, `target_…` of a regressor.
pub(super) struct LeafLists {
    pub(super) trees: &'static str,
    pub(super) nodes: &'static str,
    pub(super) targets: &'static str,
    pub(super) weights: &'static str,
}

/// Reads the trees. `targets` is the number of classes or targets that leaves may name.
pub(super) fn read(node: &NodeProto, leaf: &LeafLists, targets: usize) -> TractResult<Draft> {
    let trees = ints(node, "nodes_treeids")?;
    let ids = ints(node, "nodes_nodeids")?;
    let features = ints(node, "nodes_featureids")?;
    let (values, is_double) = numbers(node, "nodes_values")?;
    let modes = node.get_attr_opt_tvec::<&str>("nodes_modes")?.unwrap_or_default();
    let when_true = ints(node, "nodes_truenodeids")?;
    let when_false = ints(node, "nodes_falsenodeids")?;
    let missing = ints(node, "nodes_missing_value_tracks_true")?;
    let count = ids.len();
    ensure!(count > 0 && u32::try_from(count).is_ok(), "no nodes");
    for (name, found) in [
        ("nodes_treeids", trees.len()),
        ("nodes_featureids", features.len()),
        ("nodes_values", values.len()),
        ("nodes_modes", modes.len()),
        ("nodes_truenodeids", when_true.len()),
        ("nodes_falsenodeids", when_false.len()),
    ] {
        ensure!(found == count, "{name} has {found} entries, nodes_nodeids {count}");
    }
    ensure!(
        missing.is_empty() || missing.len() == count,
        "nodes_missing_value_tracks_true has another length"
    );

    let mut places: HashMap<(i64, i64), usize> = HashMap::with_capacity(count);
    for (place, key) in trees.iter().copied().zip(ids.iter().copied()).enumerate() {
        ensure!(places.insert(key, place).is_none(), "tree {} has node {} twice", key.0, key.1);
    }
    let child = |tree: i64, id: i64| {
        places.get(&(tree, id)).copied().with_context(|| format!("tree {tree} has no node {id}"))
    };
    let (mut steps, mut is_child) = (Vec::with_capacity(count), vec![false; count]);
    for place in 0..count {
        let Some(test) = test(modes[place], values[place])? else {
            steps.push(Step::Leaf { start: 0, end: 0 });
            continue;
        };
        let (yes, no) = (child(trees[place], when_true[place])?, child(trees[place], when_false[place])?);
        (is_child[yes], is_child[no]) = (true, true);
        steps.push(Step::Branch {
            test,
            feature: u32::try_from(features[place])?,
            when_true: yes,
            when_false: no,
            missing_is_true: missing.get(place).is_some_and(|tracks| *tracks != 0),
        });
    }
    let roots: Vec<usize> = (0..count).filter(|place| !is_child[*place]).collect();
    // A tree without a root leads back to itself.
    let rooted: HashSet<i64> = roots.iter().map(|root| trees[*root]).collect();
    ensure!(trees.iter().all(|tree| rooted.contains(tree)), "the nodes of a tree lead in a circle");
    let mut draft = Draft { steps, roots, weights: Vec::new(), targets, is_double };
    attach_weights(node, leaf, &places, &mut draft)?;
    Ok(draft)
}

/// What a node asks; nothing where it is a leaf.
fn test(mode: &str, value: f64) -> TractResult<Option<Test>> {
    Ok(Some(match mode {
        "LEAF" => return Ok(None),
        "BRANCH_LEQ" => Test::LessOrEqual(value),
        "BRANCH_LT" => Test::Less(value),
        "BRANCH_GTE" => Test::GreaterOrEqual(value),
        "BRANCH_GT" => Test::Greater(value),
        "BRANCH_EQ" => Test::Equal(value),
        "BRANCH_NEQ" => Test::NotEqual(value),
        other => bail!("node mode {other} is unknown"),
    }))
}

/// Sorts the leaf weights by leaf and gives each leaf its range.
fn attach_weights(
    node: &NodeProto,
    leaf: &LeafLists,
    places: &HashMap<(i64, i64), usize>,
    draft: &mut Draft,
) -> TractResult<()> {
    let (trees, ids, named) = (ints(node, leaf.trees)?, ints(node, leaf.nodes)?, ints(node, leaf.targets)?);
    let (weights, is_double) = numbers(node, leaf.weights)?;
    draft.is_double |= is_double;
    let count = weights.len();
    ensure!(
        count > 0 && [trees.len(), ids.len(), named.len()].iter().all(|found| *found == count),
        "{} has {count} entries, the lists beside it have others",
        leaf.weights
    );
    let mut entries = Vec::with_capacity(count);
    for index in 0..count {
        let (tree, id) = (trees[index], ids[index]);
        let place = *places.get(&(tree, id)).with_context(|| format!("tree {tree} has no node {id}"))?;
        let target = usize::try_from(named[index])?;
        ensure!(target < draft.targets, "a weight for target {target} of {}", draft.targets);
        entries.push((place, target as u32, weights[index]));
    }
    entries.sort_by_key(|(place, ..)| *place);
    let mut next = 0;
    for run in entries.chunk_by(|a, b| a.0 == b.0) {
        let Step::Leaf { start, end } = &mut draft.steps[run[0].0] else {
            bail!("a node of {} has weights and is no leaf", leaf.nodes)
        };
        (*start, *end) = (next, next + u32::try_from(run.len())?);
        next = *end;
    }
    draft.weights = entries.into_iter().map(|(_, target, weight)| (target, weight)).collect();
    Ok(())
}
