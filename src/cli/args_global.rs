//! The options that every command takes, and what the help of the program ends with.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::remote_args::RemoteArgs;

/// What the help of the program ends with.
pub(super) const AFTER: &str = "\
Files:
  /etc/system-manager.toml, ~/.config/system-manager/config.toml
      Default flags, by their long names: for all commands (`nixpkgs = '/home/me/nixpkgs'`), or in a table
      for one command (`[switch]`, then `ask = true`). The command line takes precedence.

Environment:
  SYSTEM_MANAGER_<FLAG>  A default flag, such as SYSTEM_MANAGER_UNIT_TIMEOUT=60; takes precedence over the files
  NIX_PATH               Where <nixpkgs> is if --nixpkgs is not given
  NO_COLOR               If set, no colours are used
  EDITOR, VISUAL         The editor that `edit` starts

Exit codes:
  0   done, or nothing to do
  1   refused or failed before anything was changed
  2   the command line is wrong
  3   stopped part-way, also by Ctrl-C; run again to resume
  4   activated, but units, scripts or health checks failed
  5   rolled back (switch --rollback-on-failure)
  10  there are changes (plan --detailed-exitcode), or something needs attention (status --detailed-exitcode)
  130 ended by Ctrl-C before anything was changed; 143 by SIGTERM";

/// Options that every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Work on the system below DIR instead of the running one; systemd is not involved
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

    /// Log more: -v for everything that is unchanged as well, -vv for debugging
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Write the progress to this file descriptor, as lines of JSON
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub progress_fd: Option<u16>,

    /// Log only warnings and errors
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

/// A shell that completes command lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}
