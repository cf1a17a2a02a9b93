//! One line of the examination.

use std::fmt;

use serde::Serialize;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, but worse than it could, or not for long.
    Warning,
    /// It does not work.
    Failed,
    /// It was not looked at; what was found says why.
    Skipped,
}

/// What was found of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The thing.
    pub name: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do: one command or one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
}

impl Line {
    /// As it should be.
    pub fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, found: found.into(), cure: None }
    }

    /// Worse than it could be.
    pub fn warning(name: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Warning, found: found.into(), cure: Some(cure.into()) }
    }

    /// Does not work.
    pub fn failed(name: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Failed, found: found.into(), cure: Some(cure.into()) }
    }

    /// Not looked at.
    pub fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Skipped, found: why.into(), cure: None }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.verdict {
            Verdict::Ok => '✓',
            Verdict::Warning => '!',
            Verdict::Failed => '✗',
            Verdict::Skipped => '–',
        };
        write!(f, "{mark} {:<14} {}", self.name, self.found)?;
        match &self.cure {
            Some(cure) => write!(f, "\n{:17}→ {cure}", ""),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_with_its_cure() {
        assert_eq!(Line::ok("time", "right").to_string(), "✓ time           right");
        let line = Line::failed("disk", "full", "sudo apt clean");
        assert_eq!(line.to_string(), "✗ disk           full\n                 → sudo apt clean");
        let json = serde_json::to_string(&Line::skipped("broker", "not enrolled")).unwrap();
        assert_eq!(json, r#"{"name":"broker","verdict":"skipped","found":"not enrolled"}"#);
    }
}
