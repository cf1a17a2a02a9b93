//! How many heads there are, of which sizes.

use tract_onnx::tract_hir::internal::*;

/// The lengths of one attention. Keys and values have `heads`, each for a group of query heads in a row.
#[derive(Debug, Clone)]
pub(super) struct Heads {
    pub(super) batch: TDim,
    pub(super) query_heads: usize,
    pub(super) heads: usize,
    pub(super) queries: TDim,
    /// Keys and values, without past ones.
    pub(super) keys: TDim,
    pub(super) size: usize,
    pub(super) value_size: TDim,
}

impl Heads {
    /// Of the shapes `[batch, heads, length, size]` of query, key and value.
    pub(super) fn new([query, key, value]: &[[TDim; 4]; 3]) -> TractResult<Self> {
        let known = |dim: &TDim, what: &str| {
            dim.to_usize().ok().with_context(|| format!("{what} must be known, and is {dim}"))
        };
        let heads = Self {
            batch: query[0].clone(),
            query_heads: known(&query[1], "the number of query heads")?,
            heads: known(&key[1], "the number of key heads")?,
            queries: query[2].clone(),
            keys: key[2].clone(),
            size: known(&query[3], "the size of a head")?,
            value_size: value[3].clone(),
        };
        ensure!(
            heads.heads > 0 && heads.query_heads.is_multiple_of(heads.heads),
            "{} query heads for {} key heads",
            heads.query_heads,
            heads.heads
        );
        let agree = query[0] == key[0] && query[3] == key[3] && key[..3] == value[..3];
        ensure!(
            agree,
            "queries of shape {query:?}, keys of {key:?} and values of {value:?} do not fit each other"
        );
        ensure!(heads.size > 0, "heads of size 0");
        Ok(heads)
    }

    /// Query heads that share a key head.
    pub(super) fn group(&self) -> usize {
        self.query_heads / self.heads
    }
}

/// A shape as `[batch, heads, length, size]`, of which three dimensions are `[batch, length, heads·size]`.
pub(super) fn split(shape: &[TDim], heads: Option<usize>) -> TractResult<[TDim; 4]> {
    match (shape, heads) {
        ([batch, heads, length, size], given) => {
            ensure!(
                given.is_none_or(|given| *heads == given.to_dim()),
                "{given:?} heads are told for a tensor of {heads}"
            );
            Ok([batch.clone(), heads.clone(), length.clone(), size.clone()])
        }
        ([batch, length, hidden], Some(heads)) => {
            let size = hidden.to_usize().ok().filter(|hidden| heads > 0 && hidden.is_multiple_of(heads));
            let size =
                size.with_context(|| format!("{heads} heads cannot share a width of {hidden}"))? / heads;
            Ok([batch.clone(), heads.to_dim(), length.clone(), size.to_dim()])
        }
        ([_, _, _], None) => bail!("a tensor of 3 dimensions needs the number of heads"),
        _ => bail!("a tensor of {} dimensions where 3 or 4 are taken", shape.len()),
    }
}
