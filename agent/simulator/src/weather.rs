//! Networks that come and go.

use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How bad the network of a station is.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Share of the time without a network, 0 to 1.
    pub outage: f64,
    /// Mean length of an outage.
    pub mean_outage: Duration,
}

impl Weather {
    /// Mean time between outages; `None` where there are none.
    fn mean_calm(&self) -> Option<Duration> {
        let share = self.outage.clamp(0.0, 0.95);
        (share > 0.0).then(|| self.mean_outage.mul_f64((1.0 - share) / share))
    }

    /// Switches the network off and on until `stop`, from a seed of its own.
    pub async fn blow(self, seed: u64, network: watch::Sender<bool>, stop: CancellationToken) {
        let Some(calm) = self.mean_calm() else { return stop.cancelled().await };
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        loop {
            for (on, mean) in [(true, calm), (false, self.mean_outage)] {
                network.send_replace(on);
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(exponential(&mut random, mean)) => {}
                }
            }
        }
    }
}

/// A duration with an exponential distribution: outages have no memory. At most ten times the mean.
fn exponential(random: &mut Pcg64Mcg, mean: Duration) -> Duration {
    let uniform: f64 = random.random::<f64>().max(1e-9);
    mean.mul_f64((-uniform.ln()).min(10.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calm_and_outage_have_the_wanted_shares() {
        let weather = Weather { outage: 0.25, mean_outage: Duration::from_secs(10) };
        assert_eq!(weather.mean_calm(), Some(Duration::from_secs(30)));
        let mut random = Pcg64Mcg::seed_from_u64(1);
        let total: f64 =
            (0..20_000).map(|_| exponential(&mut random, Duration::from_secs(10)).as_secs_f64()).sum();
        assert!((total / 20_000.0 - 10.0).abs() < 0.3, "{total}");
    }

    #[tokio::test]
    async fn good_weather_leaves_the_network_alone() {
        let (network, seen) = watch::channel(true);
        let stop = CancellationToken::new();
        stop.cancel();
        Weather { outage: 0.0, mean_outage: Duration::from_secs(1) }.blow(1, network, stop).await;
        assert!(!seen.has_changed().unwrap_or(false) && *seen.borrow());
    }
}
