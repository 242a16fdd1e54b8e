//! What the two sides say to each other.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};

use crate::closure::info::{PathInfo, StorePath};
use crate::model::names::{AbsolutePath, FileName};
use crate::model::node::{hex, unhex};
use crate::store::secrets::Values;

/// What the deployer asks of the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum Request {
    /// Which of these paths are not known there? Asked first, as it is short: most are.
    Lacking {
        /// The beginnings of their hashes, one after the other.
        tags: String,
    },
    /// Which of these paths have to be sent?
    Paths {
        /// Each after those that it refers to.
        infos: Vec<PathInfo>,
        /// Whether the host's own Nix fetches what it can first.
        substitute: bool,
    },
    /// Which of these paths are not there with all that they need? Asked of earlier ones, of which pieces could be taken.
    There {
        /// The beginnings of their hashes, one after the other.
        tags: String,
    },
    /// This path, which has to be sent, follows as frames of its archive.
    Nar {
        /// The path.
        path: StorePath,
    },
    /// All have come; the answer is which have to be sent again, and whole.
    Settle,
    /// Keep these secrets of a configuration; where one is another than services read now, the run that follows is no idle one.
    Secrets {
        /// The configuration.
        toplevel: AbsolutePath,
        /// Their values.
        values: SecretValues,
    },
    /// This is the fingerprint of the key by which ssh came here; there is no answer.
    Key {
        /// As ssh prints it.
        fingerprint: String,
    },
    /// Run the program with these arguments, as long as this connection lives.
    Run {
        /// The arguments.
        arguments: Vec<String>,
    },
    /// Run a switch with these arguments if it changes nothing, and none of the paths was lacking.
    Idle {
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

impl Request {
    /// Asks which of these paths are not known. Pure.
    #[must_use]
    pub(crate) fn lacking<'a>(paths: impl IntoIterator<Item = &'a StorePath>) -> Self {
        let tags = paths.into_iter().map(StorePath::tag).collect();
        Self::Lacking { tags }
    }

    /// Asks which of these paths are there. Pure.
    #[must_use]
    pub(crate) fn there<'a>(paths: impl IntoIterator<Item = &'a StorePath>) -> Self {
        let tags = paths.into_iter().map(StorePath::tag).collect();
        Self::There { tags }
    }
}

/// Bytes of an archive that are those of a file in the store of the one who gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Piece {
    /// The path that has the file.
    pub path: StorePath,
    /// Where in it the file is; empty when it is the file.
    pub file: String,
    /// How many bytes, from its beginning.
    pub size: u64,
}

impl Piece {
    /// Returns where the file is, if the path is at `place`.
    #[must_use]
    pub(crate) fn within(&self, place: &Path) -> PathBuf {
        match self.file.as_str() {
            "" => place.to_owned(),
            file => place.join(file),
        }
    }
}

/// Values of secrets by name, each byte as two digits. Nothing prints them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SecretValues(BTreeMap<String, String>);

impl fmt::Debug for SecretValues {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("(secrets)")
    }
}

impl SecretValues {
    /// Makes a message of values. Pure.
    #[must_use]
    pub(crate) fn of(values: &Values) -> Self {
        let each = values
            .iter()
            .map(|(name, value)| (name.clone(), hex(value)));
        Self(each.collect())
    }

    /// Returns the values. Pure.
    ///
    /// # Errors
    /// When they are none.
    pub(crate) fn values(&self) -> Result<Values> {
        let one = |(name, text): (&String, &String)| -> Result<(String, Vec<u8>)> {
            let _: FileName = name.parse()?;
            Ok((name.clone(), unhex(text)?))
        };
        let read = self.0.iter().map(one).collect::<Result<_>>();
        // An error of the text would have some of it.
        read.map_err(|_| anyhow!("the secrets that arrived are malformed"))
    }
}

/// A run that outlives its connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Start {
    /// Its name, of the deployer's choice.
    pub run: String,
    /// The arguments.
    pub arguments: Vec<String>,
    /// Who it is of, as `user@machine`.
    #[serde(default)]
    pub by: Option<String>,
    /// Who came, and by which key; the host knows the first.
    #[serde(default)]
    pub came_by: Option<String>,
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
    /// These are not known.
    Lacking {
        /// Their numbers, in the order in which was asked.
        numbers: Vec<usize>,
    },
    /// It is done.
    Done,
    /// It can't be done.
    Failed {
        /// Why.
        why: String,
    },
    /// It would change something; nothing was done.
    NotIdle,
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

impl Ended {
    /// Makes one that nothing waits for. Pure.
    #[must_use]
    pub(crate) fn of(code: Option<i32>) -> Self {
        Self {
            code,
            returned: false,
            deadline: None,
            unhealthy: None,
        }
    }
}
