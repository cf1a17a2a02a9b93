//! `dunlin`: the operator's command. It speaks to a fleet server and holds the owner's keys; the server never does.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod client;
mod command;
mod demo;
mod output;
mod profile;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use command::{alert, completions, device, drift, key, login, login_link, model, rollout, tap, token, train};

/// Runs ONNX models on fleets of small devices, sees how they do, and changes them safely.
#[derive(Parser)]
#[command(name = "dunlin", version, about, arg_required_else_help = true)]
struct Arguments {
    /// File with the server's address and the token [default: the one `dunlin login` wrote].
    #[arg(long, global = true, env = "DUNLIN_PROFILE", value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Print JSON for machines instead of tables for people.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Remember a server: its address, its certificate authority and an API token.
    Login(login::Arguments),
    /// Print a link that opens the dashboard once, without a password.
    LoginLink,
    /// Devices of the fleet.
    #[command(subcommand)]
    Device(device::Command),
    /// Models: push, look, sign for release.
    #[command(subcommand)]
    Model(model::Command),
    /// Bring a released model to devices in waves.
    #[command(subcommand)]
    Rollout(rollout::Command),
    /// Train a model on the server from a CSV file.
    Train(Box<train::Arguments>),
    /// Where a model's inputs differ from its training data.
    Drift(drift::Arguments),
    /// What needs attention.
    #[command(subcommand)]
    Alert(alert::Command),
    /// The owner's signing keys.
    #[command(subcommand)]
    Key(key::Command),
    /// Tokens for devices and for programs.
    #[command(subcommand)]
    Token(token::Command),
    /// Live messages of devices, decoded, one JSON object a line.
    Tap(tap::Arguments),
    /// The whole story in two minutes: a server, a fleet, drift, retraining, a bad model taken back.
    Demo(demo::Arguments),
    /// Print a completion script for a shell.
    Completions(completions::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    // Fails only if a provider is set already, and this is the first line that could.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments = Arguments::parse();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let session = command::Session { profile: arguments.profile, json: arguments.json };
    match arguments.command {
        Command::Login(arguments) => login::run(&session, arguments).await,
        Command::LoginLink => login_link::run(&session).await,
        Command::Device(command) => device::run(&session, command).await,
        Command::Model(command) => model::run(&session, command).await,
        Command::Rollout(command) => rollout::run(&session, command).await,
        Command::Train(arguments) => train::run(&session, *arguments).await,
        Command::Drift(arguments) => drift::run(&session, arguments).await,
        Command::Alert(command) => alert::run(&session, command).await,
        Command::Key(command) => key::run(&session, command).await,
        Command::Token(command) => token::run(&session, command).await,
        Command::Tap(arguments) => tap::run(&session, arguments).await,
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Completions(arguments) => completions::run::<Arguments>(&arguments),
    }
}
