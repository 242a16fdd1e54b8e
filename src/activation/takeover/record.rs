//! The record of numtide/system-manager, and what its active toplevel says where there is none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::{ASIDE, CURRENT, RECORD, TAKEN};
use crate::host::fs::Root;
use crate::model::json;
use crate::model::node::Node;

/// The newest version of the record that is known.
const VERSION: u32 = 1;

/// The record, as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    #[serde(default)]
    version: u32,
    file_tree: FileTree,
    #[serde(default)]
    services: BTreeMap<String, Service>,
    /// Whether there is none, and this is what the toplevel says.
    #[serde(skip)]
    pub is_missing: bool,
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

impl Record {
    /// Returns the record; where it is missing, and nobody has taken it over, what the active toplevel has placed.
    ///
    /// # Errors
    /// When it can't be read; the message says what to do.
    pub(super) fn read(root: &Root) -> Result<Option<Self>> {
        let Some(text) = root.read(Path::new(RECORD))? else {
            return Self::of_toplevel(root);
        };
        let record = parse(&text).with_context(|| {
            format!(
                "reading {}, the record of numtide/system-manager\nhint: deactivate with numtide's program, or move the file away; its files are then treated as foreign",
                root.show(Path::new(RECORD)).display()
            )
        })?;
        Ok(Some(record))
    }

    /// Returns what the active toplevel describes; none without one.
    fn of_toplevel(root: &Root) -> Result<Option<Self>> {
        if root.node(Path::new(TAKEN))? != Node::Absent {
            return Ok(None);
        }
        let Some((toplevel, entries)) = read_entries(root)? else {
            return Ok(None);
        };
        let mut targets = Vec::new();
        if let Some(folder) = &entries.static_env {
            list_below(root, folder, "", &mut targets)?;
        }
        let copies = entries.copies().map(|entry| entry.target.clone());
        targets.extend(copies);
        let mut record = Self {
            version: VERSION,
            file_tree: FileTree::Lists {
                files: BTreeSet::new(),
                backed_up_files: BTreeSet::new(),
            },
            services: BTreeMap::new(),
            is_missing: true,
        };
        let FileTree::Lists {
            files,
            backed_up_files,
        } = &mut record.file_tree
        else {
            return Ok(None);
        };
        for target in targets {
            let aside = format!("etc/{target}{ASIDE}");
            let is_replaced = root.node(Path::new(&aside))? != Node::Absent;
            let list = if is_replaced {
                &mut *backed_up_files
            } else {
                &mut *files
            };
            list.insert(format!("/etc/{target}"));
        }
        let services = Path::new(&toplevel).join("services/services.json");
        if let Some(text) = root.read_in_root(&services)? {
            record.services = json::from_bytes(&text)
                .with_context(|| format!("reading {}", services.display()))?;
        }
        Ok(Some(record))
    }

    /// The paths that it has placed, and whether something else stood there before.
    pub(super) fn paths(&self) -> BTreeMap<&str, bool> {
        self.file_tree.paths()
    }

    /// The units that it has masked.
    pub(super) fn masked(&self) -> impl Iterator<Item = &String> {
        let services = self.services.iter();
        services.filter(|(_, s)| s.masked).map(|(unit, _)| unit)
    }
}

/// Adds all files in a folder of the store, through links to other folders of it.
fn list_below(root: &Root, folder: &str, inside: &str, targets: &mut Vec<String>) -> Result<()> {
    let path = Path::new(folder).join(inside);
    for name in root.list_in_root(&path)?.unwrap_or_default() {
        let below = if inside.is_empty() {
            name
        } else {
            format!("{inside}/{name}")
        };
        if root
            .list_in_root(&Path::new(folder).join(&below))?
            .is_some()
        {
            list_below(root, folder, &below, targets)?;
        } else {
            targets.push(below);
        }
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

/// What its toplevel says of `/etc`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entries {
    entries: BTreeMap<String, Entry>,
    /// The folder whose files are linked.
    static_env: Option<String>,
}

/// An entry of its toplevel, as far as it is about copies.
#[derive(Deserialize)]
struct Entry {
    source: String,
    target: String,
    mode: String,
}

impl Entries {
    fn copies(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(|e| e.mode != "symlink")
    }
}

/// Returns its active toplevel, and what that says; none where there is none, or it is gone.
fn read_entries(root: &Root) -> Result<Option<(String, Entries)>> {
    let Node::Link { to } = root.node(Path::new(CURRENT))? else {
        return Ok(None);
    };
    let list = Path::new(&to).join("etcFiles/etcFiles.json");
    let Some(text) = root.read_in_root(&list)? else {
        return Ok(None);
    };
    let entries = json::from_bytes(&text).with_context(|| format!("reading {}", list.display()))?;
    Ok(Some((to.to_string(), entries)))
}

/// Returns the sources of the copies that its active toplevel has, by target; none where that toplevel is gone.
///
/// # Errors
/// When the toplevel can't be read.
pub(super) fn read_copies(root: &Root) -> Result<BTreeMap<String, String>> {
    let Some((_, entries)) = read_entries(root)? else {
        return Ok(BTreeMap::new());
    };
    let copies = entries.copies();
    Ok(copies
        .map(|e| (e.target.clone(), format!("{}/{}", e.source, e.target)))
        .collect())
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
            let paths: Vec<_> = record.paths().into_iter().collect();
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
