//! Enrolment without hands: an image is prepared once with a seed file, and each board that starts from it enrols
//! itself and erases the token.
//!
//! Models are served meanwhile: nothing here holds the agent up. A token is never shown, not in a log and not in an
//! error. Does not decide how often a token may be used: the server does.
//! Modules: [`file`] reads a seed and erases its token; [`name`] finds the device's name; [`task`] tries until the
//! device is enrolled.
//!
//! ```text
//! no seed ──file appears──► trying ──enrolled──► token erased, the end
//!                            │  ▲ └──no network, no time, server busy──► pause, longer each time
//!                            ▼  └──file changed──┐
//!                           refused for good ────┘
//! ```

pub mod file;
pub mod name;
pub mod task;

pub use file::{Seed, SeedError, look};
pub use task::{enrol_when_possible, forget_tokens};
