//! Planning a graph only when it is called.
//!
//! Some graphs cannot be planned while lengths are free, or while what decides about shapes is an input: a detector whose
//! pictures may have any size, a branch on a sampling rate, a `Reshape` by an input. They are planned for the lengths and
//! the small inputs of a call, and the plan is kept for the calls after it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use dunlin_protocol::spec::{InputSpec, ModelSpec};
use dunlin_protocol::tensor::{Datatype, Tensor};
use tract_onnx::pb::{self, tensor_shape_proto::dimension::Value, type_proto};
use tract_onnx::tract_hir::internal::TypedRunnableModel;

use crate::error::LoadError;
use crate::{convert, prepare, rewrite, trial};

/// Plans that are kept. Each holds the weights once more.
const MOST_PLANS: usize = 2;
/// Most elements of an input that becomes a constant of the plan.
const MOST_ELEMENTS: usize = 64;

/// What a plan was made for, one for each input.
#[derive(Debug, Clone, PartialEq)]
enum Given {
    Value(Tensor),
    Shape(Vec<usize>),
}

/// A graph and the plans for its latest calls.
pub struct Late {
    model: pb::ModelProto,
    plans: Mutex<VecDeque<(Vec<Given>, Arc<TypedRunnableModel>)>>,
}

impl Late {
    /// Whether a graph could be planned for one call where it could not be for all.
    pub fn may_help(spec: &ModelSpec) -> bool {
        spec.inputs.iter().any(|input| is_small(input) || input.shape.iter().any(Option::is_none))
    }

    /// A graph that has a plan for made-up input at least, or inputs that cannot be made up: they decide, or have lengths
    /// that may be anything.
    pub fn new(mut model: pb::ModelProto, spec: &ModelSpec) -> Option<Self> {
        rewrite::plain(&mut model);
        let late = Self { model, plans: Mutex::default() };
        let decides =
            |input: &InputSpec| is_small(input) && (input.shape.is_empty() || !is_float(input.datatype));
        let is_planned = |inputs: Vec<Tensor>| late.plan(&inputs).is_ok();
        let is_open = trial::is_free(spec) || spec.inputs.iter().any(decides);
        (is_open || trial::made_up(spec).any(is_planned)).then_some(late)
    }

    /// The plan for these inputs, and whether each input is part of it rather than given to it.
    pub fn plan(&self, inputs: &[Tensor]) -> Result<(Arc<TypedRunnableModel>, Vec<bool>), LoadError> {
        let given: Vec<Given> = inputs.iter().map(given).collect();
        let is_part = given.iter().map(|given| matches!(given, Given::Value(_))).collect();
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = plans.iter().position(|(known, _)| *known == given) {
            let found = plans.remove(place);
            plans.extend(found);
        } else {
            let plan = prepare::plan(self.settled(inputs, &given), Vec::new())?.plan;
            if plans.len() == MOST_PLANS {
                plans.pop_front();
            }
            plans.push_back((given, plan));
        }
        let plan = plans.back().map(|(_, plan)| plan.clone());
        plan.map(|plan| (plan, is_part)).ok_or(LoadError::Engine { reason: "no plan".into() })
    }

    /// The graph with what is given written into it.
    fn settled(&self, inputs: &[Tensor], given: &[Given]) -> pb::ModelProto {
        let mut model = self.model.clone();
        let Some(graph) = &mut model.graph else { return model };
        for (input, given) in inputs.iter().zip(given) {
            let Some(place) = graph.input.iter().position(|value| value.name == input.name) else { continue };
            match given {
                Given::Value(_) => {
                    graph.input.remove(place);
                    graph.initializer.push(convert::into_proto(input));
                }
                Given::Shape(lengths) => {
                    let Some(type_proto::Value::TensorType(tensor)) =
                        graph.input[place].r#type.as_mut().and_then(|kind| kind.value.as_mut())
                    else {
                        continue;
                    };
                    let dim = |length: &usize| pb::tensor_shape_proto::Dimension {
                        value: Some(Value::DimValue(*length as i64)),
                        ..Default::default()
                    };
                    tensor.shape = Some(pb::TensorShapeProto { dim: lengths.iter().map(dim).collect() });
                }
            }
        }
        model
    }
}

fn given(input: &Tensor) -> Given {
    if input.shape.len() <= 1 && input.data.len() <= MOST_ELEMENTS {
        Given::Value(input.clone())
    } else {
        Given::Shape(input.shape.clone())
    }
}

fn is_small(input: &InputSpec) -> bool {
    input.shape.len() <= 1
}

fn is_float(kind: Datatype) -> bool {
    matches!(kind, Datatype::Fp16 | Datatype::Fp32 | Datatype::Fp64)
}
