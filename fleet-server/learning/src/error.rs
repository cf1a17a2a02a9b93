//! Why a model cannot be trained.

/// What stands in the way of a model.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A column that is not there.
    #[error("{role} column {name:?} is not in the dataset, which has {available}; correct the name")]
    UnknownColumn {
        /// What it was wanted for.
        role: &'static str,
        /// The name.
        name: String,
        /// The columns that are there.
        available: String,
    },
    /// The request contradicts itself or the data.
    #[error("{what} is {value}, which cannot be: {reason}")]
    Request {
        /// The field of the request.
        what: &'static str,
        /// Its value.
        value: String,
        /// Why, and what can be.
        reason: String,
    },
    /// Nothing to learn from.
    #[error("no column is left to learn from; name at least one feature besides the target {target:?}")]
    NoFeatures {
        /// The target.
        target: String,
    },
    /// A feature that is always missing in the training rows.
    #[error("feature {name:?} has no value in the {rows} training rows; leave it out or use other rows")]
    EmptyFeature {
        /// The column.
        name: String,
        /// Training rows.
        rows: usize,
    },
    /// Not enough rows with a known answer.
    #[error(
        "{found} rows with a known {target:?} are too few, at least {needed} are needed; collect more or use fewer folds"
    )]
    TooFewRows {
        /// The target.
        target: String,
        /// Rows found.
        found: usize,
        /// Rows needed.
        needed: usize,
    },
    /// Only one label, or too many.
    #[error(
        "target {target:?} has {found} different labels in the training rows, 2 to {most} can be learnt; choose another target, more rows, or task \"regression\""
    )]
    Labels {
        /// The target.
        target: String,
        /// Labels found.
        found: usize,
        /// Most that are learnt.
        most: usize,
    },
    /// A text column with too many texts.
    #[error(
        "text column {name:?} has {found} different texts, at most {most} become features; leave it out (an identifier?) or group its texts"
    )]
    Categories {
        /// The column.
        name: String,
        /// Texts found.
        found: usize,
        /// Most that are taken.
        most: usize,
    },
    /// The solver gave up.
    #[error(
        "the fit with penalty {penalty} failed: {reason}; try a larger penalty or look for extreme values"
    )]
    Fit {
        /// The penalty per row.
        penalty: f64,
        /// What the solver said.
        reason: String,
    },
    /// The champion's answers are not those of the hold-out.
    #[error(
        "champion {model} gave {found} answers, the hold-out has {expected} rows; let it answer exactly the hold-out"
    )]
    Champion {
        /// The champion.
        model: String,
        /// Answers.
        found: usize,
        /// Rows of the hold-out.
        expected: usize,
    },
    /// Stopped from outside.
    #[error("training was cancelled after {done} of {total} steps; start it again when wanted")]
    Cancelled {
        /// Steps done.
        done: usize,
        /// Steps in all.
        total: usize,
    },
    /// A result that cannot be written down, such as a JSON fact.
    #[error("the result cannot be written: {0}; this is a fault of the trainer, report it with the request")]
    Write(String),
}
