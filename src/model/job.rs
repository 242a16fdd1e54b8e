//! What can be asked of systemd for a unit, as data.

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
