//! Writing a table as CSV, so that it reads back as it was.

use super::{Dataset, Values};

impl Dataset {
    /// The table as CSV with a header. Numbers are written shortest-exact, missing cells empty.
    pub fn write_csv(&self) -> Vec<u8> {
        let mut text = String::new();
        let names = self.columns.iter().map(|column| quoted(&column.name));
        line(&mut text, names);
        for row in 0..self.rows {
            let cells = self.columns.iter().map(|column| match &column.values {
                Values::Numbers(values) => match values.get(row) {
                    Some(value) if !value.is_nan() => value.to_string(),
                    _ => String::new(),
                },
                Values::Texts(values) => values.get(row).map(|value| quoted(value)).unwrap_or_default(),
            });
            line(&mut text, cells);
        }
        text.into_bytes()
    }
}

fn line(text: &mut String, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.collect();
    // A lone empty cell would be an empty line, which readers skip.
    if let [only] = cells.as_slice()
        && only.is_empty()
    {
        text.push_str("\"\"");
    } else {
        text.push_str(&cells.join(","));
    }
    text.push('\n');
}

fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}
