//! `LabelEncoder`: each element looked up in a table of keys and values, with a default for what is not there.

use std::collections::HashMap;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes::{floats, ints, strings};
use super::kernel::{Built, Kernel, Signature, built};

/// A key; floats by their bits, so that NaN finds NaN.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Int(i64),
    Float(u32),
    Text(String),
}

#[derive(Debug)]
enum Values {
    Ints(Vec<i64>, i64),
    Floats(Vec<f32>, f32),
    Texts(Vec<String>, String),
}

#[derive(Debug)]
struct LabelEncoder {
    index: HashMap<Key, usize>,
    keys: DatumType,
    values: Values,
}

fn float_key(value: f32) -> Key {
    let bits = if value.is_nan() {
        f32::NAN.to_bits()
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    };
    Key::Float(bits)
}

pub(super) fn build(context: &ParsingContext, node: &NodeProto) -> Built {
    let classes = strings(node, "classes_strings")?;
    if !classes.is_empty() {
        return build_first_version(node, &classes);
    }
    let text_keys = strings(node, "keys_strings")?.into_iter().map(Key::Text);
    let keys: Vec<Key> = text_keys
        .chain(ints(node, "keys_int64s")?.into_iter().map(Key::Int))
        .chain(floats(node, "keys_floats")?.into_iter().map(float_key))
        .collect();
    let key_type = match keys.first() {
        Some(Key::Text(_)) => String::datum_type(),
        Some(Key::Int(_)) => i64::datum_type(),
        Some(Key::Float(_)) => f32::datum_type(),
        None => bail!("no keys (keys as tensors are not read: export with an ai.onnx.ml opset below 4)"),
    };
    let (to_ints, to_floats, to_texts) =
        (ints(node, "values_int64s")?, floats(node, "values_floats")?, strings(node, "values_strings")?);
    let (values, count) = if !to_ints.is_empty() {
        let count = to_ints.len();
        (Values::Ints(to_ints, node.get_attr_opt("default_int64")?.unwrap_or(-1)), count)
    } else if !to_floats.is_empty() {
        let count = to_floats.len();
        (Values::Floats(to_floats, node.get_attr_opt("default_float")?.unwrap_or(-0.0)), count)
    } else {
        let count = to_texts.len();
        let default: Option<String> = node.get_attr_opt("default_string")?;
        (Values::Texts(to_texts, default.unwrap_or_else(|| "_Unused".into())), count)
    };
    ensure!(count == keys.len(), "{} keys and {count} values", keys.len());
    // In ONNX Runtime NaN finds a key from version 4 of the operator on.
    let version = context.model.opset_import.iter().find(|set| set.domain == "ai.onnx.ml");
    let mut encoder = encoder(keys, key_type, values);
    if version.is_none_or(|set| set.version < 4) {
        encoder.index.remove(&float_key(f32::NAN));
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
            let values = Values::Texts(classes.to_vec(), default);
            built(encoder(indices.map(Key::Int).collect(), i64::datum_type(), values))
        }
        None => {
            let default = node.get_attr_opt("default_int64")?.unwrap_or(-1);
            let keys = classes.iter().cloned().map(Key::Text).collect();
            built(encoder(keys, String::datum_type(), Values::Ints(indices.collect(), default)))
        }
    }
}

fn encoder(keys: Vec<Key>, key_type: DatumType, values: Values) -> LabelEncoder {
    let mut index = HashMap::with_capacity(keys.len());
    for (place, key) in keys.into_iter().enumerate() {
        // The first of equal keys counts.
        index.entry(key).or_insert(place);
    }
    LabelEncoder { index, keys: key_type, values }
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
        let datum_type = match self.values {
            Values::Ints(..) => i64::datum_type(),
            Values::Floats(..) => f32::datum_type(),
            Values::Texts(..) => String::datum_type(),
        };
        Ok(tvec!((datum_type, inputs[0].1.clone())))
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let input = inputs[0];
        let find = |key: Key| self.index.get(&key).copied();
        let places: Vec<Option<usize>> = if self.keys == String::datum_type() {
            let texts = input.try_as_plain_ram()?;
            texts.as_slice::<String>()?.iter().map(|text| find(Key::Text(text.clone()))).collect()
        } else if self.keys == f32::datum_type() {
            let numbers = input.cast_to::<f32>()?;
            let numbers = numbers.try_as_plain_ram()?;
            numbers.as_slice::<f32>()?.iter().map(|x| find(float_key(*x))).collect()
        } else {
            let numbers = input.cast_to::<i64>()?;
            let numbers = numbers.try_as_plain_ram()?;
            numbers.as_slice::<i64>()?.iter().map(|x| find(Key::Int(*x))).collect()
        };
        fn pick<T: Datum + Clone>(
            input: &Tensor,
            places: &[Option<usize>],
            values: &[T],
            default: &T,
        ) -> TractResult<Tensor> {
            let value = |place: &Option<usize>| place.and_then(|p| values.get(p)).unwrap_or(default).clone();
            crate::convert::tensor(input.shape(), places.iter().map(value).collect())
        }
        Ok(tvec!(match &self.values {
            Values::Ints(values, default) => pick(input, &places, values, default)?,
            Values::Floats(values, default) => pick(input, &places, values, default)?,
            Values::Texts(values, default) => pick(input, &places, values, default)?,
        }))
    }
}
