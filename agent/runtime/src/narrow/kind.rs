//! The narrow element types, what carries each, and the rounding to its values (ONNX `TensorProto.DataType` and
//! `Cast`-25).

use tract_onnx::pb::tensor_proto::DataType;

/// An element type that the engine lacks, by ONNX' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NarrowType {
    /// The upper half of a single.
    Bfloat16,
    /// Without infinities.
    Float8e4m3fn,
    /// Without infinities and the negative zero.
    Float8e4m3fnuz,
    /// The upper half of a half.
    Float8e5m2,
    /// Without infinities and the negative zero.
    Float8e5m2fnuz,
    /// A power of two.
    Float8e8m0,
    /// Without infinities and NaN.
    Float4e2m1,
    /// 0 to 15.
    Uint4,
    /// −8 to 7.
    Int4,
    /// 0 to 3.
    Uint2,
    /// −2 to 1.
    Int2,
}

/// What becomes of a number that is no value of the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// Away from zero: what `Cast` does to float8e8m0.
    Up,
    /// Towards zero.
    Down,
    /// To the nearest, a tie up.
    Nearest,
}

/// How the bits of a float are divided.
struct Format {
    mantissa_bits: i32,
    /// Exponent of the smallest normal number.
    lowest: i32,
    largest: f64,
    /// What a number beyond the largest becomes where nothing saturates.
    beyond: f64,
    has_negative_zero: bool,
}

impl NarrowType {
    /// The type of this number in `TensorProto.DataType`.
    pub fn from_onnx(number: i64) -> Option<Self> {
        Some(match number {
            16 => NarrowType::Bfloat16,
            17 => NarrowType::Float8e4m3fn,
            18 => NarrowType::Float8e4m3fnuz,
            19 => NarrowType::Float8e5m2,
            20 => NarrowType::Float8e5m2fnuz,
            21 => NarrowType::Uint4,
            22 => NarrowType::Int4,
            23 => NarrowType::Float4e2m1,
            24 => NarrowType::Float8e8m0,
            25 => NarrowType::Uint2,
            26 => NarrowType::Int2,
            _ => return None,
        })
    }

    /// Its number in `TensorProto.DataType`.
    pub fn number(self) -> i64 {
        match self {
            NarrowType::Bfloat16 => 16,
            NarrowType::Float8e4m3fn => 17,
            NarrowType::Float8e4m3fnuz => 18,
            NarrowType::Float8e5m2 => 19,
            NarrowType::Float8e5m2fnuz => 20,
            NarrowType::Uint4 => 21,
            NarrowType::Int4 => 22,
            NarrowType::Float4e2m1 => 23,
            NarrowType::Float8e8m0 => 24,
            NarrowType::Uint2 => 25,
            NarrowType::Int2 => 26,
        }
    }

    /// Its name in ONNX.
    pub fn name(self) -> &'static str {
        match self {
            NarrowType::Bfloat16 => "bfloat16",
            NarrowType::Float8e4m3fn => "float8e4m3fn",
            NarrowType::Float8e4m3fnuz => "float8e4m3fnuz",
            NarrowType::Float8e5m2 => "float8e5m2",
            NarrowType::Float8e5m2fnuz => "float8e5m2fnuz",
            NarrowType::Float8e8m0 => "float8e8m0",
            NarrowType::Float4e2m1 => "float4e2m1",
            NarrowType::Uint4 => "uint4",
            NarrowType::Int4 => "int4",
            NarrowType::Uint2 => "uint2",
            NarrowType::Int2 => "int2",
        }
    }

    /// Bits of an element in a file.
    pub fn bits(self) -> usize {
        match self {
            NarrowType::Bfloat16 => 16,
            NarrowType::Float4e2m1 | NarrowType::Uint4 | NarrowType::Int4 => 4,
            NarrowType::Uint2 | NarrowType::Int2 => 2,
            _ => 8,
        }
    }

    /// The smallest type of the engine that holds each of its values.
    pub fn carrier(self) -> DataType {
        match self {
            NarrowType::Int4 | NarrowType::Int2 => DataType::Int8,
            NarrowType::Uint4 | NarrowType::Uint2 => DataType::Uint8,
            _ => DataType::Float,
        }
    }

    /// Smallest and largest value of an integer type; `None` for floats.
    pub fn range(self) -> Option<(i64, i64)> {
        match self {
            NarrowType::Uint4 => Some((0, 15)),
            NarrowType::Int4 => Some((-8, 7)),
            NarrowType::Uint2 => Some((0, 3)),
            NarrowType::Int2 => Some((-2, 1)),
            _ => None,
        }
    }

    /// The low bits of an integer, as `Cast` from a wider one takes them.
    pub fn wrapped(self, x: i64) -> i64 {
        let above = 64 - self.bits() as u32;
        match self {
            NarrowType::Int4 | NarrowType::Int2 => (x << above) >> above,
            _ => x & ((1 << self.bits()) - 1),
        }
    }

    /// The value of a float type that `x` is rounded to.
    pub fn rounded(self, x: f64, saturate: bool, rounding: Rounding) -> f64 {
        let format = match self {
            NarrowType::Float8e8m0 => return power_of_two(x, saturate, rounding),
            _ => self.format(),
        };
        if x.is_nan() {
            // Four bits have no code for it: the negative zero, as ml_dtypes has it.
            return if self == NarrowType::Float4e2m1 { -0.0 } else { x };
        }
        let quantum = two_to(exponent(x).max(format.lowest) - format.mantissa_bits);
        let near = if x.is_infinite() { x } else { (x / quantum).round_ties_even() * quantum };
        if near.abs() > format.largest {
            let saturates = match self {
                NarrowType::Bfloat16 => false,
                NarrowType::Float4e2m1 => true,
                _ => saturate,
            };
            return if saturates { format.largest } else { format.beyond }.copysign(x);
        }
        if near == 0.0 && !format.has_negative_zero { 0.0 } else { near }
    }

    /// The value of these bits.
    pub fn value(self, bits: u16) -> f32 {
        match self {
            NarrowType::Bfloat16 => return f32::from_bits(u32::from(bits) << 16),
            NarrowType::Float8e8m0 if bits == 0xff => return f32::NAN,
            NarrowType::Float8e8m0 => return two_to(i32::from(bits) - 127) as f32,
            NarrowType::Uint4 | NarrowType::Int4 | NarrowType::Uint2 | NarrowType::Int2 => {
                return self.wrapped(bits.into()) as f32;
            }
            _ => {}
        }
        let format = self.format();
        let (below, sign) = (self.bits() - 1, if bits >> (self.bits() - 1) == 0 { 1.0 } else { -1.0 });
        let magnitude = i32::from(bits) & ((1 << below) - 1);
        let mantissa = magnitude & ((1 << format.mantissa_bits) - 1);
        let exponent = magnitude >> format.mantissa_bits;
        let quantum = two_to(format.lowest + (exponent - 1).max(0) - format.mantissa_bits);
        let leading = if exponent == 0 { 0 } else { 1 << format.mantissa_bits };
        let value = sign * f64::from(leading + mantissa) * quantum;
        if value == 0.0 && sign < 0.0 && !format.has_negative_zero {
            f32::NAN
        } else if value.abs() <= format.largest {
            value as f32
        } else if format.beyond.is_infinite() && mantissa == 0 {
            f32::INFINITY.copysign(sign as f32)
        } else {
            f32::NAN
        }
    }

    fn format(self) -> Format {
        let (mantissa_bits, lowest, largest, beyond, has_negative_zero) = match self {
            NarrowType::Float8e4m3fn => (3, -6, 448.0, f64::NAN, true),
            NarrowType::Float8e4m3fnuz => (3, -7, 240.0, f64::NAN, false),
            NarrowType::Float8e5m2 => (2, -14, 57_344.0, f64::INFINITY, true),
            NarrowType::Float8e5m2fnuz => (2, -15, 57_344.0, f64::NAN, false),
            NarrowType::Float4e2m1 => (1, 0, 6.0, 6.0, true),
            _ => (7, -126, f64::from(f32::from_bits(0x7f7f_0000)), f64::INFINITY, true),
        };
        Format { mantissa_bits, lowest, largest, beyond, has_negative_zero }
    }
}

/// The value of float8e8m0, which has neither sign nor zero. The sign of what is rounded is ignored, as the reference
/// implementation does; where that contradicts the table of `Cast`, the table is followed.
fn power_of_two(x: f64, saturate: bool, rounding: Rounding) -> f64 {
    let (smallest, largest) = (two_to(-127), two_to(127));
    let x = x.abs();
    if x.is_nan() {
        return x;
    }
    if x < smallest || x > largest {
        return match saturate {
            true => x.clamp(smallest, largest),
            false => f64::NAN,
        };
    }
    let below = two_to(exponent(x));
    let is_up = match rounding {
        Rounding::Up => x > below,
        Rounding::Down => false,
        Rounding::Nearest => x >= 1.5 * below,
    };
    if is_up { 2.0 * below } else { below }
}

/// Of a normal number; below that of all others.
fn exponent(x: f64) -> i32 {
    ((x.to_bits() >> 52) & 0x7ff) as i32 - 1023
}

/// For exponents of normal numbers.
fn two_to(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023).clamp(1, 2046) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats() -> impl Iterator<Item = NarrowType> {
        (16..=24).filter_map(NarrowType::from_onnx).filter(|kind| kind.range().is_none())
    }

    fn values(kind: NarrowType) -> impl Iterator<Item = f64> {
        (0..=u16::MAX >> (16 - kind.bits())).map(move |bits| f64::from(kind.value(bits)))
    }

    #[test]
    fn a_value_of_a_type_is_rounded_to_itself() {
        for kind in floats() {
            for value in values(kind) {
                let rounded = kind.rounded(value, false, Rounding::Nearest);
                assert_eq!(rounded.to_bits() | 1 << 51, value.to_bits() | 1 << 51, "{} {value}", kind.name());
            }
        }
    }

    #[test]
    fn what_is_between_two_values_becomes_the_nearer_one() {
        for kind in floats() {
            let mut sorted: Vec<f64> = values(kind).filter(|value| value.is_finite()).collect();
            sorted.sort_by(f64::total_cmp);
            sorted.dedup();
            for pair in sorted.windows(2) {
                let (low, high) = (pair[0], pair[1]);
                let near = |part: f64| kind.rounded(low + part * (high - low), true, Rounding::Nearest);
                assert_eq!((near(0.49), near(0.51)), (low, high), "{}", kind.name());
            }
        }
    }

    #[test]
    fn beyond_the_largest_value_stands_what_the_tables_of_cast_say() {
        let rounded = |number, x: f64, saturate| {
            NarrowType::from_onnx(number).unwrap().rounded(x, saturate, Rounding::Up)
        };
        for (number, largest, beyond) in [
            (17, 448.0, f64::NAN),
            (18, 240.0, f64::NAN),
            (19, 57_344.0, f64::INFINITY),
            (20, 57_344.0, f64::NAN),
            (24, 2_f64.powi(127), f64::NAN),
        ] {
            for x in [1.1 * largest, 1e300, f64::INFINITY] {
                assert_eq!(rounded(number, x, true), largest);
                assert_eq!(rounded(number, x, false).to_bits(), beyond.to_bits());
            }
            assert!(rounded(number, f64::NAN, true).is_nan());
        }
        assert_eq!(rounded(17, -1e300, true), -448.0);
        assert_eq!(rounded(16, 1e300, true), f64::INFINITY);
        assert_eq!(rounded(23, f64::INFINITY, false), 6.0);
        // The halfway number is rounded to the even mantissa, which is the largest value.
        assert_eq!(rounded(17, 464.0, false), 448.0);
    }

    #[test]
    fn a_power_of_two_is_chosen_as_the_mode_says() {
        let rounded = |x, saturate, rounding| NarrowType::Float8e8m0.rounded(x, saturate, rounding);
        assert_eq!(rounded(1.1, true, Rounding::Up), 2.0);
        assert_eq!(rounded(1.9, true, Rounding::Down), 1.0);
        assert_eq!(rounded(1.4, true, Rounding::Nearest), 1.0);
        assert_eq!(rounded(1.5, true, Rounding::Nearest), 2.0);
        assert_eq!(rounded(0.0, true, Rounding::Up), 2_f64.powi(-127));
        assert!(rounded(0.0, false, Rounding::Nearest).is_nan());
    }

    #[test]
    fn an_integer_keeps_its_low_bits() {
        assert_eq!([8, -9, 200, -1].map(|x| NarrowType::Int4.wrapped(x)), [-8, 7, -8, -1]);
        assert_eq!([16, -9, 200, -1].map(|x| NarrowType::Uint4.wrapped(x)), [0, 7, 8, 15]);
        assert_eq!([2, -3, 3].map(|x| NarrowType::Int2.wrapped(x)), [-2, 1, -1]);
    }
}
