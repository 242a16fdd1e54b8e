//! What `compat` is told.

use std::path::PathBuf;

use clap::Args;

/// Which modules are looked at, and how.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct CompatArgs {
    /// Modules to show in detail, by their paths below nixos/modules
    #[arg(value_name = "MODULE")]
    pub modules: Vec<String>,

    /// Check all modules whose path starts with PREFIX
    #[arg(
        long,
        value_name = "PREFIX",
        default_value = "services/",
        conflicts_with = "modules"
    )]
    pub under: String,

    /// The nixpkgs [default: `<nixpkgs>` of `NIX_PATH`]
    #[arg(long, value_name = "PATH")]
    pub nixpkgs: Option<String>,

    /// Also compare the units with those of NixOS's own evaluation; takes three times as long
    #[arg(long)]
    pub compare: bool,

    /// Print Markdown
    #[arg(long, conflicts_with_all = ["json", "html"])]
    pub markdown: bool,

    /// Print a single HTML file, with a table that can be searched and sorted
    #[arg(long, conflicts_with = "json")]
    pub html: bool,

    /// Compare what a configuration is here with what it would be on NixOS
    #[arg(long, conflicts_with_all = ["modules", "under", "compare", "markdown", "html", "min_enabled", "jobs", "timeout", "no_cache"])]
    pub nixos: bool,

    /// The configuration for --nixos, a file [default: as for `build`]
    #[arg(
        long,
        value_name = "PATH",
        conflicts_with = "flake",
        requires = "nixos"
    )]
    pub file: Option<PathBuf>,

    /// The configuration for --nixos, a flake
    #[arg(long, value_name = "URI", requires = "nixos")]
    pub flake: Option<String>,

    /// Fail if less than this percentage of the modules evaluates when enabled
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub min_enabled: Option<u8>,

    /// How many Nix processes to run at the same time, each using up to 600 MB [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,

    /// Time limit for each module, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub timeout: u64,

    /// Ignore cached results
    #[arg(long)]
    pub no_cache: bool,

    /// A setting for Nix, as in nix.conf(5); can be repeated
    #[arg(long, num_args = 2, value_names = ["NAME", "VALUE"], action = clap::ArgAction::Append)]
    pub nix_option: Vec<String>,
}
