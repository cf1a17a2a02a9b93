//! `/api/v1/rollouts`: begin, watch, hold and end.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use dunlin_protocol::{DeviceId, ModelRef};
use dunlin_rollout::Waves;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Api,
    extract::{At, Body, named},
    routes::{Routes, Spec},
};
use crate::{
    access::Caller,
    error::{ApiError, chain},
    fleet::{
        FleetError, Start, StoredRollout,
        handle::{Act, WavesChoice},
        stored::{self, Summary},
    },
    registry::rows::Stage,
};

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .route(
            Spec::post("/api/v1/rollouts", "Begin a rollout, or see what it would do (dry_run)")
                .takes::<NewRollout>()
                .gives::<RolloutView>(),
            start,
        )
        .route(
            Spec::get("/api/v1/rollouts", "List rollouts, the newest first").gives::<Vec<RolloutView>>(),
            list,
        )
        .route(
            Spec::get("/api/v1/rollouts/{id}", "Show a rollout with its devices").gives::<RolloutView>(),
            show,
        )
        .route(Spec::post("/api/v1/rollouts/{id}/pause", "Hold a rollout").gives::<RolloutView>(), pause)
        .route(
            Spec::post("/api/v1/rollouts/{id}/resume", "Go on with a held rollout").gives::<RolloutView>(),
            resume,
        )
        .route(
            Spec::post("/api/v1/rollouts/{id}/abort", "End a rollout; its devices go back")
                .gives::<RolloutView>(),
            abort,
        )
}

/// A rollout that is asked for.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRollout {
    /// Full name of a released model, for example `rain-1.1.0`.
    pub model: String,
    /// Waves by name (`careful`, `standard`, `quick`, or a file's), or as a list.
    #[serde(default = "careful")]
    #[schema(value_type = Value)]
    pub waves: Value,
    /// Only these devices; without it, the whole fleet, and the model becomes champion.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    pub devices: Option<Vec<DeviceId>>,
    /// True to see the plan only.
    #[serde(default)]
    pub dry_run: bool,
}

fn careful() -> Value {
    "careful".into()
}

/// A rollout as programs see it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct RolloutView {
    /// Its id; empty for a dry run.
    pub id: String,
    /// What is rolled out.
    pub model: String,
    /// Where it stands: `planned`, `wave`, `soaking`, `paused`, `completed`, `going-back`, `rolled-back`, `aborted`.
    pub phase: String,
    /// Where it stands, in one sentence.
    pub sentence: String,
    /// Why it goes back, went back or was stopped.
    pub reason: Option<String>,
    /// The wave at work or last begun, from 1.
    pub wave: Option<usize>,
    /// Number of waves.
    pub waves: usize,
    /// Whether it is over.
    pub ended: bool,
    /// Who asked for it.
    pub who: String,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// Which devices take the model in which wave.
    #[schema(value_type = Vec<Object>)]
    pub plan: Vec<dunlin_rollout::PlannedWave>,
    /// Where the devices stand; empty in lists.
    pub devices: Vec<DeviceProgressView>,
    /// Devices that keep what they had.
    pub control: Summary,
    /// Devices that took the model.
    pub treatment: Summary,
}

/// Where a device stands.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct DeviceProgressView {
    /// The device.
    pub device: String,
    /// `waiting`, `pending`, `installing`, `success`, `failure`, `going-back` or `back`.
    pub state: String,
    /// Since when, milliseconds since 1970.
    pub since_ms: i64,
}

impl RolloutView {
    fn new(stored: StoredRollout) -> Self {
        let rollout = &stored.rollout;
        Self {
            id: rollout.id.clone(),
            model: rollout.model.to_string(),
            phase: rollout.phase.name().into(),
            reason: rollout.phase.reason().map(str::to_owned),
            wave: rollout.phase.wave().map(|wave| wave + 1),
            waves: rollout.waves.count(),
            ended: rollout.phase.is_final(),
            created_ms: rollout.created_ms,
            plan: dunlin_rollout::plan(rollout),
            devices: Vec::new(),
            sentence: stored.sentence,
            who: stored.who,
            ended_ms: stored.ended_ms,
            control: stored.control,
            treatment: stored.treatment,
        }
    }
}

async fn start(
    caller: Caller,
    State(api): State<Api>,
    Body(wish): Body<NewRollout>,
) -> Result<Response, ApiError> {
    let waves = match wish.waves {
        Value::String(name) => WavesChoice::Named(name),
        given => WavesChoice::Given(serde_json::from_value::<Waves>(given).map_err(|error| {
            ApiError::refused(
                "bad-waves",
                format!("the waves cannot be used: {error}"),
                "see configs/waves/careful.toml",
            )
        })?),
    };
    let start =
        Start { model: named::<ModelRef>(&wish.model)?, waves, devices: wish.devices, who: caller.who };
    if wish.dry_run {
        let rollout = api.fleet.plan(&start).await?;
        let plan = json!({
            "id": "", "dry_run": true, "model": rollout.model.to_string(), "phase": rollout.phase.name(),
            "sentence": dunlin_rollout::explain(&rollout), "plan": dunlin_rollout::plan(&rollout),
        });
        return Ok(Json(plan).into_response());
    }
    let stored = api.fleet.start(start).await?;
    Ok((StatusCode::CREATED, Json(RolloutView::new(stored))).into_response())
}

async fn list(_: Caller, State(api): State<Api>) -> Result<Json<Vec<RolloutView>>, ApiError> {
    let rollouts = api.store.read(stored::list).await?;
    Ok(Json(rollouts.into_iter().map(RolloutView::new).collect()))
}

async fn show(_: Caller, State(api): State<Api>, At(id): At<String>) -> Result<Json<RolloutView>, ApiError> {
    Ok(Json(view(&api, &id).await?))
}

async fn view(api: &Api, id: &str) -> Result<RolloutView, ApiError> {
    let mut view = RolloutView::new(api.fleet.rollout(id).await?);
    let id = id.to_owned();
    let devices = api.store.read(move |db| stored::progress_of(db, &id)).await?;
    view.devices = devices
        .into_iter()
        .map(|(device, state, since_ms)| DeviceProgressView { device, state, since_ms })
        .collect();
    Ok(view)
}

async fn act(api: &Api, id: &str, act: Act, who: &str) -> Result<Json<RolloutView>, ApiError> {
    api.fleet.act(id, act, who).await?;
    Ok(Json(view(api, id).await?))
}

async fn pause(
    caller: Caller,
    State(api): State<Api>,
    At(id): At<String>,
) -> Result<Json<RolloutView>, ApiError> {
    act(&api, &id, Act::Pause, &caller.who).await
}

async fn resume(
    caller: Caller,
    State(api): State<Api>,
    At(id): At<String>,
) -> Result<Json<RolloutView>, ApiError> {
    act(&api, &id, Act::Resume, &caller.who).await
}

async fn abort(
    caller: Caller,
    State(api): State<Api>,
    At(id): At<String>,
) -> Result<Json<RolloutView>, ApiError> {
    act(&api, &id, Act::Abort, &caller.who).await
}

impl From<FleetError> for ApiError {
    fn from(error: FleetError) -> Self {
        let message = error.to_string();
        match &error {
            FleetError::UnknownRollout(_) => {
                ApiError::not_found("unknown-rollout", message, "see `GET /api/v1/rollouts`")
            }
            FleetError::UnknownDevice(_) => {
                ApiError::not_found("unknown-device", message, "see `dunlin device list`")
            }
            FleetError::NoDevices => ApiError::conflict(
                "no-devices",
                message,
                "`dunlin token create` prints the line that enrols one",
            ),
            FleetError::NotReleased { model, stage, .. } => {
                let cure = match stage {
                    Some(Stage::Candidate) => format!("sign it first: `dunlin model sign {model}`"),
                    Some(_) => {
                        format!("see why with `dunlin model show {model}`, then push a better version")
                    }
                    None => "see `dunlin model list` for those that are here".to_owned(),
                };
                ApiError::conflict("not-released", message, cure)
            }
            FleetError::Busy { id, .. } => ApiError::conflict(
                "rollout-running",
                message,
                format!("wait, or `dunlin rollout abort {id}`"),
            ),
            FleetError::Rollout(_) => {
                ApiError::conflict("rollout-refused", message, "see `dunlin rollout list`")
            }
            FleetError::Waves(_) => ApiError::refused("bad-waves", message, "see configs/waves/careful.toml"),
            FleetError::Publish(_) | FleetError::Store(_) => ApiError::internal(chain(&error)),
        }
    }
}
