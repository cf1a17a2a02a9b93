//! `LinearClassifier` and `LinearRegressor`: scores = X·Wᵀ + b.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes::{Labels, floats};
use super::kernel::{Built, Kernel, Signature, built, matrix, matrix_dims, numeric, with_floats};
use super::post_transform::{PostTransform, logistic};

#[derive(Debug)]
struct Linear {
    coefficients: Vec<f32>,
    intercepts: Vec<f32>,
    post_transform: PostTransform,
}

#[derive(Debug)]
struct LinearClassifier {
    linear: Linear,
    labels: Labels,
}

#[derive(Debug)]
struct LinearRegressor {
    linear: Linear,
}

impl Linear {
    fn read(node: &NodeProto, targets: usize, post_transform: PostTransform) -> TractResult<Self> {
        let coefficients = floats(node, "coefficients")?;
        let mut intercepts = floats(node, "intercepts")?;
        ensure!(
            !coefficients.is_empty()
                && coefficients.len().is_multiple_of(targets)
                && (intercepts.is_empty() || intercepts.len() == targets),
            "{} coefficients and {} intercepts for {targets} targets",
            coefficients.len(),
            intercepts.len()
        );
        intercepts.resize(targets, 0.0);
        Ok(Self { coefficients, intercepts, post_transform })
    }

    fn targets(&self) -> usize {
        self.intercepts.len()
    }

    fn columns(&self) -> usize {
        self.coefficients.len() / self.targets()
    }

    fn check(&self, name: &str, input: &Signature) -> TractResult<TDim> {
        numeric(name, input.0)?;
        let (rows, columns) = matrix_dims(&input.1);
        ensure!(
            columns.is_none_or(|columns| columns == self.columns()),
            "{} columns where the coefficients have {}",
            columns.unwrap_or_default(),
            self.columns()
        );
        Ok(rows)
    }

    fn scores(&self, input: &Tensor) -> TractResult<(usize, Vec<f32>)> {
        let (rows, columns) = matrix(input.shape());
        ensure!(
            columns == self.columns(),
            "{columns} columns where the coefficients have {}",
            self.columns()
        );
        let scores = with_floats(input, |values| {
            let mut scores = Vec::with_capacity(rows * self.targets());
            for row in values.chunks_exact(columns) {
                for (weights, intercept) in self.coefficients.chunks_exact(columns).zip(&self.intercepts) {
                    scores.push(row.iter().zip(weights).map(|(x, w)| x * w).sum::<f32>() + intercept);
                }
            }
            Ok(scores)
        })?;
        Ok((rows, scores))
    }
}

pub(super) fn build_classifier(_: &ParsingContext, node: &NodeProto) -> Built {
    let labels = Labels::read(node, "classlabels_ints", "classlabels_strings")?;
    let intercepts = floats(node, "intercepts")?.len();
    let targets = if intercepts == 0 { labels.len() } else { intercepts };
    ensure!(
        targets == labels.len() || (targets == 1 && labels.len() == 2),
        "{targets} scores for {} labels",
        labels.len()
    );
    built(LinearClassifier { linear: Linear::read(node, targets, PostTransform::read(node)?)?, labels })
}

pub(super) fn build_regressor(_: &ParsingContext, node: &NodeProto) -> Built {
    let targets = usize::try_from(node.get_attr_opt::<i64>("targets")?.unwrap_or(1))?;
    let post_transform = PostTransform::of_regressor(node, targets)?;
    built(LinearRegressor { linear: Linear::read(node, targets, post_transform)? })
}

impl Kernel for LinearRegressor {
    fn name(&self) -> &'static str {
        "LinearRegressor"
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let rows = self.linear.check(self.name(), &inputs[0])?;
        Ok(tvec!((f32::datum_type(), tvec!(rows, self.linear.targets().to_dim()))))
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (rows, mut scores) = self.linear.scores(inputs[0])?;
        let targets = self.linear.targets();
        scores.chunks_mut(targets).for_each(|row| self.linear.post_transform.apply(row));
        Ok(tvec!(crate::convert::tensor(&[rows, targets], scores)?))
    }
}

impl Kernel for LinearClassifier {
    fn name(&self) -> &'static str {
        "LinearClassifier"
    }

    fn outputs(&self) -> usize {
        2
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let rows = self.linear.check(self.name(), &inputs[0])?;
        let scores = (f32::datum_type(), tvec!(rows.clone(), self.labels.len().to_dim()));
        Ok(tvec!((self.labels.datum_type(), tvec!(rows)), scores))
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (rows, mut scores) = self.linear.scores(inputs[0])?;
        let width = self.labels.len();
        let mut winners = Vec::with_capacity(rows);
        if self.linear.targets() == 1 && width == 2 {
            // One score for two labels: positive means the second.
            winners.extend(scores.iter().map(|score| usize::from(*score > 0.0)));
            let pair = |score: &f32| match self.linear.post_transform {
                PostTransform::Logistic => [logistic(-score), logistic(*score)],
                _ => [1.0 - score, *score],
            };
            scores = scores.iter().flat_map(pair).collect();
        } else {
            for row in scores.chunks_mut(width) {
                winners.push(crate::answer::largest(row).unwrap_or(0));
                self.linear.post_transform.apply(row);
            }
        }
        Ok(tvec!(self.labels.pick(&winners)?, crate::convert::tensor(&[rows, width], scores)?))
    }
}
