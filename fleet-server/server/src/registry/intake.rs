//! From bytes to a candidate: read, store, probe, remember.

use std::sync::Arc;

use bytes::Bytes;
use dunlin_protocol::{
    ModelRef,
    bundle::{self, golden::Golden},
    cbor,
    spec::ModelSpec,
};
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::sync::Mutex;

use super::{
    Board, Objects, Prober, RegistryError, boards,
    probe::{self, Verdict},
    release::Releases,
    rows::{self, ModelRow, Stage},
    wrap,
};
use crate::{clock::now_ms, storage::Store};

/// What somebody pushes.
#[derive(Debug, Clone)]
pub struct Upload {
    /// A bundle or a bare ONNX file.
    pub model: Bytes,
    /// What another runtime gave for some inputs: a table, or a request with its answer.
    pub golden: Option<Bytes>,
}

impl Upload {
    /// A bundle that brings its golden vectors, if it has any.
    pub fn bundle(model: Bytes) -> Self {
        Self { model, golden: None }
    }

    async fn golden_file(&self) -> Result<Option<NamedTempFile>, RegistryError> {
        match &self.golden {
            Some(bytes) => scratch(bytes, ".golden").await.map(Some),
            None => Ok(None),
        }
    }
}

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
    /// other content, [`RegistryError::Memory`] where one of the boards has not enough.
    pub async fn push(
        &self,
        mut upload: Upload,
        boards: &[Board],
        origin: &str,
    ) -> Result<ModelRow, RegistryError> {
        let reading = upload.model.clone();
        let mut bundle = tokio::task::spawn_blocking(move || bundle::read(&reading))
            .await
            .map_err(|error| RegistryError::Probe(error.to_string()))??;
        if upload.golden.is_some() {
            let (_, golden) = self.inspect(&upload, ".dunlin").await?;
            bundle.golden = golden;
            upload.model = bundle.write()?.into();
        }
        let (model, bytes) = (bundle.model_ref().clone(), upload.model);
        let length = bytes.len() as u64;
        let sha256 = super::objects::sha256_hex(&bytes);
        if let Some(found) = self.find(&model).await?.filter(|found| found.stage != Stage::Rejected) {
            return same(found, &sha256);
        }
        let file = scratch(&bytes, ".dunlin").await?;
        let verdict = self.prober.probe(file.path(), None).await?;
        let model_bytes = verdict.report.get("memory_bytes").and_then(Value::as_u64).unwrap_or_default();
        let devices = boards::too_small(boards, model_bytes);
        if verdict.ok && !devices.is_empty() {
            return Err(RegistryError::Memory { model_bytes, devices });
        }
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
    /// [`RegistryError::Onnx`] if agents cannot run it or its numbers are not those that are expected, otherwise as
    /// [`Registry::push`].
    pub async fn push_onnx(
        &self,
        model: ModelRef,
        upload: Upload,
        boards: &[Board],
        origin: &str,
    ) -> Result<ModelRow, RegistryError> {
        let (spec, golden) = self.inspect(&upload, ".onnx").await?;
        let bytes = wrap::wrap(model, spec, upload.model.to_vec(), golden)?;
        self.push(Upload::bundle(bytes.into()), boards, origin).await
    }

    /// What agents say of a bundle or a bare ONNX file, without keeping anything.
    ///
    /// # Errors
    /// [`RegistryError::Probe`] if that cannot be found out.
    pub async fn check(&self, upload: &Upload) -> Result<Verdict, RegistryError> {
        let file = scratch(&upload.model, ".model").await?;
        let golden = upload.golden_file().await?;
        self.prober.check(file.path(), golden.as_ref().map(NamedTempFile::path), None).await
    }

    /// What a model takes and gives, and what another runtime gave.
    async fn inspect(
        &self,
        upload: &Upload,
        suffix: &'static str,
    ) -> Result<(ModelSpec, Option<Golden>), RegistryError> {
        let file = scratch(&upload.model, suffix).await?;
        let Some(golden) = upload.golden_file().await? else {
            return Ok((probe::spec(self.prober.check(file.path(), None, None).await?)?, None));
        };
        let vectors = scratch(&Bytes::new(), ".cbor").await?;
        let verdict = self.prober.check(file.path(), Some(golden.path()), Some(vectors.path())).await?;
        let spec = probe::spec(verdict)?;
        let read = tokio::fs::read(vectors.path()).await;
        let read = read.map_err(|error| RegistryError::Probe(format!("the golden vectors: {error}")))?;
        let golden = cbor::from_slice(&read, read.len());
        Ok((
            spec,
            Some(golden.map_err(|error| RegistryError::Probe(format!("the golden vectors: {error}")))?),
        ))
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
pub async fn scratch(bytes: &Bytes, suffix: &'static str) -> Result<NamedTempFile, RegistryError> {
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
