//! One activation at a time: a kernel lock on `/var/lib/system-manager/lock`, which names its holder.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use nix::fcntl::OFlag;

use crate::host::fs::Root;
use crate::host::held::{Held, How};
use crate::model::node::Node;
use crate::store;

const FILE: &str = "var/lib/system-manager/lock";

/// What is done when another process holds the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// It is waited for.
    Wait,
    /// It is an error.
    Refuse,
}

/// Holds the lock until it is dropped; the kernel releases it when the process ends, however it ends.
pub(crate) struct Lock(#[expect(dead_code, reason = "held for its lock")] Held);

/// Says who holds the lock, if anybody does. Takes nothing and changes nothing.
///
/// # Errors
/// When the lock is there and can't be read.
pub(crate) fn holder(root: &Root) -> Result<Option<String>> {
    if root.node(Path::new(FILE))? == Node::Absent {
        return Ok(None);
    }
    let file = root.open_file(Path::new(FILE), OFlag::O_RDONLY)?;
    let taken = Held::try_take(file, How::Shared)
        .with_context(|| format!("reading {}", root.show(Path::new(FILE)).display()))?;
    Ok(taken.err().map(|mut file| read_holder(&mut file)))
}

/// Only for messages: the lock itself is the kernel's.
fn read_holder(file: &mut File) -> String {
    let mut holder = String::new();
    let first = match file.read_to_string(&mut holder) {
        Ok(_) => holder.lines().next().map(str::trim),
        Err(_) => None,
    };
    let named = first.filter(|line| !line.is_empty());
    named.unwrap_or("an unnamed process").to_owned()
}

/// Writes the holder's name over that of the one before. What was longer is cut after that, and only then: to cut a file
/// may wait for the disk.
fn name(file: &mut File, holder: &str) -> io::Result<()> {
    file.rewind()?;
    file.write_all(holder.as_bytes())?;
    let length = u64::try_from(holder.len()).unwrap_or(u64::MAX);
    if file.metadata()?.len() > length {
        file.set_len(length)?;
    }
    Ok(())
}

impl Lock {
    /// Takes the lock, or says who holds it; with patience, waits until it is free.
    ///
    /// # Errors
    /// When it is held by another process, or can't be made.
    pub(crate) fn take(root: &Root, purpose: &str, patience: Patience) -> Result<Self> {
        store::make_folder(root)?;
        let path = root.show(Path::new(FILE));
        let file = root.open_file(Path::new(FILE), OFlag::O_RDWR | OFlag::O_CREAT)?;
        let locking = || format!("locking {}", path.display());
        let mut held = match Held::try_take(file, How::Alone).with_context(locking)? {
            Ok(held) => held,
            Err(mut file) if patience == Patience::Wait => {
                tracing::info!("waiting for {}", read_holder(&mut file));
                Held::wait(file, How::Alone).with_context(locking)?
            }
            Err(mut file) => {
                let holder = read_holder(&mut file);
                bail!(
                    "another activation is running: {} holds {}\nhint: wait for it to finish and run this again, or use `--wait`",
                    holder,
                    path.display()
                )
            }
        };
        let holder = format!("{purpose}, process {}\n", std::process::id());
        name(&mut held, &holder).with_context(|| format!("writing {}", path.display()))?;
        Ok(Self(held))
    }

    /// Waits for a lock of another purpose, which is held for a moment only.
    ///
    /// # Errors
    /// When it can't be made.
    pub(crate) fn wait(root: &Root, file: &Path) -> Result<Self> {
        store::make_folder(root)?;
        let opened = root.open_file(file, OFlag::O_RDWR | OFlag::O_CREAT)?;
        Held::wait(opened, How::Alone)
            .map(Self)
            .with_context(|| format!("locking {}", root.show(file).display()))
    }
}
