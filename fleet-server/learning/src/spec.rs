//! What the model takes and gives, in the words of the protocol.

use std::collections::BTreeMap;

use dunlin_protocol::{
    spec::{FeatureSpec, InputSpec, ModelSpec, OutputRole, OutputSpec, Task},
    tensor::Datatype,
};

use crate::{
    TrainRequest,
    onnx::Names,
    pipeline::Pipeline,
    preprocessing::Step,
    table::{Table, Target},
};

/// Endings of column names that say a unit.
const UNITS: [(&str, &str); 36] = [
    ("f", "°F"),
    ("c", "°C"),
    ("k", "K"),
    ("pa", "Pa"),
    ("hpa", "hPa"),
    ("kpa", "kPa"),
    ("bar", "bar"),
    ("mbar", "mbar"),
    ("psi", "psi"),
    ("mm", "mm"),
    ("cm", "cm"),
    ("m", "m"),
    ("km", "km"),
    ("in", "in"),
    ("ft", "ft"),
    ("mi", "mi"),
    ("kn", "kn"),
    ("kmh", "km/h"),
    ("mph", "mph"),
    ("mps", "m/s"),
    ("pct", "%"),
    ("percent", "%"),
    ("v", "V"),
    ("mv", "mV"),
    ("a", "A"),
    ("ma", "mA"),
    ("w", "W"),
    ("kw", "kW"),
    ("hz", "Hz"),
    ("rpm", "rpm"),
    ("g", "g"),
    ("s", "s"),
    ("ms", "ms"),
    ("deg", "°"),
    ("lux", "lx"),
    ("ppm", "ppm"),
];

/// The unit that a column's name ends in, as in `pressure_hpa`.
fn unit_of(name: &str) -> Option<&'static str> {
    let (stem, suffix) = name.rsplit_once('_')?;
    let suffix = suffix.to_ascii_lowercase();
    UNITS.iter().find(|(ending, _)| !stem.is_empty() && *ending == suffix).map(|(_, unit)| *unit)
}

/// The spec of a pipeline fitted on this table.
pub(crate) fn describe(table: &Table, pipeline: &Pipeline, request: &TrainRequest) -> ModelSpec {
    let feature = |index: usize| {
        let name = &table.features[index].name;
        let (unit, categories) = match &pipeline.preprocessing.steps[index] {
            Step::Text(known) => (request.units.get(name).cloned(), known.clone()),
            Step::Number(_) => {
                let unit = request.units.get(name).cloned();
                (unit.or_else(|| unit_of(name).map(str::to_owned)), Vec::new())
            }
        };
        FeatureSpec { name: name.clone(), unit, range: request.ranges.get(name).copied(), categories }
    };
    let texts = |index: usize| matches!(pipeline.preprocessing.steps[index], Step::Text(_));
    let count = table.features.len();
    let inputs = if (0..count).any(texts) {
        (0..count)
            .map(|index| InputSpec {
                name: table.features[index].name.clone(),
                datatype: if texts(index) { Datatype::Bytes } else { Datatype::Fp32 },
                shape: vec![None, Some(1)],
                features: vec![feature(index)],
            })
            .collect()
    } else {
        let features = (0..count).map(feature).collect();
        let shape = vec![None, Some(count)];
        vec![InputSpec { name: Names::INPUT.to_owned(), datatype: Datatype::Fp32, shape, features }]
    };
    let output = |name: &str, datatype, width: Option<usize>, role| OutputSpec {
        name: name.to_owned(),
        datatype,
        shape: [None].into_iter().chain(width.map(Some)).collect(),
        role,
    };
    let (task, outputs, labels) = match &table.target {
        Target::Labels { labels, integers, .. } => {
            let datatype = if *integers { Datatype::Int64 } else { Datatype::Bytes };
            let probabilities =
                output(Names::PROBABILITIES, Datatype::Fp32, Some(labels.len()), OutputRole::Probabilities);
            let label = output(Names::LABEL, datatype, None, OutputRole::Label);
            (Task::Classification, vec![label, probabilities], labels.clone())
        }
        Target::Numbers(_) => {
            let value = output(Names::PREDICTION, Datatype::Fp32, Some(1), OutputRole::Value);
            (Task::Regression, vec![value], Vec::new())
        }
    };
    ModelSpec {
        task,
        inputs,
        outputs,
        labels,
        thresholds: BTreeMap::new(),
        target: Some(request.target.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_read_from_the_end_of_a_name() {
        assert_eq!(unit_of("dew_point_f"), Some("°F"));
        assert_eq!(unit_of("sea_level_pressure_hPa"), Some("hPa"));
        assert_eq!(unit_of("max_wind_speed_kn"), Some("kn"));
        assert_eq!(unit_of("f"), None);
        assert_eq!(unit_of("_f"), None);
        assert_eq!(unit_of("place"), None);
    }
}
