//! `DequantizeLinear` (ONNX 10 to 25): y = (x − zero point) · scale, with a scale for the tensor, for each place of an
//! axis, or for each block along it.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::{NodeProto, tensor_proto::DataType};
use tract_onnx::tract_hir::internal::*;

use super::cast_to_narrow::round_to_bfloat16;
use super::granularity::{Granularity, zero_points};
use super::kernel::{self, Built, Kernel, Signature, built};
use crate::narrow::NarrowType;

#[derive(Debug)]
struct DequantizeLinear {
    granularity: Granularity,
    /// That of the scale where absent.
    to: Option<DatumType>,
    to_bfloat16: bool,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let to = node.get_attr_opt::<i64>("output_dtype")?.filter(|number| *number != 0);
    let to_bfloat16 = to.and_then(NarrowType::from_onnx) == Some(NarrowType::Bfloat16);
    let to = match to {
        Some(_) if to_bfloat16 => Some(f32::datum_type()),
        Some(number) => Some(DataType::try_from(i32::try_from(number)?)?.try_into()?),
        None => None,
    };
    built(DequantizeLinear { granularity: Granularity::read(node)?, to, to_bfloat16 })
}

/// Whether a node takes the scale and the zero point of what another quantized, to give single precision again.
pub(crate) fn undoes(model: &TypedModel, node: &TypedNode, quantizer: &TypedNode) -> bool {
    let Some(op) = kernel::of::<DequantizeLinear>(node) else { return false };
    let constant = |node: &TypedNode, place: usize| {
        let fact = node.inputs.get(place).and_then(|outlet| model.outlet_fact(*outlet).ok());
        fact.map(|fact| fact.konst.clone())
    };
    let is_same = |place: usize| match (constant(node, place), constant(quantizer, place)) {
        (Some(Some(here)), Some(Some(there))) => here == there,
        (None, None) => true,
        _ => false,
    };
    let is_single = op.to.is_none_or(|to| to == f32::datum_type()) && !op.to_bfloat16;
    is_single && is_same(1) && is_same(2)
}

impl Kernel for DequantizeLinear {
    fn name(&self) -> &'static str {
        "DequantizeLinear"
    }

    fn arity(&self) -> (usize, usize) {
        (2, 3)
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let to = self.to.unwrap_or(inputs[1].0);
        let is_taken = |kind: DatumType| matches!(kind, DatumType::F32 | DatumType::F16);
        ensure!(is_taken(to) && is_taken(inputs[1].0), "{to:?} with a scale of {:?}", inputs[1].0);
        ensure!(
            inputs[0].0.is_number() && inputs.get(2).is_none_or(|zero_point| zero_point.0 == inputs[0].0),
            "{:?} with a zero point of {:?}",
            inputs[0].0,
            inputs.get(2).map(|zero_point| zero_point.0)
        );
        Ok(tvec![(to, inputs[0].1.clone())])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let to = self.to.unwrap_or(inputs[1].datum_type());
        let zeros = zero_points(inputs.get(2), inputs[1])?;
        let scales = inputs[1].cast_to::<f32>()?;
        let mut products = inputs[0].cast_to::<f32>()?.into_owned();
        let shape: TVec<usize> = products.shape().into();
        let mut plain = products.try_as_plain_ram_mut()?;
        let x = plain.as_slice_mut::<f32>()?;
        let scales = scales.try_as_plain_ram()?;
        let scale = scales.as_slice::<f32>()?;
        let zeros = zeros.as_ref().map(|zeros| zeros.try_as_plain_ram()).transpose()?;
        let zero = zeros.as_ref().map(|zeros| zeros.as_slice::<f32>()).transpose()?;
        self.granularity.visit(&shape, inputs[1].shape(), |elements, first, step| {
            let zero = |place: usize| zero.map_or(0.0, |zero| zero[place]);
            let x = &mut x[elements];
            if step == 0 {
                let (scale, zero) = (scale[first], zero(first));
                x.iter_mut().for_each(|x| *x = (*x - zero) * scale);
                return;
            }
            for (index, x) in x.iter_mut().enumerate() {
                let place = first + index * step;
                *x = (*x - zero(place)) * scale[place];
            }
        })?;
        if self.to_bfloat16 {
            x.iter_mut().for_each(|x| *x = round_to_bfloat16(*x));
        }
        Ok(tvec![products.cast_to_dt(to)?.into_owned()])
    }
}
