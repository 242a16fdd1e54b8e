//! The command line of what looks at a configuration: its options, a loop with it, an editor.

use std::path::PathBuf;

use clap::Args;

use crate::cli::args::SourceArgs;

/// What `option` takes.
#[derive(Debug, Args)]
pub struct OptionArgs {
    /// An option, the first parts of its name, or any part of names [default: the top level]
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// What `repl` and `edit` take.
#[derive(Debug, Args)]
pub struct LookArgs {
    /// The configuration's file, or a flake
    #[arg(value_name = "SOURCE", conflicts_with_all = ["file", "flake"])]
    pub given: Option<PathBuf>,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// What `adopt` takes.
#[derive(Debug, Args)]
pub struct AdoptArgs {
    /// A path below /etc, a unit, a user or a group
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
}
