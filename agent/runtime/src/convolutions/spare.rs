//! Answers that were read, to be written to again.
//!
//! The engine gives a layer's input back to the allocator and each new answer comes filled with zeros, by pages that the
//! kernel hands out anew: for a picture that is a tenth of the time of a call. A network asks for the same lengths in each
//! call, so what one layer has read is kept for the next one that needs as much, in this call or a later one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tract_onnx::tract_hir::internal::*;

/// Fewer numbers are filled with zeros before anybody notices.
const WORTH_KEEPING: usize = 4096;
/// Most numbers that are kept: 32 MB.
const MOST_KEPT: usize = 8 << 20;
/// Most lengths that are remembered: a network whose pictures always differ keeps nothing of use.
const MOST_LENGTHS: usize = 256;

/// What is kept between the layers of one network.
#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// By the lengths that were asked for: what else is given back is not of this network's answers.
    by_length: BTreeMap<usize, Vec<Tensor>>,
    numbers: usize,
}

impl Spare {
    /// A tensor in single precision to be written over. What is in it is of no meaning.
    pub(super) fn take(&self, shape: &[usize]) -> TractResult<Tensor> {
        let length = shape.iter().product();
        if length < WORTH_KEEPING {
            return dunlin_kernels::zeros(shape);
        }
        let found = {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.by_length.len() >= MOST_LENGTHS && !kept.by_length.contains_key(&length) {
                *kept = Kept::default();
            }
            let found = kept.by_length.entry(length).or_default().pop();
            kept.numbers -= found.as_ref().map_or(0, Tensor::len);
            found
        };
        match found {
            Some(tensor) => tensor.into_shape(shape),
            None => dunlin_kernels::zeros(shape),
        }
    }

    /// Keeps a value that was read, where nobody else holds it and its length was asked for.
    pub(super) fn give(&self, value: TValue) {
        let length = value.len();
        if length < WORTH_KEEPING || value.datum_type() != f32::datum_type() {
            return;
        }
        let Ok(tensor) = Arc::try_unwrap(value.into_arc_tensor()) else { return };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.numbers + length <= MOST_KEPT
            && let Some(same) = kept.by_length.get_mut(&length)
        {
            same.push(tensor);
            kept.numbers += length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: usize = 2 * WORTH_KEEPING;

    fn ones(length: usize) -> TValue {
        tensor1(&vec![1.0_f32; length]).into_tvalue()
    }

    fn kept(spare: &Spare) -> usize {
        spare.0.lock().unwrap().numbers
    }

    #[test]
    fn what_was_asked_for_once_is_kept_and_comes_in_the_shape_that_is_asked_for() {
        let spare = Spare::default();
        spare.give(ones(LENGTH));
        assert_eq!(kept(&spare), 0, "nobody asked for that length");
        let first = spare.take(&[2, WORTH_KEEPING]).unwrap();
        assert_eq!(first.shape(), [2, WORTH_KEEPING]);
        spare.give(ones(LENGTH));
        assert_eq!(kept(&spare), LENGTH);
        let again = spare.take(&[WORTH_KEEPING, 2]).unwrap();
        assert_eq!(again.shape(), [WORTH_KEEPING, 2]);
        assert_eq!(again.try_as_plain_ram().unwrap().as_slice::<f32>().unwrap()[0], 1.0, "the same one");
        assert_eq!(kept(&spare), 0);
    }

    #[test]
    fn what_others_hold_or_is_too_much_is_not_kept() {
        let spare = Spare::default();
        spare.take(&[LENGTH]).unwrap();
        let held = ones(LENGTH);
        spare.give(held.clone());
        assert_eq!(kept(&spare), 0);
        assert_eq!(held.len(), LENGTH);

        spare.take(&[MOST_KEPT]).unwrap();
        spare.give(ones(MOST_KEPT));
        spare.give(ones(LENGTH));
        assert_eq!(kept(&spare), MOST_KEPT);
        for length in 0..MOST_LENGTHS {
            spare.take(&[WORTH_KEEPING + length]).unwrap();
        }
        assert_eq!(kept(&spare), 0, "the lengths are others now");
    }
}
