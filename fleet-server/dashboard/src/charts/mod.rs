//! Pictures: values in, SVG out, each with a title, a description and the table of its values.
//!
//! No style attribute, so that the strict policy holds: geometry is in attributes, colour in classes
//! (`s0`…`s5` are the Okabe–Ito colours, `l0`…`l4` one hue from pale to dark). [`figure`] puts picture and table
//! together; [`scale`] maps values to pixels; then one chart a file.

pub mod bars;
mod figure;
pub mod heat;
pub mod ladder;
pub mod line;
mod scale;
pub mod spark;
pub mod stack;
