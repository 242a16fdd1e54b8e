//! How the content of text files changes, for the plan. What not everyone may read is not shown.
#![expect(clippy::disallowed_methods, reason = "reads what the store has")]

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Read;
use std::path::Path;

use crate::files::decide::{FileChange, FilesPlan, Verb};
use crate::host::fs::{Root, open_source};
use crate::model::names::TargetPath;
use crate::model::node::{Kind, Node};
use crate::model::text_diff::{HIDDEN, LIMIT, render, render_new};
use anyhow::{Context, Result};

/// Folders, and whether each keeps others out.
type Private = BTreeMap<TargetPath, bool>;

/// Gives the difference that a change makes to a text, or a remark on why it is not shown; none when there is none.
///
/// # Errors
/// When a content can't be read.
fn read_diff(root: &Root, change: &FileChange, private: &mut Private) -> Result<Option<String>> {
    if !matches!(change.verb, Verb::Add | Verb::Change | Verb::Restore) {
        return Ok(None);
    }
    if [&change.before, &change.after]
        .iter()
        .any(|n| matches!(n, Node::File { mode, .. } if mode & 0o004 == 0))
    {
        return Ok(Some(HIDDEN.to_owned()));
    }
    if is_below_a_private_folder(root, &change.target, private)? {
        return Ok(Some(HIDDEN.to_owned()));
    }
    let target = change.target.in_etc();
    let before = match &change.before {
        Node::File { .. } => root.read(&target)?,
        other => read_link_content(other),
    };
    let after = match (&change.after, &change.backup, &change.source) {
        (Node::File { .. }, Some(id), None) => root.read(&crate::store::backups::path(id))?,
        (Node::File { .. }, _, Some(source)) => read_source(source)?,
        (other, ..) => read_link_content(other),
    };
    let shown = match (before, after) {
        (Some(before), Some(after)) => render(&before, &after) + &render_behind(&before, &after),
        (None, Some(after)) if change.verb == Verb::Add => render_new(&after),
        _ => return Ok(None),
    };
    Ok(Some(shown).filter(|d| !d.is_empty()))
}

/// Shows how the scripts differ that a changed text leads to: a unit names them by hashes, which say nothing to people.
pub(crate) fn render_behind(before: &[u8], after: &[u8]) -> String {
    let (old, new) = (scripts_in(before), scripts_in(after));
    let mut shown = String::new();
    for (name, path) in &new {
        let Some(was) = old.get(name).filter(|was| *was != path) else {
            continue;
        };
        let read = |path: &str| read_source(path).ok().flatten();
        if let (Some(before), Some(after)) = (read(was), read(path)) {
            let diff = render(&before, &after);
            if !diff.is_empty() {
                shown.push_str(&format!("@@ {name} @@\n{diff}"));
            }
        }
    }
    shown
}

/// The files of the store that a text names, by what their paths have after the hash.
fn scripts_in(text: &[u8]) -> BTreeMap<String, String> {
    const HASH: usize = 33;
    let text = String::from_utf8_lossy(text);
    let mut found = BTreeMap::new();
    for (at, store) in text.match_indices("/nix/store/") {
        let rest = &text[at..];
        let is_end = |c: char| !(c.is_ascii_alphanumeric() || "/+-._?=".contains(c));
        let path = &rest[..rest.find(is_end).unwrap_or(rest.len())];
        let name = path.get(store.len() + HASH..);
        if let Some(name) = name.filter(|_| Path::new(path).is_file()) {
            found.insert(name.to_owned(), path.to_owned());
        }
    }
    found
}

/// Whether a folder above a target keeps others out, whatever the mode of what is in it.
fn is_below_a_private_folder(
    root: &Root,
    target: &TargetPath,
    known: &mut Private,
) -> Result<bool> {
    for folder in target.parents() {
        let is_private = match known.entry(folder) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                let found = root.object_at(&place.key().in_etc())?;
                let is_private =
                    found.is_some_and(|f| f.kind == Kind::Folder && f.mode & 0o001 == 0);
                *place.insert(is_private)
            }
        };
        if is_private {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads as much of a file as it takes to see that it is too long.
fn read_source(path: &str) -> Result<Option<Vec<u8>>> {
    // Room for most at once: it would be read by a few bytes first.
    let mut bytes = Vec::with_capacity(4096);
    open_source(path)
        .and_then(|file| Ok(file.take(LIMIT as u64 + 1).read_to_end(&mut bytes)?))
        .with_context(|| format!("reading {path}"))?;
    Ok(Some(bytes))
}

/// Only what the store has is sure to be public; any other link is shown by its target alone.
fn read_link_content(node: &Node) -> Option<Vec<u8>> {
    match node {
        Node::Link { to } if to.starts_with("/nix/store/") && Path::new(to).is_file() => {
            // What can't be read is not shown; that it is missing is told elsewhere.
            read_source(to).ok().flatten()
        }
        _ => None,
    }
}

/// Reads how the texts of changed files differ, by target.
///
/// # Errors
/// When one can't be read.
pub(crate) fn read_diffs(root: &Root, files: &FilesPlan) -> Result<BTreeMap<TargetPath, String>> {
    let (mut diffs, mut private) = (BTreeMap::new(), Private::new());
    for change in files.changes() {
        if let Some(diff) = read_diff(root, change, &mut private)? {
            diffs.insert(change.target.clone(), diff);
        }
    }
    Ok(diffs)
}
