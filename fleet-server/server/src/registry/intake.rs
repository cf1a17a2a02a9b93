//! From bytes to a candidate: read, store, probe, remember.

use std::sync::Arc;

use bytes::Bytes;
use dunlin_protocol::{ModelRef, bundle};
use tokio::sync::Mutex;

use super::{
    Objects, Prober, RegistryError,
    release::Releases,
    rows::{self, ModelRow, Stage},
    wrap,
};
use crate::{clock::now_ms, storage::Store};

/// The models of this server. Clones share it.
#[derive(Clone)]
pub struct Registry {
    pub(super) store: Store,
    pub(super) objects: Objects,
    prober: Prober,
    pub(super) releases: Arc<Mutex<Releases>>,
}

impl Registry {
    /// Joins store, objects, judge and signed metadata.
    pub fn new(store: Store, objects: Objects, prober: Prober, releases: Releases) -> Self {
        Self { store, objects, prober, releases: Arc::new(Mutex::new(releases)) }
    }

    /// The files behind bundles and datasets.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// The judge.
    pub fn prober(&self) -> &Prober {
        &self.prober
    }

    /// Takes a bundle. The row's stage says whether the probe passed it; pushing the same bytes again changes
    /// nothing.
    ///
    /// # Errors
    /// [`RegistryError::Bundle`] for bytes that are none, [`RegistryError::Taken`] for a version that is here with
    /// other content.
    pub async fn push(&self, bytes: Bytes, origin: &str) -> Result<ModelRow, RegistryError> {
        let reading = bytes.clone();
        let bundle = tokio::task::spawn_blocking(move || bundle::read(&reading))
            .await
            .map_err(|error| RegistryError::Probe(error.to_string()))??;
        let model = bundle.model_ref().clone();
        let length = bytes.len() as u64;
        let sha256 = super::objects::sha256_hex(&bytes);
        if let Some(found) = self.find(&model).await?.filter(|found| found.stage != Stage::Rejected) {
            return same(found, &sha256);
        }
        let file = scratch(&bytes, ".dunlin").await?;
        let verdict = self.prober.probe(file.path(), None).await?;
        let stage = if verdict.ok { Stage::Candidate } else { Stage::Rejected };
        let sha256 = self.objects.put(bytes).await?;
        let row = ModelRow::new(&bundle, stage, verdict.report, (sha256, length), origin, now_ms());
        let stored = row.clone();
        if !self.store.write(move |db| rows::put(db, &stored)).await? {
            // Somebody else's push was judged meanwhile.
            return same(self.get(&model).await?, &row.sha256);
        }
        tracing::info!(model = %model, ?stage, "model probed");
        Ok(row)
    }

    /// Makes a bundle of a bare ONNX file and takes it.
    ///
    /// # Errors
    /// [`RegistryError::Onnx`] if agents cannot run it, otherwise as [`Registry::push`].
    pub async fn push_onnx(
        &self,
        model: ModelRef,
        onnx: Bytes,
        origin: &str,
    ) -> Result<ModelRow, RegistryError> {
        let file = scratch(&onnx, ".onnx").await?;
        let spec = self.prober.check(file.path()).await?;
        let bytes = wrap::wrap(model, spec, onnx.to_vec())?;
        self.push(bytes.into(), origin).await
    }

    /// One version.
    ///
    /// # Errors
    /// The store's.
    pub async fn find(&self, model: &ModelRef) -> Result<Option<ModelRow>, RegistryError> {
        let model = model.clone();
        Ok(self.store.read(move |db| rows::find(db, &model)).await?)
    }

    /// One version that must be there.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] if it is not.
    pub async fn get(&self, model: &ModelRef) -> Result<ModelRow, RegistryError> {
        self.find(model).await?.ok_or_else(|| RegistryError::Unknown(model.to_string()))
    }

    /// Every version, the newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self) -> Result<Vec<ModelRow>, RegistryError> {
        Ok(self.store.read(rows::list).await?)
    }

    /// What the fleet runs of this model, if it runs one.
    ///
    /// # Errors
    /// The store's.
    pub async fn champion(&self, name: &str) -> Result<Option<ModelRow>, RegistryError> {
        Ok(self.list().await?.into_iter().find(|row| row.champion && row.model.name.as_str() == name))
    }
}

/// Bytes as a file that lives as long as the handle, for a child process to read.
///
/// # Errors
/// [`RegistryError::Probe`] if the temporary folder cannot be written.
pub async fn scratch(bytes: &Bytes, suffix: &'static str) -> Result<tempfile::NamedTempFile, RegistryError> {
    let bytes = bytes.clone();
    let written = tokio::task::spawn_blocking(move || {
        let mut file = tempfile::Builder::new().prefix("dunlin-").suffix(suffix).tempfile()?;
        std::io::Write::write_all(&mut file, &bytes)?;
        Ok::<_, std::io::Error>(file)
    });
    match written.await {
        Ok(Ok(file)) => Ok(file),
        Ok(Err(error)) => Err(RegistryError::Probe(format!("no temporary file: {error}"))),
        Err(error) => Err(RegistryError::Probe(error.to_string())),
    }
}

/// The version that is here, if its content is the same.
fn same(found: ModelRow, sha256: &str) -> Result<ModelRow, RegistryError> {
    match found.sha256 == sha256 {
        true => Ok(found),
        false => Err(RegistryError::Taken { model: found.model.to_string(), found: found.sha256 }),
    }
}
