//! The Update Framework: verify on the device, write on the server side.
