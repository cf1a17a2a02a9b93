//! Pages and pictures: values in, HTML and SVG out.
//!
//! The server fills the structs of [`views`]; [`pages`] writes each as one HTML document; [`charts`] draws the
//! SVG inside; [`assets`] holds the style sheet and the script. Nothing here knows HTTP, a clock or a store, so
//! every page is a function that can be tested. The pages work without script and under the policy of
//! [`CONTENT_SECURITY_POLICY`]: no inline style, no inline script, no event attribute.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod assets;
pub mod charts;
pub mod pages;
pub mod views;
pub mod words;

/// The `Content-Security-Policy` header that every page is to be sent with.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";
