//! The promises of the wire. In reading order: [`examples`] has one of each message, [`golden`] pins their bytes,
//! [`peers`] meets other versions and another CBOR library, [`hostile`] meets strangers, [`laws`] holds what must
//! be true of every value.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod examples;
mod golden;
mod hostile;
mod laws;
mod peers;
