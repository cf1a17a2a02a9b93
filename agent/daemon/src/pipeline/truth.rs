//! An answer and the truth that became known later.

use dunlin_runtime::{answer::Answer, statistics::Truth};

/// Compares an answer with a label as people write it; `None` where it cannot be compared.
/// `1`, `1.0` and ` 1 ` are one and the same label.
pub fn truth(answer: &Answer, label: &str) -> Option<Truth> {
    let label = label.trim();
    if label.is_empty() {
        return None;
    }
    if let Some(found) = &answer.label {
        let correct = found == label
            || matches!((found.parse::<f64>(), label.parse::<f64>()), (Ok(a), Ok(b)) if a == b);
        return Some(Truth::Label { correct });
    }
    let truth: f64 = label.parse().ok().filter(|value: &f64| value.is_finite())?;
    answer.value.map(|value| Truth::Number { error: value - truth })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_compared_as_people_write_them() {
        let answer = Answer { label: Some("1".into()), ..Answer::default() };
        assert_eq!(truth(&answer, " 1.0"), Some(Truth::Label { correct: true }));
        assert_eq!(truth(&answer, "0"), Some(Truth::Label { correct: false }));
        assert_eq!(truth(&answer, ""), None);
        let number = Answer { value: Some(2.5), ..Answer::default() };
        assert_eq!(truth(&number, "2"), Some(Truth::Number { error: 0.5 }));
        assert_eq!(truth(&number, "wet"), None);
    }
}
