//! Models and champions as they stand in the database.

use dunlin_protocol::{
    ModelRef,
    bundle::{Bundle, Manifest},
    cbor,
    statistics::Reference,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

/// How far a version came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Probed, waits for the owner's signature.
    Candidate,
    /// Signed: devices accept it.
    Release,
    /// Failed its probe.
    Rejected,
}

impl Stage {
    fn as_str(self) -> &'static str {
        match self {
            Stage::Candidate => "candidate",
            Stage::Release => "release",
            Stage::Rejected => "rejected",
        }
    }
}

/// One version of a model.
#[derive(Debug, Clone)]
pub struct ModelRow {
    /// Name and version.
    pub model: ModelRef,
    /// How far it came.
    pub stage: Stage,
    /// When it came, milliseconds since 1970.
    pub created_ms: i64,
    /// Who pushed it, or which job made it.
    pub origin: String,
    /// SHA-256 of the bundle.
    pub sha256: String,
    /// Bytes of the bundle.
    pub length: u64,
    /// The bundle's manifest.
    pub manifest: Manifest,
    /// The probe's report.
    pub probe: Value,
    /// The model card, Markdown.
    pub card: String,
    /// CBOR of the training distribution.
    pub reference: Option<Vec<u8>>,
    /// Whether it is what the fleet runs.
    pub champion: bool,
}

impl ModelRow {
    /// The row of a bundle that was just judged.
    pub fn new(
        bundle: &Bundle,
        stage: Stage,
        probe: Value,
        object: (String, u64),
        origin: &str,
        now_ms: i64,
    ) -> Self {
        Self {
            model: bundle.model_ref().clone(),
            stage,
            created_ms: now_ms,
            origin: origin.to_owned(),
            sha256: object.0,
            length: object.1,
            manifest: bundle.manifest.clone(),
            probe,
            card: bundle.card.clone(),
            reference: bundle.reference.as_ref().and_then(|reference| cbor::to_vec(reference).ok()),
            champion: false,
        }
    }

    /// The training distribution, if the bundle has one.
    pub fn reference(&self) -> Option<Reference> {
        let bytes = self.reference.as_ref()?;
        cbor::from_slice(bytes, bytes.len()).ok()
    }
}

const COLUMNS: &str = "SELECT m.name, m.version, stage, created_ms, origin, sha256, length, manifest, probe, card, \
     reference, c.version IS NOT NULL FROM models m LEFT JOIN champions c ON c.name = m.name AND c.version = m.version";

fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
}

fn read(row: &Row<'_>) -> rusqlite::Result<ModelRow> {
    let (name, version, stage): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let (manifest, probe): (String, String) = (row.get(7)?, row.get(8)?);
    Ok(ModelRow {
        model: ModelRef { name: name.parse().map_err(damaged)?, version: version.parse().map_err(damaged)? },
        stage: match stage.as_str() {
            "release" => Stage::Release,
            "rejected" => Stage::Rejected,
            _ => Stage::Candidate,
        },
        created_ms: row.get(3)?,
        origin: row.get(4)?,
        sha256: row.get(5)?,
        length: row.get::<_, i64>(6)?.cast_unsigned(),
        manifest: serde_json::from_str(&manifest).map_err(damaged)?,
        probe: serde_json::from_str(&probe).map_err(damaged)?,
        card: row.get(9)?,
        reference: row.get(10)?,
        champion: row.get(11)?,
    })
}

/// Every version of every model, the newest first.
pub fn list(db: &Connection) -> rusqlite::Result<Vec<ModelRow>> {
    db.prepare_cached(&format!("{COLUMNS} ORDER BY created_ms DESC, m.rowid DESC"))?
        .query_map([], read)?
        .collect()
}

/// One version.
pub fn find(db: &Connection, model: &ModelRef) -> rusqlite::Result<Option<ModelRow>> {
    db.prepare_cached(&format!("{COLUMNS} WHERE m.name = ?1 AND m.version = ?2"))?
        .query_row(params![model.name.as_str(), model.version.to_string()], read)
        .optional()
}

/// Stores a version; one that was rejected before is replaced. False if another is there.
pub fn put(db: &Connection, row: &ModelRow) -> rusqlite::Result<bool> {
    let manifest = serde_json::to_string(&row.manifest).map_err(damaged)?;
    db.prepare_cached(
        "INSERT INTO models (name, version, stage, created_ms, origin, sha256, length, manifest, probe, card, reference)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (name, version) DO UPDATE SET stage = excluded.stage, created_ms = excluded.created_ms,
           origin = excluded.origin, sha256 = excluded.sha256, length = excluded.length,
           manifest = excluded.manifest, probe = excluded.probe, card = excluded.card, reference = excluded.reference
         WHERE models.stage = 'rejected'",
    )?
    .execute(params![
        row.model.name.as_str(),
        row.model.version.to_string(),
        row.stage.as_str(),
        row.created_ms,
        row.origin,
        row.sha256,
        row.length.cast_signed(),
        manifest,
        row.probe.to_string(),
        row.card,
        row.reference,
    ])
    .map(|stored| stored > 0)
}

/// Marks candidates as released.
pub fn release(db: &Connection, models: &[ModelRef]) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached(
        "UPDATE models SET stage = 'release' WHERE name = ?1 AND version = ?2 AND stage = 'candidate'",
    )?;
    for model in models {
        statement.execute(params![model.name.as_str(), model.version.to_string()])?;
    }
    Ok(())
}

/// Makes a version the one that the fleet runs.
pub fn crown(db: &Connection, model: &ModelRef, now_ms: i64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO champions (name, version, since_ms) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET version = excluded.version, since_ms = excluded.since_ms",
    )?
    .execute(params![model.name.as_str(), model.version.to_string(), now_ms])?;
    Ok(())
}

/// What the fleet runs, one version per model name.
pub fn champions(db: &Connection) -> rusqlite::Result<Vec<ModelRef>> {
    db.prepare_cached("SELECT name, version FROM champions ORDER BY name")?
        .query_map([], |row| {
            let (name, version): (String, String) = (row.get(0)?, row.get(1)?);
            Ok(ModelRef { name: name.parse().map_err(damaged)?, version: version.parse().map_err(damaged)? })
        })?
        .collect()
}
