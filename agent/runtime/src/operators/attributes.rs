//! Attributes that several operators have in common.

use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

/// A list of floats; empty where absent.
pub(crate) fn floats(node: &NodeProto, name: &str) -> TractResult<Vec<f32>> {
    Ok(node.get_attr_opt_slice::<f32>(name)?.map(<[f32]>::to_vec).unwrap_or_default())
}

/// A list of integers; empty where absent.
pub(crate) fn ints(node: &NodeProto, name: &str) -> TractResult<Vec<i64>> {
    Ok(node.get_attr_opt_slice::<i64>(name)?.map(<[i64]>::to_vec).unwrap_or_default())
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
