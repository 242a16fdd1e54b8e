//! What can be asked of systemd for a unit, as data.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is done to a unit.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Verb {
    /// `StopUnit`, before anything is replaced: the old `ExecStop=` runs.
    Stop,
    /// `ReloadUnit`, after the daemon-reload.
    Reload,
    /// `RestartUnit`, after the daemon-reload.
    Restart,
    /// `StartUnit`, after the daemon-reload.
    Start,
}

impl Verb {
    /// Gives its name, as in `systemctl restart`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Reload => "reload",
            Self::Restart => "restart",
            Self::Start => "start",
        }
    }

    /// Returns the word for its being under way, such as `restarting`.
    #[must_use]
    pub fn progressive(self) -> &'static str {
        match self {
            Self::Stop => "stopping",
            Self::Start => "starting",
            Self::Restart => "restarting",
            Self::Reload => "reloading",
        }
    }
}

/// Units that are waited for, by their jobs: a unit and its alias, or one that another has pulled in, share one.
#[derive(Debug, Default)]
pub(crate) struct Waiting(BTreeMap<String, Vec<String>>);

impl Waiting {
    /// Adds a unit and its job.
    pub(crate) fn add(&mut self, job: String, unit: String) {
        self.0.entry(job).or_default().push(unit);
    }

    /// Returns the units whose job has ended, for which is not waited any more.
    pub(crate) fn end(&mut self, job: &str) -> Vec<String> {
        self.0.remove(job).unwrap_or_default()
    }

    /// Whether nothing is waited for.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns all units.
    #[must_use]
    pub(crate) fn units(&self) -> BTreeSet<String> {
        self.0.values().flatten().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_of_a_job_hears_of_its_end() {
        let mut waiting = Waiting::default();
        for (job, unit) in [
            ("/1", "sshd.service"),
            ("/2", "a.service"),
            ("/1", "ssh.service"),
        ] {
            waiting.add(job.to_owned(), unit.to_owned());
        }
        assert_eq!(waiting.units().len(), 3);
        assert_eq!(waiting.end("/1"), ["sshd.service", "ssh.service"]);
        assert!(waiting.end("/9").is_empty(), "that of somebody else");
        assert_eq!(waiting.end("/2"), ["a.service"]);
        assert!(waiting.is_empty());
    }
}
