//! A device's place in a rollout: computed, never stored.

use std::collections::BTreeSet;

use dunlin_protocol::DeviceId;
use ring::digest;

use crate::waves::Wave;

/// The device's place in [0, 1): the first 53 bits of SHA-256 over the rollout's id, a zero byte and the name.
/// Other rollouts give other places, so that the same devices are not always first.
pub fn place(rollout: &str, device: &DeviceId) -> f64 {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(rollout.as_bytes());
    context.update(&[0]);
    context.update(device.as_str().as_bytes());
    let hash = context.finish();
    let head = hash.as_ref().iter().take(8).fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
    (head >> 11) as f64 / (1_u64 << 53) as f64
}

/// The devices in order of their places.
pub fn in_order<'a>(rollout: &str, devices: impl IntoIterator<Item = &'a DeviceId>) -> Vec<&'a DeviceId> {
    let mut placed: Vec<_> = devices.into_iter().map(|device| (place(rollout, device), device)).collect();
    placed.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(b.1)));
    placed.into_iter().map(|(_, device)| device).collect()
}

/// How many of `devices` a wave allows: its percentage rounded down, but not fewer than `min_devices`.
pub fn allowed(wave: &Wave, devices: usize) -> usize {
    // The small addition undoes a product such as 0.29 * 100 = 28.999….
    let share = (wave.percent / 100.0 * devices as f64 + 1e-9).floor() as usize;
    share.max(wave.min_devices.max(1) as usize).min(devices)
}

/// The devices of a wave: the first ones by place. By rank and not by `place < percent`, because on 24 devices
/// the latter gives anything between none and six for 10 %.
pub fn members<'a>(
    rollout: &str,
    wave: &Wave,
    devices: impl IntoIterator<Item = &'a DeviceId>,
) -> BTreeSet<&'a DeviceId> {
    let ordered = in_order(rollout, devices);
    let allowed = allowed(wave, ordered.len());
    ordered.into_iter().take(allowed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_spread_evenly_and_differ_between_rollouts() {
        let devices: Vec<DeviceId> = (0..4000).map(|k| format!("d{k}").parse().unwrap()).collect();
        let low = devices.iter().filter(|device| place("r1", device) < 0.1).count();
        assert!((320..=480).contains(&low), "{low} of 4000 in the first tenth");
        let both = devices.iter().filter(|d| place("r1", d) < 0.1 && place("r2", d) < 0.1).count();
        assert!(both < 80, "{both} devices are first twice");
        assert!(devices.iter().all(|device| (0.0..1.0).contains(&place("r1", device))));
    }
}
