//! One file per subcommand. Each reads its arguments, asks the server, and prints a table or JSON.

pub mod alert;
pub mod completions;
pub mod device;
pub mod drift;
pub mod key;
pub mod login;
pub mod login_link;
pub mod model;
pub mod rollout;
pub mod tap;
pub mod token;
pub mod train;

use std::path::PathBuf;

use serde_json::Value;

use crate::{client::Api, output, profile::Profile};

/// What every command shares: which profile, and for whom to print.
pub struct Session {
    /// The profile named on the command line.
    pub profile: Option<PathBuf>,
    /// True for JSON.
    pub json: bool,
}

impl Session {
    /// The profile of this session.
    pub fn profile(&self) -> anyhow::Result<Profile> {
        Profile::load(self.profile.as_deref())
    }

    /// The server of this session.
    pub fn api(&self) -> anyhow::Result<Api> {
        Api::new(&self.profile()?)
    }

    /// Prints `value` as JSON, or lets `people` print it.
    pub fn print(&self, value: &Value, people: impl FnOnce(&Value)) -> anyhow::Result<()> {
        if self.json {
            output::json(value)
        } else {
            people(value);
            Ok(())
        }
    }
}
