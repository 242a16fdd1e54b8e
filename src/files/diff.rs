//! How the content of text files changes, for the plan. What not everyone may read is not shown.
#![expect(clippy::disallowed_methods, reason = "reads what the store has")]

use std::io::Read;
use std::path::Path;

use crate::files::decide::{FileChange, Verb};
use crate::host::fs::{Root, open_source};
use crate::model::names::TargetPath;
use crate::model::node::{Kind, Node};
use crate::model::text_diff::{HIDDEN, LIMIT, render};
use anyhow::{Context, Result};

/// Gives the difference that a change makes to a text, or a remark on why it is not shown; none when there is none.
///
/// # Errors
/// When a content can't be read.
pub(crate) fn read_diff(root: &Root, change: &FileChange) -> Result<Option<String>> {
    if !matches!(change.verb, Verb::Change | Verb::Restore) {
        return Ok(None);
    }
    if [&change.before, &change.after]
        .iter()
        .any(|n| matches!(n, Node::File { mode, .. } if mode & 0o004 == 0))
    {
        return Ok(Some(HIDDEN.to_owned()));
    }
    if is_below_a_private_folder(root, &change.target)? {
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
    let (Some(before), Some(after)) = (before, after) else {
        return Ok(None);
    };
    Ok(Some(render(&before, &after)).filter(|d| !d.is_empty()))
}

/// Whether a folder above a target keeps others out, whatever the mode of what is in it.
fn is_below_a_private_folder(root: &Root, target: &TargetPath) -> Result<bool> {
    for folder in target.parents() {
        let found = root.object_at(&folder.in_etc())?;
        if found.is_some_and(|f| f.kind == Kind::Folder && f.mode & 0o001 == 0) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads as much of a file as it takes to see that it is too long.
fn read_source(path: &str) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
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
