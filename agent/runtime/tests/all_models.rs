//! Every exported model gives what ONNX Runtime gave, one row at a time and all rows at once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use dunlin_runtime::{Model, inspect};
use support::{Example, assert_equal, row};

/// Models beside this file, small ones; `DUNLIN_MODELS` names a folder with more.
fn for_each_model(check: impl Fn(&Example, &Model)) {
    let mut failed = Vec::new();
    let mut count = 0;
    for example in support::examples() {
        count += 1;
        match Model::load(&example.onnx, None) {
            Ok(model) => {
                let outcome =
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&example, &model)));
                if outcome.is_err() {
                    failed.push(example.name.clone());
                }
            }
            Err(error) => {
                eprintln!("{}: {error}", example.name);
                failed.push(example.name.clone());
            }
        }
    }
    assert!(count >= 8, "only {count} models were found");
    assert!(failed.is_empty(), "{} of {count} models fail: {failed:?}", failed.len());
}

#[test]
fn a_batch_gives_what_onnx_runtime_gave() {
    for_each_model(|example, model| {
        let outputs = model.run(&example.inputs).unwrap();
        assert_equal(example, &outputs, &example.outputs);
    });
}

#[test]
fn single_rows_give_what_onnx_runtime_gave_for_the_batch() {
    for_each_model(|example, model| {
        for index in 0..example.rows() {
            let outputs = model.run(&row(&example.inputs, index)).unwrap();
            assert_equal(example, &outputs, &row(&example.outputs, index));
        }
    });
}

#[test]
fn an_inspection_finds_nothing_unsupported() {
    for example in support::examples() {
        let found = inspect(&example.onnx).unwrap();
        assert!(found.unsupported.is_empty(), "{}: {:?}", example.name, found.unsupported);
        let old = (1..9).contains(&found.opset);
        assert_eq!(found.warnings.len(), usize::from(old), "{}: {:?}", example.name, found.warnings);
    }
}
