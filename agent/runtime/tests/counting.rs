//! What passes through is counted, answers are read, rows become tensors, golden vectors are compared.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use dunlin_protocol::bundle::golden::Golden;
use dunlin_protocol::spec::ModelSpec;
use dunlin_protocol::statistics::{
    Bins, FeatureReference, FeatureStatistics, NumericRecorder, OutputStatistics, Reference,
};
use dunlin_protocol::tensor::{Tensor, TensorData};
use dunlin_runtime::rows::{Row, read_csv, read_json_lines, tensor_inputs};
use dunlin_runtime::statistics::{Observer, Truth};
use dunlin_runtime::{Model, answer, golden};
use proptest::prelude::*;
use support::{Example, example, row};

fn loaded(name: &str) -> (Example, Model) {
    let example = example(name);
    let model = Model::load(&example.onnx, None).unwrap();
    (example, model)
}

/// A reference from the columns of one matrix.
fn reference(spec: &ModelSpec, matrix: &Tensor) -> Reference {
    let width = matrix.shape[1];
    let numeric = |column: usize| {
        let numbers = (0..matrix.shape[0]).map(|r| matrix.data.number(r * width + column).unwrap() as f32);
        let values: Vec<f32> = numbers.collect();
        let bins = Bins::from_values(&values).unwrap();
        let mut recorder = NumericRecorder::new(bins.clone());
        values.iter().for_each(|value| recorder.observe(*value));
        FeatureReference::Numeric { bins, statistics: recorder.take(), spread: Vec::new() }
    };
    assert_eq!(spec.features().count(), width);
    Reference { rows: matrix.shape[0] as u64, features: (0..width).map(numeric).collect(), outputs: None }
}

#[test]
fn a_batch_and_its_rows_count_the_same() {
    let (example, model) = loaded("bc_logreg");
    let reference = reference(model.spec(), &example.inputs[0]);
    let outputs = model.run(&example.inputs).unwrap();
    let mut whole = Observer::new(model.spec(), Some(&reference));
    whole.observe(&example.inputs, &outputs, 200.0);
    let mut single = Observer::new(model.spec(), Some(&reference));
    for index in 0..example.rows() {
        single.observe(&row(&example.inputs, index), &row(&outputs, index), 10.0);
    }
    let counts = whole.take();
    assert_eq!(counts, single.take());
    assert_eq!((counts.inferences, counts.failures, counts.inputs.len()), (20, 0, 30));
    let FeatureStatistics::Numeric(first) = &counts.inputs[0] else { panic!("not a number column") };
    assert_eq!(first.count + first.missing, 20);
    let OutputStatistics::Classes { labels, other, confidence, .. } = &counts.outputs else {
        panic!("no classes")
    };
    assert_eq!((labels.total(), *other, confidence.total()), (20, 0, 20));
    assert_eq!(whole.take().inferences, 0);
}

#[test]
fn failures_and_late_labels_are_counted() {
    let (_, model) = loaded("dia_lin");
    let mut observer = Observer::new(model.spec(), None);
    observer.observe_failure();
    observer.observe_label(Truth::Label { correct: false });
    observer.observe_label(Truth::Number { error: 3.0 });
    let counts = observer.take();
    assert_eq!((counts.failures, counts.labels.count, counts.labels.errors), (1, 2, 1));
    assert_eq!((counts.labels.squared_error, counts.inputs.len()), (9.0, 0));
}

#[test]
fn answers_are_read_by_role() {
    let (example, model) = loaded("bc_logreg_zipmap");
    let outputs = model.run(&example.inputs).unwrap();
    let read = answer::interpret(model.spec(), &outputs, 3);
    assert_eq!(model.spec().labels, ["0", "1"]);
    assert_eq!(read.label_index.map(|index| model.spec().labels[index].clone()), read.label);
    assert_eq!(read.probabilities.len(), 2);
    assert_eq!(read.confidence, read.probabilities.iter().copied().reduce(f64::max));

    let (example, model) = loaded("dia_lin");
    let outputs = model.run(&example.inputs).unwrap();
    assert_eq!(answer::interpret(model.spec(), &outputs, 3).value, outputs[0].data.number(3));
}

#[test]
fn golden_vectors_of_another_runtime_are_met_and_a_changed_label_is_seen() {
    let (example, model) = loaded("bc_dt");
    let mut vectors = Golden {
        origin: "onnxruntime".into(),
        inputs: example.inputs,
        outputs: example.outputs,
        tolerance: 1e-5,
    };
    let report = golden::check(&model, &vectors);
    assert!(report.ok && report.rows == 20, "{report:?}");
    let TensorData::Int64(labels) = &mut vectors.outputs[0].data else { panic!("labels are numbers") };
    labels[4] = 1 - labels[4];
    let report = golden::check(&model, &vectors);
    assert!(!report.ok);
    assert_eq!((report.failures.len(), report.failures[0].row), (1, 4));
}

#[test]
fn rows_of_a_table_become_the_inputs() {
    let (example, model) = loaded("ct_str_logreg");
    let csv =
        "site,extra,temp,vib,hum,mode\nnorth,9,25.84725189,0.70219326,91.76889038,0\neast,9,,3.55,52.9,2\n";
    let rows = read_csv(csv.as_bytes(), 10).unwrap();
    let inputs = tensor_inputs(model.spec(), &rows).unwrap();
    let first: Vec<Tensor> = inputs.iter().map(|t| row(std::slice::from_ref(t), 0).remove(0)).collect();
    assert_eq!(first, row(&example.inputs, 0));
    assert!(inputs[0].data.number(1).unwrap().is_nan());
    model.run(&inputs).unwrap();

    let csv = "site, temp,vib,hum,mode\n north , 1.5,NULL,None, 2\n";
    let inputs = tensor_inputs(model.spec(), &read_csv(csv.as_bytes(), 1).unwrap()).unwrap();
    assert_eq!(inputs[4].data, TensorData::Bytes(vec![" north ".into()]), "white space is part of a text");
    assert_eq!(inputs[0].data, TensorData::Fp32(vec![1.5]));
    assert!(inputs[1].data.number(0).unwrap().is_nan() && inputs[2].data.number(0).unwrap().is_nan());

    let json = "{\"temp\":1.5,\"vib\":1,\"hum\":null,\"mode\":2,\"site\":\"south\"}\n\n";
    let rows = read_json_lines(json.as_bytes(), 10).unwrap();
    assert_eq!(tensor_inputs(model.spec(), &rows).unwrap()[3].data, TensorData::Int64(vec![2]));
}

#[test]
fn rows_that_do_not_fit_are_named_by_column_line_and_value() {
    let (_, model) = loaded("ct_str_logreg");
    let fail = |csv: &str| match read_csv(csv.as_bytes(), 2) {
        Ok(rows) => tensor_inputs(model.spec(), &rows).unwrap_err().to_string(),
        Err(error) => error.to_string(),
    };
    assert!(fail("temp,vib,hum,mode\n1,2,3,0\n").contains("line 2: column `site` is missing"));
    let text = fail("temp,vib,hum,mode,site\n1,2,3,0,north\n1,two,3,0,north\n");
    assert!(text.contains("line 3, column `vib`: `two` is not a number"), "{text}");
    let large = fail("temp,vib,hum,mode,site\n1,1e39,3,0,north\n");
    assert!(large.contains("`vib`: `1e39` is not a number that single precision holds"), "{large}");
    assert!(fail("temp,vib,hum,mode,site\n1,2,3,,north\n").contains("column `mode`"));
    assert!(fail("temp,vib,hum,mode,site\n").contains("a header and no row"));
    assert!(fail("").contains("empty"));
    assert!(fail("temp,vib\n1,2,3\n").contains("3 cells where the header has 2"));
    assert!(fail("temp\n1\n2\n3\n").contains("more than 2 rows"));
    let broken = read_json_lines(&b"{\"a\":1}\n[1]\n"[..], 5).unwrap_err();
    assert!(broken.to_string().starts_with("line 2"), "{broken}");
}

#[test]
fn a_row_from_pairs_finds_its_cells() {
    let row = Row::from_pairs(7, [("a", "1"), ("b", "2")]);
    assert_eq!((row.get("b"), row.get("c"), row.line), (Some("2"), None, 7));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Counting in two windows and merging gives the counts of one, but for neighbours across the border.
    #[test]
    fn windows_merge_to_what_one_window_counts(cut in 1_usize..19) {
        let (example, model) = loaded("bc_logreg");
        let reference = reference(model.spec(), &example.inputs[0]);
        let outputs = model.run(&example.inputs).unwrap();
        let count = |range: std::ops::Range<usize>| {
            let mut observer = Observer::new(model.spec(), Some(&reference));
            range.for_each(|i| observer.observe(&row(&example.inputs, i), &row(&outputs, i), i as f64));
            observer.take()
        };
        let (whole, mut early, late) = (count(0..20), count(0..cut), count(cut..20));
        early.latency.merge(&late.latency);
        prop_assert_eq!(&early.latency, &whole.latency);
        early.outputs.merge(&late.outputs).unwrap();
        let labels = |o: &OutputStatistics| match o {
            OutputStatistics::Classes { labels, confidence, .. } => (labels.clone(), confidence.clone()),
            _ => panic!("no classes"),
        };
        prop_assert_eq!(labels(&early.outputs), labels(&whole.outputs));
        for ((mine, theirs), all) in early.inputs.iter_mut().zip(&late.inputs).zip(&whole.inputs) {
            mine.merge(theirs).unwrap();
            let (FeatureStatistics::Numeric(mine), FeatureStatistics::Numeric(all)) = (mine, all) else {
                panic!("not number columns")
            };
            prop_assert_eq!(&mine.bins, &all.bins);
            prop_assert_eq!((mine.count, mine.missing, mine.min, mine.max), (all.count, all.missing, all.min, all.max));
        }
    }
}
