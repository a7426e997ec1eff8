//! `hpcl completions`: prints what makes a shell complete commands, options and names of packages.

use std::{io::Write, process::ExitCode};

use clap::{Args, ValueEnum};

use super::{Outcome, complete};

/// A shell that completes.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    /// in ~/.bashrc: source <(hpcl completions bash)
    Bash,
    /// in ~/.zshrc, after compinit: source <(hpcl completions zsh)
    Zsh,
    /// in ~/.config/fish/config.fish: hpcl completions fish | source
    Fish,
    /// in ~/.elvish/rc.elv: eval (hpcl completions elvish | slurp)
    Elvish,
    /// in the profile of PowerShell
    Powershell,
}

/// Arguments of `hpcl completions`.
#[derive(Args)]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

/// Prints the completions.
pub fn run(arguments: &Arguments) -> Outcome {
    let name = match arguments.shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
        Shell::Elvish => "elvish",
        Shell::Powershell => "powershell",
    };
    let mut text = Vec::new();
    complete::write_registration(name, &mut text)?;
    std::io::stdout().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}
