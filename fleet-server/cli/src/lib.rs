//! The dunlin command for operators.
