//! What happens to raw scores before they leave a classifier or regressor (`post_transform`).

use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PostTransform {
    None,
    Logistic,
    Softmax,
    SoftmaxZero,
    Probit,
}

impl PostTransform {
    pub(crate) fn read(node: &NodeProto) -> TractResult<Self> {
        Ok(match node.get_attr_opt::<&str>("post_transform")?.unwrap_or("NONE") {
            "NONE" => PostTransform::None,
            "LOGISTIC" => PostTransform::Logistic,
            "SOFTMAX" => PostTransform::Softmax,
            "SOFTMAX_ZERO" => PostTransform::SoftmaxZero,
            "PROBIT" => PostTransform::Probit,
            other => bail!("post_transform {other} is unknown"),
        })
    }

    /// What a regressor of so many targets does.
    pub(crate) fn of_regressor(node: &NodeProto, targets: usize) -> TractResult<Self> {
        Ok(Self::read(node)?.for_one(targets))
    }

    /// Of a single score ONNX Runtime takes the probit and nothing else.
    pub(crate) fn for_one(self, targets: usize) -> Self {
        if targets == 1 && self != PostTransform::Probit { PostTransform::None } else { self }
    }

    /// Transforms one row of scores.
    pub(crate) fn apply(self, scores: &mut [f32]) {
        match self {
            PostTransform::None => {}
            PostTransform::Logistic => scores.iter_mut().for_each(|score| *score = logistic(*score)),
            PostTransform::Softmax => softmax(scores, |_| true),
            // Scores of zero stay zero and take no share; NaN is not zero.
            PostTransform::SoftmaxZero => softmax(scores, |score| score.is_nan() || score.abs() > 1e-7),
            PostTransform::Probit => scores.iter_mut().for_each(|score| *score = probit(*score)),
        }
    }
}

/// 1 / (1 + e^−x), computed so that neither end overflows.
pub(crate) fn logistic(x: f32) -> f32 {
    let half = 1.0 / (1.0 + (-x.abs()).exp());
    if x < 0.0 { 1.0 - half } else { half }
}

fn softmax(scores: &mut [f32], counts: impl Fn(f32) -> bool) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        if counts(*score) {
            *score = (*score - largest).exp();
            sum += *score;
        } else {
            *score = 0.0;
        }
    }
    // Without any share, and with NaN among them, all are NaN.
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// √2 · erf⁻¹(2x − 1), with Winitzki's approximation of erf⁻¹ as ONNX Runtime has it.
fn probit(x: f32) -> f32 {
    let x = 2.0 * x - 1.0;
    let logarithm = ((1.0 - x) * (1.0 + x)).ln();
    let v = 2.0 / (std::f32::consts::PI * 0.147) + 0.5 * logarithm;
    let v2 = logarithm / 0.147;
    let inverse = x.signum() * (-v + (v * v - v2).sqrt()).sqrt();
    std::f32::consts::SQRT_2 * inverse
}
