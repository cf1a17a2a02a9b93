//! The style sheet and the script, carried in the binary.

use std::sync::LazyLock;

/// One file under `/assets/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// What it holds.
    pub bytes: &'static [u8],
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its `ETag`, with quotes. Pages link to the file with this value in the query, so that an answer to the
    /// full address may be kept for ever.
    pub etag: String,
}

const STYLE: &[u8] = include_bytes!("../assets/dunlin.css");
const SCRIPT: &[u8] = include_bytes!("../assets/dunlin.js");
const ICON: &[u8] = include_bytes!("../assets/icon.svg");

/// The file at a path below `/assets/`, for example `dunlin.css`; `None` when there is no such file. The server
/// may look into a folder of its own then (`uplot/uPlot.esm.js` for zoom).
pub fn get(path: &str) -> Option<Asset> {
    let (bytes, content_type) = match path {
        "dunlin.css" => (STYLE, "text/css; charset=utf-8"),
        "dunlin.js" => (SCRIPT, "text/javascript; charset=utf-8"),
        "icon.svg" => (ICON, "image/svg+xml"),
        _ => return None,
    };
    Some(Asset { bytes, content_type, etag: format!("\"{}\"", digest(bytes)) })
}

/// Changes whenever the style sheet or the script does.
pub(crate) static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{}{}", digest(STYLE), digest(SCRIPT)));

/// FNV-1a, 64 bits: tells versions of our own files apart, nothing more.
fn digest(bytes: &[u8]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    format!("{hash:016x}")
}
