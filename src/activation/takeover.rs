//! Takes over a host that numtide/system-manager manages: what its record names becomes ours, and the plan goes on from there.
//!
//! Own twice, as everywhere: a file counts as its only where the record names it *and* the disk shows what it puts there: a
//! link into the store, a copy of its source, a mask. What it has put aside becomes a backup. All else stays foreign, and is
//! told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::activation::state::State;
use crate::activation::takeover::record::Record;
use crate::files::record::{FilesRecord, OwnedFile, Placed};
use crate::files::wanted::Desired;
use crate::host::fs::Root;
use crate::model::in_etc;
use crate::model::names::{FileName, TargetPath};
use crate::model::node::{Node, sha256_of};
use crate::store::backups;
use crate::store::owned::Owned;

mod accounts;
mod leftovers;
mod record;

/// Its record.
const RECORD: &str = "var/lib/system-manager/state/system-manager-state.json";
/// Where the record is once it is taken over.
const TAKEN: &str = "var/lib/system-manager/state/system-manager-state.json.taken-over";
/// Its link to the active toplevel.
const CURRENT: &str = "nix/var/nix/gcroots/system-manager-current";
/// What it adds to the name of a file that it puts aside.
const ASIDE: &str = ".system-manager-backup";
const STORE: &str = "/nix/store/";
const MASK: &str = "/dev/null";

/// What becomes ours of what numtide/system-manager has left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Takeover {
    /// How many files and links.
    pub files: usize,
    /// Units that it has masked.
    pub masks: BTreeSet<String>,
    /// Files that it has put aside, which become backups.
    pub backups: Vec<Aside>,
    /// What stays as it is, and why.
    pub notes: Vec<String>,
}

/// A file that was put aside before another one took its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Aside {
    /// Where it stood.
    #[serde(with = "in_etc")]
    #[schemars(with = "String")]
    pub target: TargetPath,
    /// Where it is now.
    #[serde(with = "in_etc")]
    #[schemars(with = "String")]
    pub from: TargetPath,
    /// The backup that it becomes.
    pub backup: FileName,
}

/// Adds to `state` what numtide/system-manager has left on this host. Changes nothing there.
///
/// # Errors
/// When its record can't be read; the message says what to do.
pub(crate) fn find(root: &Root, state: &mut State, desired: &Desired) -> Result<Option<Takeover>> {
    let is_there = |path| anyhow::Ok(root.node(Path::new(path))? != Node::Absent);
    if !(is_there(CURRENT)? || is_there(RECORD)? || is_there(TAKEN)?) {
        return Ok(None);
    }
    let Some(record) = Record::read(root)? else {
        return nothing(root, state, desired);
    };
    let mut finder = Finder {
        root,
        copies: record::read_copies(root)?,
        is_recorded: !record.is_missing,
        state,
        found: Takeover::default(),
    };
    for (path, is_replaced) in record.paths() {
        finder.file(path, is_replaced)?;
    }
    for unit in record.masked() {
        finder.mask(unit)?;
    }
    let mut found = finder.found;
    if record.is_missing {
        if found.files == 0 && found.masks.is_empty() {
            // What is registered was never active.
            return nothing(root, state, desired);
        }
        found.notes.insert(
            0,
            format!(
                "its record {} is missing: what its active toplevel describes is taken over",
                root.show(Path::new(RECORD)).display()
            ),
        );
    }
    found.notes.extend(own_orphans(root, state, desired)?);
    leftovers::find(root, &state.files, Path::new("etc"), &mut found.notes)?;
    found.notes.extend(accounts::notes(root)?);
    // It is not what was read any more.
    state.checksum.clear();
    Ok(Some(found))
}

/// Nothing is taken over; what it has left is told.
fn nothing(root: &Root, state: &mut State, desired: &Desired) -> Result<Option<Takeover>> {
    let orphans = own_orphans(root, state, desired)?;
    tell_of_no_record(root, &state.files, &orphans)?;
    Ok(None)
}

/// Makes links into the store ours that nothing records, and that the configuration replaces: what leads into the store of
/// a generation that nobody knows is no original. Returns what is to be told of them.
fn own_orphans(root: &Root, state: &mut State, desired: &Desired) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    for (target, _) in desired.iter().filter(|(_, want)| want.replace_existing) {
        if state.files.entries.contains_key(target) {
            continue;
        }
        let node = root.node(&target.in_etc())?;
        let Node::Link { to } = &node else { continue };
        if to.starts_with(STORE) {
            notes.push(format!(
                "/etc/{target} points to {to}, and is not recorded anywhere: it is replaced, and not restored later"
            ));
            let source = to.to_string();
            own(state, target.clone(), node, source, None);
        }
    }
    if !notes.is_empty() {
        state.checksum.clear();
    }
    Ok(notes)
}

/// Warns where it has placed links and its record is missing, as its toplevel is. Its root alone is there as soon as
/// something is registered.
fn tell_of_no_record(root: &Root, ours: &FilesRecord, orphans: &[String]) -> Result<()> {
    for orphan in orphans {
        tracing::warn!("{orphan}");
    }
    let is_link = matches!(root.node(Path::new(CURRENT))?, Node::Link { .. });
    if !is_link || root.node(Path::new(TAKEN))? != Node::Absent {
        return Ok(());
    }
    let mut notes = Vec::new();
    leftovers::find(root, ours, Path::new("etc"), &mut notes)?;
    if !notes.is_empty() {
        tracing::warn!(
            "numtide/system-manager has managed this host, and its record {} is missing: nothing of it can be taken over. Activate its toplevel once more with its own program, which writes the record, or remove what it has left: {}",
            root.show(Path::new(RECORD)).display(),
            notes.join("; ")
        );
    }
    Ok(())
}

/// Whether a takeover is to be made, or was stopped after its record had been taken.
///
/// # Errors
/// When that can't be looked at.
pub(crate) fn is_under_way(root: &Root, is_planned: bool, resumes: bool) -> Result<bool> {
    Ok(is_planned || resumes && root.node(Path::new(TAKEN))? != Node::Absent)
}

struct Finder<'a> {
    root: &'a Root,
    copies: BTreeMap<String, String>,
    is_recorded: bool,
    state: &'a mut State,
    found: Takeover,
}

impl Finder<'_> {
    fn file(&mut self, path: &str, is_replaced: bool) -> Result<()> {
        let inside = path.strip_prefix("/etc/").map(str::parse::<TargetPath>);
        let Some(Ok(target)) = inside else {
            let why = "is not in /etc: it was activated with --ephemeral, and disappears at the next boot";
            self.found.notes.push(format!("{path} {why}"));
            return Ok(());
        };
        let node = self.root.node(&target.in_etc())?;
        if self.state.files.entries.contains_key(&target) || node == Node::Folder {
            return Ok(());
        }
        let Some((is, source)) = self.placed(&target, &node)? else {
            let why = match node {
                // It is only described, and may never have been placed.
                _ if !self.is_recorded => return Ok(()),
                Node::Absent => "is gone",
                _ => "differs from what it has put there, and is left as it is",
            };
            self.found.notes.push(format!("{path} {why}"));
            return Ok(());
        };
        let backup = if is_replaced {
            self.aside(&target)?
        } else {
            None
        };
        own(self.state, target, is, source, backup);
        self.found.files += 1;
        Ok(())
    }

    /// What it has put at a target and where that comes from, if that is what is there, perhaps with another content.
    fn placed(&self, target: &TargetPath, node: &Node) -> Result<Option<(Node, String)>> {
        Ok(match node {
            Node::Link { to } if to.starts_with(STORE) => Some((node.clone(), to.to_string())),
            Node::File { mode, uid, gid, .. } => {
                let Some(source) = self.copies.get(target.as_str()) else {
                    return Ok(None);
                };
                let Some(content) = self.root.read_in_root(Path::new(source))? else {
                    return Ok(None);
                };
                let is = Node::File {
                    sha256: sha256_of(content.as_slice())?,
                    mode: *mode,
                    uid: *uid,
                    gid: *gid,
                };
                // What is only described may be somebody's.
                (self.is_recorded || is == *node).then(|| (is, source.clone()))
            }
            _ => None,
        })
    }

    /// The backup that what stood at a target before becomes.
    fn aside(&mut self, target: &TargetPath) -> Result<Option<FileName>> {
        let from: TargetPath = format!("{target}{ASIDE}").parse()?;
        let node = self.root.node(&from.in_etc())?;
        if !matches!(node, Node::File { .. } | Node::Link { .. }) {
            let gone = format!(
                "/etc/{from} no longer exists, so nothing can be restored at /etc/{target}"
            );
            self.found.notes.push(gone);
            return Ok(None);
        }
        let backup = FileName::numbered(self.state.backups.next, target);
        self.state.backups.next += 1;
        self.found.backups.push(Aside {
            target: target.clone(),
            from: from.clone(),
            backup: backup.clone(),
        });
        // Nobody wants it, so it goes once it is a backup.
        let source = format!("/etc/{from}");
        own(self.state, from, node, source, None);
        Ok(Some(backup))
    }

    fn mask(&mut self, unit: &str) -> Result<()> {
        let Ok(target) = format!("systemd/system/{unit}").parse::<TargetPath>() else {
            return Ok(());
        };
        let node = self.root.node(&target.in_etc())?;
        let is_mask = matches!(&node, Node::Link { to } if to == MASK);
        if is_mask && !self.state.files.entries.contains_key(&target) {
            own(self.state, target, node, MASK.to_owned(), None);
            self.found.masks.insert(unit.to_owned());
        }
        Ok(())
    }
}

fn own(state: &mut State, target: TargetPath, is: Node, source: String, backup: Option<FileName>) {
    let placed = Placed {
        node: is,
        source: source.into(),
        built: None,
    };
    let file = OwnedFile {
        placed: Owned::at_rest(Some(placed)),
        backup,
        ..OwnedFile::default()
    };
    state.files.entries.insert(target, file);
}

/// Makes a file that was put aside a backup.
///
/// # Errors
/// When it can't be copied.
pub(crate) fn keep(root: &Root, aside: &Aside) -> Result<()> {
    backups::keep(root, &aside.from, &aside.backup)
}

/// Takes the record out of its program's sight, now that the state has what it said. A copy stays beside.
///
/// # Errors
/// When it can't be moved.
pub(crate) fn retire(root: &Root) -> Result<()> {
    let record = Path::new(RECORD);
    if root.node(record)? != Node::Absent {
        root.copy(record, Path::new(TAKEN))?;
        root.sync()?;
        root.remove_file(record)?;
    }
    sweep(root)?;
    root.sync()
}

/// Removes its root of the garbage collector, once its record is taken over: a killed run may have left it.
///
/// # Errors
/// When it can't be removed.
pub(crate) fn sweep(root: &Root) -> Result<()> {
    let is_there = |path: &str| anyhow::Ok(root.node(Path::new(path))? != Node::Absent);
    let is_link = matches!(root.node(Path::new(CURRENT))?, Node::Link { .. });
    if is_link && is_there(TAKEN)? && !is_there(RECORD)? {
        root.remove_file(Path::new(CURRENT))?;
    }
    Ok(())
}
