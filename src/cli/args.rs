//! The command line, as clap types. The help texts are the reference of the program.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::activation::prepare::How;
use crate::cli::args_compat::CompatArgs;
use crate::cli::args_global::{AFTER, Global};
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

    /// The option of the command, which numtide/system-manager takes before it, too
    #[arg(long = "nix-option", hide = true, num_args = 2, value_names = ["NAME", "VALUE"], action = clap::ArgAction::Append)]
    pub nix_option_before: Vec<String>,
}

/// Where the configuration comes from.
#[derive(Debug, Default, Args)]
pub struct SourceArgs {
    /// A file with a module, or with a function that gives a toplevel [default: ./flake.nix, ./system.nix, then the
    /// same in ~/.config/system-manager]
    #[arg(short, long, value_name = "PATH", conflicts_with = "flake")]
    pub file: Option<PathBuf>,

    /// A flake; without an attribute, systemConfigs.<system>.<hostname>, .<hostname> and .default are tried
    #[arg(long, value_name = "URI")]
    pub flake: Option<String>,

    /// The nixpkgs to use with --file, or `embedded` for none: then the program's own library and the
    /// distribution's programs serve [default: `<nixpkgs>` of `NIX_PATH`, else embedded]
    #[arg(long, value_name = "PATH")]
    pub nixpkgs: Option<String>,

    /// A setting for Nix, as in nix.conf(5); may be repeated
    #[arg(long, num_args = 2, value_names = ["NAME", "VALUE"], action = clap::ArgAction::Append)]
    pub nix_option: Vec<String>,

    /// Fetch the flake and its inputs anew
    #[arg(long)]
    pub refresh: bool,

    /// When the configuration does not evaluate, show where Nix was
    #[arg(long)]
    pub show_trace: bool,
}

/// What is told, as a page.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct PageArgs {
    /// Print Markdown, folded and at most 60 kB long, as a comment on a pull request takes it
    #[arg(long, conflicts_with_all = ["json", "html"])]
    pub markdown: bool,
    /// Print one HTML file
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

/// How the plan is told.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct PlanPages {
    #[command(flatten)]
    pub page: PageArgs,
    /// Print conflicts and how much there is to do, without the details
    #[arg(long, conflicts_with_all = ["markdown", "html"])]
    pub summary: bool,
}

/// How an activation is done.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// How long to wait for a unit to stop, start or reload, and for each activation script, in seconds; what has not
    /// ended by then has failed
    #[arg(long, value_name = "SECONDS", default_value_t = UNIT_TIMEOUT)]
    pub unit_timeout: u64,

    /// Refuse a configuration that sets options which have no effect on this host
    #[arg(long)]
    pub strict: bool,

    /// Run all activation scripts, also where nothing else is to be done
    #[arg(long)]
    pub all_scripts: bool,

    /// Wait for another activation to end, instead of refusing
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
    /// The configuration's file, a flake, or a toplevel that is built already
    #[arg(value_name = "SOURCE", conflicts_with_all = ["file", "flake"])]
    pub given: Option<PathBuf>,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Show what `deactivate` will do
    #[arg(long, conflicts_with_all = ["given", "file", "flake", "nixpkgs"])]
    pub deactivate: bool,
    /// Save the plan; `switch FILE` applies exactly that, or refuses it as stale
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Exit with 10 when there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// How the plan is shown.
    #[command(flatten)]
    pub pages: PlanPages,
    /// Refuse a configuration that sets options which have no effect on this host
    #[arg(long)]
    pub strict: bool,
    /// Plan to run all activation scripts, also where nothing else is to be done
    #[arg(long)]
    pub all_scripts: bool,
    /// Plan a switch that is of this boot only
    #[arg(long, conflicts_with = "deactivate")]
    pub ephemeral: bool,
}

/// What `switch` takes.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct SwitchArgs {
    /// The configuration's file, a flake, or a plan that `plan --out` saved
    #[arg(value_name = "SOURCE", conflicts_with_all = ["file", "flake"])]
    pub given: Option<PathBuf>,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// How the activation is done.
    #[command(flatten)]
    pub apply: ApplyArgs,
    /// Go back to the generation before if units fail or the activation stops part-way
    #[arg(long)]
    pub rollback_on_failure: bool,
    /// Install the distribution's packages that are missing first, by apt-get or dnf; waits for its lock no longer than
    /// --unit-timeout
    #[arg(long)]
    pub install_missing: bool,
    /// For this boot only: what is written goes to /run, and `deactivate` goes back to what was active before
    #[arg(long, conflicts_with_all = ["rollback_on_failure", "install_missing"])]
    pub ephemeral: bool,
    /// Show the plan and ask on the terminal before anything is changed
    #[arg(short, long, conflicts_with = "json")]
    pub ask: bool,
    /// Show the plan and change nothing, as `plan` does
    #[arg(short = 'n', long, conflicts_with = "ask")]
    pub dry_run: bool,
    /// Where it comes from.
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
    /// `+` is added, `~` changed, `-` removed, `<` restored as it was before; `!` is a conflict that must be resolved
    /// first. Then come the actions on units with their reasons, and a summary line.
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
  system-manager switch system.nix --root /mnt   # the files only, for a later boot")]
    Switch(SwitchArgs),
    /// Build the configuration and register it as a generation, without activating it
    #[command(after_long_help = "\
Examples:
  system-manager register /nix/store/...-system-manager-web && system-manager activate")]
    #[command(alias = "generate")]
    Register(RegisterArgs),
    /// Place a configuration's files for the next boot, and start nothing
    ///
    /// Registers it as a generation. Files, links and accounts come at once; no unit is stopped, restarted or started, and no
    /// activation script runs: the next boot does all of it, or the next `switch`. Without a source, the profile's current
    /// generation is placed.
    #[command(after_long_help = "\
Examples:
  system-manager pre-populate system.nix
  system-manager pre-populate system.nix -n   # what it would do
  system-manager pre-populate --flake . && reboot")]
    PrePopulate(PrePopulateArgs),
    /// Activate a toplevel, by default the profile's current generation
    ///
    /// The toplevel is not registered. What a `rollback` would go back to stays what it was.
    Activate(ActivateArgs),
    /// Remove everything that is managed and restore what was there before
    ///
    /// Generations are kept: `activate` brings the current one back. `plan --deactivate` shows what will happen.
    Deactivate(DeactivateArgs),
    /// Activate the previous generation, or another one
    ///
    /// The profile then points at that generation; later ones are kept.
    #[command(after_long_help = "\
Examples:
  system-manager rollback
  system-manager rollback --to 3")]
    Rollback {
        /// The generation's number, as `generations` lists it
        #[arg(long, value_name = "N")]
        to: Option<u64>,
        /// How it goes back.
        #[command(flatten)]
        back: BackArgs,
    },
    /// Activate what was active before, regardless of its number
    ///
    /// Undoes the last switch, rollback, activation or deactivation; twice is back again. The generations stay.
    #[command(after_long_help = "\
Examples:
  system-manager undo
  system-manager undo -n   # what it would do")]
    Undo(BackArgs),
    /// List the generations: date, origin, changes, size, result
    #[command(after_long_help = "\
Examples:
  system-manager generations
  system-manager generations -v   # with their store paths
  system-manager generations delete --older-than 30d --keep 5")]
    Generations(GenerationsArgs),
    /// Show how two generations differ, or one from the live host: files, units, accounts, packages
    ///
    /// What is live is what is active, with what was changed by hand since. Nothing is changed.
    #[command(after_long_help = "\
Examples:
  system-manager diff        # from what was active before to what is live
  system-manager diff 3      # from generation 3 to what is live
  system-manager diff 3 4
  system-manager diff 4 system.nix")]
    Diff(DiffArgs),
    /// Show what is managed, what was changed by hand, and what is unfinished
    ///
    /// Generation, what is managed, managed units that have failed, drift, timers, what needs attention, and the free space of
    /// the store. `-v` lists everything.
    #[command(after_long_help = "\
Examples:
  system-manager status
  system-manager status --diff                # with what was changed by hand
  system-manager status --detailed-exitcode   # 10 when somebody should look, for monitoring
  system-manager status --watch")]
    Status(StatusArgs),
    /// Remove store paths that arrived from other machines and are no longer needed
    ///
    /// On a host without Nix. What is active, a generation, a run under way, a link in the folders of Nix's roots, or a
    /// process needs stays, with all that it refers to. Where there is Nix, its own `nix-collect-garbage` does this.
    Gc {
        /// Say what would go, and remove nothing
        #[arg(long)]
        dry_run: bool,
        /// Forget all generations before but the last N
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
    /// Names the file and line of each definition behind it, its priority, and the definitions that were overridden. Nothing is
    /// evaluated: the active toplevel has the answer. For a file that is not managed, the distribution is asked.
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
    /// Show an option of the configuration: value, default, type, what it is for, where it is declared and set
    ///
    /// The configuration is evaluated, and nothing is built. A part of a name lists the options that have it.
    #[command(after_long_help = "\
Examples:
  system-manager option environment.etc
  system-manager option services.nginx --nixpkgs ~/nixpkgs   # all below it
  system-manager option virtualHosts --nixpkgs ~/nixpkgs     # all that have it in their names")]
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
    /// Looks at each module of a nixpkgs: whether it declares its options, evaluates with defaults and when it is
    /// enabled, what it sets without effect on a host that is not NixOS, which option it wants to be set, and whether
    /// tests have run it on a machine. Nothing is built. What was found is kept below ~/.cache/system-manager/compat.
    ///
    /// With --nixos, a configuration is evaluated here and by NixOS itself: which of its units, files and accounts are
    /// the same there, and how the others differ.
    #[command(after_long_help = "\
Examples:
  system-manager compat --nixpkgs ~/nixpkgs                          # all of services/; takes minutes
  system-manager compat --nixpkgs ~/nixpkgs services/web-servers/nginx
  system-manager compat --nixpkgs ~/nixpkgs --under services/mail/ --compare
  system-manager compat --nixpkgs ~/nixpkgs --markdown >modules.md
  system-manager compat --nixpkgs ~/nixpkgs --nixos --file system.nix

Exit codes:
  0   all were looked at, whatever came of it
  1   there is no nixpkgs or no Nix, --min-enabled is not reached, or the configuration does not evaluate
  2   the command line is wrong
  3   interrupted; the same command goes on")]
    Compat(CompatArgs),
    /// Write a first configuration, system.nix, and a flake.nix where Nix has flakes enabled
    ///
    /// It names the distribution, and proposes, as comments, NixOS's modules for services that run here.
    #[command(after_long_help = "\
Examples:
  system-manager init ~/host
  system-manager init ~/host --no-flake")]
    Init(InitArgs),
    /// Print Nix that describes what is there: files, units, users, groups
    ///
    /// A plan of what it prints has nothing to do: what is there is described, not changed. Of what only some may read, and of
    /// passwords, nothing is printed. In a folder, what is as a package has shipped it is left out.
    #[command(after_long_help = "\
Examples:
  system-manager adopt /etc/cron.d /etc/sysctl.d/90-local.conf app.service alice >adopted.nix
  system-manager plan adopted.nix   # no changes
  system-manager adopt /etc/passwd  # all people")]
    Adopt(AdoptArgs),
    /// Print a shell's completion script
    #[command(after_long_help = "\
Examples:
  system-manager completions bash >/etc/bash_completion.d/system-manager")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, of the program or of one command
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
