//! People on the dashboard: a link that works once makes a session, a cookie carries it.

use serde_json::json;

use super::{Access, Caller, caller::unauthorised, secret};
use crate::{clock::now_ms, error::ApiError, storage::tokens};

/// The session's cookie.
pub const COOKIE: &str = "dunlin_session";

fn visitor_of(caller: &Caller) -> tokens::Visitor {
    tokens::Visitor { who: caller.who.clone(), token: caller.token.clone() }
}

impl Access {
    /// A link that logs the caller in, once, as long as the caller's token is good.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn create_login_link(&self, caller: &Caller) -> Result<String, ApiError> {
        let code = secret::generate().map_err(|_| ApiError::internal("no random numbers"))?;
        let who = &caller.who;
        let (hash, visitor) = (secret::hash(&code), visitor_of(caller));
        let now = now_ms();
        let end = now.saturating_add(i64::from(self.config.login_link_minutes) * 60_000);
        self.store
            .write(move |tx| {
                tokens::forget_ended(tx, now)?;
                tokens::put_link(tx, &hash, &visitor, end)
            })
            .await?;
        self.audit.record(who, "login-link-created", who, json!({})).await?;
        Ok(format!("{}/login?code={code}", self.public.url))
    }

    /// Turns a link's code into a session: the value of its `Set-Cookie` header.
    ///
    /// # Errors
    /// 401 if the code was used, has ended or never was.
    pub async fn redeem_login(&self, code: &str) -> Result<String, ApiError> {
        let now = now_ms();
        let hash = secret::hash(code);
        let taken = self.store.write(move |tx| tokens::take_link(tx, &hash, now)).await?;
        let visitor = match taken {
            Some(visitor) => visitor,
            None => {
                return Err(ApiError::new(
                    axum::http::StatusCode::UNAUTHORIZED,
                    "login-link",
                    "this login link was used already, has ended with its time or its token, or never was",
                    "make another with `dunlin login-link`",
                ));
            }
        };
        let session = secret::generate().map_err(|_| ApiError::internal("no random numbers"))?;
        let seconds = i64::from(self.config.session_hours) * 3600;
        let (hash, who) = (secret::hash(&session), visitor.who.clone());
        let end = now.saturating_add(seconds * 1000);
        self.store.write(move |tx| tokens::put_session(tx, &hash, &visitor, now, end)).await?;
        self.audit.record(&who, "logged-in", &who, json!({})).await?;
        let secure = if self.public.tls { "; Secure" } else { "" };
        Ok(format!("{COOKIE}={session}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"))
    }

    /// Who calls with this session.
    ///
    /// # Errors
    /// 401 if it is none, or has ended.
    pub async fn caller_by_session(&self, session: &str) -> Result<Caller, ApiError> {
        let (hash, now) = (secret::hash(session), now_ms());
        let visitor = self.store.read(move |db| tokens::session(db, &hash, now)).await?;
        let caller = visitor.map(|tokens::Visitor { who, token }| Caller { who, token });
        caller.ok_or_else(|| unauthorised("the session has ended".into()))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn end_session(&self, session: &str) -> Result<(), ApiError> {
        let (hash, now) = (secret::hash(session), now_ms());
        let ended = self.store.write(move |tx| {
            let visitor = tokens::session(tx, &hash, now)?;
            tokens::end_session(tx, &hash)?;
            Ok(visitor)
        });
        if let Some(tokens::Visitor { who, .. }) = ended.await? {
            self.audit.record(&who, "logged-out", &who, json!({})).await?;
        }
        Ok(())
    }
}
