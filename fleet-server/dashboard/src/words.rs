//! Values as people read them: times, ages, sizes, figures, addresses.

use std::fmt::{self, Write as _};

use jiff::Timestamp;

use crate::views::Tone;

/// HTML or SVG whose texts are escaped already. Only this crate makes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Markup(pub(crate) String);

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for Markup {}

/// Text for HTML and SVG, in attributes too.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A name as one part of a path or query value: all but unreserved characters percent-encoded (RFC 3986, 2.3).
pub fn part(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// True for a path of this server: links of any other kind are shown as text.
pub fn is_local(href: &str) -> bool {
    href.starts_with('/') && !href.starts_with("//") && !href.contains(['\\', '\n', '\r', '\t'])
}

/// A badge: a word in a tone.
pub fn badge(word: &str, tone: Tone) -> Markup {
    Markup(format!("<span class=\"badge {}\">{}</span>", tone.class(), escape(word)))
}

fn stamp(ms: i64, format: &str) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(at) => at.strftime(format).to_string(),
        Err(_) => "unknown time".to_owned(),
    }
}

/// `14:02` in UTC.
pub(crate) fn clock(ms: i64) -> String {
    stamp(ms, "%H:%M")
}

/// `Nov 23` in UTC.
pub(crate) fn day(ms: i64) -> String {
    stamp(ms, "%b %-d")
}

/// `2026-11-23 14:02 UTC`.
pub(crate) fn utc(ms: i64) -> String {
    stamp(ms, "%Y-%m-%d %H:%M UTC")
}

fn time_tag(ms: i64, text: &str, kind: &str) -> Markup {
    let iso = stamp(ms, "%Y-%m-%dT%H:%M:%SZ");
    Markup(format!("<time datetime=\"{iso}\" title=\"{}\" data-as=\"{kind}\">{text}</time>", utc(ms)))
}

/// A moment, in UTC; the script shows it in the viewer's zone.
pub fn time(ms: &i64) -> Markup {
    time_tag(*ms, &utc(*ms), "moment")
}

/// An age: `12 s ago`.
pub fn ago(ms: &i64, now_ms: &i64) -> Markup {
    let seconds = now_ms.saturating_sub(*ms) / 1000;
    let text = match seconds {
        i64::MIN..=-5 => format!("in {}", duration(&seconds.unsigned_abs())),
        -4..=1 => "just now".to_owned(),
        _ => format!("{} ago", duration(&seconds.unsigned_abs())),
    };
    time_tag(*ms, &text, "age")
}

/// `12 s`, `4 min`, `3 h`, `5 d`.
pub fn duration(seconds: &u64) -> String {
    match seconds {
        0..=99 => format!("{seconds} s"),
        100..=5_999 => format!("{} min", seconds / 60),
        6_000..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// `1.1 MB`, in powers of 1000.
pub fn bytes(count: &u64) -> String {
    let mut value = *count as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1000.0 {
            return format!("{} {unit}", figure(&value));
        }
        value /= 1000.0;
    }
    format!("{} TB", figure(&value))
}

/// Three significant digits, without trailing zeros: `0.0123`, `1.25`, `48100`.
pub fn figure(value: &f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    if *value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor() as i32;
    if magnitude < -6 {
        return format!("{value:.1e}");
    }
    let places = usize::try_from(2 - magnitude).unwrap_or(0);
    let text = format!("{value:.places$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    text.replace('-', "\u{2212}")
}

/// A figure that may be missing: then a dash.
pub fn maybe(value: &Option<f64>) -> String {
    value.as_ref().map_or_else(|| "–".to_owned(), figure)
}

/// A sentence with a capital in front, unless it begins with a name such as `dew_point_f`.
pub fn sentence(text: &str) -> String {
    let name = text.split_whitespace().next().is_some_and(|word| word.contains(['_', '-', '.']));
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if !name => first.to_uppercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}

/// A share as percent: `4.2 %`.
pub fn percent(share: &f64) -> String {
    format!("{} %", figure(&(share * 100.0)))
}

/// A whole number with thin spaces between thousands.
pub fn count(value: &u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (k, c) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(c);
    }
    out
}
