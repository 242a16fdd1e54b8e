//! What the two sides say to each other.

use serde::{Deserialize, Serialize};

use crate::closure::info::{PathInfo, StorePath};

/// What the deployer asks of the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum Request {
    /// Which of these paths have to be sent?
    Paths {
        /// Each after those that it refers to.
        infos: Vec<PathInfo>,
        /// Whether the host's own Nix fetches what it can first.
        substitute: bool,
    },
    /// This path follows, as frames of its archive.
    Nar {
        /// What it must be.
        info: PathInfo,
    },
    /// All have come.
    Settle,
    /// Run the program with these arguments, as long as this connection lives.
    Run {
        /// The arguments.
        arguments: Vec<String>,
    },
    /// Run the program with these arguments, whatever becomes of this connection.
    Start(Start),
    /// Tell what a run says, and how it ends.
    Follow {
        /// The run; the last one when there is none.
        run: Option<String>,
    },
    /// The host is well after this run.
    Confirm {
        /// The run.
        run: String,
    },
}

/// A run that outlives its connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Start {
    /// Its name, of the deployer's choice.
    pub run: String,
    /// The arguments.
    pub arguments: Vec<String>,
    /// The seconds in which it must be confirmed after its end, else the host returns to what it was.
    pub confirm: Option<u64>,
}

/// What the target answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum Answer {
    /// The first word.
    Hello {
        /// The version of the protocol.
        protocol: u32,
        /// The program's version.
        version: String,
    },
    /// These paths have to be sent.
    Missing {
        /// The paths.
        paths: Vec<StorePath>,
    },
    /// It is done.
    Done,
    /// It can't be done.
    Failed {
        /// Why.
        why: String,
    },
    /// A program has ended.
    Ended(Ended),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Ended {
    /// The exit status; none when a signal ended it.
    pub code: Option<i32>,
    /// Whether the host returned to what it was, as nobody confirmed.
    #[serde(default)]
    pub returned: bool,
    /// When the host returns unless it is confirmed, in seconds since 1970; none when nothing waits.
    #[serde(default)]
    pub deadline: Option<u64>,
    /// Why it can't be confirmed: the host is not well.
    #[serde(default)]
    pub unhealthy: Option<String>,
}
