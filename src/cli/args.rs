//! The command line, as clap types. The help texts are the reference of the program.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::activation::prepare::How;
use crate::cli::args_compat::CompatArgs;
use crate::cli::args_global::{AFTER, Global, Shell};
use crate::cli::args_hidden::Hidden;
use crate::cli::args_look::{AdoptArgs, LookArgs, OptionArgs};
use crate::cli::args_past::{
    BackArgs, BootstrapArgs, DeactivateArgs, DiffArgs, GenerationsArgs, OriginArgs, StatusArgs,
};
use crate::cli::args_place::{ActivateArgs, InitArgs, PrePopulateArgs, RegisterArgs};
use crate::model::page::{Page, render_html, render_markdown};
use crate::store::lock::Patience;

/// Manage a stock Linux distribution with NixOS modules: plan, switch, undo.
///
/// Nix evaluates and builds a host's configuration. `plan` shows exactly what `switch` will do with it; `rollback`
/// returns to the previous generation, and `deactivate` removes everything that is managed and restores what was there before.
#[derive(Debug, Parser)]
#[command(name = "system-manager", version, max_term_width = 100, after_long_help = AFTER)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Options that every command takes.
    #[command(flatten)]
    pub global: Global,

    /// The commands' option of the same name; numtide/system-manager also accepts it before the command
    #[arg(long = "nix-option", hide = true, num_args = 2, value_names = ["NAME", "VALUE"], action = clap::ArgAction::Append)]
    pub nix_option_before: Vec<String>,
}

/// Where the configuration comes from.
#[derive(Debug, Default, Args)]
pub struct SourceArgs {
    /// A file with a module, or with a function that returns a toplevel [default: ./flake.nix, ./system.nix, then the
    /// same in ~/.config/system-manager]
    #[arg(short, long, value_name = "PATH", conflicts_with = "flake")]
    pub file: Option<PathBuf>,

    /// A flake; without an attribute, tries systemConfigs.<system>.<hostname>, .<hostname> and .default
    #[arg(long, value_name = "URI")]
    pub flake: Option<String>,

    /// The nixpkgs to use with --file, or `embedded` for none: the program's own library and the
    /// distribution's programs are used instead [default: `<nixpkgs>` of `NIX_PATH`, else embedded]
    #[arg(long, value_name = "PATH")]
    pub nixpkgs: Option<String>,

    /// A setting for Nix, as in nix.conf(5); can be repeated
    #[arg(long, num_args = 2, value_names = ["NAME", "VALUE"], action = clap::ArgAction::Append)]
    pub nix_option: Vec<String>,

    /// Fetch the flake and its inputs again
    #[arg(long)]
    pub refresh: bool,

    /// If the evaluation fails, show Nix's stack trace
    #[arg(long)]
    pub show_trace: bool,
}

/// The output as a page.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct PageArgs {
    /// Print Markdown for a comment on a pull request: folded, and at most 60 kB long
    #[arg(long, conflicts_with_all = ["json", "html"])]
    pub markdown: bool,
    /// Print a single HTML file
    #[arg(long, conflicts_with = "json")]
    pub html: bool,
}

impl PageArgs {
    /// Whether a page is asked for.
    pub(crate) fn is_wanted(self) -> bool {
        self.markdown || self.html
    }

    /// Renders what a command says in the style of pages; parts whose titles begin with `unfolded` are open in Markdown.
    pub(crate) fn render(self, text: &str, unfolded: &str, command: &str) -> String {
        let page = Page::read(text);
        let rendered = if self.markdown {
            render_markdown(&page, unfolded, command)
        } else {
            render_html(&page, command)
        };
        rendered.trim_end().to_owned()
    }
}

/// How the plan is shown.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct PlanPages {
    #[command(flatten)]
    pub page: PageArgs,
    /// Print only the conflicts and the totals
    #[arg(long, conflicts_with_all = ["markdown", "html"])]
    pub summary: bool,
}

/// How an activation is done.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// How long to wait for each unit to stop, start or reload, and for each activation script, in seconds; whatever has
    /// not finished by then counts as failed
    #[arg(long, value_name = "SECONDS", default_value_t = UNIT_TIMEOUT)]
    pub unit_timeout: u64,

    /// Refuse a configuration that sets options which have no effect on this host
    #[arg(long)]
    pub strict: bool,

    /// Run all activation scripts, even if there is nothing else to do
    #[arg(long)]
    pub all_scripts: bool,

    /// If another activation is running, wait for it to finish instead of refusing
    #[arg(long)]
    pub wait: bool,
}

/// How long to wait for a unit by default, in seconds: long enough for a database.
pub(super) const UNIT_TIMEOUT: u64 = 900;

impl Default for ApplyArgs {
    fn default() -> Self {
        Self {
            unit_timeout: UNIT_TIMEOUT,
            strict: false,
            all_scripts: false,
            wait: false,
        }
    }
}

impl ApplyArgs {
    /// Returns what is done when another activation is running.
    #[must_use]
    pub fn patience(&self) -> Patience {
        if self.wait {
            Patience::Wait
        } else {
            Patience::Refuse
        }
    }

    /// Gives how the plan is made.
    #[must_use]
    pub fn how(&self) -> How {
        How {
            strict: self.strict,
            all_scripts: self.all_scripts,
            ..How::default()
        }
    }
}

/// What `plan` takes.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct PlanArgs {
    /// The configuration's file, a flake, or a toplevel that has already been built
    #[arg(value_name = "SOURCE", conflicts_with_all = ["file", "flake"])]
    pub given: Option<PathBuf>,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Show what `deactivate` will do
    #[arg(long, conflicts_with_all = ["given", "file", "flake", "nixpkgs"])]
    pub deactivate: bool,
    /// Save the plan; `switch FILE` applies exactly this plan, or refuses it if the host has changed since
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Exit with code 10 if there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// How the plan is shown.
    #[command(flatten)]
    pub pages: PlanPages,
    /// Refuse a configuration that sets options which have no effect on this host
    #[arg(long)]
    pub strict: bool,
    /// Plan to run all activation scripts, even if there is nothing else to do
    #[arg(long)]
    pub all_scripts: bool,
    /// Plan a switch that lasts until the next reboot
    #[arg(long, conflicts_with = "deactivate")]
    pub ephemeral: bool,
}

/// What `switch` takes.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct SwitchArgs {
    /// The configuration's file, a flake, or a plan saved by `plan --out`
    #[arg(value_name = "SOURCE", conflicts_with_all = ["file", "flake"])]
    pub given: Option<PathBuf>,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// How the activation is done.
    #[command(flatten)]
    pub apply: ApplyArgs,
    /// If units fail or the activation stops part-way, go back to what was active before
    #[arg(long)]
    pub rollback_on_failure: bool,
    /// First install the distribution's packages that are missing, with apt-get or dnf; waits for their lock for at most
    /// --unit-timeout
    #[arg(long)]
    pub install_missing: bool,
    /// Until the next reboot only: everything is written to /run, and `deactivate` returns to what was active before
    #[arg(long, conflicts_with_all = ["rollback_on_failure", "install_missing"])]
    pub ephemeral: bool,
    /// Show the plan and ask on the terminal before anything is changed
    #[arg(short, long, conflicts_with = "json")]
    pub ask: bool,
    /// Show the plan and change nothing, as `plan` does
    #[arg(short = 'n', long, conflicts_with = "ask")]
    pub dry_run: bool,
    /// What `generations` shows about it.
    #[command(flatten)]
    pub origin: OriginArgs,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build the configuration and print its toplevel
    #[command(after_long_help = "\
Examples:
  system-manager build system.nix
  system-manager build --flake .   # tries systemConfigs.<system>.<hostname> and so on")]
    Build {
        /// The configuration's file, or a flake
        #[arg(value_name = "SOURCE", conflicts_with_all = ["file", "flake"])]
        given: Option<PathBuf>,
        /// Where the configuration comes from.
        #[command(flatten)]
        source: SourceArgs,
    },
    /// Show what `switch` will do, and change nothing
    ///
    /// `+` is added, `~` changed, `-` removed, `<` restored to what it was before; `!` is a conflict that must be resolved
    /// first. The actions on units follow, with their reasons, and then a summary.
    #[command(after_long_help = "\
Examples:
  system-manager plan system.nix
  system-manager plan system.nix --out plan.json && system-manager switch plan.json
  system-manager plan --deactivate
  system-manager plan system.nix --markdown --detailed-exitcode >comment.md   # for a pull request")]
    Plan(PlanArgs),
    /// Build the configuration, register it as a generation and activate it
    #[command(after_long_help = "\
Examples:
  system-manager switch system.nix
  system-manager switch system.nix --rollback-on-failure
  system-manager switch system.nix --ask --message 'new certificate'
  system-manager switch system.nix --root /mnt   # only the files, for a system that boots later")]
    Switch(SwitchArgs),
    /// Build the configuration and register it as a generation, without activating it
    #[command(after_long_help = "\
Examples:
  system-manager register /nix/store/...-system-manager-web && system-manager activate")]
    #[command(alias = "generate")]
    Register(RegisterArgs),
    /// Put a configuration's files in place for the next boot, without starting anything
    ///
    /// Registers the configuration as a generation. Files, links and accounts are created at once; no unit is stopped,
    /// restarted or started, and no activation script runs: the next boot does that, or the next `switch`. Without a
    /// source, uses the profile's current generation.
    #[command(after_long_help = "\
Examples:
  system-manager pre-populate system.nix
  system-manager pre-populate system.nix -n   # what it would do
  system-manager pre-populate --flake . && reboot")]
    PrePopulate(PrePopulateArgs),
    /// Activate a toplevel, by default the profile's current generation
    ///
    /// The toplevel is not registered as a generation, so `rollback` still goes to the same one as before.
    Activate(ActivateArgs),
    /// Remove everything that is managed and restore what was there before
    ///
    /// Generations are kept: `activate` activates the current one again. `plan --deactivate` shows what will happen.
    Deactivate(DeactivateArgs),
    /// Activate the previous generation, or another one
    ///
    /// Afterwards the profile points at that generation; later ones are kept.
    #[command(after_long_help = "\
Examples:
  system-manager rollback
  system-manager rollback --to 3")]
    Rollback {
        /// The generation's number, as `generations` lists it
        #[arg(long, value_name = "N")]
        to: Option<u64>,
        /// How to go back.
        #[command(flatten)]
        back: BackArgs,
    },
    /// Activate what was active before, regardless of its number
    ///
    /// Undoes the last switch, rollback, activation or deactivation; running it twice undoes the undo. All generations
    /// are kept.
    #[command(after_long_help = "\
Examples:
  system-manager undo
  system-manager undo -n   # what it would do")]
    Undo(BackArgs),
    /// Give a switch from another machine more time to be confirmed
    ///
    /// On a host that waits to be confirmed, or for one with --target-host: it returns to its previous state by so many seconds
    /// later. This neither confirms the switch nor cancels it.
    #[command(after_long_help = "\
Examples:
  system-manager extend 600
  system-manager extend 600 --target-host root@web")]
    Extend {
        /// How many seconds more
        #[arg(value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86400))]
        seconds: u64,
    },
    /// List the generations: date, origin, changes, size, result
    #[command(after_long_help = "\
Examples:
  system-manager generations
  system-manager generations -v   # with their store paths
  system-manager generations delete --older-than 30d --keep 5")]
    Generations(GenerationsArgs),
    /// Show how two generations differ, or how one differs from the live host: files, units, accounts, packages
    ///
    /// The live host is the active generation together with anything changed by hand since. Nothing is changed.
    #[command(after_long_help = "\
Examples:
  system-manager diff        # from what was active before to the live host
  system-manager diff 3      # from generation 3 to the live host
  system-manager diff 3 4
  system-manager diff 4 system.nix")]
    Diff(DiffArgs),
    /// Show what is managed, what was changed by hand, and what is unfinished
    ///
    /// Shows the generation, what is managed, failed units, drift, timers, what needs attention, and the free space in the
    /// store. `-v` lists everything.
    #[command(after_long_help = "\
Examples:
  system-manager status
  system-manager status --diff                # with the changes made by hand
  system-manager status --detailed-exitcode   # for monitoring: 10 if something needs attention
  system-manager status --watch")]
    Status(StatusArgs),
    /// Remove store paths that are no longer needed
    ///
    /// Keeps whatever is needed by the active configuration, a generation, a running activation, a garbage-collector root or
    /// a process. Without Nix, these are paths that were copied here from other machines; with Nix, its own collector
    /// decides, and is told what is needed here.
    Gc {
        /// Show what would be removed, and remove nothing
        #[arg(long)]
        dry_run: bool,
        /// First forget all generations except the last N
        #[arg(long, value_name = "N")]
        keep: Option<usize>,
    },
    /// Install Nix from the distribution's packages, on a host that is to build by itself
    ///
    /// Shows first which packages come. No configuration needs it: a host that others build for needs no Nix. What it installs,
    /// `deactivate --purge-installed` removes.
    #[command(after_long_help = "\
Examples:
  system-manager bootstrap --dry-run --target-host root@web
  system-manager bootstrap --target-host root@web")]
    Bootstrap(BootstrapArgs),
    /// Show what set a file, unit, account, variable, rule or option, and where a foreign file comes from
    ///
    /// Shows the file and line of each definition behind it, its priority, and the definitions that were overridden. This
    /// works without Nix, since the answer is stored in the active toplevel. For a file that is not managed, the
    /// distribution's package manager is asked.
    #[command(after_long_help = "\
Examples:
  system-manager why /etc/motd
  system-manager why nginx.service
  system-manager why services.nginx
  system-manager why alice")]
    Why {
        /// An absolute path, a unit, a user, a group, a variable, a package, or an option
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Show an option of the configuration: value, default, type, description, where it is declared and set
    ///
    /// Evaluates the configuration and builds nothing. Part of a name lists all options that contain it.
    #[command(after_long_help = "\
Examples:
  system-manager option environment.etc
  system-manager option services.nginx --nixpkgs ~/nixpkgs   # all options below it
  system-manager option virtualHosts --nixpkgs ~/nixpkgs     # all options whose names contain it")]
    Option(OptionArgs),
    /// Open Nix's read-eval-print loop with the configuration: `config`, `options`, `pkgs`, `lib`
    #[command(after_long_help = "\
Examples:
  system-manager repl system.nix
  nix-repl> config.systemd.services.hello.wantedBy")]
    Repl(LookArgs),
    /// Open the configuration in the editor that EDITOR names
    #[command(after_long_help = "\
Examples:
  EDITOR=nano system-manager edit")]
    Edit(LookArgs),
    /// Show which NixOS modules work here, or what a configuration would be on NixOS
    ///
    /// Checks each module of a nixpkgs: whether it declares its options, whether it evaluates with defaults and when
    /// enabled, which settings have no effect on a host that is not NixOS, which options must be set, and whether tests
    /// have run it on a machine. Nothing is built. Results are cached in ~/.cache/system-manager/compat.
    ///
    /// With --nixos, evaluates a configuration both here and as NixOS, and shows which of its units, files and accounts
    /// are the same and how the others differ.
    #[command(after_long_help = "\
Examples:
  system-manager compat --nixpkgs ~/nixpkgs                          # all of services/; takes minutes
  system-manager compat --nixpkgs ~/nixpkgs services/web-servers/nginx
  system-manager compat --nixpkgs ~/nixpkgs --under services/mail/ --compare
  system-manager compat --nixpkgs ~/nixpkgs --markdown >modules.md
  system-manager compat --nixpkgs ~/nixpkgs --nixos --file system.nix

Exit codes:
  0   all modules were checked, whatever the result
  1   there is no nixpkgs or no Nix, --min-enabled was not reached, or the configuration does not evaluate
  2   the command line is wrong
  3   interrupted; run the same command again to continue")]
    Compat(CompatArgs),
    /// Write a first configuration: system.nix, and a flake.nix if Nix has flakes enabled
    ///
    /// It sets the distribution and suggests, in comments, NixOS modules for the services that run here.
    #[command(after_long_help = "\
Examples:
  system-manager init ~/host
  system-manager init ~/host --no-flake")]
    Init(InitArgs),
    /// Print a configuration that describes existing files, units, users and groups
    ///
    /// A plan made from it has no changes: it describes what exists. Passwords, and files that not everyone may read, are
    /// never printed. In a folder, files that are as their package shipped them are left out.
    #[command(after_long_help = "\
Examples:
  system-manager adopt /etc/cron.d /etc/sysctl.d/90-local.conf app.service alice >adopted.nix
  system-manager plan adopted.nix   # no changes
  system-manager adopt /etc/passwd  # all ordinary users")]
    Adopt(AdoptArgs),
    /// Print the completion script for a shell
    ///
    /// It completes commands and flags, and also generations, units, hosts and options, which it asks this program for.
    #[command(after_long_help = "\
Examples:
  system-manager completions bash >/etc/bash_completion.d/system-manager")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page of the program or of one command
    #[command(after_long_help = "\
Examples:
  system-manager man | man -l -
  system-manager man switch >/usr/local/share/man/man1/system-manager-switch.1")]
    Man {
        /// The command
        #[arg(value_name = "COMMAND")]
        command: Option<String>,
    },
    /// What people do not call.
    #[command(flatten)]
    Hidden(Hidden),
}
