//! The JSON shapes of the Open Inference Protocol v2 (REST), converted at the border.

use dunlin_protocol::{
    spec::{InputSpec, ModelSpec, OutputSpec},
    tensor::{Datatype, Tensor, TensorData},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An inference request.
#[derive(Debug, Default, Deserialize)]
pub struct InferRequest {
    /// Returned in the answer.
    #[serde(default)]
    pub id: Option<String>,
    /// Input tensors.
    pub inputs: Vec<WireTensor>,
    /// The outputs that are wanted; all when empty.
    #[serde(default)]
    pub outputs: Vec<WantedOutput>,
    /// Parameters of the request.
    #[serde(default)]
    pub parameters: RequestParameters,
}

/// Parameters of a request; others are passed over.
#[derive(Debug, Default, Deserialize)]
pub struct RequestParameters {
    /// Whether outputs that do not say it themselves are wanted as bytes (binary tensor data extension).
    #[serde(default)]
    pub binary_data_output: bool,
}

/// An output that is asked for.
#[derive(Debug, Deserialize)]
pub struct WantedOutput {
    /// Its name.
    pub name: String,
    /// Its parameters.
    #[serde(default)]
    pub parameters: WantedParameters,
}

/// Parameters of an output; others are passed over.
#[derive(Debug, Default, Deserialize)]
pub struct WantedParameters {
    /// Whether it is wanted as bytes (binary tensor data extension).
    #[serde(default)]
    pub binary_data: Option<bool>,
}

impl InferRequest {
    /// Reads the JSON of a request; the reason where it is none.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        parse(json).map_err(|error| format!("not an Open Inference Protocol request: {error}"))
    }

    /// The wanted ones of these outputs, each with whether it is wanted as bytes.
    pub fn choose(&self, outputs: Vec<Tensor>) -> Result<Vec<(Tensor, bool)>, String> {
        if let Some(unknown) = self.outputs.iter().find(|w| outputs.iter().all(|o| o.name != w.name)) {
            let names = outputs.iter().map(|output| output.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(format!("output `{}` is not one of the model's: {names}", unknown.name));
        }
        let usual = self.parameters.binary_data_output;
        let chosen = outputs.into_iter().filter_map(|output| {
            let wanted = self.outputs.iter().find(|wanted| wanted.name == output.name);
            let as_bytes = wanted.and_then(|wanted| wanted.parameters.binary_data).unwrap_or(usual);
            (wanted.is_some() || self.outputs.is_empty()).then_some((output, as_bytes))
        });
        Ok(chosen.collect())
    }
}

/// Reads JSON that has tensors in it. JSON knows no NaN, but Python writes it: where that is all that is wrong, it is a
/// missing number.
pub fn parse<T: serde::de::DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(json).or_else(|error| {
        let clean = without_nan(json).and_then(|json| serde_json::from_slice(&json).ok());
        clean.ok_or(error)
    })
}

/// The same JSON with `null` for every `NaN` outside of strings; `None` where there is none.
fn without_nan(json: &[u8]) -> Option<Vec<u8>> {
    const NAN: &[u8] = b"NaN";
    let (mut clean, mut at, mut quoted) = (Vec::with_capacity(json.len() * 4 / 3), 0, false);
    let mut found = false;
    while let Some(byte) = json.get(at) {
        if !quoted && json.get(at..).is_some_and(|rest| rest.starts_with(NAN)) {
            clean.extend(b"null");
            (at, found) = (at + NAN.len(), true);
            continue;
        }
        clean.push(*byte);
        match byte {
            b'\\' if quoted => {
                clean.extend(json.get(at + 1));
                at += 1;
            }
            b'"' => quoted = !quoted,
            _ => {}
        }
        at += 1;
    }
    found.then_some(clean)
}

/// A tensor as JSON. Data may be flat or nested.
#[derive(Debug, Deserialize)]
pub struct WireTensor {
    /// Name.
    pub name: String,
    /// Dimensions.
    pub shape: Vec<usize>,
    /// Element type.
    pub datatype: Datatype,
    /// Elements.
    #[serde(default)]
    pub data: Value,
    /// Where the elements are when they are not in `data`.
    #[serde(default)]
    pub parameters: TensorParameters,
}

/// Parameters of a tensor.
#[derive(Debug, Default, Deserialize)]
pub struct TensorParameters {
    /// Bytes behind the JSON that hold the elements (binary tensor data extension).
    #[serde(default)]
    pub binary_data_size: Option<usize>,
}

/// An answer.
#[derive(Debug, Serialize)]
pub struct InferResponse {
    /// The model's name.
    pub model_name: String,
    /// The version that gave every value of this answer.
    pub model_version: String,
    /// The request's id, or one that was made for it: labels refer to it.
    pub id: String,
    /// Output tensors.
    pub outputs: Vec<Value>,
}

impl WireTensor {
    /// Converts the tensor; the reason where it is not one.
    pub fn into_tensor(self) -> Result<Tensor, String> {
        let mut flat = Vec::new();
        flatten(self.data, &mut flat, 0)?;
        let name = self.name;
        let wrong = |value: &Value| format!("input `{name}`: {value} is no {}", self.datatype);
        macro_rules! collect {
            ($variant:ident, $read:expr) => {
                TensorData::$variant(
                    flat.iter().map(|v| $read(v).ok_or_else(|| wrong(v))).collect::<Result<_, _>>()?,
                )
            };
        }
        let whole = |v: &Value| v.as_i64();
        // JSON has no NaN; null stands for a missing number.
        let number = |v: &Value| if v.is_null() { Some(f64::NAN) } else { v.as_f64() };
        let data = match self.datatype {
            Datatype::Bool => collect!(Bool, |v: &Value| v.as_bool().or_else(|| Some(v.as_i64()? != 0))),
            Datatype::Uint8 => collect!(Uint8, |v| whole(v).and_then(|x| u8::try_from(x).ok())),
            Datatype::Uint16 => collect!(Uint16, |v| whole(v).and_then(|x| u16::try_from(x).ok())),
            Datatype::Uint32 => collect!(Uint32, |v| whole(v).and_then(|x| u32::try_from(x).ok())),
            Datatype::Uint64 => collect!(Uint64, |v: &Value| v.as_u64()),
            Datatype::Int8 => collect!(Int8, |v| whole(v).and_then(|x| i8::try_from(x).ok())),
            Datatype::Int16 => collect!(Int16, |v| whole(v).and_then(|x| i16::try_from(x).ok())),
            Datatype::Int32 => collect!(Int32, |v| whole(v).and_then(|x| i32::try_from(x).ok())),
            Datatype::Int64 => collect!(Int64, whole),
            Datatype::Fp16 => collect!(Fp16, |v| number(v)
                .map(half::f16::from_f64)
                .filter(|x| !x.is_infinite())
                .map(half::f16::to_bits)),
            Datatype::Fp32 => collect!(Fp32, |v| number(v).map(|x| x as f32).filter(|x| !x.is_infinite())),
            Datatype::Fp64 => collect!(Fp64, number),
            Datatype::Bytes => collect!(Bytes, |v: &Value| v.as_str().map(str::to_owned)),
        };
        Self::checked(Tensor { name, shape: self.shape, data })
    }

    /// The tensor, if its shape fits its elements.
    pub fn checked(tensor: Tensor) -> Result<Tensor, String> {
        if tensor.is_consistent() {
            return Ok(tensor);
        }
        let (name, shape) = (&tensor.name, &tensor.shape);
        let length = tensor.data.len();
        Err(format!("input `{name}` has {length} elements, its shape {shape:?} says otherwise"))
    }
}

fn flatten(value: Value, out: &mut Vec<Value>, depth: u8) -> Result<(), String> {
    match value {
        Value::Array(items) if depth < 16 => {
            items.into_iter().try_for_each(|item| flatten(item, out, depth + 1))
        }
        Value::Array(_) => Err("the data is nested too deeply".into()),
        other => {
            out.push(other);
            Ok(())
        }
    }
}

/// A tensor as JSON, without its elements.
pub fn head_json(tensor: &Tensor) -> Value {
    json!({ "name": tensor.name, "shape": tensor.shape, "datatype": tensor.data.datatype() })
}

/// A tensor as JSON, its elements flat.
pub fn tensor_json(tensor: &Tensor) -> Value {
    let data = match &tensor.data {
        TensorData::Bool(v) => json!(v),
        TensorData::Uint8(v) => json!(v),
        TensorData::Uint16(v) => json!(v),
        TensorData::Uint32(v) => json!(v),
        TensorData::Uint64(v) => json!(v),
        TensorData::Int8(v) => json!(v),
        TensorData::Int16(v) => json!(v),
        TensorData::Int32(v) => json!(v),
        TensorData::Int64(v) => json!(v),
        TensorData::Fp16(v) => json!(v.iter().map(|x| half::f16::from_bits(*x).to_f32()).collect::<Vec<_>>()),
        TensorData::Fp32(v) => json!(v),
        TensorData::Fp64(v) => json!(v),
        TensorData::Bytes(v) => json!(v),
    };
    json!({ "name": tensor.name, "shape": tensor.shape, "datatype": tensor.data.datatype(), "data": data })
}

/// A model's metadata. A free dimension is -1.
pub fn metadata(name: &str, version: &str, spec: &ModelSpec) -> Value {
    fn one(name: &str, datatype: Datatype, shape: &[Option<usize>]) -> Value {
        let shape: Vec<i64> =
            shape.iter().map(|d| d.and_then(|d| i64::try_from(d).ok()).unwrap_or(-1)).collect();
        json!({ "name": name, "datatype": datatype, "shape": shape })
    }
    let inputs =
        spec.inputs.iter().map(|InputSpec { name, datatype, shape, .. }| one(name, *datatype, shape));
    let outputs =
        spec.outputs.iter().map(|OutputSpec { name, datatype, shape, .. }| one(name, *datatype, shape));
    json!({
        "name": name, "versions": [version], "platform": "onnx_tract",
        "inputs": inputs.collect::<Vec<_>>(), "outputs": outputs.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(text: &str) -> Result<Tensor, String> {
        serde_json::from_str::<WireTensor>(text).unwrap().into_tensor()
    }

    #[test]
    fn nested_and_flat_data_are_the_same_tensor() {
        let flat = tensor(r#"{"name":"x","shape":[2,2],"datatype":"FP32","data":[1,2,3,null]}"#).unwrap();
        let nested =
            tensor(r#"{"name":"x","shape":[2,2],"datatype":"FP32","data":[[1,2],[3,null]]}"#).unwrap();
        assert_eq!(format!("{flat:?}"), format!("{nested:?}"));
        assert_eq!(tensor_json(&flat)["data"], json!([1.0, 2.0, 3.0, null]));
    }

    #[test]
    fn booleans_come_as_words_or_as_numbers() {
        let read = tensor(r#"{"name":"x","shape":[4],"datatype":"BOOL","data":[true,false,1,0]}"#).unwrap();
        assert_eq!(tensor_json(&read)["data"], json!([true, false, true, false]));
        assert!(tensor(r#"{"name":"x","shape":[1],"datatype":"BOOL","data":["yes"]}"#).is_err());
    }

    #[test]
    fn a_bare_nan_is_a_missing_number_and_nothing_else_is_forgiven() {
        let request = |data: &str| {
            let text = format!(
                r#"{{"id":"NaN \"NaN","inputs":[{{"name":"x","shape":[2],"datatype":"FP32","data":{data}}}]}}"#
            );
            InferRequest::parse(text.as_bytes())
        };
        let read = request("[NaN, 1]").unwrap();
        assert_eq!(read.id.as_deref(), Some("NaN \"NaN"));
        let data = read.inputs.into_iter().next().unwrap().into_tensor().unwrap().data;
        assert!(data.number(0).unwrap().is_nan() && data.number(1) == Some(1.0));
        for wrong in ["[nan, 1]", "[NaNN, 1]", "[NaN 1]", "[Infinity, 1]", "[-NaN, 1]"] {
            assert!(
                request(wrong).unwrap_err().contains("not an Open Inference Protocol request"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let error = tensor(r#"{"name":"x","shape":[1],"datatype":"FP32","data":["wet"]}"#).unwrap_err();
        assert!(error.contains("`x`") && error.contains("wet"), "{error}");
        let error = tensor(r#"{"name":"x","shape":[1],"datatype":"FP32","data":[1e39]}"#).unwrap_err();
        assert!(error.contains("1e39 is no FP32") || error.contains("1e+39 is no FP32"), "{error}");
        assert!(tensor(r#"{"name":"x","shape":[3],"datatype":"INT64","data":[1]}"#).is_err());
        assert!(tensor(r#"{"name":"x","shape":[1],"datatype":"UINT8","data":[300]}"#).is_err());
        assert!(
            tensor(r#"{"name":"x","shape":[4294967296,4294967296],"datatype":"BOOL","data":[true]}"#)
                .is_err()
        );
    }
}
