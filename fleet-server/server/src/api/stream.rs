//! `/api/v1/stream` and `/api/v1/tap`: what happens, as server-sent events (WHATWG HTML, section 9.2).

use std::{convert::Infallible, pin::Pin, sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use dunlin_protocol::{
    Channel, Message,
    message::{Event as DeviceEvent, Reply, Sample, State as DeviceState, Window},
};
use futures_util::{Stream, stream::unfold};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{
    Api,
    extract::Asked,
    routes::{Routes, Spec},
};
use crate::{
    access::Caller,
    error::ApiError,
    ingest::live::{LiveEvent, Tapped},
};

/// A comment goes out in this time where nothing happens, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often it is looked whether who listens still may.
const LOOK: Duration = Duration::from_secs(2);

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .route(
            Spec::get("/api/v1/stream", "What changes, as server-sent events: {kind, device?, id?}")
                .gives_bytes("text/event-stream"),
            stream,
        )
        .route(
            Spec::get("/api/v1/tap", "Decoded messages of devices, as server-sent events")
                .query("device", "only this device")
                .word(
                    "channel",
                    &["state", "window", "event", "sample", "reply"],
                    "only this channel: state, window, event, sample, reply",
                )
                .gives_bytes("text/event-stream"),
            tap,
        )
}

type Events = Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>>;

/// Every live event that `shape` has a value for. Who reads too slowly is told how many were missed. Ends with the
/// server, and with the token of who listens.
fn events(
    api: &Api,
    caller: Caller,
    shape: impl Fn(&LiveEvent) -> Option<Value> + Send + Sync + 'static,
) -> Events {
    let start = (api.live.listen(), tokio::time::interval(LOOK));
    let rest = Arc::new((api.shutdown.clone(), api.access.clone(), caller, shape));
    Box::pin(unfold(start, move |(mut heard, mut look)| {
        let rest = Arc::clone(&rest);
        async move {
            let (stop, access, caller, shape) = &*rest;
            let value = loop {
                tokio::select! {
                    () = stop.cancelled() => return None,
                    _ = look.tick() => if !access.is_still(caller).await { return None },
                    next = next(&mut heard, shape) => break next?,
                }
            };
            Some((Ok(Event::default().data(value.to_string())), (heard, look)))
        }
    }))
}

async fn next(
    heard: &mut Receiver<LiveEvent>,
    shape: &impl Fn(&LiveEvent) -> Option<Value>,
) -> Option<Value> {
    loop {
        match heard.recv().await {
            Ok(event) => {
                if let Some(value) = shape(&event) {
                    return Some(value);
                }
            }
            Err(RecvError::Lagged(missed)) => return Some(json!({ "kind": "missed", "missed": missed })),
            Err(RecvError::Closed) => return None,
        }
    }
}

fn answer(events: Events) -> Response {
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

async fn stream(caller: Caller, State(api): State<Api>) -> Response {
    answer(events(&api, caller, |event| {
        let mut value = json!({ "kind": event.kind });
        if let Some(device) = &event.device {
            value["device"] = json!(device);
        }
        if let Some(id) = &event.id {
            value["id"] = json!(id);
        }
        Some(value)
    }))
}

#[derive(Deserialize)]
struct Filter {
    device: Option<String>,
    channel: Option<String>,
}

async fn tap(
    caller: Caller,
    State(api): State<Api>,
    Asked(filter): Asked<Filter>,
) -> Result<Response, ApiError> {
    let unknown = |channel: &&String| {
        !Channel::ALL.iter().any(|known| known.is_from_device() && known.as_str() == channel.as_str())
    };
    if let Some(channel) = filter.channel.as_ref().filter(unknown) {
        let channel: String = channel.chars().take(32).collect();
        return Err(ApiError::bad_request(
            "query",
            format!("there is no channel {channel:?} to listen to"),
            "use state, window, event, sample or reply",
        ));
    }
    Ok(answer(events(&api, caller, move |event| {
        let (device, message) = (event.device.as_ref()?, event.message.as_ref()?);
        let wanted = filter.device.as_ref().is_none_or(|wanted| wanted == device.as_str())
            && filter.channel.as_ref().is_none_or(|wanted| wanted == message.channel.as_str());
        wanted.then(|| {
            json!({ "device": device, "channel": message.channel.as_str(), "record": message.record,
                    "body": body(message) })
        })
    })))
}

/// The message as JSON; `null` for one that cannot be read, which is not stored either.
fn body(message: &Tapped) -> Value {
    fn read<T: Message>(bytes: &[u8]) -> Value {
        T::decode(bytes).ok().and_then(|message| serde_json::to_value(message).ok()).unwrap_or(Value::Null)
    }
    match message.channel {
        Channel::State => read::<DeviceState>(&message.payload),
        Channel::Window => read::<Window>(&message.payload),
        Channel::Event => read::<DeviceEvent>(&message.payload),
        Channel::Sample => read::<Sample>(&message.payload),
        Channel::Reply => read::<Reply>(&message.payload),
        Channel::Desired | Channel::Command => Value::Null,
    }
}
