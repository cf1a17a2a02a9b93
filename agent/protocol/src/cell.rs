//! What a cell of a table says: one reading for the table that a model is trained on and the rows that it answers.
//!
//! In a column of numbers several words mean a missing value. In a column of texts only a blank cell does: `NA` is
//! also a country, and `?` may be a category of its own. Space around a number says nothing; in a text it may
//! belong to the category.

/// Words that mean a missing number, in any case of letters.
const MISSING: [&str; 10] = ["na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "none", "nil", "?"];

/// True for a cell that is blank, and for the words that mean a missing number.
pub fn is_missing_number(cell: &str) -> bool {
    let cell = cell.trim();
    cell.is_empty() || MISSING.iter().any(|word| word.eq_ignore_ascii_case(cell))
}

/// The number in a cell, NaN where it is missing; `None` for any other text.
pub fn number(cell: &str) -> Option<f64> {
    if is_missing_number(cell) { Some(f64::NAN) } else { cell.trim().parse().ok() }
}

/// The truth value in a cell: `true`, `false`, `1` or `0`, as programs write them.
pub fn flag(cell: &str) -> Option<bool> {
    match cell.trim() {
        "true" | "True" | "TRUE" | "1" => Some(true),
        "false" | "False" | "FALSE" | "0" => Some(false),
        _ => None,
    }
}

/// The category that a cell means: the cell as it stands, if that is known or nothing is; else the known one that
/// differs from it by space around it only, or by the case of `true` and `false` (JSON writes `true` where tables
/// write `True`). A blank cell is the empty text, which means missing.
pub fn category<'a>(cell: &'a str, known: &'a [String]) -> &'a str {
    let trimmed = cell.trim();
    if trimmed.is_empty() {
        return "";
    }
    if known.iter().any(|category| category == cell) {
        return cell;
    }
    let truth = trimmed.eq_ignore_ascii_case("true") || trimmed.eq_ignore_ascii_case("false");
    let alike = |category: &&String| {
        let category = category.trim();
        category == trimmed || truth && category.eq_ignore_ascii_case(trimmed)
    };
    known.iter().find(alike).map_or(cell, String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_missing_are_missing_numbers_in_any_case() {
        for cell in ["", "  ", "NA", "n/a", "NaN", "null", "NULL", "None", "?", " ? ", "<NA>", "#N/A"] {
            assert!(number(cell).is_some_and(f64::is_nan), "{cell:?}");
        }
        assert_eq!(number(" 3.5 "), Some(3.5));
        assert_eq!((number("wet"), number("3,5"), number("-")), (None, None, None));
    }

    #[test]
    fn a_category_is_taken_as_it_stands_before_it_is_taken_for_another() {
        let known = |categories: &[&str]| categories.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>();
        assert_eq!(category(" Private", &[]), " Private");
        assert_eq!(category(" Private", &known(&["Private", " Private"])), " Private");
        assert_eq!(category(" Private", &known(&["Private"])), "Private");
        assert_eq!(category("Private", &known(&[" Private"])), " Private");
        assert_eq!(category("private", &known(&["Private"])), "private");
        assert_eq!(category(" ", &known(&["Private"])), "");
        assert_eq!(category("NA", &known(&["DE"])), "NA");
    }

    #[test]
    fn a_truth_value_is_the_category_that_says_it() {
        let known = ["False".to_owned(), "True".to_owned()];
        assert_eq!(category("true", &known), "True");
        assert_eq!(category("FALSE", &known), "False");
        assert_eq!(category("true", &["yes".to_owned()]), "true");
    }
}
