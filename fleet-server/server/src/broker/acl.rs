//! What a device may do over MQTT. A table without I/O; the device's name comes from its certificate.

use dunlin_protocol::{Channel, DeviceId, topic};

/// Whether `device` may publish on `topic`: its own channels that lead away from it.
pub fn may_publish(device: &DeviceId, topic: &str) -> Result<Channel, String> {
    match topic::parse(topic) {
        Ok((owner, channel)) if owner == *device && channel.is_from_device() => Ok(channel),
        Ok((owner, _)) if owner == *device => {
            Err(format!("publish on {topic}: only the server writes this channel"))
        }
        Ok((owner, _)) => Err(format!("publish on {topic}: that is the name of {owner}")),
        Err(error) => Err(format!("publish: {error}")),
    }
}

/// Whether `device` may subscribe to `filter`: whatever stands under its own name.
pub fn may_subscribe(device: &DeviceId, filter: &str) -> Result<(), String> {
    let own = format!("{}/{device}/", topic::ROOT);
    match filter.strip_prefix(&own) {
        Some("+" | "#") => Ok(()),
        Some(_) if topic::parse(filter).is_ok() => Ok(()),
        _ => Err(format!(
            "subscribe to {}: a device may read what is under {own} only",
            filter.chars().take(120).collect::<String>(),
        )),
    }
}

/// Whether `device` may leave a last will on `topic`: its own state only.
pub fn may_will(device: &DeviceId, topic: &str) -> Result<(), String> {
    match may_publish(device, topic) {
        Ok(Channel::State) => Ok(()),
        Ok(_) => Err(format!("last will on {topic}: a will may only say the device's state")),
        Err(reason) => Err(format!("last will, {reason}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_its_own_channels_and_no_others() {
        let me: DeviceId = "me".parse().unwrap();
        for channel in Channel::ALL {
            let own = channel.of(&me);
            assert_eq!(may_publish(&me, &own).is_ok(), channel.is_from_device(), "{own}");
            assert!(may_subscribe(&me, &own).is_ok(), "{own}");
            assert_eq!(may_will(&me, &own).is_ok(), channel == Channel::State, "{own}");
            let other = channel.of(&"other".parse().unwrap());
            assert!(may_publish(&me, &other).is_err() && may_subscribe(&me, &other).is_err());
            assert!(may_will(&me, &other).is_err());
            assert!(may_subscribe(&me, &channel.shared_filter()).is_err());
            assert!(may_subscribe(&me, &channel.filter()).is_err());
        }
        assert!(may_subscribe(&me, "dunlin/v1/me/+").is_ok() && may_subscribe(&me, "dunlin/v1/me/#").is_ok());
        for filter in [
            "#",
            "+/+/+/+",
            "dunlin/v1/#",
            "dunlin/v1/+/#",
            "dunlin/v1/men/#",
            "$SYS/#",
            "dunlin/v1/+/desired",
            "dunlin/v1/me",
            "dunlin/v1/me/",
            "dunlin/v1/me/+/+",
            "dunlin/v1/me/anything",
            "$share/g/dunlin/v1/me/#",
        ] {
            assert!(may_subscribe(&me, filter).is_err(), "{filter}");
        }
        for topic in ["$SYS/x", "anything", "dunlin/v1/me/state/x", "dunlin/v2/me/state"] {
            assert!(may_publish(&me, topic).is_err(), "{topic}");
        }
    }
}
