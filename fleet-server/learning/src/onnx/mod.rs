//! A fitted pipeline as one ONNX file, preprocessing inside.
//!
//! Plain operators of opset 17 wherever there are such, because those run in every runtime; only the one-hot of
//! text columns comes from `ai.onnx.ml`. It reads no ONNX and runs none. In reading order: `proto` is the part of
//! the format that is written, `node` builds its pieces, [`graph`] joins them.

pub(crate) mod graph;
mod node;
mod proto;

pub(crate) use graph::{Names, encode};
