use std::collections::BTreeMap;

use super::*;

fn read(text: &str) -> Result<Dataset, DataError> {
    Dataset::read_csv(text.as_bytes(), &Limits::default())
}

#[test]
fn columns_are_numbers_or_texts_by_what_they_hold() {
    let data = read("\u{feff}t_f,place,note\n1.5,north,a\n,south,2\nNA,,\n").unwrap();
    assert_eq!(data.rows(), 3);
    let kinds: Vec<Kind> = data.columns().iter().map(Column::kind).collect();
    assert_eq!(kinds, [Kind::Number, Kind::Text, Kind::Text]);
    assert_eq!(data.columns()[0].name, "t_f");
    let missing: Vec<bool> = (0..4).map(|row| data.columns()[0].values.is_missing(row)).collect();
    assert_eq!(missing, [false, true, true, true]);
}

#[test]
fn words_for_missing_leave_a_column_one_of_numbers() {
    let data = read("x\n1\nNULL\nn/a\nNone\n?\n<NA>\n2\n").unwrap();
    let Values::Numbers(numbers) = &data.columns()[0].values else { panic!("texts") };
    assert_eq!(format!("{numbers:?}"), "[1.0, NaN, NaN, NaN, NaN, NaN, 2.0]");
}

#[test]
fn a_header_without_rows_is_refused() {
    assert!(matches!(read("a,b\n"), Err(DataError::NoRows)));
    assert!(matches!(read(""), Err(DataError::NoRows)));
}

#[test]
fn a_ragged_row_is_named_by_its_line() {
    let error = read("a,b\n1,2\n3\n").unwrap_err();
    assert!(matches!(error, DataError::RaggedRow { line: 3, found: 1, expected: 2 }), "{error}");
}

#[test]
fn a_doubled_or_empty_header_is_refused() {
    assert!(matches!(read("a,b,a\n1,2,3\n"), Err(DataError::DuplicateHeader { first: 1, second: 3, .. })));
    assert!(matches!(read("a,,c\n1,2,3\n"), Err(DataError::EmptyHeader { index: 2 })));
}

#[test]
fn a_text_among_numbers_is_named_with_column_line_and_value() {
    let mut text = String::from("x,y\n");
    (0..40).for_each(|k| text.push_str(&format!("{k},{}\n", if k == 7 { "wet" } else { "1" })));
    let error = read(&text).unwrap_err().to_string();
    assert!(error.contains("\"y\", line 9: \"wet\""), "{error}");

    let schema = BTreeMap::from([("y".to_owned(), Kind::Number)]);
    let found = Dataset::read_csv_as("y\n1\nab\n".as_bytes(), &Limits::default(), &schema);
    assert!(matches!(found, Err(DataError::NotANumber { line: 3, .. })));
    let schema = BTreeMap::from([("y".to_owned(), Kind::Text)]);
    let found = Dataset::read_csv_as("y\n1\n2\n".as_bytes(), &Limits::default(), &schema).unwrap();
    assert_eq!(found.columns()[0].kind(), Kind::Text);
    let schema = BTreeMap::from([("z".to_owned(), Kind::Text)]);
    let found = Dataset::read_csv_as("y\n1\n".as_bytes(), &Limits::default(), &schema);
    assert!(matches!(found, Err(DataError::MissingColumn { .. })));
}

#[test]
fn a_table_beyond_its_limits_is_refused() {
    let limits = |bytes, rows, columns| Limits { bytes, rows, columns };
    let text = "a,b\n1,2\n3,4\n";
    assert!(Dataset::read_csv(text.as_bytes(), &limits(12, 2, 2)).is_ok());
    for tight in [limits(11, 2, 2), limits(12, 1, 2), limits(12, 2, 1)] {
        let found = Dataset::read_csv(text.as_bytes(), &tight);
        assert!(matches!(found, Err(DataError::TooLarge { .. })), "{tight:?}");
    }
}

#[test]
fn bytes_that_are_not_text_are_refused() {
    let found = Dataset::read_csv(&b"a,b\n1,\xff\xfe\n"[..], &Limits::default());
    assert!(matches!(found, Err(DataError::NotText { line: 2 })), "{found:?}");
}

#[test]
fn a_table_reads_back_as_it_was_written() {
    let data = read("x,\"na,me\"\n0.1,\"a \"\"b\"\"\"\n,\n-3e-7,\"c,d\"\n").unwrap();
    let again = Dataset::read_csv(data.write_csv().as_slice(), &Limits::default()).unwrap();
    assert_eq!(format!("{data:?}"), format!("{again:?}"));
}
