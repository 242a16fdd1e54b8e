//! Carries out what was decided about lines in files of others.

use anyhow::{Context, Result, bail};

use crate::blocks::decide::{BlockChange, BlockVerb, render};
use crate::host::fs::{Content, NewFile, Root};
use crate::store::backups;

/// Copies a file whose block was changed by hand to the backups.
///
/// # Errors
/// When it has changed since the plan was made, or can't be copied.
pub(crate) fn keep(root: &Root, change: &BlockChange) -> Result<()> {
    check_unchanged(root, change)?;
    match &change.keep {
        Some(keep) => backups::keep(root, &change.target, &keep.backup),
        None => Ok(()),
    }
}

/// Writes a block, or takes it out. Mode, owner and extended attributes of the file stay.
///
/// # Errors
/// When the file has changed since the plan was made, or can't be written.
pub(crate) fn apply(root: &Root, change: &BlockChange) -> Result<()> {
    if matches!(change.verb, BlockVerb::Adopt | BlockVerb::Forget) {
        return Ok(());
    }
    check_unchanged(root, change)?;
    let path = change.target.in_etc();
    let content = root.read(&path)?;
    match (render(content.as_deref(), change), content) {
        (None, _) => {
            tracing::info!("removing /etc/{}", change.target);
            root.remove_file(&path)
        }
        (Some(new), Some(_)) => {
            tracing::info!("writing lines in /etc/{}", change.target);
            root.rewrite_file(&path, &new)
        }
        (Some(new), None) => {
            tracing::info!("writing /etc/{}", change.target);
            let (mode, uid, gid) = (0o644, 0, 0);
            let content = Content::Bytes(&new);
            root.write_file(
                &path,
                &NewFile {
                    content,
                    mode,
                    uid,
                    gid,
                },
            )
        }
    }
    .with_context(|| format!("changing the lines of ours in /etc/{}", change.target))
}

fn check_unchanged(root: &Root, change: &BlockChange) -> Result<()> {
    if root.node(&change.target.in_etc())? != change.before {
        bail!(
            "/etc/{} has changed since the plan was made\nhint: run this again",
            change.target
        );
    }
    Ok(())
}
