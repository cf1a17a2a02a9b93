//! Run ONNX models and count what passes through.
