//! The operators that tract lacks or gets wrong: those of `ai.onnx.ml` that scikit-learn, XGBoost and LightGBM
//! exports are made of, and a few of ONNX' own.
//!
//! [`kernel`] is what each of them implements; [`attributes`] reads what they have in common. One operator (or
//! one family) a file, each with the ONNX operator page as its source; where that is silent, ONNX Runtime's
//! behaviour is followed. A missing value is NaN. Nothing here knows the protocol's tensors.

mod activations;
mod affine_grid;
mod array_feature_extractor;
mod attention;
mod attributes;
mod batch_normalization;
mod bilinear;
mod binarizer;
mod bits;
mod cast_to_narrow;
mod causal_conv;
mod center_crop_pad;
mod compress;
mod constant_of_shape;
mod cum_prod;
pub(crate) mod dequantize_linear;
mod det;
mod extremes;
mod feature_vectorizer;
mod granularity;
mod halves;
mod imputer;
pub(crate) mod kernel;
mod label_encoder;
mod linear;
mod linear_attention;
mod losses;
pub(crate) mod lowering;
mod mat_mul;
mod max_unpool;
pub(crate) mod missing;
mod normalizer;
mod one_hot;
mod one_hot_encoder;
mod pad;
mod post_transform;
pub(crate) mod quantize_linear;
mod range;
mod recurrent;
mod reduce;
mod reordered;
mod reverse_sequence;
mod scaler;
mod scan;
mod svm;
mod tensor_scatter;
mod texts;
mod tf_idf_vectorizer;
mod trees;
mod unique;
mod values;
mod window;

use tract_onnx::{Onnx, pb::NodeProto};

/// Why this node cannot be run though its operator is there, and what to change.
pub(crate) fn refusal(node: &NodeProto) -> Option<String> {
    recurrent::refusal(node)
}

/// tract's ONNX loader with our operators in its register.
pub fn framework() -> Onnx {
    let mut framework = tract_onnx::onnx();
    let register = &mut framework.op_register;
    register.insert("AffineGrid", affine_grid::build);
    register.insert("ArrayFeatureExtractor", array_feature_extractor::build);
    register.insert("Attention", attention::build);
    register.insert("BatchNormalizationInTraining", batch_normalization::build);
    register.insert("Binarizer", binarizer::build);
    register.insert("BitCast", bits::build_cast);
    register.insert("BitShift", bits::build_shift);
    register.insert("CausalConvWithState", causal_conv::build);
    register.insert("Celu", activations::build_curve);
    register.insert("CenterCropPad", center_crop_pad::build);
    register.insert("Col2Im", window::build_columns);
    register.insert("Compress", compress::build);
    register.insert("ConstantOfShape", constant_of_shape::build);
    register.insert("Conv", halves::build);
    register.insert(crate::narrow::ROUND, cast_to_narrow::build);
    register.insert("CumProd", cum_prod::build);
    register.insert("DeformConv", bilinear::build_deformed);
    register.insert("DequantizeLinear", dequantize_linear::build);
    register.insert("Det", det::build);
    register.insert("FeatureVectorizer", feature_vectorizer::build);
    register.insert("FlexAttention", attention::refuse_flex);
    register.insert("FlexAttentionScores", attention::build_scores);
    register.insert("FlexAttentionValues", attention::build_values);
    register.insert("GRU", recurrent::build);
    register.insert("Imputer", imputer::build);
    register.insert("LabelEncoder", label_encoder::build);
    register.insert("LinearAttention", linear_attention::build);
    register.insert("LinearClassifier", linear::build_classifier);
    register.insert("LinearRegressor", linear::build_regressor);
    register.insert("LogSoftmax", activations::build_log_softmax);
    register.insert("Loop", lowering::build_loop);
    register.insert("LpPool", window::build_pool);
    register.insert("LSTM", recurrent::build);
    register.insert("MatMul", mat_mul::build);
    register.insert("MaxUnpool", max_unpool::build);
    register.insert("NegativeLogLikelihoodLoss", losses::build);
    register.insert("Normalizer", normalizer::build);
    register.insert("OneHot", one_hot::build);
    register.insert("OneHotEncoder", one_hot_encoder::build);
    register.insert("Pad", pad::build);
    register.insert("PadWrap", reordered::build_pad);
    register.insert("QuantizeLinear", quantize_linear::build);
    register.insert("Range", range::build);
    register.insert("ReduceLogSumExp", reduce::build);
    register.insert("ReduceMax", reduce::build);
    register.insert("ReduceMin", reduce::build);
    register.insert("ReverseSequence", reverse_sequence::build);
    register.insert("RNN", recurrent::build);
    register.insert("RoiAlign", bilinear::build_regions);
    register.insert("Scaler", scaler::build);
    register.insert("Scan", scan::build);
    register.insert("Softmax", halves::build);
    register.insert("SoftmaxCrossEntropyLoss", losses::build);
    register.insert("Softplus", activations::build_curve);
    register.insert("SpaceToDepthInRows", reordered::build_space_to_depth);
    register.insert("StringConcat", texts::build_concat);
    register.insert("StringNormalizer", texts::build_normalizer);
    register.insert("StringSplit", texts::build_split);
    register.insert("SVMClassifier", svm::build_classifier);
    register.insert("SVMRegressor", svm::build_regressor);
    register.insert("SwiGLU", activations::build_swiglu);
    register.insert("Swish", activations::build_curve);
    register.insert("TensorScatter", tensor_scatter::build);
    register.insert("TfIdfVectorizer", tf_idf_vectorizer::build);
    register.insert("TreeEnsemble", trees::build_ensemble);
    register.insert("TreeEnsembleClassifier", trees::build_classifier);
    register.insert("TreeEnsembleRegressor", trees::build_regressor);
    register.insert("Unique", unique::build);
    register.insert("Upsample", lowering::build_upsample);
    framework
}
