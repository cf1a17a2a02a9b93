//! `/api/v1/devices`: who is here, what each runs, and a word with one of them.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{Method, StatusCode},
};
use dunlin_protocol::{
    DeviceId, Message,
    message::{Command, Desired, Reply},
};
use serde::{Deserialize, Serialize};

use super::{
    Api,
    extract::{Asked, At, Body, named},
    routes::{Routes, Spec},
};
use crate::{
    access::Caller,
    clock::now_ms,
    error::ApiError,
    fleet::{Known, Status, device},
    link::LinkError,
    storage::devices,
};

/// Devices in one answer where no limit is asked for, and the most that may be.
const LIMIT: (u32, u32) = (1000, 10_000);
/// How long a device may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .route(
            Spec::get("/api/v1/devices", "List devices")
                .word(
                    "status",
                    &["online", "stale", "offline", "enrolled", "revoked"],
                    "online, stale, offline, enrolled or revoked; revoked ones are left out otherwise",
                )
                .query("model", "only devices that serve this model, by full name (rain-1.1.0) or name")
                .query("after", "only names after this one")
                .count("limit", "most devices in the answer")
                .gives::<Vec<DeviceView>>(),
            list,
        )
        .route(Spec::get("/api/v1/devices/{id}", "Show a device").gives::<DeviceView>(), show)
        .route(
            Spec::new(
                Method::DELETE,
                "/api/v1/devices/{id}",
                "Revoke a device: its certificate counts no more",
            ),
            revoke,
        )
        .route(
            Spec::post("/api/v1/devices/{id}/command", "Ask a device something and wait for its answer")
                .takes::<Question>()
                .gives::<Answer>(),
            command,
        )
}

/// A device as programs see it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct DeviceView {
    /// Its name.
    pub id: String,
    /// How reachable it is.
    pub status: Status,
    /// When it was last heard of, milliseconds since 1970 by the server's clock.
    pub last_seen_ms: Option<i64>,
    /// Milliseconds since then.
    pub age_ms: Option<i64>,
    /// When it enrolled.
    pub enrolled_ms: i64,
    /// Four fingerprint words of its key.
    pub words: Vec<String>,
    /// The agent's version.
    pub agent: Option<String>,
    /// The first model it serves, by full name.
    pub model: Option<String>,
    /// The update that runs or ended last.
    #[schema(value_type = Option<Object>)]
    pub update: Option<dunlin_protocol::update::UpdateReport>,
    /// What it last reported, whole.
    #[schema(value_type = Option<Object>)]
    pub state: Option<dunlin_protocol::message::State>,
    /// What it should run; only where one device is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub desired: Option<Desired>,
    /// Windows kept of it; only where one device is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows: Option<u64>,
}

impl DeviceView {
    fn new(known: Known, now_ms: i64) -> Self {
        let state = known.state.as_ref();
        Self {
            status: known.status(now_ms),
            last_seen_ms: known.row.last_seen_ms,
            age_ms: known.age_ms(now_ms),
            enrolled_ms: known.row.enrolled_ms,
            words: known.row.words.split_whitespace().map(str::to_owned).collect(),
            agent: state.map(|state| state.agent.clone()),
            model: state.and_then(|state| state.serving.first()).map(|serving| serving.model.to_string()),
            update: state
                .and_then(|state| state.updates.iter().max_by_key(|update| update.since_ms))
                .cloned(),
            desired: None,
            windows: None,
            id: known.id.to_string(),
            state: known.state,
        }
    }
}

#[derive(Deserialize)]
struct Filter {
    status: Option<Status>,
    model: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

async fn list(
    _: Caller,
    State(api): State<Api>,
    Asked(filter): Asked<Filter>,
) -> Result<Json<Vec<DeviceView>>, ApiError> {
    let now = now_ms();
    let after = filter.after.unwrap_or_default();
    let rows = api.store.read(move |db| devices::list(db, &after, u32::MAX)).await?;
    let wanted = |known: &Known| {
        let status = known.status(now);
        let right = filter.status.map_or(status != Status::Revoked, |wanted| wanted == status);
        right && filter.model.as_ref().is_none_or(|model| serves(known, model))
    };
    let most = filter.limit.unwrap_or(LIMIT.0).min(LIMIT.1) as usize;
    let found = rows.into_iter().filter_map(Known::new).filter(wanted).take(most);
    Ok(Json(found.map(|known| DeviceView::new(known, now)).collect()))
}

/// Whether a device serves a model, given by full name or name.
pub(super) fn serves(known: &Known, model: &str) -> bool {
    known
        .state
        .iter()
        .flat_map(|state| &state.serving)
        .any(|serving| serving.model.name.as_str() == model || serving.model.to_string() == model)
}

async fn show(_: Caller, State(api): State<Api>, At(id): At<String>) -> Result<Json<DeviceView>, ApiError> {
    let id: DeviceId = named(&id)?;
    let known = known(&api, &id).await?;
    let number = known.row.number;
    let (desired, windows) = api
        .store
        .read(move |db| {
            let count: i64 =
                db.query_row("SELECT count(*) FROM windows WHERE device = ?1", [number], |row| row.get(0))?;
            Ok((devices::desired(db, number)?, count.cast_unsigned()))
        })
        .await?;
    let mut view = DeviceView::new(known, now_ms());
    view.desired = desired.and_then(|(_, body)| Desired::decode(&body).ok());
    view.windows = Some(windows);
    Ok(Json(view))
}

/// A device that must be there.
pub(super) async fn known(api: &Api, id: &DeviceId) -> Result<Known, ApiError> {
    let key = id.to_string();
    let row = api.store.read(move |db| device::find(db, &key)).await?;
    row.ok_or_else(|| unknown(id))
}

fn unknown(id: &DeviceId) -> ApiError {
    ApiError::not_found("unknown-device", format!("there is no device {id} here"), "see `dunlin device list`")
}

async fn revoke(caller: Caller, State(api): State<Api>, At(id): At<String>) -> Result<StatusCode, ApiError> {
    api.access.revoke_device(&caller.who, &named(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A question to a device.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What is asked: `ping`, `report`.
    pub name: String,
    /// Further values.
    #[serde(default)]
    pub arguments: BTreeMap<String, String>,
}

/// A device's answer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Answer {
    /// Whether it was done.
    pub ok: bool,
    /// One sentence.
    pub message: String,
    /// Further values.
    pub values: BTreeMap<String, String>,
}

async fn command(
    caller: Caller,
    State(api): State<Api>,
    At(id): At<String>,
    Body(question): Body<Question>,
) -> Result<Json<Answer>, ApiError> {
    let id: DeviceId = named(&id)?;
    known(&api, &id).await?;
    let detail = serde_json::json!({ "name": question.name });
    api.audit.record(&caller.who, "device-asked", id.as_str(), detail).await?;
    let command = Command { name: question.name, arguments: question.arguments };
    let Reply { ok, message, values } = api.link.request(&id, &command, PATIENCE).await.map_err(silent)?;
    Ok(Json(Answer { ok, message, values }))
}

fn silent(error: LinkError) -> ApiError {
    let message = error.to_string();
    match error {
        LinkError::Offline(_) => ApiError::conflict("device-offline", message, "try again when it is online"),
        LinkError::Timeout { .. } => ApiError::new(
            StatusCode::GATEWAY_TIMEOUT,
            "device-silent",
            message,
            "ask again, or see the device's log",
        ),
        LinkError::Message(_) => ApiError::bad_request("bad-command", message, "send a shorter command"),
    }
}
