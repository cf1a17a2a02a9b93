//! `dunlin completions SHELL`.

use clap::CommandFactory;
use clap_complete::Shell;

/// Arguments of `dunlin completions`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Which shell.
    shell: Shell,
}

/// Prints the script.
pub fn run<C: CommandFactory>(arguments: &Arguments) -> anyhow::Result<()> {
    clap_complete::generate(arguments.shell, &mut C::command(), "dunlin", &mut std::io::stdout());
    Ok(())
}
