//! Tokens: for devices to enrol with, and for programs to call the interface with.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Access, Caller, secret};
use crate::{
    clock::now_ms,
    error::ApiError,
    storage::tokens::{self, TokenRow},
};

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = TokenKind)]
pub enum Kind {
    /// A device's first meeting.
    Enrol,
    /// Calls of the HTTP interface.
    Api,
}

impl Kind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Enrol => "enrol",
            Kind::Api => "api",
        }
    }
}

/// A wish for a token.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
pub struct NewToken {
    /// What it is for.
    pub kind: Kind,
    /// How often it can be used; an enrolment token once by default, an API token without limit.
    #[serde(default)]
    pub uses: Option<u32>,
    /// How long it can be used; an enrolment token an hour by default, an API token for ever.
    #[serde(default)]
    pub expires_seconds: Option<u32>,
    /// What people call it.
    #[serde(default)]
    pub label: String,
    /// The only device an enrolment token is for; such a token may enrol a known device anew.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub device: Option<dunlin_protocol::DeviceId>,
}

/// A token with its secret, shown once.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = CreatedToken)]
pub struct Created {
    /// A public name for it.
    pub id: String,
    /// The secret.
    pub token: String,
    /// What to paste behind `dunlin-agent enrol`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrol_line: Option<String>,
}

/// A token as lists show it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct TokenView {
    /// A public name for it.
    pub id: String,
    /// `enrol` or `api`.
    pub kind: String,
    /// What people call it.
    pub label: String,
    /// The only device an enrolment token is for.
    pub device: Option<String>,
    /// Uses that are left; none for no limit.
    pub uses_left: Option<i64>,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    /// When it ends.
    pub expires_ms: Option<i64>,
    /// When it was last used.
    pub last_used_ms: Option<i64>,
    /// `usable`, `used-up`, `expired` or `revoked`.
    pub status: &'static str,
}

/// Whether a token can be used at `now_ms`, as a word.
pub fn status(token: &TokenRow, now_ms: i64) -> &'static str {
    if token.revoked_ms.is_some() {
        "revoked"
    } else if token.expires_ms.is_some_and(|end| end <= now_ms) {
        "expired"
    } else if token.uses_left.is_some_and(|left| left <= 0) {
        "used-up"
    } else {
        "usable"
    }
}

/// A token's row and secret.
///
/// # Errors
/// If the system has no random numbers to give.
pub fn make(wish: &NewToken, now_ms: i64) -> Result<(TokenRow, String), ApiError> {
    let secret = secret::generate().map_err(|_| ApiError::internal("no random numbers"))?;
    let (uses, seconds) = match wish.kind {
        Kind::Enrol => (wish.uses.or(Some(1)), wish.expires_seconds.or(Some(3600))),
        Kind::Api => (wish.uses, wish.expires_seconds),
    };
    let hash = secret::hash(&secret);
    let row = TokenRow {
        id: secret::hex(&hash[..6]),
        kind: wish.kind.as_str().into(),
        hash,
        label: wish.label.chars().take(100).collect(),
        device: wish.device.as_ref().map(ToString::to_string),
        uses_left: uses.map(i64::from),
        created_ms: now_ms,
        expires_ms: seconds.map(|s| now_ms.saturating_add(i64::from(s) * 1000)),
        revoked_ms: None,
        last_used_ms: None,
    };
    Ok((row, secret))
}

impl Access {
    /// Makes a token.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn create_token(&self, who: &str, wish: &NewToken) -> Result<Created, ApiError> {
        let (row, token) = make(wish, now_ms())?;
        let (id, label) = (row.id.clone(), row.label.clone());
        self.store.write(move |tx| tokens::put(tx, &row)).await?;
        let detail = json!({ "kind": wish.kind, "label": label, "device": wish.device });
        self.audit.record(who, "token-created", &id, detail).await?;
        let enrol_line = (wish.kind == Kind::Enrol)
            .then(|| format!("{} --ca {} --token {token}", self.public.url, self.authority.fingerprint()));
        Ok(Created { id, token, enrol_line })
    }

    /// All tokens, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn list_tokens(&self) -> Result<Vec<TokenView>, ApiError> {
        let now = now_ms();
        let rows = self.store.read(tokens::list).await?;
        Ok(rows.into_iter().map(|row| view(row, now)).collect())
    }

    /// Takes a token's right.
    ///
    /// # Errors
    /// 404 if there is none of that id to revoke.
    pub async fn revoke_token(&self, who: &str, id: &str) -> Result<(), ApiError> {
        let (key, now) = (id.to_owned(), now_ms());
        if !self.store.write(move |tx| tokens::revoke(tx, &key, now)).await? {
            return Err(ApiError::not_found(
                "unknown-token",
                format!("no token {:?} can be revoked", id.chars().take(40).collect::<String>()),
                "see `dunlin token list`",
            ));
        }
        self.audit.record(who, "token-revoked", id, json!({})).await?;
        Ok(())
    }

    /// Who calls with this API token.
    ///
    /// # Errors
    /// 401 if it is none that can be used.
    pub async fn caller_by_token(&self, token: &str) -> Result<Caller, ApiError> {
        let hash = secret::hash(token);
        let wanted = hash.clone();
        let row = self.store.read(move |db| tokens::by_hash(db, &wanted)).await?;
        let now = now_ms();
        match row {
            Some(row)
                if secret::equal(&row.hash, &hash) && row.kind == "api" && status(&row, now) == "usable" =>
            {
                if row.uses_left.is_some() {
                    let id = row.id.clone();
                    if !self.store.write(move |tx| tokens::used(tx, &id, now)).await? {
                        return Err(super::caller::unauthorised(format!("API token {} is used up", row.id)));
                    }
                }
                // Several tokens may have one label.
                let name = match row.label.as_str() {
                    "" => row.id.clone(),
                    label => format!("{label} ({})", row.id),
                };
                Ok(Caller { who: format!("token {name}"), token: Some(row.id) })
            }
            Some(row) if row.kind == "api" && status(&row, now) != "usable" => {
                Err(super::caller::unauthorised(format!("API token {} is {}", row.id, status(&row, now))))
            }
            _ => Err(super::caller::unauthorised("the API token is not known here".into())),
        }
    }
}

fn view(row: TokenRow, now_ms: i64) -> TokenView {
    let status = status(&row, now_ms);
    let TokenRow { id, kind, label, device, uses_left, created_ms, expires_ms, last_used_ms, .. } = row;
    TokenView { id, kind, label, device, uses_left, created_ms, expires_ms, last_used_ms, status }
}
