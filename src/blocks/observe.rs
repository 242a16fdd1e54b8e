//! Reads the files of others that have lines of ours, or are to have them.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::blocks::decide::Seen;
use crate::host::fs::Root;
use crate::model::names::TargetPath;
use crate::model::node::Node;

/// Reads these files.
///
/// # Errors
/// When one can't be read.
pub(crate) fn observe<'a>(
    root: &Root,
    targets: impl Iterator<Item = &'a TargetPath>,
) -> Result<BTreeMap<TargetPath, Seen>> {
    targets
        .map(|target| Ok((target.clone(), look_at(root, target)?)))
        .collect()
}

fn look_at(root: &Root, target: &TargetPath) -> Result<Seen> {
    let path = target.in_etc();
    let node = root.node(&path)?;
    let content = match node {
        Node::File { .. } => root.read(&path)?,
        _ => None,
    };
    let has_folder = match path.parent() {
        Some(folder) if node == Node::Absent => root.node(folder)? == Node::Folder,
        _ => true,
    };
    Ok(Seen {
        node,
        content,
        has_folder,
    })
}
