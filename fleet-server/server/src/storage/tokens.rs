//! Tokens, login links and sessions. Only SHA-256 hashes of the secrets are stored.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// A public name for it.
    pub id: String,
    /// `enrol` or `api`.
    pub kind: String,
    /// SHA-256 of the secret.
    pub hash: Vec<u8>,
    /// What people call it.
    pub label: String,
    /// The only device an enrolment token is for.
    pub device: Option<String>,
    /// Uses that are left; none for no limit.
    pub uses_left: Option<i64>,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    /// When it ends; none for never.
    pub expires_ms: Option<i64>,
    /// When it was revoked, if it is.
    pub revoked_ms: Option<i64>,
    /// When it was last used.
    pub last_used_ms: Option<i64>,
}

const COLUMNS: &str =
    "id, kind, hash, label, device, uses_left, created_ms, expires_ms, revoked_ms, last_used_ms";

fn token(row: &Row<'_>) -> rusqlite::Result<TokenRow> {
    Ok(TokenRow {
        id: row.get(0)?,
        kind: row.get(1)?,
        hash: row.get(2)?,
        label: row.get(3)?,
        device: row.get(4)?,
        uses_left: row.get(5)?,
        created_ms: row.get(6)?,
        expires_ms: row.get(7)?,
        revoked_ms: row.get(8)?,
        last_used_ms: row.get(9)?,
    })
}

/// Keeps a new token.
pub fn put(tx: &Transaction<'_>, token: &TokenRow) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO tokens (id, kind, hash, label, device, uses_left, created_ms, expires_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            token.id,
            token.kind,
            token.hash,
            token.label,
            token.device,
            token.uses_left,
            token.created_ms,
            token.expires_ms
        ],
    )?;
    Ok(())
}

/// The token whose secret has this hash.
pub fn by_hash(db: &Connection, hash: &[u8]) -> rusqlite::Result<Option<TokenRow>> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM tokens WHERE hash = ?1"))?
        .query_row([hash], token)
        .optional()
}

/// All tokens, newest first.
pub fn list(db: &Connection) -> rusqlite::Result<Vec<TokenRow>> {
    db.prepare(&format!("SELECT {COLUMNS} FROM tokens ORDER BY created_ms DESC, id"))?
        .query_map([], token)?
        .collect()
}

/// Takes one use. Says whether there was one to take: of two that ask for the last one, one gets it.
pub fn used(tx: &Transaction<'_>, id: &str, now_ms: i64) -> rusqlite::Result<bool> {
    let changed = tx.execute(
        "UPDATE tokens SET uses_left = uses_left - 1, last_used_ms = ?2
         WHERE id = ?1 AND (uses_left IS NULL OR uses_left > 0) AND revoked_ms IS NULL
           AND (expires_ms IS NULL OR expires_ms > ?2)",
        params![id, now_ms],
    )?;
    Ok(changed > 0)
}

/// Whether a token is neither revoked nor over.
pub fn holds(db: &Connection, id: &str, now_ms: i64) -> rusqlite::Result<bool> {
    db.prepare_cached(
        "SELECT 1 FROM tokens WHERE id = ?1 AND revoked_ms IS NULL AND (expires_ms IS NULL OR expires_ms > ?2)",
    )?
    .exists(params![id, now_ms])
}

/// Revokes a token. Says whether there was one to revoke.
pub fn revoke(tx: &Transaction<'_>, id: &str, now_ms: i64) -> rusqlite::Result<bool> {
    let changed = tx.execute(
        "UPDATE tokens SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms IS NULL",
        params![id, now_ms],
    )?;
    Ok(changed > 0)
}

/// Who comes in by a link or session, and by which token they got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// Their name.
    pub who: String,
    /// The token that vouches for them: without it, or when it has ended, they have no right.
    pub token: Option<String>,
}

/// What holds while the token that vouches is good; `?2` is now.
const VOUCHED: &str = "(token IS NULL OR EXISTS (SELECT 1 FROM tokens WHERE id = token
    AND revoked_ms IS NULL AND (tokens.expires_ms IS NULL OR tokens.expires_ms > ?2)))";

/// Keeps a login link.
pub fn put_link(
    tx: &Transaction<'_>,
    hash: &[u8],
    visitor: &Visitor,
    expires_ms: i64,
) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO login_links (hash, who, token, expires_ms) VALUES (?1, ?2, ?3, ?4)",
        params![hash, visitor.who, visitor.token, expires_ms],
    )?;
    Ok(())
}

/// Takes a login link out, if it is good: for whom it was.
pub fn take_link(tx: &Transaction<'_>, hash: &[u8], now_ms: i64) -> rusqlite::Result<Option<Visitor>> {
    tx.query_row(
        &format!(
            "DELETE FROM login_links WHERE hash = ?1 AND login_links.expires_ms > ?2 AND {VOUCHED}
             RETURNING who, token"
        ),
        params![hash, now_ms],
        visitor,
    )
    .optional()
}

fn visitor(row: &Row<'_>) -> rusqlite::Result<Visitor> {
    Ok(Visitor { who: row.get(0)?, token: row.get(1)? })
}

/// Keeps a session.
pub fn put_session(
    tx: &Transaction<'_>,
    hash: &[u8],
    visitor: &Visitor,
    now_ms: i64,
    expires_ms: i64,
) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO sessions (hash, who, token, created_ms, expires_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![hash, visitor.who, visitor.token, now_ms, expires_ms],
    )?;
    Ok(())
}

/// Whose session this is, unless it or the token behind it has ended.
pub fn session(db: &Connection, hash: &[u8], now_ms: i64) -> rusqlite::Result<Option<Visitor>> {
    db.prepare_cached(&format!(
        "SELECT who, token FROM sessions WHERE hash = ?1 AND sessions.expires_ms > ?2 AND {VOUCHED}"
    ))?
    .query_row(params![hash, now_ms], visitor)
    .optional()
}

/// Ends a session.
pub fn end_session(tx: &Transaction<'_>, hash: &[u8]) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM sessions WHERE hash = ?1", [hash]).map(drop)
}

/// Forgets links and sessions that have ended.
pub fn forget_ended(tx: &Transaction<'_>, now_ms: i64) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM login_links WHERE expires_ms <= ?1", [now_ms])?;
    tx.execute("DELETE FROM sessions WHERE expires_ms <= ?1", [now_ms])?;
    Ok(())
}
