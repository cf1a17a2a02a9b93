//! Tensors of narrow types in a file, unpacked into what carries them.

use tract_onnx::pb::{TensorProto, tensor_proto::DataType};

use super::NarrowType;

/// Unpacks a tensor of a narrow type in its place, and says which it was. Other tensors stay as they are.
///
/// # Errors
/// Where the data are not as many as the shape says.
pub fn unpack(tensor: &mut TensorProto) -> Result<Option<NarrowType>, &'static str> {
    let Some(kind) = NarrowType::from_onnx(tensor.data_type.into()) else { return Ok(None) };
    let mut dims = tensor.dims.iter().map(|dim| usize::try_from(*dim).ok());
    let volume = dims.try_fold(1_usize, |product, dim| product.checked_mul(dim?));
    let volume = volume.ok_or("has impossible dimensions")?;
    let (bits, in_one) = (kind.bits(), (8 / kind.bits()).max(1));
    let is_raw = !tensor.raw_data.is_empty();
    let entries = volume.div_ceil(in_one);
    let fits = match is_raw {
        true => entries.checked_mul(bits.div_ceil(8)) == Some(tensor.raw_data.len()),
        false => entries == tensor.int32_data.len(),
    };
    if !fits {
        return Err("has another number of elements than its shape says");
    }
    let entry = |index: usize| match (is_raw, bits) {
        (true, 16) => tensor.raw_data.get(2 * index..).and_then(|bytes| bytes.first_chunk()).copied(),
        (true, _) => tensor.raw_data.get(index).map(|byte| [*byte, 0]),
        (false, _) => tensor.int32_data.get(index).map(|entry| (*entry as u16).to_le_bytes()),
    };
    let mask = if bits == 16 { u16::MAX } else { (1 << bits) - 1 };
    let code = |index: usize| {
        let entry = u16::from_le_bytes(entry(index / in_one).unwrap_or_default());
        (entry >> (index % in_one * bits)) & mask
    };
    let raw_data = match kind.carrier() {
        DataType::Float => {
            (0..volume).flat_map(|index| kind.value(code(index)).to_le_bytes()).collect::<Vec<u8>>()
        }
        _ => (0..volume).map(|index| kind.wrapped(code(index).into()) as u8).collect(),
    };
    tensor.raw_data = raw_data;
    tensor.int32_data.clear();
    tensor.float_data.clear();
    tensor.data_type = kind.carrier() as i32;
    Ok(Some(kind))
}
