//! What `compat` is told.

use std::path::PathBuf;

use clap::Args;

/// Which modules are looked at, and how.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct CompatArgs {
    /// Modules by their path below nixos/modules; they are shown in detail
    #[arg(value_name = "MODULE")]
    pub modules: Vec<String>,

    /// Look at all modules of which the path begins so
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

    /// Compare the units with those of NixOS's own evaluation, which takes three times as long
    #[arg(long)]
    pub compare: bool,

    /// Print Markdown
    #[arg(long, conflicts_with_all = ["json", "html"])]
    pub markdown: bool,

    /// Print one HTML file, with a table that can be searched and sorted
    #[arg(long, conflicts_with = "json")]
    pub html: bool,

    /// Compare a configuration here with the same on NixOS
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

    /// Fail when fewer of the modules evaluate when they are enabled, in percent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub min_enabled: Option<u8>,

    /// How many processes of Nix run at the same time, each with up to 600 MB [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,

    /// How long one may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub timeout: u64,

    /// Look at each module anew
    #[arg(long)]
    pub no_cache: bool,

    /// A setting for Nix, as in nix.conf(5); may be repeated
    #[arg(long, num_args = 2, value_names = ["NAME", "VALUE"], action = clap::ArgAction::Append)]
    pub nix_option: Vec<String>,
}
