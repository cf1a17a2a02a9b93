//! What people and machines read.

use std::io::{IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

/// Prints a value as JSON, indented for a terminal and on one line for a pipe.
pub fn json(value: &Value) -> anyhow::Result<()> {
    let pretty = std::io::stdout().is_terminal();
    let text = if pretty { serde_json::to_string_pretty(value)? } else { serde_json::to_string(value)? };
    line(&text);
    Ok(())
}

/// Prints rows under headings, or a hint when there are none.
pub fn table<const N: usize>(headings: [&str; N], rows: Vec<[String; N]>, when_empty: &str) {
    if rows.is_empty() {
        return line(when_empty);
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(headings);
    for row in rows {
        table.add_row(row);
    }
    line(&table.to_string());
}

/// Prints a line. Whoever reads the other end of a pipe may have enough and leave: that is no error.
pub fn line(text: &str) {
    if let Err(error) = writeln!(std::io::stdout(), "{text}") {
        std::process::exit(i32::from(error.kind() != std::io::ErrorKind::BrokenPipe));
    }
}

/// A field as text; nested by `/`, empty where it is absent or null.
pub fn field(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => match number.as_f64() {
            Some(float) if !number.is_i64() && !number.is_u64() => format!("{float:.3}"),
            _ => number.to_string(),
        },
        Some(other) => other.to_string(),
    }
}

/// A model reference, whether the server sent it as text or as name and version.
pub fn model(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(object @ Value::Object(_)) => {
            format!("{}-{}", field(object, "/name"), field(object, "/version"))
        }
        _ => String::new(),
    }
}

/// How long ago, in the largest unit that says something.
pub fn age(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The list behind a key, or the value itself when it is a list.
pub fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).unwrap_or(value).as_array().map_or(&[], Vec::as_slice)
}

/// Milliseconds since 1970 now.
pub fn now_ms() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
}

/// Prints an error with its causes, once.
pub fn error(error: &anyhow::Error) {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because {cause}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_age_is_told_in_the_unit_that_says_something() {
        assert_eq!(
            [age(5_000), age(600_000), age(10_800_000), age(259_200_000)],
            ["5 s", "10 min", "3 h", "3 d"]
        );
        assert_eq!(age(-5), "0 s");
    }

    #[test]
    fn fields_that_are_absent_are_empty() {
        let value =
            json!({"a": {"b": 1.23456, "n": 7}, "model": {"name": "rain", "version": "1.0.0"}, "x": null});
        assert_eq!(field(&value, "/a/b"), "1.235");
        assert_eq!(field(&value, "/a/n"), "7");
        assert_eq!(field(&value, "/x"), "");
        assert_eq!(model(value.get("model")), "rain-1.0.0");
        assert_eq!(list(&json!({"devices": [1]}), "devices").len(), 1);
        assert_eq!(list(&json!([1, 2]), "devices").len(), 2);
    }
}
