//! What numtide/system-manager has lost track of, which no record names.

use std::path::Path;

use anyhow::Result;

use super::{ASIDE, MASK, STORE};
use crate::files::record::FilesRecord;
use crate::host::fs::Root;
use crate::model::names::TargetPath;
use crate::model::node::Kind;

/// Adds what it has lost track of below a folder: links into the store, files that were put aside, masks of no unit.
///
/// # Errors
/// When something can't be looked at.
pub(super) fn find(
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
            Some(Kind::Folder) => find(root, ours, &path, notes)?,
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
