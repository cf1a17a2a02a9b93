//! `/api/v1/models`: push bundles, see what the probe found.

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
    extract::{Asked, At, Raw, named},
    routes::{Routes, Spec},
};
use crate::{
    access::Caller,
    error::ApiError,
    ingest::live::Kind,
    registry::{
        RegistryError,
        rows::{ModelRow, Stage},
    },
};

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .route(
            Spec::post("/api/v1/models", "Push a bundle, or a bare ONNX file with ?name= and ?version=")
                .query("name", "model name, for a bare ONNX file")
                .query("version", "version, for a bare ONNX file")
                .takes_bytes("application/octet-stream")
                .up_to(bundle::MAX_BUNDLE)
                .gives::<ModelView>(),
            push,
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
}

async fn push(
    caller: Caller,
    State(api): State<Api>,
    Asked(bare): Asked<Bare>,
    Raw(bytes): Raw,
) -> Result<Response, ApiError> {
    let row = match (bare.name, bare.version) {
        (Some(name), Some(version)) => {
            let model = ModelRef { name: named(&name)?, version: named(&version)? };
            api.registry.push_onnx(model, bytes, &caller.who).await?
        }
        (None, None) => api.registry.push(bytes, &caller.who).await?,
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
