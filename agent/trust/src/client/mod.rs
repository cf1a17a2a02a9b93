//! The device's side: refresh what is trusted, look up a target, download it.
//!
//! ```text
//! refresh:  root chain → timestamp → snapshot → targets → delegated roles → Verified
//!           each accepted file is durable, and its floors raised, before the next is fetched
//! download: NAME.part (resumed) → length and hash → flush → rename to NAME
//! ```
//! Signatures, thresholds, pins and expiry are judged by `sigstore-tuf`'s [`TrustedMetadataSet`]; floors, clock,
//! store and network are ours. It does not retry: the caller knows when the next attempt makes sense.
//!
//! Modules: `refresh` (the client workflow), `resolve` (the delegation search), `verified` (what was proved),
//! `download`.

mod download;
mod refresh;
mod resolve;
mod verified;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use sigstore_tuf::TrustedMetadataSet;

pub use self::download::Source;
use self::resolve::{Step, step};
use self::verified::absent;
pub use self::verified::{TargetInfo, Verified};
use crate::clock;
use crate::error::{Error, Result};
use crate::store::TrustStore;
use crate::transport::Transport;

/// Limits on what a server may make the device do.
#[derive(Clone, Debug)]
pub struct Config {
    /// Largest `root.json`, bytes.
    pub root_bytes: u64,
    /// Largest `timestamp.json`, bytes.
    pub timestamp_bytes: u64,
    /// Largest `snapshot.json`, bytes.
    pub snapshot_bytes: u64,
    /// Largest targets file, top-level or delegated, bytes.
    pub targets_bytes: u64,
    /// Most root versions followed in one refresh.
    pub root_versions: u64,
    /// Most targets roles visited for one target.
    pub roles: usize,
    /// The clock is never believed before this time.
    pub not_before: Timestamp,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            root_bytes: 512_000,
            timestamp_bytes: 16_384,
            snapshot_bytes: 2_000_000,
            targets_bytes: 5_000_000,
            root_versions: 256,
            roles: 32,
            not_before: clock::build_time(),
        }
    }
}

/// A TUF client over one store and one server.
#[derive(Debug)]
pub struct Client {
    store: TrustStore,
    transport: Transport,
    config: Config,
    /// After a successful refresh: what it proved and when.
    current: Option<(TrustedMetadataSet, Timestamp)>,
}

impl Client {
    /// A client with the default limits.
    pub fn new(store: TrustStore, transport: Transport) -> Self {
        Self { store, transport, config: Config::default(), current: None }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_config(self, config: Config) -> Self {
        Self { config, ..self }
    }

    /// The store, for looking.
    pub fn store(&self) -> &TrustStore {
        &self.store
    }

    /// Brings all metadata up to date: the four top-level roles and every delegated role that can be reached.
    /// `now` is the device's clock; the time floor stands over it. A delegated role that cannot be used does not
    /// fail the refresh, see [`Verified::problems`].
    ///
    /// # Errors
    /// Every variant but `Usage` and `Key`; what was accepted before the failure stays accepted.
    pub async fn refresh(&mut self, now: Timestamp) -> Result<Verified> {
        self.refresh_top_level(now).await?;
        let problems = self.load_delegated().await?;
        let (set, now) = self.state()?;
        let set = Arc::new(set.clone());
        Ok(Verified { set, now: *now, problems, max_roles: self.config.roles })
    }

    /// Brings the four top-level roles up to date and leaves delegated roles for [`Client::find_target`].
    ///
    /// # Errors
    /// As [`Client::refresh`].
    pub async fn refresh_top_level(&mut self, now: Timestamp) -> Result<()> {
        self.current = None;
        let now = clock::effective(now, self.store.floors().time, self.config.not_before);
        let set = self.refresh_roles(now).await?;
        self.current = Some((set, now));
        Ok(())
    }

    /// Finds a target after a refresh, loading only the delegated roles on the way to it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no role lists it; [`Error::Usage`] without a refresh before; otherwise as
    /// [`Client::refresh`].
    pub async fn find_target(&mut self, name: &str) -> Result<TargetInfo> {
        loop {
            let (set, now) = self.state()?;
            match step(set, name, *now, self.config.roles)? {
                Step::Found { role, file } => return TargetInfo::new(name, role, &file, set),
                Step::Absent => return Err(absent(name)),
                Step::Load { role, delegator } => self.load_role(&role, &delegator).await?,
            }
        }
    }

    /// Loads delegated roles until none is left, or as many as one search may visit.
    async fn load_delegated(&mut self) -> Result<BTreeMap<String, String>> {
        let mut problems = BTreeMap::new();
        for _ in 0..self.config.roles {
            let skip = problems.keys().cloned().collect();
            let Some((role, delegator)) = resolve::next_unloaded(&self.state()?.0, &skip) else { break };
            match self.load_role(&role, &delegator).await {
                Ok(()) => {}
                Err(e @ (Error::Damaged { .. } | Error::Disk { .. })) => return Err(e),
                Err(e) => {
                    tracing::warn!(role = %role, error = %e, "delegated role left out");
                    problems.insert(role, e.to_string());
                }
            }
        }
        Ok(problems)
    }

    fn state(&self) -> Result<&(TrustedMetadataSet, Timestamp)> {
        self.current.as_ref().ok_or_else(|| Error::Usage {
            what: "target look-up".into(),
            reason: "nothing is verified yet; refresh first".into(),
        })
    }
}
