//! Any bytes as a model: they are refused in words, or they run; nothing else.
//!
//! A panic of the engine is caught by the runtime and is no finding; one of ours, an abort, a hang or too much memory is.
#![no_main]

use dunlin_runtime::{Model, inspect, trial};

libfuzzer_sys::fuzz_target!(
    init: {
        // The fuzzer's own hook ends the program in every panic, those that are caught among them.
        drop(std::panic::take_hook());
    },
    |bytes: &[u8]| {
        let inspected = inspect::inspect(bytes);
        if let Ok(model) = Model::load(bytes, None) {
            assert!(inspected.is_ok(), "it loads, though there is nothing in it");
            trial::try_once(&model);
        }
    }
);
