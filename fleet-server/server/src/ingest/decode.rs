//! Bytes from a device to a record that can be stored. Pure.

use dunlin_protocol::{
    Channel, Message, MessageError,
    message::{Event, Reply, Sample, State, Window},
};

/// A message of a device, read.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// What it runs.
    State(Box<State>),
    /// Statistics of one window.
    Window(Box<Window>),
    /// Something that happened.
    Event(Box<Event>),
    /// A captured input.
    Sample(Box<Sample>),
    /// An answer to a command.
    Reply(Reply),
}

/// Reads a payload of a channel. At most [`dunlin_protocol::message::MAX_BYTES`] are looked at.
///
/// # Errors
/// If it is no message of that channel, or of a newer major version.
pub fn decode(channel: Channel, payload: &[u8]) -> Result<Option<Record>, MessageError> {
    Ok(Some(match channel {
        Channel::State => Record::State(Box::new(State::decode(payload)?)),
        Channel::Window => Record::Window(Box::new(Window::decode(payload)?)),
        Channel::Event => Record::Event(Box::new(Event::decode(payload)?)),
        Channel::Sample => Record::Sample(Box::new(Sample::decode(payload)?)),
        Channel::Reply => Record::Reply(Reply::decode(payload)?),
        Channel::Desired | Channel::Command => return Ok(None),
    }))
}
