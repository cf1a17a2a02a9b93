//! The JSON shapes of the Open Inference Protocol v2 (REST), converted at the border.

use dunlin_protocol::{
    spec::{InputSpec, ModelSpec, OutputSpec},
    tensor::{Datatype, Tensor, TensorData},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An inference request.
#[derive(Debug, Deserialize)]
pub struct InferRequest {
    /// Returned in the answer.
    #[serde(default)]
    pub id: Option<String>,
    /// Input tensors.
    pub inputs: Vec<WireTensor>,
    /// The outputs that are wanted; all when empty.
    #[serde(default)]
    pub outputs: Vec<WantedOutput>,
}

/// An output that is asked for.
#[derive(Debug, Deserialize)]
pub struct WantedOutput {
    /// Its name.
    pub name: String,
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
        let wrong = |value: &Value| format!("input `{name}`: {value} is no {:?}", self.datatype);
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
            Datatype::Int8 => collect!(Int8, |v| whole(v).and_then(|x| i8::try_from(x).ok())),
            Datatype::Int32 => collect!(Int32, |v| whole(v).and_then(|x| i32::try_from(x).ok())),
            Datatype::Int64 => collect!(Int64, whole),
            // A number that single precision cannot hold is refused, not made infinite.
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

/// The outputs that were asked for, in the graph's order; all where none was named.
///
/// # Errors
/// The reason, when one is asked for that the model does not have.
pub fn select(asked: &[WantedOutput], mut outputs: Vec<Tensor>) -> Result<Vec<Tensor>, String> {
    if let Some(unknown) = asked.iter().find(|wanted| outputs.iter().all(|output| output.name != wanted.name))
    {
        let known = outputs.iter().map(|output| format!("`{}`", output.name)).collect::<Vec<_>>().join(", ");
        return Err(format!("output `{}` is not one of the model's; there are {known}", unknown.name));
    }
    outputs.retain(|output| asked.is_empty() || asked.iter().any(|wanted| wanted.name == output.name));
    Ok(outputs)
}

/// A tensor as JSON, its elements flat.
pub fn tensor_json(tensor: &Tensor) -> Value {
    let data = match &tensor.data {
        TensorData::Bool(v) => json!(v),
        TensorData::Uint8(v) => json!(v),
        TensorData::Int8(v) => json!(v),
        TensorData::Int32(v) => json!(v),
        TensorData::Int64(v) => json!(v),
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
    fn what_does_not_fit_is_named() {
        let error = tensor(r#"{"name":"x","shape":[1],"datatype":"FP32","data":["wet"]}"#).unwrap_err();
        assert!(error.contains("`x`") && error.contains("wet"), "{error}");
        let error = tensor(r#"{"name":"x","shape":[1],"datatype":"FP32","data":[-1e39]}"#).unwrap_err();
        assert!(error.contains("`x`") && error.contains("-1e+39"), "{error}");
        assert!(tensor(r#"{"name":"x","shape":[1],"datatype":"FP64","data":[-1e39]}"#).is_ok());
        assert!(tensor(r#"{"name":"x","shape":[3],"datatype":"INT64","data":[1]}"#).is_err());
        assert!(tensor(r#"{"name":"x","shape":[1],"datatype":"UINT8","data":[300]}"#).is_err());
        assert!(
            tensor(r#"{"name":"x","shape":[4294967296,4294967296],"datatype":"BOOL","data":[true]}"#)
                .is_err()
        );
    }
}
