//! `dunlin login-link`.

use serde_json::json;

use super::Session;
use crate::output::field;

/// Makes a link that opens the dashboard once.
pub async fn run(session: &Session) -> anyhow::Result<()> {
    let link = session.api()?.post("/login-links", &json!({})).await?;
    session
        .print(&link, |link| println!("Open this in a browser; it works once:\n\n  {}", field(link, "/url")))
}
