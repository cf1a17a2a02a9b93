//! The interface from outside, request by request, over real rooms in a fresh folder. Only the judge of models is
//! stood in for: a program that prints the verdict a test wants. The real one judges in the end-to-end tests.

mod auth;
mod browser;
mod house;
mod openapi;
mod registry;
mod rollouts;
mod stream;
