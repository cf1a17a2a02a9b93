//! Attributes that several operators have in common.

use half::f16;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::{NodeProto, TensorProto, tensor_proto::DataType};
use tract_onnx::tensor::load_tensor;
use tract_onnx::tract_hir::internal::*;

/// A list of floats; empty where absent.
pub(crate) fn floats(node: &NodeProto, name: &str) -> TractResult<Vec<f32>> {
    Ok(node.get_attr_opt_slice::<f32>(name)?.map(<[f32]>::to_vec).unwrap_or_default())
}

/// A list of integers; empty where absent.
pub(crate) fn ints(node: &NodeProto, name: &str) -> TractResult<Vec<i64>> {
    Ok(node.get_attr_opt_slice::<i64>(name)?.map(<[i64]>::to_vec).unwrap_or_default())
}

/// A list of floats, or the tensor that stands in its place as `…_as_tensor` or by the same name; empty where absent.
/// Also whether it is in double precision.
pub(crate) fn numbers(node: &NodeProto, name: &str) -> TractResult<(Vec<f64>, bool)> {
    let as_tensor = format!("{name}_as_tensor");
    let mut named =
        node.attribute.iter().filter(|attribute| attribute.name == as_tensor || attribute.name == name);
    let (attribute, more) = (named.next(), named.next());
    ensure!(more.is_none(), "{name} is there twice");
    match attribute.and_then(|attribute| attribute.t.as_ref()) {
        None => Ok((floats(node, name)?.into_iter().map(f64::from).collect(), false)),
        Some(tensor) => {
            let is_double = tensor.data_type == DataType::Double as i32;
            Ok((elements(tensor).with_context(|| format!("{name} is no list of numbers"))?, is_double))
        }
    }
}

/// A tensor; `None` where absent.
pub(crate) fn tensor(context: &ParsingContext, node: &NodeProto, name: &str) -> TractResult<Option<Tensor>> {
    let found = node.get_attr_opt::<&TensorProto>(name)?;
    found.map(|tensor| load_tensor(&*context.framework.provider, tensor, None)).transpose()
}

/// The numbers of a tensor in an attribute.
fn elements(tensor: &TensorProto) -> Option<Vec<f64>> {
    macro_rules! numbers {
        ($list:expr, $type:ty) => {
            if tensor.raw_data.is_empty() {
                $list.iter().map(|x| f64::from(*x)).collect()
            } else {
                let (numbers, rest) = tensor.raw_data.as_chunks::<{ size_of::<$type>() }>();
                if !rest.is_empty() {
                    return None;
                }
                numbers.iter().map(|bytes| f64::from(<$type>::from_le_bytes(*bytes))).collect()
            }
        };
    }
    Some(match DataType::try_from(tensor.data_type).ok()? {
        DataType::Float => numbers!(tensor.float_data, f32),
        DataType::Double => numbers!(tensor.double_data, f64),
        DataType::Uint8 => numbers!(tensor.int32_data, u8),
        DataType::Float16 if tensor.raw_data.is_empty() => {
            let half = |bits: &i32| Some(f64::from(f16::from_bits(u16::try_from(*bits).ok()?)));
            tensor.int32_data.iter().map(half).collect::<Option<_>>()?
        }
        DataType::Float16 => numbers!(tensor.int32_data, f16),
        _ => return None,
    })
}

/// A list of texts; empty where absent.
pub(crate) fn strings(node: &NodeProto, name: &str) -> TractResult<Vec<String>> {
    Ok(node.get_attr_opt_vec::<String>(name)?.unwrap_or_default())
}

/// Class labels, whole numbers or texts.
#[derive(Debug, Clone)]
pub(crate) enum Labels {
    /// Whole numbers.
    Ints(Vec<i64>),
    /// Texts.
    Strings(Vec<String>),
}

impl Labels {
    /// Reads the attribute pair; operators spell the integer one differently.
    pub(crate) fn read(node: &NodeProto, ints_name: &str, strings_name: &str) -> TractResult<Self> {
        let (numbers, texts) = (ints(node, ints_name)?, strings(node, strings_name)?);
        match (numbers.is_empty(), texts.is_empty()) {
            (false, true) => Ok(Labels::Ints(numbers)),
            (true, false) => Ok(Labels::Strings(texts)),
            _ => bail!("exactly one of {ints_name} and {strings_name} must be set"),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Labels::Ints(labels) => labels.len(),
            Labels::Strings(labels) => labels.len(),
        }
    }

    pub(crate) fn datum_type(&self) -> DatumType {
        match self {
            Labels::Ints(_) => i64::datum_type(),
            Labels::Strings(_) => String::datum_type(),
        }
    }

    /// The labels at these indices, as a vector. An index outside is an error.
    pub(crate) fn pick(&self, indices: &[usize]) -> TractResult<Tensor> {
        fn at<T: Datum + Clone>(labels: &[T], indices: &[usize]) -> TractResult<Tensor> {
            let picked: Option<Vec<T>> = indices.iter().map(|index| labels.get(*index).cloned()).collect();
            crate::convert::tensor(&[indices.len()], picked.context("a class without a label")?)
        }
        match self {
            Labels::Ints(labels) => at(labels, indices),
            Labels::Strings(labels) => at(labels, indices),
        }
    }
}
