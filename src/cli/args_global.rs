//! The options that every command takes, and what the help of the program ends with.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::remote_args::RemoteArgs;

/// What the help of the program ends with.
pub(super) const AFTER: &str = "\
Files:
  /etc/system-manager.toml, ~/.config/system-manager/config.toml
      Flags by their long names, for all commands (`nixpkgs = '/home/me/nixpkgs'`), or in a table for one
      (`[switch]`, `ask = true`). What the command line says stands.

Environment:
  SYSTEM_MANAGER_<FLAG>  The same, as SYSTEM_MANAGER_UNIT_TIMEOUT=60; stands over the files
  NIX_PATH               Where <nixpkgs> is, without --nixpkgs
  NO_COLOR               No colours
  EDITOR, VISUAL         What `edit` opens

Exit codes:
  0   done, or nothing to do
  1   refused or failed before anything was changed
  2   the command line is wrong
  3   stopped part-way, also by Ctrl-C; run again to resume
  4   activated, but units, scripts or health checks of this run have failed
  5   rolled back (switch --rollback-on-failure)
  10  there are changes (plan --detailed-exitcode), or something to look at (status --detailed-exitcode)";

/// Options that every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Work on the system below DIR instead of the running one; no systemd is asked there
    #[arg(long, global = true, value_name = "DIR")]
    pub root: Option<PathBuf>,

    /// Print the result as JSON
    #[arg(long, global = true)]
    pub json: bool,

    /// When to use colours: auto (on a terminal, unless `NO_COLOR` is set), always or never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub color: ColorChoice,

    /// Log more: -v each unchanged thing, -vv everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Write how far the command is to this file descriptor, as lines of JSON
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub progress_fd: Option<u16>,

    /// Log warnings and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,

    /// On which other hosts, and how.
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
