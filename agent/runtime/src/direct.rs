//! Plans that need no thread that may be lost.
//!
//! Handing a call to such a thread ([`crate::lost`]) and waiting for it takes five times as long as a small model. It is for
//! the engine's operators, which assert on some values. Ours for tables do not, nor do those of the engine that go number by
//! number in floating point, or put tensors of known lengths together: whether they work was settled when they were planned.

use tract_onnx::tract_core::ops::array::TypedConcat;
use tract_onnx::tract_core::ops::binary::{OptBinByScalar, OptBinUnicast, TypedBinOp};
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::change_axes::IntoShape;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_core::ops::nn::{Reduce, Softmax};
use tract_onnx::tract_core::ops::source::TypedSource;
use tract_onnx::tract_hir::internal::*;

use crate::convolutions;
use crate::operators::kernel;

/// Our operators of `ai.onnx.ml`.
const OURS: [&str; 17] = [
    "ArrayFeatureExtractor",
    "Binarizer",
    "CategoryMapper",
    "DictVectorizer",
    "FeatureVectorizer",
    "Imputer",
    "LabelEncoder",
    "LinearClassifier",
    "LinearRegressor",
    "Normalizer",
    "OneHotEncoder",
    "SVMClassifier",
    "SVMRegressor",
    "Scaler",
    "TreeEnsemble",
    "TreeEnsembleClassifier",
    "TreeEnsembleRegressor",
];

/// Whether no value that comes in can make the plan panic, as long as no input is empty.
pub(crate) fn is_safe(model: &TypedModel) -> bool {
    model.nodes.iter().all(|node| is_safe_node(model, node).unwrap_or(false))
}

fn is_safe_node(model: &TypedModel, node: &TypedNode) -> TractResult<bool> {
    // Lengths are those of an input or known, and not zero: over nothing, some of them have no answer.
    let is_length = |dim: &TDim| matches!(dim, TDim::Sym(_) | TDim::Val(1..));
    let is_known = |output: &Outlet<TypedFact>| output.fact.shape.iter().all(is_length);
    if !node.outputs.iter().all(is_known) {
        return Ok(false);
    }
    let only_axes = node.op_is::<AxisOp>() || node.op_is::<IntoShape>();
    if only_axes || node.op_is::<TypedSource>() || node.op_is::<Const>() {
        return Ok(true);
    }
    if let Some(cast) = node.op_as::<Cast>() {
        let is_number = |kind: DatumType| kind.is_copy() || kind == TDim::datum_type();
        return Ok(is_number(cast.to) && is_number(model.node_input_facts(node.id)?[0].datum_type));
    }
    if kernel::is_one(node) {
        return Ok(OURS.contains(&&*node.op.name()));
    }
    if convolutions::is_ours(node) {
        return Ok(true);
    }
    // Whole numbers overflow, and are divided by zero.
    let is_floating = model.node_input_facts(node.id)?.iter().all(|fact| fact.datum_type.is_float());
    let is_pair =
        node.op_is::<TypedBinOp>() || node.op_is::<OptBinByScalar>() || node.op_is::<OptBinUnicast>();
    let is_over_axes = node.op_is::<TypedConcat>() || node.op_is::<Reduce>() || node.op_is::<Softmax>();
    Ok(is_floating && (is_pair || node.op_is::<ElementWiseOp>() || is_over_axes))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::{prepare, proto, rewrite};

    /// Operators of a model that may panic.
    fn unsafe_ones(model: &str) -> Vec<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(model);
        let model = rewrite::lowered(proto::read(&std::fs::read(path).unwrap()).unwrap()).unwrap();
        let prepared = prepare::prepare(model).unwrap();
        let graph = prepared.plan.model();
        let found = graph.nodes.iter().filter(|node| !super::is_safe_node(graph, node).unwrap());
        let found: Vec<String> = found.map(|node| node.op.name().into_owned()).collect();
        assert_eq!(prepared.is_safe, found.is_empty());
        found
    }

    #[test]
    fn tables_need_no_thread_and_what_may_assert_does() {
        for model in ["bc_logreg", "bc_logreg_zipmap", "bc_gb", "bc_mlp", "xgb_bc", "sk_svc_iris"] {
            let found = unsafe_ones(&format!("agent/runtime/tests/models/{model}.onnx"));
            // Where the processor has no vectors for our kernels, the engine multiplies.
            let is_ours = model != "bc_mlp" || dunlin_kernels::is_vectorised();
            assert_eq!(found.is_empty(), is_ours, "{model}: {found:?}");
        }
        // Its index is the input.
        assert_eq!(unsafe_ones("tests/data/table_lookup.onnx"), ["Gather"]);
    }
}
