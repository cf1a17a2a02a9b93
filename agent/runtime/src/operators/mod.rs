//! The operators that tract lacks or gets wrong: those of `ai.onnx.ml` that scikit-learn, XGBoost and LightGBM
//! exports are made of, and a few of ONNX' own.
//!
//! [`kernel`] is what each of them implements; [`attributes`] reads what they have in common. One operator (or
//! one family) a file, each with the ONNX operator page as its source; where that is silent, ONNX Runtime's
//! behaviour is followed. A missing value is NaN. Nothing here knows the protocol's tensors.

mod activations;
mod array_feature_extractor;
mod attributes;
mod binarizer;
mod cast_to_narrow;
mod dequantize_linear;
mod feature_vectorizer;
mod granularity;
mod imputer;
pub(crate) mod kernel;
mod label_encoder;
mod linear;
mod log_sum_exp;
mod losses;
pub(crate) mod missing;
mod normalizer;
mod one_hot_encoder;
mod post_transform;
mod quantize_linear;
mod recurrent;
mod scaler;
mod svm;
mod trees;

use tract_onnx::{Onnx, pb::NodeProto};

/// Why this node cannot be run though its operator is there, and what to change.
pub(crate) fn refusal(node: &NodeProto) -> Option<String> {
    let is_attribute = |name: &str, value: &[u8]| {
        node.attribute.iter().any(|attribute| attribute.name == name && attribute.s == value)
    };
    if node.op_type == "SpaceToDepth" && is_attribute("mode", b"CRD") {
        return Some("its mode CRD is not heeded: export it with mode DCR".into());
    }
    recurrent::refusal(node)
}

/// tract's ONNX loader with our operators in its register.
pub fn framework() -> Onnx {
    let mut framework = tract_onnx::onnx();
    let register = &mut framework.op_register;
    register.insert("ArrayFeatureExtractor", array_feature_extractor::build);
    register.insert("Binarizer", binarizer::build);
    register.insert(crate::narrow::ROUND, cast_to_narrow::build);
    register.insert("Celu", activations::build_curve);
    register.insert("DequantizeLinear", dequantize_linear::build);
    register.insert("FeatureVectorizer", feature_vectorizer::build);
    register.insert("GRU", recurrent::build);
    register.insert("Imputer", imputer::build);
    register.insert("LabelEncoder", label_encoder::build);
    register.insert("LinearClassifier", linear::build_classifier);
    register.insert("LinearRegressor", linear::build_regressor);
    register.insert("LogSoftmax", activations::build_log_softmax);
    register.insert("LSTM", recurrent::build);
    register.insert("NegativeLogLikelihoodLoss", losses::build);
    register.insert("Normalizer", normalizer::build);
    register.insert("OneHotEncoder", one_hot_encoder::build);
    register.insert("QuantizeLinear", quantize_linear::build);
    register.insert("ReduceLogSumExp", log_sum_exp::build);
    register.insert("RNN", recurrent::build);
    register.insert("Scaler", scaler::build);
    register.insert("SoftmaxCrossEntropyLoss", losses::build);
    register.insert("Softplus", activations::build_curve);
    register.insert("SVMClassifier", svm::build_classifier);
    register.insert("SVMRegressor", svm::build_regressor);
    register.insert("Swish", activations::build_curve);
    register.insert("TreeEnsemble", trees::build_ensemble);
    register.insert("TreeEnsembleClassifier", trees::build_classifier);
    register.insert("TreeEnsembleRegressor", trees::build_regressor);
    framework
}
