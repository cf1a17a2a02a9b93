//! From rows to an evaluated ONNX model with its preprocessing inside.
