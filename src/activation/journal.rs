//! The record of an activation that is under way: `/var/lib/system-manager/journal`, one JSON object a line.
//!
//! It begins with the unit actions that are due and grows by each one that is done, so that a later run knows what an
//! interrupted one still owed. A last line that is cut counts as not written.
#![expect(clippy::disallowed_methods, reason = "asks the kernel for the boot")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};

use crate::host::fs::Root;
use crate::model::names::{AbsolutePath, TargetPath};
use crate::units::decide::Seeds;

const FILE: &str = "var/lib/system-manager/journal";

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Record {
    /// The activation begins; these unit actions are due.
    Begin {
        /// For people: what is being done.
        purpose: String,
        /// What is due once the files are in place.
        due: Seeds,
        /// Whether tmpfiles rules are to be applied.
        tmpfiles: bool,
        /// The sources of the user managers' units before, when those are to be switched.
        user_units: Option<BTreeMap<TargetPath, String>>,
        /// The boot in which it is done; what scripts have done may not outlive it.
        // A journal from before there were scripts has none.
        #[serde(default)]
        boot: String,
        /// The number of the generation that a rollback goes to. A rollback that is run again goes there, not further.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        back_to: Option<u64>,
    },
    /// An activation script ended well.
    ScriptDone {
        /// Its name.
        name: String,
        /// The executable.
        script: AbsolutePath,
    },
    /// A unit action ended, well or not.
    Done {
        /// The unit.
        unit: String,
    },
    /// systemd has read the unit files again.
    DaemonReloadDone,
    /// The tmpfiles rules were applied.
    TmpfilesDone,
    /// The user managers were switched.
    UserManagersDone,
}

/// What an interrupted activation left to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interrupted {
    /// What it was doing.
    pub purpose: String,
    /// Unit actions that it still owed.
    pub due: Seeds,
    /// Whether tmpfiles rules are still to be applied.
    pub tmpfiles: bool,
    /// The sources of the user managers' units before, when those are still to be switched.
    pub user_units: Option<BTreeMap<TargetPath, String>>,
    /// The boot in which it was done.
    pub boot: String,
    /// The generation that it was rolling back to.
    pub back_to: Option<u64>,
    /// Activation scripts that ended well.
    pub scripts: BTreeMap<String, AbsolutePath>,
}

/// Gives what tells this boot from others; nothing where the kernel does not say.
#[must_use]
pub fn this_boot() -> String {
    // Without it, no boot is the same as another one: scripts run once more than needed.
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

/// Reads what an interrupted activation left; none when the last one ended.
///
/// # Errors
/// When the journal can't be read.
pub fn read(root: &Root) -> Result<Option<Interrupted>> {
    Ok(root.read(Path::new(FILE))?.map(|bytes| parse(&bytes)))
}

fn parse(bytes: &[u8]) -> Interrupted {
    let mut left = Interrupted::default();
    let mut done = BTreeSet::new();
    for line in bytes.split(|b| *b == b'\n') {
        match serde_json::from_slice(line) {
            Ok(Record::Begin {
                purpose,
                due,
                tmpfiles,
                user_units,
                boot,
                back_to,
            }) => {
                left = Interrupted {
                    purpose,
                    due,
                    tmpfiles,
                    user_units,
                    boot,
                    back_to,
                    scripts: BTreeMap::new(),
                };
                done.clear();
            }
            Ok(Record::Done { unit }) => {
                done.insert(unit);
            }
            Ok(Record::ScriptDone { name, script }) => {
                left.scripts.insert(name, script);
            }
            Ok(Record::DaemonReloadDone) => left.due.daemon_reload = false,
            Ok(Record::TmpfilesDone) => left.tmpfiles = false,
            Ok(Record::UserManagersDone) => left.user_units = None,
            // Only the last line can be cut: each is flushed before the effect that follows it.
            Err(_) => {}
        }
    }
    for set in [
        &mut left.due.start,
        &mut left.due.restart,
        &mut left.due.reload,
    ] {
        set.retain(|unit| !done.contains(unit));
    }
    left
}

/// A journal that is being written.
pub struct Journal(File);

impl Journal {
    /// Begins the journal of an activation, replacing that of an interrupted one, which it includes.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn begin(root: &Root, begin: &Record) -> Result<Self> {
        let mut line = serde_json::to_vec(begin)?;
        line.push(b'\n');
        let path = Path::new(FILE);
        root.write_file(
            path,
            &crate::host::fs::NewFile {
                content: crate::host::fs::Content::Bytes(&line),
                mode: 0o600,
                uid: 0,
                gid: 0,
            },
        )?;
        root.sync()?;
        Ok(Self(
            root.open_file(path, OFlag::O_WRONLY | OFlag::O_APPEND)?,
        ))
    }

    /// Adds a line and brings it to the disk.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn add(&mut self, record: &Record) -> Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        self.0
            .write_all(&line)
            .and_then(|()| self.0.sync_data())
            .context("writing the journal")
    }

    /// Removes the journal: the activation has ended.
    ///
    /// # Errors
    /// When it can't be removed.
    pub fn end(self, root: &Root) -> Result<()> {
        root.remove_file(Path::new(FILE))?;
        root.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_of_a_program_that_knew_no_scripts_still_says_what_is_due() {
        let text = concat!(
            r#"{"begin":{"purpose":"activating /nix/store/x","due":{"start":["a.service"],"restart":["b.service"],"#,
            r#""reload":[],"daemonReload":true},"tmpfiles":true,"user_units":null}}"#,
            "\n",
            r#"{"done":{"unit":"a.service"}}"#,
        );
        let left = parse(text.as_bytes());
        assert_eq!(left.purpose, "activating /nix/store/x");
        assert!(left.due.start.is_empty(), "{left:?}");
        assert!(left.due.restart.contains("b.service"), "{left:?}");
        assert!(left.due.daemon_reload && left.tmpfiles, "{left:?}");
    }
}
