//! Golden vectors: rows, some with missing values, and the answers of this crate's own arithmetic.

use dunlin_protocol::{
    bundle::Golden,
    tensor::{Tensor, TensorData},
};

use crate::{
    dataset::{Column, Values},
    onnx::Names,
    pipeline::{Answers, Pipeline},
    table::{Table, Target},
};

/// Rows in all.
const ROWS: usize = 32;

/// Rows of which something was taken away.
const BROKEN: usize = 10;

/// A text that no training row has.
const UNSEEN: &str = "(never seen)";

/// Rows whose two best labels are closer than this would test rounding, not the model.
const MARGIN: f32 = 0.01;

/// Largest difference that single precision explains.
const TOLERANCE: f64 = 1e-4;

/// Rows spread over `holdout`, then rows with one feature missing (or, for a text, unknown), the last with none.
pub(crate) fn collect(table: &Table, pipeline: &Pipeline, holdout: &[usize], origin: String) -> Golden {
    let labels = matches!(table.target, Target::Labels { .. });
    let mut chosen: Vec<Vec<Cell>> = Vec::new();
    let candidates = holdout.len().min(8 * ROWS);
    for k in 0..2 * candidates {
        if chosen.len() == ROWS - BROKEN {
            break;
        }
        let cells = row(table, holdout[(k % candidates) * holdout.len() / candidates]);
        // A second round takes what the first refused, so that there are always enough rows.
        if k >= candidates || clear(pipeline, table, &cells, labels) {
            chosen.push(cells);
        }
    }
    for k in 0..BROKEN {
        let broken: Vec<Vec<Cell>> =
            chosen.iter().take(ROWS - BROKEN).map(|cells| break_row(cells, k)).collect();
        let start = k % broken.len().max(1);
        let order = broken[start..].iter().chain(&broken[..start]);
        let clear_one = order.clone().find(|cells| clear(pipeline, table, cells, labels));
        if let Some(cells) = clear_one.or_else(|| order.clone().next()) {
            chosen.push(cells.clone());
        }
    }
    let columns = columns(table, &chosen);
    let rows: Vec<usize> = (0..chosen.len()).collect();
    let answers = pipeline.answer(&columns, &rows, labels);
    Golden {
        origin,
        inputs: inputs(&columns, rows.len()),
        outputs: outputs(&table.target, answers, rows.len()),
        tolerance: TOLERANCE,
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Number(f64),
    Text(String),
}

fn row(table: &Table, index: usize) -> Vec<Cell> {
    let cell = |column: &Column| match &column.values {
        // As devices see it, in single precision.
        Values::Numbers(values) => Cell::Number(f64::from(values[index] as f32)),
        Values::Texts(values) => Cell::Text(values[index].clone()),
    };
    table.features.iter().map(cell).collect()
}

/// Takes feature `k` away, in turn; the last broken row loses all of them.
fn break_row(cells: &[Cell], k: usize) -> Vec<Cell> {
    let mut cells = cells.to_vec();
    let count = cells.len();
    for (index, cell) in cells.iter_mut().enumerate() {
        if k + 1 == BROKEN || index == k % count {
            *cell = match cell {
                Cell::Number(_) => Cell::Number(f64::NAN),
                Cell::Text(_) if (k / count).is_multiple_of(2) => Cell::Text(UNSEEN.to_owned()),
                Cell::Text(_) => Cell::Text(String::new()),
            };
        }
    }
    cells
}

fn clear(pipeline: &Pipeline, table: &Table, cells: &[Cell], labels: bool) -> bool {
    match pipeline.answer(&columns(table, std::slice::from_ref(&cells.to_vec())), &[0], labels) {
        Answers::Numbers(values) => values.iter().all(|value| value.is_finite()),
        Answers::Labels { probabilities, .. } => {
            let mut row = probabilities.row(0).to_vec();
            row.sort_unstable_by(f32::total_cmp);
            matches!(row.as_slice(), [.., second, first] if first - second > MARGIN)
        }
    }
}

fn columns(table: &Table, rows: &[Vec<Cell>]) -> Vec<Column> {
    let values = |index: usize, column: &Column| match column.values {
        Values::Numbers(_) => {
            let number =
                |cells: &Vec<Cell>| if let Cell::Number(value) = cells[index] { value } else { f64::NAN };
            Values::Numbers(rows.iter().map(number).collect())
        }
        Values::Texts(_) => {
            let text = |cells: &Vec<Cell>| {
                if let Cell::Text(text) = &cells[index] { text.clone() } else { String::new() }
            };
            Values::Texts(rows.iter().map(text).collect())
        }
    };
    let column = |(index, column): (usize, &Column)| Column {
        name: column.name.clone(),
        values: values(index, column),
    };
    table.features.iter().enumerate().map(column).collect()
}

fn inputs(columns: &[Column], rows: usize) -> Vec<Tensor> {
    let floats = |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<f32>>();
    if columns.iter().all(|column| matches!(column.values, Values::Numbers(_))) {
        let numbers: Vec<&[f64]> = columns
            .iter()
            .filter_map(
                |column| if let Values::Numbers(values) = &column.values { Some(&values[..]) } else { None },
            )
            .collect();
        let data = (0..rows).flat_map(|row| numbers.iter().map(move |values| values[row] as f32)).collect();
        let shape = vec![rows, columns.len()];
        return vec![Tensor { name: Names::INPUT.to_owned(), shape, data: TensorData::Fp32(data) }];
    }
    columns
        .iter()
        .map(|column| {
            let data = match &column.values {
                Values::Numbers(values) => TensorData::Fp32(floats(values)),
                Values::Texts(values) => TensorData::Bytes(values.clone()),
            };
            Tensor { name: column.name.clone(), shape: vec![rows, 1], data }
        })
        .collect()
}

fn outputs(target: &Target, answers: Answers, rows: usize) -> Vec<Tensor> {
    let tensor = |name: &str, shape: Vec<usize>, data| Tensor { name: name.to_owned(), shape, data };
    match (answers, target) {
        (Answers::Labels { indices, probabilities }, Target::Labels { labels, integers, .. }) => {
            let answered = indices.iter().map(|index| labels[*index].clone());
            let data = if *integers {
                TensorData::Int64(answered.filter_map(|label| label.parse().ok()).collect())
            } else {
                TensorData::Bytes(answered.collect())
            };
            let shape = vec![rows, labels.len()];
            let probabilities = TensorData::Fp32(probabilities.into_iter().collect());
            vec![tensor(Names::LABEL, vec![rows], data), tensor(Names::PROBABILITIES, shape, probabilities)]
        }
        (Answers::Numbers(values), _) => {
            vec![tensor(Names::PREDICTION, vec![rows, 1], TensorData::Fp32(values))]
        }
        (Answers::Labels { .. }, Target::Numbers(_)) => Vec::new(),
    }
}
