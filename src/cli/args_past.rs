//! The command line of what is about what is there: generations, how they differ, back to one of them or to none, status.

use clap::{Args, Subcommand};

use crate::cli::args::{ApplyArgs, PageArgs, UNIT_TIMEOUT};

/// Where a configuration comes from, for `generations`.
#[derive(Debug, Clone, Default, Args)]
pub struct OriginArgs {
    /// A short note on the reason, which `generations` shows
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// The configuration's file or flake, where another machine has built it
    #[arg(long, value_name = "TEXT", hide = true)]
    pub made_from: Option<String>,
    /// Its revision there
    #[arg(long, value_name = "TEXT", hide = true)]
    pub made_at: Option<String>,
}

/// What `diff` takes.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A generation's number, a toplevel, a configuration's file, or a flake [default: what was active before]
    #[arg(value_name = "A")]
    pub from: Option<String>,
    /// The same [default: the live host, with anything changed by hand]
    #[arg(value_name = "B")]
    pub to: Option<String>,
}

/// What `generations` takes.
#[derive(Debug, Args)]
pub struct GenerationsArgs {
    /// What is done with them.
    #[command(subcommand)]
    pub action: Option<GenerationsAction>,
}

/// What can be done with generations.
#[derive(Debug, Subcommand)]
pub enum GenerationsAction {
    /// Forget generations, so that store paths which only they need can be collected
    ///
    /// The active generation, the booted one and the profile's current one are always kept.
    #[command(after_long_help = "\
Examples:
  system-manager generations delete 3 4
  system-manager generations delete --older-than 30d --keep 5
  system-manager generations delete --keep 2 --dry-run")]
    Delete(DeleteArgs),
}

/// What `generations delete` takes.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Their numbers
    #[arg(value_name = "N", required_unless_present_any = ["older_than", "keep"], conflicts_with_all = ["older_than", "keep"])]
    pub numbers: Vec<u64>,
    /// Generations older than this: 12h, 30d, 8w
    #[arg(long, value_name = "TIME", value_parser = parse_age)]
    pub older_than: Option<u64>,
    /// All but the last N; with --older-than, the last N are kept whatever their age
    #[arg(long, value_name = "N")]
    pub keep: Option<usize>,
    /// Show what would be removed, and remove nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// What `rollback` and `undo` take.
#[derive(Debug, Args)]
pub struct BackArgs {
    /// Show the plan and ask on the terminal before anything is changed
    #[arg(short, long, conflicts_with = "json")]
    pub ask: bool,
    /// Show the plan and change nothing
    #[arg(short = 'n', long, conflicts_with = "ask")]
    pub dry_run: bool,
    /// How the activation is done.
    #[command(flatten)]
    pub apply: ApplyArgs,
}

/// Reads a time such as `30d`, to seconds.
fn parse_age(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not an age; write 12h, 30d or 8w");
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds = match unit {
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ages() {
        for (text, seconds) in [("12h", 43_200), ("30d", 2_592_000), ("1w", 604_800)] {
            assert_eq!(parse_age(text), Ok(seconds));
        }
        for wrong in ["", "d", "30", "30m", "-1d", "99999999999999999999d", "ä"] {
            assert!(parse_age(wrong).is_err(), "{wrong}");
        }
    }
}

/// What `bootstrap` takes.
#[derive(Debug, Args)]
pub struct BootstrapArgs {
    /// Show which packages come, and install nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// How long to wait for another run of the package manager, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = UNIT_TIMEOUT)]
    pub unit_timeout: u64,
}

/// What `deactivate` takes.
#[derive(Debug, Args)]
pub struct DeactivateArgs {
    /// Also remove the distribution's packages that `switch --install-missing` or `bootstrap` installed and nothing else needs
    #[arg(long, alias = "purge")]
    pub purge_installed: bool,
    /// numtide/system-manager takes its program from there; here, the one that runs deactivates what is active
    #[arg(long, value_name = "TOPLEVEL", hide = true)]
    pub store_path: Option<std::path::PathBuf>,
    /// How long to wait for each unit to stop, in seconds; a unit that has not stopped by then counts as failed
    #[arg(long, value_name = "SECONDS", default_value_t = UNIT_TIMEOUT)]
    pub unit_timeout: u64,
    /// If another activation is running, wait for it to finish instead of refusing
    #[arg(long)]
    pub wait: bool,
}

impl DeactivateArgs {
    /// Returns how the activation is done.
    #[must_use]
    pub fn apply(&self) -> ApplyArgs {
        ApplyArgs {
            unit_timeout: self.unit_timeout,
            wait: self.wait,
            ..ApplyArgs::default()
        }
    }
}

/// What `status` takes.
#[derive(Debug, Default, Args)]
pub struct StatusArgs {
    /// Show changes made by hand as diffs
    #[arg(long, conflicts_with = "json")]
    pub diff: bool,
    #[command(flatten)]
    pub page: PageArgs,
    /// Exit with code 10 if something has failed, was changed by hand, or is unfinished
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Refresh every SECONDS seconds until interrupted [default: 2]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
          value_parser = clap::value_parser!(u64).range(1..=3600), conflicts_with_all = ["json", "detailed_exitcode", "markdown", "html"])]
    pub watch: Option<u64>,
}
