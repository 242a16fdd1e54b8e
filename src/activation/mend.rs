//! Puts files of the store right that someone has changed or removed through a link of ours.
//!
//! Nix keeps nothing of a text that a configuration holds but the file itself; so the toplevel has it once more. What else
//! was built is built again, or fetched, by Nix.
#![expect(clippy::disallowed_methods, reason = "writes to the Nix store")]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};

use crate::activation::apply::CURRENT;
use crate::files::built::{self, BUILT_TIME, Damage, Originals, STORE};
use crate::files::decide::{Means, Mend};
use crate::host::fs::Root;
use crate::host::fs::writable::lift_read_only;
use crate::model::node::Node;
use crate::nix::{self, BuildOptions};
use crate::store::backups;

/// What a file of the store may be at the most: read, by everyone.
const BUILT_MODE: u32 = 0o444;

/// Copies what was written to a file of the store into the backups.
///
/// # Errors
/// When it can't be copied, or was changed since the plan was made.
pub(crate) fn keep(root: &Root, mend: &Mend) -> Result<()> {
    match (&mend.keep, &mend.damage) {
        (Some(keep), Damage::Changed { sha256 }) => {
            backups::keep_outside(root, &mend.path, sha256, &keep.backup)
        }
        _ => Ok(()),
    }
}

/// Puts a file of the store right.
///
/// # Errors
/// When that can't be done; the message has the commands that may help.
pub(crate) fn apply(mend: &Mend) -> Result<()> {
    let inner = || -> Result<()> {
        match &mend.means {
            Some(Means::Original { toplevel }) => write_original(mend, toplevel)?,
            Some(Means::Nix) => repair(&mend.path)?,
            None => return Ok(()),
        }
        match built::find_damage(&mend.path, mend.built.as_ref())? {
            None => Ok(()),
            Some(_) => bail!("it still differs from what was built"),
        }
    };
    tracing::info!("mending {}", mend.path);
    inner().with_context(|| {
        format!(
            "repairing {0}, which a managed link points to\nhint: try `nix-store --repair-path {0}` with a cache that has it, or `nix-store --verify --check-contents --repair`",
            mend.path
        )
    })
}

/// Puts back what the active generation's links lead to and is gone from the store: Nix builds nothing of which it finds a
/// part missing that it takes for there. Returns how many files that were.
///
/// # Errors
/// When one can't be written.
pub(crate) fn put_back_missing(root: &Root) -> Result<usize> {
    let Node::Link { to: toplevel } = root.node(Path::new(CURRENT))? else {
        return Ok(0);
    };
    let originals = Originals::of(&toplevel);
    let mut count = 0;
    for target in originals.targets()? {
        let link = Path::new(&toplevel).join("etc").join(&target);
        let Ok(to) = fs::read_link(&link) else {
            continue;
        };
        let place = built::place_of(&to.to_string_lossy());
        if !place.starts_with(STORE) || place.exists() {
            continue;
        }
        if let Some(bytes) = originals.read(&target)? {
            tracing::info!("mending {}", place.display());
            write_built(&place, &bytes)?;
            count += 1;
        }
    }
    Ok(count)
}

fn write_original(mend: &Mend, toplevel: &str) -> Result<()> {
    let originals = Originals::of(toplevel);
    for target in &mend.targets {
        let original = originals.built(target)?;
        if original.is_some() && (mend.built.is_none() || original == mend.built) {
            let bytes = originals.read(target)?.unwrap_or_default();
            let place = built::place_of(&mend.path);
            if !place.starts_with(STORE) {
                bail!("it points outside the store, to {}", place.display());
            }
            return write_built(&place, &bytes);
        }
    }
    Err(anyhow!("{toplevel} contains no original of it"))
}

/// Writes a file as Nix leaves it, over what is there, in one step. Another file that shares the old one's content, as in
/// a store that was optimised, keeps it.
fn write_built(place: &Path, bytes: &[u8]) -> Result<()> {
    lift_read_only(Path::new(STORE))?;
    let folder = place.parent().context("it has no folder")?;
    let name = place.file_name().context("it has no name")?;
    let temporary = folder.join(format!(".{}.mended", name.display()));
    let time = UNIX_EPOCH + Duration::from_secs(BUILT_TIME.unsigned_abs());
    match fs::remove_file(&temporary) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(e).with_context(|| format!("removing {}", temporary.display()));
        }
        _ => {}
    }
    let write = || -> std::io::Result<()> {
        let mut file = File::create_new(&temporary)?;
        file.write_all(bytes)?;
        file.set_permissions(fs::Permissions::from_mode(BUILT_MODE))?;
        file.set_modified(time)?;
        file.sync_all()?;
        fs::rename(&temporary, place)
    };
    let written = write().with_context(|| format!("writing {}", place.display()));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    if folder != Path::new(STORE) {
        // A folder of the store has the time of the store too.
        let opened = File::open(folder).and_then(|folder| folder.set_modified(time));
        opened.with_context(|| format!("setting the time of {}", folder.display()))?;
    }
    Ok(())
}

fn repair(path: &str) -> Result<()> {
    let path = built::store_path(&built::place_of(path)).context("it is not in the store")?;
    let output = nix::nix("nix-store", false, &BuildOptions::default())
        .arg("--repair-path")
        .arg(path)
        .output()?;
    if output.code == Some(0) {
        return Ok(());
    }
    bail!("{}", String::from_utf8_lossy(&output.stderr).trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_file_is_written_as_nix_leaves_it() {
        let folder = tempfile::tempdir().unwrap();
        let (place, other) = (folder.path().join("file"), folder.path().join("other"));
        fs::write(&place, "by hand").unwrap();
        fs::hard_link(&place, &other).unwrap();
        write_built(&place, b"built\n").unwrap();
        let meta = fs::metadata(&place).unwrap();
        assert_eq!(
            (meta.mode() & 0o7777, meta.mtime()),
            (BUILT_MODE, BUILT_TIME)
        );
        assert_eq!(fs::metadata(folder.path()).unwrap().mtime(), BUILT_TIME);
        assert_eq!(fs::read(&place).unwrap(), b"built\n");
        assert_eq!(fs::read(&other).unwrap(), b"by hand");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
