//! `/tuf/metadata`, `/tuf/targets`: what devices fetch; `/api/v1/tuf/targets`: what the owner signs.
//!
//! Both folders are open to everybody: signatures protect what is in them, and nothing in them is secret but to
//! those who could not use it. Targets are streamed, with ranges (RFC 9110, section 14), so that an interrupted
//! download goes on where it stopped.

use std::ops::Range;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::{
    Api,
    extract::{At, Raw},
    routes::{Routes, Spec},
};
use crate::{access::Caller, error::ApiError, ingest::live::Kind, registry::RegistryError};

/// Clients read no larger metadata.
const MAX_METADATA: u64 = 5_000_000;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .route(
            Spec::get("/api/v1/tuf/targets", "The signed list of targets, as published").gives_json(),
            current,
        )
        .route(
            Spec::new(Method::PUT, "/api/v1/tuf/targets", "Publish a list of targets that the owner signed")
                .takes_json()
                .up_to(MAX_METADATA)
                .gives::<Published>(),
            publish,
        )
        .route(Spec::get("/tuf/metadata/{file}", "TUF metadata").open().gives_json(), metadata)
        .route(
            Spec::get("/tuf/targets/{*path}", "A TUF target; ranges work")
                .open()
                .gives_bytes("application/octet-stream"),
            target,
        )
}

async fn current(_: Caller, State(api): State<Api>) -> Result<Response, ApiError> {
    Ok(([(header::CONTENT_TYPE, "application/json")], api.registry.targets().await?).into_response())
}

/// What publishing changed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Published {
    /// Models that became releases, by full name.
    pub released: Vec<String>,
}

async fn publish(
    caller: Caller,
    State(api): State<Api>,
    Raw(bytes): Raw,
) -> Result<Json<Published>, ApiError> {
    let released = api.registry.accept_targets(bytes.to_vec(), Timestamp::now()).await?;
    let released: Vec<String> = released.iter().map(ToString::to_string).collect();
    for model in &released {
        api.audit.record(&caller.who, "model-released", model, json!({})).await?;
        api.live.changed(Kind::Model, model.clone());
    }
    Ok(Json(Published { released }))
}

fn nothing(path: &str) -> ApiError {
    let path: String = path.chars().take(200).collect();
    ApiError::not_found(
        "unknown-file",
        format!("no file {path:?} is published"),
        "refresh the metadata first",
    )
}

async fn metadata(State(api): State<Api>, At(file): At<String>) -> Result<Response, ApiError> {
    // One plain file name, so that nothing outside of the folder can be named.
    let plain = file.len() <= 200
        && file.ends_with(".json")
        && !file.starts_with('.')
        && file.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'%'));
    if !plain {
        return Err(nothing(&file));
    }
    let folder = api.registry.metadata_folder().await;
    let bytes = match tokio::fs::read(folder.join(&file)).await {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(nothing(&file)),
        Err(error) => return Err(ApiError::internal(error)),
    };
    // Versioned files never change; the timestamp is asked for each time.
    let keep = if file == "timestamp.json" { "no-cache" } else { "public, max-age=86400, immutable" };
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, keep)], bytes).into_response())
}

async fn target(
    State(api): State<Api>,
    At(path): At<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let object = api.registry.published(&path).await.ok_or_else(|| nothing(&path))?;
    let etag = format!("\"{}\"", object.sha256);
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::IF_NONE_MATCH)
        .is_some_and(|known| known == "*" || known.split(',').any(|one| one.trim() == etag))
    {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let same = text(header::IF_RANGE).is_none_or(|known| known == etag);
    let wanted = text(header::RANGE).filter(|_| same).map_or(Wanted::All, |text| wanted(text, object.length));
    let common = [(header::ETAG, etag), (header::ACCEPT_RANGES, "bytes".into())];
    let range = match wanted {
        Wanted::Nothing => {
            let size = [(header::CONTENT_RANGE, format!("bytes */{}", object.length))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, common, size).into_response());
        }
        Wanted::All => None,
        Wanted::Part(range) => Some(range),
    };
    let part =
        api.registry.objects().stream(&object.sha256, range.clone()).await.map_err(RegistryError::from)?;
    let length = [
        (header::CONTENT_LENGTH, (part.range.end - part.range.start).to_string()),
        (header::CONTENT_TYPE, "application/octet-stream".into()),
    ];
    let body = axum::body::Body::from_stream(part.stream);
    Ok(match range {
        None => (common, length, body).into_response(),
        Some(range) => {
            let said = format!("bytes {}-{}/{}", range.start, range.end - 1, object.length);
            (StatusCode::PARTIAL_CONTENT, common, length, [(header::CONTENT_RANGE, said)], body)
                .into_response()
        }
    })
}

#[derive(Debug, PartialEq)]
enum Wanted {
    All,
    Part(Range<u64>),
    Nothing,
}

/// One range of bytes (RFC 9110, section 14.1.2). Several at once, other units and what cannot be read give all.
fn wanted(text: &str, length: u64) -> Wanted {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|spec| spec.trim().split_once('-')) else {
        return Wanted::All;
    };
    let range = match (first.trim(), last.trim()) {
        ("", last) => match last.parse::<u64>() {
            Ok(0) => return Wanted::Nothing,
            Ok(count) => length.saturating_sub(count)..length,
            Err(_) => return Wanted::All,
        },
        (first, last) => match (first.parse::<u64>(), last) {
            (Ok(first), "") => first..length,
            (Ok(first), last) => match last.parse::<u64>() {
                Ok(last) if last >= first => first..last.saturating_add(1).min(length),
                _ => return Wanted::All,
            },
            _ => return Wanted::All,
        },
    };
    if range.start >= range.end || range.start >= length { Wanted::Nothing } else { Wanted::Part(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (text, expected) in [
            ("bytes=0-9", Wanted::Part(0..10)),
            ("bytes=90-", Wanted::Part(90..100)),
            ("bytes=-10", Wanted::Part(90..100)),
            ("bytes=-1000", Wanted::Part(0..100)),
            ("bytes=95-200", Wanted::Part(95..100)),
            ("bytes=100-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=9-1", Wanted::All),
            ("bytes=0-1,5-6", Wanted::All),
            ("lines=1-2", Wanted::All),
            ("bytes=x-y", Wanted::All),
            ("bytes=18446744073709551615-18446744073709551615", Wanted::Nothing),
        ] {
            assert_eq!(wanted(text, 100), expected, "{text}");
        }
    }
}
