//! Element types that the engine lacks: bfloat16, the floats of eight and four bits, the integers of four and two.
//!
//! They are lifted before the engine sees the graph: a value of a narrow type is carried in the smallest type of the
//! engine that holds each of its values (floats in single precision, integers in eight bits) and rounded where ONNX
//! rounds. In reading order: `kind` says what the types are and rounds to them; `unpack` reads tensors of them; `lift`
//! follows them through the graph; `rules` says what each operator does with them. What there is no rule for is refused.
//!
//! The protocol has no names for them either: such an input or output is one of its carrier, and values of an input
//! that its type lacks are rounded (floats) or refused (integers).

mod kind;
mod lift;
pub(crate) mod nodes;
mod rules;
mod unpack;

pub use kind::{NarrowType, Rounding};
pub(crate) use lift::lift;
pub use unpack::unpack;

/// The operator that rounds to a narrow type: `Cast`'s attributes, and `strict` where a value that is none of the type
/// is an error.
pub(crate) const ROUND: &str = "CastToNarrow";
