//! Tensors as lists of numbers, and elements moved whatever their type is.

use tract_onnx::tract_hir::internal::*;

/// The numbers in double precision.
pub(crate) fn doubles(tensor: &Tensor) -> TractResult<Vec<f64>> {
    Ok(tensor.cast_to::<f64>()?.try_as_plain_ram()?.as_slice::<f64>()?.to_vec())
}

/// The numbers as integers.
pub(crate) fn integers(tensor: &Tensor) -> TractResult<Vec<i64>> {
    Ok(tensor.cast_to::<i64>()?.try_as_plain_ram()?.as_slice::<i64>()?.to_vec())
}

/// A tensor of type `kind` out of numbers in double precision.
pub(crate) fn of_doubles(kind: DatumType, shape: &[usize], numbers: Vec<f64>) -> TractResult<Tensor> {
    Ok(crate::convert::tensor(shape, numbers)?.cast_to_dt(kind)?.into_owned())
}

/// Lengths, none of them below zero.
pub(crate) fn lengths(tensor: &Tensor) -> TractResult<TVec<usize>> {
    let length = |length: i64| usize::try_from(length).map_err(|_| format_err!("a length of {length}"));
    integers(tensor)?.into_iter().map(length).collect()
}

/// The axis that counts from the end where it is negative.
pub(crate) fn resolve_axis(axis: i64, rank: usize) -> TractResult<usize> {
    let place = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
    let place = place.and_then(|place| usize::try_from(place).ok()).filter(|place| *place < rank);
    place.with_context(|| format!("axis {axis} of {rank} dimensions"))
}

/// How many elements there are before an axis, along it, and after it.
pub(crate) fn around(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}

/// Where element number `flat` of a tensor stands along each axis.
pub(crate) fn coordinates(mut flat: usize, shape: &[usize]) -> TVec<usize> {
    let mut found: TVec<usize> = shape.into();
    for (place, length) in found.iter_mut().zip(shape).rev() {
        *place = flat % length.max(&1);
        flat /= length.max(&1);
    }
    found
}

/// The number of the element that stands there.
pub(crate) fn flat(coordinates: &[usize], shape: &[usize]) -> usize {
    coordinates.iter().zip(shape).fold(0, |flat, (place, length)| flat * length + place)
}

/// A tensor of this shape whose element number `n` is element number `source(n)` of the input; zero where that is none.
pub(crate) fn gathered(
    input: &Tensor,
    shape: &[usize],
    source: &dyn Fn(usize) -> Option<usize>,
) -> TractResult<Tensor> {
    let (kind, count) = (input.datum_type(), shape.iter().product());
    fn cloned<T: Datum + Default>(
        input: &Tensor,
        shape: &[usize],
        source: &dyn Fn(usize) -> Option<usize>,
    ) -> TractResult<Tensor> {
        let from = input.try_as_plain_ram()?.as_slice::<T>()?;
        let one = |n| source(n).map_or(Some(T::default()), |place| from.get(place).cloned());
        let elements: Option<Vec<T>> = (0..shape.iter().product()).map(one).collect();
        crate::convert::tensor(shape, elements.context("an element that is not there")?)
    }
    if kind == String::datum_type() {
        return cloned::<String>(input, shape, source);
    }
    if kind == TDim::datum_type() {
        return cloned::<TDim>(input, shape, source);
    }
    ensure!(kind.is_copy() && !kind.is_quantized(), "elements of type {kind:?} are not moved");
    let mut output = Tensor::zero_dt(kind, shape)?;
    if count == 0 {
        return Ok(output);
    }
    let width = kind.size_of();
    let from = input.try_as_plain_ram()?.as_bytes();
    let mut plain = output.try_as_plain_ram_mut()?;
    for (n, to) in plain.as_bytes_mut().chunks_exact_mut(width).enumerate().take(count) {
        if let Some(place) = source(n) {
            to.copy_from_slice(
                from.get(place * width..(place + 1) * width).context("an element that is not there")?,
            );
        }
    }
    Ok(output)
}
