//! The local API: Open Inference Protocol v2 REST, late labels, status and metrics.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, FromRequest as _, Path, Request, State, rejection::JsonRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use dunlin_runtime::RunError;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    Config, LoadedModel, Models, binary,
    wire::{InferResponse, metadata},
};
use crate::pipeline::{Pipeline, recent::Feedback};

/// Longest that the body of a request may take to arrive.
const BODY: Duration = Duration::from_secs(60);

/// What the API shows besides models.
pub trait Status: Send + Sync + 'static {
    /// The agent's status as JSON.
    fn status(&self) -> Value;
    /// Prometheus text.
    fn metrics(&self) -> String;
}

#[derive(Clone)]
struct Api {
    pipeline: Arc<Pipeline>,
    models: Arc<Models>,
    status: Arc<dyn Status>,
    next_id: Arc<AtomicU64>,
}

/// The protocol's error form.
struct Failure(StatusCode, String);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

/// The routes.
pub fn router(config: &Config, pipeline: Arc<Pipeline>, status: Arc<dyn Status>) -> Router {
    let api = Api { models: pipeline.models.clone(), pipeline, status, next_id: Arc::default() };
    Router::new()
        .route("/v2", get(server))
        .route("/v2/health/live", get(|| async { Json(json!({ "live": true })) }))
        .route("/v2/health/ready", get(ready))
        .route("/v2/models/{name}", get(model))
        .route("/v2/models/{name}/versions/{version}", get(model_version))
        .route("/v2/models/{name}/ready", get(model_ready))
        .route("/v2/models/{name}/versions/{version}/ready", get(model_version_ready))
        .route("/v2/models/{name}/infer", post(infer))
        .route("/v2/models/{name}/versions/{version}/infer", post(infer_version))
        .route("/v1/feedback", post(feedback))
        .route("/v1/status", get(|State(api): State<Api>| async move { Json(api.status.status()) }))
        .route("/metrics", get(metrics))
        .fallback(|| async { Failure(StatusCode::NOT_FOUND, "no such address; begin at /v2".into()) })
        .layer(from_fn_with_state(BODY, whole))
        .layer(DefaultBodyLimit::max(config.body_limit_bytes))
        .with_state(api)
}

/// Waits for the whole request, within bounds of size and time, before anything is done with it.
async fn whole(State(patience): State<Duration>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let read = Bytes::from_request(Request::from_parts(head.clone(), body), &());
    let failure = match timeout(patience, read).await {
        Ok(Ok(bytes)) => return next.run(Request::from_parts(head, Body::from(bytes))).await,
        Ok(Err(error)) => Failure(error.status(), error.body_text()),
        Err(_) => {
            let text = format!("the request took longer than {} s to arrive", patience.as_secs());
            Failure(StatusCode::REQUEST_TIMEOUT, text)
        }
    };
    // What is left of the body is not waited for.
    ([(header::CONNECTION, "close")], failure).into_response()
}

impl Api {
    fn find(&self, name: &str, version: Option<&str>) -> Result<Arc<LoadedModel>, Failure> {
        let missing = |text: String| Failure(StatusCode::NOT_FOUND, text);
        let Some(loaded) = self.models.get(name) else {
            let known: Vec<String> =
                self.models.all().iter().map(|loaded| loaded.model.to_string()).collect();
            let known = if known.is_empty() { "no model answers yet".into() } else { known.join(", ") };
            let shown: String = name.chars().take(80).collect();
            return Err(missing(format!("model {shown:?} does not answer here; there is: {known}")));
        };
        let serving = loaded.model.version.to_string();
        match version {
            Some(version) if version != serving => {
                Err(missing(format!("{name} answers in version {serving} only, not {version}")))
            }
            _ => Ok(loaded),
        }
    }
}

async fn server() -> Json<Value> {
    Json(
        json!({ "name": "dunlin-agent", "version": env!("CARGO_PKG_VERSION"), "extensions": ["binary_tensor_data"] }),
    )
}

async fn ready(State(api): State<Api>) -> Response {
    let ready = !api.models.all().is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready }))).into_response()
}

fn describe(loaded: &LoadedModel) -> Json<Value> {
    let model = &loaded.model;
    Json(metadata(model.name.as_str(), &model.version.to_string(), loaded.spec()))
}

async fn model(State(api): State<Api>, Path(name): Path<String>) -> Result<Json<Value>, Failure> {
    Ok(describe(&*api.find(&name, None)?))
}

async fn model_version(
    State(api): State<Api>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<Value>, Failure> {
    Ok(describe(&*api.find(&name, Some(&version))?))
}

async fn model_ready(State(api): State<Api>, Path(name): Path<String>) -> Result<Json<Value>, Failure> {
    api.find(&name, None)?;
    Ok(Json(json!({ "name": name, "ready": true })))
}

async fn model_version_ready(
    State(api): State<Api>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<Value>, Failure> {
    api.find(&name, Some(&version))?;
    Ok(Json(json!({ "name": name, "ready": true })))
}

async fn infer(
    State(api): State<Api>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    answer(&api, api.find(&name, None)?, &headers, &body).await
}

async fn infer_version(
    State(api): State<Api>,
    Path((name, version)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    answer(&api, api.find(&name, Some(&version))?, &headers, &body).await
}

async fn answer(
    api: &Api,
    loaded: Arc<LoadedModel>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Failure> {
    let bad = |text: String| Failure(StatusCode::BAD_REQUEST, text);
    if let Some(coding) = headers.get(header::CONTENT_ENCODING).filter(|coding| *coding != "identity") {
        let text = format!("the body is compressed ({coding:?}); send it plain");
        return Err(Failure(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    let (request, inputs) = binary::read(headers, body).map_err(bad)?;
    let id =
        request.id.clone().filter(|id| !id.is_empty()).unwrap_or_else(|| {
            format!("{}-{}", loaded.since_ms, api.next_id.fetch_add(1, Ordering::Relaxed))
        });
    if id.len() > 256 {
        return Err(bad("the id is longer than 256 bytes".into()));
    }
    let (pipeline, model, asked_id) = (api.pipeline.clone(), loaded.clone(), id.clone());
    let run = tokio::task::spawn_blocking(move || pipeline.infer(&model, &asked_id, &inputs, None));
    let outputs = match run.await {
        Ok(Ok(outputs)) => outputs,
        Ok(Err(error @ RunError::Engine { .. })) => {
            return Err(Failure(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()));
        }
        Ok(Err(error)) => return Err(bad(error.to_string())),
        Err(_) => {
            return Err(Failure(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the model's run ended in a panic".into(),
            ));
        }
    };
    let chosen = request.choose(outputs).map_err(bad)?;
    let (outputs, tail) = binary::write(&chosen);
    let answer = InferResponse {
        model_name: loaded.model.name.to_string(),
        model_version: loaded.model.version.to_string(),
        id,
        outputs,
    };
    if chosen.iter().all(|(_, as_bytes)| !as_bytes) {
        return Ok(Json(answer).into_response());
    }
    let mut body = serde_json::to_vec(&answer)
        .map_err(|error| Failure(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let length = body.len();
    body.extend(tail);
    let content = HeaderValue::from_static("application/octet-stream");
    let headers = [
        (HeaderName::from_static(binary::HEADER_LENGTH), HeaderValue::from(length)),
        (header::CONTENT_TYPE, content),
    ];
    Ok((headers, body).into_response())
}

#[derive(Deserialize)]
struct Label {
    id: String,
    label: Value,
}

async fn feedback(
    State(api): State<Api>,
    asked: Result<Json<Label>, JsonRejection>,
) -> Result<Json<Value>, Failure> {
    let Json(Label { id, label }) = asked.map_err(|error| Failure(error.status(), error.body_text()))?;
    let label = label.as_str().map_or_else(|| label.to_string(), str::to_owned);
    match api.pipeline.recent.feedback(&id, &label) {
        Feedback::Counted => Ok(Json(json!({ "counted": true }))),
        Feedback::Unknown => {
            let text =
                "no unlabelled answer with this id is remembered; labels are taken for the latest 4096";
            Err(Failure(StatusCode::NOT_FOUND, text.into()))
        }
        Feedback::Unfit => {
            Err(Failure(StatusCode::BAD_REQUEST, "the label cannot be compared with the answer".into()))
        }
    }
}

async fn metrics(State(api): State<Api>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], api.status.metrics()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    #[tokio::test]
    async fn a_body_that_does_not_arrive_is_not_waited_for() {
        let patience = Duration::from_millis(50);
        let echo = post(|body: Bytes| async move { body });
        let router = Router::new().route("/", echo).layer(from_fn_with_state(patience, whole));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        for (body, status) in [("{}", "200 OK"), ("{", "408 Request Timeout")] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let head = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n";
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            let mut said = String::new();
            timeout(Duration::from_secs(20), stream.read_to_string(&mut said)).await.unwrap().unwrap();
            assert!(said.contains(status), "{said}");
        }
    }
}
