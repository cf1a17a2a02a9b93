//! What an `Attention` node says.

use tract_onnx::model::{optional_inputs, optional_outputs};
use tract_onnx::pb::{NodeProto, tensor_proto::DataType};
use tract_onnx::tract_hir::internal::*;

use super::weights::{Stage, View};

/// An output of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    Values,
    PresentKey,
    PresentValue,
    /// The scores at a stage.
    Shown,
}

/// Attributes, and the places of what is optional.
#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) query_heads: Option<usize>,
    pub(super) key_heads: Option<usize>,
    /// 1/√size where absent.
    pub(super) scale: Option<f32>,
    /// 0 where there is none.
    pub(super) softcap: f32,
    pub(super) view: View,
    /// The softmax is asked for in double precision; then all is.
    pub(super) double: bool,
    pub(super) stage: Stage,
    /// Number of inputs that are there.
    pub(super) inputs: usize,
    pub(super) mask: Option<usize>,
    pub(super) short_mask: bool,
    pub(super) past: Option<[usize; 2]>,
    /// How many keys of each sequence are no padding.
    pub(super) counts: Option<usize>,
    pub(super) outputs: TVec<Output>,
}

impl Options {
    pub(super) fn read(node: &NodeProto, opset: i64) -> TractResult<Self> {
        let int = |name: &str| node.get_attr_opt::<i64>(name);
        let heads = |name: &str| -> TractResult<Option<usize>> {
            let Some(count) = int(name)? else { return Ok(None) };
            let known = usize::try_from(count).ok().filter(|count| *count > 0);
            known.with_context(|| format!("{name} is {count}")).map(Some)
        };
        let window = |name: &str| -> TractResult<Option<u32>> {
            let size = int(name)?.unwrap_or(-1);
            if size == -1 {
                return Ok(None);
            }
            u32::try_from(size).ok().with_context(|| format!("{name} is {size}")).map(Some)
        };
        let mut places = optional_inputs(node).skip(3);
        let mut next = || places.next().flatten();
        let (mask, past_key, past_value, counts) = (next(), next(), next(), next());
        let is_latest = opset >= 24;
        ensure!(
            node.input.len() <= if is_latest { 7 } else { 6 },
            "Attention of {} inputs",
            node.input.len()
        );
        let past = match (past_key, past_value) {
            (Some(key), Some(value)) => Some([key, value]),
            (None, None) => None,
            _ => bail!("past keys and past values go together"),
        };
        ensure!(past.is_none() || counts.is_none(), "nonpad_kv_seqlen and past keys exclude each other");
        let kinds = [Output::Values, Output::PresentKey, Output::PresentValue, Output::Shown];
        ensure!(node.output.len() <= kinds.len(), "Attention of {} outputs", node.output.len());
        let outputs = kinds.into_iter().zip(optional_outputs(node));
        let outputs = outputs.filter(|(_, slot)| slot.is_some()).map(|(kind, _)| kind).collect();
        let stage = match int("qk_matmul_output_mode")?.unwrap_or(0) {
            0 => Stage::Raw,
            1 => Stage::Capped,
            2 => Stage::Biased,
            3 => Stage::Weights,
            other => bail!("qk_matmul_output_mode {other} is unknown"),
        };
        let precision = int("softmax_precision")?;
        let known = [DataType::Float, DataType::Float16, DataType::Double, DataType::Bfloat16];
        ensure!(
            precision.is_none_or(|told| known.iter().any(|kind| told == *kind as i64)),
            "softmax_precision {precision:?} is unknown"
        );
        let softcap = node.get_attr_opt::<f32>("softcap")?.unwrap_or(0.0);
        ensure!(softcap.is_finite() && softcap >= 0.0, "a soft cap of {softcap}");
        Ok(Self {
            query_heads: heads("q_num_heads")?,
            key_heads: heads("kv_num_heads")?,
            scale: scale(node)?,
            softcap,
            view: View {
                causal: int("is_causal")?.unwrap_or(0) != 0,
                left: window("left_window_size")?,
                right: window("right_window_size")?,
            },
            double: precision == Some(DataType::Double as i64),
            stage,
            inputs: node.input.iter().filter(|name| !name.is_empty()).count(),
            mask,
            short_mask: is_latest,
            past,
            counts,
            outputs,
        })
    }
}

/// The attribute of that name. Both operands take its root, of which a negative number has none.
pub(super) fn scale(node: &NodeProto) -> TractResult<Option<f32>> {
    let scale = node.get_attr_opt::<f32>("scale")?;
    ensure!(scale.is_none_or(|scale| scale.is_finite() && scale >= 0.0), "a scale of {scale:?}");
    Ok(scale)
}
