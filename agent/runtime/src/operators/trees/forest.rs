//! Trees laid out for walking: one flat list of small nodes, and several trees at a time.
//!
//! The child of a test that holds follows its node; of the other child the place is written down. A leaf leads to
//! itself, so that trees of different depths are walked side by side without a branch that a processor could guess
//! wrongly.

use std::sync::OnceLock;

use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::tract_num_traits::Float;

use super::draft::{Draft, Step};
use super::sums::Answers;
use crate::operators::kernel::{matrix, with_floats};

/// Largest feature index, so that flags have a place beside it.
const MAX_COLUMNS: u32 = 1 << 20;
const IS_UNEQUAL: u32 = 1 << 31;
const FLIPS_MISSING: u32 = 1 << 30;
/// The value is the last one below that of the file.
const IS_BELOW: u32 = 1 << 29;
/// Trees that are walked side by side.
const LANES: usize = 8;

/// Numbers that rows, thresholds and weights are made of.
pub(super) trait Element: Float + Datum + Copy {
    fn narrowed(x: f64) -> Self;
    fn before(self) -> Self;
    fn after(self) -> Self;
    fn single(self) -> f32;
    fn answers(all: Vec<Self>) -> Answers;
}

impl Element for f32 {
    fn narrowed(x: f64) -> Self {
        x as f32
    }

    fn before(self) -> Self {
        self.next_down()
    }

    fn after(self) -> Self {
        self.next_up()
    }

    fn single(self) -> f32 {
        self
    }

    fn answers(all: Vec<Self>) -> Answers {
        Answers::Single(all)
    }
}

impl Element for f64 {
    fn narrowed(x: f64) -> Self {
        x
    }

    fn before(self) -> Self {
        self.next_down()
    }

    fn after(self) -> Self {
        self.next_up()
    }

    fn single(self) -> f32 {
        self as f32
    }

    fn answers(all: Vec<Self>) -> Answers {
        Answers::Double(all)
    }
}

#[derive(Debug, Clone, Copy)]
struct Node<X> {
    /// Of a leaf NaN, which nothing compares with.
    value: X,
    /// Column, and flags.
    feature: u32,
    /// Where the test does not hold.
    next: u32,
}

/// Trees in one precision.
#[derive(Debug)]
pub(super) struct Trees<X> {
    nodes: Vec<Node<X>>,
    /// For each node that is a leaf, the range of its weights.
    leaves: Vec<(u32, u32)>,
    roots: Vec<u32>,
    /// Target (or class) and weight, in leaf order.
    weights: Vec<(u32, X)>,
    is_plain: bool,
}

/// Trees in the precision of the file, and in the other once a row asks for it.
#[derive(Debug)]
pub(super) struct Forest {
    /// Columns that a row must have at least; one where none is looked at.
    pub(super) columns: usize,
    /// Number of targets or classes.
    pub(super) targets: usize,
    single: Option<Trees<f32>>,
    double: OnceLock<Trees<f64>>,
}

impl Forest {
    pub(super) fn new(draft: &Draft) -> TractResult<Self> {
        let mut columns = 1;
        for step in &draft.steps {
            let Step::Branch { feature, .. } = step else { continue };
            ensure!(*feature < MAX_COLUMNS, "feature {feature} is out of reach");
            columns = columns.max(*feature as usize + 1);
        }
        let (single, double) = match draft.is_double {
            true => (None, OnceLock::from(Trees::new(draft)?)),
            false => (Some(Trees::new(draft)?), OnceLock::new()),
        };
        Ok(Self { columns, targets: draft.targets, single, double })
    }

    /// Runs trees and rows in one precision: rows of doubles are compared as such, and so is all where the file holds
    /// doubles.
    pub(super) fn with<R>(&self, input: &Tensor, work: impl Work<R>) -> TractResult<R> {
        let (_, columns) = matrix(input.shape());
        ensure!(columns >= self.columns, "{columns} columns, the trees ask for {}", self.columns);
        match &self.single {
            Some(trees) if input.datum_type() != f64::datum_type() => {
                with_floats(input, |rows| Ok(work.on_rows(trees, rows, columns)))
            }
            trees => {
                let trees = self.double.get_or_init(|| match trees {
                    Some(trees) => trees.widened(),
                    None => Trees::default(),
                });
                let rows = input.cast_to::<f64>()?;
                Ok(work.on_rows(trees, rows.try_as_plain_ram()?.as_slice::<f64>()?, columns))
            }
        }
    }

    /// Number of trees.
    pub(super) fn len(&self) -> usize {
        self.single.as_ref().map_or_else(|| self.double.get().map_or(0, |t| t.roots.len()), |t| t.roots.len())
    }
}

/// What is done in either precision.
pub(super) trait Work<R> {
    fn on_rows<X: Element>(self, trees: &Trees<X>, rows: &[X], columns: usize) -> R;
}

impl<X> Default for Trees<X> {
    fn default() -> Self {
        Self { nodes: vec![], leaves: vec![], roots: vec![], weights: vec![], is_plain: true }
    }
}

impl Trees<f32> {
    fn widened(&self) -> Trees<f64> {
        let wide = |node: &Node<f32>| {
            let value = match node.feature & IS_BELOW {
                0 => f64::from(node.value),
                _ => f64::from(node.value.after()).before(),
            };
            Node { value, feature: node.feature, next: node.next }
        };
        Trees {
            nodes: self.nodes.iter().map(wide).collect(),
            leaves: self.leaves.clone(),
            roots: self.roots.clone(),
            weights: self.weights.iter().map(|(target, weight)| (*target, f64::from(*weight))).collect(),
            is_plain: self.is_plain,
        }
    }
}

impl<X: Element> Trees<X> {
    /// Lays the trees out, each from its root downwards. Refuses what leads in a circle or together again.
    fn new(draft: &Draft) -> TractResult<Self> {
        let mut trees = Self {
            weights: draft.weights.iter().map(|(target, weight)| (*target, X::narrowed(*weight))).collect(),
            ..Self::default()
        };
        let mut seen = vec![false; draft.steps.len()];
        for root in &draft.roots {
            // What is next: a step, and the nodes that wait for its place.
            let mut open = vec![(*root, 0..0)];
            trees.roots.push(u32::try_from(trees.nodes.len())?);
            while let Some((mut step, waiting)) = open.pop() {
                let (test, feature, when_true, when_false, missing_is_true) = loop {
                    let again = match &draft.steps[step] {
                        Step::Leaf { .. } => false,
                        Step::Branch { .. } => std::mem::replace(&mut seen[step], true),
                    };
                    ensure!(!again, "the nodes of a tree lead in a circle or have two parents");
                    match &draft.steps[step] {
                        // A branch that leads to one place is none.
                        Step::Branch { when_true, when_false, .. } if when_true == when_false => {
                            step = *when_true;
                        }
                        Step::Branch { test, feature, when_true, when_false, missing_is_true } => {
                            break (Some(test), *feature, *when_true, *when_false, *missing_is_true);
                        }
                        Step::Leaf { .. } => break (None, 0, step, step, false),
                    }
                };
                let place = u32::try_from(trees.nodes.len())?;
                trees.nodes[waiting].iter_mut().for_each(|node| node.next = place);
                let plain = test.map(|test| test.plain(missing_is_true)).unwrap_or_default();
                match &draft.steps[step] {
                    Step::Leaf { start, end } => {
                        trees.nodes.push(Node { value: X::nan(), feature: 0, next: place });
                        trees.leaves.push((*start, *end));
                    }
                    // Member of no set.
                    Step::Branch { .. } if plain.is_empty() => open.push((when_false, 0..0)),
                    Step::Branch { .. } => {
                        for plain in &plain {
                            let value = X::narrowed(plain.value);
                            let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
                            let flags = flag(plain.is_unequal, IS_UNEQUAL)
                                | flag(plain.flips_missing, FLIPS_MISSING)
                                | flag(plain.is_below, IS_BELOW);
                            // Nothing is below the lowest of all numbers.
                            let value = match plain.is_below {
                                true if value == X::neg_infinity() => X::nan(),
                                true => value.before(),
                                false => value,
                            };
                            trees.nodes.push(Node { value, feature: feature | flags, next: place });
                            trees.leaves.push((0, 0));
                            trees.is_plain &= !plain.is_unequal && !plain.flips_missing;
                        }
                        let all = place as usize..trees.nodes.len();
                        let swapped = plain.iter().any(|plain| plain.swapped);
                        let (follows, other) =
                            if swapped { (when_false, when_true) } else { (when_true, when_false) };
                        open.push((other, all));
                        open.push((follows, 0..0));
                    }
                }
            }
        }
        Ok(trees)
    }

    /// Calls `each` with a row's number and the weights of the leaf that it falls into: for each row, tree by tree in
    /// their order. Rows have at least [`Forest::columns`] values.
    pub(super) fn visit(&self, rows: &[X], columns: usize, each: impl FnMut(usize, &[(u32, X)])) {
        if self.is_plain {
            self.walk(rows, columns, |node, x| x <= node.value, each);
        } else {
            let goes = |node: &Node<X>, x: X| {
                let holds = if node.feature & IS_UNEQUAL != 0 { x != node.value } else { x <= node.value };
                // A leaf has no flag.
                holds != (node.feature & FLIPS_MISSING != 0 && x.is_nan())
            };
            self.walk(rows, columns, goes, each);
        }
    }

    #[inline(always)]
    fn walk(
        &self,
        rows: &[X],
        columns: usize,
        goes: impl Fn(&Node<X>, X) -> bool,
        mut each: impl FnMut(usize, &[(u32, X)]),
    ) {
        for roots in self.roots.chunks(LANES) {
            for (number, row) in rows.chunks_exact(columns).enumerate() {
                let mut places = [roots[0]; LANES];
                places[..roots.len()].copy_from_slice(roots);
                loop {
                    let mut moved = 0;
                    for place in &mut places {
                        let node = &self.nodes[*place as usize];
                        let x = row[(node.feature & (MAX_COLUMNS - 1)) as usize];
                        let next = if goes(node, x) { *place + 1 } else { node.next };
                        moved |= next ^ *place;
                        *place = next;
                    }
                    if moved == 0 {
                        break;
                    }
                }
                for place in &places[..roots.len()] {
                    let (start, end) = self.leaves[*place as usize];
                    each(number, &self.weights[start as usize..end as usize]);
                }
            }
        }
    }
}
