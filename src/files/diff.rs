//! How the content of text files changes, for the plan. What not everyone may read is not shown.

use crate::model::text_diff::{HIDDEN, render};
use std::path::Path;

use crate::files::decide::{FileChange, Verb};
use crate::host::fs::Root;
use crate::model::node::Node;
use anyhow::Result;

/// Gives the difference that a change makes to a text, or a remark on why it is not shown; none when there is none.
///
/// # Errors
/// When a content can't be read.
pub fn read_diff(root: &Root, change: &FileChange) -> Result<Option<String>> {
    if !matches!(change.verb, Verb::Change | Verb::Restore) {
        return Ok(None);
    }
    if [&change.before, &change.after]
        .iter()
        .any(|n| matches!(n, Node::File { mode, .. } if mode & 0o004 == 0))
    {
        return Ok(Some(HIDDEN.to_owned()));
    }
    let target = change.target.in_etc();
    let before = match &change.before {
        Node::File { .. } => root.read(&target)?,
        other => read_link_content(other),
    };
    let after = match (&change.after, &change.backup, &change.source) {
        (Node::File { .. }, Some(id), None) => root.read(&crate::store::backups::path(id))?,
        (Node::File { .. }, _, Some(source)) => Some(std::fs::read(source)?),
        (other, ..) => read_link_content(other),
    };
    let (Some(before), Some(after)) = (before, after) else {
        return Ok(None);
    };
    Ok(Some(render(&before, &after)).filter(|d| !d.is_empty()))
}

/// Only what the store has is sure to be public; any other link is shown by its target alone.
fn read_link_content(node: &Node) -> Option<Vec<u8>> {
    match node {
        Node::Link { to } if to.starts_with("/nix/store/") && Path::new(to).is_file() => {
            std::fs::read(to).ok()
        }
        _ => None,
    }
}
