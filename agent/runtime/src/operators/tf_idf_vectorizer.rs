//! `TfIdfVectorizer` (ONNX 9): how often each n-gram of a pool is in a row of integers or texts.

use std::collections::HashMap;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attributes::{Labels, floats, ints};
use super::kernel::{Built, Kernel, Signature, built};
use super::values::integers;

/// Takes [tokens] or [rows, tokens]; gives as many columns as the n-grams need.
#[derive(Debug)]
struct TfIdfVectorizer {
    texts: bool,
    /// The number of each token that is in an n-gram.
    tokens: HashMap<String, usize>,
    /// The column of each n-gram.
    columns: HashMap<Vec<usize>, usize>,
    width: usize,
    /// Shortest and longest n-gram.
    lengths: (usize, usize),
    most_skipped: usize,
    /// What a count becomes.
    counted: bool,
    weights: Vec<f32>,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let pool = Labels::read(node, "pool_int64s", "pool_strings")?;
    let texts = matches!(pool, Labels::Strings(_));
    let pool = match pool {
        Labels::Ints(pool) => pool.iter().map(ToString::to_string).collect(),
        Labels::Strings(pool) => pool,
    };
    let lengths = (node.get_attr::<usize>("min_gram_length")?, node.get_attr::<usize>("max_gram_length")?);
    ensure!(lengths.0 > 0 && lengths.0 <= lengths.1, "n-grams of {} to {}", lengths.0, lengths.1);
    let (counted, weighted) = match node.get_attr::<&str>("mode")? {
        "TF" => (true, false),
        "IDF" => (false, true),
        "TFIDF" => (true, true),
        other => bail!("its mode {other} is unknown"),
    };
    let position = |at: &i64| usize::try_from(*at).ok();
    let starts: Option<Vec<usize>> = ints(node, "ngram_counts")?.iter().map(position).collect();
    let indexes: Option<Vec<usize>> = ints(node, "ngram_indexes")?.iter().map(position).collect();
    let (starts, indexes) = starts.zip(indexes).context("an index below zero")?;
    let (mut tokens, mut columns) = (HashMap::new(), HashMap::new());
    let mut index = indexes.iter();
    for (place, start) in starts.iter().enumerate() {
        let end = starts.get(place + 1).copied().unwrap_or(pool.len());
        let grams = pool.get(*start..end).context("n-grams that are not in the pool")?;
        for gram in grams.chunks_exact(place + 1) {
            let column = *index.next().context("an n-gram without an index")?;
            if (lengths.0..=lengths.1).contains(&gram.len()) {
                let mut number = |token: &String| {
                    let next = tokens.len();
                    *tokens.entry(token.clone()).or_insert(next)
                };
                columns.insert(gram.iter().map(&mut number).collect(), column);
            }
        }
    }
    let width = indexes.iter().max().and_then(|most| most.checked_add(1)).context("no n-grams")?;
    let weights = if weighted { floats(node, "weights")? } else { vec![] };
    ensure!(weights.is_empty() || weights.len() == width, "{} weights for {width} columns", weights.len());
    let most_skipped = node.get_attr("max_skip_count")?;
    built(TfIdfVectorizer { texts, tokens, columns, width, lengths, most_skipped, counted, weights })
}

impl TfIdfVectorizer {
    /// Tokens that are in no n-gram have no number.
    fn count(&self, row: &[Option<usize>], counts: &mut [f32]) {
        for distance in 1..=self.most_skipped.saturating_add(1).min(row.len()) {
            for start in 0..row.len() {
                let mut gram = Vec::new();
                for token in row[start..].iter().step_by(distance).take(self.lengths.1) {
                    let Some(token) = token else { break };
                    gram.push(*token);
                    // A single token skips nothing: it counts once.
                    let is_counted = gram.len() >= self.lengths.0 && (gram.len() > 1 || distance == 1);
                    if let Some(column) = self.columns.get(&gram).filter(|_| is_counted) {
                        counts[*column] += 1.0;
                    }
                }
            }
        }
    }
}

impl Kernel for TfIdfVectorizer {
    fn name(&self) -> &'static str {
        "TfIdfVectorizer"
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        let (kind, shape) = &inputs[0];
        ensure!((*kind == String::datum_type()) == self.texts, "tokens of type {kind:?}");
        ensure!((1..=2).contains(&shape.len()), "tokens of {} axes", shape.len());
        let rows = &shape[..shape.len() - 1];
        Ok(tvec![(f32::datum_type(), rows.iter().cloned().chain([self.width.to_dim()]).collect())])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let [rows @ .., length] = inputs[0].shape() else { bail!("no tokens") };
        let numbers: Vec<Option<usize>> = if self.texts {
            let texts = inputs[0].try_as_plain_ram()?.as_slice::<String>()?;
            texts.iter().map(|text| self.tokens.get(text).copied()).collect()
        } else {
            let tokens = integers(inputs[0])?;
            tokens.iter().map(|token| self.tokens.get(&token.to_string()).copied()).collect()
        };
        let shape: TVec<usize> = rows.iter().copied().chain([self.width]).collect();
        let mut counts = vec![0_f32; shape.iter().product()];
        for (row, counts) in numbers.chunks(*length.max(&1)).zip(counts.chunks_mut(self.width)) {
            self.count(row, counts);
            for (column, count) in counts.iter_mut().enumerate() {
                let known = if self.counted { *count } else { count.min(1.0) };
                *count = known * self.weights.get(column).unwrap_or(&1.0);
            }
        }
        Ok(tvec![crate::convert::tensor(&shape, counts)?])
    }
}
