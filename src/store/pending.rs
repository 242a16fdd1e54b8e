//! A switch from another machine that nobody has confirmed yet: `/var/lib/system-manager/confirm.json`, or the same in
//! `/run` for one of this boot only. Until it is confirmed, or the host has returned, only the run that wrote it may change
//! the host.

#![expect(
    clippy::disallowed_methods,
    reason = "a run knows itself by its environment"
)]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::host::clock::now;
use crate::host::fs::{Content, NewFile, Root};
use crate::model::json;
use crate::model::names::AbsolutePath;
use crate::store;

/// How long what is remembered of a run from another machine lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Lasting {
    /// Until it is forgotten.
    #[default]
    Always,
    /// Until the next boot, as what the run does: overlays are put on what else is remembered, or taken off.
    ThisBoot,
}

impl Lasting {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::ThisBoot, Self::Always];

    /// Returns the folder of it, relative to the root.
    #[must_use]
    pub(crate) fn folder(self) -> &'static Path {
        Path::new(match self {
            Self::Always => store::FOLDER,
            Self::ThisBoot => "run/system-manager/remote",
        })
    }

    /// Makes the folder.
    ///
    /// # Errors
    /// When it can't be made.
    pub(crate) fn make_folder(self, root: &Root) -> Result<()> {
        match self {
            Self::Always => store::make_folder(root),
            Self::ThisBoot => root.make_folders(self.folder()),
        }
    }

    fn file(self) -> PathBuf {
        self.folder().join("confirm.json")
    }
}

/// The variable that names the run of which a process is part.
pub(crate) const RUN: &str = "SYSTEM_MANAGER_RUN";

const VERSION: u32 = 1;

/// What is needed to return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Pending {
    /// Format version.
    pub version: u32,
    /// The run that has to be confirmed.
    pub run: String,
    /// Who it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// How many seconds there are for that, from its end.
    pub window: u64,
    /// What was active before; none when nothing was.
    pub before: Option<AbsolutePath>,
    /// Whether that was of this boot only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub before_is_ephemeral: bool,
    /// The profile's generation before.
    pub generation: Option<u64>,
    /// The boot in which the run is.
    pub boot: String,
    /// When the time is over, in seconds since 1970; none while the run goes on.
    pub deadline: Option<u64>,
    /// How often it was begun to return; from then on it can't be confirmed.
    pub returning: u32,
    /// Why it can't be confirmed: a health check failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unhealthy: Option<String>,
    /// How long this is remembered.
    #[serde(skip)]
    pub lasting: Lasting,
}

impl Pending {
    /// Makes one for a run that is about to begin.
    #[must_use]
    pub(crate) fn new(
        run: &str,
        window: u64,
        boot: String,
        before: Option<AbsolutePath>,
        generation: Option<u64>,
    ) -> Self {
        Self {
            version: VERSION,
            run: run.to_owned(),
            by: None,
            window,
            before,
            before_is_ephemeral: false,
            generation,
            boot,
            deadline: None,
            returning: 0,
            unhealthy: None,
            lasting: Lasting::Always,
        }
    }

    /// Notes that the host is not well after the run of which this process is part, if one waits: it returns.
    ///
    /// # Errors
    /// When that can't be written.
    pub(crate) fn note_unhealthy(root: &Root, why: &str) -> Result<()> {
        let Some(mut pending) = Self::read(root)? else {
            return Ok(());
        };
        if std::env::var_os(RUN).is_none_or(|own| own != *pending.run) || pending.returning > 0 {
            return Ok(());
        }
        pending.unhealthy = Some(why.to_owned());
        pending.write(root)
    }

    /// Reads it; none when nothing waits.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn read(root: &Root) -> Result<Option<Self>> {
        for lasting in Lasting::ALL {
            let Some(bytes) = root.read(&lasting.file())? else {
                continue;
            };
            let inner = || -> Result<Self> {
                let pending: Self = json::from_bytes(&bytes)?;
                if pending.version != VERSION {
                    bail!("it has version {}", pending.version);
                }
                Ok(Self { lasting, ..pending })
            };
            return inner()
                .map(Some)
                .with_context(|| format!("reading {}", root.show(&lasting.file()).display()));
        }
        Ok(None)
    }

    /// Writes it durably.
    ///
    /// # Errors
    /// When it can't be written.
    pub(crate) fn write(&self, root: &Root) -> Result<()> {
        self.lasting.make_folder(root)?;
        let content = serde_json::to_vec(self).context("serialising a run that waits")?;
        root.write_file(
            &self.lasting.file(),
            &NewFile::of_root(Content::Bytes(&content), 0o600),
        )?;
        root.sync()
    }

    /// Removes it: the run is confirmed, or undone.
    ///
    /// # Errors
    /// When it can't be removed.
    pub(crate) fn remove(root: &Root) -> Result<()> {
        for lasting in Lasting::ALL {
            root.remove_file(&lasting.file())?;
        }
        root.sync()
    }

    /// Says for people what waits.
    #[must_use]
    pub(crate) fn describe(&self) -> String {
        let rest = match self.deadline {
            _ if self.returning > 0 || self.unhealthy.is_some() => {
                "the host is returning to its previous state".to_owned()
            }
            None => "it is under way".to_owned(),
            Some(deadline) => format!(
                "the host returns to its previous state in {} s unless it is confirmed",
                deadline.saturating_sub(now())
            ),
        };
        let by = self.by.as_ref().map(|by| format!(" by {by}"));
        format!(
            "the run {} from another machine{} has not been confirmed: {rest}",
            self.run,
            by.unwrap_or_default()
        )
    }
}

/// Whether this process is part of a run from another machine.
#[must_use]
pub(crate) fn is_run() -> bool {
    std::env::var_os(RUN).is_some()
}

/// Refuses a change of a host where somebody else's run waits to be confirmed.
///
/// # Errors
/// When one does.
pub(crate) fn refuse_others(root: &Root) -> Result<()> {
    match Pending::read(root)? {
        Some(pending) if std::env::var_os(RUN).is_none_or(|own| own != *pending.run) => {
            bail!(
                "{}\nhint: wait until it is confirmed or undone, then run this again; `system-manager extend` gives it more time",
                pending.describe()
            )
        }
        _ => Ok(()),
    }
}
