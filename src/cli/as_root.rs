//! Commands of an ordinary user who may use sudo: what is named is built as that user, and root does the rest. There is one
//! prompt, and it is sudo's own.

use anyhow::{Context, Result};

use crate::cli::args::{Cli, Command};
use crate::cli::commands::{self, End, Failure};
use crate::cli::remote_tasks::{Wants, task};
use crate::host::process;
use crate::nix;

/// Runs a command as root by sudo, with what it needs built before.
///
/// # Errors
/// When it can't be built, or there is no sudo.
pub(crate) fn run(mut cli: Cli) -> Result<End, Failure> {
    let asks = take_ask(&mut cli.command);
    let task = task(cli.command, &cli.global)?;
    let mut arguments = task.arguments;
    for (at, wants) in &task.wants {
        let toplevel = match wants {
            Wants::Built(path) => commands::toplevel_path(path)?,
            Wants::Source(source, options) => nix::build(source, options)?,
        };
        arguments.insert(*at, toplevel.to_string());
    }
    arguments.extend(asks.then(|| "--ask".to_owned()));
    let program = std::env::current_exe().context("finding this program's own file")?;
    let sudo = process::Command::new("sudo")
        .arg("--")
        .arg(program)
        .args(arguments)
        .hint("run this as root");
    Err(Failure::Before(sudo.replace()))
}

/// A question is asked here, where the terminal is; other hosts have none.
fn take_ask(command: &mut Command) -> bool {
    match command {
        Command::Switch(args) => std::mem::take(&mut args.ask),
        Command::Rollback { back, .. } | Command::Undo(back) => std::mem::take(&mut back.ask),
        _ => false,
    }
}
