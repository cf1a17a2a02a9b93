//! `BatchNormalization` in training mode (ONNX 14): by the batch's own mean and variance, which also move the running ones.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Kernel, Signature, built};
use super::values::{around, doubles, of_doubles};

/// Takes [batch, channels, …] and for each channel scale, bias, mean and variance.
#[derive(Debug)]
struct BatchNormalization {
    epsilon: f64,
    momentum: f64,
    outputs: usize,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let number = |name, default| -> TractResult<f64> {
        Ok(f64::from(node.get_attr_opt::<f32>(name)?.unwrap_or(default)))
    };
    let outputs = node.output.len();
    ensure!((1..=3).contains(&outputs), "{outputs} outputs, as before opset 14");
    built(BatchNormalization {
        epsilon: number("epsilon", 1e-5)?,
        momentum: number("momentum", 0.9)?,
        outputs,
    })
}

impl Kernel for BatchNormalization {
    fn name(&self) -> &'static str {
        "BatchNormalization"
    }

    fn arity(&self) -> (usize, usize) {
        (5, 5)
    }

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let channels = inputs[0].1.get(1).context("no channels")?;
        ensure!(
            inputs[1..].iter().all(|(_, shape)| **shape == [channels.clone()]),
            "not one number for each channel"
        );
        let all = [&inputs[0], &inputs[3], &inputs[4]];
        Ok(all.into_iter().take(self.outputs).cloned().collect())
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let mut numbers = doubles(inputs[0])?;
        let (batch, channels, inner) = around(inputs[0].shape(), 1);
        let (scale, bias) = (doubles(inputs[1])?, doubles(inputs[2])?);
        let (mut means, mut variances) = (doubles(inputs[3])?, doubles(inputs[4])?);
        for channel in 0..channels {
            let places =
                move || (0..batch * inner).map(move |n| (n / inner * channels + channel) * inner + n % inner);
            let count = (batch * inner) as f64;
            let mean = places().map(|place| numbers[place]).sum::<f64>() / count;
            let variance = places().map(|place| (numbers[place] - mean).powi(2)).sum::<f64>() / count;
            let slope = scale[channel] / (variance + self.epsilon).sqrt();
            places().for_each(|place| numbers[place] = (numbers[place] - mean) * slope + bias[channel]);
            let moved = |running: f64, now: f64| running * self.momentum + now * (1.0 - self.momentum);
            means[channel] = moved(means[channel], mean);
            variances[channel] = moved(variances[channel], variance);
        }
        let all = [(0, numbers), (3, means), (4, variances)].into_iter().take(self.outputs);
        all.map(|(input, numbers)| of_doubles(inputs[input].datum_type(), inputs[input].shape(), numbers))
            .collect()
    }
}
