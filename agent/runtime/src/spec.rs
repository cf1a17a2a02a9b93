//! What a graph takes and gives, as far as the file tells.

use dunlin_protocol::spec::{FeatureSpec, InputSpec, ModelSpec, OutputRole, OutputSpec, Task};
use dunlin_protocol::tensor::Datatype;
use tract_onnx::pb::{self, tensor_proto::DataType, tensor_shape_proto::dimension::Value, type_proto};

use crate::error::LoadError;
use crate::{labels, proto};

/// Widest input whose columns get names of their own.
const MAX_FEATURES: usize = 4096;

/// Infers the specification: names, types, shapes, labels and task.
pub fn infer(model: &pb::ModelProto) -> Result<ModelSpec, LoadError> {
    let malformed = |reason: String| LoadError::Malformed { reason };
    let graph = model.graph.as_ref().ok_or_else(|| malformed("there is no graph".into()))?;
    let initialised = |name: &str| graph.initializer.iter().any(|tensor| tensor.name == name);
    let mut inputs = Vec::new();
    for input in graph.input.iter().filter(|input| !initialised(&input.name)) {
        let tensor =
            tensor_type(input).ok_or_else(|| malformed(format!("input `{}` is not a tensor", input.name)))?;
        let datatype = datatype(tensor.elem_type).ok_or_else(|| {
            malformed(format!(
                "input `{}` has element type {}, which is not run",
                input.name, tensor.elem_type
            ))
        })?;
        let shape = shape(tensor);
        let features = features(&input.name, &shape);
        inputs.push(InputSpec { name: input.name.clone(), datatype, shape, features });
    }
    let mut outputs = Vec::new();
    for output in &graph.output {
        let tensor = tensor_type(output);
        outputs.push(OutputSpec {
            name: output.name.clone(),
            datatype: tensor.and_then(|t| datatype(t.elem_type)).unwrap_or(Datatype::Fp32),
            shape: tensor.map(shape).unwrap_or_default(),
            role: OutputRole::Other,
        });
    }
    let labels = labels::labels(graph);
    let mut task = if labels.is_empty() { Task::Other } else { Task::Classification };
    proto::visit_nodes(graph, &mut |node| {
        if matches!(node.op_type.as_str(), "LinearRegressor" | "TreeEnsembleRegressor" | "SVMRegressor")
            && task == Task::Other
        {
            task = Task::Regression;
        }
    });
    let mut spec = ModelSpec { task, inputs, outputs, labels, thresholds: Default::default(), target: None };
    settle_roles(&mut spec);
    Ok(spec)
}

/// Gives each output its role, from task, type and shape; and the task where only the outputs tell it.
pub(crate) fn settle_roles(spec: &mut ModelSpec) {
    let classes = spec.labels.len();
    let integer = |t: Datatype| matches!(t, Datatype::Int64 | Datatype::Int32 | Datatype::Bytes);
    let float = |t: Datatype| matches!(t, Datatype::Fp16 | Datatype::Fp32 | Datatype::Fp64);
    let per_row = |shape: &[Option<usize>]| shape.len() <= 1 || shape[1..].iter().all(|dim| *dim == Some(1));
    for output in &mut spec.outputs {
        output.role = OutputRole::Other;
    }
    let with_label = spec.outputs.iter().any(|output| integer(output.datatype) && per_row(&output.shape));
    // A label beside a score that is not a class probability (isolation forest, k-means) is not a classifier
    // that people gave labels to, and a plain number is a regression.
    match spec.task {
        Task::Classification => {
            if let Some(label) = spec.outputs.iter_mut().find(|o| integer(o.datatype) && per_row(&o.shape)) {
                label.role = OutputRole::Label;
            }
            let wide = |shape: &[Option<usize>]| {
                shape.is_empty() || shape.len() == 2 && shape[1].is_none_or(|width| width == classes)
            };
            if let Some(scores) = spec.outputs.iter_mut().find(|o| float(o.datatype) && wide(&o.shape)) {
                scores.role = OutputRole::Probabilities;
            }
        }
        Task::Regression | Task::Other => {
            let single = spec.outputs.len() == 1;
            if single && float(spec.outputs[0].datatype) && per_row(&spec.outputs[0].shape) {
                spec.outputs[0].role = OutputRole::Value;
                spec.task = Task::Regression;
            } else {
                spec.task = Task::Other;
                if with_label
                    && let Some(label) =
                        spec.outputs.iter_mut().find(|o| integer(o.datatype) && per_row(&o.shape))
                {
                    label.role = OutputRole::Label;
                }
            }
        }
    }
}

fn tensor_type(info: &pb::ValueInfoProto) -> Option<&type_proto::Tensor> {
    match info.r#type.as_ref()?.value.as_ref()? {
        type_proto::Value::TensorType(tensor) => Some(tensor),
    }
}

fn datatype(element: i32) -> Option<Datatype> {
    Some(match DataType::try_from(element).ok()? {
        DataType::Bool => Datatype::Bool,
        DataType::Uint8 => Datatype::Uint8,
        DataType::Uint16 => Datatype::Uint16,
        DataType::Uint32 => Datatype::Uint32,
        DataType::Uint64 => Datatype::Uint64,
        DataType::Int8 => Datatype::Int8,
        DataType::Int16 => Datatype::Int16,
        DataType::Int32 => Datatype::Int32,
        DataType::Int64 => Datatype::Int64,
        DataType::Float16 => Datatype::Fp16,
        DataType::Float => Datatype::Fp32,
        DataType::Double => Datatype::Fp64,
        DataType::String => Datatype::Bytes,
        _ => return None,
    })
}

fn shape(tensor: &type_proto::Tensor) -> Vec<Option<usize>> {
    let dims = tensor.shape.iter().flat_map(|shape| &shape.dim);
    dims.map(|dim| match &dim.value {
        Some(Value::DimValue(length)) => usize::try_from(*length).ok().filter(|length| *length > 0),
        Some(Value::DimParam(_)) | None => None,
    })
    .collect()
}

/// Column names: the input's own for one column, `name[i]` for more; none for images and signals.
fn features(name: &str, shape: &[Option<usize>]) -> Vec<FeatureSpec> {
    match shape {
        [_, Some(1)] | [None] => vec![FeatureSpec::named(name)],
        [_, Some(width)] if *width <= MAX_FEATURES => {
            (0..*width).map(|column| FeatureSpec::named(format!("{name}[{column}]"))).collect()
        }
        _ => Vec::new(),
    }
}

/// `[?,30]`.
pub fn describe_shape(shape: &[Option<usize>]) -> String {
    let dims: Vec<String> = shape.iter().map(|d| d.map_or("?".into(), |d| d.to_string())).collect();
    format!("[{}]", dims.join(","))
}

/// Every input with its type and shape, as one line.
pub fn describe_inputs(spec: &ModelSpec) -> String {
    let one =
        |input: &InputSpec| format!("`{}` {}{}", input.name, input.datatype, describe_shape(&input.shape));
    spec.inputs.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Whether a bundle's specification describes the graph that was found.
pub(crate) fn check_fits(given: &ModelSpec, found: &ModelSpec) -> Result<(), LoadError> {
    let refuse = |reason: String| Err(LoadError::Spec { reason });
    if given.inputs.len() != found.inputs.len() || given.outputs.len() != found.outputs.len() {
        return refuse(format!(
            "it has {} inputs and {} outputs, the graph {} and {}",
            given.inputs.len(),
            given.outputs.len(),
            found.inputs.len(),
            found.outputs.len()
        ));
    }
    for (given, found) in given.inputs.iter().zip(&found.inputs) {
        let dims = given.shape.iter().zip(&found.shape).all(|(g, f)| g.is_none() || f.is_none() || g == f);
        // A dimension that the graph fixes cannot be called free: the run would be refused later.
        let fixed = given.shape.iter().zip(&found.shape).all(|(g, f)| f.is_none() || g.is_some());
        if given.name != found.name
            || given.datatype != found.datatype
            || given.shape.len() != found.shape.len()
            || !(dims && fixed)
        {
            return refuse(format!(
                "input `{}` is {:?}{}, in the graph it is `{}` {:?}{}",
                given.name,
                given.datatype,
                describe_shape(&given.shape),
                found.name,
                found.datatype,
                describe_shape(&found.shape)
            ));
        }
        let width = found.shape.last().copied().flatten();
        if !given.features.is_empty()
            && width.is_some_and(|width| width != given.features.len())
            && found.shape.len() > 1
        {
            return refuse(format!(
                "input `{}` has {} named features, the graph {} columns",
                given.name,
                given.features.len(),
                width.unwrap_or_default()
            ));
        }
    }
    for (given, found) in given.outputs.iter().zip(&found.outputs) {
        if given.name != found.name {
            return refuse(format!("output `{}` is `{}` in the graph", given.name, found.name));
        }
    }
    Ok(())
}
