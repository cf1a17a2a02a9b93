//! What several pages share.

/// How something is to be felt at a glance. Every use also says it in words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// Nothing to say.
    #[default]
    Quiet,
    /// As it should be.
    Good,
    /// Worth knowing.
    Info,
    /// Carried on, worse.
    Warning,
    /// Someone must act.
    Bad,
}

/// A place to go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// What it says.
    pub text: String,
    /// Where it leads: a path of this server, beginning with `/`. Anything else is shown as text.
    pub href: String,
}

/// A button that asks the server to do something: a form that posts to `action` without any field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// What the button says.
    pub text: String,
    /// The path to post to, for example `/api/v1/rollouts/r1/resume`.
    pub action: String,
    /// What is asked before it is done; `None` does it at once. Needs script, so nothing may rest on it.
    pub confirm: Option<String>,
}

/// Something that waits for a person: a halted rollout, a candidate that could be signed, a broken sensor.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// How pressing it is; the page puts the most pressing first.
    pub tone: Tone,
    /// What it is, in a few words.
    pub title: String,
    /// One sentence why.
    pub detail: String,
    /// Since when.
    pub since_ms: Option<i64>,
    /// Where to look.
    pub link: Option<Link>,
    /// What can be done from here.
    pub commands: Vec<Command>,
}

/// A deployment on one device, in the words that people know (Mender's).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeploymentState {
    /// Not asked yet, or asked and not answered.
    #[default]
    Pending,
    /// Fetching the bundle.
    Downloading,
    /// Verifying, testing, activating, on probation.
    Installing,
    /// Serves the model.
    Success,
    /// Did not take the model, or took it back.
    Failure,
    /// Had it already.
    AlreadyInstalled,
    /// The rollout ended before it was this device's turn, or it went back.
    Aborted,
}

/// A model update as the device reports it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Update {
    /// The model it leads to, for example `rain-1.1.0`.
    pub model: String,
    /// The state's name in the protocol: `Downloading`, `Committed`, `RolledBack`, …
    pub state: String,
    /// When it entered that state, by the device's clock.
    pub since_ms: i64,
    /// Why it ended without the model being committed.
    pub reason: Option<String>,
    /// The rollout that asked for it, by id.
    pub rollout: Option<String>,
}

/// What the statistics of a feature say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Agrees with the reference.
    Ok,
    /// Differs a little.
    Notice,
    /// Differs.
    Drift,
    /// One device alone, stuck, silent or out of the physically possible range.
    SensorFault,
    /// Too few values to say.
    #[default]
    TooFew,
}

/// Something marked on a time axis: a rollout, a restart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Marker {
    /// When.
    pub at_ms: i64,
    /// What, in a few words.
    pub label: String,
}

/// One line over time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// What it is, for example `p99`.
    pub name: String,
    /// Rising times with their values; `None` is a gap, shown as one.
    pub points: Vec<(i64, Option<f64>)>,
}
