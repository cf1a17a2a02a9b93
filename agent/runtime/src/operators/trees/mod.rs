//! `TreeEnsembleClassifier` and `TreeEnsembleRegressor` (ai.onnx.ml 1 and 3) and `TreeEnsemble` (5).
//!
//! [`parse`] and [`ensemble`] read a node's parallel lists into a [`draft`]; [`forest`] lays it out for walking and
//! refuses what is not trees; [`classifier`] and [`sums`] turn leaf weights into answers, with ONNX Runtime's rules for
//! binary classifiers.

mod classifier;
mod draft;
mod ensemble;
mod forest;
mod parse;
mod regressor;
mod sums;

pub(super) use classifier::build as build_classifier;
pub(super) use ensemble::build as build_ensemble;
pub(super) use regressor::build as build_regressor;
