//! The door: the command line, each command, exit codes, and what is printed.

pub(crate) mod alone;
pub(crate) mod args;
pub(crate) mod args_compat;
pub(crate) mod args_global;
pub(crate) mod args_hidden;
pub(crate) mod args_look;
pub(crate) mod args_past;
pub(crate) mod args_place;
mod as_root;
mod asked;
mod board;
pub(crate) mod build;
pub(crate) mod commands;
mod complete;
mod complete_sources;
mod defaults;
mod elsewhere;
mod given;
mod init;
mod line;
mod look;
mod manual;
pub(crate) mod nixos;
mod packages;
mod past;
pub(crate) mod print;
mod progress;
pub(crate) mod remote;
pub(crate) mod remote_args;
mod remote_jobs;
mod remote_tasks;
mod run;
pub(crate) mod session;
mod status;
mod survey;

use std::process::ExitCode;

/// Runs the program: parses the command line, runs the command, returns its exit code.
#[must_use]
pub fn run() -> ExitCode {
    run::main()
}
