//! Trees laid out for walking: one flat list of small nodes, and several trees at a time.
//!
//! The child of a test that holds follows its node; of the other child the place is written down. A leaf leads to
//! itself, so that trees of different depths are walked side by side without a branch that a processor could guess
//! wrongly.

use std::sync::OnceLock;

use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::tract_num_traits::Float;

use super::draft::{Draft, Plain, Step};
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

/// The step, or what comes after it where it is a branch whose children are one. No branch is come by twice.
fn beyond_forks(draft: &Draft, mut step: usize, seen: &mut [bool]) -> TractResult<usize> {
    while let Step::Branch { when_true, when_false, .. } = &draft.steps[step] {
        let again = std::mem::replace(&mut seen[step], true);
        ensure!(!again, "the nodes of a tree lead in a circle or have two parents");
        if when_true != when_false {
            break;
        }
        step = *when_true;
    }
    Ok(step)
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
            trees.roots.push(trees.place()?);
            // Steps to come, each with the nodes that wait for its place.
            let mut open = vec![(*root, 0..0)];
            while let Some((step, waiting)) = open.pop() {
                let place = trees.place()?;
                trees.nodes[waiting].iter_mut().for_each(|node| node.next = place);
                match &draft.steps[beyond_forks(draft, step, &mut seen)?] {
                    Step::Leaf { start, end } => {
                        trees.nodes.push(Node { value: X::nan(), feature: 0, next: place });
                        trees.leaves.push((*start, *end));
                    }
                    Step::Branch { test, feature, when_true, when_false, missing_is_true } => {
                        let tests = test.plain(*missing_is_true);
                        tests.iter().for_each(|test| trees.push(test, *feature));
                        let swapped = tests.iter().any(|test| test.swapped);
                        let (follows, other) =
                            if swapped { (*when_false, *when_true) } else { (*when_true, *when_false) };
                        open.push((other, place as usize..trees.nodes.len()));
                        open.push((follows, 0..0));
                    }
                }
            }
        }
        Ok(trees)
    }

    /// The place of the next node.
    fn place(&self) -> TractResult<u32> {
        Ok(u32::try_from(self.nodes.len())?)
    }

    fn push(&mut self, test: &Plain, feature: u32) {
        let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
        let flags = flag(test.is_unequal, IS_UNEQUAL)
            | flag(test.flips_missing, FLIPS_MISSING)
            | flag(test.is_below, IS_BELOW);
        let value = X::narrowed(test.value);
        let value = match test.is_below {
            // Nothing is below the lowest of all numbers.
            true if value == X::neg_infinity() => X::nan(),
            true => value.before(),
            false => value,
        };
        self.nodes.push(Node { value, feature: feature | flags, next: 0 });
        self.leaves.push((0, 0));
        self.is_plain &= !test.is_unequal && !test.flips_missing;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::draft::Test;
    use super::*;

    const NUMBERS: [f64; 7] = [-1.0, -0.0, 0.5, 1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    const COLUMNS: usize = 3;

    /// Grows a tree by what the genes say, and gives the place of its root.
    fn grow(genes: &mut impl Iterator<Item = u8>, depth: usize, draft: &mut Draft) -> usize {
        let mut gene = || usize::from(genes.next().unwrap_or(0));
        let (kind, first, second, feature, missing) = (gene(), gene(), gene(), gene(), gene());
        if depth == 0 || kind % 9 == 0 {
            let start = draft.weights.len() as u32;
            draft.weights.push((0, f64::from(start) + 1.0));
            draft.steps.push(Step::Leaf { start, end: start + 1 });
            return draft.steps.len() - 1;
        }
        let (value, other) = (NUMBERS[first % NUMBERS.len()], NUMBERS[second % NUMBERS.len()]);
        let test = match kind % 9 {
            1 => Test::LessOrEqual(value),
            2 => Test::Less(value),
            3 => Test::GreaterOrEqual(value),
            4 => Test::Greater(value),
            5 => Test::Equal(value),
            6 => Test::NotEqual(value),
            7 => Test::Member(vec![value, other]),
            _ => Test::Member(vec![]),
        };
        let when_true = grow(genes, depth - 1, draft);
        let when_false = if first % 5 == 4 { when_true } else { grow(genes, depth - 1, draft) };
        let (feature, missing_is_true) = ((feature % COLUMNS) as u32, missing % 2 == 1);
        draft.steps.push(Step::Branch { test, feature, when_true, when_false, missing_is_true });
        draft.steps.len() - 1
    }

    /// The weight that a row comes by, step by step as the file tells.
    fn plainly(draft: &Draft, mut step: usize, row: &[f64]) -> f64 {
        loop {
            match &draft.steps[step] {
                Step::Leaf { start, .. } => return draft.weights[*start as usize].1,
                Step::Branch { test, feature, when_true, when_false, missing_is_true } => {
                    let x = row[*feature as usize];
                    let holds = match test {
                        Test::LessOrEqual(value) => x <= *value,
                        Test::Less(value) => x < *value,
                        Test::GreaterOrEqual(value) => x >= *value,
                        Test::Greater(value) => x > *value,
                        Test::Equal(value) => x == *value,
                        Test::NotEqual(value) => x != *value,
                        Test::Member(values) => values.contains(&x),
                    };
                    step = if holds || *missing_is_true && x.is_nan() { *when_true } else { *when_false };
                }
            }
        }
    }

    struct Weights;

    impl Work<Vec<Vec<f64>>> for Weights {
        fn on_rows<X: Element>(self, trees: &Trees<X>, rows: &[X], columns: usize) -> Vec<Vec<f64>> {
            let mut found = vec![Vec::new(); rows.len() / columns];
            trees.visit(rows, columns, |row, weights| found[row].push(f64::from(weights[0].1.single())));
            found
        }
    }

    proptest! {
        #[test]
        fn trees_are_walked_as_they_are_told(
            genes in proptest::collection::vec(any::<u8>(), 10..600),
            trees in 1..12_usize,
            rows in proptest::collection::vec(0..NUMBERS.len(), COLUMNS..5 * COLUMNS),
            is_double: bool,
            doubles: bool,
        ) {
            let mut draft = Draft { targets: 1, is_double, ..Draft::default() };
            let mut genes = genes.into_iter();
            for _ in 0..trees {
                let root = grow(&mut genes, 5, &mut draft);
                draft.roots.push(root);
            }
            let rows: Vec<f64> = rows[..rows.len() / COLUMNS * COLUMNS].iter().map(|at| NUMBERS[*at]).collect();
            let expected: Vec<Vec<f64>> = rows
                .chunks(COLUMNS)
                .map(|row| draft.roots.iter().map(|root| plainly(&draft, *root, row)).collect())
                .collect();
            let shape = [rows.len() / COLUMNS, COLUMNS];
            let input = match doubles {
                true => crate::convert::tensor(&shape, rows).unwrap(),
                false => crate::convert::tensor(&shape, rows.iter().map(|x| *x as f32).collect()).unwrap(),
            };
            prop_assert_eq!(Forest::new(&draft).unwrap().with(&input, Weights).unwrap(), expected);
        }
    }

    #[test]
    fn what_leads_in_a_circle_or_together_again_is_refused() {
        let branch = |when_true, when_false| Step::Branch {
            test: Test::Less(0.0),
            feature: 0,
            when_true,
            when_false,
            missing_is_true: false,
        };
        for steps in [
            vec![branch(0, 0)],
            vec![branch(1, 2), branch(2, 2), branch(0, 0)],
            vec![branch(1, 1), branch(0, 0)],
        ] {
            let draft = Draft { steps, roots: vec![0], targets: 1, ..Draft::default() };
            assert!(Forest::new(&draft).is_err());
        }
    }
}
