//! One device or all? What a feature's verdicts say over the fleet.

use dunlin_protocol::DeviceId;
use serde::{Deserialize, Serialize};

use crate::{
    assess::{Assessment, Verdict},
    fault::Fault,
    policy::Policy,
};

/// What holds for one feature on one device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceVerdict {
    /// The device.
    pub device: DeviceId,
    /// What holds now.
    pub assessment: Assessment,
    /// Since when, in milliseconds since 1970.
    pub since_ms: Option<i64>,
}

/// One feature over the fleet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FleetFinding {
    /// The feature's name.
    pub feature: String,
    /// The weightiest thing to say; a fault here stands for one or more devices with broken sensors.
    pub verdict: Verdict,
    /// Devices that drift.
    pub drifting: Vec<DeviceId>,
    /// Devices that differ a little.
    pub noticed: Vec<DeviceId>,
    /// Devices with a broken sensor.
    pub faulty: Vec<(DeviceId, Fault)>,
    /// Devices with enough values to say anything.
    pub seen: usize,
    /// Since when the first of the concerned devices is concerned, in milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// What is said of drift alone, where there is any.
    pub drift: Option<String>,
    /// All that there is to say, for people; empty when there is nothing.
    pub sentence: String,
}

/// Puts a feature's device verdicts together. A device that differs alone, among enough others that do not, has
/// a sensor fault before it has drift. Times in the sentence are UTC.
pub fn fleet(feature: &str, devices: &[DeviceVerdict], policy: &Policy, now_ms: i64) -> FleetFinding {
    let of = |wanted: fn(&Verdict) -> bool| -> Vec<&DeviceVerdict> {
        devices.iter().filter(|device| wanted(&device.assessment.verdict)).collect()
    };
    let seen = of(|verdict| !matches!(verdict, Verdict::TooFew)).len();
    let mut drifting = of(|verdict| matches!(verdict, Verdict::Drift));
    let noticed = of(|verdict| matches!(verdict, Verdict::Notice));
    let mut faulty: Vec<(&DeviceVerdict, Fault)> = devices
        .iter()
        .filter_map(|device| match &device.assessment.verdict {
            Verdict::SensorFault { fault } => Some((device, fault.clone())),
            _ => None,
        })
        .collect();
    if let ([alone], true) = (drifting.as_slice(), noticed.is_empty() && seen >= policy.min_devices) {
        faulty.push((alone, Fault::Alone));
        drifting.clear();
    }
    let earliest =
        |devices: &mut dyn Iterator<Item = &DeviceVerdict>| devices.filter_map(|d| d.since_ms).min();
    let drift_since = earliest(&mut drifting.iter().copied());
    let fault_since = earliest(&mut faulty.iter().map(|(device, _)| *device));
    let (verdict, since_ms) = match (drifting.first(), faulty.first(), noticed.first()) {
        (Some(_), ..) => (Verdict::Drift, drift_since),
        (None, Some((_, fault)), _) => (Verdict::SensorFault { fault: fault.clone() }, fault_since),
        (None, None, Some(_)) => (Verdict::Notice, earliest(&mut noticed.iter().copied())),
        _ if seen == 0 => (Verdict::TooFew, None),
        _ => (Verdict::Ok, None),
    };
    let drift = (!drifting.is_empty()).then(|| {
        let count = drifting.len();
        let others = match noticed.len() {
            0 if seen > count + faulty.len() => "; the others agree with the reference".to_owned(),
            0 => String::new(),
            1 => "; 1 more differs a little".to_owned(),
            more => format!("; {more} more differ a little"),
        };
        format!("{feature} drifts on {count} of {}{}{others}", stations(seen), since(drift_since, now_ms))
    });
    let broken = faulty.first().map(|(device, fault)| {
        let (since, what) = (since(fault_since, now_ms), fault.sentence());
        match faulty.len() {
            1 => format!("sensor fault on {}{since}: {feature} {what}", device.device),
            count => format!(
                "sensor fault on {}{since}: {feature} {what} on {}, for example",
                stations(count),
                device.device
            ),
        }
    });
    let sentences: Vec<String> = drift.iter().cloned().chain(broken).collect();
    let names = |devices: &[&DeviceVerdict]| devices.iter().map(|device| device.device.clone()).collect();
    FleetFinding {
        feature: feature.to_owned(),
        verdict,
        drifting: names(&drifting),
        noticed: names(&noticed),
        faulty: faulty.iter().map(|(device, fault)| (device.device.clone(), fault.clone())).collect(),
        seen,
        since_ms,
        drift,
        sentence: sentences.join(". "),
    }
}

fn stations(count: usize) -> String {
    if count == 1 { "1 device".to_owned() } else { format!("{count} devices") }
}

/// ` since 14:02 UTC`, with the date when that is more than a day ago; nothing when it is not known.
fn since(since_ms: Option<i64>, now_ms: i64) -> String {
    let Some(at) = since_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()) else {
        return String::new();
    };
    let day_ms = 24 * 3600 * 1000;
    let shape =
        if now_ms.saturating_sub(at.as_millisecond()).abs() < day_ms { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    format!(" since {} UTC", at.strftime(shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn verdicts(list: &[(usize, Verdict)]) -> Vec<DeviceVerdict> {
        let mut devices = Vec::new();
        for (count, verdict) in list {
            for _ in 0..*count {
                let assessment = Assessment {
                    feature: "dew_point".into(),
                    verdict: verdict.clone(),
                    psi: Some(0.5),
                    limit: Some(0.2),
                    p_value: 0.0,
                    n: 300,
                    effective_n: 300.0,
                    missing_share: 0.0,
                    mean: None,
                    reference_mean: None,
                };
                let device = format!("station-{:02}", devices.len()).parse().unwrap();
                devices.push(DeviceVerdict { device, assessment, since_ms: Some(NOW - 600_000) });
            }
        }
        devices
    }

    fn sentence(list: &[(usize, Verdict)]) -> String {
        fleet("dew_point", &verdicts(list), &Policy::default(), NOW).sentence
    }

    #[test]
    fn drift_on_several_devices_is_said_with_how_many_and_since_when() {
        assert_eq!(
            sentence(&[(6, Verdict::Drift), (18, Verdict::Ok)]),
            "dew_point drifts on 6 of 24 devices since 22:03 UTC; the others agree with the reference"
        );
        assert_eq!(
            sentence(&[(4, Verdict::Drift), (9, Verdict::TooFew)]),
            "dew_point drifts on 4 of 4 devices since 22:03 UTC"
        );
        assert_eq!(
            sentence(&[(2, Verdict::Drift), (3, Verdict::Notice), (9, Verdict::Ok)]),
            "dew_point drifts on 2 of 14 devices since 22:03 UTC; 3 more differ a little"
        );
        assert_eq!(sentence(&[(24, Verdict::Ok)]), "");
    }

    #[test]
    fn one_device_alone_has_a_sensor_fault_before_it_has_drift() {
        let finding =
            fleet("p", &verdicts(&[(1, Verdict::Drift), (9, Verdict::Ok)]), &Policy::default(), NOW);
        assert_eq!(finding.verdict, Verdict::SensorFault { fault: Fault::Alone });
        assert!(finding.drifting.is_empty());
        assert_eq!(
            finding.sentence,
            "sensor fault on station-00 since 22:03 UTC: p differs from the reference here and on no other device"
        );
        let small = fleet("p", &verdicts(&[(1, Verdict::Drift), (1, Verdict::Ok)]), &Policy::default(), NOW);
        assert_eq!(small.verdict, Verdict::Drift);
    }

    #[test]
    fn faults_are_named_beside_drift() {
        let stuck = Verdict::SensorFault { fault: Fault::Stuck { readings: 90 } };
        let both = verdicts(&[(1, stuck.clone()), (2, Verdict::Drift), (5, Verdict::Ok)]);
        let both = fleet("dew_point", &both, &Policy::default(), NOW);
        let drift = "dew_point drifts on 2 of 8 devices since 22:03 UTC; the others agree with the reference";
        assert_eq!(both.drift.as_deref(), Some(drift));
        assert_eq!(
            both.sentence,
            format!(
                "{drift}. sensor fault on station-00 since 22:03 UTC: dew_point is stuck: 90 equal readings in a row"
            )
        );
        assert_eq!(
            sentence(&[(2, stuck), (5, Verdict::Ok)]),
            "sensor fault on 2 devices since 22:03 UTC: dew_point is stuck: 90 equal readings in a row on station-00, for example"
        );
    }
}
