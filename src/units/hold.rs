//! Holds stopped units back, so that nobody starts them before systemd has read their new definitions.
//!
//! A drop-in below `/run` with a condition that never holds is what every way to start a unit meets: the bus, `Upholds=`,
//! the units that pull it in. It fails nobody: a start whose condition does not hold counts as done.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::host::fs::{Content, NewFile, Root};

/// systemd reads it before all other folders, and it does not outlive the boot.
const FOLDER: &str = "run/systemd/system.control";

/// It comes after all other drop-ins, whose conditions must not take it back.
const FILE: &str = "zzz-system-manager-hold.conf";

const TEXT: &str = "# A switch replaces this unit's definition, and lets it go in a moment.\n[Unit]\nConditionPathExists=!/\n";

/// Holds units back, from the next daemon-reload on; those that an interrupted run has left are let go.
///
/// # Errors
/// When a file can't be written.
pub(crate) fn hold<'a>(root: &Root, units: impl IntoIterator<Item = &'a String>) -> Result<()> {
    release(root)?;
    for unit in units {
        let folder = folder_of(unit);
        root.make_folders(&folder)?;
        root.write_file(
            &folder.join(FILE),
            &NewFile::of_root(Content::Bytes(TEXT.as_bytes()), 0o644),
        )?;
    }
    Ok(())
}

/// Lets all units go, from the next daemon-reload on.
///
/// # Errors
/// When a file can't be removed.
pub(crate) fn release(root: &Root) -> Result<()> {
    for name in root.list(Path::new(FOLDER))? {
        let Some(unit) = name.strip_suffix(".d") else {
            continue;
        };
        let folder = folder_of(unit);
        if root.list(&folder)?.iter().any(|file| file == FILE) {
            root.remove_file(&folder.join(FILE))?;
            // What `systemctl set-property` keeps there stays.
            root.remove_folder(&folder)?;
        }
    }
    Ok(())
}

fn folder_of(unit: &str) -> PathBuf {
    Path::new(FOLDER).join(format!("{unit}.d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_let_go_and_what_others_set_stays() {
        if !crate::needs::is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path(), false).unwrap();
        let others = Path::new(FOLDER).join("a.service.d");
        root.make_folders(&others).unwrap();
        std::fs::write(dir.path().join(&others).join("50-CPUWeight.conf"), "x").unwrap();
        hold(&root, &["a.service".to_owned(), "b.service".to_owned()]).unwrap();
        let held = |unit: &str| dir.path().join(folder_of(unit)).join(FILE).exists();
        assert!(held("a.service") && held("b.service"));
        hold(&root, &["c.service".to_owned()]).unwrap();
        assert!(
            !held("a.service") && held("c.service"),
            "an earlier run's are let go"
        );
        release(&root).unwrap();
        let left = root.list(Path::new(FOLDER)).unwrap();
        assert_eq!(left, ["a.service.d"]);
        assert_eq!(root.list(&others).unwrap(), ["50-CPUWeight.conf"]);
    }
}
