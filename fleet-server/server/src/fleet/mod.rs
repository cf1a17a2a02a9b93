//! What each device should run: rollouts, the fleet's default, desired state.
//!
//! ```text
//! reports + windows ─► rollout::decide (pure) ─► next phase stored ─► desired state stored ─► published
//! ```
//! Every step is stored before the next begins, and all of them are repeated each second and at start, so that a
//! crash between any two is made good. A device that no rollout tells otherwise runs the champions: that is how one
//! that enrols later, or was off for a year, comes right.
//!
//! The room does not judge (`dunlin_rollout` does) and does not speak MQTT (`link` does).
//!
//! Reading order: [`device`] (a device as it is known), [`desired`], [`stored`] (rollouts in the
//! database), [`waves`], [`health`] (windows by group), [`orders`] (who should run what), [`driver`] (the turn),
//! [`handle`] (what people ask for).

pub mod desired;
pub mod device;
pub mod driver;
pub mod handle;
pub mod health;
pub mod orders;
pub mod stored;
pub mod waves;

pub use device::{Known, Status};
pub use handle::{Fleet, FleetError, Start};
pub use stored::StoredRollout;
