//! Takes over a host that numtide/system-manager manages: what its record names becomes ours, and the plan goes on from there.
//!
//! Own twice, as everywhere: a file counts as its only where the record names it *and* the disk shows what it puts there: a
//! link into the store, a copy of its source, a mask. What it has put aside becomes a backup. All else stays foreign, and is
//! told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::activation::state::State;
use crate::files::record::{FilesRecord, OwnedFile, Placed};
use crate::host::fs::Root;
use crate::model::in_etc;
use crate::model::json;
use crate::model::names::{FileName, TargetPath};
use crate::model::node::{Kind, Node, sha256_of};
use crate::store::backups;
use crate::store::owned::Owned;

/// Its record.
const RECORD: &str = "var/lib/system-manager/state/system-manager-state.json";
/// Where the record is once it is taken over.
const TAKEN: &str = "var/lib/system-manager/state/system-manager-state.json.taken-over";
/// Its link to the active toplevel.
const CURRENT: &str = "nix/var/nix/gcroots/system-manager-current";
/// What it adds to the name of a file that it puts aside.
const ASIDE: &str = ".system-manager-backup";
/// What its account tool remembers.
const USERBORN: &str = "var/lib/userborn/previous-userborn.json";
const STORE: &str = "/nix/store/";
const MASK: &str = "/dev/null";
/// The newest version of the record that is known.
const VERSION: u32 = 1;

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

/// The record, as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    #[serde(default)]
    version: u32,
    file_tree: FileTree,
    #[serde(default)]
    services: BTreeMap<String, Service>,
}

#[derive(Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum FileTree {
    Lists {
        files: BTreeSet<String>,
        backed_up_files: BTreeSet<String>,
    },
    Tree(Tree),
}

/// The form of version 0.
#[derive(Deserialize)]
struct Tree {
    status: Status,
    path: String,
    #[serde(default)]
    nested: BTreeMap<String, Tree>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Status {
    Managed,
    ManagedWithBackup,
    Unmanaged,
}

#[derive(Deserialize)]
struct Service {
    #[serde(default)]
    masked: bool,
}

impl FileTree {
    /// The paths that it has placed, and whether something else stood there before.
    fn paths(&self) -> BTreeMap<&str, bool> {
        fn walk<'a>(tree: &'a Tree, paths: &mut BTreeMap<&'a str, bool>) {
            // Folders have a status, too; what is below them has its own.
            if tree.nested.is_empty() && tree.status != Status::Unmanaged {
                paths.insert(&tree.path, tree.status == Status::ManagedWithBackup);
            }
            tree.nested.values().for_each(|below| walk(below, paths));
        }
        let mut paths = BTreeMap::new();
        match self {
            Self::Lists {
                files,
                backed_up_files,
            } => {
                paths.extend(files.iter().map(|path| (path.as_str(), false)));
                paths.extend(backed_up_files.iter().map(|path| (path.as_str(), true)));
            }
            Self::Tree(tree) => walk(tree, &mut paths),
        }
        paths
    }
}

/// Adds to `state` what numtide/system-manager has left on this host. Changes nothing there.
///
/// # Errors
/// When its record can't be read; the message says what to do.
pub(crate) fn find(root: &Root, state: &mut State) -> Result<Option<Takeover>> {
    let Some(text) = root.read(Path::new(RECORD))? else {
        tell_of_no_record(root, &state.files)?;
        return Ok(None);
    };
    let record = parse(&text).with_context(|| {
        format!(
            "reading {}, the record of numtide/system-manager\nhint: deactivate with numtide's program, or move the file away; its files are then treated as foreign",
            root.show(Path::new(RECORD)).display()
        )
    })?;
    let mut finder = Finder {
        root,
        copies: read_copies(root)?,
        state,
        found: Takeover::default(),
    };
    for (path, is_replaced) in record.file_tree.paths() {
        finder.file(path, is_replaced)?;
    }
    for (unit, _) in record.services.iter().filter(|(_, s)| s.masked) {
        finder.mask(unit)?;
    }
    let mut found = finder.found;
    leftovers(root, &state.files, Path::new("etc"), &mut found.notes)?;
    if root.read(Path::new(USERBORN))?.is_some() {
        found.notes.push(
            "accounts that its userborn has created stay as they are; those that the configuration declares become managed"
                .to_owned(),
        );
    }
    // It is not what was read any more.
    state.checksum.clear();
    Ok(Some(found))
}

/// Warns where it has placed links and its record is missing. Its root alone is there as soon as something is registered.
fn tell_of_no_record(root: &Root, ours: &FilesRecord) -> Result<()> {
    let is_link = matches!(root.node(Path::new(CURRENT))?, Node::Link { .. });
    if !is_link || root.node(Path::new(TAKEN))? != Node::Absent {
        return Ok(());
    }
    let mut notes = Vec::new();
    leftovers(root, ours, Path::new("etc"), &mut notes)?;
    if !notes.is_empty() {
        tracing::warn!(
            "numtide/system-manager has managed this host, and its record {} is missing: nothing of it can be taken over. Activate its toplevel once more with its own program, which writes the record, or remove what it has left: {}",
            root.show(Path::new(RECORD)).display(),
            notes.join("; ")
        );
    }
    Ok(())
}

fn parse(text: &[u8]) -> Result<Record> {
    let record: Record = json::from_bytes(text)?;
    if record.version > VERSION {
        bail!(
            "it has version {}, and this program knows versions up to {VERSION}",
            record.version
        );
    }
    Ok(record)
}

/// An entry of its toplevel, as far as it is about copies.
#[derive(Deserialize)]
struct Entry {
    source: String,
    target: String,
    mode: String,
}

/// The sources of the copies that its active toplevel has, by target; none where that toplevel is gone.
fn read_copies(root: &Root) -> Result<BTreeMap<String, String>> {
    #[derive(Deserialize)]
    struct Entries {
        entries: BTreeMap<String, Entry>,
    }
    let Node::Link { to } = root.node(Path::new(CURRENT))? else {
        return Ok(BTreeMap::new());
    };
    let list = Path::new(&to).join("etcFiles/etcFiles.json");
    let Some(text) = root.read_in_root(&list)? else {
        return Ok(BTreeMap::new());
    };
    let entries: Entries =
        json::from_bytes(&text).with_context(|| format!("reading {}", list.display()))?;
    let copies = entries
        .entries
        .into_values()
        .filter(|e| e.mode != "symlink");
    Ok(copies
        .map(|e| (e.target.clone(), format!("{}/{}", e.source, e.target)))
        .collect())
}

struct Finder<'a> {
    root: &'a Root,
    copies: BTreeMap<String, String>,
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
        self.own(target, is, source, backup);
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
                Some((is, source.clone()))
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
        self.own(from, node, source, None);
        Ok(Some(backup))
    }

    fn mask(&mut self, unit: &str) -> Result<()> {
        let Ok(target) = format!("systemd/system/{unit}").parse::<TargetPath>() else {
            return Ok(());
        };
        let node = self.root.node(&target.in_etc())?;
        let is_mask = matches!(&node, Node::Link { to } if to == MASK);
        if is_mask && !self.state.files.entries.contains_key(&target) {
            self.own(target, node, MASK.to_owned(), None);
            self.found.masks.insert(unit.to_owned());
        }
        Ok(())
    }

    fn own(&mut self, target: TargetPath, is: Node, source: String, backup: Option<FileName>) {
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
        self.state.files.entries.insert(target, file);
    }
}

/// Finds what it has lost track of: links into the store and files that were put aside, which no record names.
fn leftovers(
    root: &Root,
    ours: &FilesRecord,
    folder: &Path,
    notes: &mut Vec<String>,
) -> Result<()> {
    for name in root.list(folder)? {
        let path = folder.join(&name);
        let target = path.strip_prefix("etc").ok().and_then(Path::to_str);
        let Some(Ok(target)) = target.map(str::parse::<TargetPath>) else {
            continue;
        };
        match root.object_at(&path)?.map(|object| object.kind) {
            Some(Kind::Folder) => leftovers(root, ours, &path, notes)?,
            _ if ours.entries.contains_key(&target) => {}
            Some(Kind::Link { to }) if to.starts_with(STORE) => notes.push(format!(
                "/etc/{target} points to {to}, and is not recorded anywhere: remove it if nothing needs it"
            )),
            Some(Kind::Link { to }) if to == MASK && masks_nothing(root, target.as_str())? => notes
                .push(format!(
                    "/etc/{target} masks a unit that does not exist: remove it if nothing needs it"
                )),
            Some(_) if name.ends_with(ASIDE) => notes.push(format!(
                "/etc/{target} is a backup without a recorded replacement: move it back or remove it"
            )),
            _ => {}
        }
    }
    Ok(())
}

/// Whether a mask is one of no unit of the system.
fn masks_nothing(root: &Root, target: &str) -> Result<bool> {
    let Some(unit) = target.strip_prefix("systemd/system/") else {
        return Ok(false);
    };
    for folder in [
        "usr/lib/systemd/system",
        "lib/systemd/system",
        "usr/local/lib/systemd/system",
    ] {
        if root.read_in_root(&Path::new(folder).join(unit))?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_both_versions_name_the_same_files() {
        let lists = r#"{"fileTree": {"files": ["/etc/a", "/etc/d/b"], "backedUpFiles": ["/etc/c"]},
            "services": {"x.service": {"storePath": "/nix/store/x", "new": 1}, "y.service": {"masked": true}}, "version": 1}"#;
        let tree = r#"{"fileTree": {"status": "unmanaged", "path": "/", "nested": {"etc": {"status": "unmanaged", "path": "/etc",
            "nested": {"a": {"status": "managed", "path": "/etc/a", "nested": {}},
                       "c": {"status": "managedWithBackup", "path": "/etc/c", "nested": {}},
                       "d": {"status": "managed", "path": "/etc/d", "nested": {"b": {"status": "managed", "path": "/etc/d/b", "nested": {}}}},
                       "e": {"status": "unmanaged", "path": "/etc/e", "nested": {}}}}}},
            "services": {}}"#;
        for text in [lists, tree] {
            let record = parse(text.as_bytes()).unwrap();
            let paths: Vec<_> = record.file_tree.paths().into_iter().collect();
            assert_eq!(
                paths,
                [("/etc/a", false), ("/etc/c", true), ("/etc/d/b", false)]
            );
        }
    }

    #[test]
    fn a_record_that_is_not_understood_is_refused() {
        let newer =
            r#"{"fileTree": {"files": [], "backedUpFiles": []}, "services": {}, "version": 2}"#;
        for (text, why) in [
            (newer, "version 2"),
            ("", "EOF"),
            (r#"{"services": {}}"#, "fileTree"),
        ] {
            let error = format!("{:#}", parse(text.as_bytes()).err().unwrap());
            assert!(error.contains(why), "{error}");
        }
    }
}
