//! `ReduceLogSumExp` without overflow, `ReduceMax` and `ReduceMin` of truths too (ONNX 13, 18 and 20).
//!
//! The largest value is taken out before the exponentials and added after the logarithm; tract does neither,
//! and what a naive Bayes classifier has there overflows on most data.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::tract_core::ops::{cast::cast, nn};

use super::attributes;
use super::extremes::Extreme;
use super::kernel::{Built, Kernel, Signature, wire};
use super::values::{integers, resolve_axis};

/// The node: which axes are reduced is known from an attribute, from opset 18 from a constant input.
#[derive(Debug, Clone)]
struct Reduction {
    /// tract's reducer; none for the logarithm of a sum of exponentials.
    reducer: Option<nn::Reducer>,
    axes: Vec<i64>,
    from_input: bool,
    keep_dims: bool,
    /// Whether no axes are none rather than all.
    empty_is_none: bool,
}

/// The reduction over these axes, which are sorted and not empty.
#[derive(Debug)]
struct LogSumExp {
    axes: Vec<usize>,
    keep_dims: bool,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let flag = |name: &str, default: i64| -> TractResult<bool> {
        Ok(node.get_attr_opt::<i64>(name)?.unwrap_or(default) != 0)
    };
    let reduce = Reduction {
        reducer: match node.op_type.as_str() {
            "ReduceMax" => Some(nn::Reducer::Max),
            "ReduceMin" => Some(nn::Reducer::Min),
            _ => None,
        },
        axes: attributes::ints(node, "axes")?,
        from_input: node.input.get(1).is_some_and(|name| !name.is_empty()),
        keep_dims: flag("keepdims", 1)?,
        empty_is_none: flag("noop_with_empty_axes", 0)?,
    };
    Ok((expand(reduce), vec![]))
}

impl Reduction {
    fn resolve(&self, axes: &[i64], rank: usize) -> TractResult<Vec<usize>> {
        if axes.is_empty() && !self.empty_is_none {
            return Ok((0..rank).collect());
        }
        let mut resolved =
            axes.iter().map(|axis| resolve_axis(*axis, rank)).collect::<TractResult<Vec<_>>>()?;
        resolved.sort_unstable();
        resolved.dedup();
        Ok(resolved)
    }
}

fn reduced(shape: &[TDim], axes: &[usize], keep_dims: bool) -> TVec<TDim> {
    let left = shape.iter().enumerate().filter(|(axis, _)| keep_dims || !axes.contains(axis));
    left.map(|(axis, dim)| if axes.contains(&axis) { 1.to_dim() } else { dim.clone() }).collect()
}

impl Expansion for Reduction {
    fn name(&self) -> StaticName {
        match self.reducer {
            Some(nn::Reducer::Max) => "ReduceMax",
            Some(_) => "ReduceMin",
            None => "ReduceLogSumExp",
        }
        .into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, if self.from_input { 2 } else { 1 })?;
        check_output_arity(outputs, 1)?;
        s.equals(&inputs[0].datum_type, &outputs[0].datum_type)?;
        s.given(&inputs[0].shape, move |s, shape| {
            let set = move |s: &mut Solver<'r>, axes: &[i64]| {
                let axes = self.resolve(axes, shape.len())?;
                s.equals(&outputs[0].shape, reduced(&shape, &axes, self.keep_dims))
            };
            if self.from_input {
                s.given(&inputs[1].value, move |s, axes| set(s, &integers(&axes)?))
            } else {
                set(s, &self.axes)
            }
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let axes = if self.from_input {
            let axes = model.outlet_fact(inputs[1])?.konst.clone();
            integers(axes.as_deref().context("the axes are no constant")?)?
        } else {
            self.axes.clone()
        };
        let axes = self.resolve(&axes, model.outlet_fact(inputs[0])?.rank())?;
        if axes.is_empty() {
            return Ok(tvec!(inputs[0]));
        }
        let Some(reducer) = self.reducer else {
            return wire(LogSumExp { axes, keep_dims: self.keep_dims }, prefix, model, &inputs[..1]);
        };
        let kind = model.outlet_fact(inputs[0])?.datum_type;
        let is_truths = kind == bool::datum_type();
        let mut last: TVec<OutletId> = inputs[..1].into();
        if is_truths {
            last = model.wire_node(format!("{prefix}.numbers"), cast(u8::datum_type()), &last)?;
        }
        let name = format!("{prefix}.reduced");
        let reduce: Box<dyn TypedOp> = if kind.is_float() {
            Box::new(Extreme { axes: axes.clone().into(), largest: reducer == nn::Reducer::Max })
        } else {
            Box::new(nn::Reduce::new(axes.clone().into(), reducer))
        };
        last = model.wire_node(name, reduce, &last)?;
        if is_truths {
            last = model.wire_node(format!("{prefix}.truths"), cast(bool::datum_type()), &last)?;
        }
        for axis in axes.into_iter().rev().filter(|_| !self.keep_dims) {
            last = model.wire_node(format!("{prefix}.{axis}"), AxisOp::Rm(axis), &last)?;
        }
        Ok(last)
    }
}

impl Kernel for LogSumExp {
    fn name(&self) -> &'static str {
        "LogSumExp"
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let (datum_type, shape) = &inputs[0];
        Ok(tvec!((*datum_type, reduced(shape, &self.axes, self.keep_dims))))
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let input = inputs[0];
        let kept = |axis: &usize| !self.axes.contains(axis);
        let order: Vec<usize> = (0..input.rank()).filter(kept).chain(self.axes.iter().copied()).collect();
        let wide = input.cast_to::<f64>()?;
        let view = wide.to_plain_array_view::<f64>()?;
        let values: Vec<f64> = view.permuted_axes(order).iter().copied().collect();
        let length: usize = self.axes.iter().map(|axis| input.shape()[*axis]).product();
        let shape: Vec<usize> = (0..input.rank())
            .filter(|axis| self.keep_dims || kept(axis))
            .map(|axis| if kept(&axis) { input.shape()[axis] } else { 1 })
            .collect();
        let regions = 0..shape.iter().product();
        let sums =
            regions.map(|region| log_sum_exp(&values[region * length..(region + 1) * length])).collect();
        let sums = crate::convert::tensor::<f64>(&shape, sums)?;
        Ok(tvec!(sums.cast_to_dt(input.datum_type())?.into_owned()))
    }
}

fn log_sum_exp(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // Of infinities nothing is taken out: their difference would be NaN.
    let taken_out = if largest.is_finite() { largest } else { 0.0 };
    values.iter().map(|x| (x - taken_out).exp()).sum::<f64>().ln() + taken_out
}
