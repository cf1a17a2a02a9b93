//! The Dunlin fleet server.
