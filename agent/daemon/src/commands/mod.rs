//! The verbs of the command line. Each prints for people, or with `--json` for machines.
//!
//! Modules: `enrol`, `run`, `status`, `doctor`, `check`, `probe`, `infer`; `load` reads the model that a person
//! named, `golden` what it is compared with;
//! `owner` is who writes into the data folder.

pub mod check;
pub mod doctor;
pub mod enrol;
pub mod golden;
pub mod infer;
pub mod load;
pub mod owner;
pub mod probe;
pub mod run;
pub mod status;

use std::process::ExitCode;

/// Prints a value as one line of JSON.
pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(value)?);
    Ok(())
}

/// 0 or 1.
pub fn exit(ok: bool) -> ExitCode {
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
