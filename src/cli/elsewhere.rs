//! The program where there is no Linux: a Mac evaluates, builds, and looks after other hosts.

use anyhow::{Result, bail};

use crate::cli::args::Command;

/// Refuses a command that is about the machine itself. Pure.
///
/// # Errors
/// When it is one.
pub(crate) fn refuse(command: &Command) -> Result<()> {
    match command {
        Command::Build { .. }
        | Command::Init(_)
        | Command::Option(_)
        | Command::Repl(_)
        | Command::Edit(_)
        | Command::Compat(_)
        | Command::Completions { .. }
        | Command::Man { .. } => Ok(()),
        _ => bail!(
            "this machine does not run Linux, and can't be managed\nhint: name a host with --target-host; `build`, `init`, `compat`, `option`, `repl` and `edit` also work here"
        ),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::Cli;

    #[test]
    fn what_is_about_the_machine_itself_is_refused() {
        for (line, is_fine) in [
            ("build --flake .", true),
            ("init", true),
            ("compat services/web-servers/nginx", true),
            ("completions zsh", true),
            ("switch --flake .", false),
            ("plan --flake .", false),
            ("status", false),
            ("deactivate", false),
            ("gc", false),
        ] {
            let words = ["system-manager"].into_iter().chain(line.split(' '));
            let command = Cli::try_parse_from(words).unwrap().command;
            assert_eq!(refuse(&command).is_ok(), is_fine, "{line}");
        }
    }
}
