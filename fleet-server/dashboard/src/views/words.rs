//! The word and the tone of every state: one table.

use super::{
    AlertState, DeploymentState, DeviceStatus, JobState, RolloutPhase, Stage, Tone, Update, Verdict,
    WaveState,
};
use crate::words::{Markup, badge};

macro_rules! words {
    ($($type:ident { $($variant:ident => $word:literal $tone:ident),* $(,)? })*) => {
        $(impl $type {
            /// The word people read.
            pub fn word(self) -> &'static str { match self { $($type::$variant => $word),* } }
            /// How it is to be felt.
            pub fn tone(self) -> Tone { match self { $($type::$variant => Tone::$tone),* } }
            /// Word and tone as a badge.
            pub fn badge(self) -> Markup { badge(self.word(), self.tone()) }
        })*
    };
}

words! {
    DeviceStatus { Online => "online" Good, Stale => "stale" Warning, Offline => "offline" Bad,
                   Enrolled => "enrolled" Info, Revoked => "revoked" Quiet }
    DeploymentState { Pending => "pending" Quiet, Downloading => "downloading" Info,
                      Installing => "installing" Info, Success => "success" Good, Failure => "failure" Bad,
                      AlreadyInstalled => "already-installed" Good, Aborted => "aborted" Warning }
    Verdict { Ok => "ok" Good, Notice => "notice" Info, Drift => "drift" Bad,
              SensorFault => "sensor fault" Warning, TooFew => "too few values" Quiet }
    Stage { Candidate => "candidate" Info, Release => "release" Good, Rejected => "rejected" Bad }
    JobState { Queued => "queued" Quiet, Running => "running" Info, Done => "done" Good, Failed => "failed" Bad }
    RolloutPhase { Planned => "planned" Quiet, Running => "running" Info, Soaking => "soaking" Info,
                   Paused => "paused" Warning, RollingBack => "rolling back" Bad,
                   Succeeded => "succeeded" Good, RolledBack => "rolled back" Bad, Aborted => "aborted" Quiet }
    WaveState { Waiting => "waiting" Quiet, Running => "running" Info, Soaking => "soaking" Info,
                Passed => "passed" Good, Failed => "failed" Bad, Skipped => "skipped" Quiet }
    AlertState { Open => "open" Bad, Acknowledged => "acknowledged" Info, Closed => "closed" Quiet }
}

impl Tone {
    /// The class in the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Tone::Quiet => "quiet",
            Tone::Good => "good",
            Tone::Info => "info",
            Tone::Warning => "warning",
            Tone::Bad => "bad",
        }
    }
}

impl Update {
    /// The device's own word for the state, as a badge.
    pub fn badge(&self) -> Markup {
        let tone = match self.state.as_str() {
            "Committed" => Tone::Good,
            "RolledBack" | "Failed" => Tone::Bad,
            "Idle" => Tone::Quiet,
            _ => Tone::Info,
        };
        badge(&self.state, tone)
    }
}
