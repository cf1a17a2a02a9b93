//! Trees as one flat list of nodes, children beside each other in reach.

use tract_onnx::tract_hir::tract_num_traits::Float;

/// How a node decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Leaf,
    LessOrEqual,
    Less,
    GreaterOrEqual,
    Greater,
    Equal,
    NotEqual,
}

/// A node: of a branch, `when_true` and `when_false` are nodes; of a leaf, its weights' range.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub(super) value: f32,
    pub(super) feature: u32,
    pub(super) when_true: u32,
    pub(super) when_false: u32,
    pub(super) mode: Mode,
    pub(super) missing_is_true: bool,
}

/// Trees whose children are known to exist and never lead back.
#[derive(Debug)]
pub(super) struct Forest {
    pub(super) nodes: Vec<Node>,
    pub(super) roots: Vec<u32>,
    /// Target (or class) and weight, in leaf order.
    pub(super) weights: Vec<(u32, f32)>,
    /// Columns that a row must have at least.
    pub(super) columns: usize,
    /// Number of targets or classes.
    pub(super) targets: usize,
}

/// An element of a row. Thresholds and weights are single precision; where the row is double, they are compared
/// and summed as such.
pub(super) trait Element: Float + From<f32> {}
impl Element for f32 {}
impl Element for f64 {}

impl Forest {
    /// The weights of the leaf that a row falls into, for each tree. The row has at least `columns` values.
    pub(super) fn leaves<'a, X: Element>(
        &'a self,
        row: &'a [X],
    ) -> impl Iterator<Item = &'a [(u32, f32)]> + 'a {
        self.roots.iter().map(move |root| {
            let mut node = &self.nodes[*root as usize];
            loop {
                let x = match node.mode {
                    Mode::Leaf => return &self.weights[node.when_true as usize..node.when_false as usize],
                    _ => row[node.feature as usize],
                };
                let value: X = node.value.into();
                let goes = match node.mode {
                    Mode::LessOrEqual => x <= value,
                    Mode::Less => x < value,
                    Mode::GreaterOrEqual => x >= value,
                    Mode::Greater => x > value,
                    Mode::Equal => x == value,
                    Mode::NotEqual | Mode::Leaf => x != value,
                };
                let next =
                    if goes || node.missing_is_true && x.is_nan() { node.when_true } else { node.when_false };
                node = &self.nodes[next as usize];
            }
        })
    }
}
