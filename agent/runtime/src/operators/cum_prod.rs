//! `CumProd` (ONNX 26): products along an axis. Integers wrap around as in ONNX Runtime.

use std::ops::Mul;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Kernel, Signature, built};
use super::values::{around, doubles, integers, of_doubles, resolve_axis};

#[derive(Debug)]
struct CumProd {
    exclusive: bool,
    reverse: bool,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let flag = |name| -> TractResult<bool> { Ok(node.get_attr_opt::<i64>(name)?.unwrap_or(0) != 0) };
    built(CumProd { exclusive: flag("exclusive")?, reverse: flag("reverse")? })
}

impl CumProd {
    fn multiply<T: Copy + Mul<Output = T>>(&self, numbers: &mut [T], one: T, length: usize, inner: usize) {
        for start in (0..numbers.len() / length.max(1)).map(|n| n / inner * length * inner + n % inner) {
            let mut product = one;
            for step in 0..length {
                let place = start + inner * if self.reverse { length - 1 - step } else { step };
                let next = product * numbers[place];
                numbers[place] = if self.exclusive { product } else { next };
                product = next;
            }
        }
    }
}

impl Kernel for CumProd {
    fn name(&self) -> &'static str {
        "CumProd"
    }

    fn arity(&self) -> (usize, usize) {
        (2, 2)
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        Ok(tvec![inputs[0].clone()])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (kind, shape) = (inputs[0].datum_type(), inputs[0].shape());
        let axis = integers(inputs[1])?.first().copied().context("no axis")?;
        let (_, length, inner) = around(shape, resolve_axis(axis, shape.len())?);
        if kind.is_integer() {
            use std::num::Wrapping;
            let mut numbers: Vec<Wrapping<i64>> = integers(inputs[0])?.into_iter().map(Wrapping).collect();
            self.multiply(&mut numbers, Wrapping(1), length, inner);
            let numbers = numbers.into_iter().map(|number| number.0).collect();
            return Ok(tvec![crate::convert::tensor::<i64>(shape, numbers)?.cast_to_dt(kind)?.into_owned()]);
        }
        let mut numbers = doubles(inputs[0])?;
        self.multiply(&mut numbers, 1.0, length, inner);
        Ok(tvec![of_doubles(kind, shape, numbers)?])
    }
}
