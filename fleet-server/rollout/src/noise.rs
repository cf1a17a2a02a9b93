//! Whether a difference between two groups is more than chance.
//!
//! Answers of one device resemble each other (its place, its season, its sensor), so counting them as
//! independent makes every difference look certain. The variance of a group's share is therefore the larger of
//! the binomial one and the one seen between devices (the ratio estimator of cluster sampling: Cochran,
//! "Sampling Techniques", 3rd ed., section 9). With a single device in a group, the other group lends its own.

/// What one device contributes: a sum over `n` answers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tally {
    /// Answers.
    pub n: f64,
    /// What was summed over them.
    pub sum: f64,
}

/// Two groups' means and how many standard errors lie between them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Mean of the devices with the new model.
    pub treated: f64,
    /// Mean of the control group.
    pub control: f64,
    /// `(treated − control) / standard error`; positive when the treated mean is larger.
    pub z: f64,
}

/// What kind of number is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Each answer adds between 0 and 1: an error, a confidence.
    Share,
    /// Each answer adds something unbounded: a squared error.
    Unbounded,
}

/// Compares the means; `None` while one of the groups has no answers, or nothing is known of the noise.
pub fn difference(treated: &[Tally], control: &[Tally], kind: Kind) -> Option<Difference> {
    let (t, c) = (Summary::of(treated)?, Summary::of(control)?);
    let between = [t.between, c.between]
        .into_iter()
        .flatten()
        .fold(None, |most: Option<f64>, v| Some(most.map_or(v, |m| m.max(v))));
    if kind == Kind::Unbounded && between.is_none() {
        return None;
    }
    // A share cannot vary more than p (1 − p); pooled, so that a group at 0 or 1 has noise too.
    let pooled = ((t.sum + c.sum) / (t.n + c.n)).clamp(0.0, 1.0);
    let variance = |group: &Summary| {
        let devices = between.unwrap_or(0.0) * group.weight;
        let within = if kind == Kind::Share { pooled * (1.0 - pooled) / group.n } else { 0.0 };
        devices.max(within)
    };
    let error = (variance(&t) + variance(&c)).sqrt();
    let gap = t.mean - c.mean;
    let z = if error > 0.0 {
        gap / error
    } else if gap == 0.0 {
        0.0
    } else {
        f64::INFINITY.copysign(gap)
    };
    Some(Difference { treated: t.mean, control: c.mean, z })
}

struct Summary {
    n: f64,
    sum: f64,
    mean: f64,
    /// Variance between the devices' own means; `None` with one device.
    between: Option<f64>,
    /// Σ n_i² / (Σ n_i)²: what a device's variance is divided by in the group's mean.
    weight: f64,
}

impl Summary {
    fn of(group: &[Tally]) -> Option<Self> {
        let (n, sum) = group.iter().fold((0.0, 0.0), |(n, sum), device| (n + device.n, sum + device.sum));
        if n <= 0.0 {
            return None;
        }
        let mean = sum / n;
        let devices = group.iter().filter(|device| device.n > 0.0);
        let (mut k, mut squares, mut weight) = (0.0, 0.0, 0.0);
        for device in devices {
            k += 1.0;
            squares += device.n * (device.sum / device.n - mean).powi(2);
            weight += (device.n / n).powi(2);
        }
        let between = (k > 1.0).then(|| squares / n * k / (k - 1.0));
        Some(Self { n, sum, mean, between, weight })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(devices: &[(f64, f64)]) -> Vec<Tally> {
        devices.iter().map(|(n, share)| Tally { n: *n, sum: n * share }).collect()
    }

    #[test]
    fn independent_answers_give_the_two_proportion_z() {
        let d = difference(&group(&[(500.0, 0.4)]), &group(&[(500.0, 0.3)]), Kind::Share).unwrap();
        // Pooled p = 0.35: 0.1 / sqrt(0.35 * 0.65 * 2 / 500) = 3.315.
        assert!((d.z - 3.315).abs() < 0.01, "{d:?}");
    }

    #[test]
    fn devices_that_differ_among_themselves_make_a_difference_less_certain() {
        let control = group(&[(500.0, 0.1), (500.0, 0.3), (500.0, 0.5), (500.0, 0.3)]);
        let d = difference(&group(&[(500.0, 0.5)]), &control, Kind::Share).unwrap();
        assert!(d.z > 0.0 && d.z < 3.0, "{d:?}");
        let inverted = difference(&group(&[(500.0, 0.95)]), &control, Kind::Share).unwrap();
        assert!(inverted.z > 3.0, "{inverted:?}");
    }

    #[test]
    fn without_answers_or_without_a_measure_of_noise_nothing_is_said() {
        assert_eq!(difference(&[], &group(&[(5.0, 0.1)]), Kind::Share), None);
        assert_eq!(difference(&group(&[(5.0, 9.0)]), &group(&[(5.0, 1.0)]), Kind::Unbounded), None);
    }
}
