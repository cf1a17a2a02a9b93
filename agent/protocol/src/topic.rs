//! MQTT topics, spelled in this one place.

use std::fmt;

use crate::names::{DeviceId, NameError};

/// Root of every topic, with the protocol's major version in it.
pub const ROOT: &str = "dunlin/v1";

/// The shared-subscription group that fleet servers read through (MQTT 5, section 4.8.2).
pub const SHARE_GROUP: &str = "fleet";

/// What a device's topic is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Retained report of what the device runs; its last will says offline. Device to server.
    State,
    /// Retained intent: what the device should run. Server to device.
    Desired,
    /// Statistics of one closed window. Device to server.
    Window,
    /// Something that happened. Device to server.
    Event,
    /// One captured input with its output. Device to server.
    Sample,
    /// A question with an MQTT 5 response topic. Server to device.
    Command,
    /// The answer to a command. Device to server.
    Reply,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Channel; 7] = [
        Channel::State,
        Channel::Desired,
        Channel::Window,
        Channel::Event,
        Channel::Sample,
        Channel::Command,
        Channel::Reply,
    ];

    /// The topic's last level.
    pub fn as_str(self) -> &'static str {
        match self {
            Channel::State => "state",
            Channel::Desired => "desired",
            Channel::Window => "window",
            Channel::Event => "event",
            Channel::Sample => "sample",
            Channel::Command => "command",
            Channel::Reply => "reply",
        }
    }

    /// True where the device publishes, false where it only subscribes.
    pub fn is_from_device(self) -> bool {
        !matches!(self, Channel::Desired | Channel::Command)
    }

    /// The topic of this channel of one device.
    pub fn of(self, device: &DeviceId) -> String {
        format!("{ROOT}/{device}/{}", self.as_str())
    }

    /// The filter that servers share among themselves: `$share/fleet/dunlin/v1/+/…`.
    pub fn shared_filter(self) -> String {
        format!("$share/{SHARE_GROUP}/{ROOT}/+/{}", self.as_str())
    }

    /// The filter that sees this channel of every device.
    pub fn filter(self) -> String {
        format!("{ROOT}/+/{}", self.as_str())
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a topic is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// The topic is not `dunlin/v1/<device>/<channel>`.
    #[error("topic {0:?} is not of the form dunlin/v1/<device>/<channel>")]
    Shape(String),
    /// The device level is not a device name.
    #[error("topic names no device")]
    Device(#[from] NameError),
}

/// Reads a topic back into the device and the channel it belongs to.
pub fn parse(topic: &str) -> Result<(DeviceId, Channel), TopicError> {
    let shape = || TopicError::Shape(topic.chars().take(120).collect());
    let rest = topic.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix('/')).ok_or_else(shape)?;
    let (device, level) = rest.split_once('/').ok_or_else(shape)?;
    let channel = Channel::ALL.into_iter().find(|channel| channel.as_str() == level).ok_or_else(shape)?;
    Ok((device.parse()?, channel))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_reads_back() {
        let device: DeviceId = "station-07".parse().unwrap();
        for channel in Channel::ALL {
            assert_eq!(parse(&channel.of(&device)).unwrap(), (device.clone(), channel));
        }
        assert_eq!(Channel::Window.shared_filter(), "$share/fleet/dunlin/v1/+/window");
    }

    #[test]
    fn a_topic_of_another_shape_is_refused() {
        for bad in
            ["", "dunlin/v1", "dunlin/v1/a", "dunlin/v2/a/state", "dunlin/v1/a/state/x", "dunlin/v1/+/state"]
        {
            assert!(parse(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
