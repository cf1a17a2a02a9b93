//! `NegativeLogLikelihoodLoss` and `SoftmaxCrossEntropyLoss` (ONNX 12 and 13), of scores `[rows, classes, …]` and
//! classes `[rows, …]`, with a weight for each class where a third input gives them.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Kernel, Signature, built};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reduction {
    None,
    Sum,
    Mean,
}

#[derive(Debug)]
struct Loss {
    /// Scores become logarithms of probabilities first.
    softmax: bool,
    /// Those are a second output.
    tells_logarithms: bool,
    reduction: Reduction,
    ignored: Option<i64>,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let reduction = match node.get_attr_opt::<&str>("reduction")?.unwrap_or("mean") {
        "none" => Reduction::None,
        "sum" => Reduction::Sum,
        "mean" => Reduction::Mean,
        other => bail!("reduction {other} is unknown"),
    };
    built(Loss {
        softmax: node.op_type == "SoftmaxCrossEntropyLoss",
        tells_logarithms: node.output.len() > 1,
        reduction,
        ignored: node.get_attr_opt("ignore_index")?,
    })
}

impl Kernel for Loss {
    fn name(&self) -> &'static str {
        if self.softmax { "SoftmaxCrossEntropyLoss" } else { "NegativeLogLikelihoodLoss" }
    }

    fn arity(&self) -> (usize, usize) {
        (2, 3)
    }

    fn outputs(&self) -> usize {
        1 + usize::from(self.tells_logarithms)
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let ((kind, scores), (_, classes)) = (&inputs[0], &inputs[1]);
        ensure!(
            kind.is_float() && scores.len() >= 2 && classes.len() == scores.len() - 1,
            "scores of {} axes and classes of {}",
            scores.len(),
            classes.len()
        );
        let loss = if self.reduction == Reduction::None { classes.clone() } else { tvec![] };
        let mut facts = tvec![(*kind, loss)];
        if self.tells_logarithms {
            facts.push((*kind, scores.clone()));
        }
        Ok(facts)
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (kind, shape) = (inputs[0].datum_type(), inputs[0].shape());
        let (rows, classes) = (shape[0], shape[1]);
        let places: usize = shape[2..].iter().product();
        ensure!(
            inputs[1].shape()[..1] == shape[..1] && inputs[1].shape()[1..] == shape[2..],
            "classes of shape {:?} for scores of shape {shape:?}",
            inputs[1].shape()
        );
        let mut scores = inputs[0].cast_to::<f64>()?.try_as_plain_ram()?.as_slice::<f64>()?.to_vec();
        let at = |row: usize, class: usize, place: usize| (row * classes + class) * places + place;
        if self.softmax {
            for (row, place) in (0..rows).flat_map(|row| (0..places).map(move |place| (row, place))) {
                let one = |class| at(row, class, place);
                let largest = (0..classes).map(|class| scores[one(class)]).fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = (0..classes).map(|class| (scores[one(class)] - largest).exp()).sum();
                let logarithm = largest + sum.ln();
                (0..classes).for_each(|class| scores[one(class)] -= logarithm);
            }
        }
        let weights = inputs.get(2).map(|weights| weights.cast_to::<f64>()).transpose()?;
        let weights = weights.as_ref().map(|weights| weights.try_as_plain_ram()).transpose()?;
        let weights = weights.as_ref().map(|weights| weights.as_slice::<f64>()).transpose()?;
        ensure!(
            weights.is_none_or(|weights| weights.len() == classes),
            "not one weight for each of {classes} classes"
        );
        let wanted = inputs[1].cast_to::<i64>()?;
        let (mut losses, mut total) = (Vec::with_capacity(rows * places), 0.0);
        for (index, class) in wanted.try_as_plain_ram()?.as_slice::<i64>()?.iter().enumerate() {
            if self.ignored == Some(*class) {
                losses.push(0.0);
                continue;
            }
            let known = usize::try_from(*class).ok().filter(|class| *class < classes);
            let class = known.with_context(|| format!("class {class} of {classes}"))?;
            let weight = weights.map_or(1.0, |weights| weights[class]);
            losses.push(-weight * scores[at(index / places, class, index % places)]);
            total += weight;
        }
        let loss = match self.reduction {
            Reduction::None => crate::convert::tensor(inputs[1].shape(), losses)?,
            Reduction::Sum => tensor0(losses.iter().sum::<f64>()),
            Reduction::Mean => tensor0(losses.iter().sum::<f64>() / total),
        };
        let mut outputs = tvec![loss.cast_to_dt(kind)?.into_owned()];
        if self.tells_logarithms {
            outputs.push(crate::convert::tensor(shape, scores)?.cast_to_dt(kind)?.into_owned());
        }
        Ok(outputs)
    }
}
