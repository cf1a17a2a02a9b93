//! What each operator does with narrow types.

use tract_onnx::pb::{NodeProto, tensor_proto::DataType};

use super::NarrowType;
use super::lift::Kinds;
use super::nodes::{int, node, number, round, set};

/// What becomes of a node, with the types of its outputs.
pub(super) enum Rule {
    /// It stays; what it gives are values of those types.
    Exact(Kinds),
    /// It stays, and what it gives is rounded.
    Rounded(Kinds),
    /// Others stand in its place, and all they give is of this type.
    Replaced(Vec<NodeProto>, Option<NarrowType>),
}

/// The inputs of an operator that only moves values, all of one type, which its first output has.
fn moved(operator: &str) -> Option<&'static [usize]> {
    Some(match operator {
        "CenterCropPad" | "Compress" | "DepthToSpace" | "Expand" | "Flatten" | "Gather"
        | "GatherElements" | "GatherND" | "Identity" | "Reshape" | "ReverseSequence" | "Slice"
        | "SpaceToDepth" | "Squeeze" | "Tile" | "Transpose" | "Trilu" | "Unique" | "Unsqueeze" => &[0],
        "Pad" | "Scatter" | "ScatterElements" | "ScatterND" => &[0, 2],
        "TensorScatter" => &[0, 1],
        "Where" => &[1, 2],
        "OneHot" => &[2],
        _ => return None,
    })
}

/// Operators that give one of the values that they take, or its negative.
const CHOOSING: [&str; 11] = [
    "Abs",
    "Clip",
    "GlobalMaxPool",
    "Max",
    "MaxPool",
    "Min",
    "Neg",
    "ReduceMax",
    "ReduceMin",
    "Relu",
    "TopK",
];

/// Operators that give truth values, places or lengths.
const TELLING: [&str; 12] = [
    "ArgMax",
    "ArgMin",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "IsInf",
    "IsNaN",
    "Less",
    "LessOrEqual",
    "NonZero",
    "Shape",
    "Size",
];

/// Operators that compute in single precision and round once at the end.
const COMPUTING: &[&str] = &[
    "Acos",
    "Acosh",
    "Add",
    "AffineGrid",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "Attention",
    "AveragePool",
    "BatchNormalization",
    "Ceil",
    "Celu",
    "Conv",
    "ConvTranspose",
    "Cos",
    "Cosh",
    "CumProd",
    "CumSum",
    "Det",
    "Div",
    "Dropout",
    "Einsum",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "Gemm",
    "GlobalAveragePool",
    "GlobalLpPool",
    "GridSample",
    "GroupNormalization",
    "GRU",
    "HardSigmoid",
    "HardSwish",
    "Hardmax",
    "InstanceNormalization",
    "LayerNormalization",
    "LeakyRelu",
    "Log",
    "LogSoftmax",
    "LpNormalization",
    "LpPool",
    "LRN",
    "LSTM",
    "MatMul",
    "Mean",
    "MeanVarianceNormalization",
    "Mish",
    "Mod",
    "Mul",
    "NegativeLogLikelihoodLoss",
    "PRelu",
    "Pow",
    "Range",
    "Reciprocal",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMean",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
    "Resize",
    "RMSNormalization",
    "RNN",
    "RotaryEmbedding",
    "Round",
    "Selu",
    "Shrink",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Softmax",
    "SoftmaxCrossEntropyLoss",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Sub",
    "Sum",
    "Swish",
    "Tan",
    "Tanh",
    "ThresholdedRelu",
];

/// Operators of which only the first output has the type of the inputs.
const ONE_TYPED_OUTPUT: [&str; 6] =
    ["BatchNormalization", "Dropout", "LayerNormalization", "MaxPool", "TopK", "Unique"];

/// Attributes that name an element type.
pub(super) const TYPE_ATTRIBUTES: [&str; 4] = ["to", "dtype", "output_dtype", "output_datatype"];

/// Operators that make values of the type that an attribute names.
fn type_attribute(operator: &str) -> Option<&'static str> {
    Some(match operator {
        "Bernoulli" | "EyeLike" | "RandomNormal" | "RandomNormalLike" | "RandomUniform"
        | "RandomUniformLike" => "dtype",
        "BlackmanWindow" | "HammingWindow" | "HannWindow" | "MelWeightMatrix" => "output_datatype",
        _ => return None,
    })
}

/// The rule of a node whose inputs have these types, and a tensor in whose attributes has the type `held`.
pub(super) fn rule(
    given: &NodeProto,
    inputs: &[Option<NarrowType>],
    held: Option<NarrowType>,
) -> Result<Rule, String> {
    let operator = given.op_type.as_str();
    let first = inputs.iter().copied().flatten().next();
    let is_own = matches!(given.domain.as_str(), "" | "ai.onnx");
    let at = |index: usize| inputs.get(index).copied().flatten();
    let everywhere = |kind| vec![kind; given.output.len()];
    match operator {
        "Constant" | "ConstantOfShape" if is_own && first.is_none() => return Ok(Rule::Exact(vec![held])),
        _ if held.is_some() => return Err("a narrow type is not taken there".into()),
        "Cast" if is_own => return cast(given, number(given, "to").and_then(NarrowType::from_onnx)),
        "CastLike" if is_own => return cast(given, at(1)),
        "QuantizeLinear" => return quantize(given, inputs),
        "DequantizeLinear" => return dequantize(given, inputs),
        _ => {}
    }
    if let Some(attribute) = type_attribute(operator) {
        let asked = number(given, attribute);
        let kind = if asked.is_some() { asked.and_then(NarrowType::from_onnx) } else { first };
        return match (kind, first) {
            (None, _) => Ok(Rule::Exact(Vec::new())),
            (Some(NarrowType::Bfloat16), None | Some(NarrowType::Bfloat16)) => Ok(Rule::Rounded(vec![kind])),
            (Some(kind), _) => Err(format!("it does not make {}", kind.name())),
        };
    }
    let Some(kind) = first else {
        let asked = TYPE_ATTRIBUTES.iter().find_map(|name| NarrowType::from_onnx(number(given, name)?));
        return match asked {
            Some(kind) => Err(format!("it does not make {}", kind.name())),
            None => Ok(Rule::Exact(Vec::new())),
        };
    };
    let name = kind.name();
    if !is_own {
        return Err(format!("it takes no {name}: cast its inputs to float"));
    }
    if operator == "QLinearMatMul" {
        return Ok(multiply(given, at(7)));
    }
    if TELLING.contains(&operator) {
        return Ok(Rule::Exact(Vec::new()));
    }
    let places = match operator {
        "Concat" | "Split" => Some((0..inputs.len()).collect()),
        _ => moved(operator).map(<[usize]>::to_vec),
    };
    let mixed = || format!("its inputs are {name} and another type");
    if let Some(mut places) = places {
        // Lengths and indices stand behind.
        places.retain(|place| given.input.get(*place).is_some_and(|input| !input.is_empty()));
        if operator == "Split" {
            places.truncate(1);
        }
        if places.iter().any(|place| at(*place) != Some(kind)) {
            return Err(mixed());
        }
        if operator == "Pad" && places.len() == 1 && kind == NarrowType::Float8e8m0 {
            return Err("float8e8m0 has no zero to pad with".into());
        }
        if operator == "OneHot" && (at(0).is_some() || at(1).is_some()) {
            return Err(format!("its indices and depth are {name}: cast them to int64"));
        }
        let count = if operator == "Split" { given.output.len() } else { 1 };
        let kinds = vec![Some(kind); count];
        let reduction = given.attribute.iter().find(|attribute| attribute.name == "reduction");
        let adds = reduction.is_some_and(|reduction| matches!(&reduction.s[..], b"add" | b"mul"));
        return match adds {
            false => Ok(Rule::Exact(kinds)),
            true if kind == NarrowType::Bfloat16 => Ok(Rule::Rounded(kinds)),
            true => Err(format!("it does not compute with {name}: cast its inputs to float")),
        };
    }
    let (chooses, computes) = (CHOOSING.contains(&operator), COMPUTING.contains(&operator));
    if kind != NarrowType::Bfloat16 || !(chooses || computes) {
        return Err(format!("it does not compute with {name}: cast its inputs to float"));
    }
    // What has the type of the output.
    let typed = match operator {
        "Attention" => 3,
        "RMSNormalization" => 2,
        _ => 1,
    };
    let is_typed = (0..typed).all(|index| at(index) == Some(kind));
    if !is_typed || inputs.iter().flatten().any(|other| *other != kind) {
        return Err(mixed());
    }
    let kinds = if ONE_TYPED_OUTPUT.contains(&operator) { vec![Some(kind)] } else { everywhere(Some(kind)) };
    Ok(if chooses { Rule::Exact(kinds) } else { Rule::Rounded(kinds) })
}

/// Makes a node that gave bfloat16 give single precision.
pub(super) fn in_single_precision(node: &mut NodeProto) {
    if let Some(attribute) = type_attribute(&node.op_type) {
        set(node, attribute, DataType::Float as i64);
    }
}

fn cast(given: &NodeProto, to: Option<NarrowType>) -> Result<Rule, String> {
    let (Some(to), [input, ..], [output]) = (to, &given.input[..], &given.output[..]) else {
        return Ok(Rule::Exact(Vec::new()));
    };
    let kept = ["saturate", "round_mode"];
    let attributes =
        given.attribute.iter().filter(|attribute| kept.contains(&attribute.name.as_str())).cloned();
    Ok(Rule::Replaced(vec![round(input, output, to, attributes.collect())], Some(to)))
}

/// Our operator knows narrow types by their numbers.
fn quantize(given: &NodeProto, inputs: &[Option<NarrowType>]) -> Result<Rule, String> {
    let at = |index: usize| inputs.get(index).copied().flatten();
    let asked = number(given, "output_dtype").filter(|asked| *asked != 0);
    let has_zero_point = given.input.get(2).is_some_and(|input| !input.is_empty());
    let kind = match asked {
        Some(asked) => NarrowType::from_onnx(asked),
        None => at(2),
    };
    if has_zero_point && at(2) != kind {
        return Err("its zero point is not of the type that it gives".into());
    }
    if matches!(at(0), Some(other) if other != NarrowType::Bfloat16) {
        return Err("it quantizes floats of no less than 16 bits".into());
    }
    if kind.is_none() && first_of(inputs).is_none() {
        return Ok(Rule::Exact(Vec::new()));
    }
    let mut made = given.clone();
    if let Some(kind) = kind {
        set(&mut made, "output_dtype", kind.number());
    }
    let precision = number(given, "precision").filter(|precision| *precision != 0);
    match (precision, at(1)) {
        (None, Some(NarrowType::Bfloat16)) => set(&mut made, "precision", NarrowType::Bfloat16.number()),
        (None | Some(_), None | Some(NarrowType::Bfloat16 | NarrowType::Float8e8m0)) => {}
        (_, Some(other)) => return Err(format!("its scale is {}", other.name())),
    }
    Ok(Rule::Replaced(vec![made], kind))
}

fn dequantize(given: &NodeProto, inputs: &[Option<NarrowType>]) -> Result<Rule, String> {
    let at = |index: usize| inputs.get(index).copied().flatten();
    let has_zero_point = given.input.get(2).is_some_and(|input| !input.is_empty());
    if has_zero_point && at(2) != at(0) {
        return Err("its zero point is not of the type that it takes".into());
    }
    let asked = number(given, "output_dtype").filter(|asked| *asked != 0);
    let kind = match asked {
        Some(asked) => NarrowType::from_onnx(asked),
        None => at(1),
    };
    let mut made = given.clone();
    match kind {
        None => return Ok(Rule::Exact(Vec::new())),
        Some(NarrowType::Bfloat16) => set(&mut made, "output_dtype", NarrowType::Bfloat16.number()),
        Some(kind) => return Err(format!("it does not give {}: set output_dtype", kind.name())),
    }
    Ok(Rule::Replaced(vec![made], kind))
}

/// A quantized product as what it is defined by.
fn multiply(given: &NodeProto, kind: Option<NarrowType>) -> Rule {
    let input = |index: usize| given.input.get(index).map(String::as_str).unwrap_or_default();
    let output = given.output.first().map(String::as_str).unwrap_or_default();
    let name = |part: &str| format!("dunlin/{output}/{part}");
    let (a, b, product) = (name("a"), name("b"), name("product"));
    let mut last = node("QuantizeLinear", &[&product, input(6), input(7)], output, vec![]);
    if let Some(kind) = kind {
        set(&mut last, "output_dtype", kind.number());
    }
    let made = vec![
        // A scale for each row of the first matrix, for each column of the second one.
        node("DequantizeLinear", &[input(0), input(1), input(2)], &a, vec![int("axis", -2)]),
        node("DequantizeLinear", &[input(3), input(4), input(5)], &b, vec![int("axis", -1)]),
        node("MatMul", &[&a, &b], &product, vec![]),
        last,
    ];
    Rule::Replaced(made, kind)
}

fn first_of(inputs: &[Option<NarrowType>]) -> Option<NarrowType> {
    inputs.iter().copied().flatten().next()
}
