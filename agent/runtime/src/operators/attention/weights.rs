//! From scores to weights: the soft cap, the mask and what a query sees, and the softmax.

use std::ops::Range;

use tract_onnx::tract_core::ops::nn::{Softmax, SoftmaxKind};
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::tract_num_traits::Float;

use crate::operators::kernel::{Kernel, Signature};

/// What a query sees, beside of a mask. Its place is its index after all keys that precede the first query.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    /// Nothing after its own place.
    pub(super) causal: bool,
    /// At most so many before its place.
    pub(super) left: Option<u32>,
    /// At most so many after its place.
    pub(super) right: Option<u32>,
}

impl View {
    /// The keys, of `keys`, that a query at this place sees.
    fn range(&self, place: i64, keys: usize) -> Range<usize> {
        let clamp = |index| clamped(index, keys);
        let reach = if self.causal { Some(0) } else { self.right };
        let end = reach.map_or(keys, |reach| clamp(place.saturating_add(i64::from(reach)).saturating_add(1)));
        let start = self.left.map_or(0, |left| clamp(place.saturating_sub(i64::from(left))));
        start.min(end)..end
    }
}

/// A place among the keys, or at their end.
fn clamped(index: i64, keys: usize) -> usize {
    // In 64 bits: a board's lengths may be of 32, in which what is far behind the end is nothing.
    index.clamp(0, keys as i64) as usize
}

/// A stage of the scores that may be an output, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Raw,
    Capped,
    Biased,
    Weights,
}

/// Takes scores `[batch, heads, queries, keys]` and gives weights of that shape, then the stage that is shown. Further
/// inputs, where they are: a mask, past keys `[batch, heads, past, size]`, and how many keys of each sequence count.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) softcap: f32,
    pub(super) view: View,
    pub(super) mask: bool,
    /// A mask of fewer keys hides the others, since version 24.
    pub(super) short_mask: bool,
    pub(super) past: bool,
    pub(super) counts: bool,
    pub(super) shown: Option<Stage>,
}

impl Kernel for Weights {
    fn name(&self) -> &'static str {
        "AttentionWeights"
    }

    fn arity(&self) -> (usize, usize) {
        (1, 4)
    }

    fn outputs(&self) -> usize {
        1 + usize::from(self.shown.is_some())
    }

    fn facts(&self, inputs: &[Signature]) -> TractResult<TVec<Signature>> {
        Ok((0..self.outputs()).map(|_| inputs[0].clone()).collect())
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        match inputs[0].datum_type() {
            DatumType::F64 => self.weigh::<f64>(inputs),
            _ => self.weigh::<f32>(inputs),
        }
    }
}

impl Weights {
    fn weigh<T: Datum + Float>(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let &[batch, heads, queries, keys] = inputs[0].shape() else { bail!("scores have 4 dimensions") };
        let mut further = inputs[1..].iter();
        let mut next = |is_there: bool| if is_there { further.next() } else { None };
        let (mask, past, counts) = (next(self.mask), next(self.past), next(self.counts));
        let mask = mask.map(|mask| Mask::<T>::read(mask, inputs[0].shape(), self.short_mask)).transpose()?;
        let past = past.map_or(0, |past| past.shape()[2] as i64);
        let counts = counts.map(|counts| counts.cast_to::<i64>()).transpose()?;
        let counts = counts.as_ref().map(|counts| counts.try_as_plain_ram()).transpose()?;
        let counts = counts.as_ref().map(|counts| counts.as_slice::<i64>()).transpose()?;
        ensure!(
            counts.is_none_or(|counts| counts.len() == batch),
            "not one number of keys for each of {batch}"
        );

        let mut scores = inputs[0].clone();
        if self.softcap > 0.0 {
            let cap = T::from(self.softcap).context("a soft cap that is no number")?;
            each_mut(&mut scores, |x: T| cap * (x / cap).tanh())?;
        }
        let capped = (self.shown == Some(Stage::Capped)).then(|| scores.clone());
        let mut hidden = Vec::new();
        if keys > 0 {
            let mut plain = scores.try_as_plain_ram_mut()?;
            for (index, row) in plain.as_slice_mut::<T>()?.chunks_exact_mut(keys).enumerate() {
                let (sequence, head, query) =
                    (index / queries / heads, index / queries % heads, index % queries);
                let count = counts.map(|counts| counts[sequence]);
                let before = count.map_or(past, |count| count.saturating_sub(queries as i64));
                let mut seen = self.view.range(before.saturating_add(query as i64), keys);
                if let Some(count) = count {
                    seen.end = seen.end.min(clamped(count, keys));
                }
                if let Some(mask) = &mask {
                    mask.add(row, [sequence, head, query], &mut seen);
                }
                let (start, end) = (seen.start.min(seen.end), seen.end);
                row[..start].fill(T::neg_infinity());
                row[end..].fill(T::neg_infinity());
                if row.iter().all(|x| *x == T::neg_infinity()) {
                    hidden.push(index);
                }
            }
        }
        let biased = (self.shown == Some(Stage::Biased)).then(|| scores.clone());
        // A query that sees nothing has weights of zero. Its softmax would be no number.
        fill(&mut scores, &hidden, keys, T::zero())?;
        let softmax = Softmax { axes: tvec!(3), quant_output_dt: None, kind: SoftmaxKind::Softmax };
        let made = softmax.eval(&EvalContext::out_of_plan(), tvec!(scores.into_tvalue()))?;
        let mut weights = args_1!(made).into_tensor();
        fill(&mut weights, &hidden, keys, T::zero())?;
        let shown = match self.shown {
            None => None,
            Some(Stage::Raw) => Some(inputs[0].clone()),
            Some(Stage::Capped) => capped,
            Some(Stage::Biased) => biased,
            Some(Stage::Weights) => Some(weights.clone()),
        };
        Ok([weights].into_iter().chain(shown).collect())
    }
}

fn each_mut<T: Datum + Copy>(tensor: &mut Tensor, change: impl Fn(T) -> T) -> TractResult<()> {
    let mut plain = tensor.try_as_plain_ram_mut()?;
    plain.as_slice_mut::<T>()?.iter_mut().for_each(|x| *x = change(*x));
    Ok(())
}

/// Writes `value` into these rows of `width`.
fn fill<T: Datum + Copy>(tensor: &mut Tensor, rows: &[usize], width: usize, value: T) -> TractResult<()> {
    let mut plain = tensor.try_as_plain_ram_mut()?;
    let values = plain.as_slice_mut::<T>()?;
    rows.iter().for_each(|row| values[row * width..][..width].fill(value));
    Ok(())
}

/// A mask as what is added to scores: minus infinity hides a key.
struct Mask<T> {
    values: Vec<T>,
    /// Rows of keys per sequence, head and query; 0 where one row is for all of them.
    steps: [usize; 3],
    width: usize,
}

impl<T: Datum + Float> Mask<T> {
    fn read(mask: &Tensor, scores: &[usize], may_be_short: bool) -> TractResult<Self> {
        let (given, keys) = (mask.shape(), scores[3]);
        let mut shape = [1; 4];
        ensure!(given.len() <= 4, "a mask of {} dimensions", given.len());
        shape[4 - given.len()..].copy_from_slice(given);
        let width = shape[3];
        let fits = shape[..3].iter().zip(scores).all(|(mask, scores)| *mask == 1 || mask == scores);
        let is_wide = width == keys || if may_be_short { width < keys } else { width == 1 };
        ensure!(fits && is_wide, "a mask of shape {given:?} for scores of {scores:?}");
        let mut values: Vec<T> = if mask.datum_type() == bool::datum_type() {
            let plain = mask.try_as_plain_ram()?;
            let hide = |seen: &bool| if *seen { T::zero() } else { T::neg_infinity() };
            plain.as_slice::<bool>()?.iter().map(hide).collect()
        } else {
            mask.cast_to::<T>()?.try_as_plain_ram()?.as_slice::<T>()?.to_vec()
        };
        let step = |axis: usize, rows: usize| if shape[axis] == 1 { 0 } else { rows };
        let steps = [step(0, shape[1] * shape[2]), step(1, shape[2]), step(2, 1)];
        if may_be_short || width == keys {
            return Ok(Self { values, steps, width });
        }
        values = values.iter().flat_map(|bias| std::iter::repeat_n(*bias, keys)).collect();
        Ok(Self { values, steps, width: keys })
    }

    /// Adds it to a row of scores, and takes what lies behind its end out of what is seen.
    fn add(&self, row: &mut [T], place: [usize; 3], seen: &mut Range<usize>) {
        let index: usize = self.steps.iter().zip(place).map(|(step, index)| step * index).sum();
        let values = &self.values[index * self.width..][..self.width];
        let add = |x: &mut T, bias: &T| {
            // Hidden is hidden, whatever the score is.
            *x = if *bias == T::neg_infinity() { *bias } else { *x + *bias };
        };
        row.iter_mut().zip(values).for_each(|(x, bias)| add(x, bias));
        seen.end = seen.end.min(self.width);
    }
}
