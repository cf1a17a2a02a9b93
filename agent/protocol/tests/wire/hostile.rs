//! Bytes from strangers end in an error or a value, never in a panic.

use dunlin_protocol::{bundle, message::MAX_BYTES};
use proptest::prelude::*;

use crate::examples;

#[test]
fn a_message_that_is_cut_anywhere_is_refused() {
    for example in examples::all() {
        for length in 0..example.bytes.len() {
            let cut = &example.bytes[..length];
            assert!((example.rewrite)(cut).is_err(), "{} of {length} bytes was read", example.name);
        }
    }
}

#[test]
fn a_message_with_any_bit_flipped_does_no_harm() {
    for example in examples::all() {
        for bit in 0..example.bytes.len() * 8 {
            let mut bytes = example.bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // What can still be read is a value like any other, so it can be written.
            if let Ok(written) = (example.rewrite)(&bytes) {
                assert!((example.rewrite)(&written).is_ok(), "{}, bit {bit}", example.name);
            }
        }
    }
}

#[test]
fn a_message_that_is_too_long_is_refused_before_it_is_read() {
    let bytes = vec![0; MAX_BYTES + 1];
    for example in examples::all() {
        let error = format!("{:?}", (example.rewrite)(&bytes).unwrap_err());
        assert!(error.contains("TooLong"), "{}: {error}", example.name);
    }
}

proptest! {
    #[test]
    fn random_bytes_are_no_message(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for example in examples::all() {
            prop_assert!((example.rewrite)(&bytes).is_err());
        }
        prop_assert!(bundle::read(&bytes).is_err());
    }

    #[test]
    fn damage_in_several_places_does_no_harm(
        pick in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let examples = examples::all();
        let example = pick.get(&examples);
        let mut bytes = example.bytes.clone();
        for (at, byte) in &damage {
            *at.get_mut(&mut bytes) = *byte;
        }
        let _ = (example.rewrite)(&bytes);

        let mut bytes = examples::bundle().write().unwrap();
        for (at, byte) in &damage {
            *at.get_mut(&mut bytes) = *byte;
        }
        let _ = bundle::read(&bytes);
    }
}
