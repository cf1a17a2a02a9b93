//! What the cell of a table says. The trainer and the device read alike, or a model is asked other things than it
//! was taught.

/// Texts that mean a missing number: those of pandas, and the question mark of the UCI data sets.
const MISSING: [&str; 12] =
    ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "<NA>", "#N/A", "?"];

/// The number in a cell, white space around it aside; NaN where it is missing, `None` where it is another text. A
/// text column has no such words: there only the empty cell is missing, and white space is part of the text.
pub fn number(cell: &str) -> Option<f64> {
    let cell = cell.trim();
    if MISSING.contains(&cell) { Some(f64::NAN) } else { cell.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_words_for_missing_ones_are_known() {
        assert_eq!(number(" 1.5 "), Some(1.5));
        assert_eq!(number("-3e-7"), Some(-3e-7));
        for missing in ["", "  ", "NA", "NULL", "None", " ? ", "NaN", "<NA>"] {
            assert!(number(missing).is_some_and(f64::is_nan), "{missing:?}");
        }
        for text in ["wet", "1,5", "0x10", "12 V"] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }
}
