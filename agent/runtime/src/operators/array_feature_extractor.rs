//! `ArrayFeatureExtractor`: columns of the last dimension picked by index.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Kernel, Signature, built};

#[derive(Debug)]
struct ArrayFeatureExtractor;

pub(super) fn build(_: &ParsingContext, _: &NodeProto) -> Built {
    built(ArrayFeatureExtractor)
}

impl Kernel for ArrayFeatureExtractor {
    fn name(&self) -> &'static str {
        "ArrayFeatureExtractor"
    }

    fn arity(&self) -> (usize, usize) {
        (2, 2)
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let (datum_type, shape) = &inputs[0];
        ensure!(!shape.is_empty(), "there is no dimension to pick from");
        let picked: TDim = inputs[1].1.iter().product();
        // A vector counts as one row.
        let mut output: TVec<TDim> = if shape.len() == 1 {
            tvec!(1.to_dim())
        } else {
            shape[..shape.len() - 1].iter().cloned().collect()
        };
        output.push(picked);
        Ok(tvec!((*datum_type, output)))
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let indices = inputs[1].cast_to::<i64>()?;
        let indices = indices.try_as_plain_ram()?;
        let indices = indices.as_slice::<i64>()?;
        let source = inputs[0];
        let width = source.shape().last().copied().unwrap_or(1);
        let places: Option<Vec<usize>> =
            indices.iter().map(|index| usize::try_from(*index).ok().filter(|index| *index < width)).collect();
        let places =
            places.with_context(|| format!("an index is outside 0 to {}", width.saturating_sub(1)))?;
        let mut shape = source.shape().to_vec();
        if shape.len() == 1 {
            shape.insert(0, 1);
        }
        shape.pop();
        shape.push(places.len());
        fn pick<T: Datum + Clone>(
            source: &Tensor,
            width: usize,
            places: &[usize],
            shape: &[usize],
        ) -> TractResult<Tensor> {
            let plain = source.try_as_plain_ram()?;
            let rows = plain.as_slice::<T>()?.chunks_exact(width.max(1));
            crate::convert::tensor(
                shape,
                rows.flat_map(|row| places.iter().map(|p| row[*p].clone())).collect(),
            )
        }
        Ok(tvec!(match source.datum_type() {
            DatumType::String => pick::<String>(source, width, &places, &shape)?,
            DatumType::I64 => pick::<i64>(source, width, &places, &shape)?,
            DatumType::I32 => pick::<i32>(source, width, &places, &shape)?,
            DatumType::F32 => pick::<f32>(source, width, &places, &shape)?,
            DatumType::F64 => pick::<f64>(source, width, &places, &shape)?,
            DatumType::TDim => pick::<TDim>(source, width, &places, &shape)?,
            other => bail!("ArrayFeatureExtractor does not take {other:?}"),
        }))
    }
}
