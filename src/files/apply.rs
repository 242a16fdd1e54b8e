//! Carries out what was decided about files below `/etc`.

use anyhow::{Result, bail};

use crate::files::decide::{FileChange, FolderMend};
use crate::host::fs::{Content, NewFile, Root};
use crate::model::names::TargetPath;
use crate::model::node::Node;
use crate::store::backups;

/// Copies what stands there to the backups.
///
/// # Errors
/// When it has changed since the plan was made, or can't be copied.
pub(crate) fn keep(root: &Root, change: &FileChange) -> Result<()> {
    check_unchanged(root, change)?;
    match &change.keep {
        Some(keep) => backups::keep(root, &change.target, &keep.backup),
        None => Ok(()),
    }
}

/// Removes a file.
///
/// # Errors
/// When it has changed since the plan was made, or can't be removed.
pub(crate) fn remove(root: &Root, change: &FileChange) -> Result<()> {
    check_unchanged(root, change)?;
    tracing::debug!("removing /etc/{}", change.target);
    root.remove_file(&change.target.in_etc())
}

/// Removes a folder that is empty.
///
/// # Errors
/// When it is not, or can't be removed.
pub(crate) fn remove_folder(root: &Root, folder: &TargetPath) -> Result<()> {
    if !root.remove_folder(&folder.in_etc())? {
        bail!(
            "/etc/{folder} is no longer empty\nhint: run this again; the new files in it will be respected"
        );
    }
    Ok(())
}

/// Gives a folder its mode and owner again.
///
/// # Errors
/// When they can't be set.
pub(crate) fn mend_folder(root: &Root, mend: &FolderMend) -> Result<()> {
    let FolderMend { target, after, .. } = mend;
    tracing::info!("restoring the mode and owner of /etc/{target}");
    root.set_access(&target.in_etc(), after.mode, after.uid, after.gid)
}

/// Puts back what stood there before.
///
/// # Errors
/// When what stands there has changed since the plan was made, or it can't be put back.
pub(crate) fn restore(root: &Root, change: &FileChange) -> Result<()> {
    check_unchanged(root, change)?;
    tracing::debug!("restoring /etc/{}", change.target);
    match &change.backup {
        Some(id) => backups::restore(root, &change.target, id),
        None => bail!("/etc/{} has no backup to restore", change.target),
    }
}

/// Places a file.
///
/// # Errors
/// When what stands there has changed since the plan was made, or it can't be written.
pub(crate) fn write(root: &Root, change: &FileChange) -> Result<()> {
    check_unchanged(root, change)?;
    tracing::debug!("writing /etc/{}", change.target);
    let path = change.target.in_etc();
    match (&change.after, &change.source) {
        (Node::Link { to }, _) => root.write_link(&path, to),
        (
            Node::File {
                sha256,
                mode,
                uid,
                gid,
            },
            Some(source),
        ) => root.write_file(
            &path,
            &NewFile {
                content: Content::Source {
                    path: source,
                    sha256,
                },
                mode: *mode,
                uid: *uid,
                gid: *gid,
            },
        ),
        _ => bail!("/etc/{} has no content to write", change.target),
    }
}

/// Own twice: what is replaced or removed must still be what the plan was made from.
fn check_unchanged(root: &Root, change: &FileChange) -> Result<()> {
    let now = root.node(&change.target.in_etc())?;
    let expected = match &change.before {
        // What stood there or in the way is gone by now.
        Node::Folder | Node::Blocked { .. } => &Node::Absent,
        other => other,
    };
    if now != *expected {
        bail!(
            "/etc/{} has changed since the plan was made\nhint: run this again",
            change.target
        );
    }
    root.remove_leftover(&change.target.in_etc())
}
