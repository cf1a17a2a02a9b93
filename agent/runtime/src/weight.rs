//! How much memory a file takes when it is read, told from its bytes alone.
//!
//! Protobuf writes an empty message in two bytes, which are hundreds once it is read. This walks the wire format (source:
//! "Encoding" of the protobuf documentation) over the messages that ONNX nests and adds up what each will take, without
//! taking anything.

use tract_onnx::pb;

/// Messages that hold others, or many values.
#[derive(Clone, Copy)]
enum Kind {
    Model,
    Function,
    Graph,
    Node,
    Attribute,
    Tensor,
    Value,
}

/// What a field becomes.
enum Field {
    /// A message that is walked.
    Message(Kind),
    /// A message, or a text, of so many bytes and so many for each of its own.
    Leaf(usize, u64),
}

/// Graphs inside each other that are walked; deeper ones are refused later.
const MAX_DEPTH: usize = 64;

/// Bytes that the model will take, told no further than beyond `most`; files that are cut off or no protobuf weigh what was
/// walked of them.
pub fn weight(onnx: &[u8], most: u64) -> u64 {
    weigh(Kind::Model, onnx, 0, most)
}

/// Bytes that a function will take.
pub fn of_function(message: &[u8]) -> u64 {
    weigh(Kind::Function, message, 0, u64::MAX)
}

fn weigh(kind: Kind, mut bytes: &[u8], depth: usize, most: u64) -> u64 {
    let mut sum = kind.size();
    while sum <= most
        && let Some((tag, payload)) = next(&mut bytes)
    {
        let more = match (payload, kind.field(tag)) {
            (Some(payload), Some(Field::Message(kind))) if depth < MAX_DEPTH => {
                weigh(kind, payload, depth + 1, most - sum)
            }
            (Some(payload), Some(Field::Leaf(each, times))) => each as u64 + times * payload.len() as u64,
            // A number that is not packed with others.
            (None, _) => size_of::<u64>() as u64,
            _ => 0,
        };
        sum = sum.saturating_add(more);
    }
    sum
}

impl Kind {
    fn size(self) -> u64 {
        let size = match self {
            Kind::Model => size_of::<pb::ModelProto>(),
            Kind::Function => size_of::<pb::FunctionProto>(),
            Kind::Graph => size_of::<pb::GraphProto>(),
            Kind::Node => size_of::<pb::NodeProto>(),
            Kind::Attribute => size_of::<pb::AttributeProto>(),
            Kind::Tensor => size_of::<pb::TensorProto>(),
            Kind::Value => size_of::<pb::ValueInfoProto>(),
        };
        size as u64
    }

    /// Tags of onnx.proto3; what the engine does not read takes nothing. Numbers in a packed list are one byte at least and
    /// eight when read, and a dimension of a type is two and seventy.
    fn field(self, tag: u64) -> Option<Field> {
        const TEXT: Field = Field::Leaf(size_of::<String>(), 1);
        const PAIR: Field = Field::Leaf(2 * size_of::<String>(), 1);
        const NUMBERS: Field = Field::Leaf(0, 8);
        const TYPE: Field = Field::Leaf(0, 36);
        // Messages of messages that models hardly have.
        const STRANGE: Field = Field::Leaf(1024, 128);
        Some(match (self, tag) {
            (Kind::Model, 7) | (Kind::Attribute, 6 | 11) => Field::Message(Kind::Graph),
            (Kind::Model, 25) => Field::Message(Kind::Function),
            (Kind::Graph, 1) | (Kind::Function, 7) => Field::Message(Kind::Node),
            (Kind::Node, 5) | (Kind::Function, 11) => Field::Message(Kind::Attribute),
            (Kind::Graph, 5) | (Kind::Attribute, 5 | 10) => Field::Message(Kind::Tensor),
            (Kind::Graph, 11..=13) => Field::Message(Kind::Value),
            (Kind::Attribute, 8) | (Kind::Tensor, 1 | 5 | 7 | 11) => NUMBERS,
            (Kind::Value, 2) => TYPE,
            (Kind::Model, 8 | 14) | (Kind::Function, 9) | (Kind::Tensor, 13) => PAIR,
            (Kind::Model, 20) | (Kind::Graph, 14 | 15) | (Kind::Attribute, 15 | 22 | 23) => STRANGE,
            (Kind::Model | Kind::Function | Kind::Graph | Kind::Value, 1..=10)
            | (Kind::Node, 1..=7)
            | (Kind::Attribute, 1..=13)
            | (Kind::Tensor, 2..=12) => TEXT,
            _ => return None,
        })
    }
}

/// The next field: its tag, and its bytes where it has a length.
fn next<'a>(bytes: &mut &'a [u8]) -> Option<(u64, Option<&'a [u8]>)> {
    let key = varint(bytes)?;
    let payload = match key & 7 {
        0 => varint(bytes).map(|_| None)?,
        1 => take(bytes, 8).map(|_| None)?,
        2 => {
            let length = usize::try_from(varint(bytes)?).ok()?;
            Some(take(bytes, length)?)
        }
        5 => take(bytes, 4).map(|_| None)?,
        _ => return None,
    };
    Some((key >> 3, payload))
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    const MANY: u64 = u64::MAX;

    fn model(nodes: usize) -> Vec<u8> {
        let graph = pb::GraphProto { node: vec![pb::NodeProto::default(); nodes], ..Default::default() };
        pb::ModelProto { graph: Some(graph), ..Default::default() }.encode_to_vec()
    }

    #[test]
    fn an_empty_node_weighs_what_it_takes_in_memory() {
        let (one, many) = (weight(&model(1), MANY), weight(&model(1001), MANY));
        assert_eq!(many - one, 1000 * size_of::<pb::NodeProto>() as u64);
    }

    #[test]
    fn what_is_too_heavy_is_not_weighed_to_its_end() {
        let most = 1 << 20;
        let found = weight(&model(1_000_000), most);
        assert!((most..2 * most).contains(&found), "{found}");
    }

    #[test]
    fn weights_weigh_what_they_are() {
        let raw = pb::TensorProto { raw_data: vec![0; 100_000], ..Default::default() };
        let graph = pb::GraphProto { initializer: vec![raw], ..Default::default() };
        let onnx = pb::ModelProto { graph: Some(graph), ..Default::default() }.encode_to_vec();
        assert!((100_000..110_000).contains(&weight(&onnx, MANY)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_weighed(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            weight(&bytes, MANY);
        }
    }
}
