//! A device's first meeting: a token and a certificate request in, a certificate and the root of trust out.

use std::{net::IpAddr, path::Path, sync::PoisonError, time::Instant};

use axum::http::StatusCode;
use dunlin_protocol::DeviceId;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Access, authority::today, secret, tokens::status};
use crate::{
    clock::now_ms,
    error::ApiError,
    storage::{
        devices::{self, DeviceRow},
        tokens::{self, TokenRow},
    },
};

/// What a device sends.
#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = EnrolRequest)]
pub struct Request {
    /// The enrolment token.
    pub token: String,
    /// The name it wants.
    pub device: String,
    /// A certificate request with that name, signed by the device's own key.
    pub csr_pem: String,
}

/// What a device gets.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = EnrolAnswer)]
pub struct Answer {
    /// Its certificate.
    pub certificate_pem: String,
    /// The authority that signed it, and the server's own certificate.
    pub ca_pem: String,
    /// Where to connect to.
    pub mqtt_host: String,
    /// The port there.
    pub mqtt_port: u16,
    /// The newest TUF root, as it is served.
    pub root_json: String,
    /// The server's time, milliseconds since 1970.
    pub server_time_ms: i64,
    /// Four words of the device's key, to compare with those on its screen.
    pub words: [&'static str; 4],
}

/// Why a device cannot have the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The token is not one for enrolment, or not known.
    Unknown,
    /// It can no longer be used; the word says why.
    Ended(&'static str),
    /// It is for another device.
    OtherDevice,
    /// The name belongs to a device that may still connect.
    Taken,
}

/// Decides: the token as found, the device of that name as found.
///
/// # Errors
/// The reason, if it may not.
pub fn decide(
    token: Option<&TokenRow>,
    known: Option<&DeviceRow>,
    device: &DeviceId,
    now_ms: i64,
) -> Result<(), Refusal> {
    let token = token.filter(|token| token.kind == "enrol").ok_or(Refusal::Unknown)?;
    match status(token, now_ms) {
        "usable" => {}
        ended => return Err(Refusal::Ended(ended)),
    }
    let named = token.device.as_deref();
    if named.is_some_and(|name| name != device.as_str()) {
        return Err(Refusal::OtherDevice);
    }
    match known {
        Some(row) if row.revoked_ms.is_none() && named.is_none() => Err(Refusal::Taken),
        _ => Ok(()),
    }
}

fn refusal(refusal: Refusal, device: &DeviceId) -> ApiError {
    let again = "make a new one with `dunlin token create`";
    match refusal {
        Refusal::Unknown => ApiError::new(
            StatusCode::UNAUTHORIZED,
            "token-unknown",
            "the enrolment token is not known here; it may be mistyped, or of another server",
            again,
        ),
        Refusal::Ended(word) => {
            let code = match word {
                "expired" => "token-expired",
                "used-up" => "token-used",
                _ => "token-revoked",
            };
            let message = format!("the enrolment token is {word}");
            ApiError::new(StatusCode::UNAUTHORIZED, code, message, again)
        }
        Refusal::OtherDevice => ApiError::new(
            StatusCode::FORBIDDEN,
            "token-other-device",
            format!("the enrolment token is for another device than {device}"),
            format!("make one for it with `dunlin token create --device {device}`"),
        ),
        Refusal::Taken => ApiError::conflict(
            "device-exists",
            format!("a device named {device} is enrolled already and may connect"),
            format!(
                "choose another name, or enrol it anew with a token from `dunlin token create --device {device}`"
            ),
        ),
    }
}

impl Access {
    /// Enrols a device.
    ///
    /// # Errors
    /// With a code each: a wrong, used, expired or revoked token, a name that is taken or none, a request that
    /// cannot be signed, too many wrong tokens from `peer`.
    pub async fn enrol(&self, peer: IpAddr, request: Request) -> Result<Answer, ApiError> {
        let patience = || self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if !patience().allows(peer, Instant::now()) {
            return Err(ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-wrong-tokens",
                format!("{peer} tried too many wrong tokens"),
                "wait a minute, then try with a token from `dunlin token create`",
            ));
        }
        let outcome = self.attempt(request).await;
        if outcome.as_ref().is_err_and(|error| error.code == "token-unknown") {
            patience().wrong(peer, Instant::now());
        }
        outcome.inspect_err(|error| tracing::warn!(%peer, code = error.code, "an enrolment was refused"))
    }

    async fn attempt(&self, request: Request) -> Result<Answer, ApiError> {
        let device: DeviceId = request.device.parse().map_err(|error: dunlin_protocol::NameError| {
            ApiError::bad_request("device-name", error.to_string(), "choose a name such as station-07")
        })?;
        let now = now_ms();
        let hash = secret::hash(&request.token);
        self.check(&device, &hash, now).await?;
        let certificate = self
            .authority
            .sign_device(&device, &request.csr_pem, today(), self.config.certificate_days)
            .map_err(|reason| {
                ApiError::bad_request(
                    "certificate-request",
                    reason,
                    "let `dunlin-agent enrol` make the request",
                )
            })?;
        let root_json = newest_root(&self.folder.metadata()).map_err(ApiError::internal)?;
        let (name, sha256, words) = (device.clone(), certificate.sha256, certificate.words.join(" "));
        // Decided again where nobody can come between: the token is used and the name given in one step.
        let done = self
            .store
            .write(move |tx| {
                let token = tokens::by_hash(tx, &hash)?;
                let known = devices::get(tx, name.as_str())?;
                if let Err(refused) = decide(token.as_ref(), known.as_ref(), &name, now) {
                    return Ok(Err(refused));
                }
                if let Some(token) = token {
                    tokens::used(tx, &token.id, now)?;
                }
                devices::enrol(tx, name.as_str(), &sha256, &words, now).map(Ok)
            })
            .await?;
        done.map_err(|refused| refusal(refused, &device))?;
        self.link.cut(&device);
        let detail = json!({ "words": certificate.words.join(" ") });
        self.audit.record(&format!("device {device}"), "device-enrolled", device.as_str(), detail).await?;
        Ok(Answer {
            certificate_pem: certificate.pem,
            ca_pem: self.authority.pem().to_owned(),
            mqtt_host: self.public.mqtt_host.clone(),
            mqtt_port: self.public.mqtt_port,
            root_json,
            server_time_ms: now,
            words: certificate.words,
        })
    }

    /// Refuses early, before the cost of a signature.
    async fn check(&self, device: &DeviceId, hash: &[u8], now_ms: i64) -> Result<(), ApiError> {
        let (wanted, name) = (hash.to_vec(), device.clone());
        let decided = self
            .store
            .read(move |db| {
                let token = tokens::by_hash(db, &wanted)?;
                let known = devices::get(db, name.as_str())?;
                let token = token.filter(|row| secret::equal(&row.hash, &wanted));
                Ok(decide(token.as_ref(), known.as_ref(), &name, now_ms))
            })
            .await?;
        decided.map_err(|refused| refusal(refused, device))
    }
}

/// The root metadata with the highest version.
fn newest_root(metadata: &Path) -> std::io::Result<String> {
    let newest = std::fs::read_dir(metadata)?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".root.json")?.parse::<u64>().ok())
        .max()
        .ok_or_else(|| std::io::Error::other(format!("no root.json in {}", metadata.display())))?;
    std::fs::read_to_string(metadata.join(format!("{newest}.root.json")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(kind: &str, device: Option<&str>) -> TokenRow {
        TokenRow {
            id: "t".into(),
            kind: kind.into(),
            hash: vec![],
            label: String::new(),
            device: device.map(str::to_owned),
            uses_left: Some(1),
            created_ms: 0,
            expires_ms: Some(100),
            revoked_ms: None,
            last_used_ms: None,
        }
    }

    fn device(revoked_ms: Option<i64>) -> DeviceRow {
        DeviceRow {
            number: 1,
            id: "d".into(),
            certificate: vec![],
            words: String::new(),
            enrolled_ms: 0,
            revoked_ms,
            online: false,
            last_seen_ms: None,
            state_boot: None,
            state_received_ms: None,
            state: None,
        }
    }

    #[test]
    fn who_may_enrol_is_a_table() {
        let d: DeviceId = "d".parse().unwrap();
        let open = token("enrol", None);
        let table = [
            (None, None, 0, Err(Refusal::Unknown)),
            (Some(token("api", None)), None, 0, Err(Refusal::Unknown)),
            (Some(open.clone()), None, 0, Ok(())),
            (Some(open.clone()), None, 100, Err(Refusal::Ended("expired"))),
            (Some(TokenRow { uses_left: Some(0), ..open.clone() }), None, 0, Err(Refusal::Ended("used-up"))),
            (Some(TokenRow { revoked_ms: Some(1), ..open.clone() }), None, 0, Err(Refusal::Ended("revoked"))),
            (Some(token("enrol", Some("other"))), None, 0, Err(Refusal::OtherDevice)),
            (Some(open.clone()), Some(device(None)), 0, Err(Refusal::Taken)),
            (Some(open), Some(device(Some(1))), 0, Ok(())),
            (Some(token("enrol", Some("d"))), Some(device(None)), 0, Ok(())),
        ];
        for (token, known, now, expected) in table {
            assert_eq!(
                decide(token.as_ref(), known.as_ref(), &d, now),
                expected,
                "{token:?} {known:?} {now}"
            );
        }
    }
}
