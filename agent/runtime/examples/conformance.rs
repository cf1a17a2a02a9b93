//! Runs the node tests of the ONNX project, and networks: `conformance CASES BASELINE [TABLE] [--update]`.
//!
//! CASES is a folder that `scripts/onnx-cases` or `scripts/real-networks` wrote. Each case runs twice: with all of its
//! inputs given at run time, and with all but the first as constants of the model, as exporters write most of them.
//! BASELINE names what passes; what passed before must not fail. TABLE is written for people.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use dunlin_protocol::tensor::{Tensor, TensorData};
use dunlin_runtime::{Model, narrow};
use prost::Message;
use serde::Deserialize;
use tract_onnx::pb::{ModelProto, TensorProto, tensor_proto::DataType};

#[derive(Deserialize)]
struct Cases {
    onnx: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    tests: String,
    opset: i64,
    rtol: f64,
    atol: f64,
    left_out: Option<String>,
}

/// How one run ended.
enum Outcome {
    Right,
    /// Right but for one unit in the last place of the output's largest number: what is expected was summed in single or
    /// half precision too, and in another order.
    Rounded,
    /// An answer, and not the one that is expected.
    Wrong(String),
    /// A reason instead of an answer.
    Refused(String),
}

impl Outcome {
    fn is_right(&self) -> bool {
        matches!(self, Outcome::Right | Outcome::Rounded)
    }
}

/// Both runs of a case.
struct Ran {
    case: Case,
    given: Outcome,
    constant: Outcome,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let places: Vec<&String> = words.iter().filter(|word| !word.starts_with("--")).collect();
    let ([cases, baseline] | [cases, baseline, _]) = places[..] else {
        eprintln!("usage: conformance CASES BASELINE [TABLE] [--update]");
        return ExitCode::from(2);
    };
    let folder = PathBuf::from(cases);
    let told: Cases = serde_json::from_slice(&fs::read(folder.join("cases.json")).unwrap()).unwrap();
    let (left_out, run): (Vec<Case>, Vec<Case>) =
        told.cases.into_iter().partition(|case| case.left_out.is_some());
    let ran: Vec<Ran> = run.into_iter().map(|case| both(&folder, case)).collect();

    let passing: BTreeSet<String> = ran.iter().flat_map(passing).collect();
    let known: BTreeSet<String> = fs::read_to_string(baseline)
        .unwrap_or_default()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    let lost: Vec<&String> = known.difference(&passing).collect();
    let won = passing.difference(&known).count();
    let wrong: Vec<&str> = ran.iter().filter(|ran| is_wrong(ran)).map(|ran| ran.case.name.as_str()).collect();
    let given = ran.iter().filter(|ran| ran.given.is_right()).count();
    let constant = ran.iter().filter(|ran| ran.constant.is_right()).count();
    println!("{} cases, {} left out (sequences and optionals)", ran.len(), left_out.len());
    println!("right with inputs given at run time   {given:5}  {:5.1} %", share(given, ran.len()));
    println!("right with later inputs constant      {constant:5}  {:5.1} %", share(constant, ran.len()));
    let rounded: Vec<&str> =
        ran.iter().filter(|ran| is_rounded(ran)).map(|ran| ran.case.name.as_str()).collect();
    println!("of them right but for rounding        {:5}  {}", rounded.len(), rounded.join(" "));
    println!("wrong without a word                  {:5}  {}", wrong.len(), wrong.join(" "));
    println!("new {won}, lost {}", lost.len());
    for name in &lost {
        println!("  lost: {name}");
    }
    if std::env::var_os("VERBOSE").is_some() {
        for ran in &ran {
            for (how, outcome) in [("given", &ran.given), ("constant", &ran.constant)] {
                match outcome {
                    Outcome::Right | Outcome::Rounded => {}
                    Outcome::Wrong(why) => println!("  {} {how} WRONG: {why}", ran.case.name),
                    Outcome::Refused(why) => println!("  {} {how}: {why}", ran.case.name),
                }
            }
        }
    }
    if words.iter().any(|word| word == "--update") {
        let mut text = String::from(
            "# What passes, with inputs given at run time and as constants; UPDATE=1 writes it.\n",
        );
        passing.iter().for_each(|line| writeln!(text, "{line}").unwrap());
        fs::write(baseline, text).unwrap();
        if let Some(table) = places.get(2) {
            fs::write(table, page(&told.onnx, &ran, left_out.len())).unwrap();
        }
    }
    if lost.is_empty() && wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn share(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

fn passing(ran: &Ran) -> Vec<String> {
    let line = |how: &str, outcome: &Outcome| outcome.is_right().then(|| format!("{} {how}", ran.case.name));
    [line("given", &ran.given), line("constant", &ran.constant)].into_iter().flatten().collect()
}

fn is_wrong(ran: &Ran) -> bool {
    matches!(ran.given, Outcome::Wrong(_)) || matches!(ran.constant, Outcome::Wrong(_))
}

fn is_rounded(ran: &Ran) -> bool {
    matches!(ran.given, Outcome::Rounded) || matches!(ran.constant, Outcome::Rounded)
}

fn both(folder: &Path, case: Case) -> Ran {
    let place = folder.join(&case.name);
    let onnx = fs::read(place.join("model.onnx")).unwrap();
    let inputs = tensors(&place, "input");
    let expected = tensors(&place, "output");
    let constant = with_constants(&onnx, inputs.get(1..).unwrap_or_default());
    let given = one(&case, &onnx, &inputs, &expected);
    let constant = one(&case, &constant, &inputs[..inputs.len().min(1)], &expected);
    Ran { case, given, constant }
}

fn tensors(place: &Path, what: &str) -> Vec<TensorProto> {
    let read = |number: usize| fs::read(place.join(format!("{what}_{number}.pb"))).ok();
    (0..).map_while(read).map(|bytes| TensorProto::decode(&bytes[..]).unwrap()).collect()
}

/// The model with these tensors inside it.
fn with_constants(onnx: &[u8], constants: &[TensorProto]) -> Vec<u8> {
    let mut model = ModelProto::decode(onnx).unwrap();
    let graph = model.graph.as_mut().unwrap();
    graph.input.retain(|input| constants.iter().all(|tensor| tensor.name != input.name));
    graph.initializer.extend_from_slice(constants);
    model.encode_to_vec()
}

fn one(case: &Case, onnx: &[u8], inputs: &[TensorProto], expected: &[TensorProto]) -> Outcome {
    let refused = |reason: String| Outcome::Refused(reason);
    let tolerances: Vec<f64> = expected.iter().map(|proto| tolerance(case, proto)).collect();
    let inputs: Result<Vec<Tensor>, String> = inputs.iter().map(tensor).collect();
    let expected: Result<Vec<Tensor>, String> = expected.iter().map(tensor).collect();
    let (inputs, expected) = match (inputs, expected) {
        (Ok(inputs), Ok(expected)) => (inputs, expected),
        (Err(reason), _) | (_, Err(reason)) => return refused(reason),
    };
    let model = match Model::load(onnx, None) {
        Ok(model) => model,
        Err(error) => return refused(error.to_string()),
    };
    match model.run(&inputs) {
        Err(error) => refused(error.to_string()),
        Ok(found) => match difference(case.atol, &tolerances, &expected, &found, false) {
            None => Outcome::Right,
            Some(_) if difference(case.atol, &tolerances, &expected, &found, true).is_none() => {
                Outcome::Rounded
            }
            Some(difference) => Outcome::Wrong(difference),
        },
    }
}

/// A tensor of ONNX as one of the protocol, of a narrow type as one of its carrier.
fn tensor(proto: &TensorProto) -> Result<Tensor, String> {
    let mut proto = proto.clone();
    narrow::unpack(&mut proto)?;
    macro_rules! numbers {
        ($variant:ident, $type:ty) => {
            TensorData::$variant(
                proto
                    .raw_data
                    .as_chunks::<{ size_of::<$type>() }>()
                    .0
                    .iter()
                    .map(|bytes| <$type>::from_le_bytes(*bytes))
                    .collect(),
            )
        };
    }
    let kind =
        DataType::try_from(proto.data_type).map_err(|_| format!("element type {}", proto.data_type))?;
    let data = match kind {
        DataType::Bool => TensorData::Bool(proto.raw_data.iter().map(|byte| *byte != 0).collect()),
        DataType::Uint8 => TensorData::Uint8(proto.raw_data.clone()),
        DataType::Uint16 => numbers!(Uint16, u16),
        DataType::Uint32 => numbers!(Uint32, u32),
        DataType::Uint64 => numbers!(Uint64, u64),
        DataType::Int8 => numbers!(Int8, i8),
        DataType::Int16 => numbers!(Int16, i16),
        DataType::Int32 => numbers!(Int32, i32),
        DataType::Int64 => numbers!(Int64, i64),
        DataType::Float16 => numbers!(Fp16, u16),
        DataType::Float => numbers!(Fp32, f32),
        DataType::Double => numbers!(Fp64, f64),
        DataType::String => {
            let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
            TensorData::Bytes(proto.string_data.iter().map(text).collect())
        }
        other => return Err(format!("element type {}", other.as_str_name().to_lowercase())),
    };
    let shape = proto.dims.iter().map(|dim| usize::try_from(*dim).unwrap()).collect();
    Ok(Tensor { name: proto.name, shape, data })
}

/// How far an output may be off, relative to what is expected: as ONNX' own runner has it, two units in the last place
/// of bfloat16.
fn tolerance(case: &Case, expected: &TensorProto) -> f64 {
    let is_bfloat16 = expected.data_type == DataType::Bfloat16 as i32;
    if is_bfloat16 { case.rtol.max(1.0 / 64.0) } else { case.rtol }
}

/// The first difference between what is expected and what was found, further off than `atol` and each output's relative
/// tolerance, and with `last_place` than one unit in the last place of its largest number.
fn difference(
    atol: f64,
    tolerances: &[f64],
    expected: &[Tensor],
    found: &[Tensor],
    last_place: bool,
) -> Option<String> {
    if expected.len() != found.len() {
        return Some(format!("{} outputs instead of {}", found.len(), expected.len()));
    }
    for ((want, got), rtol) in expected.iter().zip(found).zip(tolerances) {
        let kinds = (want.data.datatype(), got.data.datatype());
        if kinds.0 != kinds.1 {
            return Some(format!("{} instead of {}", kinds.1, kinds.0));
        }
        if want.shape != got.shape {
            return Some(format!("shape {:?} instead of {:?}", got.shape, want.shape));
        }
        if let (TensorData::Bytes(want), TensorData::Bytes(got)) = (&want.data, &got.data) {
            if want != got {
                return Some(format!("{got:?} instead of {want:?}"));
            }
            continue;
        }
        let atol = if last_place { atol + unit_in_last_place(want) } else { atol };
        for index in 0..want.data.len() {
            let (want, got) = (want.data.number(index).unwrap(), got.data.number(index).unwrap());
            // No number is near an infinity.
            let near = want.is_finite() && (want - got).abs() <= atol + rtol * want.abs();
            if !near && want != got && !(want.is_nan() && got.is_nan()) {
                return Some(format!("{got} instead of {want} at {index}"));
            }
        }
    }
    None
}

/// That of a tensor's largest finite number; 0 where its numbers are whole.
fn unit_in_last_place(tensor: &Tensor) -> f64 {
    let epsilon = match tensor.data {
        TensorData::Fp16(_) => 2_f64.powi(-10),
        TensorData::Fp32(_) => f32::EPSILON.into(),
        TensorData::Fp64(_) => f64::EPSILON,
        _ => 0.0,
    };
    let numbers = (0..tensor.data.len()).filter_map(|index| tensor.data.number(index));
    epsilon * numbers.map(f64::abs).filter(|x| x.is_finite()).fold(0.0, f64::max)
}

/// `docs/operators.md`.
fn page(onnx: &str, ran: &[Ran], left_out: usize) -> String {
    let mut rows: BTreeMap<&str, Vec<&Ran>> = BTreeMap::new();
    ran.iter().for_each(|ran| rows.entry(&ran.case.tests).or_default().push(ran));
    let count = |of: &[&Ran], right: fn(&Ran) -> bool| of.iter().filter(|ran| right(ran)).count();
    let all: Vec<&Ran> = ran.iter().collect();
    let given = count(&all, |ran| ran.given.is_right());
    let constant = count(&all, |ran| ran.constant.is_right());
    let (wrong, rounded) = (count(&all, is_wrong), count(&all, is_rounded));
    let mut text = format!(
        "# Operators\n\nWhat the agent runs of ONNX, as the node tests of the ONNX project see it (onnx {onnx}). Written by\n\
         `make conformance-onnx UPDATE=1`.\n\n\
         Of {} cases, {given} ({:.1} %) are right when all inputs are given at run time, and {constant} ({:.1} %) when later\n\
         inputs are constants of the model, as exporters write most of them; {rounded} of these only by one unit in the last place\n\
         of an output's largest number. {wrong} are wrong without a word; the others are refused with a reason. {left_out} cases with sequences and optionals are left out.\n\n\
         | operator | opsets | cases | given | constant | why not the rest |\n|---|---|---:|---:|---:|---|\n",
        ran.len(),
        share(given, ran.len()),
        share(constant, ran.len()),
    );
    for (operator, cases) in &rows {
        let opsets: BTreeSet<i64> = cases.iter().map(|ran| ran.case.opset).collect();
        let opsets = match (opsets.first(), opsets.last()) {
            (Some(first), Some(last)) if first != last => format!("{first}–{last}"),
            (Some(first), _) => first.to_string(),
            _ => String::new(),
        };
        let (given, constant) =
            (count(cases, |ran| ran.given.is_right()), count(cases, |ran| ran.constant.is_right()));
        writeln!(
            text,
            "| {operator} | {opsets} | {} | {given} | {constant} | {} |",
            cases.len(),
            reasons(cases)
        )
        .unwrap();
    }
    text
}

/// The reasons of what is not right, the most frequent one first.
fn reasons(cases: &[&Ran]) -> String {
    const LENGTH: usize = 110;
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for ran in cases {
        let reason = match (&ran.given, &ran.constant) {
            (Outcome::Wrong(_), _) | (_, Outcome::Wrong(_)) => "wrong".to_owned(),
            (Outcome::Refused(reason), _) | (_, Outcome::Refused(reason)) => reason.clone(),
            _ => continue,
        };
        let line = reason.lines().next().unwrap_or_default().replace('|', "\\|");
        let short: String = line.chars().take(LENGTH).collect();
        *reasons.entry(if short.len() < line.len() { short + "…" } else { short }).or_default() += 1;
    }
    let mut reasons: Vec<(String, usize)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let shown: Vec<String> =
        reasons.iter().take(3).map(|(reason, count)| format!("{count} × {reason}")).collect();
    shown.join("; ")
}
