//! `SVMClassifier` and `SVMRegressor` (ai.onnx.ml 1): a row's kernels with the support vectors, weighted and summed.
//!
//! A classifier with support vectors has one score for each pair of classes, of which the winner gets a vote; `prob_a`
//! and `prob_b` make probabilities of the pairs' scores. Without support vectors, coefficients are a linear model's.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes::{Labels, floats, ints};
use super::kernel::{Built, Kernel, Signature, built, matrix, matrix_dims, numeric, with_floats};
use super::post_transform::{PostTransform, logistic};

/// How like each other two vectors are.
#[derive(Debug, Clone, Copy)]
enum Likeness {
    Linear,
    Polynomial { gamma: f32, coef0: f32, degree: f32 },
    RadialBasis { gamma: f32 },
    Sigmoid { gamma: f32, coef0: f32 },
}

impl Likeness {
    fn read(node: &NodeProto) -> TractResult<Self> {
        let parameters = floats(node, "kernel_params")?;
        let (gamma, coef0, degree) = match parameters[..] {
            [] => (0.0, 0.0, 0.0),
            [gamma, coef0, degree, ..] => (gamma, coef0, degree),
            _ => bail!("kernel_params has {} entries instead of gamma, coef0 and degree", parameters.len()),
        };
        Ok(match node.get_attr_opt::<&str>("kernel_type")?.unwrap_or("LINEAR") {
            "LINEAR" => Likeness::Linear,
            "POLY" => Likeness::Polynomial { gamma, coef0, degree },
            "RBF" => Likeness::RadialBasis { gamma },
            "SIGMOID" => Likeness::Sigmoid { gamma, coef0 },
            other => bail!("kernel_type {other} is unknown"),
        })
    }

    fn of(self, a: &[f32], b: &[f32]) -> f32 {
        let dot = || a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        match self {
            Likeness::Linear => dot(),
            Likeness::Polynomial { gamma, coef0, degree } => (gamma * dot() + coef0).powf(degree),
            Likeness::RadialBasis { gamma } => {
                (-gamma * a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>()).exp()
            }
            Likeness::Sigmoid { gamma, coef0 } => (gamma * dot() + coef0).tanh(),
        }
    }
}

/// Vectors that each row is compared with, and how.
#[derive(Debug)]
struct Vectors {
    likeness: Likeness,
    values: Vec<f32>,
    columns: usize,
}

impl Vectors {
    fn new(likeness: Likeness, values: Vec<f32>, count: usize) -> TractResult<Self> {
        ensure!(
            count > 0 && !values.is_empty() && values.len().is_multiple_of(count),
            "{} numbers for {count} vectors",
            values.len()
        );
        Ok(Self { likeness, columns: values.len() / count, values })
    }

    /// Number of rows of an input, which must have as many columns as the vectors.
    fn rows(&self, name: &str, input: &Signature) -> TractResult<TDim> {
        numeric(name, input.0)?;
        let (rows, columns) = matrix_dims(&input.1);
        ensure!(
            columns.is_none_or(|columns| columns == self.columns),
            "{} columns where the vectors have {}",
            columns.unwrap_or_default(),
            self.columns
        );
        Ok(rows)
    }

    /// For each row of the input, what `work` makes of its likeness with each vector.
    fn each_row(&self, input: &Tensor, mut work: impl FnMut(&[f32])) -> TractResult<usize> {
        let (rows, columns) = matrix(input.shape());
        ensure!(columns == self.columns, "{columns} columns where the vectors have {}", self.columns);
        with_floats(input, |values| {
            let mut likenesses = Vec::with_capacity(self.values.len() / columns);
            for row in values.chunks_exact(columns) {
                likenesses.clear();
                let vectors = self.values.chunks_exact(columns);
                likenesses.extend(vectors.map(|vector| self.likeness.of(row, vector)));
                work(&likenesses);
            }
            Ok(rows)
        })
    }
}

#[derive(Debug)]
struct SvmRegressor {
    vectors: Vectors,
    /// One for each vector.
    coefficients: Vec<f32>,
    rho: f32,
    one_class: bool,
}

pub(super) fn build_regressor(_: &ParsingContext, node: &NodeProto) -> Built {
    let coefficients = floats(node, "coefficients")?;
    let count = usize::try_from(node.get_attr_opt::<i64>("n_supports")?.unwrap_or(0))?;
    let (vectors, coefficients) = if count > 0 {
        ensure!(
            coefficients.len() == count,
            "{} coefficients for {count} support vectors",
            coefficients.len()
        );
        (Vectors::new(Likeness::read(node)?, floats(node, "support_vectors")?, count)?, coefficients)
    } else {
        (Vectors::new(Likeness::Linear, coefficients, 1)?, vec![1.0])
    };
    let rho = floats(node, "rho")?;
    ensure!(rho.len() == 1, "rho has {} entries instead of 1", rho.len());
    let one_class = node.get_attr_opt::<i64>("one_class")?.unwrap_or(0) != 0;
    built(SvmRegressor { vectors, coefficients, rho: rho[0], one_class })
}

impl Kernel for SvmRegressor {
    fn name(&self) -> &'static str {
        "SVMRegressor"
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let rows = self.vectors.rows(self.name(), &inputs[0])?;
        Ok(tvec!((f32::datum_type(), tvec!(rows, 1.to_dim()))))
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let mut answers = Vec::new();
        let rows = self.vectors.each_row(inputs[0], |likenesses| {
            let score = dot(likenesses, &self.coefficients) + self.rho;
            answers.push(if !self.one_class {
                score
            } else if score > 0.0 {
                1.0
            } else {
                -1.0
            });
        })?;
        Ok(tvec!(crate::convert::tensor(&[rows, 1], answers)?))
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[derive(Debug)]
struct SvmClassifier {
    vectors: Vectors,
    labels: Labels,
    post_transform: PostTransform,
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    /// A linear model for each class, and the same constant for all.
    Linear { rho: f32, positive: bool },
    /// A score for each pair of classes.
    Pairs {
        ranges: Vec<std::ops::Range<usize>>,
        coefficients: Vec<f32>,
        rho: Vec<f32>,
        sigmoids: Vec<(f32, f32)>,
    },
}

pub(super) fn build_classifier(_: &ParsingContext, node: &NodeProto) -> Built {
    let labels = Labels::read(node, "classlabels_ints", "classlabels_strings")?;
    let (classes, coefficients, rho) = (labels.len(), floats(node, "coefficients")?, floats(node, "rho")?);
    let post_transform = PostTransform::read(node)?;
    let mut end = 0_usize;
    let mut ranges = Vec::new();
    for count in ints(node, "vectors_per_class")? {
        let start = end;
        end = end.checked_add(usize::try_from(count)?).context("vectors_per_class is out of reach")?;
        ranges.push(start..end);
    }
    if end == 0 {
        let positive = coefficients.iter().all(|weight| *weight >= 0.0);
        let rule = Rule::Linear { rho: *rho.first().context("rho is empty")?, positive };
        let vectors = Vectors::new(Likeness::Linear, coefficients, classes)?;
        return built(SvmClassifier { vectors, labels, post_transform, rule });
    }
    let vectors = Vectors::new(Likeness::read(node)?, floats(node, "support_vectors")?, end)?;
    let pairs = classes.saturating_mul(classes.saturating_sub(1)) / 2;
    let (a, b) = (floats(node, "prob_a")?, floats(node, "prob_b")?);
    ensure!(
        classes > 1 && ranges.len() == classes,
        "vectors of {} classes for {classes} labels",
        ranges.len()
    );
    ensure!(
        coefficients.len() == end.saturating_mul(classes - 1),
        "{} coefficients for {end} vectors of {classes} classes",
        coefficients.len()
    );
    ensure!(rho.len() == pairs, "rho has {} entries for {pairs} pairs of classes", rho.len());
    ensure!(
        a.len() == b.len() && (a.is_empty() || a.len() == pairs),
        "prob_a has {} entries, prob_b {}, for {pairs} pairs of classes",
        a.len(),
        b.len()
    );
    let rule = Rule::Pairs { ranges, coefficients, rho, sigmoids: a.into_iter().zip(b).collect() };
    built(SvmClassifier { vectors, labels, post_transform, rule })
}

impl SvmClassifier {
    /// Number of scores that a row gets.
    fn width(&self) -> usize {
        match &self.rule {
            Rule::Pairs { rho, sigmoids, .. } if sigmoids.is_empty() => rho.len().max(2),
            _ => self.labels.len(),
        }
    }

    /// Writes one row of scores and gives the index of the winning label.
    fn answer(&self, likenesses: &[f32], scores: &mut Vec<f32>) -> usize {
        let classes = self.labels.len();
        let winner = match &self.rule {
            Rule::Linear { rho, positive } => {
                scores.extend(likenesses.iter().map(|likeness| likeness + rho));
                let largest = crate::answer::largest(scores).unwrap_or(0);
                // Of two labels, ONNX Runtime gives the second whenever a score is over the limit.
                let limit = if *positive { scores[largest] >= 0.5 } else { scores[largest] > 0.0 };
                if classes == 2 && limit { 1 } else { largest }
            }
            Rule::Pairs { ranges, coefficients, rho, sigmoids } => {
                let mut votes = vec![0_usize; classes];
                let count = likenesses.len();
                let mut rho = rho.iter();
                for (i, first) in ranges.iter().enumerate() {
                    for (j, second) in ranges.iter().enumerate().skip(i + 1) {
                        // A class has no coefficients against itself: the row of a later class is one before.
                        let (against_j, against_i) =
                            (&coefficients[(j - 1) * count..], &coefficients[i * count..]);
                        let sum =
                            weighted(likenesses, against_j, first) + weighted(likenesses, against_i, second);
                        let score = (sum + f64::from(rho.next().copied().unwrap_or(0.0))) as f32;
                        votes[if score > 0.0 { i } else { j }] += 1;
                        scores.push(score);
                    }
                }
                if !sigmoids.is_empty() {
                    *scores = probabilities(classes, scores, sigmoids);
                }
                // The first of several that have the most.
                (0..classes).rev().max_by_key(|class| votes[*class]).unwrap_or(0)
            }
        };
        match scores[..] {
            // One score for two labels.
            [score] => {
                let first = match self.post_transform {
                    PostTransform::None => -score,
                    _ => 1.0 - score,
                };
                scores.insert(0, first);
            }
            _ => self.post_transform.apply(scores),
        }
        winner
    }
}

fn weighted(likenesses: &[f32], coefficients: &[f32], of: &std::ops::Range<usize>) -> f64 {
    let pairs = likenesses[of.clone()].iter().zip(&coefficients[of.clone()]);
    pairs.map(|(likeness, weight)| f64::from(likeness * weight)).sum()
}

/// Probabilities of classes from the scores of their pairs, by pairwise coupling: Wu, Lin and Weng, "Probability
/// Estimates for Multi-class Classification by Pairwise Coupling", 2004, algorithm 2, with the bounds of LIBSVM.
fn probabilities(classes: usize, scores: &[f32], sigmoids: &[(f32, f32)]) -> Vec<f32> {
    const SMALLEST: f32 = 1e-7;
    const MOST_ROUNDS: usize = 100;
    let mut pair = vec![0.0_f32; classes * classes];
    let mut each = scores.iter().zip(sigmoids);
    for i in 0..classes {
        for j in i + 1..classes {
            let Some((score, (a, b))) = each.next() else { continue };
            let first = (1.0 - logistic(score * a + b)).clamp(SMALLEST, 1.0 - SMALLEST);
            (pair[i * classes + j], pair[j * classes + i]) = (first, 1.0 - first);
        }
    }
    let mut q = vec![0.0_f32; classes * classes];
    for i in 0..classes {
        for j in (0..classes).filter(|j| *j != i) {
            let (other, own) = (pair[j * classes + i], pair[i * classes + j]);
            q[i * classes + i] += other * other;
            q[i * classes + j] = -other * own;
        }
    }
    let mut p = vec![1.0 / classes as f32; classes];
    for _ in 0..MOST_ROUNDS {
        let mut qp: Vec<f32> = q.chunks_exact(classes).map(|row| dot(row, &p)).collect();
        let mut pqp = dot(&p, &qp);
        if qp.iter().all(|x| (x - pqp).abs() < 0.005 / classes as f32) {
            break;
        }
        for i in 0..classes {
            let row = &q[i * classes..][..classes];
            let step = (pqp - qp[i]) / row[i];
            p[i] += step;
            pqp = (pqp + step * (step * row[i] + 2.0 * qp[i])) / (1.0 + step) / (1.0 + step);
            for j in 0..classes {
                qp[j] = (qp[j] + step * row[j]) / (1.0 + step);
                p[j] /= 1.0 + step;
            }
        }
    }
    p
}

impl Kernel for SvmClassifier {
    fn name(&self) -> &'static str {
        "SVMClassifier"
    }

    fn outputs(&self) -> usize {
        2
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let rows = self.vectors.rows(self.name(), &inputs[0])?;
        let scores = (f32::datum_type(), tvec!(rows.clone(), self.width().to_dim()));
        Ok(tvec!((self.labels.datum_type(), tvec!(rows)), scores))
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (mut winners, mut all, mut scores) = (Vec::new(), Vec::new(), Vec::new());
        let rows = self.vectors.each_row(inputs[0], |likenesses| {
            scores.clear();
            winners.push(self.answer(likenesses, &mut scores));
            all.extend_from_slice(&scores);
        })?;
        Ok(tvec!(self.labels.pick(&winners)?, crate::convert::tensor(&[rows, self.width()], all)?))
    }
}
