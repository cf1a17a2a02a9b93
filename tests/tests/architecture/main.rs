//! The invariants of the house. In reading order: [`workspace`] reads what cargo knows, [`tree`] what lies in the
//! folders; [`arrows`], [`doors`], [`crypto`], [`files`] and [`documents`] judge it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod arrows;
mod crypto;
mod documents;
mod doors;
mod files;
mod tree;
mod workspace;
