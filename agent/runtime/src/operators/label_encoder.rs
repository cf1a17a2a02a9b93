//! `LabelEncoder` (ai.onnx.ml 1 to 4): each element looked up in a table of keys and values, with a default for what is
//! not there.

use std::collections::HashMap;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes::{floats, ints, strings, tensor};
use super::kernel::{Built, Kernel, Signature, built};
use super::values::{doubles, gathered, integers};

/// A key; floats by their bits in double precision, so that NaN finds NaN.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Int(i64),
    Float(u64),
    Text(String),
}

#[derive(Debug)]
struct LabelEncoder {
    index: HashMap<Key, usize>,
    keys: DatumType,
    /// The values, and the default after them.
    values: Tensor,
}

fn float_key(value: f64) -> Key {
    let value = if value.is_nan() { f64::NAN } else { value };
    Key::Float(if value == 0.0 { 0 } else { value.to_bits() })
}

fn list<T: Datum>(values: Vec<T>) -> TractResult<Option<Tensor>> {
    (!values.is_empty()).then(|| crate::convert::tensor(&[values.len()], values)).transpose()
}

/// A list in one of the attributes that may hold it.
fn either(context: &ParsingContext, node: &NodeProto, name: &str) -> TractResult<Option<Tensor>> {
    let of = |kind: &str| format!("{name}_{kind}");
    let lists = [
        tensor(context, node, &of("tensor"))?,
        list(strings(node, &of("strings"))?)?,
        list(ints(node, &of("int64s"))?)?,
        list(floats(node, &of("floats"))?)?,
    ];
    Ok(lists.into_iter().flatten().next())
}

fn keys(tensor: &Tensor) -> TractResult<Vec<Key>> {
    let kind = tensor.datum_type();
    Ok(if kind == String::datum_type() {
        tensor.try_as_plain_ram()?.as_slice::<String>()?.iter().cloned().map(Key::Text).collect()
    } else if kind.is_float() {
        doubles(tensor)?.into_iter().map(float_key).collect()
    } else {
        integers(tensor)?.into_iter().map(Key::Int).collect()
    })
}

pub(super) fn build(context: &ParsingContext, node: &NodeProto) -> Built {
    let classes = strings(node, "classes_strings")?;
    if !classes.is_empty() {
        return build_first_version(node, &classes);
    }
    let found = either(context, node, "keys")?.context("no keys")?;
    let values = either(context, node, "values")?.context("no values")?;
    let kind = if found.datum_type().is_integer() { i64::datum_type() } else { found.datum_type() };
    let (keys, count) = (keys(&found)?, values.len());
    ensure!(count == keys.len(), "{} keys and {count} values", keys.len());
    let default = match (tensor(context, node, "default_tensor")?, values.datum_type()) {
        (Some(default), _) => default,
        (None, DatumType::String) => {
            let text: Option<String> = node.get_attr_opt("default_string")?;
            tensor0(text.unwrap_or_else(|| "_Unused".into()))
        }
        (None, DatumType::I64) => tensor0(node.get_attr_opt::<i64>("default_int64")?.unwrap_or(-1)),
        (None, kind) if kind.is_float() => {
            tensor0(node.get_attr_opt::<f32>("default_float")?.unwrap_or(-0.0)).cast_to_dt(kind)?.into_owned()
        }
        (None, kind) => tensor0(-1_i64).cast_to_dt(kind)?.into_owned(),
    };
    // In ONNX Runtime NaN finds a key from version 4 of the operator on.
    let version = context.model.opset_import.iter().find(|set| set.domain == "ai.onnx.ml");
    let mut encoder = encoder(keys, kind, values, default)?;
    if version.is_none_or(|set| set.version < 4) {
        encoder.index.remove(&float_key(f64::NAN));
    }
    built(encoder)
}

/// Operator set 1: texts to their index, or indices to texts; which of the two is told by the input's type,
/// which exports tell by the default that they set.
fn build_first_version(node: &NodeProto, classes: &[String]) -> Built {
    let indices = 0..classes.len() as i64;
    let default: Option<String> = node.get_attr_opt("default_string")?;
    match default {
        Some(default) => {
            let keys = indices.map(Key::Int).collect();
            built(encoder(keys, i64::datum_type(), tensor1(classes), tensor0(default))?)
        }
        None => {
            let default = node.get_attr_opt::<i64>("default_int64")?.unwrap_or(-1);
            let keys = classes.iter().cloned().map(Key::Text).collect();
            let values = tensor1(&indices.collect::<Vec<i64>>());
            built(encoder(keys, String::datum_type(), values, tensor0(default))?)
        }
    }
}

fn encoder(keys: Vec<Key>, kind: DatumType, values: Tensor, default: Tensor) -> TractResult<LabelEncoder> {
    ensure!(
        default.len() == 1 && default.datum_type() == values.datum_type(),
        "a default of type {:?} for values of type {:?}",
        default.datum_type(),
        values.datum_type()
    );
    let (count, default) = (values.len(), default.into_shape(&[1])?);
    let values = Tensor::stack_tensors(0, &[values.into_shape(&[count])?, default])?;
    let mut index = HashMap::with_capacity(keys.len());
    for (place, key) in keys.into_iter().enumerate() {
        // The first of equal keys counts.
        index.entry(key).or_insert(place);
    }
    Ok(LabelEncoder { index, keys: kind, values })
}

impl Kernel for LabelEncoder {
    fn name(&self) -> &'static str {
        "LabelEncoder"
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let texts = |t: DatumType| t == String::datum_type();
        ensure!(
            texts(inputs[0].0) == texts(self.keys),
            "the input is {:?}, the keys are {:?}",
            inputs[0].0,
            self.keys
        );
        Ok(tvec!((self.values.datum_type(), inputs[0].1.clone())))
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        // A number is looked up as one of the keys' own precision.
        let input = inputs[0].cast_to_dt(self.keys)?;
        let default = self.values.len().saturating_sub(1);
        let keys = keys(&input)?;
        let place = |n: usize| keys.get(n).and_then(|key| self.index.get(key)).copied().unwrap_or(default);
        Ok(tvec!(gathered(&self.values, inputs[0].shape(), &|n| Some(place(n)))?))
    }
}
