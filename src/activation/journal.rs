//! The record of an activation that is under way: `/var/lib/system-manager/journal`, one checked record a line.
//!
//! It begins with the unit actions that are due and grows by each one that is done, so that a later run knows what an
//! interrupted one still owed. Each line has a version and a checksum. A last line that is cut counts as not written:
//! each is brought to the disk before the effect that follows it. Any other damage is a refusal, since what is owed is
//! not known then.
#![expect(clippy::disallowed_methods, reason = "asks the kernel for the boot")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};

use crate::activation::plan::Goal;
use crate::host::fs::{Content, NewFile, Root};
use crate::model::json;
use crate::model::names::{AbsolutePath, TargetPath};
use crate::model::text::Text;
use crate::store::checked;
use crate::units::decide::Seeds;

const FILE: &str = "var/lib/system-manager/journal";

/// The version of the format that this program writes.
const VERSION: u32 = 2;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Record {
    /// The activation begins; these unit actions are due.
    Begin {
        /// For people: what is being done.
        purpose: String,
        /// What is to be reached.
        // A journal of version 1 does not say.
        #[serde(default)]
        goal: Option<Goal>,
        /// What is due once the files are in place.
        due: Seeds,
        /// Whether tmpfiles rules are to be applied.
        tmpfiles: bool,
        /// The sources of the user managers' units before, when those are to be switched.
        user_units: Option<BTreeMap<TargetPath, Text>>,
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
pub(crate) struct Interrupted {
    /// What it was doing.
    pub purpose: String,
    /// What was to be reached; not known of a program that did not write it down.
    pub goal: Option<Goal>,
    /// Unit actions that it still owed.
    pub due: Seeds,
    /// Whether tmpfiles rules are still to be applied.
    pub tmpfiles: bool,
    /// The sources of the user managers' units before, when those are still to be switched.
    pub user_units: Option<BTreeMap<TargetPath, Text>>,
    /// The boot in which it was done.
    pub boot: String,
    /// The generation that it was rolling back to.
    pub back_to: Option<u64>,
    /// Activation scripts that ended well.
    pub scripts: BTreeMap<String, AbsolutePath>,
}

/// Gives what tells this boot from others; nothing where the kernel does not say.
#[must_use]
pub(crate) fn this_boot() -> String {
    // Without it, no boot is the same as another one: scripts run once more than needed.
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

/// Reads what an interrupted activation left; none when the last one ended.
///
/// # Errors
/// When the journal can't be read or trusted; the message says what to do.
pub(crate) fn read(root: &Root) -> Result<Option<Interrupted>> {
    let Some(bytes) = root.read(Path::new(FILE))? else {
        return Ok(None);
    };
    let found = parse(&bytes).map_err(|error| {
        let path = root.show(Path::new(FILE)).display().to_string();
        error.context(format!(
            "reading {path}, which says what an interrupted activation still has to do\nhint: move it away (`mv {path} {path}.damaged`), run this again, and restart the units that had changed; it is no longer known which of them have been restarted"
        ))
    })?;
    Ok(Some(found))
}

/// Reads what a journal says is owed. Pure.
///
/// # Errors
/// When it is damaged, but for a last line that is cut.
pub(crate) fn parse(bytes: &[u8]) -> Result<Interrupted> {
    let mut records = Vec::new();
    let mut lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
    // What is after the last end of a line was not written whole.
    lines.pop();
    for (number, line) in lines.iter().enumerate() {
        let record = parse_line(line).with_context(|| format!("line {} is damaged", number + 1));
        records.push(record?);
    }
    let is_begun = matches!(records.first(), Some(Record::Begin { .. }));
    if !is_begun {
        bail!("its beginning is missing");
    }
    Ok(fold(records))
}

/// Reads one line; version 1 had neither a version nor a checksum.
fn parse_line(line: &[u8]) -> Result<Record> {
    match json::from_bytes(line) {
        Ok(record) => Ok(record),
        Err(_) => checked::parse(VERSION, line)?.record(),
    }
}

/// What is owed after these records. Pure.
fn fold(records: Vec<Record>) -> Interrupted {
    let mut left = Interrupted::default();
    let mut done = BTreeSet::new();
    for record in records {
        match record {
            Record::Begin {
                purpose,
                goal,
                due,
                tmpfiles,
                user_units,
                boot,
                back_to,
            } => {
                left = Interrupted {
                    purpose,
                    goal,
                    due,
                    tmpfiles,
                    user_units,
                    boot,
                    back_to,
                    scripts: BTreeMap::new(),
                };
                done.clear();
            }
            Record::Done { unit } => {
                done.insert(unit);
            }
            Record::ScriptDone { name, script } => {
                left.scripts.insert(name, script);
            }
            Record::DaemonReloadDone => left.due.daemon_reload = false,
            Record::TmpfilesDone => left.tmpfiles = false,
            Record::UserManagersDone => left.user_units = None,
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
pub(crate) struct Journal(File);

impl Journal {
    /// Begins the journal of an activation, replacing that of an interrupted one, which it includes.
    ///
    /// # Errors
    /// When it can't be written; then there is none, unless it `resumes` an interrupted one, which owes at least the same.
    pub(crate) fn begin(root: &Root, begin: &Record, resumes: bool) -> Result<Self> {
        let journal = Self::write(root, begin);
        if journal.is_err() && !resumes {
            // The first error is the one to report. One that stays owes nothing that is not true: the next run looks.
            let _ = root.remove_file(Path::new(FILE));
        }
        journal
    }

    fn write(root: &Root, begin: &Record) -> Result<Self> {
        let line = checked::render(VERSION, begin)?;
        let path = Path::new(FILE);
        root.write_file(path, &NewFile::of_root(Content::Bytes(&line), 0o600))?;
        root.sync()?;
        Ok(Self(
            root.open_file(path, OFlag::O_WRONLY | OFlag::O_APPEND)?,
        ))
    }

    /// Adds a line and brings it to the disk. That a unit's job has ended is only handed to the kernel, which keeps it when
    /// this program is killed: after a power cut the boot starts all units anew, and each job would wait for the disk.
    ///
    /// # Errors
    /// When it can't be written.
    pub(crate) fn add(&mut self, record: &Record) -> Result<()> {
        let line = checked::render(VERSION, record)?;
        let written = self.0.write_all(&line).and_then(|()| {
            if matches!(record, Record::Done { .. }) {
                Ok(())
            } else {
                self.0.sync_data()
            }
        });
        written.with_context(|| format!("writing the journal, /{FILE}"))
    }

    /// Removes the journal: the activation has ended.
    ///
    /// # Errors
    /// When it can't be removed.
    #[expect(clippy::unused_self, reason = "nothing is added to it any more")]
    pub(crate) fn end(self, root: &Root) -> Result<()> {
        root.remove_file(Path::new(FILE))?;
        root.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin() -> Record {
        let due = Seeds {
            restart: BTreeSet::from(["a.service".to_owned(), "b.service".to_owned()]),
            daemon_reload: true,
            ..Seeds::default()
        };
        Record::Begin {
            purpose: "activating /x".to_owned(),
            goal: Some(Goal::Deactivate),
            due,
            tmpfiles: true,
            user_units: None,
            boot: String::new(),
            back_to: None,
        }
    }

    fn done(unit: &str) -> Record {
        Record::Done {
            unit: unit.to_owned(),
        }
    }

    fn render(records: &[Record]) -> Vec<u8> {
        records
            .iter()
            .flat_map(|r| checked::render(VERSION, r).unwrap())
            .collect()
    }

    #[test]
    fn a_journal_of_version_1_still_says_what_is_due() {
        let text = concat!(
            r#"{"begin":{"purpose":"activating /nix/store/x","due":{"start":["a.service"],"restart":["b.service"],"#,
            r#""reload":[],"daemonReload":true},"tmpfiles":true,"user_units":null}}"#,
            "\n",
            r#"{"done":{"unit":"a.service"}}"#,
            "\n",
            r#"{"done":{"unit":"b.ser"#,
        );
        let left = parse(text.as_bytes()).unwrap();
        assert_eq!(left.purpose, "activating /nix/store/x");
        assert!(left.due.start.is_empty(), "{left:?}");
        assert!(left.due.restart.contains("b.service"), "{left:?}");
        assert!(left.due.daemon_reload && left.tmpfiles, "{left:?}");
        let path = format!(
            "{}/tests/fixtures/states/journal-v1",
            env!("CARGO_MANIFEST_DIR")
        );
        let left = parse(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(left.purpose, "activating /tmp/fixture/1");
        assert!(left.tmpfiles && left.back_to.is_none(), "{left:?}");
    }

    #[test]
    fn a_last_line_that_is_cut_counts_as_not_written() {
        let text = render(&[begin(), done("a.service"), done("b.service")]);
        for cut in 1..checked::render(VERSION, &done("b.service")).unwrap().len() {
            let left = parse(&text[..text.len() - cut]).unwrap();
            let due: Vec<_> = left.due.restart.into_iter().collect();
            assert_eq!(due, ["b.service"], "{cut} bytes less");
        }
        assert!(parse(&text).unwrap().due.restart.is_empty());
    }

    #[test]
    fn any_other_damage_is_a_refusal() {
        let good = String::from_utf8(render(&[begin(), done("a.service")])).unwrap();
        let second = good.find('\n').unwrap() + 1;
        for (text, why) in [
            (String::new(), "its beginning is missing"),
            ("\0\0\0\0".to_owned(), "its beginning is missing"),
            (good[second..].to_owned(), "its beginning is missing"),
            (good[..second / 2].to_owned(), "its beginning is missing"),
            (
                good.replacen("b.service", "c.service", 1),
                "line 1 is damaged",
            ),
            (
                good.replace("\"unit\":\"a", "\"unit\":\"b"),
                "line 2 is damaged",
            ),
            (format!("{}x\n", &good[..second]), "line 2 is damaged"),
            (good.replace("\"version\":2", "\"version\":3"), "newer"),
        ] {
            assert_ne!(text, good);
            let error = format!("{:#}", parse(text.as_bytes()).unwrap_err());
            assert!(error.contains(why), "{why}: {error}");
        }
    }
}
