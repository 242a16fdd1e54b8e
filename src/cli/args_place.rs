//! What commands take that register, place or activate a toplevel, and `init`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::args::{ApplyArgs, Cli, Command, SourceArgs};
use crate::cli::args_past::OriginArgs;

impl Cli {
    /// Gives the command what was said before it; one that runs no Nix has no use for it. Pure.
    pub(crate) fn settle(&mut self) {
        let own = match &mut self.command {
            Command::Build { source, .. } => &mut source.nix_option,
            Command::Plan(args) => &mut args.source.nix_option,
            Command::Switch(args) => &mut args.source.nix_option,
            Command::Register(args) => &mut args.source.nix_option,
            Command::PrePopulate(args) => &mut args.source.nix_option,
            Command::Option(args) => &mut args.source.nix_option,
            Command::Repl(args) | Command::Edit(args) => &mut args.source.nix_option,
            Command::Compat(args) => &mut args.nix_option,
            _ => return,
        };
        own.splice(0..0, std::mem::take(&mut self.nix_option_before));
    }
}

/// What `register` takes.
#[derive(Debug, Args)]
pub struct RegisterArgs {
    /// The configuration's file, a flake, or a toplevel that has already been built
    #[arg(value_name = "SOURCE", conflicts_with_all = ["file", "flake", "store_path"])]
    pub given: Option<PathBuf>,
    /// A toplevel that is built already, by the name that numtide/system-manager gives the option
    #[arg(long, value_name = "TOPLEVEL", hide = true)]
    pub store_path: Option<PathBuf>,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Where it comes from.
    #[command(flatten)]
    pub origin: OriginArgs,
}

/// What `activate` takes.
#[derive(Debug, Args)]
pub struct ActivateArgs {
    /// The toplevel
    #[arg(value_name = "TOPLEVEL", conflicts_with = "store_path")]
    pub toplevel: Option<PathBuf>,
    /// The same, by the name that numtide/system-manager gives the option
    #[arg(long, value_name = "TOPLEVEL", hide = true)]
    pub store_path: Option<PathBuf>,
    /// Until the next reboot only: everything is written to /run
    #[arg(long)]
    pub ephemeral: bool,
    /// How the activation is done.
    #[command(flatten)]
    pub apply: ApplyArgs,
}

/// What `pre-populate` takes.
#[derive(Debug, Args)]
pub struct PrePopulateArgs {
    /// The configuration's file, a flake, or a toplevel [default: the profile's current generation]
    #[arg(value_name = "SOURCE", conflicts_with_all = ["file", "flake", "store_path"])]
    pub given: Option<PathBuf>,
    /// A toplevel that is built already, by the name that numtide/system-manager gives the option
    #[arg(long, value_name = "TOPLEVEL", hide = true)]
    pub store_path: Option<PathBuf>,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// How it is done.
    #[command(flatten)]
    pub apply: ApplyArgs,
    /// Show the plan and change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// numtide/system-manager has it here; what is placed for the next boot can't be of this one only
    #[arg(long, hide = true)]
    pub ephemeral: bool,
    /// Where it comes from.
    #[command(flatten)]
    pub origin: OriginArgs,
}

/// What `init` takes.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The folder to write it to
    #[arg(value_name = "DIR", default_value = ".", conflicts_with = "path")]
    pub folder: PathBuf,
    /// The same, as numtide/system-manager's manual names it
    #[arg(long, value_name = "DIR", hide = true)]
    pub path: Option<PathBuf>,
    /// Also write a flake.nix [default: if Nix has flakes enabled]
    #[arg(long, conflicts_with = "no_flake")]
    pub flake: bool,
    /// Do not write a flake.nix
    #[arg(long)]
    pub no_flake: bool,
}
