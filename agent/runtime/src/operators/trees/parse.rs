//! The node's parallel lists to a [`Forest`].

use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::forest::{Forest, Mode, Node};
use crate::operators::attributes::{floats, ints};

/// Largest feature index.
const MAX_COLUMNS: usize = 1 << 20;

/// Names of the leaf lists: `class_…` of a classifier, `target_…` of a regressor.
pub(super) struct LeafLists {
    pub(super) trees: &'static str,
    pub(super) nodes: &'static str,
    pub(super) targets: &'static str,
    pub(super) weights: &'static str,
}

/// Reads the trees. `targets` is the number of classes or targets that leaves may name.
pub(super) fn read(node: &NodeProto, leaf: &LeafLists, targets: usize) -> TractResult<Forest> {
    if let Some(attribute) = node.attribute.iter().find(|attribute| attribute.name.ends_with("_as_tensor")) {
        bail!("{} is not read: export it with version 1 of ai.onnx.ml", attribute.name);
    }
    let trees = ints(node, "nodes_treeids")?;
    let ids = ints(node, "nodes_nodeids")?;
    let features = ints(node, "nodes_featureids")?;
    let values = floats(node, "nodes_values")?;
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

    let mut places: HashMap<(i64, i64), u32> = HashMap::with_capacity(count);
    for (place, key) in trees.iter().copied().zip(ids.iter().copied()).enumerate() {
        ensure!(places.insert(key, place as u32).is_none(), "tree {} has node {} twice", key.0, key.1);
    }
    let child = |tree: i64, id: i64| {
        places.get(&(tree, id)).copied().with_context(|| format!("tree {tree} has no node {id}"))
    };
    let (mut nodes, mut is_child, mut columns) = (Vec::with_capacity(count), vec![false; count], 0);
    for place in 0..count {
        let mode = mode(modes[place])?;
        let (mut yes, mut no, mut feature) = (0, 0, 0);
        if mode != Mode::Leaf {
            (yes, no) = (child(trees[place], when_true[place])?, child(trees[place], when_false[place])?);
            for next in [yes, no] {
                // Each node has one parent, so that no path leads back; equal children are one path.
                let again = std::mem::replace(&mut is_child[next as usize], true);
                ensure!(!again || (yes == no), "node {} has two parents", ids[next as usize]);
            }
            feature = usize::try_from(features[place])?;
            ensure!(feature < MAX_COLUMNS, "feature {feature} is out of reach");
            columns = columns.max(feature + 1);
        }
        nodes.push(Node {
            value: values[place],
            feature: feature as u32,
            when_true: yes,
            when_false: no,
            mode,
            missing_is_true: missing.get(place).is_some_and(|tracks| *tracks != 0),
        });
    }
    let roots: Vec<u32> = (0..count).filter(|place| !is_child[*place]).map(|place| place as u32).collect();
    ensure!(!roots.is_empty(), "the nodes lead back to themselves");
    let weights = attach_weights(node, leaf, targets, &places, &mut nodes)?;
    check_reach(&nodes, &roots)?;
    Ok(Forest { nodes, roots, weights, columns, targets })
}

fn mode(text: &str) -> TractResult<Mode> {
    Ok(match text {
        "LEAF" => Mode::Leaf,
        "BRANCH_LEQ" => Mode::LessOrEqual,
        "BRANCH_LT" => Mode::Less,
        "BRANCH_GTE" => Mode::GreaterOrEqual,
        "BRANCH_GT" => Mode::Greater,
        "BRANCH_EQ" => Mode::Equal,
        "BRANCH_NEQ" => Mode::NotEqual,
        other => bail!("node mode {other} is unknown"),
    })
}

/// Sorts the leaf weights by leaf and gives each leaf its range.
fn attach_weights(
    node: &NodeProto,
    leaf: &LeafLists,
    targets: usize,
    places: &HashMap<(i64, i64), u32>,
    nodes: &mut [Node],
) -> TractResult<Vec<(u32, f32)>> {
    let (trees, ids) = (ints(node, leaf.trees)?, ints(node, leaf.nodes)?);
    let (named, weights) = (ints(node, leaf.targets)?, floats(node, leaf.weights)?);
    let count = weights.len();
    ensure!(
        count > 0 && [trees.len(), ids.len(), named.len()].iter().all(|found| *found == count),
        "{} has {count} entries, the lists beside it have others",
        leaf.weights
    );
    let mut entries = Vec::with_capacity(count);
    for index in 0..count {
        let key = (trees[index], ids[index]);
        let place = *places.get(&key).with_context(|| format!("tree {} has no node {}", key.0, key.1))?;
        ensure!(
            nodes[place as usize].mode == Mode::Leaf,
            "node {} of tree {} has weights and is no leaf",
            key.1,
            key.0
        );
        let target = usize::try_from(named[index])?;
        ensure!(target < targets, "a weight for target {target} of {targets}");
        entries.push((place, target as u32, weights[index]));
    }
    entries.sort_by_key(|(place, ..)| *place);
    let mut start = 0;
    for run in entries.chunk_by(|a, b| a.0 == b.0) {
        let leaf = &mut nodes[run[0].0 as usize];
        (leaf.when_true, leaf.when_false) = (start, start + run.len() as u32);
        start = leaf.when_false;
    }
    Ok(entries.into_iter().map(|(_, target, weight)| (target, weight)).collect())
}

/// Every node is reached from a root, and once: otherwise some lead in a circle.
fn check_reach(nodes: &[Node], roots: &[u32]) -> TractResult<()> {
    let (mut open, mut reached) = (roots.to_vec(), vec![false; nodes.len()]);
    while let Some(place) = open.pop() {
        let node = &nodes[place as usize];
        if std::mem::replace(&mut reached[place as usize], true) || node.mode == Mode::Leaf {
            continue;
        }
        open.extend([node.when_true, node.when_false]);
    }
    ensure!(reached.iter().all(|reached| *reached), "some nodes lead in a circle");
    Ok(())
}
