//! The one place where the server asks what time it is. Deciders get the answer as an argument.

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
