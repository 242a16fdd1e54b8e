//! The options for other hosts.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::nix::elsewhere::BuildHost;
use crate::remote::target::Target;

/// On which other hosts a command works, and how they are reached.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Other hosts")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct RemoteArgs {
    /// Work on another host over ssh: [user@]host[:port]; can be repeated
    #[arg(long, global = true, value_name = "HOST")]
    pub target_host: Vec<String>,

    /// Work on the hosts listed in a file, one per line; `-` is standard input
    #[arg(long, global = true, value_name = "FILE")]
    pub hosts: Option<PathBuf>,

    /// Work on all hosts of a flake: each `systemConfigs.<host>` and `systemConfigs.<system>.<host>`, reached by that name
    /// [default: the flake that the command builds]
    #[arg(long, global = true, value_name = "URI", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub all: Option<String>,

    /// Build on another machine that has Nix: [user@]host[:port]
    #[arg(long, global = true, value_name = "HOST")]
    pub build_host: Option<String>,

    /// Let hosts that have Nix fetch paths from their own substituters
    #[arg(long, global = true, alias = "use-substitutes")]
    pub substitute_on_destination: bool,

    /// Build as this user and become root with sudo; on other hosts, with sudo, doas or run0 there
    #[arg(long, global = true, alias = "use-remote-sudo")]
    pub sudo: bool,

    /// Ask once, here, for the sudo password
    #[arg(long, global = true)]
    pub ask_sudo_password: bool,

    /// An additional option for ssh: a value for its -o, or flags such as `-p 2222`; can be repeated
    #[arg(long, global = true, value_name = "OPTION", allow_hyphen_values = true)]
    pub ssh_option: Vec<String>,

    /// How long the host waits for a new connection after an activation before it returns to its previous state, in
    /// seconds [default: 60 with `switch`; other commands wait only if this is given]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(5..=86400))]
    pub confirm_timeout: Option<u64>,

    /// Keep the new state even if the host can't be reached after the activation
    #[arg(long, global = true, conflicts_with = "confirm_timeout")]
    pub no_confirm: bool,

    /// Follow the last activation that was started from another machine, instead of starting one
    #[arg(long, global = true)]
    pub attach: bool,

    /// How many hosts to work on at the same time
    #[arg(long, global = true, value_name = "N", default_value_t = 10, hide_default_value = false,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub parallel: u16,

    /// Work in batches of N hosts, or P percent of them; the next batch starts only if the previous ones succeeded
    #[arg(long, global = true, value_name = "N|P%")]
    pub batch: Option<String>,

    /// Start with N hosts, before all others
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub canary: Option<u16>,

    /// Start no further host once more than N have failed [default: 0 with --batch or --canary]
    #[arg(long, global = true, value_name = "N")]
    pub max_failures: Option<usize>,

    /// Work only on those hosts on which the last run failed
    #[arg(long, global = true)]
    pub retry_failed: bool,
}

impl RemoteArgs {
    /// Whether another host is meant.
    #[must_use]
    pub fn is_given(&self) -> bool {
        !self.target_host.is_empty()
            || self.hosts.is_some()
            || self.all.is_some()
            || self.retry_failed
    }

    /// Returns the machine that builds, if it is another one.
    ///
    /// # Errors
    /// When what is named is no host.
    pub(crate) fn build_host(&self) -> Result<Option<BuildHost>> {
        let Some(text) = &self.build_host else {
            return Ok(None);
        };
        let target: Target = text.parse()?;
        let mut ssh_options = self.ssh_option.clone();
        ssh_options.extend(target.port.map(|port| format!("Port={port}")));
        let user = target.user.map(|user| format!("{user}@"));
        Ok(Some(BuildHost {
            destination: user.unwrap_or_default() + &target.host,
            ssh_options,
        }))
    }

    /// Whether root is to be asked for with sudo.
    #[must_use]
    pub fn wants_sudo(&self) -> bool {
        self.sudo || self.ask_sudo_password
    }

    /// Returns an option that is given and means nothing without another host.
    #[must_use]
    pub fn without_host(&self) -> Option<&'static str> {
        [
            (
                !self.ssh_option.is_empty() && self.build_host.is_none(),
                "--ssh-option",
            ),
            (
                self.substitute_on_destination,
                "--substitute-on-destination",
            ),
            (self.confirm_timeout.is_some(), "--confirm-timeout"),
            (self.no_confirm, "--no-confirm"),
            (self.attach, "--attach"),
            (self.batch.is_some(), "--batch"),
            (self.canary.is_some(), "--canary"),
            (self.max_failures.is_some(), "--max-failures"),
        ]
        .into_iter()
        .find(|(given, _)| *given && !self.is_given())
        .map(|(_, option)| option)
    }
}
