//! Prometheus text exposition, as little of it as the agent needs.

use std::fmt::Write as _;

/// Text in the making.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    /// One metric with its samples: label pairs and a value each. Nothing without samples.
    pub fn metric(&mut self, name: &str, kind: &str, help: &str, samples: &[(&[(&str, &str)], f64)]) {
        if samples.is_empty() {
            return;
        }
        self.0 += &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (labels, value) in samples {
            self.0 += name;
            for (index, (label, text)) in labels.iter().enumerate() {
                let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                let open = if index == 0 { '{' } else { ',' };
                self.0 += &format!("{open}{label}=\"{text}\"");
            }
            if !labels.is_empty() {
                self.0.push('}');
            }
            // Writing into a String cannot fail.
            writeln!(self.0, " {value}").unwrap_or_default();
        }
    }

    /// The whole text.
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut text = Text::default();
        text.metric("dunlin_x", "gauge", "A thing.", &[(&[("model", "a\"b"), ("v", "1")], 2.0)]);
        text.metric("dunlin_y", "counter", "None.", &[]);
        let expected =
            "# HELP dunlin_x A thing.\n# TYPE dunlin_x gauge\ndunlin_x{model=\"a\\\"b\",v=\"1\"} 2\n";
        assert_eq!(text.finish(), expected);
    }
}
