//! The options for other hosts.

use std::path::PathBuf;

use clap::Args;

/// On which other hosts a command works, and how they are reached.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Other hosts")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct RemoteArgs {
    /// Work on another host, by ssh: [user@]host[:port]; may be repeated
    #[arg(long, global = true, value_name = "HOST")]
    pub target_host: Vec<String>,

    /// Work on the hosts that a file lists, one a line; `-` is standard input
    #[arg(long, global = true, value_name = "FILE")]
    pub hosts: Option<PathBuf>,

    /// Build as this user, and become root with sudo; on other hosts, with sudo or doas there
    #[arg(long, global = true, alias = "use-remote-sudo")]
    pub sudo: bool,

    /// Ask here, once, for the password that sudo wants
    #[arg(long, global = true)]
    pub ask_sudo_password: bool,

    /// One more option for ssh: a value of its -o, or flags such as `-p 2222`; may be repeated
    #[arg(long, global = true, value_name = "OPTION", allow_hyphen_values = true)]
    pub ssh_option: Vec<String>,

    /// How long the host waits to be reached anew after an activation before it returns to what it was, in seconds
    /// [default: 60 with `switch`; others only wait when this is given]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(5..=86400))]
    pub confirm_timeout: Option<u64>,

    /// The host stays as it is after an activation, whether or not it can be reached
    #[arg(long, global = true, conflicts_with = "confirm_timeout")]
    pub no_confirm: bool,

    /// Follow the last activation that came from another machine, instead of beginning one
    #[arg(long, global = true)]
    pub attach: bool,

    /// On how many hosts at the same time
    #[arg(long, global = true, value_name = "N", default_value_t = 10, hide_default_value = false,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub parallel: u16,

    /// How many hosts, N or P%, before the next ones begin; these do only if all before went well
    #[arg(long, global = true, value_name = "N|P%")]
    pub batch: Option<String>,

    /// How many hosts to begin with, before all others
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub canary: Option<u16>,

    /// Begin no further host when more than N have failed [default: 0 with --batch or --canary]
    #[arg(long, global = true, value_name = "N")]
    pub max_failures: Option<usize>,

    /// Only those of the hosts on which the last run did not go well
    #[arg(long, global = true)]
    pub retry_failed: bool,
}

impl RemoteArgs {
    /// Whether another host is meant.
    #[must_use]
    pub fn is_given(&self) -> bool {
        !self.target_host.is_empty() || self.hosts.is_some() || self.retry_failed
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
            (!self.ssh_option.is_empty(), "--ssh-option"),
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
