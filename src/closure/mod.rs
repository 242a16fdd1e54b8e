//! Store paths with all that they refer to, on a host that has no Nix, or beside one: what is there, how it arrives, and
//! what nothing needs any more.

pub(crate) mod contents;
pub(crate) mod database;
pub(crate) mod gc;
pub(crate) mod info;
pub(crate) mod receive;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::fcntl::OFlag;

use crate::host::fs::Root;
use crate::host::held::{Held, How};

/// Where the paths are, relative to the root.
pub(crate) const STORE: &str = "nix/store";

/// Where what is known of them is, relative to the root.
const FOLDER: &str = "nix/var/system-manager";

const LOCK: &str = "nix/var/system-manager/lock";

/// Held alone by whoever unpacks paths.
const RECEIVING: &str = "nix/var/system-manager/receiving";

/// Where Nix's database is, if the host has Nix.
const NIX_DATABASE: &str = "nix/var/nix/db/db.sqlite";

/// Held shared by whoever brings or activates paths, and alone by whoever removes some.
pub(crate) struct Hold(#[expect(dead_code, reason = "held for its lock")] Held);

/// How the store is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holding {
    /// Paths come; none goes.
    Shared,
    /// Paths go.
    Alone,
}

/// Holds the store until the result is dropped.
///
/// # Errors
/// When somebody holds it otherwise, or it can't be held.
pub(crate) fn hold(root: &Root, how: Holding) -> Result<Hold> {
    match how {
        Holding::Shared => lock(root, LOCK, How::Shared),
        Holding::Alone => lock(root, LOCK, How::Alone),
    }
}

fn lock(root: &Root, file: &str, how: How) -> Result<Hold> {
    root.make_folders(Path::new(FOLDER))?;
    let path = root.show(Path::new(file));
    let opened = root.open_file(Path::new(file), OFlag::O_RDWR | OFlag::O_CREAT)?;
    let taken = Held::try_take(opened, how);
    match taken.with_context(|| format!("locking {}", path.display()))? {
        Ok(held) => Ok(Hold(held)),
        Err(_) => bail!(
            "another run is using this store: it holds {}\nhint: wait for it to finish, then run this again",
            path.display()
        ),
    }
}

/// Whether the host's store is Nix's, which then knows what is in it.
///
/// # Errors
/// When that can't be seen.
pub(crate) fn is_of_nix(root: &Root) -> Result<bool> {
    Ok(root.node(Path::new(NIX_DATABASE))? != crate::model::node::Node::Absent)
}

/// Returns the folder of the store.
fn folder(root: &Root) -> PathBuf {
    root.show(Path::new(STORE))
}
