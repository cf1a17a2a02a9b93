//! `/api/v1/models`: push bundles, see what the probe found.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use dunlin_protocol::{ModelRef, bundle};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Api,
    extract::{Asked, At, named},
    routes::{Routes, Spec},
};
use crate::{
    access::Caller,
    error::ApiError,
    fleet::Known,
    ingest::live::Kind,
    registry::{
        Board, RegistryError, Upload, boards,
        probe::Verdict,
        rows::{ModelRow, Stage},
    },
    storage::devices,
};

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .route(
            Spec::post("/api/v1/models", "Push a bundle, or a bare ONNX file with ?name= and ?version=")
                .query("name", "model name, for a bare ONNX file")
                .query("version", "version, for a bare ONNX file")
                .query("anyway", "true: also where devices have not the memory for it")
                .takes_bytes("application/octet-stream")
                .up_to(bundle::MAX_BUNDLE)
                .gives::<ModelView>(),
            push,
        )
        .route(
            Spec::post(
                "/api/v1/models/check",
                "Say what agents would do with a bundle or a bare ONNX file; nothing is kept",
            )
            .takes_bytes("application/octet-stream")
            .up_to(bundle::MAX_BUNDLE)
            .gives::<CheckView>(),
            check,
        )
        .route(Spec::get("/api/v1/models", "List models, the newest first").gives::<Vec<ModelView>>(), list)
        .route(
            Spec::get("/api/v1/models/{name}", "List a model's versions").gives::<Vec<ModelView>>(),
            versions,
        )
        .route(Spec::get("/api/v1/models/{name}/{version}", "Show a version").gives::<ModelView>(), show)
        .route(
            Spec::get("/api/v1/models/{name}/{version}/bundle", "Fetch a version's bundle")
                .gives_bytes("application/octet-stream"),
            bytes,
        )
        .route(
            Spec::get("/api/v1/models/{name}/{version}/card", "Fetch a version's model card")
                .gives_bytes("text/markdown"),
            card,
        )
}

/// A version of a model as programs see it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ModelView {
    /// Full name, for example `rain-1.1.0`.
    pub model: String,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// How far it came.
    pub stage: Stage,
    /// Whether it is what the fleet runs.
    pub champion: bool,
    /// Whether its numbers were compared with another runtime's.
    pub compared: bool,
    /// When it came, milliseconds since 1970.
    pub created_ms: i64,
    /// Who pushed it, or which job made it.
    pub origin: String,
    /// Inputs and outputs.
    #[schema(value_type = Object)]
    pub spec: Value,
    /// The probe's report.
    #[schema(value_type = Object)]
    pub probe: Value,
    /// Lineage and scores.
    #[schema(value_type = Object)]
    pub facts: Value,
    /// What the owner signs.
    pub target: Target,
}

/// A TUF target.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Bytes.
    pub length: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

impl From<ModelRow> for ModelView {
    fn from(row: ModelRow) -> Self {
        let target = Target { name: row.model.target().to_string(), length: row.length, sha256: row.sha256 };
        Self {
            model: row.model.to_string(),
            name: row.model.name.to_string(),
            version: row.model.version.to_string(),
            stage: row.stage,
            champion: row.champion,
            compared: row.probe.get("compared").and_then(Value::as_bool).unwrap_or(false),
            created_ms: row.created_ms,
            origin: row.origin,
            spec: json!(row.manifest.spec),
            probe: row.probe,
            facts: json!(row.manifest.facts),
            target,
        }
    }
}

#[derive(Deserialize)]
struct Bare {
    name: Option<String>,
    version: Option<String>,
    #[serde(default)]
    anyway: bool,
}

async fn push(
    caller: Caller,
    State(api): State<Api>,
    Asked(bare): Asked<Bare>,
    upload: Upload,
) -> Result<Response, ApiError> {
    let boards = if bare.anyway { Vec::new() } else { boards(&api).await? };
    let row = match (bare.name, bare.version) {
        (Some(name), Some(version)) => {
            let model = ModelRef { name: named(&name)?, version: named(&version)? };
            api.registry.push_onnx(model, upload, &boards, &caller.who).await?
        }
        (None, None) => api.registry.push(upload, &boards, &caller.who).await?,
        _ => {
            let message = "a bare ONNX file needs both a name and a version; a bundle has both inside";
            return Err(ApiError::bad_request("query", message, "send ?name=rain&version=1.0.0, or neither"));
        }
    };
    let detail = json!({ "stage": row.stage, "sha256": row.sha256 });
    api.audit.record(&caller.who, "model-pushed", &row.model.to_string(), detail).await?;
    api.live.changed(Kind::Model, row.model.to_string());
    let rejected = row.stage == Stage::Rejected;
    let view = ModelView::from(row);
    if !rejected {
        return Ok((StatusCode::CREATED, Json(view)).into_response());
    }
    let error = RejectedView {
        code: "probe-failed",
        message: format!("{} failed its probe: {}", view.model, failed_checks(&view.probe)),
        cure: "see the report; `dunlin-agent probe BUNDLE` runs the same checks",
        model: view,
    };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(error)).into_response())
}

/// What agents would do with a model.
#[derive(Serialize, utoipa::ToSchema)]
pub struct CheckView {
    /// Whether they run it, and their numbers are those that are expected where such were given.
    pub ok: bool,
    /// Devices that have not the memory for it.
    pub too_small: Vec<String>,
    /// Devices whose agent has another version than the one that judged, by version.
    pub other_agents: BTreeMap<String, u64>,
    /// The agent's report: inputs and outputs, operators, warnings, cost, why not.
    #[schema(value_type = Object)]
    pub report: Value,
}

async fn check(_: Caller, State(api): State<Api>, upload: Upload) -> Result<Json<CheckView>, ApiError> {
    let Verdict { ok, report } = api.registry.check(&upload).await?;
    let model_bytes = report.get("memory_bytes").and_then(Value::as_u64).unwrap_or_default();
    let mut other_agents = BTreeMap::new();
    for state in fleet(&api).await?.into_iter().filter_map(|known| known.state) {
        if state.agent != env!("CARGO_PKG_VERSION") {
            *other_agents.entry(state.agent).or_default() += 1;
        }
    }
    let too_small = boards::too_small(&boards(&api).await?, model_bytes);
    Ok(Json(CheckView { ok, too_small, other_agents, report }))
}

/// Every device that is not revoked.
async fn fleet(api: &Api) -> Result<Vec<Known>, ApiError> {
    let rows = api.store.read(|db| devices::list(db, "", u32::MAX)).await?;
    let known = rows.into_iter().filter_map(Known::new);
    Ok(known.filter(|known| known.row.revoked_ms.is_none()).collect())
}

async fn boards(api: &Api) -> Result<Vec<Board>, ApiError> {
    let board = |known: Known| {
        let system = known.state?.system?;
        let (memory_bytes, agent_bytes) = (system.memory_total_bytes, system.agent_bytes);
        Some(Board { device: known.id.to_string(), memory_bytes, agent_bytes })
    };
    Ok(fleet(api).await?.into_iter().filter_map(board).collect())
}

/// An error with the report behind it.
#[derive(Serialize)]
struct RejectedView {
    code: &'static str,
    message: String,
    cure: &'static str,
    #[serde(flatten)]
    model: ModelView,
}

fn failed_checks(probe: &Value) -> String {
    let checks = probe.get("checks").and_then(Value::as_array).into_iter().flatten();
    let failed = checks.filter(|check| check.get("ok").and_then(Value::as_bool) == Some(false));
    let text =
        |check: &Value, key: &str| check.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let failed: Vec<String> =
        failed.map(|check| format!("{} ({})", text(check, "name"), text(check, "detail"))).collect();
    if failed.is_empty() { "it says so without a failed check".into() } else { failed.join("; ") }
}

async fn list(_: Caller, State(api): State<Api>) -> Result<Json<Vec<ModelView>>, ApiError> {
    Ok(Json(api.registry.list().await?.into_iter().map(ModelView::from).collect()))
}

async fn versions(
    _: Caller,
    State(api): State<Api>,
    At(name): At<String>,
) -> Result<Json<Vec<ModelView>>, ApiError> {
    let rows = api.registry.list().await?.into_iter().filter(|row| row.model.name.as_str() == name);
    let views: Vec<ModelView> = rows.map(ModelView::from).collect();
    if views.is_empty() {
        return Err(RegistryError::Unknown(name.chars().take(64).collect()).into());
    }
    Ok(Json(views))
}

pub(super) fn reference(name: &str, version: &str) -> Result<ModelRef, ApiError> {
    Ok(ModelRef { name: named(name)?, version: named(version)? })
}

async fn show(
    _: Caller,
    State(api): State<Api>,
    At((name, version)): At<(String, String)>,
) -> Result<Json<ModelView>, ApiError> {
    Ok(Json(api.registry.get(&reference(&name, &version)?).await?.into()))
}

async fn bytes(
    _: Caller,
    State(api): State<Api>,
    At((name, version)): At<(String, String)>,
) -> Result<Response, ApiError> {
    let row = api.registry.get(&reference(&name, &version)?).await?;
    let part = api.registry.objects().stream(&row.sha256, None).await.map_err(RegistryError::from)?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, part.length.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}.dunlin\"", row.model)),
    ];
    Ok((headers, axum::body::Body::from_stream(part.stream)).into_response())
}

async fn card(
    _: Caller,
    State(api): State<Api>,
    At((name, version)): At<(String, String)>,
) -> Result<Response, ApiError> {
    let row = api.registry.get(&reference(&name, &version)?).await?;
    Ok(([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], row.card).into_response())
}
