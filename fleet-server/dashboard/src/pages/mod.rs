//! One function a page: its values in, an HTML document out.
//!
//! The templates lie in `templates/`; texts are escaped there, and by [`crate::words`] inside pictures. What a
//! page says in its first line is put together here, as text. Modules in the order of the navigation.

mod alerts;
mod device;
mod drift;
mod fleet;
mod frame;
mod models;
mod rollouts;

pub use alerts::alerts;
pub use device::device;
pub use drift::{drift, drift_cell};
pub use fleet::fleet;
pub use frame::{error, login};
pub use models::{model, models};
pub use rollouts::{rollout, rollouts};

/// Writes a template. It fails only if a value's own text does; no value here does.
fn write(template: &impl askama::Template) -> String {
    template.render().unwrap_or_else(|error| format!("This page cannot be written: {error}"))
}

/// `1 device`, `2 devices`.
fn counted(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
