//! What travels over MQTT. Fields may be added; a reader ignores those it does not know.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    cbor::{self, CborError},
    names::{ModelRef, TargetName},
    statistics::{FeatureStatistics, LabelStatistics, LatencyHistogram, OutputStatistics},
    tensor::Tensor,
    topic::Channel,
    update::UpdateReport,
};

/// The protocol's major version. A peer with a larger one is refused.
pub const MAJOR: u16 = 1;

/// Largest message that is read or written, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;

/// Why a message cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The sender speaks a later major version.
    #[error("the sender speaks protocol version {found}, this program up to {MAJOR}; upgrade this program")]
    Newer {
        /// The sender's version.
        found: u16,
    },
    /// More bytes than anyone reads.
    #[error("{kind} message of {length} bytes is larger than the {MAX_BYTES} that are read")]
    TooLarge {
        /// The channel's name.
        kind: &'static str,
        /// Bytes it would have.
        length: usize,
    },
    /// Not readable.
    #[error("{kind} message cannot be read")]
    Unreadable {
        /// The channel's name.
        kind: &'static str,
        /// The decoder's reason.
        source: CborError,
    },
}

/// A message of one channel.
pub trait Message: Serialize + DeserializeOwned {
    /// The channel it travels on.
    const CHANNEL: Channel;

    /// Writes the message, refusing one of more than [`MAX_BYTES`], which nobody would read.
    fn encode(&self) -> Result<Vec<u8>, MessageError> {
        let bytes = cbor::to_vec(&Versioned { v: MAJOR, body: self }).map_err(Self::unreadable)?;
        match bytes.len() {
            length if length > MAX_BYTES => {
                Err(MessageError::TooLarge { kind: Self::CHANNEL.as_str(), length })
            }
            _ => Ok(bytes),
        }
    }

    /// Reads a message of at most [`MAX_BYTES`], refusing newer major versions before looking further.
    fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let head: Head = cbor::from_slice(bytes, MAX_BYTES).map_err(Self::unreadable)?;
        if head.v > MAJOR {
            return Err(MessageError::Newer { found: head.v });
        }
        cbor::from_slice::<Body<Self>>(bytes, MAX_BYTES).map(|read| read.body).map_err(Self::unreadable)
    }

    /// Wraps a decoder's reason.
    fn unreadable(source: CborError) -> MessageError {
        MessageError::Unreadable { kind: Self::CHANNEL.as_str(), source }
    }
}

#[derive(Serialize)]
struct Versioned<'a, T> {
    v: u16,
    body: &'a T,
}

#[derive(Deserialize)]
struct Head {
    v: u16,
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Body<T> {
    body: T,
}

macro_rules! messages {
    ($($type:ident => $channel:ident),* $(,)?) => {
        $(impl Message for $type { const CHANNEL: Channel = Channel::$channel; })*
    };
}

messages!(State => State, Desired => Desired, Window => Window, Event => Event, Sample => Sample,
          Command => Command, Reply => Reply);

/// Identity of a record within its device: the store keeps one record per `(device, boot, sequence)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecordId {
    /// Drawn at random at each start of the agent, below 2^53.
    pub boot: u64,
    /// Counts from 0 within a boot.
    pub sequence: u64,
}

/// How far the device's clock can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockQuality {
    /// Set from the network or a clock chip.
    Synchronised,
    /// Not known to be right.
    Unknown,
    /// Before the time floor: certainly wrong.
    Wrong,
}

/// What a device runs. Retained; the last will is the same topic with `online` false and nothing of what changes
/// while a connection lasts: a reader takes only `online` from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// False in the last will and before a clean goodbye.
    pub online: bool,
    /// The boot that speaks. A will of an earlier boot does not overwrite a later one's state.
    pub boot: u64,
    /// The agent's version.
    pub agent: String,
    /// When this was written, in milliseconds since 1970 by the device's clock; 0 in a last will.
    pub at_ms: i64,
    /// How far that clock can be believed.
    pub clock: ClockQuality,
    /// Latest generation of desired state that was read.
    pub generation: u64,
    /// Models that answer now.
    #[serde(default)]
    pub serving: Vec<Serving>,
    /// Updates, one per model name: the running one, or the latest that ended.
    #[serde(default)]
    pub updates: Vec<UpdateReport>,
    /// The spool of records not yet acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spool: Option<SpoolReport>,
    /// The board itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<SystemReport>,
    /// What people should know about how it runs: `no-clock`, `simulated`, `read-only-root`, …
    #[serde(default)]
    pub modes: Vec<String>,
}

/// A model that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serving {
    /// Which one.
    pub model: ModelRef,
    /// Since when, in milliseconds since 1970 by the device's clock.
    pub since_ms: i64,
    /// False while its golden vectors come from no other runtime ("numbers not compared").
    pub compared: bool,
    /// The model that would answer if this one were taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<ModelRef>,
}

/// The device's queue of unacknowledged records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolReport {
    /// Records kept.
    pub records: u64,
    /// Bytes kept.
    pub bytes: u64,
    /// Bytes allowed.
    pub limit_bytes: u64,
    /// Records that had to be merged or dropped since enrolment.
    pub dropped: u64,
}

/// The board itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SystemReport {
    /// Share of all processors in use, 0 to 1.
    pub cpu: f32,
    /// Memory of the whole board in use, bytes.
    pub memory_used_bytes: u64,
    /// Memory of the whole board, bytes.
    pub memory_total_bytes: u64,
    /// Resident memory of the agent, bytes.
    pub agent_bytes: u64,
    /// Free space where the agent keeps its data, bytes.
    pub disk_free_bytes: u64,
    /// Hottest sensor, degrees Celsius.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<f32>,
    /// Seconds since the board started.
    pub uptime_seconds: u64,
    /// Processor architecture, for example `aarch64`.
    pub architecture: String,
    /// Operating system and version.
    pub system: String,
}

/// What a device should run. Retained; an older generation than the last read one is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Counts up with each change for this device.
    pub generation: u64,
    /// When the server wrote it, in milliseconds since 1970.
    pub at_ms: i64,
    /// Models to serve, at most one version per name.
    pub models: Vec<DesiredModel>,
}

/// One model a device should serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredModel {
    /// The signed target to fetch it from; names model and version.
    pub target: TargetName,
    /// The rollout that asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
    /// True to try a version again that this device failed or took back before.
    #[serde(default)]
    pub again: bool,
}

/// Statistics of one closed window of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Identity of the record.
    pub record: RecordId,
    /// The model that answered.
    pub model: ModelRef,
    /// Start, in milliseconds since 1970 by the device's clock.
    pub start_ms: i64,
    /// Length in milliseconds; longer than the configured window where windows were merged.
    pub duration_ms: u64,
    /// How many closed windows are merged in this one; 1 for a plain window.
    pub merged: u32,
    /// How far the clock could be believed.
    pub clock: ClockQuality,
    /// Inferences that gave an answer.
    pub inferences: u64,
    /// Inferences that failed.
    pub failures: u64,
    /// One entry per feature, in the order of [`crate::spec::ModelSpec::features`].
    pub inputs: Vec<FeatureStatistics>,
    /// What was answered.
    pub outputs: OutputStatistics,
    /// Time per inference.
    pub latency: LatencyHistogram,
    /// Answers whose truth is known.
    pub labels: LabelStatistics,
}

/// Something that happened on a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Identity of the record.
    pub record: RecordId,
    /// When, in milliseconds since 1970 by the device's clock.
    pub at_ms: i64,
    /// A stable word to filter by: `boot`, `update`, `model-failed`, `source-failed`, `records-dropped`, …
    pub code: String,
    /// How much it matters.
    pub severity: Severity,
    /// One sentence for people.
    pub message: String,
    /// The update it tells of, for `update`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<UpdateReport>,
}

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A change of state.
    Info,
    /// Carried on, worse.
    Warning,
    /// Someone must act.
    Error,
}

/// One captured input with its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Identity of the record.
    pub record: RecordId,
    /// When, in milliseconds since 1970 by the device's clock.
    pub at_ms: i64,
    /// Inference id, to join late labels by.
    pub inference: String,
    /// The model that answered.
    pub model: ModelRef,
    /// Why it was kept: `random`, `novel`, `uncertain`, …
    pub why: String,
    /// The input tensors of one row.
    pub inputs: Vec<Tensor>,
    /// The output tensors of one row.
    pub outputs: Vec<Tensor>,
    /// The true answer, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// A question to a device, sent with an MQTT 5 response topic and correlation data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// What is asked: `ping`, `report` (close the window, report now).
    pub name: String,
    /// Further values.
    #[serde(default)]
    pub arguments: BTreeMap<String, String>,
}

/// The answer to a [`Command`], published to its response topic with its correlation data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Whether it was done.
    pub ok: bool,
    /// One sentence for people.
    pub message: String,
    /// Further values.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
}
