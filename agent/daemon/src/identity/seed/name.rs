//! The device's name, from what tells one board from another.

use std::{fs, path::Path};

use anyhow::Context as _;
use dunlin_protocol::{DeviceId, names::MAX_NAME};

/// Names that images give to every board.
const DEFAULT_HOSTS: [&str; 14] = [
    "raspberrypi",
    "localhost",
    "debian",
    "raspbian",
    "ubuntu",
    "dietpi",
    "armbian",
    "beaglebone",
    "orangepi",
    "fedora",
    "archlinux",
    "alarm",
    "buildroot",
    "linux",
];

/// What tells a board from others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traits {
    /// The host's name.
    pub host: Option<String>,
    /// The board's serial number.
    pub serial: Option<String>,
    /// Hardware address of the first physical interface, twelve hex digits.
    pub mac: Option<String>,
}

impl Traits {
    /// Reads them below `root`, which is `/` on a board.
    pub fn read(root: &Path, host: Option<String>) -> Self {
        Self { host, serial: serial(root), mac: mac(root) }
    }
}

fn serial(root: &Path) -> Option<String> {
    let tree = fs::read_to_string(root.join("proc/device-tree/serial-number")).ok();
    let from_tree = tree.map(|text| text.trim_matches(['\0', '\n', ' ']).to_owned());
    let from_processor = || {
        let text = fs::read_to_string(root.join("proc/cpuinfo")).ok()?;
        let line = text.lines().find(|line| line.starts_with("Serial"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    // A board without a number says so with zeros.
    let real = |serial: &String| serial.bytes().any(|byte| byte.is_ascii_alphanumeric() && byte != b'0');
    from_tree.filter(real).or_else(|| from_processor().filter(real))
}

/// Of interfaces that are hardware the first by name: Ethernet (`en…`, `eth…`) comes before Wi-Fi (`wl…`).
fn mac(root: &Path) -> Option<String> {
    let interfaces = fs::read_dir(root.join("sys/class/net")).ok()?.flatten();
    let mut hardware: Vec<_> =
        interfaces.map(|entry| entry.path()).filter(|path| path.join("device").exists()).collect();
    hardware.sort();
    let addresses = hardware.iter().filter_map(|path| fs::read_to_string(path.join("address")).ok());
    let mut digits = addresses.map(|text| text.chars().filter(char::is_ascii_hexdigit).collect::<String>());
    digits.find(|mac| mac.len() == 12 && mac.bytes().any(|digit| digit != b'0'))
}

/// The name of a board. `wish` may hold `{host}`, `{serial}` and `{mac}`; without it the host's name counts, unless
/// every board has that one, then its serial number, then its hardware address.
///
/// # Errors
/// If a board lacks what is asked for, or nothing tells it from others.
pub fn device(wish: Option<&str>, traits: &Traits) -> anyhow::Result<DeviceId> {
    let text = match wish {
        Some(wish) => fill(wish, traits)?,
        None => by_default(traits)?,
    };
    let fits = allowed(&text);
    fits.parse().with_context(|| format!("{text:?} cannot be a device's name; set device in the seed"))
}

fn fill(wish: &str, traits: &Traits) -> anyhow::Result<String> {
    let mut text = wish.to_owned();
    for (hole, value) in [("{host}", &traits.host), ("{serial}", &traits.serial), ("{mac}", &traits.mac)] {
        if text.contains(hole) {
            let value = value.as_ref().with_context(|| {
                format!("device = {wish:?}: this board has no {hole}; name it by another, of {{host}}, {{serial}}, {{mac}}")
            })?;
            text = text.replace(hole, value);
        }
    }
    anyhow::ensure!(
        !text.contains(['{', '}']),
        "device = {wish:?}: only {{host}}, {{serial}} and {{mac}} are known there"
    );
    Ok(text)
}

fn by_default(traits: &Traits) -> anyhow::Result<String> {
    let own = |host: &&String| {
        let first = host.split('.').next().unwrap_or_default();
        !first.is_empty() && !DEFAULT_HOSTS.iter().any(|name| first.eq_ignore_ascii_case(name))
    };
    let host = traits.host.as_ref().filter(own).cloned();
    let number = || traits.serial.as_ref().or(traits.mac.as_ref()).map(|number| format!("dunlin-{number}"));
    host.or_else(number).context(
        "nothing tells this board from others: it has an image's host name, no serial number and no interface; \
         set device in the seed",
    )
}

/// The text with all that a name cannot hold replaced, and cut to the length of one.
fn allowed(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' });
    let name: String = plain.skip_while(|c| !c.is_ascii_alphanumeric()).take(MAX_NAME).collect();
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::tests::tree;

    #[test]
    fn a_board_is_told_from_others_by_files() {
        let root = tree(&[
            ("proc/device-tree/serial-number", "10000000a1b2c3d4\0"),
            ("proc/cpuinfo", "Hardware : BCM2835\nSerial\t\t: 00000000deadbeef\n"),
            ("sys/class/net/lo/address", "00:00:00:00:00:00\n"),
            ("sys/class/net/docker0/address", "02:42:00:00:00:01\n"),
            ("sys/class/net/wlan0/device/x", ""),
            ("sys/class/net/wlan0/address", "dc:a6:32:00:00:02\n"),
            ("sys/class/net/eth0/device/x", ""),
            ("sys/class/net/eth0/address", "dc:a6:32:00:00:01\n"),
        ]);
        let traits = Traits::read(root.path(), None);
        assert_eq!(traits.serial.as_deref(), Some("10000000a1b2c3d4"));
        assert_eq!(traits.mac.as_deref(), Some("dca632000001"));
        fs::remove_dir_all(root.path().join("proc/device-tree")).unwrap();
        assert_eq!(Traits::read(root.path(), None).serial.as_deref(), Some("00000000deadbeef"));
        fs::write(root.path().join("proc/cpuinfo"), "Serial : 0000000000000000\n").unwrap();
        assert_eq!(Traits::read(root.path(), None).serial, None);
        assert_eq!(Traits::read(tree(&[]).path(), None), Traits::default());
    }

    #[test]
    fn names_are_a_table() {
        let some = |text: &str| Some(text.to_owned());
        let (host, serial, mac) = (some("hall-4.lan"), some("00ab"), some("dca632000001"));
        let all = Traits { host, serial, mac };
        let image = Traits { host: some("RaspberryPi"), ..all.clone() };
        let no_serial = Traits { serial: None, host: some("localhost.localdomain"), ..all.clone() };
        let long = "x".repeat(80);
        let table = [
            (None, &all, some("hall-4.lan")),
            (None, &image, some("dunlin-00ab")),
            (None, &no_serial, some("dunlin-dca632000001")),
            (None, &Traits::default(), None),
            (Some("station-{serial}"), &all, some("station-00ab")),
            (Some("{mac}"), &all, some("dca632000001")),
            (Some("{host}"), &image, some("RaspberryPi")),
            (Some("{serial}"), &no_serial, None),
            (Some("{sreial}"), &all, None),
            (Some(" Hall 4/ü"), &all, some("Hall-4--")),
            (Some("---"), &all, None),
            (Some(&long), &all, some(&"x".repeat(64))),
        ];
        for (wish, traits, expected) in table {
            let found = device(wish, traits).ok().map(|device| device.to_string());
            assert_eq!(found, expected, "{wish:?} {traits:?}");
        }
    }
}
