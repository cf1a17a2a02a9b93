//! Life under a service manager: where log lines go, that the agent is ready, what it is doing, and that it still is.
//!
//! All of it is silent where nobody listens: without systemd the agent runs the same. Does not restart anything by
//! itself; the manager does (`configs/systemd/dunlin-agent.service`).
//! Modules: [`logs`] chooses between journal and standard error; [`progress`] counts work that must end and says when
//! it does not; [`notify`] speaks to systemd.

pub mod logs;
pub mod notify;
pub mod progress;

pub use progress::Progress;
