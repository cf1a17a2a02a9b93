//! `dunlin completions SHELL`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::output;

/// Arguments of `dunlin completions`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Which shell.
    shell: Shell,
}

/// Prints the script.
pub fn run<C: CommandFactory>(arguments: &Arguments) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut C::command(), "dunlin", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end());
    Ok(())
}
