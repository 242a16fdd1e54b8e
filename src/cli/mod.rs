//! The door: the command line, each command, exit codes, and what is printed.

pub mod args;
pub mod args_past;
pub mod commands;
mod given;
pub mod nixos;
mod past;
pub(crate) mod print;
pub mod remote;
pub mod remote_args;
mod run;
pub(crate) mod session;

use std::process::ExitCode;

/// Runs the program: parses the command line, runs the command, returns its exit code.
#[must_use]
pub fn run() -> ExitCode {
    run::main()
}
