//! `TreeEnsembleClassifier` and `TreeEnsembleRegressor`.
//!
//! [`forest`] holds the trees as one flat list of nodes; [`parse`] makes it from the node's parallel lists and
//! refuses what is not trees; [`classifier`] and [`regressor`] turn sums of leaf weights into answers, with
//! ONNX Runtime's rules for binary classifiers.

mod classifier;
mod forest;
mod parse;
mod regressor;

pub(super) use classifier::build as build_classifier;
pub(super) use regressor::build as build_regressor;
