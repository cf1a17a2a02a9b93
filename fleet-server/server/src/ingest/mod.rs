//! What devices say, into the database: exactly once in effect, before it is acknowledged.
//!
//! [`decode`] turns bytes into a record, or says why not; [`keep`] stores it; [`live`] tells who listens;
//! [`hooks`] is where the broker calls. A record that cannot be read is counted, noted as an event and acknowledged:
//! sending it again would not make it readable. If the database cannot be written, the acknowledgement waits, and
//! so does the device: nothing is lost, the device's spool holds it.

pub mod decode;
pub mod hooks;
pub mod keep;
pub mod live;

pub use hooks::Ingest;
pub use live::{Kind, Live, LiveEvent, Tapped};
